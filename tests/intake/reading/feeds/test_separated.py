"""Separated values: every good row survives, every bad one is told, nothing is shifted."""

import csv
import io
import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.growth import BELOW_QUADRATIC, ends, growth
from tipstaff.intake.reading.feeds import separated
from tipstaff.intake.reading.feeds.separated import read_head, read_rows
from tipstaff.kernel.errors import ParseError

cell = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), max_size=8)


def table(rows: list[list[str]], delimiter: str = ",", newline: str = "\n") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue().encode()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(2, 5).flatmap(lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=8)),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_was_written_is_read(rows: list[list[str]], delimiter: str, newline: str, mark: bool) -> None:
    names = [f"column{number}" for number in range(len(rows[0]))]
    raw = (b"\xef\xbb\xbf" if mark else b"") + table([names, *rows], delimiter, newline)
    head = read_head(raw)
    assert head is not None and head.header == tuple(names) and head.delimiter == delimiter
    found = read_rows(head, names)
    assert not found.problems
    assert found.frame.rows() == [tuple(value.strip() for value in row) for row in rows]


def test_empty_lines_within_a_quoted_value_are_kept() -> None:
    head = read_head(b'a,b\n"1","x\n\n\ny"\n\n\n2,z\n')
    assert head is not None
    assert read_rows(head, ["a", "b"]).frame.rows() == [("1", "x\n\n\ny"), ("2", "z")]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_the_fast_way_and_the_careful_way_agree(data: st.DataObject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever bad lines stand among many rows, the good rows come out alike, with the same numbers."""
    monkeypatch.setattr(separated, "_BLOCK", 1_000)
    good = [[str(number), "x,y", "z"] for number in range(700)]
    lines = table([["a", "b", "c"], *good]).splitlines(keepends=True)
    for _ in range(data.draw(st.integers(0, 4))):
        bad = data.draw(
            st.sampled_from([b'1,2"3\n', b"1,2,3,4\n", b"\n", b'"open,2,3\n', b"1\n", b'4,st"ray,6\n', b'"a\nb",2,3\n'])
        )
        lines.insert(data.draw(st.integers(1, len(lines))), bad)
    raw = b"".join(lines)
    head = read_head(raw)
    assert head is not None and not head.few
    quick = read_rows(head, ["a", "c"])
    slow, _ = separated._carefully(head, ["a", "c"], head.start, len(head.text))
    assert quick.frame.rows() == slow.frame.rows()
    assert quick.numbers.to_list() == slow.numbers.to_list()
    assert quick.problems == slow.problems


def test_a_bad_row_is_told_and_the_rest_goes_on() -> None:
    raw = b'ip,time,port\n192.0.2.1,t,1\n192.0.2.2,t,2,extra\n192.0.2.3,"t,3\n192.0.2.4,t\n192.0.2.5,t,5\n'
    head = read_head(raw)
    assert head is not None
    rows = read_rows(head, head.header)
    assert rows.frame["ip"].to_list() == ["192.0.2.1", "192.0.2.4", "192.0.2.5"]
    assert rows.numbers.to_list() == [1, 4, 5]
    assert rows.problems == [
        (2, "has 4 fields where the header names 3"),
        (3, "opens a quotation mark and never closes it"),
        (4, "has 2 fields where the header names 3; what is missing counts as empty"),
    ]
    assert rows.refused == 2


@pytest.mark.parametrize(
    ("raw", "header"),
    [
        (b"# a list\n# ip,time\n192.0.2.1,t\n", ("ip", "time")),
        (b"# a list, with a comma\n\nip;time\n192.0.2.1;t\n", ("ip", "time")),
        (
            '"IP Address","Time (UTC)","","ip-address"\n1,2,3,4\n'.encode("utf-16"),
            ("ip_address", "time_utc", "column_3", "ip_address_2"),
        ),
        (b"Source.IP\tPort\t\n192.0.2.1\t1\t\n", ("source.ip", "port")),
        ("adresse,città\n1,2\n".encode("cp1252"), ("adresse", "citt")),
    ],
)
def test_headers_in_their_normal_form(raw: bytes, header: tuple[str, ...]) -> None:
    head = read_head(raw)
    assert head is not None and head.header == header
    assert len(read_rows(head, header).frame) == 1


def test_prose_is_no_table() -> None:
    assert read_head(b"Hello abuse team\nplease look at 192.0.2.1\n") is None
    assert read_head(b"") is None
    assert read_head(b"\n\n# only a comment\n") is None


HOSTILE = {
    "endless first line": b"a," * 5_000_000,
    "endless row": b"ip,time\n" + b"x" * 10_000_000 + b"\n192.0.2.1,t\n",
    "endless quoted row": b'ip,time\n"' + b"x\n" * 3_000_000,
    "a million columns": b",".join(b"c%d" % number for number in range(1_000_000)) + b"\n",
    "many columns": b",".join(b"c%d" % number for number in range(5_000)) + b"\n",
    "NULs": b"ip,time\n" + b"\0" * 5_000_000 + b"192.0.2.1,t\n",
    "only quotes": b"ip,time\n" + b'"' * 1_000_001,
    "quotes on each line": b"ip,time\n" + b'"\n' * 100_001,
    "only delimiters": b"ip,time\n" + b"," * 2_000_000 + b"\n192.0.2.1,t\n",
    "only newlines": b"ip,time\n" + b"\n" * 3_000_000 + b"192.0.2.1,t\n",
    "carriage returns": b"ip,time\r" + b"192.0.2.1,t\r" * 1_000,
}


def rows_or_problem(raw: bytes) -> tuple[int, list[str]] | None:
    """How many rows and what was wrong; None where it is no table at all."""
    try:
        head = read_head(raw)
        if head is None:
            return None
        rows = read_rows(head, head.header)
    except ParseError as error:
        return 0, [error.problem.what and error.problem.advice]
    return len(rows.frame), [what for _, what in rows.problems]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_end_soon(name: str) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    raw = HOSTILE[name]
    with ends():
        found = rows_or_problem(raw)
        assert growth(rows_or_problem, raw[: len(raw) // 4], raw) < BELOW_QUADRATIC
    assert found is None or found[0] or found[1]
    assert found is None or all(found[1]), "each is told in words"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 300_000
