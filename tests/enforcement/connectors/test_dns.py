"""Zones and names parked in a real PowerDNS, asked through its API and as a resolver would ask it."""

from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query
import dns.rdatatype
import pytest
from cryptography.fernet import Fernet

from tests.enforcement.connector_contract import INSTANCE, ConnectorContract, bounds, order
from tests.enforcement.servers import need_programs
from tests.enforcement.testbed import powerdns
from tests.enforcement.testbed.powerdns import PowerDnsBed, rrset
from tipstaff.enforcement.connectors import contract
from tipstaff.enforcement.connectors.contract import NotOurs, OrderView, Receipt, Rejected, State
from tipstaff.enforcement.connectors.dns import Dns
from tipstaff.kernel.errors import InputError, Refused

ZONE = "example.net."
PARKED = {"192.0.2.80"}
SECRETS = {"PDNS_KEY": powerdns.KEY, "ESCROW": Fernet.generate_key().decode(), "OTHER_ESCROW": Fernet.generate_key().decode()}


@pytest.fixture(scope="module")
def one_bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PowerDnsBed]:
    need_programs("pdns_server")
    bed = PowerDnsBed(tmp_path_factory.mktemp("pdns"))
    bed.start()
    yield bed
    bed.kill()


@pytest.fixture
def bed(one_bed: PowerDnsBed) -> Iterator[PowerDnsBed]:
    """A customer's zone with what zones really hold, another customer's beside it, and ours."""
    one_bed.create(
        ZONE,
        rrset(ZONE, "A", "198.51.100.1", "198.51.100.2", comments=[{"content": "moved in May", "account": "carol"}]),
        rrset(ZONE, "AAAA", "2001:db8:7::1"),
        rrset(ZONE, "MX", "10 mail.example.net.", "20 mx.example.org."),
        rrset(ZONE, "TXT", '"v=spf1 mx -all"'),
        rrset("ns.example.net.", "A", "198.51.100.53"),
        rrset(ZONE, "NS", "ns.example.net.", "ns1.provider.test."),
        rrset("mail.example.net.", "A", "198.51.100.25"),
        rrset("www.example.net.", "CNAME", "example.net.", ttl=60),
        rrset("shop.example.net.", "A", "198.51.100.3"),
        {**rrset("old.example.net.", "A"), "records": [{"content": "198.51.100.4", "disabled": True}]},
        rrset("*.wild.example.net.", "A", "198.51.100.5"),
        rrset("_dmarc.example.net.", "TXT", '"v=DMARC1; p=reject"'),
        nameservers=[],
    )
    one_bed.create("example.com.", rrset("example.com.", "A", "198.51.100.9"))
    yield one_bed
    for zone in (ZONE, "example.com.", "shop.example.net."):
        one_bed.delete(zone)


def resolved(bed: PowerDnsBed, name: str, kind: str = "A") -> set[str]:
    answer = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", port=bed.port, timeout=3)
    return {entry.to_text() for rrs in answer.answer for entry in rrs if rrs.rdtype == dns.rdatatype.from_text(kind)}


def built(settings: dict[str, str], within: Any = None) -> Dns:
    return Dns(settings, within or bounds(), lambda name: SECRETS.get(name, "wrong"))


class DnsContract(ConnectorContract):
    @pytest.fixture(autouse=True)
    def _bed(self, bed: PowerDnsBed) -> None:
        self.bed = bed

    @pytest.fixture
    def connector(self) -> Dns:
        return built(self.bed.settings)

    def standing(self) -> Any:
        return self.bed.standing()

    def plant(self, target: str) -> None:
        comment = [{"content": "parked by hand", "account": "bob"}]
        self.bed.patch(self.zone(target), rrset(target + ".", "A", "192.0.2.66", comments=comment))

    def tamper(self, done: OrderView) -> None:
        self.bed.patch(self.zone(done.target.text), rrset(done.target.text + ".", "A", "192.0.2.66"))

    def zone(self, target: str) -> str:
        return ZONE if target.endswith("example.net") else "example.com."

    def break_peer(self) -> None:
        self.bed.kill()

    def mend_peer(self) -> None:
        self.bed.start()


