"""When an event can have happened, as the inventory is asked."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tipstaff.pipeline.columns import bounds, microseconds

RECEIVED = datetime(2026, 6, 14, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def interval(*, occurred: timedelta | None, earliest: timedelta | None = None, latest: timedelta | None = None) -> tuple[int, int]:
    """In hours from the moment of receipt."""
    at = {"occurred_at": occurred, "earliest": earliest, "latest": latest}
    columns = {name: pl.Series([None if one is None else microseconds(RECEIVED + one)], dtype=pl.Int64) for name, one in at.items()}
    first, last = bounds(pl.DataFrame(columns), np.array([microseconds(RECEIVED)], np.int64))
    hour = HOUR // timedelta(microseconds=1)
    return int(first[0] - microseconds(RECEIVED)) // hour, int(last[0] - microseconds(RECEIVED)) // hour


@pytest.mark.parametrize(
    ("occurred", "expected"),
    [
        (-3 * HOUR, (-3, -3)),
        (HOUR, (1, 1)),  # a clock that runs ahead
        (9 * HOUR, (-5, 0)),  # Tokyo's time, said to be UTC: between the easternmost zone's reading and now
        (14 * HOUR, (0, 0)),
    ],
)
def test_an_exact_time_is_a_moment_unless_it_is_still_to_come(occurred: timedelta, expected: tuple[int, int]) -> None:
    assert interval(occurred=occurred) == expected


def test_a_clock_of_another_year_says_nothing_of_when_it_was() -> None:
    first, last = interval(occurred=timedelta(days=3650))
    assert first == -(microseconds(RECEIVED) // microseconds(datetime(1970, 1, 1, 1, tzinfo=UTC))) and last == 0


def test_bounds_stay_as_the_report_has_them() -> None:
    assert interval(occurred=None, earliest=-14 * HOUR, latest=12 * HOUR) == (-14, 12)
    assert interval(occurred=None)[1] == 0
