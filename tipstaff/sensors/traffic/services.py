"""Changes to what is known of exporters."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.kernel.addresses import normalise
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.sensors.traffic.models import Exporter

MOST_UNCONFIRMED = 10_000  # anybody can send us datagrams from any address


def canonical(address: str) -> str:
    """The address as it is stored. Raises InputError where it is none."""
    text = normalise([address])[0][0]
    if text is None:
        raise InputError(Problem("address", f"{address!r} is no address", "write it like 192.0.2.1 or 2001:db8::1"))
    return str(text)


@transaction.atomic
def confirm(*, address: str, name: str = "", sampling_rate: int | None = None, by: str, now: datetime) -> Exporter:
    """Let an exporter's flows count from now on; one that was never seen may be confirmed in advance."""
    if sampling_rate is not None and not 0 <= sampling_rate <= 0xFFFFFFFF:
        raise InputError(Problem("sampling rate", f"{sampling_rate} is out of range", "give N for 1 in N; 0 for unknown"))
    exporter, _ = Exporter.objects.select_for_update().get_or_create(address=canonical(address))
    exporter.confirmed_at, exporter.confirmed_by = exporter.confirmed_at or now, exporter.confirmed_by or by
    exporter.name = name or exporter.name
    exporter.sampling_rate = exporter.sampling_rate if sampling_rate is None else sampling_rate
    exporter.save()
    record(
        by=by,
        action="exporter confirmed",
        subject=f"exporter:{exporter.pk}",
        now=now,
        name=exporter.name,
        rate=exporter.sampling_rate,
    )
    return exporter


@transaction.atomic
def dismiss(*, address: str, by: str, now: datetime) -> Exporter:
    """Let an exporter's flows count for nothing again."""
    exporter = Exporter.objects.select_for_update().filter(address=canonical(address)).first()
    if exporter is None:
        raise NotFound(f"no exporter {address}")
    exporter.confirmed_at, exporter.confirmed_by = None, ""
    exporter.save(update_fields=["confirmed_at", "confirmed_by"])
    record(by=by, action="exporter dismissed", subject=f"exporter:{exporter.pk}", now=now)
    return exporter


@transaction.atomic
def note_seen(*, streams: Mapping[str, list[dict[str, Any]]], now: datetime) -> int:
    """Write down what the receiver reports of each exporter, by address; how many of them are new."""
    room = MOST_UNCONFIRMED - Exporter.objects.filter(confirmed_at=None).count()
    known = set(Exporter.objects.filter(address__in=list(streams)).values_list("address", flat=True))
    fresh = [Exporter(address=address, first_seen=now) for address in streams if address not in known][: max(room, 0)]
    Exporter.objects.bulk_create(fresh, ignore_conflicts=True)
    rows = list(Exporter.objects.filter(address__in=list(streams)))
    for one in rows:
        seen = max((stream["seen"] for stream in streams[one.address]), default=0)
        one.first_seen = one.first_seen or now
        one.last_seen = datetime.fromtimestamp(seen / 1000, UTC) if seen else one.last_seen
        one.facts = {"streams": streams[one.address]}
    Exporter.objects.bulk_update(rows, ["first_seen", "last_seen", "facts"])
    return len(fresh)
