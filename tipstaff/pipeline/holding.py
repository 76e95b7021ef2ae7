"""People place holds and release them: nothing in scope is erased while one stands. What holds reach is in holds.py.

Two reasons are two holds, even on the same scope; what they keep may go when all of them are released.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from tipstaff.accounts.access import require_named
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.cases.access import restricted, visible_to
from tipstaff.cases.journal import journal
from tipstaff.cases.models import Case
from tipstaff.cases.people import is_program
from tipstaff.evidence import scopes, services
from tipstaff.evidence.models import Blob, Hold
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.reports.models import Report

PLACE, RELEASE = "place a hold", "release a hold"
SHOWN = 1000  # of the holds, the newest first


@dataclass(frozen=True)
class Standing:
    """A hold with the numbers of the others that stand on the same scope."""

    hold: Hold
    others: list[int]


@transaction.atomic
def place(*, scope: str, reason: str, by: str, now: datetime) -> Standing:
    """``scope``: see evidence/scopes.py. A program may place one too. Raises Refused, InputError."""
    person = None if is_program(by) else require_named(by, PLACE)
    given = scopes.parse(scope)
    why = _reason(reason, "why it must be kept: a court's order, a request to preserve with its reference")
    _known(given, person)
    others = _standing_on(str(given))
    placed = services.place_hold(scope=str(given), reason=why, by=by, now=now)
    _tell(placed, f"hold {placed.pk} placed: {why}", by, now)
    return Standing(placed, others)


@transaction.atomic
def release(*, number: int, reason: str, by: str, now: datetime) -> Standing:
    """By another person than who placed it, never by a program. What stands beside it goes on keeping.

    Raises Refused, InputError, NotFound.
    """
    person = require_named(by, RELEASE)
    found = Hold.objects.select_for_update().filter(pk=number).first()
    if found is None or not _seen(found, _unseen(person, [found])):
        raise NotFound(f"There is no hold {number}.")
    if found.released_at is not None:
        raise Refused(f"hold {number} was released on {found.released_at:%Y-%m-%d} already")
    if found.placed_by == by:
        raise Refused(f"somebody else releases hold {number} than who placed it")
    why = _reason(reason, "why it need not be kept any longer: by whom and when that was said")
    services.release_hold(hold=found, by=by, reason=why, now=now)
    found.released_at = now
    _tell(found, f"hold {number} released: {why}", by, now)
    return Standing(found, _standing_on(found.scope))


def holds(*, person: StaffMember | None = None, released: bool = False) -> list[Hold]:
    """Those that stand, the newest first; with ``released`` also those that do not.

    A hold on a case that was set apart is shown to a ``person`` of the sealed queue's roles only.
    """
    rows = Hold.objects.order_by("-pk") if released else Hold.objects.filter(released_at=None).order_by("-pk")
    found = list(rows[:SHOWN])
    unseen = _unseen(person, found)
    return [hold for hold in found if _seen(hold, unseen)]


def _tell(hold: Hold, text: str, by: str, now: datetime) -> None:
    """A case that is held says so on its timeline, to the desk alone."""
    number = _case_of(hold)
    case = Case.objects.filter(pk=number).first() if number is not None else None
    if case is not None:
        journal(case=case, kind="evidence", text=text, by=by, now=now, hold=hold.pk)


def _case_of(hold: Hold) -> int | None:
    kind, _, value = hold.scope.partition(":")
    return int(value) if kind == "case" and value.isdecimal() else None


def _seen(hold: Hold, unseen: set[str]) -> bool:
    return hold.scope not in unseen


def _unseen(person: StaffMember | None, found: list[Hold]) -> set[str]:
    """The scopes that would tell this person of a case that was set apart; None is nobody in particular."""
    cases = [number for hold in found if (number := _case_of(hold)) is not None]
    apart = restricted().filter(pk__in=cases)
    if person is not None:
        apart = apart.exclude(pk__in=visible_to(person).values("pk"))
    return {f"case:{number}" for number in apart.values_list("pk", flat=True)}


def _standing_on(scope: str) -> list[int]:
    return list(Hold.objects.filter(scope=scope, released_at=None).order_by("pk").values_list("pk", flat=True))


def _reason(text: str, advice: str) -> str:
    why = text.strip()
    if not why:
        raise InputError(Problem("reason", "there is none", advice))
    return why


def _known(scope: scopes.Scope, person: StaffMember | None) -> None:
    """A hold on what is not there keeps nothing and comforts somebody: it is refused."""
    kind, value = scope
    cases = Case.objects.all() if person is None else visible_to(person)
    there = {"case": cases, "customer": Customer.objects.all(), "report": Report.objects.all()}.get(kind)
    if there is not None and not there.filter(pk=int(value)).exists():
        raise InputError(Problem("scope", f"there is no {kind} {value}", "the desk shows its number"))
    if kind != "blob":
        return
    blob = Blob.objects.filter(sha256=bytes.fromhex(value)).first()
    if blob is None:
        raise InputError(Problem("scope", f"no piece of evidence has the hash {value}", "the case's page names it"))
    if blob.wrapped_key is None:
        raise InputError(Problem("scope", f"the piece of evidence {value} is erased", "nothing of it is left to keep"))
