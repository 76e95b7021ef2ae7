"""Zones told by places and explanations, in the languages that letters come in."""

import pytest

from tipstaff.intake.reading.place_zones import explained, places_named
from tipstaff.intake.reading.prose_times import stated_zone


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("seen at 14:05 Dutch time", "Europe/Amsterdam"),
        ("(tijden = Nederlandse tijd)", "Europe/Amsterdam"),
        ("à 16h35 (heure de Paris)", "Europe/Paris"),
        ("à 4h52 du matin, heure française", "Europe/Paris"),
        ("14h58 (hora de Lisboa)", "Europe/Lisbon"),
        ("alle 8:21 ora solare italiana", "Europe/Rome"),
        ("godz. 20:58 (czas warszawski)", "Europe/Warsaw"),
        ("в 12:41 по московскому времени", "Europe/Moscow"),
        ("16:05 北京时间查询", "Asia/Shanghai"),
        ("14時20分（日本時間）", "Asia/Tokyo"),
        ("alles deutsche Zeit", "Europe/Berlin"),
        ("the clocks here keep Greenwich time", "UTC"),
        ("the box is set to US Eastern", "America/New_York"),
    ],
)
def test_a_place_tells_the_zone(text, zone):
    assert places_named(text) == {zone}
    assert stated_zone(text) == zone


@pytest.mark.parametrize(
    "text",
    [
        "time to go to Paris with my German friends",
        "the Central office and the Pacific fleet",
        "Polish the wording; the Swiss server was attacked",
        "it is the first time that a Danish customer complains",
    ],
)
def test_places_alone_tell_nothing(text):
    assert stated_zone(text) is None


def test_two_places_tell_nothing():
    assert stated_zone("10:00 heure de Paris, 12:00 Moscow time") is None


@pytest.mark.parametrize("text", ["The server is in Leeds so that's GMT.", "from our log, BST is over so it's GMT:"])
def test_what_the_writer_explains_counts_and_what_is_over_does_not(text):
    assert explained(text) == {"GMT"}
    assert stated_zone(text) == "UTC"


def test_words_of_every_day_are_no_zones():
    # "est" (is), "met" (with) and "cat" are abbreviations of zones only in capitals.
    assert stated_zone("vers 10 heures, puis que la même adresse est revenue") is None
    assert stated_zone("times: the cat met us") is None


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Время московское (UTC+3):", "+0300"),
        ("Uhrzeiten in MEZ, also UTC+1:", "+0100"),
        ("heures en CET, donc UTC +1", "+0100"),
        ("times are Dutch time (UTC+2)", "+0200"),
        ("Время московское (UTC+5)", None),
        ("it's UTC, our clocks are CET", None),
    ],
)
def test_a_place_and_its_offset_are_one_zone_and_what_disagrees_is_none(text, zone):
    assert stated_zone(text) == zone
