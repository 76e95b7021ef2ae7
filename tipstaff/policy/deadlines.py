"""How much time a case gives, to the customer and to the desk, and what becomes of it when it changes.

Pure: an edition and moments in, moments out. All moments are aware.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tipstaff.kernel.errors import Problem, Refused
from tipstaff.policy import calendars
from tipstaff.policy.clauses import category
from tipstaff.policy.edition import Edition, Severity


@dataclass(frozen=True, slots=True)
class Allowance:
    """Times that are given; None: none is given. ``ack`` is never later than ``resolve``."""

    ack: timedelta | None  # from TICKETED to the acknowledgement
    resolve: timedelta | None  # from TICKETED to the solution
    desk: timedelta | None  # from the creation of the case to the desk's first decision


@dataclass(frozen=True, slots=True)
class Due:
    """The customer's two moments; None: nothing is due."""

    ack: datetime | None
    resolve: datetime | None


def allowance(
    edition: Edition, code: str, *, severity: Severity | str | None = None, contract: timedelta | None = None
) -> Allowance:
    """The times for a category, or for another severity that an analyst has given the case (H3).

    ``contract`` is the period of notice that the customer's contract grants (H10): it lengthens the customer's time
    where the category knows one, but never beyond the law's limit nor in a category for immediate action.
    """
    kind = category(edition, code)
    resolve, desk = kind.resolve, kind.desk
    if severity is not None and Severity(severity) is not kind.severity and resolve is not None:
        rule = edition.severities[Severity(severity)]
        resolve, desk = rule.resolve, rule.desk
    if resolve is not None and contract is not None and not (kind.per_se or kind.severity is Severity.CRITICAL):
        resolve = max(resolve, contract)
    if resolve is not None and kind.resolve_at_most is not None:
        resolve = min(resolve, kind.resolve_at_most)
    return Allowance(_ack(edition, resolve), resolve, desk)


def due(times: Allowance, ticketed_at: datetime, edition: Edition | None = None, code: str = "") -> Due:
    """Both moments, counted from the ticket and not from the report (H2).

    With ``edition`` and ``code``, in business time where the category counts that, but never beyond the law's limit.
    """
    counts = edition is not None and edition.calendar is not None and edition.categories[code].business_time

    def moment(length: timedelta | None) -> datetime | None:
        if length is None:
            return None
        if not counts:
            return ticketed_at + length
        assert edition is not None and edition.calendar is not None
        found, longest = calendars.after(edition.calendar, ticketed_at, length), edition.categories[code].resolve_at_most
        return min(found, ticketed_at + longest) if longest else found

    return Due(moment(times.ack), moment(times.resolve))


def desk_due(times: Allowance, created_at: datetime) -> datetime | None:
    return None if times.desk is None else created_at + times.desk


def child_due(edition: Edition, parent: Due, ticketed_at: datetime) -> Due:
    """The moments of a reseller's customer: the edition's share of what is left to the parent, so always inside it.

    Where nothing is left to the parent, the child has no time either.
    """

    def inside(moment: datetime | None) -> datetime | None:
        if moment is None:
            return None
        left = max(moment - ticketed_at, timedelta(0))
        return ticketed_at + left * edition.timers.child_share // 100

    return Due(inside(parent.ack), inside(parent.resolve))


def changed(edition: Edition, code: str, *, ticketed_at: datetime, current: Due, resolve_due: datetime) -> Due:
    """The moments after somebody shortened or lengthened the time. Raises Refused beyond the law's limit.

    The acknowledgement never moves to a later moment than the solution.
    """
    longest = category(edition, code).resolve_at_most
    if longest is not None and resolve_due > ticketed_at + longest:
        raise Refused(str(Problem("resolve_due", "lies beyond what the law allows", f"at most {ticketed_at + longest}")))
    if resolve_due <= ticketed_at:
        raise Refused(str(Problem("resolve_due", "lies before the ticket", "choose a later moment")))
    return Due(None if current.ack is None else min(current.ack, resolve_due), resolve_due)


def reminders(edition: Edition, ticketed_at: datetime, resolve_due: datetime) -> tuple[datetime, ...]:
    """When to remind the customer, in order."""
    time = resolve_due - ticketed_at
    return tuple(ticketed_at + time * percent // 100 for percent in edition.ladder.reminders)


def _ack(edition: Edition, resolve: timedelta | None) -> timedelta | None:
    return None if resolve is None else min(edition.timers.ack_at_most, resolve)
