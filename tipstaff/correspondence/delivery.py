"""Claiming waiting messages and handing them to the smarthost. Off until switched on.

A message moves waiting → sending (its Message-ID fixed and committed) → handed (committed just before its last bytes go out)
→ sent. Killed before it is handed, it was surely not sent and waits again; killed after, nobody can know: it is held, and a
person decides. That is the one stretch, a few milliseconds long, after which a message could be sent twice, and then by a
person's choice and with the same Message-ID.
"""

import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q

from tipstaff.accounts import reachability
from tipstaff.audit.services import record
from tipstaff.correspondence import links, mime, outbox, references, schedule
from tipstaff.correspondence.local import LocalOutbox
from tipstaff.correspondence.models import Attempt, OutboxMessage
from tipstaff.correspondence.smarthost import Answer, Connection, Outcome, Smarthost
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import InputError
from tipstaff.policy import queries as policy

log = logging.getLogger(__name__)
BATCH = 50
LEASE = timedelta(minutes=15)  # longer than every patience of one message together
BY = "system:delivery"
UNSURE = "it ended while the server was answering: the message may have arrived. Look before you retry or withdraw it"
LAPSED = "the program ended before the message was handed over; it was not sent"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who our mail comes from: name, address, and how a token is put into the address."""

    name: str
    address: str
    plus: str = "+"

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


def claim(*, by: str, now: datetime, most: int = BATCH, own: Sender | None = None) -> list[OutboxMessage]:
    """Messages that may leave now, urgent ones first; each now ``sending``, with its Message-ID fixed. ``own``: our sender."""
    own = own or sender(now)
    with transaction.atomic():
        due = OutboxMessage.objects.select_for_update(skip_locked=True).filter(state="waiting", not_before__lte=now)
        rows = list(due.order_by("-urgent", "not_before", "id")[:most])
        allowed = _within_caps(_not_suppressed(rows), now)
        for row in allowed:
            row.state, row.claimed_by, row.claimed_until = "sending", by, now + LEASE
            row.token = row.token or links.check_of(row.reference)
            row.sender = row.sender or own.address
            domain = row.sender.rpartition("@")[2] or "localhost"
            row.message_id = row.message_id or references.message_id(row.token, f"m{row.pk}", domain)
            row.save(update_fields=["state", "claimed_by", "claimed_until", "token", "sender", "message_id"])
    return allowed


def _not_suppressed(rows: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    known = outbox.suppressed([row.recipient for row in rows])
    for row in rows:
        if reason := known.get(row.recipient.lower()):
            row.state, row.error, row.changed_by = "held", f"nothing is sent to this address: {reason}", BY
            row.save(update_fields=["state", "error", "changed_by"])
    return [row for row in rows if row.state == "waiting"]


def _within_caps(rows: Sequence[OutboxMessage], now: datetime) -> list[OutboxMessage]:
    """Those that the caps let through; the others wait until the hour has room again, and say so."""
    if not rows:
        return []
    since = now - schedule.WINDOW
    counted = Q(state="sent", sent_at__gt=since) | Q(state="sending")
    total = OutboxMessage.objects.filter(counted).count()
    people = {row.recipient.lower() for row in rows}
    sent: dict[str, int] = {}
    for recipient, count in OutboxMessage.objects.filter(counted).values_list("recipient").annotate(Count("id")):
        if recipient.lower() in people:
            sent[recipient.lower()] = sent.get(recipient.lower(), 0) + count
    caps, allowed = settings.MAIL_CAPS, []
    for row in rows:
        to = row.recipient.lower()
        if total >= caps["hour"]:
            _put_off(row, f"{caps['hour']} messages left within an hour, the most that may", now, "")
        elif sent.get(to, 0) >= caps["recipient"] and not row.urgent:
            why = f"{caps['recipient']} messages went to this address within an hour, the most that may"
            _put_off(row, why, now, row.recipient)
        else:
            allowed.append(row)
            total, sent[to] = total + 1, sent.get(to, 0) + 1
    return allowed


def _put_off(row: OutboxMessage, why: str, now: datetime, recipient: str) -> None:
    """Until an hour after the first of those that count."""
    counted = OutboxMessage.objects.filter(state="sent", sent_at__gt=now - schedule.WINDOW)
    if recipient:
        counted = counted.filter(recipient__iexact=recipient)
    first = counted.order_by("sent_at").values_list("sent_at", flat=True).first()
    row.not_before = max((first or now) + schedule.WINDOW, now + timedelta(minutes=1))
    row.error = f"{why}; it waits until {row.not_before:%H:%M} UTC"
    row.save(update_fields=["not_before", "error"])


def recover(*, now: datetime, dead: Callable[[str], bool] = lambda name: False) -> int:
    """What a program that ended left behind: unhanded messages wait again, handed ones are held. Returns how many."""
    with transaction.atomic():
        lost = OutboxMessage.objects.select_for_update(skip_locked=True).filter(state="sending")
        rows = [row for row in lost if row.claimed_until is None or row.claimed_until < now or dead(row.claimed_by)]
        for row in rows:
            sure = row.handed_at is None
            row.state, row.error = ("waiting", LAPSED) if sure else ("held", UNSURE)
            row.claimed_by, row.claimed_until = "", None
            row.save(update_fields=["state", "error", "claimed_by", "claimed_until"])
            _note(row, Answer(Outcome.LATER if sure else Outcome.UNSURE, "content", 0, row.error), now, "")
    return len(rows)


def withdraw_in_shadow(*, now: datetime, most: int = 500) -> int:
    """What waits is withdrawn, so that nothing of a shadow's goes out when it is over. Returns how many."""
    waiting = OutboxMessage.objects.filter(state="waiting").order_by("pk")[:most]
    return outbox.withdraw_all(
        messages=OutboxMessage.objects.filter(pk__in=[row.pk for row in waiting]), by=BY, now=now, reason=shadow.WHY
    )


