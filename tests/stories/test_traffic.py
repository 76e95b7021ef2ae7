"""Outbound scan in a capture → finding → case on the right customer → notice → corroborated complaint merges into it.

The capture is made here, replayed over UDP into the receiver as it runs, and taken further by the worker as it runs.
"""

import struct
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from tests.accounts.given import delivered, held
from tests.pipeline.given import deliver, event, policy, report
from tests.sensors.traffic.exporting import flow, v5
from tipstaff.accounts.models import Contact, Customer, OwnPrefix
from tipstaff.cases.models import Case, CaseReport
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.sources import findings
from tipstaff.intake.spool import Spool
from tipstaff.kernel.clock import now
from tipstaff.pipeline import corroborating, telling
from tipstaff.pipeline.worker import Worker
from tipstaff.project import processes
from tipstaff.project.commands.running import free_port
from tipstaff.reports.models import Corroboration, Event, Report
from tipstaff.sensors.traffic import services
from tipstaff.sensors.traffic.captures import read_capture
from tipstaff.sensors.traffic.replaying import replay
from tipstaff.sensors.traffic.worker import Flows

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
CAROL, DAVE, ROUTER = "198.51.100.7", "198.51.100.9", "127.0.0.1"
EVERY_PACKET = 1 << 14 | 1  # the header's sampling field: deterministic, 1 in 1
UNTIL = 90.0


def capture(path: Path, at: datetime, scanned: int = 600) -> Path:
    """A pcap of NetFlow 5: Carol's host tries SSH at very many addresses, Dave's browses; as a router would export it."""
    wall, uptime = int(at.timestamp()), 100_000
    times = {"first": uptime - 3_000, "last": uptime - 500}
    scan = [
        flow(src=CAROL, dst=f"203.0.{113 + number // 250}.{number % 250 + 1}", dst_port=22, src_port=40_000 + number,
             tcp_flags=2, bytes=40, packets=1, **times)
        for number in range(scanned)
    ]  # fmt: skip
    ordinary = [flow(src=DAVE, dst="203.0.113.80", src_port=50_000 + number, **times) for number in range(20)]
    rows, out, sequence = ordinary + scan, [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 101)], 0
    for start in range(0, len(rows), 30):
        part = rows[start : start + 30]
        payload = v5(part, sequence=sequence, uptime=uptime, wall=wall, sampling=EVERY_PACKET)
        sequence += len(part)
        udp = struct.pack(">HHHH", 40_000, 2055, 8 + len(payload), 0) + payload
        ends = ip_address("192.0.2.1").packed + ip_address("192.0.2.2").packed
        packet = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends + udp
        out.append(struct.pack("<IIII", wall, 0, len(packet), len(packet)) + packet)
    path.write_bytes(b"".join(out))
    return path


@pytest.fixture
def place(tmp_path, settings) -> Path:
    settings.STATE, settings.SPOOL = tmp_path, tmp_path / "spool"
    settings.EVIDENCE_STORE = ""
    return tmp_path


def inventory() -> None:
    """The provider's own systems speak: who holds what, as of this moment."""
    delivered(held(f"{CAROL}/32", "carol-1", "2026-01-01"), held(f"{DAVE}/32", "dave-1", "2026-01-01"), now=now())


def test_a_scan_in_the_flows_becomes_a_case_that_a_complaint_confirms(place) -> None:
    OwnPrefix.objects.create(prefix="198.51.100.0/24")
    inventory()
    policy()
    carol = Customer.objects.get(external_id="carol")
    Contact.objects.create(customer=carol, name="Carol", email="abuse@carol.example")
    services.confirm(address=ROUTER, name="edge-1", sampling_rate=1, by="bob", now=now())
    port = free_port()
    flows = Flows(place / "flows", [("127.0.0.1", port)], {"hosts": 10_000, "archive": {}})
    flows.prepare()

    def until(happened) -> bool:
        def looked() -> bool:
            flows.step()
            return bool(happened())

        return processes.wait_until(looked, UNTIL, 0.2)

    folder, spool = place / "flows" / "findings", Spool(place / "spool")
    worker = Worker(spool)
    try:
        assert until(lambda: "began_at" in flows._report() and flows._report()["prefixes_version"] > 0)
        replay(read_capture(capture(place / "scan.pcap", now()).read_bytes()), "127.0.0.1", port, 0)
        assert until(lambda: list(folder.glob("*.json"))), "the detector says nothing"
        inventory()  # its next delivery: what the event's holder was then, is certain now
        while findings.take(folder, spool, now=now()):
            pass
        while worker.step():
            pass
        assert until(lambda: list((place / "flows" / "archive").glob("*/*.parquet"))), "the archive keeps nothing"
    finally:
        flows.stop()

    case = Case.objects.get()
    assert (case.customer, case.category, case.headline) == (carol, "scan", CAROL), "on the right customer, and on nobody else"
    found = Event.objects.filter(case_id=case.pk).first().details["finding"]
    assert found["detector"] == "horizontal_scan" and found["figures"]["fan_out"] >= 120
    assert found["top_ports"][0]["port"] == 22 and found["sampling_rate"] == 1 and found["sample_flows"]
    assert case.state == "TICKETED", case.needs_person

    telling.tell(now=now())
    letter = OutboxMessage.objects.get(reference=f"case:{case.pk}", audience="customer")
    assert letter.recipient == "abuse@carol.example"

    seen_at = datetime.fromisoformat(found["opened_at"]).astimezone(UTC)
    victim = found["top_peers"][0]["address"]
    details = {"victim_ips": [victim], "victim_ports": [22], "protocol": "tcp"}
    deliver(report(event(CAROL, at=seen_at, details=details), category="scan"), now=now())
    case.refresh_from_db()
    assert Case.objects.count() == 1 and (case.reports, case.reporters) == (CaseReport.objects.count(), 2)
    corroborating.Looker().step(now() + timedelta(seconds=1))
    row = Corroboration.objects.get()
    complaint = Report.objects.get(format="xarf-4")
    assert (row.report_id, row.case_id, row.verdict) == (complaint.pk, case.pk, "seen"), row.reason
    complaint.refresh_from_db()
    assert complaint.verification["flows"] == "seen"
