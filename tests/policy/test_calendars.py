"""Business hours: only what the calendar counts passes, whatever the time zone does."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
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


#: Zones and the days on which their clocks are put forward or back; Lord Howe's by half an hour, Samoa once left out a day.
CHANGES = [
    ("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"), ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"), ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"),
    ("Asia/Beirut", "2026-03-29"), ("Pacific/Apia", "2011-12-30"), ("UTC", "2026-06-30"),
]  # fmt: skip
QUARTERS = [f"{hour:02d}:{minute:02d}" for hour in range(24) for minute in (0, 15, 30, 45)]
MINUTE = timedelta(minutes=1)


@st.composite
def around_a_change(draw):
    """A calendar, a start within two days of the change, and a length of at most two weeks' worth of minutes."""
    zone, text = draw(st.sampled_from(CHANGES))
    day = date.fromisoformat(text)
    hours = st.sampled_from(QUARTERS[:20] if draw(st.booleans()) else QUARTERS)  # the first of them are when clocks are changed
    opens, closes = sorted(draw(st.lists(hours, min_size=2, max_size=2, unique=True)))
    holidays = draw(st.sampled_from([(), (text,), ((day + timedelta(days=1)).isoformat(),)]))
    days = draw(st.sampled_from([calendars.DAYS, calendars.DAYS[:5], (calendars.DAYS[day.weekday()],)]))
    start = datetime.combine(day, time(), UTC) + draw(st.integers(-2880, 2880)) * MINUTE
    return Calendar(zone, tuple(days), opens, closes, holidays), start, draw(st.integers(1, 300)) * MINUTE


def open_on_the_wall(calendar, moment):
    """Whether a clock on the wall, of that day, shows a business hour: the promise, minute by minute."""
    wall = moment.astimezone(ZoneInfo(calendar.timezone))
    counts = calendars.DAYS[wall.weekday()] in calendar.days and wall.date().isoformat() not in calendar.holidays
    return counts and time.fromisoformat(calendar.opens) <= wall.time() < time.fromisoformat(calendar.closes)


@settings(max_examples=60)
@given(around_a_change())
def test_where_clocks_are_changed_no_deadline_is_earlier_than_promised_and_none_is_lost(drawn):
    calendar, start, length = drawn
    end = calendars.after(calendar, start, length)
    counted, moment = timedelta(), start
    while moment < end:
        counted += MINUTE if open_on_the_wall(calendar, moment) else timedelta()
        moment += MINUTE
    assert counted >= length, "so many business minutes have passed on the wall"
    extra = timedelta(hours=1)  # what comes twice may be given, never taken
    assert counted - length <= extra and open_on_the_wall(calendar, end - MINUTE)


@given(around_a_change(), st.integers(1, 500))
def test_in_two_steps_is_the_same_as_in_one_and_back_again(drawn, more):
    calendar, start, length = drawn
    first = calendars.after(calendar, start, length)
    both = calendars.after(calendar, start, length + more * MINUTE)
    assert calendars.after(calendar, first, more * MINUTE) == both > first
    assert calendars.after(calendar, start, length + more * MINUTE - more * MINUTE) == first
    assert calendars.after(calendar, start + MINUTE, length) >= first, "who begins later is never due earlier"


@pytest.mark.parametrize(("zone", "day", "opens", "closes", "minutes"), [
    ("Europe/Berlin", "2026-03-29", "09:00", "17:00", 480), ("Europe/Berlin", "2026-03-29", "00:00", "09:00", 480),
    ("Europe/Berlin", "2026-10-25", "00:00", "09:00", 600), ("Europe/Berlin", "2026-03-29", "02:15", "02:45", 0),
    ("Europe/Berlin", "2026-03-29", "02:30", "03:15", 15), ("Europe/Berlin", "2026-03-29", "01:00", "02:30", 60),
    ("Europe/Berlin", "2026-10-25", "02:15", "02:45", 30), ("America/New_York", "2026-11-01", "01:30", "03:00", 90),
    ("Australia/Lord_Howe", "2026-10-04", "02:15", "02:40", 10), ("Australia/Lord_Howe", "2026-04-05", "00:00", "06:00", 390),
    ("Asia/Beirut", "2026-03-29", "00:00", "02:00", 60), ("Pacific/Apia", "2011-12-30", "09:00", "17:00", 0),
])  # fmt: skip
def test_a_day_on_which_the_clocks_are_changed_has_the_minutes_that_pass(zone, day, opens, closes, minutes):
    opened, closed = calendars.hours(Calendar(zone, calendars.DAYS, opens, closes, ()), date.fromisoformat(day))
    assert closed - opened == minutes * MINUTE


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
