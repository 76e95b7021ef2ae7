"""What makes a redelivered event the same, and what does not."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies

from tipstaff.reports.identity import HOUR, event_keys

MOMENT = int(datetime(2026, 6, 15, 12, 30, tzinfo=UTC).timestamp()) * 1_000_000
SCHEMA = {
    "report_type": pl.String, "ip": pl.String, "domain": pl.String, "url": pl.String, "port": pl.Int32, "occurred_at": pl.Int64,
    "time_as_written": pl.String, "stated_at": pl.String, "identity": pl.String,
}  # fmt: skip
ONE = {
    "report_type": "scan_ntp", "ip": "192.0.2.7", "domain": None, "url": "http://a.example/", "port": 123, "occurred_at": MOMENT,
    "time_as_written": None, "stated_at": "sha", "identity": "victim",
}  # fmt: skip


def keys(*rows, reporter="rita@example.org", order=tuple(SCHEMA)):
    frame = pl.DataFrame([ONE | row for row in rows], schema=SCHEMA).select(order)
    return event_keys(frame, pl.Series([reporter] * len(rows), dtype=pl.String)).to_list()


@given(strategies.permutations(list(SCHEMA)))
def test_the_order_of_the_columns_does_not_count(order):
    assert keys({}, {"port": 124}, order=order) == keys({}, {"port": 124})


@given(strategies.text(strategies.characters(codec="utf-8"), max_size=8), strategies.text(strategies.characters(codec="utf-8")))
def test_columns_that_the_sender_adds_do_not_count(name, value):
    frame = pl.DataFrame([ONE], schema=SCHEMA)
    if name in SCHEMA:
        return
    more = frame.with_columns(pl.lit(value).alias(name or "x"))
    reporter = pl.Series(["rita@example.org"])
    assert event_keys(more, reporter).to_list() == event_keys(frame, reporter).to_list()


@pytest.mark.parametrize(
    "change",
    [
        {"report_type": "scan_dns"}, {"ip": "192.0.2.8"}, {"ip": "2001:db8::7"}, {"ip": None, "domain": "a.example"},
        {"url": "http://b.example/"}, {"url": None}, {"port": 124}, {"port": None}, {"occurred_at": MOMENT + 1},
        {"occurred_at": MOMENT + HOUR}, {"occurred_at": None, "time_as_written": "noon"}, {"occurred_at": None},
        {"occurred_at": None, "stated_at": "other"}, {"identity": "other"}, {"identity": None},
    ],
)  # fmt: skip
def test_each_listed_part_counts(change):
    same, other = keys({}, change)
    assert same != other


def test_two_reporters_make_two():
    assert keys({}) != keys({}, reporter="robin@example.com")


def test_what_is_known_better_decides_alone():
    with_time = [keys({"time_as_written": text, "stated_at": stated}) for text, stated in ((None, "a"), ("12:30", "b"))]
    assert with_time[0] == with_time[1]
    with_address = [keys({"domain": domain}) for domain in (None, "a.example")]
    assert with_address[0] == with_address[1]


def test_parts_do_not_run_into_each_other():
    assert keys({"url": "ab", "identity": "c"}) != keys({"url": "a", "identity": "bc"})
    assert keys({"port": None, "url": "1"}) != keys({"port": 1, "url": None})


moments = strategies.one_of(
    strategies.none(),
    strategies.integers(
        int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 10**6, int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 10**6
    ),
)


@given(strategies.lists(moments, min_size=1, max_size=20))
def test_keys_lie_together_by_hour_whatever_the_time(times):
    found = keys(*[{"occurred_at": at} for at in times])
    hours = [int(key[:8], 16) for key in found]
    assert hours == [max(0, at // HOUR) if at is not None else 0 for at in times]
    assert all(len(key) == 32 for key in found)


def test_no_events_have_no_keys():
    assert event_keys(pl.DataFrame(schema=SCHEMA), pl.Series([], dtype=pl.String)).to_list() == []


def test_a_large_batch_has_no_two_alike():
    frame = pl.DataFrame([ONE], schema=SCHEMA).select(pl.all().exclude("occurred_at").repeat_by(50_000).explode())
    frame = frame.with_columns(pl.Series("occurred_at", MOMENT + np.arange(50_000)))
    assert event_keys(frame, pl.Series(["r"] * 50_000)).n_unique() == 50_000
