"""What was accepted is never lost and never handled twice: real programs, real kills, a real full disk."""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.project.conftest import open_place  # noqa: F401 - a fixture
from tests.project.instances import PATIENCE, ROOT, Instance
from tests.stories.pouring import Books, Poured, pour
from tipstaff.project.connections import APP, OWNER
from tipstaff.project.postgres import Cluster, make_state
from tipstaff.project.processes import answers, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's signals and limits")]
POURING = 20.0  # seconds of mail while things die
KILLED = ("worker-1", "intake", "database")


def spooled(state: Path) -> int:
    return len(list((state / "spool").glob("*.msg")))


def listens(port: int) -> bool:
    return answers("127.0.0.1", port)


@pytest.fixture
def place(open_place: Path, request: pytest.FixtureRequest) -> Path:  # noqa: F811
    return open_place / request.node.name[:30]


@pytest.fixture
def instance(place: Path) -> Iterator[Instance]:
    found = Instance(place)
    yield found
    found.kill_everything()


def settled(books: Books, state: Path, seconds: float = PATIENCE) -> bool:
    """Whether the spool became empty and every submission was read."""
    return wait_until(lambda: spooled(state) == 0 and books.waiting() == 0, seconds, step=0.2)


def _all_killed(killed: list[str]) -> bool:
    return set(killed) == set(KILLED) and len(killed) >= 8


def test_mail_pours_in_while_parts_are_killed_at_random(instance: Instance) -> None:
    instance.start().ready()
    assert wait_until(lambda: listens(instance.smtp_port), PATIENCE), instance.said()
    poured, chance, killed = Poured(), random.Random(), []
    ends, enough = time.monotonic() + POURING, threading.Event()
    senders = pour(instance.smtp_port, poured, enough.is_set)
    # As long as it was meant, and on a slow machine until there was enough of both.
    while (now := time.monotonic()) < ends + PATIENCE:
        if now >= ends and _all_killed(killed) and len(poured.accepted) > 200:
            break
        time.sleep(chance.uniform(0.1, 1.2))
        if now >= ends and _all_killed(killed):
            continue
        name = chance.choice(KILLED)
        pid = instance.children().get(name)
        if pid and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
            killed.append(name)
    enough.set()
    for sender in senders:
        sender.join(PATIENCE)
    assert _all_killed(killed), killed
    assert len(poured.accepted) > 200, (len(poured.accepted), instance.said())
    books = Books(Cluster(instance.state))
    assert settled(books, instance.state), (books.waiting(), spooled(instance.state), instance.said())
    books.check(poured)
    assert instance.stop() == 0


class Parts:
    """The intake and a worker around a database that the test starts and stops."""

    def __init__(self, stack: ExitStack, place: Path) -> None:
        self.stack, self.state, self.instance = stack, place / "desk", Instance(place / "desk")
        make_state(self.state)
        make_state(place / "database")
        self.cluster = Cluster(place / "database")
        self.cluster.start()
        stack.callback(self.cluster.stop)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
        self.environment = environment | {
            "TIPSTAFF_STATE": str(self.state), "DATABASE_URL": self.cluster.url(APP), "DATABASE_OWNER_URL": self.cluster.url(OWNER),
            "TIPSTAFF_SMTP_LISTEN": f"127.0.0.1:{self.instance.smtp_port}", "TIPSTAFF_PATIENCE": "5",
        }  # fmt: skip
        migrate = [sys.executable, "-m", "tipstaff.project.cli", "db", "migrate"]
        subprocess.run(migrate, env=self.environment, cwd=ROOT, check=True, capture_output=True)

    @property
    def port(self) -> int:
        return self.instance.smtp_port

    def run(self, what: str, largest_file: int | None = None) -> "subprocess.Popen[bytes]":
        def limit() -> None:
            if largest_file is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

        out = self.stack.enter_context((self.state / f"{what}.out").open("ab"))
        command = [sys.executable, "-m", "tipstaff.project.cli", "run", what]
        part = subprocess.Popen(
            command, env=self.environment, cwd=ROOT, stdout=out, stderr=out, start_new_session=True, preexec_fn=limit
        )
        self.stack.callback(part.wait, PATIENCE)
        self.stack.callback(part.terminate)
        if what == "intake":
            assert wait_until(lambda: listens(self.port), PATIENCE), self.said()
        return part

    def said(self) -> str:
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in self.state.glob("*.out"))


@pytest.fixture
def parts(place: Path) -> Iterator[Parts]:
    with ExitStack() as stack:
        yield Parts(stack, place)


def test_mail_is_accepted_while_the_database_is_away_even_after_a_kill(parts: Parts) -> None:
    poured, books = Poured(), Books(parts.cluster)
    intake = parts.run("intake")
    worker = parts.run("worker")
    poured.send(parts.port, (f"before-{number}" for number in range(30)))
    parts.cluster.stop()
    poured.send(parts.port, (f"away-{number}" for number in range(30)))
    intake.send_signal(signal.SIGKILL)
    intake.wait()
    parts.run("intake")  # starts without a database
    poured.send(parts.port, (f"again-{number}" for number in range(30)))
    assert len(poured.accepted) == 90, (poured.refused, poured.unanswered, parts.said())
    assert spooled(parts.state) >= 60
    parts.cluster.start()
    if worker.poll() is not None:
        parts.run("worker")
    assert settled(books, parts.state), parts.said()
    books.check(poured)
    assert len(books.ask("SELECT 1 FROM intake_submission")) == 90


@pytest.fixture
def small_disk(parts: Parts) -> Iterator[Path]:
    """A file system of a megabyte below the spool."""
    spool = parts.state / "spool"
    spool.mkdir(mode=0o700, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(spool)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system here: {mounted.stderr.strip()}")
    yield spool
    subprocess.run(["umount", "-l", str(spool)], check=True)


def test_a_full_disk_refuses_for_now_and_takes_again_when_there_is_room(parts: Parts, small_disk: Path) -> None:
    poured, books = Poured(), Books(parts.cluster)
    parts.run("intake")
    poured.send(parts.port, (f"fill-{number}" for number in range(40)), padding=60_000)
    assert 5 < len(poured.accepted) < 20
    assert set(poured.refused.values()) == {452} and not poured.unanswered
    assert list(small_disk.glob("*.new")) == []  # nothing half-written takes the room
    full = len(poured.accepted)
    parts.run("worker")
    assert settled(books, parts.state), parts.said()
    poured.send(parts.port, (f"room-{number}" for number in range(10)), padding=60_000)
    assert len(poured.accepted) == full + 10, poured.refused
    assert settled(books, parts.state), parts.said()
    books.check(poured)
    assert len(books.ask("SELECT 1 FROM intake_submission")) == full + 10


def test_a_file_that_may_not_grow_is_a_temporary_refusal(parts: Parts) -> None:
    """The same without root: a limit on the size of files stands for a quota."""
    poured, books = Poured(), Books(parts.cluster)
    parts.run("intake", largest_file=50_000)
    poured.send(parts.port, ["large-1", "large-2"], padding=200_000)
    poured.send(parts.port, [f"small-{number}" for number in range(5)])
    assert poured.refused == {"large-1": 452, "large-2": 452}
    assert len(poured.accepted) == 5
    parts.run("worker")
    assert settled(books, parts.state), parts.said()
    books.check(poured)
