"""Notices that are owed become letters in the outbox, after the commit that owed them; what came back is told to its case.

A notice is told once: its letters carry its number and their address as the key of the promise, so that telling it again after a
kill adds nothing.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from tipstaff.accounts import reachability
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import letters, notices
from tipstaff.cases.journal import journal
from tipstaff.cases.models import Case, Notice
from tipstaff.consent.models import OptOut
from tipstaff.correspondence.letters import Addressee, Audience, compose, promise
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError
from tipstaff.pipeline import duties
from tipstaff.policy import queries as policy
from tipstaff.reports.models import Report

log = logging.getLogger(__name__)
MOST = 100
BY = "system:telling"
WORDING = "its wording cannot be used"
NOBODY = "no contact has an address that mail reaches"
UNREADABLE = "its wording cannot be used"
#: Notices that nobody is to be told of: not refused for a fault that somebody could mend.
BY_DESIGN = (
    "told with the extension that was granted",
    "the policy tells reporters no more than this",
    "no reporter wrote by hand and can be answered",
)
DAILY_CAP = 3  # letters to one reporter in a day


def tell(*, now: datetime, most: int = MOST) -> int:
    """Tell what is owed. Returns how many notices were told or refused."""
    done = 0
    while done < most:
        with transaction.atomic():
            rows = letters.owed(now, 1)
            if not rows:
                break
            _one(rows[0], now)
        done += 1
    return done


def _one(notice: Notice, now: datetime) -> None:
    """Tell one notice, or write down why nobody was told."""
    case = notice.case.merged_into or notice.case
    if _told_by_another(notice):
        Notice.objects.filter(pk=notice.pk).update(refused=BY_DESIGN[0])
        return
    try:
        made, why = letters_of(notice, now)
    except InputError as error:  # an operator's template that no longer fits: told again when it is mended (``retelling``)
        made, why = [], f"{WORDING}: {error}"
        log.error("notice %s (%s): %s", notice.pk, notice.kind, error)
    Notice.objects.filter(pk=notice.pk).update(rendered_at=now if made else None, refused="" if made else why)
    if not made and notice.audience == "customer":
        letters.nobody_reached(case=case, why=why, by=BY, now=now)
        return
    if not made and why.startswith(UNREADABLE):
        text = f"{notice.kind.replace('_', ' ')} to the {notice.audience} was refused: {why}"
        journal(case=case, kind="mail", text=text[:2000], by=BY, now=now, audience=notice.audience, notice=notice.pk)
    if made:
        names = ", ".join(row.recipient_name or row.recipient for row in made)
        shown = names if notice.audience != "reporter" else f"{len(made)} reporter{'s' if len(made) > 1 else ''}"
        text = f"{notice.kind.replace('_', ' ')}: letter to {shown} put in the outbox"
        journal(case=case, kind="mail", text=text, by=BY, now=now, audience=notice.audience, to=shown, notice=notice.pk,
                messages=[row.pk for row in made])  # fmt: skip


def letters_of(notice: Notice, now: datetime) -> tuple[list[OutboxMessage], str]:
    """The letters of a notice, promised; without any, why. Raises InputError where its wording cannot be used."""
    sides = {"customer": _to_customer, "reseller": _to_customer, "reporter": _to_reporters, "staff": _to_staff}
    return sides[notice.audience](notice, now)


def _told_by_another(notice: Notice) -> bool:
    """An extension that is granted changes the time: one letter says both."""
    same = Notice.objects.filter(case=notice.case_id, audience=notice.audience, created_at=notice.created_at)
    return notice.kind == "due_changed" and same.filter(kind="extension_granted").exists()


def _to_customer(notice: Notice, now: datetime) -> tuple[list[OutboxMessage], str]:
    """To the customer's contacts, or to those of its reseller: the same facts, in each one's language."""
    case, side = notice.case, notice.audience
    people = letters.resellers(case) if side == "reseller" else letters.customers(case, notice.kind)
    made = [row for person in people if (row := letter_to(notice, person, now))]
    return made, NOBODY


def letter_to(notice: Notice, person: Addressee, now: datetime) -> OutboxMessage | None:
    """One letter of a notice about a case to one of the customer's or the reseller's contacts; None where it was promised."""
    case, side = notice.case, str(person.audience)
    kind = "copy.reseller" if side == "reseller" else notice.kind
    found: dict[str, Any] = notices.values(notice=notice, language=person.language, audience=side, now=now)
    found |= {"contact": person.name} | (notices.link(case, person, now) if side == "customer" else {})
    letter = compose(kind, person.language, found, brand=case.brand, zone=notices.zone_of(case))
    return promise(
        letter=notices.tokened(letter, case, side),
        to=person,
        thread=letters.thread(case, side, person.address, now),
        now=now,
        once=f"notice:{notice.pk}:{person.address.lower()}",
        by=BY,
        urgent=notice.kind in letters.URGENT,
    )


def _to_reporters(notice: Notice, now: datetime) -> tuple[list[OutboxMessage], str]:
    """To each reporter who wrote by hand, as far as the policy's switch, or a law over it, has us tell."""
    case, made = notice.case, []
    edition = policy.compiled(case.edition)
    told = duties.reporter_hears(edition.switches.reporter_notice, notice.kind, case.category, settings.REPORTER_DUTIES)
    if not told:
        return [], BY_DESIGN[1]
    reports = list(letters.reports_by_people(case.pk))
    if not reports:
        return [], BY_DESIGN[2]
    for report in reports:
        row = _reporter_letter(notice, report, told, now)
        made += [row] if row else []
    return made, "each reporter wants no mail, or had the letters of a day"