class TestParkingOfNames(DnsContract):
    kind, scope = "park", "site"
    targets = ("shop.example.net", "www.example.net", "new.example.net")
    outside, protected = "shop.example.edu", "desk.example.org"


class TestParkingOfZones(DnsContract):
    kind, scope = "park", "site"
    targets = ("example.net", "example.com", "shop.example.net")
    outside, protected = "example.edu", "desk.example.org"


class TestSuspensionOfZones(TestParkingOfZones):
    kind = "suspend"


@pytest.fixture
def parking(bed: PowerDnsBed) -> Dns:
    return built(bed.settings)


def carried_out(connector: Dns, wanted: OrderView) -> OrderView:
    kept = OrderView(**{**vars(wanted), "undo": connector.snapshot(wanted)})
    connector.apply(kept)
    return kept


def test_a_parked_zone_leads_browsers_away_and_leaves_mail_and_name_servers(bed: PowerDnsBed, parking: Dns) -> None:
    before = bed.standing()
    done = carried_out(parking, order(1, "park", "site", "example.net"))
    assert resolved(bed, "example.net") == resolved(bed, "shop.example.net") == resolved(bed, "www.example.net") == PARKED
    assert resolved(bed, "x.wild.example.net") == PARKED
    assert resolved(bed, "example.net", "AAAA") == {"2001:db8:80::80"}
    assert resolved(bed, "mail.example.net") == {"198.51.100.25"}
    assert resolved(bed, "ns.example.net") == {"198.51.100.53"}
    assert resolved(bed, "example.net", "MX") == {"10 mail.example.net.", "20 mx.example.org."}
    assert resolved(bed, "example.com") == {"198.51.100.9"}
    parking.lift(Receipt(done))
    assert bed.standing() == before
    assert resolved(bed, "example.net") == {"198.51.100.1", "198.51.100.2"}


def test_a_suspended_zone_keeps_only_what_its_name_servers_need(bed: PowerDnsBed, parking: Dns) -> None:
    before = bed.standing()
    done = carried_out(parking, order(1, "suspend", "site", "example.net"))
    assert resolved(bed, "example.net") == PARKED
    assert (
        resolved(bed, "example.net", "MX")
        == resolved(bed, "mail.example.net")
        == resolved(bed, "_dmarc.example.net", "TXT")
        == set()
    )
    assert resolved(bed, "ns.example.net") == {"198.51.100.53"}
    parking.lift(Receipt(done))
    assert bed.standing() == before


def test_one_name_is_parked_and_its_neighbours_stay(bed: PowerDnsBed, parking: Dns) -> None:
    carried_out(parking, order(1, "park", "site", "www.example.net"))
    assert resolved(bed, "www.example.net") == PARKED
    assert resolved(bed, "example.net") == {"198.51.100.1", "198.51.100.2"}
    assert resolved(bed, "shop.example.net") == {"198.51.100.3"}


def test_a_name_that_only_a_wildcard_answers_is_parked_alone(bed: PowerDnsBed, parking: Dns) -> None:
    done = carried_out(parking, order(1, "park", "site", "bad.wild.example.net"))
    assert resolved(bed, "bad.wild.example.net") == PARKED
    assert resolved(bed, "good.wild.example.net") == {"198.51.100.5"}
    parking.lift(Receipt(done))
    assert resolved(bed, "bad.wild.example.net") == {"198.51.100.5"}


def test_the_most_specific_zone_is_the_one_that_counts(bed: PowerDnsBed, parking: Dns) -> None:
    bed.create("shop.example.net.", rrset("shop.example.net.", "A", "198.51.100.77"))
    parent = bed.standing()[ZONE]
    carried_out(parking, order(1, "park", "site", "shop.example.net"))
    assert resolved(bed, "shop.example.net") == PARKED
    assert bed.standing()[ZONE] == parent


