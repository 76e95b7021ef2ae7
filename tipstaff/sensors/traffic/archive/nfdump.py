"""Flows that another collector keeps as nfdump files, read by the nfdump program itself, for corroboration.

nfdump has multiplied packets by the sampling rate already, and does not tell the rate; where the operator does not name it
either, finding nothing there says nothing.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson

from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.sensors.traffic.archive.corroborating import MOST
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.corroboration import Claim, Seen, Watch, bare

NOTHING = b"No matching flows"  # what it writes between the brackets, instead of nothing
TIME_LIMIT = 60  # seconds for one question
ROTATION = timedelta(hours=1)  # the longest that a file usually covers


class Nfdump:
    """A folder of nfcapd's files, in any layout of subfolders. ``rate``: 1 in so many; 0: not known."""

    name = "nfdump"

    def __init__(self, folder: Path, *, rate: int = 0, program: str = "nfdump") -> None:
        self.folder, self.rate = folder, rate
        found = shutil.which(program)
        if found is None:
            advice = "install the package nfdump, or leave the setting empty"
            raise InputError(Problem("TIPSTAFF_FLOW_NFDUMP", f"the program {program} is not installed", advice))
        self.program: str = found

    def flows(self, address: str, span: Span, claim: Claim) -> list[Seen]:
        """Flows from an address in a span that can be what is claimed."""
        words = [self.program, "-R", str(self.folder), "-t", window(span), "-c", str(MOST), "-o", "json", condition(address, claim)]
        if not self._files(span):
            return []
        try:
            answer = subprocess.run(
                words,
                capture_output=True,
                timeout=TIME_LIMIT,
                check=True,
                env={"TZ": "UTC", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired as error:
            raise Refused(f"nfdump gave no answer within {TIME_LIMIT} s") from error
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            raise Refused(f"nfdump: {said.decode('utf-8', 'replace').strip()[:300]}") from error
        return [flow for flow in map(seen, records(answer.stdout)) if flow is not None]

    def watch(self, span: Span) -> Watch:
        """Whether files of that time are there at all."""
        known = self._moments()
        rates = [self.rate or None] if self._files(span) else []
        return Watch(rates, min(known) if known else None)

    def _moments(self) -> list[datetime]:
        return [at for path in self.folder.rglob("nfcapd.2*") if (at := began(path.name)) is not None]

    def _files(self, span: Span) -> bool:
        return any(span.start - ROTATION <= at <= span.end for at in self._moments())


def began(name: str) -> datetime | None:
    """When a file begins, by its name; nfcapd names them by the clock of its host."""
    digits = name.rpartition(".")[2]
    form = {12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not digits.isdecimal():
        return None
    try:
        return datetime.strptime(digits, form).astimezone(UTC)
    except ValueError:
        return None


def window(span: Span) -> str:
    """A span as nfdump takes it, in UTC."""
    return "-".join(f"{at.astimezone(UTC):%Y/%m/%d.%H:%M:%S}" for at in (span.start, span.end))


def condition(address: str, claim: Claim) -> str:
    """What is claimed in nfdump's filter language: only addresses and numbers that were read as such."""
    parts = [f"src ip {bare(address)}"]
    parts += [f"dst ip {bare(claim.peer)}"] if claim.peer else []
    parts += [f"dst port {int(claim.peer_port)}"] if claim.peer_port is not None else []
    parts += [f"src port {int(claim.local_port)}"] if claim.local_port is not None else []
    parts += [f"proto {int(claim.protocol)}"] if claim.protocol is not None else []
    return " and ".join(parts)


def records(output: bytes) -> Sequence[dict[str, Any]]:
    """nfdump's JSON: a list, with words around it that are none; empty where nothing was found."""
    first, last = output.find(b"["), output.rfind(b"]")
    if first < 0 or last < first or NOTHING in output[first:last]:
        return []
    try:
        found = orjson.loads(output[first : last + 1])
    except orjson.JSONDecodeError as error:
        raise Refused("nfdump answered something that is no JSON: is it 1.6.18 or newer?") from error
    return [one for one in found if isinstance(one, dict)]


def seen(record: dict[str, Any]) -> Seen | None:
    """One record as corroboration reads it; None where it has no address (events of firewalls)."""
    peer = record.get("dst4_addr") or record.get("dst6_addr")
    if not peer or "first" not in record or "last" not in record:
        return None
    start, end = (datetime.fromisoformat(record[name]).replace(tzinfo=UTC) for name in ("first", "last"))
    return Seen(
        start, end, str(ip_address(peer)), int(record.get("dst_port", 0)), int(record.get("src_port", 0)),
        int(record.get("proto", 0)),
        int(record.get("in_packets", 0)), None, source=Nfdump.name,
    )  # fmt: skip
