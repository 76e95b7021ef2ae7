"""Each safety rail is attacked. The numbers are those of docs/enforcement.md."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.enforcement.connector_contract import bounds, order
from tipstaff.enforcement import rails, targets
from tipstaff.enforcement.connectors.contract import State
from tipstaff.kernel.errors import InputError, Refused

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def networks4(shortest: int = 8) -> st.SearchStrategy[IPv4Network]:
    made = st.tuples(st.integers(0, 2**32 - 1), st.integers(shortest, 32))
    return made.map(lambda pair: IPv4Network((pair[0] >> (32 - pair[1]) << (32 - pair[1]), pair[1])))


def networks6(shortest: int = 16) -> st.SearchStrategy[IPv6Network]:
    made = st.tuples(st.integers(0, 2**128 - 1), st.integers(shortest, 128))
    return made.map(lambda pair: IPv6Network((pair[0] >> (128 - pair[1]) << (128 - pair[1]), pair[1])))


# -- 1: strict reading


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "0.0.0.0/0", "::", "::/0", "0.0.0.0/1", "128.0.0.0/1", "203.0.113.999", "203.0.113.7/24", "203.0.113.07",
        "203.0.113", "203.0.113.7/255.255.255.255", "203.0.113.7/0.0.0.0",
        "3405803783", "0xcb.0.113.7", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::1", "fe80::1",
        "fe80::1%eth0", "ff02::1", "::ffff:203.0.113.7", "64:ff9b::cb00:7107", "2002:cb00:7107::1", "2001:db8:7::7/64",
        "203.0.113.7 ; drop",
        "203.0.113.7\n0.0.0.0/0", "２０３.0.113.7", "", "/32", "203.0.113.7/33", "203.0.113.7/-1", "203.0.113.7/255.255.255.255.0",
    ],
)  # fmt: skip
def test_1_what_is_no_single_clean_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        targets.parse("machine", text)


@given(st.text(max_size=60))
def test_1_any_text_is_read_as_itself_or_refused(text: str) -> None:
    for scope in ("url", "site", "port", "machine", "service"):
        try:
            found = targets.parse(scope, text)
        except InputError:
            continue
        assert targets.parse(scope, found.text) == found, "the canonical form reads as itself"
        if found.prefix is not None:
            assert found.prefix.prefixlen > 0
            assert not any(one.version == found.prefix.version and one.overlaps(found.prefix) for one, _ in targets.MARTIANS)


@pytest.mark.parametrize(
    ("scope", "text", "canonical"),
    [
        ("machine", "203.0.113.7", "203.0.113.7/32"),
        ("machine", "2001:DB8:7:0::7", "2001:db8:7::7/128"),
        ("port", "203.0.113.7 tcp/25", "203.0.113.7/32 tcp/25"),
        ("site", "Shop.Example.NET.", "shop.example.net"),
        ("site", "bücher.example", "xn--bcher-kva.example"),
        ("url", "HTTPS://Shop.Example.net:443/a?b=c#d", "https://shop.example.net/a?b=c"),
        ("url", "http://203.0.113.7:8080/x", "http://203.0.113.7:8080/x"),
        ("url", "http://[2001:db8:7::7]/", "http://[2001:db8:7::7]/"),
        ("service", "vps-1042", "vps-1042"),
    ],
)
def test_1_what_is_clean_has_one_form(scope: str, text: str, canonical: str) -> None:
    assert targets.parse(scope, text).text == canonical


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("url", "https://user:pw@example.net/"), ("url", "javascript:alert(1)"), ("url", "https:///x"), ("url", "http://127.0.0.1/"),
        ("url", "http://example.net/a b"), ("url", "http://example.net\\@evil.example/"), ("site", "localhost"),
        ("site", "-a.example.net"),
        ("site", "a..example.net"), ("site", "203.0.113.7"), ("port", "203.0.113.7 tcp/0"), ("port", "203.0.113.7 tcp/65536"),
        ("port", "203.0.113.7 icmp/8"), ("port", "203.0.113.7"), ("port", "203.0.113.7 tcp/25 tcp/80"), ("service", "a b"),
        ("service", "x; reboot"), ("everything", "x"),
    ],
)  # fmt: skip
def test_1_names_and_ports_are_read_strictly_too(scope: str, text: str) -> None:
    with pytest.raises(InputError):
        targets.parse(scope, text)


# -- 2: inside customers' prefixes, off everything protected, in either direction


@given(networks4())
def test_2_what_is_outside_is_refused_and_what_touches_the_protected_too(prefix: IPv4Network) -> None:
    assert judged(prefix, ip_network("203.0.113.0/24"), ip_network("203.0.113.0/30"))


@given(networks6())
def test_2_the_same_for_ipv6(prefix: IPv6Network) -> None:
    assert judged(prefix, ip_network("2001:db8:7::/48"), ip_network("2001:db8:7::/64"))


@given(st.integers(24, 32), st.integers(0, 255), st.integers(24, 32), st.integers(0, 255))
def test_2_overlap_is_seen_both_ways_inside_our_space(length: int, low: int, protected_length: int, protected_low: int) -> None:
    ordered = ip_network((int(ip_network("203.0.113.0").network_address) + low, 32)).supernet(new_prefix=length)
    kept = ip_network((int(ip_network("203.0.113.0").network_address) + protected_low, 32)).supernet(new_prefix=protected_length)
    assert judged(ordered, ip_network("203.0.113.0/24"), kept)


def judged(prefix, own, kept) -> bool:
    """Whether the rail agrees with an oracle that compares first and last addresses as numbers, and refuses what it must."""
    here = bounds(own=(own,), protected=(rails.Protection(kept, "our router"),))
    wanted = order(1, "block", "machine", "203.0.113.9", people=frozenset({"alice", "bob"}))
    wanted = replace(wanted, target=replace(wanted.target, prefix=prefix, text=str(prefix)))
    numbers = int(prefix[0]), int(prefix[-1])
    inside = int(own[0]) <= numbers[0] and numbers[1] <= int(own[-1])
    touches = numbers[0] <= int(kept[-1]) and int(kept[0]) <= numbers[1]
    forbidden = not inside or touches
    broken = 2 in {breach.rail for breach in here.breaches(wanted)}
    try:
        here.check(wanted)
    except Refused:
        return broken == forbidden
    return broken is False and not forbidden


def test_2_two_people_cannot_override_it() -> None:
    wanted = order(1, "block", "machine", "203.0.113.1", people=frozenset({"alice", "bob"}))
    with pytest.raises(Refused, match="our router"):
        bounds().check(wanted)


def test_2_a_url_by_address_is_held_to_it() -> None:
    with pytest.raises(Refused, match="our router"):
        bounds().check(order(1, "url_block", "url", "http://203.0.113.1/login"))
    with pytest.raises(Refused, match="outside"):
        bounds().check(order(1, "url_block", "url", "http://198.51.100.1/login"))


def test_2_a_name_that_no_customer_holds_is_refused() -> None:
    bounds().check(order(1, "url_block", "url", "https://shop.example.net/login"))
    for name in ("example.org", "notexample.net", "net"):
        with pytest.raises(Refused, match="no name that a customer holds"):
            bounds(protected=()).check(
                replace(order(1, "park", "site", "x.example.net"), target=replace(targets.parse("site", "a.b"), host=name))
            )


# -- 3: one address; more takes two people and has a ceiling


@pytest.mark.parametrize("text", ["203.0.113.8/31", "203.0.113.128/25", "2001:db8:7:1::/64"])
def test_3_more_than_one_address_takes_two_people(text: str) -> None:
    wanted = order(1, "block", "machine", text, people=frozenset({"alice"}))
    with pytest.raises(Refused, match="more than one address"):
        bounds().check(wanted)
    assert rails.needs_two(wanted)
    bounds().check(replace(wanted, people=frozenset({"alice", "bob"})))


@pytest.mark.parametrize("text", ["203.0.112.0/23", "2001:db8::/32"])
def test_3_nobody_goes_beyond_the_ceiling(text: str) -> None:
    wanted = order(1, "block", "machine", text, people=frozenset({"alice", "bob", "carol"}))
    with pytest.raises(Refused, match="ceiling"):
        bounds(own=(targets.network("203.0.112.0/22"), targets.network("2001:db8::/29")), protected=()).check(wanted)


# -- 4: FlowSpec


def test_4_a_rule_names_a_destination_or_a_source() -> None:
    everybody = rails.Flow(protocol="udp", source_ports=(53,))
    assert [breach.rail for breach in rails.flow_breaches(everybody)] == [4]
    assert rails.flow_breaches(replace(everybody, destination=targets.network("203.0.113.7"))) == []


def test_4_families_do_not_mix_and_rates_are_sane() -> None:
    mixed = rails.Flow(targets.network("203.0.113.7"), targets.network("2001:db8:7::7"))
    assert len(rails.flow_breaches(mixed)) == 1
    for rate in (-1.0, float("nan"), float("inf"), 1e15):
        assert rails.flow_breaches(rails.Flow(targets.network("203.0.113.7"), bytes_per_second=rate))
    assert rails.flow_breaches(rails.Flow(targets.network("203.0.113.7"), destination_ports=(53,)))


def test_4_rates_show_their_unit() -> None:
    assert rails.shown_rate(1_250_000) == "1,250,000 bytes/s (10 Mbit/s)"
    assert rails.shown_rate(0) == "0 bytes/s (drop all)"
    assert rails.shown_rate(100) == "100 bytes/s (800 bit/s)"


# -- 5: caps


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_5_at_a_cap_one_more_is_refused(total: int, customer: int, hour: int) -> None:
    broken = rails.cap_breaches(rails.Counts(total, customer, hour), rails.Caps(10, 5, 8))
    assert len(broken) == (total >= 10) + (customer >= 5) + (hour >= 8)


# -- 7: expiry


def test_7_every_order_ends() -> None:
    def broken(at: datetime | None, *, emergency: bool = False) -> list[rails.Breach]:
        return rails.expiry_breaches(at, NOW, emergency=emergency, longest=90 * DAY)

    assert broken(None) and broken(NOW) and broken(NOW - DAY) and broken(NOW + 91 * DAY)
    assert broken((NOW + DAY).replace(tzinfo=None))
    assert not broken(NOW + 90 * DAY)
    assert broken(NOW + timedelta(hours=25), emergency=True) and not broken(NOW + timedelta(hours=24), emergency=True)


# -- 8: two people


@pytest.mark.parametrize(
    ("kind", "scope", "text", "why"),
    [
        ("terminate", "service", "vps-1042", "termination"),
        ("delete_zone", "site", "shop.example.net", "deletion"),
        ("block", "machine", "203.0.113.8/31", "more than one"),
    ],
)
def test_8_the_grave_takes_two_people(kind: str, scope: str, text: str, why: str) -> None:
    assert why in rails.needs_two(order(1, kind, scope, text))
    for people in (frozenset(), frozenset({"alice"})):
        with pytest.raises(Refused):
            bounds().check(order(1, kind, scope, text, people=people))


def test_8_so_does_overriding_a_rail_and_nothing_else() -> None:
    plain = order(1, "block", "machine", "203.0.113.7")
    assert rails.needs_two(plain) == ""
    assert "rail 5" in rails.needs_two(plain, overrides=["rail 5: the cap"])


# -- 9: only what is still ours is reverted


def test_9_what_somebody_changed_is_left() -> None:
    assert {state for state in State if rails.may_revert(state)} == {State.IN_PLACE, State.ABSENT}


# -- 11: the tag


@pytest.mark.parametrize("text", ["", "tipstaff", "tipstaff:other:1", "tipstaff:7f3a90c:1", "TIPSTAFF:7f3a90c1:1"])
def test_11_an_order_without_our_tag_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="rail 11"):
        bounds().check(order(1, "block", "machine", "203.0.113.7", tag=text))


# -- 15: zones


def test_15_a_zone_goes_only_with_its_records_and_keys_in_escrow() -> None:
    assert rails.deletion_breaches({})
    assert rails.deletion_breaches({"records": ["x"], "signed": True})
    assert rails.deletion_breaches({"records": ["x"], "signed": True, "keys": []})
    assert not rails.deletion_breaches({"records": ["x"], "signed": True, "keys": ["k"]})
    assert not rails.deletion_breaches({"records": ["x"]})


@pytest.mark.parametrize("name", ["desk.example.org", "www.desk.example.org", "example.org"])
def test_15_the_providers_own_names_are_never_parked_nor_what_lies_above_or_below(name: str) -> None:
    here = bounds(names=frozenset({"example.org", "example.net"}))
    with pytest.raises(Refused, match="this desk"):
        here.check(order(1, "park", "site", name, people=frozenset({"alice", "bob"})))
    here.check(order(1, "park", "site", "other.example.org"))


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = order(1, "block", "machine", "198.51.100.0/24", expires_at=None, tag="x")
    with pytest.raises(Refused) as caught:
        bounds().check(wrong)
    assert {f"rail {number}" in str(caught.value) for number in (2, 3, 7, 11)} == {True}