def test_disabled_records_and_comments_come_back(bed: PowerDnsBed, parking: Dns) -> None:
    def kept() -> tuple:
        zone = {(one["name"], one["type"]): one for one in bed.rrsets(ZONE)}
        apex, old = zone[ZONE, "A"], zone["old.example.net.", "A"]
        return [one["content"] for one in apex["comments"]], old["records"]

    before = kept()
    assert before == (["moved in May"], [{"content": "198.51.100.4", "disabled": True}])
    done = carried_out(parking, order(1, "suspend", "site", "example.net"))
    parking.lift(Receipt(done))
    assert kept() == before


def test_what_the_customer_added_meanwhile_is_not_thrown_away(bed: PowerDnsBed, parking: Dns) -> None:
    done = carried_out(parking, order(1, "park", "site", "example.net"))
    bed.patch(ZONE, rrset("blog.example.net.", "A", "198.51.100.8"))
    assert parking.verify(Receipt(done)).state is State.FOREIGN
    with pytest.raises(NotOurs):
        parking.lift(Receipt(done))
    assert resolved(bed, "blog.example.net") == {"198.51.100.8"}


def test_a_zone_changed_between_snapshot_and_order_is_not_parked(bed: PowerDnsBed, parking: Dns) -> None:
    wanted = order(1, "park", "site", "shop.example.net")
    kept = OrderView(**{**vars(wanted), "undo": parking.snapshot(wanted)})
    bed.patch(ZONE, rrset("shop.example.net.", "A", "198.51.100.33"))
    with pytest.raises(Rejected, match="take it again"):
        parking.apply(kept)
    assert resolved(bed, "shop.example.net") == {"198.51.100.33"}


def test_nothing_is_parked_without_a_snapshot(bed: PowerDnsBed, parking: Dns) -> None:
    before = bed.standing()
    with pytest.raises(Refused, match="no way back"):
        parking.apply(order(1, "park", "site", "shop.example.net"))
    assert bed.standing() == before


def test_a_name_is_parked_by_one_order_at_a_time(bed: PowerDnsBed, parking: Dns) -> None:
    carried_out(parking, order(1, "park", "site", "shop.example.net"))
    with pytest.raises(NotOurs, match=contract.tag(INSTANCE, 1)):
        carried_out(parking, order(2, "park", "site", "shop.example.net"))
    with pytest.raises(NotOurs, match=contract.tag(INSTANCE, 1)):
        carried_out(parking, order(3, "park", "site", "example.net"))


def test_a_name_server_is_never_parked(bed: PowerDnsBed, parking: Dns) -> None:
    with pytest.raises(NotOurs, match="name server"):
        carried_out(parking, order(1, "park", "site", "ns.example.net"))


@pytest.mark.parametrize("host", ["desk.example.org", "example.org"])
def test_the_providers_own_zones_are_never_parked(bed: PowerDnsBed, host: str) -> None:
    """Rail 15, also when the inventory says that a customer holds the name: the zone above ours holds ours."""
    bed.create("example.org.", rrset("desk.example.org.", "A", "198.51.100.99"))
    try:
        before = bed.standing()
        connector = built(bed.settings, bounds(names=frozenset({"example.org"})))
        with pytest.raises(Refused, match="rail 15"):
            carried_out(connector, order(1, "park", "site", host))
        assert bed.standing() == before
    finally:
        bed.delete("example.org.")


def test_a_name_that_this_server_does_not_hold_is_said(bed: PowerDnsBed) -> None:
    connector = built(bed.settings, bounds(names=frozenset({"example.edu"})))
    with pytest.raises(Rejected, match="no zone"):
        connector.snapshot(order(1, "park", "site", "www.example.edu"))


