"""Looking at a customer's content: only inside a case, because of a report or by the policy's switch, for a time, on record."""

from datetime import datetime, timedelta

from django.db import transaction

from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
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
BY = "system:clock"


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
    _may_review(reviewer or by)
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
    if row.closed_at is not None or now >= row.until_at:
        raise Refused("the time of this review is over; open another with its own reason")
    if not what.strip():
        raise InputError(Problem("what", "is missing", "name what is looked at"))
    view = ContentView.objects.create(review=row, what=what.strip()[:2000], by=by, at=now)
    record(by=by, action="content.view", subject=f"case:{row.case_id}", now=now, review=row.pk, view=view.pk)
    return view


@transaction.atomic
def close_review(*, review: int, by: str, now: datetime) -> ContentReview:
    """End it before its time: the reviewer, whoever opened it, or a lead."""
    row = ContentReview.objects.select_for_update(of=("self",)).select_related("case").filter(pk=review).first()
    if row is None:
        raise NotFound(f"there is no content review {review}")
    if by not in {row.reviewer, row.opened_by}:
        people.require(by, Role.LEAD)
    if row.closed_at is None:
        _end(row, min(now, row.until_at), "ended", by, now)
    return row


def end_over(*, now: datetime, most: int = 100) -> int:
    """End what is past its box, each at the end of its box; how many there were. A clock calls it; two may at once."""
    done = 0
    for number in (
        ContentReview.objects.filter(closed_at__isnull=True, until_at__lte=now).order_by("until_at").values_list("pk")[:most]
    ):
        with transaction.atomic():
            rows = ContentReview.objects.select_for_update(of=("self",), skip_locked=True).select_related("case")
            row = rows.filter(pk=number[0], closed_at__isnull=True).first()
            if row is not None:
                _end(row, row.until_at, "ended by itself, its time is over", BY, now)
                done += 1
    return done


def _end(row: ContentReview, at: datetime, text: str, by: str, now: datetime) -> None:
    row.closed_at = at
    row.save(update_fields=["closed_at"])
    looks = row.views.count()
    said = f"content review by {row.reviewer} {text}; {looks} look{'' if looks == 1 else 's'}"
    journal(case=row.case, kind="review", text=said, by=by, now=now, review=row.pk)
    record(by=by, action="content.end", subject=f"case:{row.case_id}", now=now, review=row.pk, views=looks)


def _may_review(name: str) -> None:
    """A reviewer is somebody who works cases and opens evidence."""
    found = StaffMember.objects.filter(username=name, is_active=True).first()
    if found is None or not (may(found, "work cases") and may(found, "open evidence")):
        raise InputError(Problem("reviewer", f"{name} does not work cases", "choose somebody who may open evidence"))
