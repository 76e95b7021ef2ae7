"""Two web servers and two workers around one database, as on several hosts: nothing is lost, nothing is done twice."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.arf import complaint
from tests.project.instances import ROOT
from tipstaff.intake.spool import Spool, accepted
from tipstaff.project.commands.running import free_port
from tipstaff.project.connections import APP, OWNER
from tipstaff.project.postgres import Cluster, make_state
from tipstaff.project.processes import wait_until

pytestmark = pytest.mark.slow
DONE = "SELECT count(*) FROM intake_submission WHERE state <> 'received'"
NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
MAILS = 1200  # more than a worker takes at once


class Host:
    """What one host runs: parts with a state directory of its own, and everything else by address."""

    def __init__(self, stack: ExitStack, state: Path, address: str) -> None:
        make_state(state)
        self.stack, self.state, self.port = stack, state, free_port()
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
        self.environment = ours | {
            "TIPSTAFF_STATE": str(state), "DATABASE_URL": address, "TIPSTAFF_SECRET_KEY": "shared", "TIPSTAFF_EVIDENCE_KEY": KEY,
            "TIPSTAFF_LISTEN": f"127.0.0.1:{self.port}",
        }  # fmt: skip

    def run(self, what: str) -> "subprocess.Popen[bytes]":
        out = self.stack.enter_context((self.state / f"{what}.log").open("wb"))
        command = [sys.executable, "-m", "tipstaff.project.cli", "run", what]
        part = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
        self.stack.callback(part.wait, 300)
        self.stack.callback(part.terminate)
        return part

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def said(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text()}" for log in self.state.glob("*.log"))


KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def cluster(open_place: Path) -> Iterator[Cluster]:
    state = open_place / "database"
    make_state(state)
    running = Cluster(state)
    running.start()
    environment = os.environ | {"DATABASE_URL": running.url(APP), "DATABASE_OWNER_URL": running.url(OWNER)}
    command = [sys.executable, "-m", "tipstaff.project.cli", "db", "migrate"]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)
    yield running
    running.stop()


def ask(cluster: Cluster, query: str) -> int:
    with psycopg.connect(cluster.url(APP)) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def fill(host: Host, name: str, count: int) -> None:
    mails = [
        complaint(f"{name}-{number}", f"192.0.2.{number % 250 + 1}", NOW - timedelta(minutes=number % 60))
        for number in range(count)
    ]
    Spool(host.state / "spool").put(
        [accepted(source="smtp", kind="smtp", content=mail.encode(), now=NOW, ref=f"{name}-{at}") for at, mail in enumerate(mails)]
    )


def test_two_webs_and_two_workers_share_a_database(cluster: Cluster, open_place: Path) -> None:
    with ExitStack() as stack:
        hosts = [Host(stack, open_place / name, cluster.url(APP)) for name in ("first", "second")]
        for host in hosts:
            # Evidence is on a file system that both hosts mount.
            (open_place / "evidence").mkdir(exist_ok=True)
            (host.state / "evidence").symlink_to(open_place / "evidence")
            fill(host, host.state.name, MAILS // 2)
        workers = [host.run("worker") for host in hosts]
        for host in hosts:
            host.run("web")
        assert wait_until(lambda: ask(cluster, DONE) > 0, 300, step=0.02), [host.said() for host in hosts]
        workers[0].send_signal(signal.SIGKILL)  # one host's worker dies amid its work, and is started again
        workers[0].wait()
        hosts[0].run("worker")
        assert wait_until(lambda: all(host.answers() for host in hosts), 300), [host.said() for host in hosts]
        assert wait_until(lambda: ask(cluster, DONE) == MAILS, 300, step=0.3), [host.said() for host in hosts]
        assert ask(cluster, "SELECT count(*) FROM reports_report") == MAILS
        assert ask(cluster, "SELECT count(DISTINCT submission_id) FROM reports_report") == MAILS
        assert ask(cluster, "SELECT count(*) FROM reports_event") == ask(cluster, "SELECT count(DISTINCT key) FROM reports_event")
        assert ask(cluster, "SELECT count(DISTINCT host || pid) FROM kernel_heartbeat WHERE name = 'worker'") >= 2
        assert all(not list((host.state / "spool").glob("*.msg")) for host in hosts)


def test_a_part_refuses_tables_of_another_version(cluster: Cluster, open_place: Path) -> None:
    with psycopg.connect(cluster.url(OWNER)) as connection:
        connection.execute("DELETE FROM django_migrations WHERE app = 'cases'")
    with ExitStack() as stack:
        host = Host(stack, open_place / "third", cluster.url(APP))
        host.environment["TIPSTAFF_PATIENCE"] = "1"
        part = host.run("worker")
        assert part.wait(30) == 1
        assert "tipstaff db migrate" in host.said()
