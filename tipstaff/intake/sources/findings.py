"""Findings of our own traffic detectors, from the folder that the detectors write into, into the spool.

A document is claimed by a rename, so that the detectors may write the next one under the same name meanwhile and no two workers
take one. Its reference is the finding's id and what it says: taken twice after a kill, it is one submission. It needs no database.
"""

import hashlib
import logging
import os
from datetime import datetime
from pathlib import Path

from tipstaff.intake.parsers.flow_finding import KIND, SOURCE
from tipstaff.intake.spool import Accepted, Spool, accepted
from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic.detection.findings import from_json

log = logging.getLogger(__name__)
MOST = 200  # documents of one turn
LARGEST = 1_000_000  # bytes of a document
CLAIMED, REFUSED = "taken", "refused"  # folders beside the documents


def take(folder: Path, spool: Spool, *, now: datetime) -> int:
    """Move what lies in the folder into the spool; how many documents. What cannot be read is put aside, and said."""
    if not folder.is_dir():
        return 0
    claims = _claimed(folder)
    items = [(path, item) for path in claims if (item := _item(path, folder, now)) is not None]
    if items:
        spool.put([item for _, item in items])
    for path, _ in items:
        path.unlink(missing_ok=True)
    return len(items)


def _claimed(folder: Path) -> list[Path]:
    """Documents that are this taker's: newly claimed, and what a taker that was killed had claimed."""
    taken = folder / CLAIMED
    taken.mkdir(mode=0o700, exist_ok=True)
    found = [path for path in sorted(taken.iterdir()) if not _held(path)]
    for path in sorted(folder.glob("*.json"))[: max(MOST - len(found), 0)]:
        claim = taken / f"{path.stem}.{os.getpid()}.{os.urandom(6).hex()}.json"
        try:
            path.rename(claim)
        except FileNotFoundError:
            continue  # another worker was quicker
        found.append(claim)
    return found[:MOST]


def _held(claim: Path) -> bool:
    """Whether another living process of this host has it."""
    pid = claim.name.split(".")[-3] if claim.name.count(".") >= 3 else ""
    if not pid.isdecimal() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _item(path: Path, folder: Path, now: datetime) -> Accepted | None:
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST} bytes")
        content = path.read_bytes()
        finding = from_json(content)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, InputError) as error:
        aside = folder / REFUSED
        aside.mkdir(mode=0o700, exist_ok=True)
        path.rename(aside / path.name)
        log.error("finding %s cannot be taken, it lies in %s: %s", path.name, aside, error)
        return None
    ref = f"{finding.id}/{hashlib.sha256(content).hexdigest()[:24]}"
    return accepted(source=SOURCE, kind=KIND, content=content, now=now, ref=ref, filename=f"{finding.id}.json")
