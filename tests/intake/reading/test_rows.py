"""Rows of evidence: tables under a heading, JSON over several lines, pairs of sockets; and what they leave open."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading.loglines import LogLine
from tipstaff.intake.reading.rows import rows_of
from tipstaff.intake.reading.sections import sections

REFERENCE = datetime(2026, 11, 17, tzinfo=UTC)


def read(letter: str) -> list[LogLine]:
    return [entry for _, entry in rows_of(sections(letter, []), "UTC", REFERENCE)]


@pytest.mark.parametrize(
    "letter",
    [
        "Time                 Source          Src port  Target\n2026-11-16 10:00:00  198.51.100.7    4022      192.0.2.1\n",
        "| Horodatage | Port dst | Destination | Source | Port src |\n|---|---|---|---|---|\n"
        "| 2026-11-16 10:00:00 | 22 | 192.0.2.1 | 198.51.100.7 | 4022 |\n",
        "Zeit;Quell-IP;Quellport;Ziel-IP\n2026-11-16 10:00:00;198.51.100.7;4022;192.0.2.1\n",
        "#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\n1794909600.0\t198.51.100.7\t4022\t192.0.2.1\t22\n",
        "epoch src sport dst dport flags\n1794909600 198.51.100.7 4022 192.0.2.1 22 S\n",
        "2026-11-16 10:00:00 DROP TCP 198.51.100.7:4022 192.0.2.1:22\n",
        '{\n "ts": "2026-11-16T10:00:00Z",\n "client": "198.51.100.7",\n "client_port": 4022,\n "server_addr": "192.0.2.1"\n}\n',
    ],
    ids=["aligned", "piped", "semicolons", "zeek", "words", "sockets", "json"],
)
def test_who_came_from_which_port_to_whom_and_when(letter):
    (entry,) = read(letter)
    assert (entry.src, entry.sport, entry.dst) == ("198.51.100.7", 4022, "192.0.2.1")
    if not letter.startswith("{"):
        assert entry.moment and entry.moment.at and entry.moment.at.isoformat().startswith("2026-11-1")


def test_an_allowed_row_accuses_nobody():
    denied, allowed = "2026-11-16 10:00:00;DENY;198.51.100.7;192.0.2.1\n", "2026-11-16 10:01:00;ALLOW;198.51.100.8;192.0.2.1\n"
    rows = read("Zeit;Aktion;Quell-IP;Ziel-IP\n" + denied + allowed)
    assert [(row.src, row.good) for row in rows] == [("198.51.100.7", False), ("198.51.100.8", True)]


@pytest.mark.parametrize(
    "letter",
    [
        "The source of the attack was found.\nOur office is at 192.0.2.1, call us.\n",  # a sentence is no heading
        "Name  Address\nAlice  192.0.2.1\n",  # no column is the source's by name
        "2026-11-16 10:00:00 192.0.2.1:22 198.51.100.7:4022\n",  # a reply: the ephemeral port stands on the right
        "198.51.100.7:4022 192.0.2.1:22\n",  # no time
    ],
)
def test_where_the_form_does_not_say_it_nothing_is_read(letter):
    assert read(letter) == []


@given(st.text(alphabet='src dst|;,\t{}":0123456789.\n abc[]', max_size=400))
def test_any_text_is_read_without_an_error(letter):
    for entry in read(letter):
        assert entry.src in letter or ":" in entry.src