def give_back(*, rows: Sequence[OutboxMessage], now: datetime, why: str, pause: timedelta = timedelta(0)) -> None:
    """Claimed messages that were not tried wait again; no attempt is counted."""
    mine = OutboxMessage.objects.filter(pk__in=[row.pk for row in rows], state="sending", handed_at=None)
    mine.update(state="waiting", claimed_by="", claimed_until=None, not_before=now + pause, error=why)


def deliver(*, row: OutboxMessage, connection: Connection | LocalOutbox, sender: Sender, clock: Callable[[], datetime]) -> Answer:
    """Send one claimed message and write down what became of it."""
    now = clock()
    try:
        recipient = mime.address(row.recipient)
        content = mime.build(_outgoing(row, sender, now))
        path = references.return_path(row.sender or sender.address, row.token, row.pk, sender.plus)
    except InputError as error:
        answer = Answer(Outcome.NEVER, "address", 0, str(error), bad_address=not _is_address(row.recipient))
        settle(row=row, answer=answer, now=clock(), server="")
        return answer

    def before_handing() -> None:
        mine = OutboxMessage.objects.filter(pk=row.pk, state="sending", claimed_by=row.claimed_by)
        if not mine.update(handed_at=clock(), sha256=hashlib.sha256(content).hexdigest()):
            raise ConnectionAbortedError("somebody else has taken the message over")

    answer = connection.send(path, recipient, content, before_handing)
    settle(row=row, answer=answer, now=clock(), server=str(connection.server))
    return answer


def _is_address(text: str) -> bool:
    try:
        return bool(mime.address(text))
    except InputError:
        return False


def _outgoing(row: OutboxMessage, sender: Sender, now: datetime) -> mime.Outgoing:
    address = row.sender or sender.address
    root = references.thread_root(row.token, address.rpartition("@")[2])
    return mime.Outgoing(
        sender=(sender.name, address),
        recipient=(row.recipient_name, row.recipient),
        reply_to=references.plus_address(address, row.token, sender.plus),
        subject=row.subject,
        text=row.body,
        html=row.html,
        message_id=row.message_id,
        date=now,
        language=row.language,
        in_reply_to=row.in_reply_to,
        references=[root, *row.thread.split(), row.in_reply_to],
        automatic=row.automatic,
        bulk=row.kind == "digest",
    )


@transaction.atomic
def settle(*, row: OutboxMessage, answer: Answer, now: datetime, server: str) -> None:
    """Write down how a try ended, if the claim is still ours."""
    found = OutboxMessage.objects.select_for_update().filter(pk=row.pk, state="sending", claimed_by=row.claimed_by).first()
    if found is None:
        return
    found.claimed_by, found.claimed_until, found.tried_at = "", None, now
    found.attempts, found.error = F("attempts") + 1, "" if answer.outcome is Outcome.SENT else str(answer)
    attempts = row.attempts + 1
    if answer.outcome is Outcome.SENT:
        found.state, found.sent_at = "sent", now
        record(by=BY, action="message.sent", subject=f"message:{row.pk}", now=now, about=row.reference, sha256=row.sha256)
    elif answer.outcome is Outcome.UNSURE:
        found.state, found.error = "held", UNSURE
    elif answer.outcome is Outcome.NEVER or schedule.is_hopeless(row.created_at, now):
        found.state, found.bad_address = "failed", answer.bad_address
    else:
        found.state, found.handed_at = "waiting", None
        found.not_before = schedule.next_try(attempts, now, random.random())  # noqa: S311 - it spreads, it hides nothing
    found.save()
    _note(row, answer, now, server)
    if answer.bad_address and found.contact_id:
        reachability.raise_problem(contacts=[found.contact_id], problem=f"mail was refused: {answer}", by=BY, now=now)


def _note(row: OutboxMessage, answer: Answer, now: datetime, server: str) -> None:
    Attempt.objects.create(
        message=row, at=now, outcome=str(answer.outcome), stage=answer.stage, code=answer.code, answer=answer.text, server=server
    )


def smarthost() -> Smarthost | None:
    """The smarthost of this instance's settings."""
    return Smarthost(**settings.SMARTHOST) if settings.SMARTHOST else None


def sender(now: datetime) -> Sender:
    """Who our mail comes from: the setting, else the intake address of the policy in force."""
    address = settings.MAIL_FROM or policy.intake_address("", now)
    return Sender(settings.OPERATOR_NAME, address, settings.MAIL_PLUS)
