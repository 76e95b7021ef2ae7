"""How a case begins: ticketed only where nothing is left to decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies

from tipstaff.cases.opening import ENOUGH_TRUST, TICKETED, TRIAGE, Evidence, begin, contract_time
from tipstaff.policy import loading
from tipstaff.policy.edition import Opening

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
EDITION = loading.load_packaged("default")
SURE = Evidence(structured=True, experimental=False, trust=ENOUGH_TRUST, provisional=False, verified=True)


def test_without_a_doubt_it_is_a_ticket_with_both_clocks():
    found = begin("phishing", EDITION, EDITION, SURE, NOW)
    assert (found.state, found.doubts, found.ticketed_at) == (TICKETED, (), NOW)
    assert NOW < found.ack_due_at <= found.resolve_due_at and found.next_due_at == found.ack_due_at
    assert found.clause == EDITION.categories["phishing"].clause
    assert found.window_until == NOW + EDITION.categories["phishing"].grouping_window


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"structured": False}, "words"), ({"experimental": True}, "experimental"), ({"trust": 0}, "not known"),
        ({"trust": -2}, "not known"), ({"verified": False}, "missing"), ({"provisional": True}, "inventory"),
        ({"protected": True}, "protected"),
    ],
)  # fmt: skip
def test_each_doubt_alone_keeps_a_person_first(change, word):
    found = begin("phishing", EDITION, EDITION, replace(SURE, **change), NOW)
    assert found.state == TRIAGE and len(found.doubts) == 1 and word in found.doubts[0]
    assert (found.ticketed_at, found.ack_due_at, found.resolve_due_at) == (None, None, None)
    assert found.next_due_at == found.desk_due_at > NOW


def test_what_was_no_breach_at_the_time_is_for_a_person():
    then = replace(EDITION, categories={code: kind for code, kind in EDITION.categories.items() if code != "phishing"})
    for at_event in (None, then):
        found = begin("phishing", EDITION, at_event, SURE, NOW)
        assert found.state == TRIAGE and "edition in force at the event" in found.doubts[0]


@given(
    strategies.sampled_from(sorted(EDITION.categories)),
    strategies.builds(Evidence, strategies.booleans(), strategies.booleans(), strategies.integers(-2, 3), strategies.booleans(),
                      strategies.booleans(), strategies.booleans(),
                      strategies.frozensets(strategies.sampled_from(sorted(EDITION.facts))),
                      strategies.none() | strategies.timedeltas(timedelta(hours=1), timedelta(days=90))),
    strategies.sampled_from([None, EDITION]),
)  # fmt: skip
def test_every_kind_begins_soundly(category, evidence, at_event):
    entry, found = EDITION.categories[category], begin(category, EDITION, at_event, evidence, NOW)
    assert (found.state == TICKETED) == (not found.doubts) == (found.ticketed_at is not None)
    assert found.desk_due_at > NOW and found.next_due_at > NOW
    if found.state == TICKETED:
        assert entry.opening is Opening.TICKET and evidence.trust >= ENOUGH_TRUST and evidence.structured and at_event is EDITION
        assert all(code in evidence.facts for code in entry.required_facts if EDITION.facts[code].before == "ticket")
        assert found.resolve_due_at is None or found.ack_due_at <= min(found.resolve_due_at, NOW + timedelta(hours=24))


@pytest.mark.parametrize(
    ("terms", "time"),
    [({}, None), ({"notice_hours": 48}, timedelta(hours=48)), ({"notice_hours": 0}, None), ({"notice_hours": -1}, None),
     ({"notice_hours": "48"}, None), ({"notice_hours": None}, None), ({"notice_hours": 1.5}, timedelta(minutes=90)),
     ({"notice_hours": 1e300}, timedelta(days=366)), ({"notice_hours": 10**400}, timedelta(days=366)),
     ({"notice_hours": True}, None), ({"notice_hours": float("nan")}, None)],
)  # fmt: skip
def test_a_contracts_period_of_notice(terms, time):
    assert contract_time(terms) == time
