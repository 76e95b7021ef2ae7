"""How often one sender may do what. Counted in this process's memory: several webs together allow as many times as much."""

import hashlib
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from django.core.cache import cache
from django.http import HttpRequest

HOUR = 3600
#: What is limited: how many times in an hour.
LIMITS = {"check": 120, "send": 20, "status": 240, "confirm": 30}


def peer_of(request: HttpRequest) -> str:
    """The sender's address; of IPv6 its /64, which one person has whole. 'unknown' where the server names none."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return str(ip_network(f"{address}/64", strict=False)) if address.version == 6 else str(address)


def digest_of(peer: str) -> str:
    """What is kept of an address with a submission: enough to see that two came from one place, not to name it."""
    return hashlib.blake2b(peer.encode(), digest_size=8).hexdigest()


def too_many(request: HttpRequest, what: str, now: datetime) -> bool:
    """Count this time; whether it is beyond the limit."""
    key = f"public:{what}:{digest_of(peer_of(request))}:{int(now.timestamp()) // HOUR}"
    cache.add(key, 0, HOUR)
    try:
        return bool(cache.incr(key) > LIMITS[what])
    except ValueError:  # expired between the two
        return False
