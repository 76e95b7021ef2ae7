"""The code list and its words in the public taxonomies."""

import pytest

from tipstaff.intake import taxonomy
from tipstaff.policy import categories

#: The 32 types of XARF v4.2.0, by category.
XARF_TYPES = {
    "connection": "ddos infected_host login_attack port_scan reconnaissance scraping sql_injection vulnerability_scan",
    "content": "brand_infringement csam csem exposed_data fraud malware phishing remote_compromise suspicious_registration",
    "copyright": "copyright cyberlocker link_site p2p ugc_platform usenet",
    "infrastructure": "botnet compromised_server",
    "messaging": "bulk_messaging spam",
    "reputation": "blocklist threat_intelligence",
    "vulnerability": "cve misconfiguration open_service",
}
ALL_XARF = [(category, type_) for category, types in XARF_TYPES.items() for type_ in types.split()]


@pytest.mark.parametrize(("category", "type_"), ALL_XARF)
def test_every_xarf_type_is_read_as_a_code_that_names_it(category: str, type_: str) -> None:
    code = categories.from_xarf(category, type_)
    assert code in categories.CODES
    assert f"{category}/{type_}" in categories.CATEGORIES[code].xarf


def test_no_xarf_type_is_invented() -> None:
    known = {f"{category}/{type_}" for category, type_ in ALL_XARF}
    assert {name for kind in categories.CATEGORIES.values() for name in kind.xarf} <= known
    assert set(categories.FROM_XARF) == known


def test_every_rsit_value_that_a_code_names_reads_back_to_some_code() -> None:
    named = {name for kind in categories.CATEGORIES.values() for name in kind.rsit}
    assert named <= set(categories.FROM_RSIT)
    assert set(categories.FROM_RSIT.values()) <= categories.CODES


def test_rsit_is_read_with_and_without_its_predicate() -> None:
    assert categories.from_rsit("fraud:phishing") == "phishing"
    assert categories.from_rsit("Scanner") == "scan"
    assert categories.from_rsit("no-such-value") is None


def test_what_a_taxonomy_lacks_is_none_not_a_guess() -> None:
    assert categories.to_xarf("gambling") is None
    assert categories.to_rsit("scraping") is None
    assert categories.from_xarf("content", "gossip") is None
    assert categories.to_xarf("phishing") == {"category": "content", "type": "phishing"}
    assert categories.to_rsit("c2") == "malicious-code:c2-server"


def test_there_are_38_codes_and_each_has_a_title() -> None:
    assert len(categories.CODES) == 38
    assert all(kind.title for kind in categories.CATEGORIES.values())
    assert categories.title("phishing") == "Phishing"
    assert categories.title("of_an_older_edition") == "of_an_older_edition"


def test_the_reading_of_reports_uses_the_same_words() -> None:
    for name, code in categories.FROM_XARF.items():
        assert taxonomy.category_of_xarf(*name.split("/")) == code
    for code in categories.CODES:
        assert (taxonomy.xarf_of(code), taxonomy.rsit_of(code)) == (categories.to_xarf(code), categories.to_rsit(code)), code
