"""What ``tipstaff doctor`` looks at on this machine. Each check gives findings; none of them changes anything."""

import ctypes
import json
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tipstaff.kernel.errors import TipstaffError
from tipstaff.project import connections, environment, memory, processes
from tipstaff.project.postgres import MAJOR, refuse_other_major, wheel_binaries
from tipstaff.project.state import is_running

OK, WARN, FAIL = "ok", "warn", "fail"
GB = 1024**3
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@dataclass(frozen=True)
class Finding:
    """One line: how bad, what was looked at, what was found, and what to do."""

    level: str
    what: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.what:<14} {self.found}" + (f"\n{'':<20} → {self.advice}" if self.advice else "")


def python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(OK if sys.version_info >= (3, 11) else FAIL, "python", f"{version} at {sys.executable}")


def packages() -> Iterator[Finding]:
    """Every package that ours needs is installed, and has the parts that are compiled."""
    missing = []
    needed = [line for line in metadata.requires("tipstaff") or [] if "extra ==" not in line]
    for line in needed:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(FAIL, "packages", f"not installed: {', '.join(missing)}", "install from requirements.lock again")
    else:
        yield Finding(OK, "packages", f"{len(needed)} packages and what they need")


def account() -> Iterator[Finding]:
    if processes.is_root():
        advice = "make an account named tipstaff and run Tipstaff as it; ports below 1024 need a capability only"
        yield Finding(WARN, "account", "everything but the database runs as root", advice)
    else:
        yield Finding(OK, "account", f"uid {os.geteuid()}")


def machine_memory() -> Iterator[Finding]:
    total, state = memory.machine_bytes(), environment.state_directory()
    share = memory.postgres_settings(state)["shared_buffers"]
    level = WARN if total < 2 * GB else OK
    advice = "2 GB are the least that large feeds run well with" if level == WARN else ""
    yield Finding(level, "memory", f"{total / GB:.1f} GB, of which {share} shared buffers of the embedded database", advice)


def state_directory() -> Iterator[Finding]:
    state = environment.state_directory()
    if not state.exists():
        yield Finding(WARN, "state", f"{state} does not exist yet", "`tipstaff up` makes it")
        return
    if not os.access(state, os.W_OK):
        yield Finding(FAIL, "state", f"{state} is not writable", "give it to the account that runs Tipstaff")
        return
    yield Finding(OK, "state", str(state))
    for name in ("secret.key", "evidence.key"):
        path = state / name
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding(FAIL, "keys", f"{path} is open to others", f"chmod 600 {path}")
    flows = state / "flows"
    if flows.exists() and flows.stat().st_mode & 0o077:
        yield Finding(FAIL, "flows", f"{flows} is open to others: it says who talked to whom", f"chmod 700 {flows}")
    try:
        refuse_other_major(state)
    except TipstaffError as error:
        yield Finding(FAIL, "state", str(error))


def disk() -> Iterator[Finding]:
    nearest = _existing(environment.state_directory())
    usage = shutil.disk_usage(nearest)
    text = f"{usage.free / GB:.1f} GB of {usage.total / GB:.0f} GB free at {nearest}"
    if usage.free < GB:
        yield Finding(FAIL, "disk", text, "free some: below 1 GB mail is refused for now rather than lost")
    elif usage.free < usage.total / 10 and usage.free < 20 * GB:
        yield Finding(WARN, "disk", text, "free some, or shorten retention")
    else:
        yield Finding(OK, "disk", text)


def fsync_time() -> Iterator[Finding]:
    """How long the disk takes to promise something, the floor under every acceptance of a mail."""
    nearest = _existing(environment.state_directory())
    if not os.access(nearest, os.W_OK):
        return
    with tempfile.NamedTemporaryFile(dir=nearest, prefix=".doctor-") as handle:
        taken = [_one_fsync(handle.fileno()) for _ in range(15)]
    middle = statistics.median(taken) * 1000
    advice = "use a disk that syncs faster, or one with a protected write cache" if middle > 20 else ""
    yield Finding(WARN if middle > 20 else OK, "fsync", f"{middle:.1f} ms", advice)


