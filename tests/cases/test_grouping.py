"""Where a group of events goes: pure decisions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, strategies

from tipstaff.cases.grouping import Fate, Group, Known, Placement, group_key, place, place_all

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
KEY = group_key(1, 2, "phishing", "")
DAY = timedelta(days=1)


def group(last_at=NOW, received_at=NOW):
    return Group(KEY, 1, 2, "phishing", "", 3, last_at, last_at, received_at)


def known(number, closed_at=None, window_until=NOW + DAY, accepting=True):
    return Known(number, KEY, accepting and closed_at is None, closed_at, window_until)


def test_the_key_follows_from_each_part_and_from_nothing_else():
    parts = [(1, 2, "a", "b", ""), (2, 2, "a", "b", ""), (1, 3, "a", "b", ""), (1, None, "a", "b", ""), (1, 2, "c", "b", ""),
             (1, 2, "a", "d", ""), (1, 2, "a", "b", "x")]  # fmt: skip
    assert len({group_key(*one) for one in parts}) == len(parts)
    assert group_key(1, 2, "a", "b") == group_key(1, 2, "a", "b") and isinstance(KEY, UUID)


def test_what_nobody_knows_is_new():
    assert place(group(), []) == Placement(Fate.NEW)


def test_an_open_case_takes_events_until_its_window_has_passed():
    assert place(group(), [known(7, window_until=NOW)]) == Placement(Fate.JOIN, 7)
    assert place(group(), [known(7, window_until=NOW - timedelta(microseconds=1))]) == Placement(Fate.CONTINUE, 7)
    assert place(group(), [known(7, accepting=False)]) == Placement(Fate.CONTINUE, 7)


def test_what_happened_before_the_closing_joins_and_what_came_after_continues():
    assert place(group(last_at=NOW), [known(7, closed_at=NOW)]) == Placement(Fate.LATE, 7)
    assert place(group(last_at=NOW + timedelta(microseconds=1)), [known(7, closed_at=NOW)]) == Placement(Fate.CONTINUE, 7)
    assert place(group(last_at=None), [known(7, closed_at=NOW)]) == Placement(Fate.CONTINUE, 7)


def test_what_comes_long_after_the_closing_is_a_matter_of_its_own():
    old, window = [known(6, closed_at=NOW - 200 * DAY), known(7, closed_at=NOW - 90 * DAY)], 90 * DAY
    assert place(replace(group(), reopen_within=window), old) == Placement(Fate.CONTINUE, 7)
    assert place(replace(group(), reopen_within=window - DAY), old) == Placement(Fate.NEW)
    assert place(group(), old) == Placement(Fate.CONTINUE, 7)
    still_open = [*old, known(8, window_until=NOW - 100 * DAY)]
    assert place(replace(group(), reopen_within=DAY), still_open) == Placement(Fate.CONTINUE, 8)


def test_late_events_go_to_the_first_closing_after_them_and_never_to_a_newer_open_case():
    cases = [known(1, closed_at=NOW - 9 * DAY), known(2, closed_at=NOW - 2 * DAY), known(3)]
    assert place(group(last_at=NOW - 10 * DAY), cases) == Placement(Fate.LATE, 1)
    assert place(group(last_at=NOW - 5 * DAY), cases) == Placement(Fate.LATE, 2)
    assert place(group(last_at=NOW), cases) == Placement(Fate.JOIN, 3)


moments = strategies.integers(-5, 5).map(lambda days: NOW + days * DAY)
some = strategies.lists(
    strategies.builds(
        lambda closed, window, accepting: (closed, window, accepting), strategies.none() | moments, moments, strategies.booleans()
    ),
    max_size=5,
)


@given(strategies.none() | moments, moments, some, strategies.randoms())
def test_every_group_has_one_place_whatever_the_order(last_at, received_at, rows, chance):
    cases = [known(number + 1, *row) for number, row in enumerate(rows)]
    found = place(group(last_at, received_at), cases)
    shuffled = list(cases)
    chance.shuffle(shuffled)
    assert place(group(last_at, received_at), shuffled) == found
    by_id = {case.id: case for case in cases}
    if found.fate is Fate.NEW:
        assert not cases and found.case is None
    if found.fate is Fate.JOIN:
        assert by_id[found.case].accepting and by_id[found.case].window_until >= received_at
    if found.fate is Fate.LATE:
        assert last_at <= by_id[found.case].closed_at
    assert place_all([group(last_at, received_at)], {KEY: cases}) == [found]
