"""Reporters too many of whose reports were wrong (section O): who they are, and the letter that a lead has sent to them.

Only what people judged counts, and only of reports that a person wrote whom a trusted server vouches for
(``Report.answerable``): nobody answers for what others sent in their name, or for what a machine could not read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.correspondence import catalogue
from tipstaff.correspondence.letters import Addressee, Audience, Thread, compose, promise
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.reading.languages import language_of
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.pipeline import answers
from tipstaff.pipeline.context import own_addresses
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Opening, Role
from tipstaff.reports.models import Report, Reporter

FLAGGER = 3  # the trust of a trusted flagger, who is never warned by us: whoever named it one deals with it
USELESS = "not a report"  # the reason that the desk's button gives for setting something aside
NAMED = 10  # wrong reports that the letter names


@dataclass(frozen=True, slots=True)
class Threshold:
    """When a warning is proposed: at least ``wrong`` wrong reports within ``days``, and that share (percent) of those decided."""

    wrong: int
    percent: int
    days: int

    def met(self, wrong: int, judged: int) -> bool:
        return 0 < self.wrong <= wrong and wrong * 100 >= judged * self.percent


@dataclass
class Judged:
    """What became of a reporter's reports, by submission: what came in one mail counts once. Only people reject."""

    reporter: int
    stands: set[UUID] = field(default_factory=set)
    rejected: set[UUID] = field(default_factory=set)

    @property
    def wrong(self) -> set[UUID]:
        """Where something of a mail stands, the mail was not wrong."""
        return self.rejected - self.stands

    @property
    def judged(self) -> int:
        return len(self.rejected | self.stands)


def threshold() -> Threshold:
    """As the operator set it."""
    return Threshold(**settings.REPORTER_WARNING)


def proposed(now: datetime) -> list[Judged]:
    """The reporters whom somebody should look at, the worst first."""
    limit = threshold()
    if not limit.wrong:
        return []
    suspected = judged(_reporters(_REJECTED, {}, now), now)
    found = [one for one in suspected if limit.met(len(one.wrong), one.judged)]
    return sorted(found, key=lambda one: (-len(one.wrong), one.reporter))


def judged(reporters: Iterable[int], now: datetime) -> list[Judged]:
    """What was decided of these reporters' reports within the period, and since a lead last spoke on them."""
    rows = {number: Judged(number) for number in reporters}
    if rows:
        for number, submission in _read(_REJECTED + _OF, {"reporters": list(rows)}, now):
            rows[number].rejected.add(submission)
        for number, submission in _read(_STANDS, {"reporters": list(rows)}, now):
            rows[number].stands.add(submission)
    return list(rows.values())


def _reporters(query: str, given: dict[str, Any], now: datetime) -> set[int]:
    return {number for number, _ in _read(query, given, now)}


def _read(query: str, given: dict[str, Any], now: datetime) -> list[tuple[int, UUID]]:
    since = now - timedelta(days=threshold().days)
    values = given | {"since": since, "flagger": FLAGGER, "useless": USELESS, "sealed": _sealed(now)}
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def _sealed(now: datetime) -> list[str]:
    """Categories whose reports nobody is ever held to: whoever hesitates to report them must not find a reason here."""
    in_force = policy.edition_in_force("", now)
    return [code for code, kind in in_force[1].categories.items() if kind.opening is Opening.SEALED] if in_force else []


_HELD_TO = """
    r.received_at > %(since)s AND r.received_at > greatest(p.warned_at, p.spared_at, p.limited_at, %(since)s)
    AND r.answerable AND r.state <> 'withdrawn' AND s.state <> 'sealed' AND r.category <> ALL(%(sealed)s) AND p.trust < %(flagger)s
"""
_FROM = """
JOIN reports_reporter p ON p.id = r.reporter_id JOIN intake_submission s ON s.id = r.submission_id
"""
#: Closed as false by a person after the report had come (not by an appeal, nor by the inventory), or no report at all. Each half
#: begins at the few rows that people decided.
_REJECTED = f"""
SELECT * FROM (
    SELECT r.reporter_id, r.submission_id FROM cases_case k
    JOIN cases_casereport c ON c.case_id = k.id JOIN reports_report r ON r.id = c.report_id {_FROM}
    WHERE {_HELD_TO} AND k.state = 'CLOSED_FALSE' AND k.closed_at > %(since)s AND k.closed_at >= r.received_at AND EXISTS (
        SELECT FROM cases_journalentry j WHERE j.case_id = k.id AND j.kind = 'state' AND j.at >= k.closed_at
            AND j.detail->>'event' IN ('REPORT_FALSE', 'DISPUTE_UPHELD') AND j.actor NOT LIKE 'system%%'
            AND j.detail->>'before' IS DISTINCT FROM 'RESTRICTED_CASE')
    UNION
    SELECT r.reporter_id, r.submission_id FROM reports_report r {_FROM}
    WHERE {_HELD_TO} AND s.received_at > %(since)s AND s.state = 'set_aside' AND s.reason = %(useless)s AND s.trace <> '[]'
        AND s.decided_by <> '' AND s.decided_by NOT LIKE 'system%%'
) rejected"""  # noqa: S608 - made of the texts above
_OF = " WHERE reporter_id = ANY(%(reporters)s)"
#: In a case that got past triage; what was in order after all was reported in good faith.
_STANDS = f"""
SELECT r.reporter_id, r.submission_id FROM reports_report r {_FROM}
JOIN cases_casereport c ON c.report_id = r.id JOIN cases_case k ON k.id = c.case_id
WHERE {_HELD_TO} AND r.reporter_id = ANY(%(reporters)s) AND k.state NOT IN ('TRIAGE', 'RESTRICTED_CASE', 'CLOSED_FALSE')
"""  # noqa: S608 - made of the texts above