def test_a_wrong_key_is_said_and_not_tried_again(bed: PowerDnsBed) -> None:
    connector = built({**bed.settings, "api_key": "OTHER_KEY"})
    with pytest.raises(Rejected, match="401") as caught:
        connector.actual()
    assert not caught.value.retry and "wrong" not in str(caught.value)


def test_a_signed_zone_stays_signed_with_the_same_keys(bed: PowerDnsBed, parking: Dns) -> None:
    def keys() -> list:
        return [one["ds"] for one in bed.client.get(f"/zones/{ZONE}/cryptokeys").json()]

    assert bed.client.put(f"/zones/{ZONE}", json={"dnssec": True}).status_code == 204
    before, standing = keys(), bed.standing()
    assert before
    done = carried_out(parking, order(1, "suspend", "site", "example.net"))
    assert done.undo["signed"] and resolved(bed, "example.net") == PARKED
    parking.lift(Receipt(done))
    assert keys() == before and bed.standing() == standing


def test_the_public_name_servers_decide_where_they_are_named(bed: PowerDnsBed) -> None:
    silent = powerdns.free_port()
    settled = built({**bed.settings, "servers": f"127.0.0.1:{bed.port}"})
    done = carried_out(settled, order(1, "park", "site", "shop.example.net"))
    assert settled.verify(Receipt(done)).state is State.IN_PLACE
    waiting = built({**bed.settings, "servers": f"127.0.0.1:{bed.port},127.0.0.1:{silent}"})
    waiting.timeout = 0.3
    with pytest.raises(contract.Unanswered):
        waiting.verify(Receipt(done))
    settled.lift(Receipt(done))
    assert settled.verify(Receipt(done)).state is State.ABSENT


