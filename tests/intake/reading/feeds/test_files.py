"""Tables in messages: attached, or written into the letter; a letter made to hurt ends soon."""

import pytest

from tests.growth import BELOW_QUADRATIC, ends, growth
from tipstaff.intake.message import Hints
from tipstaff.intake.reading.feeds.files import inline_tables, table_files
from tipstaff.intake.reading.open import open_message

LETTER = """Dear colleagues,

source, time and port of each contact follow.

"IP","Timestamp","Port"
"192.0.2.1","2026-02-03 01:02:03 UTC","1"

"192.0.2.2","2026-02-03 01:02:04 UTC","2"
Kind regards, Rita

ip;timestamp
192.0.2.3;2026-02-03T01:02:05Z
"""


def test_tables_in_a_letter() -> None:
    first, second = inline_tables(LETTER)
    assert first.header == ("ip", "timestamp", "port")
    assert first.rows(()).frame.rows() == [
        ("192.0.2.1", "2026-02-03 01:02:03 UTC", "1"),
        ("192.0.2.2", "2026-02-03 01:02:04 UTC", "2"),
    ]
    assert second.rows(()).frame.rows() == [("192.0.2.3", "2026-02-03T01:02:05Z")]


@pytest.mark.parametrize(
    "letter",
    [
        "",
        "ip, time",
        "ip, timestamp\nnothing below\n",
        "Our source, as of this time, is 192.0.2.1, and more, x\nso, we, ask, you, to\n",
        "port,time\n1,2\n",
    ],
)
def test_prose_holds_no_table(letter: str) -> None:
    assert inline_tables(letter) == []


def test_a_table_is_opened_once() -> None:
    message = open_message(b"ip,timestamp\n192.0.2.1,2026-02-03T01:02:03Z\n", Hints(filename="x.csv"))[0]
    assert table_files(message) is table_files(message)


HOSTILE = {
    "many delimiters": "a,b,c\n" * 170_000,
    "headers only": "ip,timestamp\n" * 80_000,
    "headers and gaps": "ip,timestamp\n\n\n\n\n\nx\n" * 50_000,
    "a thousand tables": "ip,timestamp\n1,2\nend\n" * 50_000,
    "one long line": "ip,timestamp" + ",x" * 500_000,
    "almost headers": "ip,x,y\n" * 140_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_letters_end_soon(name: str) -> None:
    letter = HOSTILE[name]
    with ends():
        assert growth(inline_tables, letter[: len(letter) // 4], letter) < BELOW_QUADRATIC
