"""Columns of events: the same values as reading row by row, whatever the form; and a redelivery adds nothing."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.intake.drafts import TABLE_COLUMNS, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import shadowserver
from tipstaff.intake.reading.feeds import events as objects
from tipstaff.intake.reading.feeds.columns import Layout, columns_of
from tipstaff.intake.reading.feeds.separated import Rows, read_head, read_rows
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel import addresses

HEADER = ["timestamp", "protocol", "src_ip", "src_port", "src_asn", "src_geo", "dst_ip", "dst_port", "infection", "tag"]
cells = {
    "timestamp": st.one_of(
        st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1)).map(lambda at: f"{at:%Y-%m-%d %H:%M:%S}"),
        st.sampled_from(
            ["", "never", "2026-02-30 01:02:03", "2026-02-03T04:05:06Z", "2026-02-03 04:05:06.25", "0000-00-00 00:00:00"]
        ),
    ),
    "src_ip": st.one_of(
        st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda a: a.exploded),
        st.sampled_from(["", "-", "192.0.2.0/24", "192.0.2.999", "::ffff:192.0.2.1", "192.0.2.5/32",
                         "0.0.0.0", "192.0.2.xxx", "192.0.2.01"]),
    ),
    "src_port": st.sampled_from(["", "0", "1", "65535", "65536", "-1", "80.0", "http", " 443 ", "+5"]),
    "infection": st.sampled_from(["", "bot", 'b"o\\t', "bot\nnet", "unknown", " bot "]),
    "protocol": st.sampled_from(["tcp", "UDP", "", "-"]),
}  # fmt: skip
row = st.fixed_dictionaries({name: cells.get(name, st.sampled_from(["", "1", "203.0.113.5"])) for name in HEADER})


def written(rows: list[dict[str, str]], header: list[str]) -> bytes:
    out = io.StringIO()
    sheet = csv.DictWriter(out, header, lineterminator="\n", quoting=csv.QUOTE_ALL)
    sheet.writeheader()
    sheet.writerows(rows)
    return out.getvalue().encode()


def parsed(raw: bytes, name: str = "2026-02-03-event4_sinkhole-example.csv") -> ReportDraft:
    (draft,) = shadowserver.parse(open_message(raw, Hints(filename=name))[0])
    return draft


def plainly(record: dict[str, str]) -> tuple[Any, ...] | None:
    """One row, read with the standard library only."""
    text = record["src_ip"].strip()
    try:
        ip = ip_address(text.removesuffix("/32"))
    except ValueError:
        return None
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    if int(ip) == 0:
        return None
    try:
        at: datetime | None = datetime.fromisoformat(record["timestamp"].strip().replace("Z", ""))
        at = at.replace(tzinfo=UTC) if at and 1980 <= at.year <= 2100 else None
    except ValueError:
        at = None
    port = record["src_port"].strip().removesuffix(".0")
    good = port.isdigit() and 0 < int(port) < 65_536
    protocol = record["protocol"].lower() if record["protocol"] not in ("", "-") else None
    stated = [record[name].strip().replace('"', "").replace("\\", "") for name in ("infection", "dst_ip", "dst_port")]
    identity = tuple("" if value in ("unknown", "-") else value for value in stated)
    return str(ip), int(port) if good else None, protocol, at, identity if any(identity) else ()


def as_tuples(draft: ReportDraft) -> list[tuple[Any, ...]]:
    if draft.table is None:
        return [(e.ip, e.port, e.protocol, e.occurred_at, e.identity) for e in draft.events]
    filled = draft.table.select("ip", "port", "protocol", "occurred_at", "identity")
    return [
        (ip, port, protocol, at, tuple(identity.split("\x1f")) if identity else ())
        for ip, port, protocol, at, identity in filled.iter_rows()
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(row, min_size=1, max_size=12))
def test_agrees_with_reading_row_by_row(rows: list[dict[str, str]]) -> None:
    expected = [found for record in rows if (found := plainly(record))]
    assert as_tuples(parsed(written(rows, HEADER))) == expected


@settings(max_examples=25, deadline=None)
@given(st.lists(row, min_size=1, max_size=6), st.integers(0, 2**32))
def test_a_table_holds_what_objects_hold(rows: list[dict[str, str]], seed: int) -> None:
    """The same rows once as few and once among many come out with the same values and the same warnings about them."""
    few = parsed(written(rows, HEADER))
    filler = [dict.fromkeys(HEADER, "") | {"timestamp": "2026-02-03 04:05:06", "src_ip": "198.51.100.77"}] * 600
    many = parsed(written([*rows, *filler], HEADER))
    assert not few.table and many.table is not None and not many.events
    assert as_tuples(many)[: len(few.events)] == as_tuples(few)
    assert [event.row for event in few.events] == many.table["row"].to_list()[: len(few.events)]
    assert [event.time_as_written for event in few.events] == many.table["time_as_written"].to_list()[: len(few.events)]


def test_the_columns_are_those_of_every_table() -> None:
    rows = [dict(zip(HEADER, ["2026-02-03 04:05:06", "tcp", "192.0.2.1", "80", "1", "NL", "", "", "bot", ""], strict=True))] * 501
    table = parsed(written(rows, HEADER)).table
    assert table is not None
    assert {name: str(dtype) for name, dtype in table.schema.items()} == {
        name: dtype.replace("Datetime('us', 'UTC')", "Datetime(time_unit='us', time_zone='UTC')")
        for name, dtype in TABLE_COLUMNS.items()
        if name in table.columns
    }


@pytest.mark.parametrize("last", ["::ffff:192.0.2.9", "0.0.0.0", "", "192.0.2.9/32"])
def test_the_numbers_of_a_table_are_those_of_its_addresses(last: str) -> None:
    """Whether a file brings numbers or, where an address had to be read twice, leaves them out."""
    rows = [dict.fromkeys(HEADER, "") | {"timestamp": "2026-02-03 04:05:06", "src_ip": ip} for ip in ("2001:DB8::1", "192.0.2.1")]
    rows = [*rows * 300, dict.fromkeys(HEADER, "") | {"timestamp": "2026-02-03 04:05:06", "src_ip": last}]
    table = parsed(written(rows, HEADER)).table
    assert table is not None
    assert ("family" in table.columns) == (not last.endswith("/32"))
    expected = addresses.parse(table["ip"])
    given = [table[name].to_list() for name in ("family", "hi", "lo") if name in table.columns]
    assert given in ([], [expected.family.tolist(), expected.hi.tolist(), expected.lo.tolist()])


def identities(draft: ReportDraft) -> set[tuple[Any, ...]]:
    return {(draft.report_type, *one) for one in as_tuples(draft)}


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=1, max_size=8), st.integers(0, 2**32))
def test_a_redelivery_has_the_same_identities(rows: list[dict[str, str]], seed: int) -> None:
    """Rows and columns in another order, names in capitals, a new column, another delimiter: the same events."""
    chance = random.Random(seed)
    again = [record | {"brand_new": str(chance.random())} for record in rows]
    header = [*HEADER, "brand_new"]
    chance.shuffle(header)
    chance.shuffle(again)
    raw = written(again, header)
    first, _, rest = raw.partition(b"\n")
    assert identities(parsed(first.upper() + b"\n" + rest, "2026-02-04-event4_sinkhole-other-example.csv")) == identities(
        parsed(written(rows, HEADER))
    )


def test_json_and_csv_of_one_report_are_the_same_events() -> None:
    import orjson

    rows = [
        dict.fromkeys(HEADER, "")
        | {"timestamp": "2026-02-03 04:05:06", "src_ip": "192.0.2.1", "src_port": "77", "infection": "bot"}
    ]
    numbers = [record | {"src_port": 77, "tag": None} for record in rows]
    assert identities(parsed(orjson.dumps(numbers), "2026-02-03-event4_sinkhole-example.json")) == identities(
        parsed(written(rows, HEADER))
    )


def moments(texts: list[str], **layout: Any) -> pl.DataFrame:
    frame = pl.DataFrame({"ip": ["192.0.2.1"] * len(texts), "t": texts})
    rows = Rows(frame, pl.int_range(1, len(texts) + 1, dtype=pl.Int32, eager=True))
    return columns_of(rows, Layout(ip="ip", time=("t",), **layout)).table


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-07-01 12:00:00", "Europe/Amsterdam", "2026-07-01T10:00:00"),
        ("2026-01-01 12:00:00", "Europe/Amsterdam", "2026-01-01T11:00:00"),
        ("2026-07-01 12:00:00", "+05:30", "2026-07-01T06:30:00"),
        ("2026-07-01 12:00:00", "-03:00", "2026-07-01T15:00:00"),
        ("2026-07-01T12:00:00+02:00", "America/New_York", "2026-07-01T10:00:00"),
        ("2026-07-01T12:00:00Z", "America/New_York", "2026-07-01T12:00:00"),
        ("1767323045", None, "2026-01-02T03:04:05"),
        ("Fri, 2 Jan 2026 04:04:05 +0100", None, "2026-01-02T03:04:05"),
    ],
)
def test_moments(text: str, zone: str | None, utc: str) -> None:
    assert moments([text], zone=zone)["occurred_at"][0] == datetime.fromisoformat(utc).replace(tzinfo=UTC)


def test_a_time_without_a_zone_is_bounded_never_guessed() -> None:
    table = moments(["2026-01-02 03:04:05", "2026-01-02T03:04:05Z", "2026-01-02", "soon"] * 300)
    assert table["occurred_at"].to_list()[:4] == [None, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, None]
    local = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (table["earliest"][0], table["latest"][0]) == (local - timedelta(hours=14), local + timedelta(hours=12))
    assert table["earliest"][2] <= datetime(2026, 1, 1, 12, tzinfo=UTC) and table["latest"][2] >= datetime(
        2026, 1, 3, 11, tzinfo=UTC
    )
    assert table["earliest"][1] is table["earliest"][3] is None


def test_an_hour_that_clocks_show_twice_stays_open() -> None:
    table = moments(["2026-10-25 02:30:00"], zone="Europe/Amsterdam")
    assert table["occurred_at"][0] is None
    assert table["earliest"][0] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert table["latest"][0] == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_warnings_name_rows_and_stay_few() -> None:
    raw = b"timestamp,ip,asn,geo\n" + b"2026-02-03 04:05:06,192.0.2.999,1,NL\n" * 2_000 + b"2026-02-03 04:05:06,192.0.2.1,1,NL\n"
    draft = parsed(raw, "2026-02-03-scan_ftp-example.csv")
    assert draft.table is not None and draft.table["row"].to_list() == [2001]
    (warning,) = draft.warnings
    assert "rows 1, 2, 3" in warning and "and 1980 more" in warning and "192.0.2.999" in warning and len(warning) < 300


def test_other_columns_are_kept_with_their_roles() -> None:
    raw = b"timestamp,src_ip,src_port,src_asn,src_geo,dst_ip,dst_port,shiny\n"
    raw += b'2026-02-03 04:05:06,192.0.2.1,1,2,NL,203.0.113.5,22,"a ""b"""\n'
    (event,) = parsed(raw).events
    assert event.details == {"src_asn": "2", "src_geo": "NL", "sensor_ip": "203.0.113.5", "sensor_port": "22", "shiny": 'a "b"'}
    assert event.found_in == {
        "ip": "2026-02-03-event4_sinkhole-example.csv row 1 column src_ip",
        "port": "2026-02-03-event4_sinkhole-example.csv row 1 column src_port",
        "occurred_at": "2026-02-03-event4_sinkhole-example.csv row 1 column timestamp",
    }
    head = read_head(raw)
    assert head is not None and len(read_rows(head, ()).frame) <= objects.FEW
