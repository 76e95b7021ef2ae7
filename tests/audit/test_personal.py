"""Nothing personal enters the record, and nothing else is touched."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.audit import personal
from tipstaff.audit.models import Entry
from tipstaff.audit.personal import found, without
from tipstaff.audit.services import record

NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["rita@reports.example.org", "Rita <rita+abuse@reports.example.org>", "192.0.2.7", "called from 2001:db8::17 today",
     "::ffff:192.0.2.7", "phone +49 30 5550 1234", "0049 (30) 5550-1234"],
)  # fmt: skip
def test_what_names_a_person_is_replaced(text) -> None:
    kept = without(text)
    assert list(found(text)) and not list(found(kept)), kept
    assert "[" in kept and without(text) == kept  # the same again, so that two entries can be seen to speak of one


@pytest.mark.parametrize(
    "text",
    ["case:4312", "edition:default/2026-01", "9f2c" * 16, "2026-06-15T08:00:00+00:00", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b",
     "clause 5.1", "12 events", "10.0", "192.0.2.0/24 no: ::", "at 12:30:15", "version 1.2.3", "cli:root", "7 of 12"],
)  # fmt: skip
def test_what_names_nobody_stays(text) -> None:
    assert without(text).replace("[address", "192.0.2.0") == text or "192.0.2.0/24" in text
    if "192.0.2" not in text:
        assert without(text) == text and not list(found(text))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.emails() | st.ip_addresses().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.emails(), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_nothing_that_is_found_is_left(value) -> None:
    assert not list(found(without(value)))


@pytest.mark.django_db
def test_the_record_itself_keeps_none() -> None:
    record(by="alice", action="x", subject="reporter:rita@reports.example.org", now=NOW, reason="192.0.2.7 asked",
           address=["2001:db8::1"], told={"carol@example.net": 2})  # fmt: skip
    entry = Entry.objects.get()
    text = f"{entry.subject} {entry.reason} {entry.detail}"
    assert "rita" not in text and "192.0.2.7" not in text and "db8" not in text and "carol" not in text
    assert entry.detail["told"][next(iter(entry.detail["told"]))] == 2


def test_hostile_text_is_quick() -> None:
    text = "a.a@" * 200_000 + ":" * 200_000
    assert len(without(text)) <= 20_000


@given(st.text(alphabet="0123456789abf.:@+ -()/", max_size=40) | st.from_regex(r"(\+|00)\d[\d ()/.-]{6,12}\d", fullmatch=True))
def test_no_pattern_matches_where_what_it_needs_is_missing(text) -> None:
    kinds = [kind for pattern, kind in personal._KINDS if pattern.search(text)]
    assert [kind for kind in kinds if not personal._NEEDED[kind](text)] == []
