"""The loop around reception: what the desk decides reaches the running receiver, what it sees reaches the desk."""

import time

import pyarrow.parquet as pq
import pytest

from tests.accounts.given import delivered, held
from tests.sensors.traffic.exporting import flow, v5
from tipstaff.accounts.models import Customer, InventoryVersion
from tipstaff.kernel.clock import now
from tipstaff.kernel.models import Heartbeat
from tipstaff.project.commands.running import free_port
from tipstaff.sensors.traffic import receiver, services, worker
from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.captures import Datagram
from tipstaff.sensors.traffic.models import Exporter
from tipstaff.sensors.traffic.replaying import replay
from tipstaff.sensors.traffic.worker import Flows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_a_change_of_prefixes_is_asked_for_and_looked_at_within_five_seconds() -> None:
    assert worker.STEP + receiver.LOOK < 5


def test_exporters_and_prefixes_follow_the_desk_while_flows_come_in(tmp_path) -> None:
    delivered(held("198.51.100.0/24", "rory-1", "2026-01-01"))
    port = free_port()
    flows = Flows(tmp_path, [("127.0.0.1", port)], {"hosts": 1000, "archive": {}})
    flows.prepare()

    def send() -> None:
        replay(
            [Datagram(v5([flow(src="198.51.100.7", dst="192.0.2.99")], wall=int(now().timestamp())), bytes(16), 0, 0)],
            "127.0.0.1",
            port,
            0,
        )

    def until(happened, seconds=600.0) -> None:
        ends = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < ends
            flows.step()
            time.sleep(0.2)

    try:
        until(lambda: "began_at" in flows._report())
        send()
        until(lambda: Exporter.objects.filter(address="127.0.0.1", confirmed_at=None).exists())
        assert flows._report()["flows"] == 0
        services.confirm(address="127.0.0.1", by="alice", now=now())
        until(lambda: all(session["counts"] for session in flows._report()["sessions"]))
        send()
        until(lambda: flows._report()["flows"] == 1)
        delivered(held("198.51.100.0/24", "rory-1", "2026-01-01"), held("198.51.100.7/32", "emma-1", "2026-01-01"))
        version = InventoryVersion.objects.get().number
        until(lambda: flows._report()["prefixes_version"] == version)
        send()
        until(lambda: flows._report()["flows"] == 2)
        until(lambda: Heartbeat.objects.filter(name="flows", line__contains="2 flows").exists())
        assert (tmp_path / "archive" / "holds.json").exists()
    finally:
        flows.stop()
    customers = {one.external_id: one.pk for one in Customer.objects.all()}
    rows = [row for one in files.stored(tmp_path / "archive") for row in pq.read_table(one.path).to_pylist()]
    assert [row["src_customer"] for row in sorted(rows, key=lambda row: row["ended"])] == [customers["rory"], customers["emma"]]
    assert {row["dst_customer"] for row in rows} == {0} and {row["exporter"] for row in rows} == {Exporter.objects.get().pk}
