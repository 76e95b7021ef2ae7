"""What is owed to authorities, and saying what became of it: on Home, on the case, and in the sealed queue."""

from collections.abc import Iterable
from typing import Any

from tipstaff.accounts import roles
from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import authority
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.policy.edition import Edition, Handling

ANSWERING = tuple(name for name in roles.STAFF if name in roles.ACTS[authority.ACT])
SHOWN = 50


def owed(staff: StaffMember, case: int | None = None) -> dict[str, Any]:
    """For the list of what is owed, to this person, of one case or of all."""
    rows = authority.owed_to(staff)
    rows = rows if case is None else rows.filter(case=case)
    shown = [{"row": row, "title": authority.TITLES[row.kind], "outcomes": authority.OUTCOMES[row.kind]} for row in rows[:SHOWN]]
    return {"duties": shown, "answers": may(staff, authority.ACT), "opens_cases": may(staff, "see cases")}


def of_case(staff: StaffMember, case: Case, edition: Edition, journal: Iterable[JournalEntry]) -> dict[str, Any]:
    """The same for the page of one case, asked only where anything can be owed."""
    kind = edition.categories.get(case.category)
    reported = kind is not None and Handling.AUTHORITY_REPORT in kind.handling
    return owed(staff, case.pk) if reported or any(row.kind == "authority" for row in journal) else {}
