"""Exporters appear unconfirmed and count for nothing until somebody confirms them."""

from datetime import UTC, datetime

import pytest

from tipstaff.audit.models import Entry
from tipstaff.evidence.models import Hold
from tipstaff.kernel.errors import InputError, NotFound
from tipstaff.sensors.traffic import queries, services
from tipstaff.sensors.traffic.models import Exporter

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 2, 11, 12, tzinfo=UTC)


def stream(**values):
    return {
        "seen": 1_770_811_200_000, "received": 10, "decoded": 9, "undecodable": 1, "lost": 2, "unscaled": 0, "templates": 3,
        "rate": 100,
        "rate_source": "configured", "skew_ms": -40, "whys": {"no template yet": 1},
    } | values  # fmt: skip


def test_seen_then_confirmed_then_dismissed() -> None:
    assert services.note_seen(streams={"192.0.2.1": [stream(), stream(skew_ms=9000)]}, now=NOW) == 1
    (row,) = queries.exporters(now=NOW)
    assert (row["state"], row["received"], row["lost"], row["skew_ms"], row["rates"]) == ("new, unconfirmed", 20, 4, 9000, [100])
    assert queries.policies()[0]["counts"] is False
    services.confirm(address="192.0.2.1", name="edge", sampling_rate=500, by="alice", now=NOW)
    (policy,) = queries.policies()
    assert (policy["counts"], policy["rate"], policy["address"]) == (True, 500, "00000000000000000000ffffc0000201")
    assert queries.exporters(now=NOW)[0]["state"] == "counted"
    services.dismiss(address="192.0.2.1", by="alice", now=NOW)
    assert queries.policies()[0]["counts"] is False
    assert [entry.action for entry in Entry.objects.order_by("pk")] == ["exporter confirmed", "exporter dismissed"]


def test_confirmed_in_advance_and_by_its_canonical_address() -> None:
    services.confirm(address="2001:DB8:0::5", by="alice", now=NOW)
    services.confirm(address="::ffff:192.0.2.9", by="alice", now=NOW)
    assert set(Exporter.objects.values_list("address", flat=True)) == {"2001:db8::5", "192.0.2.9"}


def test_refusals() -> None:
    with pytest.raises(InputError, match="no address"):
        services.confirm(address="edge-1", by="alice", now=NOW)
    with pytest.raises(InputError, match="out of range"):
        services.confirm(address="192.0.2.1", sampling_rate=-1, by="alice", now=NOW)
    with pytest.raises(NotFound):
        services.dismiss(address="192.0.2.200", by="alice", now=NOW)


def test_a_flood_of_made_up_exporters_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(services, "MOST_UNCONFIRMED", 50)
    streams = {f"203.0.113.{n}": [stream()] for n in range(200)}
    assert services.note_seen(streams=streams, now=NOW) == 50 and services.note_seen(streams=streams, now=NOW) == 0
    assert Exporter.objects.count() == 50


def test_holds_for_the_archive() -> None:
    for scope in ("customer:17", "customer:17", "case:4", "customer:x"):
        Hold.objects.create(scope=scope, reason="court", placed_by="bob", placed_at=NOW)
    Hold.objects.create(scope="all", reason="court", placed_by="bob", placed_at=NOW, released_at=NOW)
    assert queries.held() == {"all": False, "customers": [17]}
