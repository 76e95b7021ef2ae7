"""What people do to messages in the outbox: hold, release, retry, withdraw; and addresses that nothing is sent to.

A message that is being sent is left alone; one that was sent stays as it is.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from tipstaff.audit.services import record
from tipstaff.correspondence.models import OutboxMessage, Suppression
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

PLAIN = {
    "sent": "was sent already",
    "sending": "is being sent at this moment",
    "withdrawn": "was withdrawn",
    "failed": "has failed",
    "held": "is held",
    "waiting": "waits",
}


@transaction.atomic
def hold(*, message: int, by: str, now: datetime, reason: str) -> OutboxMessage:
    """Keep a waiting message until somebody releases it."""
    return _move(message, {"waiting"}, "held", by, now, reason or "held by hand")


@transaction.atomic
def release(*, message: int, by: str, now: datetime, reason: str = "") -> OutboxMessage:
    """Let a held message go."""
    return _move(message, {"held"}, "waiting", by, now, reason)


@transaction.atomic
def retry(*, message: int, by: str, now: datetime, reason: str = "") -> OutboxMessage:
    """Try a failed or held message again, from the first pause on. It keeps its Message-ID: who has it already sees it once."""
    found = _move(message, {"failed", "held", "waiting"}, "waiting", by, now, reason)
    found.attempts, found.handed_at, found.reported_at, found.bad_address = 0, None, None, False
    found.save(update_fields=["attempts", "handed_at", "reported_at", "bad_address"])
    return found


@transaction.atomic
def withdraw(*, message: int, by: str, now: datetime, reason: str) -> OutboxMessage:
    """Take back what was not sent. Refused once it is on its way."""
    return _move(message, {"waiting", "held", "failed"}, "withdrawn", by, now, reason or "withdrawn by hand")


def _move(number: int, allowed: set[str], state: str, by: str, now: datetime, reason: str) -> OutboxMessage:
    found = OutboxMessage.objects.select_for_update().filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no message {number} in the outbox")
    if found.state not in allowed:
        raise Refused(f"message {number} {PLAIN[found.state]}; nothing was changed")
    before, found.state, found.changed_by, found.error = found.state, state, by, reason
    if state == "waiting":
        found.not_before = now
    found.save(update_fields=["state", "changed_by", "error", "not_before"])
    record(by=by, action=f"outbox.{state}", subject=f"message:{number}", now=now, reason=reason, before=before,
           reference=found.reference)  # fmt: skip
    return found


def withdraw_all(*, messages: "QuerySet[OutboxMessage]", by: str, now: datetime, reason: str) -> int:
    """Withdraw what still waits or is held among these; what is on its way already goes on."""
    numbers = list(messages.filter(state__in=["waiting", "held"]).values_list("pk", flat=True))
    done = 0
    for number in numbers:
        try:
            withdraw(message=number, by=by, now=now, reason=reason)
        except Refused:
            continue
        done += 1
    return done


@transaction.atomic
def suppress(*, address: str, reason: str, by: str, now: datetime) -> Suppression:
    """Send nothing to an address until that is lifted."""
    if "@" not in address:
        raise InputError(Problem("address", f"{address!r} is no mail address"))
    found, made = Suppression.objects.get_or_create(
        address=address.strip().lower(), lifted_at=None, defaults={"reason": reason, "at": now, "by": by}
    )
    if made:
        record(by=by, action="outbox.suppress", subject=f"suppression:{found.pk}", now=now, reason=reason)
    return found


@transaction.atomic
def lift(*, address: str, by: str, now: datetime, reason: str = "") -> bool:
    """Send to an address again; what was held for it goes. Returns whether it was suppressed."""
    known = Suppression.objects.select_for_update().filter(address=address.strip().lower(), lifted_at=None).first()
    if known is None:
        return False
    known.lifted_at, known.lifted_by = now, by
    known.save(update_fields=["lifted_at", "lifted_by"])
    record(by=by, action="outbox.lift", subject=f"suppression:{known.pk}", now=now, reason=reason)
    for number in OutboxMessage.objects.filter(state="held", recipient__iexact=known.address).values_list("pk", flat=True):
        release(message=number, by=by, now=now, reason="the address is no longer suppressed")
    return True


def suppressed(addresses: Sequence[str]) -> dict[str, str]:
    """Which of these addresses nothing is sent to, with the reason."""
    wanted = {address.lower() for address in addresses}
    return dict(Suppression.objects.filter(address__in=wanted, lifted_at=None).values_list("address", "reason"))
