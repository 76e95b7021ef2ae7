"""What is known of exporters, and what the receiver needs to know of them."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from tipstaff.evidence.models import Hold
from tipstaff.sensors.traffic.models import Exporter

SILENT = timedelta(minutes=5)
SUMS = ("received", "decoded", "undecodable", "lost", "unscaled", "templates")


def packed(address: str) -> bytes:
    """An address as 16 bytes; IPv4 mapped."""
    one = ip_address(address)
    return one.packed if one.version == 6 else bytes(10) + b"\xff\xff" + one.packed


def policies() -> list[dict[str, Any]]:
    """What the receiver is told of each exporter; see ``receiver.read_policies``."""
    return [
        {"address": packed(one.address).hex(), "counts": one.confirmed_at is not None, "rate": one.sampling_rate, "number": one.pk}
        for one in Exporter.objects.order_by("pk")
    ]


def exporters(*, now: datetime) -> list[dict[str, Any]]:
    """Every exporter with its state and the sums of its streams, the latest first."""
    return [_row(one, now) for one in Exporter.objects.order_by("-last_seen", "address")]


def _row(one: Exporter, now: datetime) -> dict[str, Any]:
    streams = one.facts.get("streams", [])
    silent = one.last_seen is None or now - one.last_seen > SILENT
    state = "new, unconfirmed" if one.confirmed_at is None else "silent" if silent else "counted"
    sums = {name: sum(stream[name] for stream in streams) for name in SUMS}
    return {
        "address": one.address, "name": one.name, "state": state, "first_seen": one.first_seen, "last_seen": one.last_seen,
        "confirmed_by": one.confirmed_by, "configured_rate": one.sampling_rate, **sums,
        "rates": sorted({stream["rate"] for stream in streams}),
        "rate_sources": sorted({stream["rate_source"] for stream in streams}),
        "skew_ms": max((stream["skew_ms"] for stream in streams), key=abs, default=0), "streams": streams,
    }  # fmt: skip


def held() -> dict[str, Any]:
    """What the archive must keep beyond its time: everything, or certain customers' flows."""
    scopes = list(Hold.objects.filter(released_at=None).values_list("scope", flat=True))
    customers = [int(scope.partition(":")[2]) for scope in scopes if scope.startswith("customer:") and scope[9:].isdecimal()]
    return {"all": "all" in scopes or "flows" in scopes, "customers": sorted(set(customers))}
