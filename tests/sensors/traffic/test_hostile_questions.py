"""What a stranger writes goes into questions about flows as an address or not at all; its zone index may hold any words."""

from datetime import UTC, datetime, timedelta

import pytest

from tipstaff.accounts import lookups
from tipstaff.attribution import queries as attribution
from tipstaff.consent import granting
from tipstaff.faces.api import facts
from tipstaff.faces.desk import traffic
from tipstaff.kernel.errors import InputError
from tipstaff.reports import claims
from tipstaff.sensors.traffic.archive import corroborating, nfdump
from tipstaff.sensors.traffic.archive.asking import Answer, Archive
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.corroboration import Claim

T = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WORDS = "2001:db8::1%x or direction out"
CLAIM = Claim(T, T + HOUR, peer=WORDS, peer_port=22, protocol=6)


class Listening:
    """An archive that keeps what it is asked, as ``Own`` asks it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def flows_of(self, address: str, span: Span, *, limit: int, where: str) -> Answer:
        self.asked.append(where)
        return Answer((), [])


def test_a_zone_index_adds_no_words_to_a_question_of_our_archive() -> None:
    archive = Listening()
    assert corroborating.Own(archive).flows("192.0.2.7", Span(T, T + HOUR), CLAIM) == []  # type: ignore[arg-type]
    assert archive.asked == ["direction out and peer 2001:db8::1 and peer_port 22 and protocol 6"]


def test_nor_to_a_filter_of_nfdump() -> None:
    said = nfdump.condition("2001:db8::7%0 or any", CLAIM)
    assert said == "src ip 2001:db8::7 and dst ip 2001:db8::1 and dst port 22 and proto 6"


@pytest.mark.parametrize("written", [WORDS, f"[{WORDS}]", "2001:db8::1%' or 1=1"])
def test_a_complaint_names_an_address_or_nothing(written: str) -> None:
    event = claims.Happening("192.0.2.7", 51514, T, None, None, None, "scan", 1, {"destination_ip": written})
    assert [one.peer for one in claims.claims_of(event)] == ["2001:db8::1"]


@pytest.mark.django_db
def test_no_address_with_a_zone_becomes_a_prefix_or_a_question() -> None:
    with pytest.raises(facts.Bad):
        facts.network("2001:db8::1%x")
    with pytest.raises(InputError, match="is no address"):
        attribution.who(ip="2600::1%/../../x", at=T)
    asked = granting.Asked("test", "a test", "out", ["2001:db8::1%x"], T, T + HOUR, "C. Arol", "0" * 64)
    assert [problem.where for problem in granting.check(asked)] == ["hosts"]


@pytest.mark.django_db
def test_who_held_an_address_is_answered_without_its_zone() -> None:
    assert lookups.holders_of("2001:db8::1%eth0") == []


@pytest.mark.parametrize("given", [
    {"from": "0001-01-01T00:00"}, {"from": "9999-12-31T23:59", "to": "9999-12-31T23:59"}, {"from": "1969-12-31T00:00"},
    {"from": "2026-01-01T00:00", "to": "9999-01-01T00:00"}, {"from": "0001-01-01T00:00+23:59"},
])  # fmt: skip
def test_a_time_outside_all_flows_is_said_to_be_none(given: dict[str, str]) -> None:
    with pytest.raises(InputError):
        traffic.read(given, T, UTC)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["(" * 300 + "peer_port 22" + ")" * 300, "not " * 490 + "peer_port 22", "(" * 1999])
def test_a_filter_that_is_too_deep_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError, match="nested too deeply"):
        traffic.read({"where": text}, T, UTC)  # type: ignore[arg-type]


def test_a_question_may_not_fill_the_disk(tmp_path) -> None:
    with Archive(tmp_path)._connection() as connection:
        (said,) = connection.execute("SELECT current_setting('max_temp_directory_size')").fetchone()
    assert said == "1.8 GiB", "2 GB, as DuckDB says it; without a limit it takes most of the disk"
