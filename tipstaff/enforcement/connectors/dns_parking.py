"""What parking changes in a zone, what of it is ours, and what puts it back. Pure.

RRsets are PowerDNS's JSON: ``name`` and ``type`` (the key), ``ttl``, ``records`` (``content``, ``disabled``), ``comments``
(``content``, ``account``, ``modified_at``). What we put there carries a comment of the account ``tipstaff`` with the
order's tag. SOA and NS of the zone stay, and so do the addresses of name servers that lie in the zone itself.

``park`` moves what a browser asks for, and leaves mail and everything else alone; ``suspend`` takes all else away too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

RRset = Mapping[str, Any]
Key = tuple[str, str]

ACCOUNT = "tipstaff"
WEB = frozenset({"A", "AAAA", "ALIAS", "CNAME", "DNAME", "HTTPS", "SVCB", "LUA"})
ADDRESSES = frozenset({"A", "AAAA"})
ALWAYS_KEPT = frozenset({"SOA", "NS", "DS", "DNSKEY", "CDS", "CDNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "RRSIG"})


@dataclass(frozen=True)
class Parking:
    """Where parked names lead: addresses of the page that says why, and how long resolvers may remember it (seconds)."""

    addresses4: tuple[str, ...]
    addresses6: tuple[str, ...]
    ttl: int


def key(rrset: RRset) -> Key:
    return (str(rrset["name"]).lower(), str(rrset["type"]).upper())


def tags(rrset: RRset) -> list[str]:
    """The orders' tags that an rrset carries."""
    return [str(one["content"]) for one in rrset.get("comments", ()) if one.get("account") == ACCOUNT]


def shape(rrset: RRset) -> tuple[Any, ...]:
    """What makes two rrsets the same: all but the moment of a comment."""
    records = sorted((str(one["content"]), bool(one.get("disabled"))) for one in rrset.get("records", ()))
    comments = sorted((str(one["content"]), str(one.get("account", ""))) for one in rrset.get("comments", ()))
    return (*key(rrset), int(rrset["ttl"]), tuple(records), tuple(comments))


def scope(rrsets: Iterable[RRset], zone: str, host: str, kind: str) -> list[RRset]:
    """The rrsets that an order for ``host`` is about: those of that name, or of the whole zone when it is the zone's."""
    present = list(rrsets)
    servers = _targets(present, "NS", 0)
    mailers = _targets(present, "MX", 1) if kind == "park" else frozenset()
    return [one for one in present if _meant(one, zone, host, kind, servers | mailers)]


def _meant(rrset: RRset, zone: str, host: str, kind: str, used: frozenset[str]) -> bool:
    name, what = key(rrset)
    if what in ALWAYS_KEPT or (kind == "park" and what not in WEB):
        return False
    if host != zone:
        return name == host
    return not (name in used and what in ADDRESSES and name != zone)


def serves_others(rrsets: Iterable[RRset], host: str) -> bool:
    """Whether ``host`` is itself a name server of the zone: parking it would take the whole zone down."""
    return host in _targets(list(rrsets), "NS", 0)


def _targets(rrsets: list[RRset], kind: str, field: int) -> frozenset[str]:
    found = (one["content"].split() for rrset in rrsets if key(rrset)[1] == kind for one in rrset["records"])
    return frozenset(words[field].lower() for words in found if len(words) > field)


def parked(rrsets: Iterable[RRset], zone: str, host: str, kind: str, parking: Parking, tag: str) -> list[RRset]:
    """The rrsets that stand there while the order is in force: an address for the host, and for every name that had one."""
    names = {host} | {key(one)[0] for one in scope(rrsets, zone, host, "park")}
    comments = [{"content": tag, "account": ACCOUNT}]
    return [
        {"name": name, "type": what, "ttl": parking.ttl, "records": records, "comments": comments}
        for name in sorted(names)
        for what, records in (("A", _records(parking.addresses4)), ("AAAA", _records(parking.addresses6)))
        if records
    ]


def _records(addresses: Iterable[str]) -> list[dict[str, Any]]:
    return [{"content": address, "disabled": False} for address in addresses]


def changes(present: Iterable[RRset], wanted: Iterable[RRset]) -> list[dict[str, Any]]:
    """One PATCH that turns ``present`` into ``wanted``: first what goes, then what comes or changes."""
    now, then = {key(one): one for one in present}, {key(one): one for one in wanted}
    gone = [{"name": name, "type": what, "changetype": "DELETE"} for name, what in sorted(now.keys() - then.keys())]
    different = [then[one] for one in sorted(then) if one not in now or shape(now[one]) != shape(then[one])]
    return gone + [_replacement(one) for one in different]


def _replacement(rrset: RRset) -> dict[str, Any]:
    fields = {name: rrset[name] for name in ("name", "type", "ttl", "records")}
    return {**fields, "changetype": "REPLACE", "comments": list(rrset.get("comments", ()))}


def ours(rrsets: Iterable[RRset], tag: str) -> list[RRset]:
    return [one for one in rrsets if tag in tags(one)]


def same(some: Iterable[RRset], others: Iterable[RRset]) -> bool:
    return {shape(one) for one in some} == {shape(one) for one in others}
