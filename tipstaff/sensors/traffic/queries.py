"""What is known of exporters, and what the receiver needs to know of them."""

from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from django.conf import settings

from tipstaff.accounts.models import Customer
from tipstaff.evidence.models import Hold
from tipstaff.sensors.traffic.archive.asking import Archive, Questions
from tipstaff.sensors.traffic.archive.clickhouse import Cluster, Http
from tipstaff.sensors.traffic.archive.corroborating import Own, Source
from tipstaff.sensors.traffic.archive.foreign import Foreign, read_mapping
from tipstaff.sensors.traffic.archive.nfdump import Nfdump
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.archive.thinning import EXACT_ROWS
from tipstaff.sensors.traffic.models import Exporter

SILENT = timedelta(minutes=5)
LEAST_SKEW, MOST_SKEW = timedelta(seconds=2), timedelta(days=1)  # of an exporter's clock, that is taken for one
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
    """What the archive must keep beyond its time: everything, or the flows of certain customers and of their clients."""
    scopes = list(Hold.objects.filter(released_at=None).values_list("scope", flat=True))
    customers = [int(scope.partition(":")[2]) for scope in scopes if scope.startswith("customer:") and scope[9:].isdecimal()]
    return {"all": "all" in scopes or "flows" in scopes, "customers": sorted(_with_clients(set(customers)))}


def _with_clients(held: set[int]) -> set[int]:
    """A reseller's clients are held with it, and theirs with them."""
    new = held
    while new:
        new = set(Customer.objects.filter(parent__in=new).values_list("pk", flat=True)) - held
        held = held | new
    return held


def archive(*, limit: float = 0) -> Archive | Cluster:
    """The archive of this instance: its files, or the cluster that keeps the flows instead. ``limit``: seconds for a question."""
    where = settings.FLOWS["clickhouse"]
    if where["url"]:
        kept = settings.FLOWS["archive"]
        return Cluster(
            Http(where["url"]), database=where["database"], limit=limit, keep_hours=kept["keep_hours"],
            minutes_hours=kept["keep_minutes_hours"],
        )  # fmt: skip
    return Archive(settings.STATE / "flows" / "archive", limit=limit)


def explorer(span: Span, *, exact: bool, limit: float) -> tuple[Questions, bool, int]:
    """What answers a person's question, whether from a sample, and how many rows it would read without."""
    own = archive(limit=limit)
    if isinstance(own, Cluster):
        return own, False, 0
    rows = own.rows(span)
    if exact or rows <= EXACT_ROWS:
        return own, False, rows
    return Archive(own.root, limit=limit, thin=True), True, rows


def sources() -> list[Source]:
    """Everything that keeps flows here, for corroboration; empty where there is nothing."""
    found: list[Source] = []
    own = archive()
    if isinstance(own, Cluster) or own.kept_since() is not None:
        confirmed = list(Exporter.objects.exclude(confirmed_at=None))
        found.append(Own(own, skews=_skews(confirmed), lost=_lost(confirmed)))
    if folder := settings.FLOWS["nfdump"]:
        found.append(Nfdump(Path(folder), rate=settings.FLOWS["nfdump_rate"]))
    if described := settings.FLOWS["table"]:
        found.append(Foreign(read_mapping(Path(described))))
    return found


def _skews(exporters: list[Exporter]) -> dict[int, timedelta]:
    """By how much each exporter's clock was ahead when it was last heard."""
    found = {}
    for one in exporters:
        streams = one.facts.get("streams", [])
        skew = timedelta(milliseconds=max((stream["skew_ms"] for stream in streams), key=abs, default=0))
        if LEAST_SKEW <= abs(skew) <= MOST_SKEW:
            found[one.pk] = skew
    return found


def _lost(exporters: list[Exporter]) -> float:
    """The share of flows that were lost on the way here, by their sequence numbers."""
    streams = [stream for one in exporters for stream in one.facts.get("streams", [])]
    lost, received = (sum(stream[name] for stream in streams) for name in ("lost", "received"))
    return lost / (lost + received) if lost else 0.0
