"""What a customer's contract says beside the policy, since when, and the form by which a lead changes it (H10)."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.accounts import contracts
from tipstaff.accounts.models import Customer
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Problem


def shown(customer: Customer, now: datetime) -> list[dict[str, Any]]:
    """Each period with its terms in words, the newest first; without a history what is agreed today."""
    rows = contracts.periods(customer.pk, now)
    if not rows:
        return [{"words": words(customer.contract), "now": True}] if customer.contract else []
    return [{"words": words(one.row.terms), "row": one.row, "until": one.until, "now": one.now} for one in rows]


def words(terms: dict[str, Any]) -> str:
    """Terms as a person reads them."""
    said = []
    if hours := terms.get("notice_hours"):
        said.append(f"{hours:g} hours of notice" if isinstance(hours, int | float) else "a period of notice that cannot be read")
    if terms.get("no_automation"):
        said.append("nothing happens by itself")
    if roles := terms.get("notice_roles"):
        said.append(
            "letters to " + ", ".join(map(str, roles)) if isinstance(roles, list) else "letters to roles that cannot be read"
        )
    return "; ".join(said) or "as the policy says"


@desk()
@require_POST
def change(request: DeskRequest, number: int) -> HttpResponse:
    given = request.POST
    terms: dict[str, Any] = {}
    if text := given.get("notice_hours", "").strip():
        terms["notice_hours"] = _hours(text)
    if given.get("no_automation"):
        terms["no_automation"] = True
    if roles := given.getlist("notice_roles"):
        terms["notice_roles"] = roles
    now = clock_now()
    row = contracts.change(
        customer=number, terms=terms, reason=given.get("reason", ""), from_at=_since(given.get("from", "").strip()),
        by=request.user.get_username(), now=now,
    )  # fmt: skip
    standing = contracts.in_force(row.customer, now)
    if standing == terms:
        messages.success(request, f"The contract says: {words(terms)}. Cases that were opened before keep what was in force then.")
    else:
        said = f"Kept, until what begins later; in force today is: {words(standing)}. For now on, leave the day empty."
        messages.warning(request, said)
    return redirect(f"/customers/{number}/#contract")


def _hours(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise InputError(Problem("notice_hours", f"{text[:20]!r} is no number of hours", "such as 96"))
    return int(text)


def _since(text: str) -> datetime | None:
    """The beginning of a day, UTC; None: from now on."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text[:40])
    except ValueError as error:
        raise InputError(Problem("from", f"{text[:20]!r} is no date", "such as 2026-06-14")) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
