"""The other desk's spreadsheet: guessed columns, every bad row named, nothing guessed of a word. And matching, as a table."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.pipeline.reading import message_id
from tipstaff.pipeline.shadowing.comparing import Known, Ours, compare, content, match
from tipstaff.pipeline.shadowing.decisions import Decision, Options, read

UTC_ONLY = Options(ZoneInfo("UTC"))
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
GOOD = b"""Ticket;Message-ID;IP;Created;Kunde;Type;Action
T-1;<a@mail.example>;192.0.2.7;15.06.2026 12:00;carol;Phishing;suspended
T-2;;192.0.2.9;15.06.2026 13:00;dave;port scan thing;closed
"""


def test_columns_are_guessed_and_words_are_taken_for_what_they_mean():
    reading = read("old.csv", GOOD, UTC_ONLY)
    assert reading.problems == [] and list(reading.columns.values()) == [
        "reference", "message_id", "address", "received_at", "customer", "category", "decision",
    ]  # fmt: skip
    first, second = reading.rows
    assert (first.message_id, first.code, first.outcome, first.received_at) == ("a@mail.example", "phishing", "restricted", NOW)
    assert (second.code, second.outcome) == ("", ""), "'closed' may mean anything, and is not guessed"
    assert reading.unknown == {"category": {"port scan thing": 1}, "decision": {"closed": 1}}
    told = Options(ZoneInfo("UTC"), categories={"port scan thing": "scan"}, decisions={"closed": "no_action"})
    again = read("old.csv", GOOD, told)
    assert (again.rows[1].code, again.rows[1].outcome) == ("scan", "no_action") and again.unknown == {
        "category": {},
        "decision": {},
    }


def test_every_bad_row_is_named_with_line_and_column():
    bad = GOOD + b"T-1;;192.0.2.300;32.13.2026;;;\n;;;;;;\n;x@y;;;c;spam;told\nT-9;;;15.06.2026;c;spam;told\nT-10;a;b;c;d;e;f;g\n"
    reading = read("old.csv", bad, UTC_ONLY)
    where = [(one.where, one.what.split(" ")[0]) for one in reading.problems]
    assert where == [
        ("old.csv line 4, column 'Ticket'", "'T-1'"), ("old.csv line 4, column 'Created'", "'2026-13-32'"),
        ("old.csv line 4, column 'IP'", "'192.0.2.300'"), ("old.csv line 6, column 'Ticket'", "is"),
        ("old.csv line 6, column 'Created'", "neither"), ("old.csv line 7, column 'IP'", "nothing"), ("old.csv line 8", "has"),
    ]  # fmt: skip
    assert read("x.csv", b"", UTC_ONLY).problems[0].what == "is empty"
    assert "nothing to match by" in read("x.csv", b"a,b\n1,2\n", UTC_ONLY).problems[0].what


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_with_a_reason(content):
    reading = read("x.csv", content, UTC_ONLY)
    assert reading.rows or reading.problems or reading.columns


def case(number, state="TICKETED", category="phishing", customer="carol"):
    return Ours(number, NOW, state, category, frozenset({customer}), customer.title())


def known(**more):
    found = Known(cases={1: case(1), 2: case(2, customer="dave"), 3: case(3, "TRIAGE")})
    for name, value in more.items():
        setattr(found, name, value)
    return found


def decision(**more):
    return Decision("T-1", 2, **{"received_at": NOW, "customer": "Carol", "code": "phishing", "outcome": "told"} | more)


@pytest.mark.parametrize(
    ("given", "tied", "cases", "how"),
    [
        ({"message_id": "a@m"}, {"by_message": {"a@m": {1}}}, (1,), "Message-ID"),
        ({"external_id": "R7"}, {"by_external": {"R7": {2}}}, (2,), "reporter's number"),
        ({"address": "192.0.2.7"}, {"by_address": {"192.0.2.7": [(NOW + timedelta(hours=3), 1)]}}, (1,), "address and time"),
        ({"address": "192.0.2.7"}, {"by_address": {"192.0.2.7": [(NOW + timedelta(hours=30), 1)]}}, (), ""),
        ({"address": "192.0.2.7"}, {"by_address": {"192.0.2.7": [(NOW, 1), (NOW, 2)]}}, (1, 2), "address and time"),
        ({"message_id": "a@m"}, {"by_message": {"a@m": {1, 2}}}, (1, 2), "Message-ID"),
        (
            {"message_id": "a@m", "address": "192.0.2.9"},
            {"by_message": {"a@m": {1, 2}}, "by_address": {"192.0.2.9": [(NOW, 2)]}},
            (2,),
            "Message-ID",
        ),
        ({"message_id": "a@m", "address": "192.0.2.7"}, {"by_address": {"192.0.2.7": [(NOW, 1)]}}, (1,), "address and time"),
        ({"message_id": "a@m"}, {"by_message": {"a@m": {1}}, "sealed": {1}}, (), "Message-ID"),
    ],
)
def test_what_belongs_together(given, tied, cases, how):
    found = match(decision(**given), known(**tied))
    assert (found.cases, found.how) == (cases, how)
    assert len(cases) < 2 or "none was chosen" in found.note


def test_what_differs_is_told_field_by_field_and_what_cannot_be_compared_is_not():
    tied = {"by_message": {"a@m": {1}, "b@m": {3}}}
    same = compare(decision(message_id="a@m", outcome="resolved"), known(**tied))
    assert same.sort == "same" and set(same.same.values()) == {True}, "what the customer did then is not seen in a copy"
    other = compare(decision(message_id="a@m", customer="Dave", code="spam", outcome="restricted"), known(**tied))
    assert other.sort == "differs" and set(other.same.values()) == {False}
    waits = compare(decision(message_id="b@m", customer="", code="", outcome="told"), known(**tied))
    assert waits.sort == "not_comparable" and waits.same["decision"] is None
    alone = compare(decision(message_id="c@m"), known(read={"c@m": "received here, and no case: set_aside (a bounce)"}))
    assert alone.sort == "only_other" and "a bounce" in alone.match.note
    told = content([same, other, waits, alone], [case(2)], lambda number: f"/cases/{number}/")
    assert told["counts"] == {"same": 1, "differs": 1, "not_comparable": 1, "two_fit": 0, "only_other": 1, "only_ours": 1}
    assert told["agreement"]["decision"] == {"agreed": 1, "compared": 2, "rate": 0.5}
    assert told["rows"][0]["differs"] == ["customer", "category", "decision"] and told["rows"][0]["url"] == "/cases/1/"


@pytest.mark.parametrize(
    ("mail", "found"),
    [
        (b"From: a@b\r\nMessage-ID: <x.1@mail.example>\r\n\r\nhello", "x.1@mail.example"),
        (b"message-id:\n <folded@mail.example>\nFrom: a\n\n", "folded@mail.example"),
        (b"From: a\n\nMessage-ID: <in.the@body>\n", ""),
        (b"\x00\xff" * 50, ""),
    ],
)
def test_a_mail_is_known_by_its_message_id(mail, found):
    assert message_id(mail) == found
