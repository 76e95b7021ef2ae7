"""What is owed to authorities, and saying what became of it: on Home, on the case, and in the sealed queue."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts import roles
from tipstaff.accounts.access import may
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import authority
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.kernel.clock import now as clock_now
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


@desk(*ANSWERING)
@require_POST
def settle(request: DeskRequest, duty: int) -> HttpResponse:
    """Made or followed, with the number; or not owed, with the reason."""
    said = {name: request.POST.get(name, "") for name in ("outcome", "authority", "reference", "reason")}
    authority.settle(duty=duty, by=request.user.get_username(), now=clock_now(), **said)
    messages.success(request, "Done. It is on the record.")
    case = request.POST.get("case", "")
    back = f"/cases/{int(case)}/" if case.isascii() and case.isdigit() else "/sealed/" if "sealed" in request.POST else "/"
    return redirect(back)
