"""A mapping is tried before it is kept: what each column becomes, how the first rows read, and what does not fit."""

import io
import zipfile

import orjson
import pytest

from tipstaff.intake import trying
from tipstaff.intake.reading.feeds.mapping import read_mapping
from tipstaff.intake.trying import starter, trial
from tipstaff.kernel.errors import InputError, Refused

MAPPING = """
category = "compromised"
[columns]
ip = "Sent By"
time = ["Seen", "Clock"]
[time]
zone = "UTC"
[others]
victim_ip = "Whom"
"""
ROWS = b"""Sent By;Seen;Clock;Whom;Note
192.0.2.7;2026-06-14;10:00:00;203.0.113.9;a
198.51.100.9;2026-06-14;25:00:00;203.0.113.9;b
nonsense;2026-06-14;10:00:01;203.0.113.9;c
192.0.2.9;2026-06-14;10:00:02;203.0.113.9;d
192.0.2.10;2026-06-14;10:00:03;203.0.113.9;e
"""


def tried(content=ROWS, mapping=MAPPING, filename="list.csv"):
    return trial(content=content, filename=filename, mapping=mapping)


def test_each_column_says_what_it_becomes_and_three_rows_how_they_read():
    (table,) = tried().tables
    assert table.columns == [
        ("sent_by", "the accused address"), ("seen", "when it happened"), ("clock", "when it happened"), ("whom", "victim ip"),
        ("note", ""),
    ]  # fmt: skip
    assert [(row.number, row.time, row.values["the accused address"]) for row in table.rows] == [
        (1, "2026-06-14 10:00:00 UTC", "192.0.2.7"), (2, "2026-06-14 25:00:00: not understood", "198.51.100.9"),
        (4, "2026-06-14 10:00:02 UTC", "192.0.2.9"),
    ]  # fmt: skip
    assert table.events == 4 and table.is_mapped and table.rows[0].values["kind of abuse"] == "compromised"


def test_what_does_not_fit_is_named_by_row_and_column():
    warnings = " | ".join(tried().warnings)
    assert "row 3: column sent_by" in warnings and "'nonsense'" in warnings
    assert "row 2: column seen and clock" in warnings and "25:00:00" in warnings


def test_a_mapping_of_other_columns_makes_no_event_and_names_those_that_are_there():
    found = tried(mapping=MAPPING.replace("Sent By", "Source"))
    assert not found.tables[0].rows and not found.tables[0].is_mapped
    assert any("sent_by, seen, clock" in text for text in found.needs)


def test_a_time_that_is_not_exact_shows_its_interval():
    row = tried(mapping=MAPPING.replace('zone = "UTC"', "")).tables[0].rows[0]
    assert "not exact, between 2026-06-13" in row.time and "2026-06-14" in row.time


def test_json_archives_and_long_lists_are_tried_alike():
    document = orjson.dumps([{"Sent By": "192.0.2.7", "Seen": "2026-06-14", "Clock": "10:00:00", "Whom": "203.0.113.9"}])
    assert tried(document, filename="list.json").tables[0].rows[0].time == "2026-06-14 10:00:00 UTC"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("list.csv", ROWS)
    assert tried(packed.getvalue(), filename="list.zip").tables[0].events == 4
    many = ROWS.splitlines()[0] + b"\n" + b"192.0.2.7;2026-06-14;10:00:00;203.0.113.9;a\n" * 500
    assert (tried(many).tables[0].events, len(tried(many).tables[0].rows)) == (500, trying.ROWS)


def test_of_what_is_too_long_the_first_lines_are_read(monkeypatch):
    monkeypatch.setattr(trying, "MOST_BYTES", len(ROWS) - 20)
    assert tried().tables[0].events == 3
    for content, name in ((b"[" + b" " * len(ROWS) + b"]", "a.json"), (b"PK" + ROWS, "a.zip")):
        with pytest.raises(InputError, match="sample: has more than"):
            tried(content, filename=name)


@pytest.mark.parametrize("content", [b"", b"  \n ", b"only prose and no table at all"])
def test_a_sample_without_a_table_says_so(content):
    with pytest.raises(InputError, match="sample"):
        tried(content)


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ("[columns]\nip = 3", r"line 2, columns\.ip"),
        ("[columns", "is no TOML"),
        ("colour = 1\n[columns]\nip='a'", "line 1, colour"),
        ("category = ['scan']\n[columns]\nip='a'", "line 1, category: is not a text"),
        ("category = {a = 1}\n[columns]\nip='a'", "line 1, category: is not a text"),
    ],
)
def test_a_mapping_that_cannot_be_read_names_its_line(mapping, told):
    with pytest.raises(InputError, match=told):
        tried(mapping=mapping)


def test_of_what_goes_to_the_sealed_queue_nothing_is_shown(monkeypatch):
    from tipstaff.intake.drafts import ReportDraft

    monkeypatch.setattr(trying, "read_submission", lambda content, hints: [ReportDraft("csv", sealed=True)])
    with pytest.raises(Refused, match="sealed queue"):
        tried()


def test_a_header_alone_makes_a_mapping_to_begin_with():
    text = starter(("source_ip", "timestamp", "target_ip", "anything"))
    read = read_mapping(text)
    assert (read.layout.ip, read.layout.time) == ("source_ip", ("timestamp",))
    assert read.layout.zone is None, "a zone that nobody stated would accuse whoever held the address at another hour"
    with pytest.raises(InputError, match=r"columns\.ip"):
        read_mapping(starter(("a", "b")))
