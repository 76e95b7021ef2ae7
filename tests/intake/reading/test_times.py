"""Times: every usual way of writing one gives the same instant; what is not stated is bounded, never invented."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.intake.reading.times import EAST, WEST, find_times, read_time

REFERENCE = datetime(2026, 11, 16, 12, tzinfo=UTC)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda at: at.replace(microsecond=0))
OFFSETS = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


def utc(*parts) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    "written",
    [
        "Mon, 16 Nov 2026 10:01:12 +0100",
        "16 Nov 2026 10:01:12 +0100",
        "Mon, 16 Nov 2026 10:01:12 +0100 (CET)",
        "Mon, 16 Nov 2026 09:01:12 GMT",
        "Mon, 16 Nov 2026 09:01:12 UT",
        "Mon, 16 Nov 2026 09:01:12 -0000",
        "Mon, 16 Nov 26 04:01:12 EST",
        "2026-11-16T09:01:12Z",
        "2026-11-16T10:01:12+01:00",
        "2026-11-16 09:01:12 UTC",
        "2026-11-16 10:01:12 CET",
        "2026-11-16 10:01:12 Europe/Berlin",
        "2026-11-16 09:01:12 (GMT)",
        "2026-11-16 09:01:12Z",
        "2026-11-16T09:01:12.000Z",
        "2026-11-16 10:01:12 UTC+1",
        "2026-11-16 10:01:12 GMT+0100",
        "2026/11/16 09:01:12 UTC",
        "20261116T090112Z",
        "2026-11-16_09:01:12 UTC",
        "[16/Nov/2026:10:01:12 +0100]",
        "Mon Nov 16 09:01:12 UTC 2026",
        "Mon Nov 16 10:01:12 2026 +0100",
        "1794819672",
        "1794819672000",
        "1794819672.0",
        "November 16, 2026 9:01:12 AM UTC",
        "Nov 16, 2026, 9:01:12 AM GMT",
        "16.11.2026 10:01:12 CET",
        "16.11.2026, 10:01:12 MEZ",
        "16. November 2026 10:01:12 MEZ",
        "16 novembre 2026 10:01:12 CET",
        "16 de noviembre de 2026 10:01:12 CET",
        "16 listopada 2026 10:01:12 CET",
        "16 ноября 2026 12:01:12 MSK",
        "2026年11月16日 18:01:12 JST",
        "2026年11月16日 18時01分12秒 JST",
        "11/16/2026 09:01:12 UTC",
        "11/16/2026 9:01:12 AM UTC",
        "16/11/2026 09:01:12 UTC",
        "16-Nov-2026 09:01:12 UTC",
    ],
)
def test_the_same_instant_however_written(written):
    moment = read_time(written, reference=REFERENCE)
    assert moment is not None and moment.at == utc(2026, 11, 16, 9, 1, 12), moment
    assert moment.earliest == moment.latest == moment.at


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-16 09:01:12",
        "Nov 16 09:01:12",
        "Mon Nov 16 09:01:12 2026",
        "16.11.2026 09:01:12",
        "20261116090112",
        "16 Nov 2026 09:01:12",
    ],
)
def test_no_zone_no_instant_but_bounds(written):
    moment = read_time(written, reference=REFERENCE)
    assert moment is not None and moment.at is None and "zone" in moment.note
    assert (moment.earliest, moment.latest) == (utc(2026, 11, 15, 19, 1, 12), utc(2026, 11, 16, 21, 1, 12))
    known = read_time(written, reference=REFERENCE, zone="Europe/Berlin")
    assert known.at == utc(2026, 11, 16, 8, 1, 12) and "usual" in known.note


def test_minutes_and_days_span_what_they_say():
    minute = read_time("2026-11-16 09:01 UTC")
    assert (minute.at, minute.latest - minute.at) == (utc(2026, 11, 16, 9, 1), timedelta(seconds=59))
    day = read_time("2026-11-16")
    assert day.at is None and (day.earliest, day.latest) == (utc(2026, 11, 15, 10), utc(2026, 11, 17, 11, 59, 59))
    local = read_time("2026-11-16", zone="Asia/Tokyo")
    assert local.at is None and (local.earliest, local.latest) == (utc(2026, 11, 15, 15), utc(2026, 11, 16, 14, 59, 59))


def test_day_and_month_that_can_be_either_stay_bounds():
    moment = read_time("03/04/2026 10:00:00 UTC")
    assert moment.at is None and (moment.earliest, moment.latest) == (utc(2026, 3, 4, 10), utc(2026, 4, 3, 10))
    assert read_time("03.04.2026 10:00:00 UTC").at == utc(2026, 4, 3, 10)  # with dots the day comes first
    assert read_time("04/04/2026 10:00:00 UTC").at == utc(2026, 4, 4, 10)


def test_names_of_several_zones_stay_bounds_unless_the_writer_is_known():
    moment = read_time("2026-11-16 10:00:00 CST")
    assert moment.at is None and (moment.earliest, moment.latest) == (utc(2026, 11, 16, 2), utc(2026, 11, 16, 16))
    assert read_time("2026-11-16 10:00:00 CST", zone="Asia/Shanghai").at == utc(2026, 11, 16, 2)
    assert read_time("2026-11-16 10:00:00 CST", zone="America/Chicago").at == utc(2026, 11, 16, 16)
    assert read_time("2026-11-16 10:00:00 XYZ").at is None


def test_a_stated_zone_is_never_replaced_by_the_usual_one():
    assert read_time("2026-11-16 10:00:00 +0000", zone="Asia/Tokyo").at == utc(2026, 11, 16, 10)


@pytest.mark.parametrize(
    ("written", "reference", "year"),
    [
        ("Dec 31 23:59:59 UTC", utc(2027, 1, 2), 2026),
        ("Jan  1 00:00:01 UTC", utc(2026, 12, 31, 23, 30), 2027),
        ("Nov 16 10:00:00 UTC", utc(2026, 11, 16, 9), 2026),
        ("Feb 29 10:00:00 UTC", utc(2026, 11, 16), 2024),
        ("Nov 18 10:00:00 UTC", utc(2026, 11, 16), 2025),
    ],
)
def test_syslog_takes_its_year_from_the_reference(written, reference, year):
    moment = read_time(written, reference=reference)
    assert moment.at.year == year and "year" in moment.note


def test_syslog_without_reference_has_no_bounds():
    moment = read_time("Nov 16 10:00:00")
    assert moment.at is None and moment.earliest is None


@pytest.mark.parametrize(
    "written",
    [
        "",
        None,
        "yesterday",
        "10:00:00",
        "2026-13-01 10:00:00 UTC",
        "2026-02-30",
        "2026-11-16 25:00:00 UTC",
        "32.11.2026 10:00:00",
        "2026-11-16T10:00:00+99:00",
        "192.0.2.1",
        "1.2.3.4 10:00",
        "31 Feb 2026 10:00:00 +0000",
        "999999999999999999",
        "0000-00-00 00:00:00",
        "12345",
        "Mon, 16 Nov 0026 10:00:00 +0000",
        "1970-01-01 00:00:00 UTC",
    ],
)
def test_what_is_no_time_is_none(written):
    assert read_time(written, reference=REFERENCE) is None


@given(MOMENTS, OFFSETS)
def test_any_instant_in_any_offset_round_trips(local, offset):
    at = local.replace(tzinfo=offset)
    for written in (
        at.isoformat(),
        at.strftime("%a, %d %b %Y %H:%M:%S %z"),
        at.strftime("%Y-%m-%d %H:%M:%S %z"),
        at.strftime("[%d/%b/%Y:%H:%M:%S %z]"),
    ):
        assert read_time(written).at == at.astimezone(UTC), written


@given(
    MOMENTS,
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "Etc/GMT+12"]
    ),
)
def test_bounds_hold_the_instant_in_whatever_zone_it_was_written(local, zone):
    at = local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    moment = read_time(local.strftime("%Y-%m-%d %H:%M:%S"))
    assert moment.at is None and moment.earliest <= at <= moment.latest
    assert moment.latest - moment.earliest == WEST + EAST
    day = read_time(local.strftime("%Y-%m-%d"))
    assert day.earliest <= at <= day.latest


@settings(max_examples=400)
@given(st.text(max_size=250))
def test_any_text_is_a_moment_or_none(text):
    moment = read_time(text, reference=REFERENCE)
    if moment is not None:
        for one in (moment.at, moment.earliest, moment.latest):
            assert one is None or one.tzinfo is UTC
        if moment.earliest and moment.latest:
            assert moment.earliest <= moment.latest
        if moment.at:
            assert moment.earliest <= moment.at <= moment.latest


@settings(max_examples=400)
@given(st.text(alphabet="0123456789-/.: TZ+UCGMTJanFebMar,()[]", max_size=40))
def test_any_dateish_text_is_a_moment_or_none(text):
    moment = read_time(text, reference=REFERENCE)
    assert moment is None or moment.as_written == " ".join(text.split())


def test_times_in_running_text():
    text = "Seen 2026-11-16 09:01:12 UTC and on Mon, 16 Nov 2026 10:01:12 +0100 from 192.0.2.1, version 10.11.2026b."
    found = find_times(text)
    assert [moment.at for _, _, moment in found][:2] == [utc(2026, 11, 16, 9, 1, 12)] * 2
    assert [text[start:end] for start, end, _ in found][:2] == ["2026-11-16 09:01:12 UTC", "Mon, 16 Nov 2026 10:01:12 +0100"]