@transaction.atomic
def warn(*, reporter: int, reason: str, by: str, now: datetime) -> OutboxMessage:
    """Promise the warning to the reporter, in the language of the reports. A lead says so, and only past the threshold.

    Refused where the reporter cannot be written to, or was too often today. InputError without a reason.
    """
    found, seen, why = decided(reporter, reason, by, now)
    shadow.refuse("nobody is warned")
    newest = list(Report.objects.filter(submission__in=seen.wrong, reporter=found, answerable=True).order_by("-received_at", "pk"))
    message = _letter(found, newest, seen, by, now)
    found.warned_at = now
    found.save(update_fields=["warned_at"])
    record(
        by=by, action="reporter.warn", subject=f"reporter:{found.pk}", reason=why, now=now, message=message.pk,
        wrong=len(seen.wrong), judged=seen.judged, reports=[row.pk for row in newest],
    )  # fmt: skip
    return message


@transaction.atomic
def spare(*, reporter: int, reason: str, by: str, now: datetime) -> None:
    """A lead leaves it at that: what came until now is not held against the reporter. Undoes nothing and tells nobody."""
    found, seen, why = decided(reporter, reason, by, now)
    found.spared_at = now
    found.save(update_fields=["spared_at"])
    record(
        by=by, action="reporter.spare", subject=f"reporter:{found.pk}", reason=why, now=now, wrong=len(seen.wrong),
        judged=seen.judged,
    )  # fmt: skip


def decided(reporter: int, reason: str, by: str, now: datetime) -> tuple[Reporter, Judged, str]:
    """Who it is, what was judged, and why; asked of a lead, with the reporter locked. Refused below the threshold."""
    found, why = taken(reporter, reason, by, "write what was wrong with the reports; it stays inside")
    (seen,) = judged([found.pk], now)
    if not threshold().met(len(seen.wrong), seen.judged):
        raise Refused(f"{len(seen.wrong)} of {seen.judged} decided reports were wrong: too few; nothing was changed")
    return found, seen, why


def taken(reporter: int, reason: str, by: str, wanted: str) -> tuple[Reporter, str]:
    """Who it is, locked, and why; asked of a lead. ``wanted`` says to whom gives no reason what to write there."""
    people.require_person(by, Role.LEAD)
    why = reason.strip()[:500]
    if not why:
        raise InputError(Problem("reason", "is empty", wanted))
    found = Reporter.objects.select_for_update().filter(pk=reporter).first()
    if found is None:
        raise NotFound("There is no such reporter.")
    return found, why


def _letter(found: Reporter, wrong: Sequence[Report], seen: Judged, by: str, now: datetime) -> OutboxMessage:
    address = found.email.lower()
    if not address or not found.authenticated_as or address in own_addresses():
        raise Refused("the reporter cannot be written to: nobody vouches for the address, or it is our own")
    code = catalogue.known(language_of(f"{wrong[0].subject}\n{wrong[0].description}") or "en")
    values = {
        "operator": settings.OPERATOR_NAME or "our", "contact": found.name, "wrong": len(seen.wrong), "judged": seen.judged,
        "days": threshold().days, "lines": [f"{row.received_at:%Y-%m-%d %H:%M} UTC  {row.subject}"[:160] for row in wrong[:NAMED]],
    }  # fmt: skip
    if not answers.within_caps([OutboxMessage(recipient=address)], now):
        raise Refused(f"{address} was written to {answers.DAILY_CAP} times in a day already; warn tomorrow")
    message = promise(
        letter=compose("warning.reporter", code, values), to=Addressee(Audience.REPORTER, address, found.name, code),
        thread=Thread(f"submission:{wrong[0].submission_id}"), now=now, by=by,
    )  # fmt: skip
    assert message is not None  # it has no key under which it could have been promised before
    return message
