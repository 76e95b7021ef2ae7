"""The smallest scope first: URL, site, port, machine, service; never wider than what was decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.enforcement import targets
from tipstaff.enforcement.choosing import CONTENT, MILDER, OUTGOING, Offer, Wanted, choose, direction
from tipstaff.enforcement.connectors.contract import SCOPES
from tipstaff.policy import categories

EDGE = Offer(1, "edge", "nftables", frozenset({("block", "machine"), ("port_block", "port"), ("walled_garden", "machine")}))
FRONT = Offer(2, "front", "http", frozenset({("url_block", "url"), ("url_block", "site")}))
ZONES = Offer(3, "zones", "dns", frozenset({("park", "site")}))
PANEL = Offer(4, "panel", "webhook", frozenset({("suspend", "service"), ("terminate", "service")}))
HANDS = Offer(
    9, "by-hand", "person", frozenset((kind, scope) for scope in SCOPES for kind in ("block", "suspend", "url_block", "park"))
)
ALL = (EDGE, FRONT, ZONES, PANEL, HANDS)
NAMED = {
    "url": "https://shop.example.net/login",
    "site": "shop.example.net",
    "port": "203.0.113.7/32 tcp/443",
    "machine": "203.0.113.7/32",
    "service": "vps-1042",
}


@pytest.mark.parametrize(
    ("lacking", "offers", "chosen"),
    [
        ((), ALL, ("url_block", "url", 2)),
        (("url",), ALL, ("park", "site", 3)),
        (("url",), (EDGE, FRONT, PANEL), ("url_block", "site", 2)),
        (("url", "site"), ALL, ("port_block", "port", 1)),
        (("url", "site", "port"), ALL, ("walled_garden", "machine", 1)),
        (("url", "site", "port", "machine"), ALL, ("suspend", "service", 4)),
        ((), (EDGE, PANEL), ("port_block", "port", 1)),
        ((), (PANEL,), ("suspend", "service", 4)),
        ((), (HANDS,), ("suspend", "service", 9)),
        ((), (), ("suspend", "service", None)),
    ],
)
def test_the_ladder_from_the_smallest(lacking, offers, chosen) -> None:
    named = {scope: text for scope, text in NAMED.items() if scope not in lacking}
    named.setdefault("service", NAMED["service"])
    found = choose(Wanted("suspend", "service", "phishing", named, may_narrow=True), offers)
    assert (found.kind, found.scope, found.endpoint) == chosen
    assert found.reason


def test_traffic_is_not_stopped_by_hiding_a_page() -> None:
    found = choose(Wanted("block", "machine", "ddos_origin", NAMED, may_narrow=True), ALL)
    assert (found.kind, found.scope) == ("port_block", "port")


def test_what_a_person_decided_is_done_as_decided() -> None:
    found = choose(Wanted("block", "machine", "phishing", NAMED), ALL)
    assert (found.kind, found.scope, found.endpoint) == ("block", "machine", 1) and "as decided" in found.reason


def test_what_nothing_can_do_is_asked_of_a_person_and_never_widened() -> None:
    found = choose(Wanted("url_block", "url", "phishing", NAMED), (EDGE, PANEL, HANDS))
    assert (found.kind, found.scope, found.endpoint) == ("url_block", "url", 9)
    assert "by hand" in found.reason and "nothing configured can do url_block" in found.reason


def test_the_reason_tells_what_was_passed_over() -> None:
    named = {scope: NAMED[scope] for scope in ("machine", "service")}
    found = choose(Wanted("suspend", "service", "phishing", named, may_narrow=True), ALL)
    assert "the case names no url" in found.reason and "smaller than the suspend of the service" in found.reason


def test_rank_decides_between_two_that_can() -> None:
    better = Offer(7, "a-router", "bgp", frozenset({("block", "machine")}), rank=10)
    assert choose(Wanted("block", "machine", "scan", NAMED), (EDGE, better)).endpoint == 7


pairs = st.tuples(st.sampled_from(["block", "suspend", "url_block", "port_block", "park", "terminate"]), st.sampled_from(SCOPES))
offers = st.lists(
    st.builds(Offer, st.integers(1, 99), st.text("abc", min_size=1, max_size=3), st.just("x"), st.frozensets(pairs)), max_size=5
)


@given(
    st.sampled_from(sorted({kind for kinds in MILDER.values() for kind in kinds} | {"terminate"})),
    st.sampled_from(SCOPES),
    st.sampled_from(["phishing", "scan"]),
    st.sets(st.sampled_from(SCOPES)),
    st.booleans(),
    offers,
)
def test_never_wider_than_decided_and_only_by_what_can(kind, scope, category, named, may_narrow, offered) -> None:
    wanted = Wanted(kind, scope, category, {one: NAMED[one] for one in named | {scope}}, may_narrow)
    found = choose(wanted, offered)
    assert SCOPES.index(found.scope) <= SCOPES.index(scope)
    assert found.scope in wanted.named
    if found.endpoint is not None:
        assert any(offer.endpoint == found.endpoint and (found.kind, found.scope) in offer.does for offer in offered)
    if not may_narrow or kind in {"terminate", "park", "walled_garden"}:
        assert (found.kind, found.scope) == (kind, scope)


def test_every_category_that_is_content_exists() -> None:
    assert categories.CODES >= CONTENT | OUTGOING


@pytest.mark.parametrize(
    ("category", "scope"), [("scan", "machine"), ("intrusion", "machine"), ("c2", "port"), ("ddos_origin", "port")]
)
def test_the_port_that_an_attack_came_from_is_no_smaller_target(category: str, scope: str) -> None:
    found = choose(Wanted("block", "machine", category, NAMED, may_narrow=True), (EDGE,))
    assert found.scope == scope, "a service can be reached at its port; what leaves a machine does so from any"


@pytest.mark.parametrize(
    ("kind", "scope", "text", "way"),
    [
        ("port_block", "port", "203.0.113.7 tcp/25", "out"),
        ("port_block", "port", "203.0.113.7 udp/123", "in"),
        ("block", "machine", "203.0.113.7", "both"),
    ],
)
def test_mail_is_stopped_on_its_way_out_and_services_on_the_way_in(kind, scope, text, way) -> None:
    assert direction(kind, targets.parse(scope, text)) == way
