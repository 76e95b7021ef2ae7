"""From an event of a report to what can be looked for in flow statistics. Pure: values in, claims out.

Only conduct that leaves our network as traffic can be seen there: an attack, a scan, mail. What a site shows cannot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import re2

from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.sensors.traffic.corroboration import Claim

#: Kinds of conduct whose traffic comes from the accused address.
TRAFFIC = frozenset({"ddos_origin", "scan", "intrusion", "network_harm", "unauth_test", "c2", "scraping", "compromised"})
MAIL = frozenset({"spam", "header_forgery"})
KINDS = TRAFFIC | MAIL
MOST_VICTIMS = 5
WIDEST = timedelta(days=3)  # bounds farther apart say nothing
SMTP = 25
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp6": 58, "ipv6-icmp": 58, "sctp": 132, "ssh": 6, "smtp": 6,
             "http": 6, "https": 6, "ftp": 6, "imap": 6, "rdp": 6, "telnet": 6, "sip": 17, "dns": 17, "ntp": 17}  # fmt: skip
VICTIMS = ("victim_ips", "victim_ip", "destination_ip", "dst_ip", "target_ip", "destination")
VICTIM_PORTS = ("victim_ports", "victim_port", "destination_port", "dst_port", "target_port")
PACKETS = ("packet_count", "packets", "packets_count")
# What no complainant is reached at from outside: their own network's addresses, written by their own logs.
INSIDE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
                                "0.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128")))  # fmt: skip
_ZONE = re2.compile(r"(?:([+-])(\d{2}):?(\d{2})|(Z|UTC|GMT))\)?\s*$")


@dataclass(frozen=True)
class Happening:
    """What a stored event says: its address and port (ours), its times, its kind, how often, and what was kept beside."""

    ip: str | None
    port: int | None
    occurred_at: datetime | None
    earliest: datetime | None
    latest: datetime | None
    time_as_written: str | None
    category: str
    count: int
    details: Mapping[str, Any]


def claims_of(event: Happening) -> list[Claim]:
    """What can be looked for, one claim a victim; none where the kind leaves no traffic, or no address or time is known."""
    times = _times(event)
    if event.category not in KINDS or event.ip is None or times is None:
        return []
    ports = _numbers(event.details, VICTIM_PORTS)
    peer_port = ports[0] if len(ports) == 1 else SMTP if event.category in MAIL and not ports else None
    packets = _numbers(event.details, PACKETS)
    zone = written_zone(event.time_as_written)
    whole = Claim(
        *times, peer_port=peer_port, local_port=_own_port(event), protocol=_protocol(event), packets=max([event.count, *packets]),
        zone_stated=event.occurred_at is not None, zone=zone,
    )  # fmt: skip
    peers = _victims(event.details)[:MOST_VICTIMS]
    return [Claim(**{**whole.__dict__, "peer": peer}) for peer in peers] or [whole]


def written_zone(text: str | None) -> float | None:
    """Hours east of UTC at the end of a written time; None where it names none."""
    found = _ZONE.search((text or "")[-40:])
    if found is None:
        return None
    if found.group(4):
        return 0.0
    hours = int(found.group(2)) + int(found.group(3)) / 60
    return -hours if found.group(1) == "-" else hours


def _times(event: Happening) -> tuple[datetime, datetime] | None:
    if event.occurred_at is not None:
        listed = event.details.get("occurrences")
        at = [_moment(one.get("at")) for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
        known = [event.occurred_at, *(one for one in at if one is not None and abs(one - event.occurred_at) <= WIDEST)]
        return min(known), max(known)
    if event.earliest is None or event.latest is None or event.latest - event.earliest > WIDEST:
        return None
    return event.earliest, event.latest


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _own_port(event: Happening) -> int | None:
    """The port at our end, where it is one: a scan from many ports has none."""
    listed = event.details.get("occurrences")
    ports = {one.get("port") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else {event.port}
    return event.port if event.port and ports <= {event.port} else None


def _protocol(event: Happening) -> int | None:
    said = str(event.details.get("protocol") or "").lower()
    return PROTOCOLS.get(said, PROTOCOLS["tcp"] if event.category in MAIL else None)


def _values(details: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for name in names:
        value = details.get(name)
        found += [str(one) for one in (value if isinstance(value, list) else [value])[:50] if one not in (None, "")]
    return list(dict.fromkeys(found))


def _numbers(details: Mapping[str, Any], names: tuple[str, ...]) -> list[int]:
    return [int(text) for text in _values(details, names) if text.isascii() and text.isdecimal() and len(text) <= 15]


def _victims(details: Mapping[str, Any]) -> list[str]:
    """Addresses that the complainant was reached at, as the archive writes them."""
    found = []
    for text in _values(details, VICTIMS):
        # Without a zone index (%eth0): it may hold any words, and this goes into questions to other programs.
        normal = normal_ip(text)
        if normal is None:
            continue
        one = ip_address(normal)
        if not any(one.version == inside.version and one in inside for inside in INSIDE):
            found.append(str(one))
    return found
