"""Time given: in order, inside the law, and inside the parent's."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.packs import CODES, PACKS
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.policy import deadlines, loading
from tipstaff.policy.deadlines import Due
from tipstaff.policy.edition import Edition, Severity

EDITIONS = {pack: loading.load_packaged(pack) for pack in PACKS}
DEFAULT = EDITIONS["default"]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("edition", EDITIONS.values(), ids=PACKS)
@pytest.mark.parametrize("code", CODES)
def test_acknowledgement_is_due_within_a_day_and_never_after_the_solution(edition: Edition, code: str) -> None:
    times = deadlines.allowance(edition, code)
    assert (times.ack is None) == (times.resolve is None)
    if times.ack is not None and times.resolve is not None:
        assert times.ack == min(24 * HOUR, times.resolve)


@pytest.mark.parametrize("code", CODES)
def test_a_worse_severity_never_gives_more_time(code: str) -> None:
    order = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
    times = [DEFAULT.severities[severity].resolve for severity in order]
    assert all(a is not None and b is not None and a <= b for a, b in pairwise(times))
    if deadlines.allowance(DEFAULT, code).resolve is not None and DEFAULT.categories[code].severity is not Severity.CRITICAL:
        assert deadlines.allowance(DEFAULT, code, severity="critical").resolve == 4 * HOUR


def test_the_clock_starts_at_the_ticket() -> None:
    due = deadlines.due(deadlines.allowance(DEFAULT, "phishing"), NOON)
    assert due == Due(NOON + 4 * HOUR, NOON + 4 * HOUR)
    due = deadlines.due(deadlines.allowance(DEFAULT, "vulnerable"), NOON)
    assert due == Due(NOON + 24 * HOUR, NOON + 7 * 24 * HOUR)


def test_no_time_is_given_where_the_law_leaves_none() -> None:
    times = deadlines.allowance(DEFAULT, "csam", severity="low", contract=timedelta(days=30))
    assert deadlines.due(times, NOON) == Due(None, None)
    assert deadlines.desk_due(times, NOON) == NOON + HOUR


def test_a_contract_lengthens_only_what_may_wait() -> None:
    week = timedelta(days=7)
    assert deadlines.allowance(DEFAULT, "scraping", contract=week).resolve == week
    assert deadlines.allowance(DEFAULT, "scraping", contract=HOUR).resolve == 72 * HOUR
    assert deadlines.allowance(DEFAULT, "phishing", contract=week).resolve == 4 * HOUR
    assert deadlines.allowance(DEFAULT, "ncii_violence", contract=week).resolve == 4 * HOUR


@given(st.sampled_from(sorted(CODES)), st.integers(0, 10_000), st.integers(0, 20_000))
def test_a_child_is_due_inside_its_parent(code: str, minutes: int, later: int) -> None:
    ticketed = NOON + timedelta(minutes=later)
    parent = deadlines.due(deadlines.allowance(DEFAULT, code), NOON)
    child = deadlines.child_due(DEFAULT, parent, ticketed)
    for ours, theirs in ((child.ack, parent.ack), (child.resolve, parent.resolve)):
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert ours < theirs if ticketed < theirs else ours == ticketed


def test_a_change_keeps_the_acknowledgement_before_the_solution() -> None:
    current = deadlines.due(deadlines.allowance(DEFAULT, "scraping"), NOON)
    sooner = deadlines.changed(DEFAULT, "scraping", ticketed_at=NOON, current=current, resolve_due=NOON + 2 * HOUR)
    assert sooner == Due(NOON + 2 * HOUR, NOON + 2 * HOUR)
    later = deadlines.changed(DEFAULT, "scraping", ticketed_at=NOON, current=current, resolve_due=NOON + 200 * HOUR)
    assert later == Due(NOON + 24 * HOUR, NOON + 200 * HOUR)
    with pytest.raises(Refused, match="before the ticket"):
        deadlines.changed(DEFAULT, "scraping", ticketed_at=NOON, current=current, resolve_due=NOON)


def test_nobody_lengthens_beyond_the_law() -> None:
    content = loading.canonical(DEFAULT)
    content["categories"]["copyright"]["resolve_at_most"] = "48 h"
    edition = loading.from_content(content)
    current = deadlines.due(deadlines.allowance(edition, "copyright"), NOON)
    with pytest.raises(Refused, match="law allows"):
        deadlines.changed(edition, "copyright", ticketed_at=NOON, current=current, resolve_due=NOON + 49 * HOUR)


def test_reminders_come_in_order_and_in_time() -> None:
    assert deadlines.reminders(DEFAULT, NOON, NOON + 10 * HOUR) == (NOON + 5 * HOUR, NOON + 8 * HOUR)


def test_an_unknown_category_is_said() -> None:
    with pytest.raises(NotFound, match="no category 'gossip'"):
        deadlines.allowance(DEFAULT, "gossip")
