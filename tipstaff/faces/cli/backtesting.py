"""A back-test of the policy as lines for the terminal: totals first, then each case that differs, and why."""

from collections.abc import Iterator
from datetime import UTC

from tipstaff.cases.backtesting.backtest import Backtest, url
from tipstaff.cases.backtesting.comparing import Difference, Sort


def lines(found: Backtest) -> Iterator[str]:
    """The whole result."""
    against = ", ".join(f"{name} ({count})" for name, count in found.against.items()) or "none"
    yield f"{found.edition} on {found.cases} cases since {found.since.astimezone(UTC):%Y-%m-%d}, handled under {against}"
    if found.more:
        yield f"{found.more} older cases since then were not looked at (--most)"
    if found.sealed:
        yield f"{found.sealed} restricted cases are left out"
    yield "; ".join(found.assumed)
    yield f"{found.same:>7}  the same"
    for sort, number in found.totals.items():
        if number:
            yield f"{number:>7}  {sort}"
    if found.over_limit[0] != found.over_limit[1]:
        yield f"customers over the limit of strikes: {found.over_limit[1]} instead of {found.over_limit[0]}"
    for one in found.differences:
        yield ""
        yield from _case(one)


def _case(one: Difference) -> Iterator[str]:
    yield f"#{one.past.number} {one.past.category}: {'; '.join(one.sorts)}"
    yield f"    {url(one.past.number)}"
    if Sort.UNLIKE in one.sorts:
        yield f"    not compared: {one.unlike}"
        return
    then, draft = one.then, one.draft
    moved = then.state if then.state == draft.state else f"{then.state} → {draft.state}"
    yield f"    {moved}"
    yield from (f"    why: {words}" for words in one.why)
    yield from (f"    open: {words}" for words in one.open)