@pytest.mark.parametrize(
    ("field", "text"),
    [("park4", ""), ("park4", "192.0.2.999"), ("park4", "2001:db8::1"), ("ttl", "0"), ("servers", "ns1.example.net")],
)
def test_a_bad_setting_is_named(bed: PowerDnsBed, field: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        built({**bed.settings, "park6": "", field: text})
    assert caught.value.problems[0].where == field


# -- deleting a zone: two people, escrow, and the way back


def doomed(**changes: Any) -> OrderView:
    return order(1, "delete_zone", "site", "example.net", **{"people": frozenset({"alice", "bob"}), **changes})


@pytest.fixture
def deleting(bed: PowerDnsBed) -> Iterator[Dns]:
    yield built({**bed.settings, "escrow": "ESCROW"})
    bed.delete("tipstaff.invalid.")


class TestDeletionOfZones(DnsContract):
    kind, scope = "delete_zone", "site"
    targets = ("example.net", "example.com", "shop.example.net")
    outside, protected = "example.edu", "desk.example.org"

    @pytest.fixture(autouse=True)
    def _own_zones(self, bed: PowerDnsBed) -> Iterator[None]:
        bed.create("shop.example.net.", rrset("shop.example.net.", "A", "198.51.100.3"))
        yield
        bed.delete("tipstaff.invalid.")

    @pytest.fixture
    def connector(self) -> Dns:
        return built({**self.bed.settings, "escrow": "ESCROW"})

    def order(self, number: int = 1, target: str | None = None, **changes: Any) -> OrderView:
        return super().order(number, target, **{"people": frozenset({"alice", "bob"}), **changes})

    def standing(self) -> Any:
        """The zone of tombstones stays when it is empty, as nobody's harm."""
        found = self.bed.standing()
        graves = found.pop("tipstaff.invalid.", ([], []))
        return found, [one for one in graves[0] if one["type"] == "TXT"], graves[1]

    def plant(self, target: str) -> None:
        self.bed.patch("shop.example.net.", rrset("shop.example.net.", "A", "192.0.2.66"))

    def tamper(self, done: OrderView) -> None:
        self.bed.create(done.target.text + ".", rrset(done.target.text + ".", "A", "192.0.2.66"))


def test_a_signed_zone_comes_back_with_the_same_keys_and_settings(bed: PowerDnsBed, deleting: Dns) -> None:
    def what_counts() -> Any:
        zone = bed.client.get(f"/zones/{ZONE}").json()
        keys = [(one["ds"], one["active"], one["keytype"]) for one in bed.client.get(f"/zones/{ZONE}/cryptokeys").json()]
        kept = [(one["kind"], one["metadata"]) for one in bed.client.get(f"/zones/{ZONE}/metadata").json()]
        return bed.standing()[ZONE], keys, sorted(kept), zone["nsec3param"], zone["soa_edit_api"], zone["dnssec"]

    bed.client.put(f"/zones/{ZONE}", json={"dnssec": True, "nsec3param": "1 0 0 -", "soa_edit_api": "EPOCH"})
    bed.client.put(f"/zones/{ZONE}/metadata/ALLOW-AXFR-FROM", json={"kind": "ALLOW-AXFR-FROM", "metadata": ["192.0.2.9"]})
    before = what_counts()
    done = carried_out(deleting, doomed())
    assert bed.client.get(f"/zones/{ZONE}").status_code == 404
    assert "Private" not in str(done.undo) and "Private" not in str(bed.standing())
    deleting.lift(Receipt(done))
    assert what_counts() == before and before[1]


def test_a_signed_zone_is_not_deleted_without_an_escrow_key(bed: PowerDnsBed, parking: Dns) -> None:
    bed.client.put(f"/zones/{ZONE}", json={"dnssec": True})
    with pytest.raises(Refused, match="escrow"):
        carried_out(parking, doomed())
    assert bed.client.get(f"/zones/{ZONE}").status_code == 200


def test_one_person_does_not_delete_a_zone(bed: PowerDnsBed, deleting: Dns) -> None:
    with pytest.raises(Refused, match="rail 8"):
        carried_out(deleting, doomed(people=frozenset({"alice"})))
    assert bed.client.get(f"/zones/{ZONE}").status_code == 200


def test_a_zone_is_not_deleted_without_its_records_in_the_undo(bed: PowerDnsBed, deleting: Dns) -> None:
    for undo in ({}, {"records": [], "signed": False}, {"records": [{}], "signed": True, "keys": []}):
        with pytest.raises(Refused, match="rail 15"):
            deleting.apply(doomed(undo=undo))
    assert bed.client.get(f"/zones/{ZONE}").status_code == 200


def test_another_escrow_key_is_found_before_anything_is_made(bed: PowerDnsBed, deleting: Dns) -> None:
    bed.client.put(f"/zones/{ZONE}", json={"dnssec": True})
    done = carried_out(deleting, doomed())
    other = built({**bed.settings, "escrow": "OTHER_ESCROW"})
    with pytest.raises(contract.Misunderstood, match="another escrow key"):
        other.lift(Receipt(done))
    assert bed.client.get(f"/zones/{ZONE}").status_code == 404
    deleting.lift(Receipt(done))


def test_killed_between_the_zone_and_its_keys_the_way_back_goes_on(bed: PowerDnsBed, deleting: Dns) -> None:
    bed.client.put(f"/zones/{ZONE}", json={"dnssec": True})
    before = [one["ds"] for one in bed.client.get(f"/zones/{ZONE}/cryptokeys").json()]
    done = carried_out(deleting, doomed())
    settings = {name: done.undo["settings"][name] for name in ("kind", "soa_edit_api")}
    answer = bed.client.post("/zones", json={**settings, "name": ZONE, "nameservers": [], "rrsets": done.undo["records"]})
    assert answer.status_code == 201
    leaving = Receipt(OrderView(**{**vars(done), "leaving": True}))
    assert deleting.verify(leaving).state is State.IN_PLACE
    deleting.lift(leaving)
    assert [one["ds"] for one in bed.client.get(f"/zones/{ZONE}/cryptokeys").json()] == before
    assert deleting.verify(leaving).state is State.ABSENT
