"""Finding clauses, facts and requirements of reports in an edition."""

import pytest

from tests.policy.packs import PACKS
from tipstaff.kernel.errors import NotFound
from tipstaff.policy import clauses, contents, loading
from tipstaff.policy.edition import Edition, Handling, Role

MANAGED, DEDICATED, DEFAULT = (loading.load_packaged(pack) for pack in PACKS)


def test_a_clause_is_found_by_number_title_and_other_names() -> None:
    number = DEFAULT.categories["copyright"].clause
    for name in (number, f"§ {number}", f"Clause {number}", "DMCA", "safe harbour", " copyright "):
        assert clauses.find(DEFAULT, name).number == number
    with pytest.raises(NotFound, match="no clause 'astrology'"):
        clauses.find(DEFAULT, "astrology")


def test_two_names_of_one_procedure_lead_to_one_clause() -> None:
    assert clauses.find(DEDICATED, "resolution procedure") == clauses.find(DEDICATED, "Resolution Steps")
    assert "dmca" in clauses.names_of(DEFAULT, DEFAULT.categories["copyright"].clause)


def test_a_section_gives_its_first_clause() -> None:
    assert clauses.find(DEFAULT, "3").number == "3.1"


def test_conduct_that_only_the_catch_all_covers_goes_to_a_person() -> None:
    assert clauses.conduct_breaches(DEFAULT, "third_party_rules")
    assert not clauses.conduct_breaches(DEDICATED, "third_party_rules")
    assert clauses.conduct_breaches(DEDICATED, "other")
    assert not clauses.conduct_breaches(DEDICATED, "of_a_later_edition")


def test_required_facts_are_missing_until_they_are_given() -> None:
    codes = [fact.code for fact in clauses.missing_facts(DEFAULT, "third_party_rules", {"fault": "negligent"})]
    assert codes == ["harmed_party", "surface", "mode", "actor", "third_party_rule"]
    at_ticket = clauses.missing_facts(DEFAULT, "third_party_rules", {}, before="ticket")
    assert [fact.code for fact in at_ticket] == ["third_party_rule"]
    assert clauses.missing_facts(DEFAULT, "threat_intel", {}) == ()


def test_a_fact_outside_the_list_is_wrong_and_free_text_never_is() -> None:
    wrong = clauses.wrong_facts(DEFAULT, {"fault": "bad luck", "mode": "engage", "statute": "any", "surface": ""})
    assert wrong == {"fault": ("intentional", "negligent", "compromised")}


def test_a_report_lacks_what_the_policy_asks_for() -> None:
    given = {"locator": True, "description": "text", "reporter_name": "Rita"}
    assert clauses.missing_fields(DEFAULT, "phishing", given) == ("reporter_contact", "url")
    assert clauses.missing_fields(MANAGED, None, given) == ()


def test_some_reports_may_be_anonymous() -> None:
    assert clauses.missing_fields(DEFAULT, "csam", {"locator": True, "description": "x"}) == ()


def test_handling_and_roles_are_those_of_the_category() -> None:
    assert clauses.asks_for(DEFAULT, "spam", Handling.CONSENT_DEMAND)
    assert clauses.immediate_role(DEFAULT, "phishing") is Role.ANALYST
    assert clauses.immediate_role(DEFAULT, "scraping") is Role.NOBODY
    assert [rule.code for rule in clauses.exceptions_for(DEDICATED, "malware")] == ["ordinary_course", "research"]
    assert [rule.code for rule in clauses.exceptions_for(MANAGED, "malware")] == ["prior_approval"]


def test_fault_weighs_and_the_unknown_weighs_least() -> None:
    assert clauses.strike_weight(MANAGED, "intentional") == 100
    assert clauses.strike_weight(MANAGED, "negligent") < clauses.strike_weight(DEDICATED, "negligent")
    assert clauses.strike_weight(MANAGED, "") == clauses.strike_weight(MANAGED, "compromised") == 50


@pytest.mark.parametrize("edition", (MANAGED, DEDICATED, DEFAULT), ids=PACKS)
def test_the_reading_order_shows_every_clause_once_with_a_permalink(edition: Edition) -> None:
    shown = [entry for section in contents.sections(edition) for entry in section.clauses]
    assert [entry.clause for entry in shown] == list(edition.clauses.values())
    assert len({entry.anchor for entry in shown}) == len(shown)
    assert sum(len(entry.categories) for entry in shown) == len(edition.categories)