def _reporter_letter(notice: Notice, report: Report, told: duties.Told, now: datetime) -> OutboxMessage | None:
    case, reporter = notice.case, report.reporter
    address = reporter.email.lower()
    if OptOut.objects.filter(address=address).exists() or (not told.by_law and _capped(address, now)):
        return None
    found = notices.values(notice=notice, language="en", audience="reporter", now=now)
    found = {name: found.get(name) for name in ("operator", "category", "title", "outcome", "reason")}
    found |= {"contact": reporter.name, "decided_by_law": told.by_law} | duties.about(report)
    found["reason"] = found["reason"] if notice.kind == "retraction" else ""
    kind = "retraction.reporter" if notice.kind == "retraction" else "outcome.reporter"
    letter = compose(kind, "en", found, brand=case.brand)
    return promise(
        letter=notices.tokened(letter, case, "reporter"),
        to=Addressee(Audience.REPORTER, reporter.email, reporter.name),
        thread=letters.thread(case, "reporter", reporter.email, now),
        now=now,
        once=f"notice:{notice.pk}:{address}",
        by=BY,
    )


def _capped(address: str, now: datetime) -> bool:
    since = now - timedelta(days=1)
    return OutboxMessage.objects.filter(recipient__iexact=address, audience="reporter", created_at__gt=since).count() >= DAILY_CAP


def _to_staff(notice: Notice, now: datetime) -> tuple[list[OutboxMessage], str]:
    """To the case's owner, else to the leads."""
    case, made = notice.case, []
    owner = [case.owner] if case.owner and case.owner.email else []
    people = owner or list(StaffMember.objects.filter(is_active=True, roles__contains=["lead"]).exclude(email=""))
    for person in people:
        found = notices.values(notice=notice, language="en", audience="staff", now=now)
        letter = compose("alert.staff", "en", found, brand=case.brand)
        to = Addressee(Audience.STAFF, person.email, person.get_full_name())
        thread = letters.Thread(f"case:{case.pk}", sender=letters.sender_of(case, now))
        once = f"notice:{notice.pk}:{person.email.lower()}"
        row = promise(letter=letter, to=to, thread=thread, now=now, once=once, by=BY, urgent=True)
        made += [row] if row else []
    return made, "neither the owner nor a lead has a mail address"


def report_failures(*, now: datetime, most: int = MOST) -> int:
    """Letters whose address refused them or sent them back: the case hears of it, and the next contact is told instead."""
    done = 0
    while done < most:
        with transaction.atomic():
            lost = OutboxMessage.objects.select_for_update(skip_locked=True)
            row = lost.filter(bad_address=True, reported_at=None).order_by("id").first()
            if row is None:
                break
            _failed(row, now)
            OutboxMessage.objects.filter(pk=row.pk).update(reported_at=now)
        done += 1
    return done


def _failed(row: OutboxMessage, now: datetime) -> None:
    kind, _, number = row.reference.partition(":")
    if row.contact_id:
        reachability.raise_problem(contacts=[row.contact_id], problem=f"mail came back: {row.error}", by=BY, now=now)
    found = Case.objects.filter(pk=int(number)).first() if kind == "case" and number.isdecimal() else None
    if found is None or row.audience == "staff":
        return
    case = found.merged_into or found
    who = row.recipient_name or row.recipient if row.audience != "reporter" else "a reporter"
    journal(case=case, kind="mail", text=f"mail to {who} came back: {row.error}", by=BY, now=now, audience=row.audience,
            messages=[row.pk])  # fmt: skip
    if row.audience == "customer":
        _next_contact(case, row, now)


def _next_contact(case: Case, row: OutboxMessage, now: datetime) -> None:
    """Whoever else of the customer can be reached gets the letter; nobody left: the case says so."""
    if reachability.is_unreachable(case.customer_id):
        letters.nobody_reached(case=case, why="mail to every contact came back", by=BY, now=now)
        return
    once = (row.dedupe_key or "").split(":")
    notice = Notice.objects.filter(pk=int(once[1])).first() if len(once) == 3 and once[0] == "notice" else None
    if notice is None or case.closed_at is not None:
        return
    person = letters.recipient(case.customer_id)
    made = letter_to(notice, person, now) if person else None
    if made is not None:
        text = f"{notice.kind.replace('_', ' ')}: letter to {made.recipient_name or made.recipient} put in the outbox instead"
        journal(case=case, kind="mail", text=text, by=BY, now=now, audience="customer", messages=[made.pk], notice=notice.pk)
