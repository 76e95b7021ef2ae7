"""What was refused, from wherever it stands: orders by the rails or a person, letters, what somebody may not do. And what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import QuerySet

from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases.access import unrestricted, visible_to
from tipstaff.cases.models import Case, Measure, Notice
from tipstaff.enforcement import queries as enforcement
from tipstaff.pipeline.telling import BY_DESIGN, NOBODY, UNREADABLE

KINDS = ("orders", "letters", "tries")
RECENT = timedelta(days=7)  # what Home counts
MOST = 100
COUNT_FOR = 30  # seconds that the count may be old


@dataclass(frozen=True, slots=True)
class Row:
    """One refusal: when, what, why, what opens the way and where that is done. ``again``: a notice that can be told again."""

    at: datetime
    kind: str
    what: str
    why: str
    then: str
    case: int | None = None
    link: str = ""
    by: str = ""
    again: int | None = None


def orders(staff: StaffMember, case: int | None = None) -> list[Row]:
    """Measures that no order may carry out: a rail, the never-touch list, a cap, or a person said no."""
    found = Measure.objects.filter(state="refused", case__in=visible_to(staff)).order_by("-decided_at", "-pk")
    rows = list((found.filter(case=case) if case else found)[:MOST])
    made = enforcement.of_measures([row.pk for row in rows])
    out = []
    for row in rows:
        order = made.get(row.pk)
        link = f"/enforcement/{order.pk}/" if order else f"/cases/{row.case_id}/"
        declined = (row.problem or "").startswith("declined by ")
        then = "Read the reason and decide anew on the case." if declined else (
            "Decide it anew on the case: a smaller scope, the customer’s own address, or another end, as the reason says."
        )  # fmt: skip
        out.append(
            Row(
                row.decided_at,
                "orders",
                f"{row.kind.replace('_', ' ')} of {row.target}",
                row.problem,
                then,
                row.case_id,
                link,
                row.decided_by,
            )
        )
    return out


def _letters(cases: "QuerySet[Case]") -> "QuerySet[Notice]":
    return Notice.objects.filter(rendered_at__isnull=True, case__in=cases).exclude(refused="").exclude(refused__in=BY_DESIGN)


def letters(staff: StaffMember, case: int | None = None) -> list[Row]:
    """Notices that became no letter: a wording that does not fit, or nobody who could be written to."""
    found = _letters(visible_to(staff)).select_related("case").order_by("-created_at", "-pk")
    out = []
    for row in (found.filter(case=case) if case else found)[:MOST]:
        then, link = "Look at the case.", f"/cases/{row.case_id}/"
        if row.refused.startswith(UNREADABLE):
            then, link = "Correct the wording, then tell it again.", "/settings/wording/"
        elif row.refused == NOBODY:
            then, link = "Give the customer a contact that mail reaches, then tell it again.", f"/customers/{row.case.customer_id}/"
        what = f"{row.kind.replace('_', ' ')} to the {row.audience}"
        out.append(Row(row.created_at, "letters", what, row.refused, then, row.case_id, link, again=row.pk))
    return out


def tries(staff: StaffMember, case: int | None = None) -> list[Row]:
    """What somebody tried and may not, from the record: one's own; everybody's for a lead, and for who sees the record."""
    found = Entry.objects.filter(action__startswith="refused.").order_by("-pk")
    if not (may(staff, "decide as a lead") or may(staff, "see the record")):
        found = found.filter(actor=staff.get_username())
    if case:
        found = found.filter(subject=f"case:{case}")
    rows = list(found[:MOST])
    seen = _seen(staff, rows)
    return [_try(row) for row in rows if not row.subject.startswith("case:") or row.subject in seen]


def _seen(staff: StaffMember, rows: Sequence[Entry]) -> set[str]:
    numbers = [int(row.subject[5:]) for row in rows if row.subject.startswith("case:")]
    return {f"case:{one}" for one in visible_to(staff).filter(pk__in=numbers).values_list("pk", flat=True)}


def _try(row: Entry) -> Row:
    kind, _, number = row.subject.partition(":")
    links = {"case": f"/cases/{number}/", "order": f"/enforcement/{number}/", "work_order": f"/enforcement/work/{number}/",
             "customer": f"/customers/{number}/"}  # fmt: skip
    then = "Ask somebody who has the role." if row.action == "refused.role" else _way(row.reason)
    what = f"{row.detail.get('method', '')} {row.detail.get('path', '')}".strip()
    return Row(row.at, "tries", what, row.reason, then, int(number) if kind == "case" else None, links.get(kind, ""), row.actor)


def _way(reason: str) -> str:
    text = reason.casefold()
    if "roles" in text:
        return "Ask somebody who has one of these roles."
    if any(words in text for words in ("somebody else", "yourself", "another person", "own action", "two people")):
        return "Nobody approves his own action: ask a colleague."
    return "Do first what the reason names, then try again."


def recent(now: datetime) -> int:
    """Orders and letters refused in the last seven days; a little old at most. Restricted cases do not count."""

    def count() -> int:
        cases = unrestricted()
        measures = Measure.objects.filter(state="refused", decided_at__gt=now - RECENT, case__in=cases).count()
        return measures + _letters(cases).filter(created_at__gt=now - RECENT).count()

    return cache.get_or_set("desk:refused", count, COUNT_FOR) or 0
