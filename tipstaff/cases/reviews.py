"""Looking at a customer's content: only inside a case, because of a report or by the policy's switch, for a time, on record."""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import CaseReport, ContentReview, ContentView
from tipstaff.cases.states import ENDED
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Role
from tipstaff.policy.switches import OwnInitiativeReview

LONGEST = timedelta(hours=24)


@transaction.atomic
def open_review(
    *, case: int, reason: str, scope: str, by: str, now: datetime, report: int | None = None, hours: int = 4, reviewer: str = ""
) -> ContentReview:
    """Leave to look (E2). Without a report it is our own initiative: only where the edition allows it, a lead, a reason (E5)."""
    problems = [Problem(name, "is missing") for name, value in (("reason", reason), ("scope", scope)) if not value.strip()]
    if not 1 <= hours <= LONGEST // timedelta(hours=1):
        problems.append(Problem("hours", f"{hours} is out of range", "1 to 24"))
    if problems:
        raise InputError(problems)
    found = locked(case)
    if found.state in ENDED:
        raise Refused(f"case {found.pk} has ended ({found.state}); nobody looks at content for it")
    if report is not None:
        people.require(by, Role.ANALYST)
        if not CaseReport.objects.filter(case=found, report_id=report).exists():
            raise NotFound(f"report {report} does not speak of this case")
    elif policy.compiled(found.edition).switches.own_initiative_review is OwnInitiativeReview.OFF:
        raise Refused("this policy allows no review of content on our own initiative: a report must speak of it")
    else:
        people.require(by, Role.LEAD)
    row = ContentReview.objects.create(
        case=found, report_id=report, reason=reason.strip(), reviewer=reviewer or by, scope=scope.strip(), from_at=now,
        until_at=now + timedelta(hours=hours), opened_by=by,
    )  # fmt: skip
    because = f"because of report {report}" if report else "on our own initiative"
    text = f"content review by {row.reviewer}, {because}, of {row.scope}, until {row.until_at:%Y-%m-%d %H:%M} UTC: {row.reason}"
    journal(case=found, kind="review", text=text, by=by, now=now, review=row.pk, own_initiative=report is None)
    record(
        by=by, action="content.review", subject=f"case:{found.pk}", reason=row.reason, now=now, review=row.pk, report=report or 0
    )
    return row


@transaction.atomic
def look(*, review: int, what: str, by: str, now: datetime) -> ContentView:
    """Each look is a row, before anything is shown. Refused to anybody but the reviewer, and after the time box."""
    row = ContentReview.objects.select_for_update().filter(pk=review).first()
    if row is None:
        raise NotFound(f"there is no content review {review}")
    if by != row.reviewer:
        raise Refused(f"this review is {row.reviewer}'s")
    if row.closed_at is not None or now > row.until_at:
        raise Refused("the time of this review is over; open another with its own reason")
    if not what.strip():
        raise InputError(Problem("what", "is missing", "name what is looked at"))
    view = ContentView.objects.create(review=row, what=what.strip()[:2000], by=by, at=now)
    record(by=by, action="content.view", subject=f"case:{row.case_id}", now=now, review=row.pk, view=view.pk)
    return view


@transaction.atomic
def close_review(*, review: int, by: str, now: datetime) -> ContentReview:
    """End it before its time."""
    row = ContentReview.objects.select_for_update().filter(pk=review).first()
    if row is None:
        raise NotFound(f"there is no content review {review}")
    if row.closed_at is None:
        row.closed_at = now
        row.save(update_fields=["closed_at"])
    return row
