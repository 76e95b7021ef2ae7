"""How many XARF documents a second are parsed and fully validated: schema, addresses, times, base64, hashes, sizes."""

import base64
import hashlib
import multiprocessing
import os
import time
from typing import Any
from uuid import UUID

import orjson

from tipstaff.intake.parsers import xarf
from tipstaff.kernel.errors import TipstaffError

PARTY = {"org": "Example Sensors", "contact": "rita@example.org", "domain": "example.org"}
#: One of each kind that is sent most, with the fields that its schema wants.
KINDS: tuple[dict[str, Any], ...] = (
    {"category": "connection", "type": "login_attack", "source_port": 40022, "protocol": "tcp", "destination_port": 22,
     "destination_ip": "198.51.100.9", "first_seen": "2026-11-02T10:00:00Z", "evidence_source": "honeypot"},
    {"category": "content", "type": "phishing", "url": "https://login.example.com/secure", "evidence_source": "user_report"},
    {"category": "messaging", "type": "spam", "protocol": "smtp", "smtp_from": "someone@example.com", "source_port": 25025,
     "subject": "buy this", "evidence_source": "spamtrap"},
    {"category": "vulnerability", "type": "open_service", "service": "ntp", "service_port": 123, "protocol": "udp",
     "evidence_source": "automated_scan"},
    {"category": "connection", "type": "port_scan", "source_port": 55555, "protocol": "tcp", "first_seen": "2026-11-02T10:00:00Z",
     "evidence_source": "flow_analysis"},
)  # fmt: skip


def document(number: int) -> bytes:
    """A document of version 4 with a log as evidence; one in six sources is IPv6."""
    address = f"2001:db8::{number % 65535:x}" if number % 6 == 0 else f"192.0.2.{number % 254 + 1}"
    log = f"Nov  2 10:{number % 60:02}:01 mx sshd[{number}]: Failed password for root from {address}\n".encode() * 4
    evidence = {
        "content_type": "text/plain", "description": "log", "payload": base64.b64encode(log).decode(), "size": len(log),
        "hash": f"sha256:{hashlib.sha256(log).hexdigest()}",
    }  # fmt: skip
    head = {
        "xarf_version": "4.2.0", "report_id": str(UUID(int=number | 4 << 76 | 2 << 62)), "timestamp": "2026-11-02T10:15:00Z",
        "reporter": PARTY, "sender": PARTY, "source_identifier": address, "evidence": [evidence],
    }  # fmt: skip
    return orjson.dumps(head | KINDS[number % len(KINDS)])


def read(rows: int, start: int, gate: Any, results: Any) -> None:
    """Read ``rows`` documents, 5,000 different ones; tells its wall and CPU seconds, or why one was refused."""
    documents = [document(start + number) for number in range(min(rows, 5000))]
    for content in documents[:100]:
        xarf.read_document(content)  # compiles the schemas
    gate.wait(120)
    began, cpu, told = time.perf_counter(), time.process_time(), ""
    for number in range(rows):
        draft, problems = xarf.read_document(documents[number % len(documents)])
        if draft is None:
            told = str(problems[0])
    results.put((time.perf_counter() - began, time.process_time() - cpu, sum(map(len, documents)) / len(documents), told))


def run(*, rows: int = 100_000) -> dict[str, Any]:
    """Parse and validate ``rows`` documents, in as many processes as there are cores; every one must come out as a draft."""
    processes = min(os.cpu_count() or 1, 2)
    spawn = multiprocessing.get_context("spawn")
    gate, results = spawn.Barrier(processes), spawn.Queue()
    share = max(1, rows // processes)
    readers = [spawn.Process(target=read, args=(share, at * 5000, gate, results)) for at in range(processes)]
    for reader in readers:
        reader.start()
    found = [results.get(timeout=600) for _ in readers]
    for reader in readers:
        reader.join()
    if refused := [told for *_, told in found if told]:
        raise TipstaffError(f"documents were refused, such as for {refused[0]}")
    done = share * processes
    return {
        "documents_per_s": round(done / max(wall for wall, *_ in found)),
        "cpu_us_per_document": round(sum(cpu for _, cpu, *_ in found) * 1e6 / done, 1),
        "documents": done,
        "processes": processes,
        "bytes_per_document": round(found[0][2]),
        "cores": os.cpu_count(),
    }
