"""What is copied in binary reads back as it was, whatever it is."""

from datetime import UTC, datetime
from ipaddress import ip_address

import polars as pl
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tipstaff.kernel import binary, bulk

TYPES = {
    "a": "uuid",
    "b": "timestamptz",
    "c": "int8",
    "d": "int4",
    "e": "int2",
    "f": "bool",
    "g": "text",
    "h": "jsonb",
    "i": "inet",
}
text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
moments = st.datetimes(datetime(1700, 1, 1), datetime(2500, 1, 1)).map(lambda at: at.replace(tzinfo=UTC, fold=0))
hosts = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(lambda ip: str(getattr(ip, "ipv4_mapped", None) or ip))
row = st.tuples(
    st.uuids().map(lambda one: one.hex), st.none() | moments, st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | st.integers(-(2**15), 2**15 - 1), st.none() | st.booleans(),
    st.none() | text, st.none() | text.map(lambda one: '{"v": 1}'), st.none() | hosts,
)  # fmt: skip
SCHEMA = {
    "a": pl.String, "b": pl.Datetime("us", "UTC"), "c": pl.Int64, "d": pl.Int32, "e": pl.Int16, "f": pl.Boolean, "g": pl.String,
    "h": pl.String, "i": pl.String,
}  # fmt: skip


@pytest.fixture
def table(db):
    with connection.cursor() as cursor:
        columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
        cursor.execute(f"CREATE TEMP TABLE binary_rows ({columns})")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(rows=st.lists(row, max_size=30))
def test_rows_survive(table, rows):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM binary_rows")
        bulk.copy_binary("binary_rows", pl.DataFrame(rows, schema=SCHEMA, orient="row"), TYPES)
        cursor.execute("SELECT replace(a::text, '-', ''), b, c, d, e, f, g, h::text, host(i) FROM binary_rows")
        stored = cursor.fetchall()

    def plain(one):
        return (*one[:8], str(ip_address(one[8])) if one[8] else None)

    assert sorted(map(repr, map(plain, stored))) == sorted(map(repr, map(plain, rows)))


def test_nothing_is_nothing(table):
    bulk.copy_binary("binary_rows", pl.DataFrame(schema=SCHEMA), TYPES)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM binary_rows")
        assert cursor.fetchone()[0] == 0


def test_a_long_frame_goes_over_in_pieces(table, monkeypatch):
    monkeypatch.setattr(binary, "PIECE", 2)
    texts = ["", "x" * 70, None, "y", "z" * 200, "ä", None]
    frame = pl.DataFrame({"c": range(7), "d": [None, None, 1, 2, None, 3, 4], "g": texts}, schema={n: SCHEMA[n] for n in "cdg"})
    bulk.copy_binary("binary_rows", frame, TYPES)
    with connection.cursor() as cursor:
        cursor.execute("SELECT c, d, g FROM binary_rows ORDER BY c")
        assert cursor.fetchall() == list(frame.iter_rows())
