"""Zones deleted in PowerDNS, and made again as they were: records, settings, metadata and the very same keys (rail 15).

Nothing of a deleted zone could carry our tag, so a tombstone does: a TXT record in a zone of our own, ``tipstaff.invalid``,
which is in no parent zone and so answers nobody. Beside it lies what is needed to make the zone again. Private keys are
only ever kept sealed with the escrow key; a signed zone is not deleted without one.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken

from tipstaff.enforcement import rails
from tipstaff.enforcement.connectors import dns_parking
from tipstaff.enforcement.connectors.contract import Misunderstood, NotOurs, State, Verification
from tipstaff.enforcement.connectors.dns_api import PowerDns
from tipstaff.enforcement.connectors.dns_parking import ACCOUNT
from tipstaff.kernel.errors import Refused

TOMBSTONES = "tipstaff.invalid."
SETTINGS = ("kind", "masters", "account", "catalog", "soa_edit", "soa_edit_api", "api_rectify")
AFTER_KEYS = ("nsec3param", "nsec3narrow")  # PowerDNS takes these for a zone that is signed already
NOT_KEPT = frozenset({"SOA-EDIT", "SOA-EDIT-API", "API-RECTIFY", "NSEC3PARAM", "NSEC3NARROW", "PRESIGNED"})  # settings, above


class Deletion:
    """Deletes and makes again; ``escrow`` is the key (Fernet) that private keys are sealed with, empty for none."""

    def __init__(self, api: PowerDns, escrow: str) -> None:
        self.api = api
        self.seal = Fernet(escrow.encode()) if escrow else None

    def snapshot(self, zone: dict[str, Any]) -> dict[str, Any]:
        """Everything of the zone. Raises Refused when it is signed and there is no escrow key."""
        keys = [self._sealed(key) for key in self.api.keys(zone["name"])]
        notes = self.api.notes(zone["name"])
        # PowerDNS shows a value for these also where none was set and its configuration decides.
        unset = {name for name, kind in (("soa_edit", "SOA-EDIT"), ("api_rectify", "API-RECTIFY")) if kind not in notes}
        names = [name for name in (*SETTINGS, *AFTER_KEYS) if name in zone and name not in unset]
        return {
            "zone": zone["name"],
            "signed": bool(zone.get("dnssec")) or bool(keys),
            "records": zone["rrsets"],
            "settings": {name: zone[name] for name in names},
            "metadata": {kind: values for kind, values in notes.items() if kind not in NOT_KEPT},
            "keys": keys,
        }

    def delete(self, zone: dict[str, Any], undo: Mapping[str, Any], tag: str, note: str) -> None:
        """First the tombstone and the snapshot beside it, then the zone: what is half done can be gone on with, or back."""
        if broken := rails.deletion_breaches(undo):
            raise Refused("; ".join(map(str, broken)))
        if not self._as_kept(zone, undo):
            raise NotOurs(f"{zone['name']} was changed after its snapshot was taken; it is left alone")
        if self.api.zone(TOMBSTONES) is None:
            self.api.create({"name": TOMBSTONES, "kind": "Native", "nameservers": [TOMBSTONES]})
        self.api.keep_note(TOMBSTONES, note, orjson.dumps(dict(undo)).decode())
        self.api.change({"name": TOMBSTONES}, [self._tombstone(zone["name"], tag)])
        self.api.delete(zone["name"])

    def state(self, zone: dict[str, Any] | None, undo: Mapping[str, Any], tag: str, *, leaving: bool) -> Verification:
        buried = self.buried(tag)
        if zone is None:
            found = State.IN_PLACE if buried else State.FOREIGN
            return Verification(found, "deleted by this order" if buried else "deleted by somebody else")
        if not buried:
            return Verification(State.ABSENT, f"{zone['name']} is there")
        if not self._as_kept(zone, undo):
            return Verification(State.FOREIGN, f"{zone['name']} was deleted, and somebody made it anew")
        return Verification(State.IN_PLACE if leaving else State.ABSENT, f"{zone['name']} is there, and so is its tombstone")

    def restore(self, zone: dict[str, Any] | None, undo: Mapping[str, Any], tag: str, note: str) -> None:
        """Make the zone again, then add the keys that it lacks, then take the tombstone away. May be done twice."""
        name = str(undo["zone"])
        if zone is not None and not self._as_kept(zone, undo):
            raise NotOurs(f"somebody made {name} anew; it is left alone")
        keys = [(self._opened(key), key) for key in undo["keys"]]  # a wrong escrow key is found before anything is done
        if zone is None:
            rrsets = [{**one, "comments": one.get("comments", [])} for one in undo["records"]]
            plain = {one: value for one, value in undo["settings"].items() if one in SETTINGS}
            self.api.create({**plain, "name": name, "nameservers": [], "rrsets": rrsets})
        there = {one for key in self.api.keys(name) for one in key.get("ds", [])}
        for private, key in keys:
            if not there.intersection(key["ds"]) or not key["ds"]:
                self.api.add_key(name, {"keytype": key["keytype"], "active": key["active"], "content": private})
        if undo["signed"]:
            self.api.set(name, {one: value for one, value in undo["settings"].items() if one in AFTER_KEYS})
        for kind, values in undo["metadata"].items():
            self.api.keep_notes(name, kind, values)
        self.forget(tag, note)

    def forget(self, tag: str, note: str) -> None:
        """Take the tombstone and what lies beside it away."""
        graves = self.api.zone(TOMBSTONES)
        if graves is not None:
            self.api.change(graves, dns_parking.changes(dns_parking.ours(graves["rrsets"], tag), []))
            self.api.drop_note(TOMBSTONES, note)

    def buried(self, tag: str) -> bool:
        graves = self.api.zone(TOMBSTONES)
        return graves is not None and bool(dns_parking.ours(graves["rrsets"], tag))

    def _as_kept(self, zone: Mapping[str, Any], undo: Mapping[str, Any]) -> bool:
        """Whether the zone is what the snapshot says; PowerDNS alone changes the serial in the SOA."""
        some, others = ([one for one in rrsets if one["type"] != "SOA"] for rrsets in (zone["rrsets"], undo.get("records", [])))
        return dns_parking.same(some, others)

    def _tombstone(self, zone: str, tag: str) -> dict[str, Any]:
        name, records = f"{tag.rpartition(':')[2]}.{TOMBSTONES}", [{"content": f'"{zone}"', "disabled": False}]
        grave = {"name": name, "type": "TXT", "ttl": 3600, "records": records, "comments": [{"content": tag, "account": ACCOUNT}]}
        return {**grave, "changetype": "REPLACE"}

    def _sealed(self, key: dict[str, Any]) -> dict[str, Any]:
        if self.seal is None:
            raise Refused("the zone is signed, and no escrow key is set: its private keys could not be kept")
        private = self.seal.encrypt(str(key["privatekey"]).encode()).decode()
        return {"keytype": key["keytype"], "active": bool(key["active"]), "ds": list(key.get("ds", [])), "sealed": private}

    def _opened(self, key: Mapping[str, Any]) -> str:
        if self.seal is None:
            raise Refused("the zone's keys are sealed, and no escrow key is set")
        try:
            return self.seal.decrypt(str(key["sealed"]).encode()).decode()
        except InvalidToken:
            raise Misunderstood("the zone's keys were sealed with another escrow key") from None
