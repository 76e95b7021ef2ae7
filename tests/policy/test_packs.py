"""The three packs: complete, of their own wording, and the default one at least as strict as either seed."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.policy.packs import CODES, PACKS
from tests.unskipped import NOT_OURS
from tipstaff.policy import categories, clauses, loading
from tipstaff.policy.edition import Edition, Handling, LadderMode, Opening, Role, Severity, Trigger
from tipstaff.policy.switches import SWITCH_ROWS

MANAGED, DEDICATED, DEFAULT = (loading.load_packaged(pack) for pack in PACKS)
SEEDS = (MANAGED, DEDICATED)
ALL = (MANAGED, DEDICATED, DEFAULT)
#: K14 binds every provider alike; K11 and K12 differ, see below.
SAME_FOR_ALL = {"K14"}


@pytest.mark.parametrize("edition", ALL, ids=PACKS)
@pytest.mark.parametrize("code", CODES)
def test_every_category_has_its_clause_severity_and_taxonomy(edition: Edition, code: str) -> None:
    kind = edition.categories[code]
    clause = clauses.clause_for(edition, code)
    assert clause.plain and clause.text
    assert kind.title and kind.severity in Severity
    assert kind.xarf == categories.CATEGORIES[code].xarf and kind.rsit == categories.CATEGORIES[code].rsit


def test_the_code_list_of_these_tests_is_that_of_the_product() -> None:
    assert set(CODES) == categories.CODES


#: Section L: severity and the customer's hours (None: none is given).
SECTION_L: dict[str, tuple[str, int | None]] = {
    "csam": ("critical", None), "threat_life": ("critical", 1), "terror": ("critical", 12), "ddos_origin": ("critical", 1),
    "c2": ("critical", 4), "phishing": ("high", 4), "malware": ("high", 4), "spyware": ("high", 24), "compromised": ("high", 12),
    "intrusion": ("high", 24), "scan": ("medium", 24), "scraping": ("low", 72), "unauth_test": ("high", 12), "spam": ("high", 24),
    "spam_support": ("medium", 48), "header_forgery": ("high", 24), "open_relay": ("medium", 48), "copyright": ("medium", 24),
    "trademark": ("medium", 72), "harassment_hate": ("high", 24), "ncii_violence": ("critical", 4),
    "defamation_privacy": ("medium", 72), "fraud_site": ("high", 24), "gambling": ("medium", 72),
    "trade_secret_leak": ("medium", 48),
    "third_party_rules": ("low", 72), "blocklisted": ("medium", 24), "dns_load": ("low", 72), "shared_load": ("low", 72),
    "ip_misuse": ("high", 4), "registrar_data": ("low", 15 * 24), "billing_fraud": ("high", None), "vulnerable": ("low", 7 * 24),
    "threat_intel": ("info", None), "retaliation_risk": ("medium", 48), "network_harm": ("high", 24), "obscene": ("medium", 48),
    "other": ("manual", 24),
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_the_default_gives_the_severity_and_time_of_the_category_list(code: str) -> None:
    kind = DEFAULT.categories[code]
    severity, hours = SECTION_L[code]
    assert kind.severity == severity
    assert kind.resolve == (None if hours is None else timedelta(hours=hours))


@pytest.mark.parametrize("code", CODES)
def test_the_stricter_time_wins_in_the_default(code: str) -> None:
    ours = DEFAULT.categories[code].resolve
    theirs = [seed.categories[code].resolve for seed in SEEDS]
    given_ = [time for time in theirs if time is not None]
    assert ours is None if not given_ else ours is not None and ours <= min(given_)


@pytest.mark.parametrize("code", CODES)
def test_the_default_asks_for_every_fact_and_handling_that_a_seed_asks_for(code: str) -> None:
    ours = DEFAULT.categories[code]
    for seed in SEEDS:
        theirs = seed.categories[code]
        assert set(theirs.required_facts) <= set(ours.required_facts)
        assert set(theirs.handling) <= set(ours.handling)
        assert set(theirs.report_fields) <= set(ours.report_fields)
        assert set(theirs.labels) <= set(ours.labels)
        assert ours.per_se or not theirs.per_se


STRICTER = {
    "own_initiative_review": "off", "dns_change_basis": "registrant_request", "registrar_check": True,
    "disclosure_limit": "as_directed", "voluntary_crime_report": True, "mail_consent": "opt_in",
    "receiving_spam": "person_decides", "acknowledgement": "asked", "customer_timers": "ack_and_resolve",
    "immediate_action": "listed_categories", "sla_exclusion": True, "amendments": "posted", "acceptance": "explicit",
    "report_channel": "email", "test_permits": "required", "consent_records": "required", "speech_gate": "us_1a",
}  # fmt: skip


@pytest.mark.parametrize("switch", STRICTER)
def test_the_stricter_switch_wins_in_the_default(switch: str) -> None:
    assert getattr(DEFAULT.switches, switch) == STRICTER[switch]
    assert STRICTER[switch] in {getattr(seed.switches, switch) for seed in SEEDS}


def test_the_default_weighs_fault_as_the_heavier_of_both() -> None:
    for fault, weight in DEFAULT.switches.fault_weights.items():
        assert weight == max(seed.switches.fault_weights[fault] for seed in SEEDS)


def test_the_default_answers_every_row_of_both_seeds() -> None:
    rows = [{row for clause in edition.clauses.values() for row in clause.rows} for edition in ALL]
    assert rows[0] | rows[1] <= rows[2]


@pytest.mark.parametrize("row", [f"K{number}" for number in range(1, 22)])
def test_every_tension_is_a_switch_on_which_the_seeds_differ(row: str) -> None:
    values = [[_at(loading.canonical(seed), path) for path in SWITCH_ROWS[row]] for seed in SEEDS]
    assert all(value != [] for value in values)
    assert (values[0] == values[1]) == (row in SAME_FOR_ALL)


def test_there_is_no_switch_that_no_row_asked_for() -> None:
    named = {path.removeprefix("switches.") for paths in SWITCH_ROWS.values() for path in paths if path.startswith("switches.")}
    assert named == set(loading.canonical(DEFAULT)["switches"])


def test_the_ladder_of_managed_services_is_discretion_and_that_of_hosting_four_steps() -> None:
    assert MANAGED.ladder.mode is LadderMode.DISCRETIONARY and not MANAGED.ladder.ordered
    assert {step.code for step in MANAGED.ladder.steps} == {"block_traffic", "block_content", "suspend", "terminate"}
    assert DEDICATED.ladder.mode is LadderMode.MANDATORY
    assert [step.code for step in DEDICATED.ladder.steps] == ["ticket", "acknowledge", "disconnect", "terminate"]


@pytest.mark.parametrize("edition", (DEDICATED, DEFAULT), ids=PACKS[1:])
def test_any_one_failure_disconnects_and_only_both_terminate(edition: Edition) -> None:
    disconnect, terminate = clauses.step(edition, "disconnect"), clauses.step(edition, "terminate")
    for trigger in (Trigger.DISREGARDED, Trigger.INADEQUATE, Trigger.REPEATED):
        assert disconnect.guard.holds({trigger})
    assert not disconnect.guard.holds(set())
    assert not terminate.guard.holds({Trigger.NOT_ADDRESSED})
    assert terminate.guard.holds({Trigger.NOT_ADDRESSED, Trigger.NOT_RESOLVED})
    assert terminate.approval is Role.TWO_PERSONS


@pytest.mark.parametrize("edition", ALL, ids=PACKS)
def test_sealed_matters_give_no_time_no_word_and_know_no_exception(edition: Edition) -> None:
    kind = edition.categories["csam"]
    assert kind.opening is Opening.SEALED and kind.resolve is None and not kind.customer_told and not kind.exceptions
    assert kind.anonymous_reporter and kind.immediate is Role.TWO_PERSONS
    assert {Handling.NO_RENDERING, Handling.AUTHORITY_REPORT, Handling.LEGAL_HOLD} <= set(kind.handling)
    assert kind.preserve == timedelta(days=365)


@pytest.mark.parametrize("edition", ALL, ids=PACKS)
def test_catch_all_needs_a_second_reviewer_and_intelligence_is_never_a_case(edition: Edition) -> None:
    assert Handling.SECOND_REVIEWER in edition.categories["other"].handling
    assert edition.categories["threat_intel"].opening is Opening.ENRICH


def test_the_speech_gate_stands_only_where_the_seed_has_one() -> None:
    assert not any(Handling.SPEECH_GATE in kind.handling for kind in MANAGED.categories.values())
    assert Handling.SPEECH_GATE in DEDICATED.categories["harassment_hate"].handling


@pytest.mark.parametrize("edition", ALL, ids=PACKS)
def test_a_clause_speaks_of_the_provider_and_a_notice_says_we(edition: Edition) -> None:
    assert any("The Provider" in clause.text for clause in edition.clauses.values())
    assert not [clause.number for clause in edition.clauses.values() if "Provider" in clause.plain]


def test_no_phrase_of_the_seeds_is_repeated() -> None:
    source = Path(__file__).resolve().parents[2].parent / "shared" / "design" / "requirements.md"
    if not source.exists():
        pytest.skip(f"{NOT_OURS}the seeds' phrases are quoted in {source.name}, which is not here")
    phrases = {_folded(phrase) for phrase in re.findall(r'"([^"\n]{12,})"', source.read_text("utf-8"))}
    phrases = {phrase for phrase in phrases if len(phrase.split()) >= 4}
    assert len(phrases) > 80
    for edition in ALL:
        for clause in edition.clauses.values():
            words = _folded(f"{clause.title} {clause.plain} {clause.text} {clause.note}")
            assert not [phrase for phrase in phrases if phrase in words], clause.number


def _folded(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def _at(content: Any, path: str) -> Any:
    name, _, rest = path.partition(".")
    if name == "*":
        return {key: _at(value, rest) for key, value in content.items()}
    return _at(content[name], rest) if rest else content[name]