def _one_fsync(descriptor: int) -> float:
    began = time.perf_counter()
    os.pwrite(descriptor, os.urandom(4096), 0)
    os.fsync(descriptor)
    return time.perf_counter() - began


def clock() -> Iterator[Finding]:
    """Deadlines and attribution live on the clock: it should be kept right by somebody."""
    if not sys.platform.startswith("linux"):
        return
    answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(256))
    if answer == TIME_ERROR:
        yield Finding(WARN, "clock", "is not synchronised", "run chrony or systemd-timesyncd (not inside a container)")
    else:
        yield Finding(OK, "clock", "is synchronised" if answer >= 0 else "cannot be asked here")


def spool() -> Iterator[Finding]:
    directory = environment.state_directory() / "spool"
    if not directory.exists():
        yield Finding(OK, "spool", "empty, not made yet")
        return
    if not os.access(directory, os.W_OK):
        yield Finding(FAIL, "spool", f"{directory} is not writable", "give it to the account that runs Tipstaff")
        return
    there = list(directory.iterdir())
    kinds = Counter(name.suffix for name in there)
    waiting, broken = kinds[".msg"], kinds[".broken"]
    advice = "the worker is away or behind: see STATE/log/worker-1.log" if waiting > 1000 else ""
    yield Finding(WARN if waiting > 1000 else OK, "spool", f"{waiting} accepted and waiting", advice)
    if shut := sum(name.suffix == ".msg" and _cannot_be_read(name) for name in there):
        advice = f"give the files in {directory} to the account that runs Tipstaff, or look at the disk; they are tried again"
        yield Finding(FAIL, "spool", f"{shut} of those cannot be read", advice)
    if broken:
        advice = f"look at the disk and the files in {directory}; one that is whole is taken again when it ends in .msg"
        yield Finding(FAIL, "spool", f"{broken} accepted that nobody can read, set aside as .broken", advice)


def _cannot_be_read(path: Path) -> bool:
    try:
        with path.open("rb", buffering=0) as handle:
            handle.read(1)
    except FileNotFoundError:  # a worker took it
        return False
    except OSError:
        return True
    return False


def ports() -> Iterator[Finding]:
    running = is_running(environment.state_directory())
    for name, what, child in (("listen", "web", "web"), ("smtp_listen", "mail intake", "intake")):
        address = environment.address(name)
        where = f"{address[0]}:{address[1]}" if address else "off"
        if running and (note := _up_elsewhere(child, where)):
            yield Finding(OK, "ports", f"{what}: {note}, as `tipstaff up` was told")
        elif address is None or (name == "smtp_listen" and not _takes_mail(running)):
            yield Finding(OK, "ports", f"{what}: off")
        else:
            yield _port(name, what, address, running)


def _port(name: str, what: str, address: tuple[str, int], running: bool) -> Finding:
    taken, where = processes.answers(*address), f"{address[0]}:{address[1]}"
    if taken == running:
        return Finding(OK, "ports", f"{what}: {where} {'answers' if taken else 'is free'}")
    if taken:
        advice = f"choose another with TIPSTAFF_{name.upper()}"
        return Finding(FAIL, "ports", f"{what}: {where} is taken by another program", advice)
    return Finding(WARN, "ports", f"{what}: {where} does not answer", "see `tipstaff status` and STATE/log")


