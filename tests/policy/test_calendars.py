"""Business hours: only what the calendar counts passes, whatever the time zone does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.kernel.errors import InputError
from tipstaff.policy import calendars, deadlines, loading
from tipstaff.policy.edition import Calendar

WEEK = Calendar("Europe/Vienna", ("mon", "tue", "wed", "thu", "fri"), "09:00", "17:00", ("2026-12-25",))
HOUR = timedelta(hours=1)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("start", "hours", "end"), [
    ("2026-11-02T08:00", 4, "2026-11-02T12:00"),  # Monday 09:00 in Vienna
    ("2026-11-02T00:00", 1, "2026-11-02T09:00"),  # before opening
    ("2026-11-02T15:00", 2, "2026-11-03T09:00"),  # over the night
    ("2026-11-06T15:00", 2, "2026-11-09T09:00"),  # over a weekend
    ("2026-12-24T15:00", 2, "2026-12-28T09:00"),  # over a holiday and a weekend
    ("2026-11-07T12:00", 24, "2026-11-11T16:00"),  # 24 business hours are three days
    ("2026-10-23T14:00", 2, "2026-10-26T09:00"),  # summer time ends on Sunday: Monday opens an hour later by the sun
    ("2026-11-02T08:00", 8, "2026-11-02T16:00"),  # exactly to the closing
])  # fmt: skip
def test_only_business_hours_pass(start, hours, end):
    assert calendars.after(WEEK, at(start), hours * HOUR) == at(end)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(1, 200), st.integers(1, 200))
def test_more_time_never_ends_earlier_and_always_while_open(start, less, more):
    start = start.replace(tzinfo=UTC)
    ends = [calendars.after(WEEK, start, length * HOUR) for length in (less, less + more)]
    assert start < ends[0] < ends[1]
    for end in ends:
        opens, closes = calendars.hours(WEEK, end.date())
        assert opens < end <= closes


def test_a_calendar_that_never_opens_is_an_error_and_no_endless_loop():
    with pytest.raises(ValueError, match="no business hours"):
        calendars.after(replace(WEEK, days=()), at("2026-11-02T08:00"), HOUR)


def test_a_category_counts_business_hours_only_where_the_edition_says_so_and_never_beyond_the_law():
    edition = loading.load_packaged("default")
    friday = at("2026-11-06T15:00")
    plain = deadlines.due(deadlines.Allowance(HOUR, 2 * HOUR, None), friday, edition, "scan")
    assert plain.resolve == friday + 2 * HOUR
    scan = replace(edition.categories["scan"], business_time=True)
    counting = replace(edition, calendar=WEEK, categories={**edition.categories, "scan": scan})
    due = deadlines.due(deadlines.Allowance(HOUR, 2 * HOUR, None), friday, counting, "scan")
    assert (due.ack, due.resolve) == (at("2026-11-06T16:00"), at("2026-11-09T09:00"))
    law = replace(counting, categories={**counting.categories, "scan": replace(scan, resolve_at_most=10 * HOUR)})
    assert deadlines.due(deadlines.Allowance(None, 2 * HOUR, None), friday, law, "scan").resolve == friday + 10 * HOUR


@pytest.mark.parametrize(("change", "words"), [
    ({"timezone": "Mars/Olympus"}, "no time zone"), ({"days": ["mon", "funday"]}, "day of the week"), ({"closes": "08:00"},
         "never opens"),
    ({"opens": "nine"}, "times of day"), ({"holidays": ["Christmas"]}, "no date"), ({"days": []}, "never opens"),
])  # fmt: skip
def test_a_calendar_that_cannot_be_is_refused(change, words):
    content = loading.canonical(loading.load_packaged("default"))
    good = {"timezone": "Europe/Vienna", "days": ["mon"], "opens": "09:00", "closes": "17:00", "holidays": []}
    content["calendar"] = good
    assert loading.from_content(content).calendar.days == ("mon",)
    content["calendar"] = good | change
    with pytest.raises(InputError, match=words):
        loading.from_content(content)


def test_counting_hours_without_a_calendar_is_refused():
    content = loading.canonical(loading.load_packaged("default"))
    content["categories"]["scan"]["business_time"] = True
    with pytest.raises(InputError, match="add \\[calendar\\]"):
        loading.from_content(content)


def test_only_narrow_measures_may_follow_by_themselves():
    content = loading.canonical(loading.load_packaged("default"))
    content["categories"]["phishing"]["automatic"] = ["url_block"]
    assert loading.from_content(content).categories["phishing"].automatic == ("url_block",)
    content["categories"]["phishing"]["automatic"] = ["terminate"]
    with pytest.raises(InputError, match="may follow by itself"):
        loading.from_content(content)
