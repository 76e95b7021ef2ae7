"""The same promise for the HTTP API, mailboxes and drop folders: what was accepted is there once, whatever is killed."""

import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.intake.sources import dovecot
from tests.project.conftest import open_place  # noqa: F401 - a fixture
from tests.project.instances import ROOT, Instance
from tests.stories.pouring import Books, mail
from tests.stories.test_nothing_is_lost import settled
from tipstaff.project.postgres import Cluster
from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's signals")]
KILLING = 12.0  # seconds
SENDERS, EACH = 3, 60


@pytest.fixture
def instance(open_place: Path, request: pytest.FixtureRequest) -> Iterator[Instance]:  # noqa: F811
    found = Instance(open_place / request.node.name[:30], environment={"TIPSTAFF_SECRET_IMAP": "s3cret"})
    found.start().ready()
    yield found
    found.stop()
    found.kill_everything()


def tipstaff(instance: Instance, *words: str) -> str:
    command = [sys.executable, "-m", "tipstaff.project.cli", "--state", str(instance.state), *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
    environment["TIPSTAFF_SECRET_IMAP"] = "s3cret"
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False, timeout=120)
    assert made.returncode == 0, made.stderr
    return made.stdout


def kill_at_random(instance: Instance, names: tuple[str, ...], stop: threading.Event) -> list[str]:
    killed = []
    while not stop.wait(random.uniform(0.3, 1.5)):
        name = random.choice(names)
        pid = instance.children().get(name)
        if pid and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
            killed.append(name)
    return killed


def document() -> dict[str, object]:
    party = {"org": "Example Sensors", "contact": "rita@example.org", "domain": "example.org"}
    return {
        "xarf_version": "4.2.0", "report_id": str(uuid.uuid4()), "timestamp": "2026-11-02T10:15:00Z", "reporter": party,
        "sender": party, "source_identifier": "192.0.2.7", "category": "content", "type": "phishing",
        "url": "https://login.example.com/", "evidence_source": "user_report",
    }  # fmt: skip


def test_reports_over_http_with_keys_are_there_once(instance: Instance) -> None:
    token = json.loads(tipstaff(instance, "token", "create", "rita", "--scope", "reports:write", "--json"))["token"]
    ids: dict[str, set[str]] = {}
    failures: list[int] = []
    stop = threading.Event()

    def send(sender: int) -> None:
        for number in range(EACH):
            key, body, deadline = f"{sender}-{number}", json.dumps(document()), time.monotonic() + 90
            while time.monotonic() < deadline:  # as a client does: the same key until there is an answer
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", instance.port, timeout=10)
                    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key, "Content-Type": "application/json"}
                    connection.request("POST", "/api/v1/reports", body, headers)
                    answer = connection.getresponse()
                    content = answer.read()
                    connection.close()
                except (OSError, http.client.HTTPException):
                    failures.append(0)
                    time.sleep(0.1)
                    continue
                if answer.status == 202:
                    ids.setdefault(key, set()).add(json.loads(content)["id"])
                    if random.random() < 0.9:
                        break
                    continue  # now and then an answer is lost on the way, and the client asks again
                failures.append(answer.status)
                assert answer.status >= 500, content
                time.sleep(0.2)
            time.sleep(0.03)

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(SENDERS)]
    for sender in senders:
        sender.start()
    timer = threading.Timer(KILLING, stop.set)
    timer.start()
    killed = kill_at_random(instance, ("web", "worker-1", "database"), stop)
    for sender in senders:
        sender.join(200)
    assert len(ids) == SENDERS * EACH and set(killed) >= {"web"}, (len(ids), killed, instance.said())
    assert failures, "nothing failed: the kills missed"
    assert all(len(given) == 1 for given in ids.values())
    books = Books(Cluster(instance.state))
    assert settled(books, instance.state), instance.said()
    stored = {str(row[0]) for row in books.ask("SELECT s.id FROM intake_submission s JOIN intake_source o ON o.id = s.source_id")}
    assert stored == {number for given in ids.values() for number in given}


def pack(folder: Path, number: int) -> None:
    """Drop a file the way a careful program does: under another name first."""
    fresh = folder / f"{number}.eml.part"
    fresh.write_bytes(mail(f"drop-{number}"))
    fresh.rename(folder / f"{number}.eml")


@pytest.mark.skipif(bool(dovecot.MISSING), reason=dovecot.MISSING)
def test_mailboxes_and_drop_folders_are_read_once(instance: Instance) -> None:
    base = Path(tempfile.mkdtemp(prefix="tipstaff-dovecot-", dir="/tmp"))
    base.chmod(0o755)
    folder = base / "drop"
    folder.mkdir()
    try:
        with dovecot.running(base) as server:
            settings = [f"{name}={json.dumps(value)}" for name, value in server.settings(first=1000).items()]
            server.deliver(*(mail(f"mail-{number}") for number in range(150)))
            tipstaff(instance, "source", "add", "mailbox", "--kind", "imap", *(word for one in settings for word in ("--set", one)))
            tipstaff(instance, "source", "add", "drop", "--kind", "files", "--set", f"folder={folder}", "--set", "settle=0")
            stop, killed = threading.Event(), []
            killer = threading.Thread(target=lambda: killed.extend(kill_at_random(instance, ("intake", "worker-1"), stop)))
            killer.start()
            for number in range(60):
                pack(folder, number)
                if number % 2:
                    server.deliver(mail(f"late-{number}"))
                time.sleep(KILLING / 60)
            stop.set()
            killer.join()
            books = Books(Cluster(instance.state))
            wanted = 150 + 60 + 30
            count = "SELECT count(*) FROM intake_submission"
            assert wait_until(lambda: books.ask(count)[0][0] >= wanted, 300, step=0.3), (books.ask(count), instance.said())
            assert settled(books, instance.state), instance.said()
            time.sleep(3)  # another look at mailbox and folder must bring nothing
            subjects = [row[0] for row in books.ask("SELECT subject FROM intake_submission")]
            assert len(subjects) == len(set(subjects)) == wanted
            assert len(killed) >= 5 and not list(folder.glob("*.eml"))
    finally:
        shutil.rmtree(base, ignore_errors=True)
