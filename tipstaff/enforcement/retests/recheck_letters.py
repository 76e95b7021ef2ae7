"""Asking those who reported it, by hand and authenticated, whether they still see it: once for each claimed fix, a few at most."""

from datetime import datetime, timedelta

from tipstaff.cases import letters, notices
from tipstaff.cases.journal import journal
from tipstaff.cases.models import Case
from tipstaff.consent.models import OptOut
from tipstaff.correspondence.letters import Addressee, Audience, compose, promise
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.policy import queries as policy
from tipstaff.policy.switches import ReporterNotice

BY = "system:retest"
MOST = 3  # reporters of one case
DAILY_CAP = 3  # letters to one reporter in a day, of whatever kind
QUESTION = (
    "we were told that what you reported has been stopped. Do you still see it?\n\n"
    "Please answer this message: yes or no is enough, and with yes, when you saw it last (with the time zone). "
    "Without an answer we go by what we see ourselves."
)


def ask(case: Case, *, claimed_at: datetime | None, now: datetime) -> int:
    """Promise the question to those who may be asked; how many were asked now or before. The policy may have none asked."""
    edition = policy.compiled(case.edition)
    if edition.switches.reporter_notice is ReporterNotice.LEGAL_ONLY or claimed_at is None:
        return 0
    asked = fresh = 0
    for report in letters.reports_by_people(case.pk):
        if asked == MOST:
            break
        address = report.reporter.email.lower()
        once = f"recheck:{case.pk}:{claimed_at:%Y%m%dT%H%M%S}:{address}"
        if OutboxMessage.objects.filter(dedupe_key=once).exists():
            asked += 1
            continue
        if OptOut.objects.filter(address=address).exists() or _capped(address, now):
            continue
        hello = f"Dear {report.reporter.name}," if report.reporter.name else "Hello,"
        values = {"subject": report.subject, "contact": report.reporter.name, "text": f"{hello}\n\n{QUESTION}"}
        made = promise(
            letter=notices.tokened(compose("message.reporter", "en", values, brand=case.brand), case, "reporter"),
            to=Addressee(Audience.REPORTER, report.reporter.email, report.reporter.name),
            thread=letters.thread(case, "reporter", report.reporter.email, now), now=now, once=once, by=BY,
        )  # fmt: skip
        asked, fresh = asked + 1, fresh + (made is not None)
    if fresh:
        said = f"{fresh} reporter{'s' if fresh > 1 else ''} asked whether it goes on"
        journal(case=case, kind="mail", text=said, by=BY, now=now, audience="reporter")
    return asked


def _capped(address: str, now: datetime) -> bool:
    since = now - timedelta(days=1)
    return OutboxMessage.objects.filter(recipient__iexact=address, audience="reporter", created_at__gt=since).count() >= DAILY_CAP