def _children() -> list[dict[str, Any]]:
    """What the supervisor last wrote of its children; none where it wrote nothing that can be read."""
    try:
        known = json.loads((environment.state_directory() / "status.json").read_text())
        return [{"name": one["name"], "state": one["state"], "note": str(one["note"])} for one in known["children"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _up_elsewhere(child: str, where: str) -> str:
    """Where a child of the running supervisor says it listens, when a flag gave it another address than ``where``; else ''."""
    notes = [one["note"] for one in _children() if one["name"] == child and one["state"] == "up"]
    return notes[0] if notes and where not in notes[0].split(",")[0] else ""


def _takes_mail(running: bool) -> bool:
    """Whether there is an intake at all: a running `tipstaff up` knows, else the setting says."""
    known = _children() if running else []
    return any(one["name"] == "intake" for one in known) if known else environment.flag("intake")


def _smtp_listens() -> str:
    """Where mail is taken by SMTP, as HOST:PORT: by what `tipstaff up` was told while it runs; '' where none is taken."""
    running = is_running(environment.state_directory())
    if not _takes_mail(running):
        return ""
    notes = [one["note"] for one in _children() if one["name"] == "intake"] if running else []
    stated = re.match(r"SMTP ([^\s,]+)", notes[0]) if notes else None
    text = stated[1] if stated else environment.get("smtp_listen")
    return "" if text == "off" else text


def reachable_by_others() -> Iterator[Finding]:
    url, smtp = environment.get("public_url"), _smtp_listens()
    if not url:
        yield Finding(WARN, "links", "TIPSTAFF_PUBLIC_URL is not set: links lead to this machine only", "set it to https://…")
    elif not url.startswith("https://"):
        yield Finding(WARN, "links", f"{url} is not https: passwords travel in the clear", "put a TLS proxy in front")
    else:
        yield Finding(OK, "links", url)
    if not smtp:
        yield Finding(OK, "mail", "no mail is taken by SMTP; mailboxes and other sources: `tipstaff source list`")
    elif smtp.rpartition(":")[0].strip("[]") in {"", "127.0.0.1", "::1", "localhost"}:
        advice = "fine behind a mail server that hands mail on; else set TIPSTAFF_SMTP_LISTEN"
        yield Finding(OK, "mail", f"the intake listens on {smtp}, for this machine only", advice)
    if environment.flag("debug"):
        yield Finding(FAIL, "debug", "TIPSTAFF_DEBUG is on: pages show the inside of the program", "switch it off")


def shadow_mode() -> Iterator[Finding]:
    if environment.flag("shadow"):
        text = "on: no mail, alert or retest leaves this machine, and no connector is used"
        yield Finding(WARN, "shadow mode", text, "meant for a copy of another desk's mail; unset TIPSTAFF_SHADOW to work for real")


def proxies() -> Iterator[Finding]:
    named = environment.networks("proxies")
    if named:
        advice = "they must drop header names with underscores (X_Forwarded_For): nginx does, others when told"
        yield Finding(OK, "proxies", f"believed: {', '.join(map(str, named))}", advice)
    elif environment.get("public_url").startswith("https://"):
        text = "people come through a proxy that is not named: to the limits on guessing and sending all of them are one address"
        yield Finding(WARN, "proxies", text, "name its address in TIPSTAFF_PROXIES, and have it add to X-Forwarded-For")


def kernel() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    level = WARN if soft < 1024 else OK
    yield Finding(level, "open files", f"{soft} (up to {hard})", "raise it to 4096 (ulimit -n)" if level == WARN else "")
    backlog = Path("/proc/sys/net/core/somaxconn")
    if backlog.exists() and (size := int(backlog.read_text())) < 1024:
        yield Finding(WARN, "backlog", f"net.core.somaxconn is {size}", "sysctl -w net.core.somaxconn=4096")


def programs() -> Iterator[Finding]:
    if connections.is_external():
        yield Finding(OK, "database", "external (DATABASE_URL)")
        return
    try:
        yield Finding(OK, "database", f"embedded, PostgreSQL {MAJOR} from {wheel_binaries(MAJOR).parent.name}")
    except TipstaffError as error:
        yield Finding(FAIL, "database", str(error))


def _existing(path: Path) -> Path:
    return next(found for found in (path, *path.parents) if found.exists())


MACHINE: tuple[Callable[[], Iterator[Finding]], ...] = (
    python, packages, account, machine_memory, state_directory, disk, fsync_time, clock, kernel, ports,
    reachable_by_others, proxies, shadow_mode, spool, programs,
)  # fmt: skip
