"""Times in running text, in eleven languages, and the zone that a letter states for all."""

from datetime import UTC, datetime

import pytest

from tipstaff.intake.reading.languages import language_of
from tipstaff.intake.reading.prose_times import find_said, find_today, stated_zone


@pytest.mark.parametrize(
    ("text", "language", "at"),
    [
        ("on November 12, 2026 at 14:03 UTC we", "en", "2026-11-12T14:03:00+00:00"),
        ("at 14:05 UTC on 15 Nov 2026", "en", "2026-11-15T14:05:00+00:00"),
        ("am 14.11.2026 um 23:15:30 Uhr MEZ.", "de", "2026-11-14T22:15:30+00:00"),
        ("le 13/11/2026 à 10h45 (CET)", "fr", "2026-11-13T09:45:00+00:00"),
        ("Fecha y hora: 2026-11-10 16:20:10 +0100.", "es", "2026-11-10T15:20:10+00:00"),
        ("Data e ora: 13/11/2026 18:00:00 CET", "it", "2026-11-13T17:00:00+00:00"),
        ("Tijdstip: 15-11-2026 12:22:33 (CET)", "nl", "2026-11-15T11:22:33+00:00"),
        ("w dniu 11.11.2026 o godz. 22:15 CET.", "pl", "2026-11-11T21:15:00+00:00"),
        ("Data/Hora: 2026-11-15 10:00:00 (UTC-3)", "pt", "2026-11-15T13:00:00+00:00"),
        ("15.11.2026 10:30 по московскому времени", "ru", "2026-11-15T07:30:00+00:00"),
        ("2026年11月7日08:30:00(北京时间)对", "zh", "2026-11-07T00:30:00+00:00"),
        ("2026年11月6日 午後2時05分 JST", "ja", "2026-11-06T05:05:00+00:00"),
        ("[15/Nov/2026:23:14:09 +0100]", "en", "2026-11-15T22:14:09+00:00"),
    ],
)
def test_exact_times(text, language, at):
    said = find_said(text, language=language)
    assert [one.moment.at.isoformat() for one in said] == [at]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-12 at 14:03:22 the host",
        "05/06/2026 at 10:00 UTC",
        "11/15/2026 3:22:10 AM",
        "on 2026-11-12 only",
        "2026/11/15 18:30:00",
    ],
)
def test_no_zone_no_order_no_clock_no_time(text):
    said = find_said(text, language="en")
    assert said[0].moment.at is None
    assert said[0].moment.earliest < said[0].moment.latest


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("All times are in EST. On Monday", "EST"),
        ("Timezone: UTC", "UTC"),
        ("Log excerpt (UTC):", "UTC"),
        ("Zeiten in MEZ:", "+0100"),
        ("(times UTC)", "UTC"),
        ("Local timezone is +0100 (CET)", "+0100"),
        ("Logi (czas UTC):", "UTC"),
        ("no zone here", None),
        ("Timestamps are UTC. Times of the second log are in CET.", None),
    ],
)
def test_the_zone_for_all(text, zone):
    assert stated_zone(text) == zone


def test_languages():
    assert language_of("Sehr geehrte Damen und Herren, von Ihrer IP wird unser Server angegriffen") == "de"
    assert language_of("貴社のサーバーから攻撃されています") == "ja"
    assert language_of("贵公司服务器正在攻击我们") == "zh"
    assert language_of("x") is None


@pytest.mark.parametrize(
    ("text", "zone", "at"),
    [
        ("Top talker: 203.0.113.240, since 22:57:05 UTC today.", None, "2026-11-20T22:57:05+00:00"),
        ("war heute ab 03:05:10 Uhr (MEZ) Ziel eines Angriffs", None, "2026-11-20T02:05:10+00:00"),
        ("aujourd'hui entre 14h02 et 15h40 (heure de Paris)", "Europe/Paris", "2026-11-20T13:02:00+00:00"),
        ("今日 06:11:47 に", "+0900", "2026-11-20T21:11:47+00:00"),
        ("between 18:02 and 19:45 UTC today we saw", None, "2026-11-20T18:02:00+00:00"),
        ("von 9:15 bis 10:30 Uhr MEZ heute", None, "2026-11-20T08:15:00+00:00"),
        ("please answer by 23:50 UTC today", None, None),  # ahead: no report of what was
        ("since 22:57:05 today", None, None),  # no zone: perhaps another day
        ("on the 3rd at 10:00 UTC; today is a holiday", None, None),
    ],
)
def test_a_clock_of_today_is_of_the_day_of_the_mail(text, zone, at):
    said = find_today(text, zone=zone, reference=datetime(2026, 11, 20, 22, 58, tzinfo=UTC))
    assert (said.moment.at.isoformat() if said else None) == at


def test_the_day_is_counted_in_the_zone_of_the_clock():
    said = find_today("heute um 00:10:00 (MEZ)", zone=None, reference=datetime(2026, 11, 20, 23, 20, tzinfo=UTC))
    assert said.moment.at == datetime(2026, 11, 20, 23, 10, tzinfo=UTC)
