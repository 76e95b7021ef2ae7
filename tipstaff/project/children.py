"""The programs that make up a running Tipstaff, and the command of each; every one also runs alone on another host."""

import sys
from dataclasses import dataclass
from importlib.util import find_spec

from tipstaff.project import environment

# Loops that ``tipstaff run NAME`` runs: a function ``run(stop: threading.Event) -> None`` that returns soon after
# ``stop`` is set. Django is loaded and the database is up and migrated when it is called, save for WITHOUT_DATABASE.
LOOPS = {
    "worker": "tipstaff.project.worker:run",
    "intake": "tipstaff.intake.worker:run",
    "flows": "tipstaff.project.flows:run",
    "clocks": "tipstaff.project.clocks:run",
    "mailer": "tipstaff.pipeline.mailer:run",
    "enforcement": "tipstaff.enforcement.worker:run",
    "sealer": "tipstaff.audit.sealer:run",  # also beside every worker; one works at a time
}
WITHOUT_DATABASE = {"intake", "flows"}  # mail is accepted into the spool while the database is away, from the first moment on


@dataclass(frozen=True)
class Child:
    """One program under the supervisor: its name, its command, and how long it may take to stop, in seconds."""

    name: str
    command: tuple[str, ...]
    note: str = ""
    grace: float = 10


def exists(name: str) -> bool:
    """Whether the loop ``name`` is part of this installation."""
    try:
        return find_spec(LOOPS[name].partition(":")[0]) is not None
    except ModuleNotFoundError:
        return False


def ours(*words: str) -> tuple[str, ...]:
    """The command line of one of our own commands, run by this very interpreter."""
    return (sys.executable, "-m", "tipstaff.project.cli", *words)


def children() -> list[Child]:
    """What ``tipstaff up`` starts beside the database, in the order of their status lines."""
    host, port = environment.address("listen") or ("127.0.0.1", 8700)
    found = [Child("web", ours("run", "web"), f"http://{host}:{port}")]
    if exists("worker"):
        count = environment.number("workers")
        found += [Child(f"worker-{number}", ours("run", "worker"), "pipeline") for number in range(1, count + 1)]
    if exists("clocks"):
        found.append(Child("clocks", ours("run", "clocks"), "deadlines, alerts, retests", grace=20))
    if exists("enforcement"):
        found.append(Child("enforcement", ours("run", "enforcement"), "orders", grace=20))
    if exists("mailer"):
        where = {"on": environment.get("smarthost"), "local": "local outbox, nothing leaves", "off": "sending is off"}
        said = "shadow mode: nothing leaves" if environment.flag("shadow") else where[environment.sending()]
        found.append(Child("mailer", ours("run", "mailer"), said, grace=20))
    if exists("intake") and environment.flag("intake"):
        lmtp = environment.get("lmtp_listen")
        said = f"SMTP {environment.get('smtp_listen')}" + (f", LMTP {lmtp}" if lmtp not in ("", "off") else "")
        found.append(Child("intake", ours("run", "intake"), said))
    if exists("flows") and environment.get("flow_listen"):
        found.append(Child("flows", ours("run", "flows"), f"UDP {environment.get('flow_listen')}", grace=30))
    return found
