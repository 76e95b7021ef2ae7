"""The intake's loop with all its threads, on a real database."""

import os
import shutil
import smtplib
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.intake.sources import dovecot
from tipstaff.intake import worker
from tipstaff.intake.models import Source
from tipstaff.intake.spool import Spool
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError
from tipstaff.kernel.models import Heartbeat
from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
MAIL = b"Subject: x\r\n\r\nSpam from 192.0.2.7.\r\n"


@contextmanager
def intake(spool: Spool, settings: Any, **listener: Any) -> Iterator[worker.Intake]:
    """A running intake; ends within ten seconds of being told."""
    settings.MAIL_LISTENERS = [{"host": "127.0.0.1", "port": free_port()} | listener]
    stop = threading.Event()
    running = worker.Intake(spool, stop)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert wait_until(lambda: bool(running.receptions), 60)
        yield running
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_mail_a_dropped_file_and_heartbeats(spool: Spool, settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    Source.objects.create(name="drop", kind="files", settings={"folder": str(folder), "settle": 0}, created_at=now())
    (folder / "feed.csv").write_text("ip\n192.0.2.7\n")
    with intake(spool, settings, recipients=("abuse@example.net",)) as running:
        listening = running.receptions[0].listening
        with smtplib.SMTP(listening.host, listening.port) as client:
            client.sendmail("rita@example.org", ["abuse@example.net"], MAIL)
        assert wait_until((folder / "done" / "feed.csv").exists, 60)
        assert sorted(item.source for item in spool.read(spool.waiting())) == ["drop", "smtp"]
        told = lambda: dict(Heartbeat.objects.values_list("name", "line"))  # noqa: E731
        assert wait_until(lambda: "folder drop" in told() and "1 accepted" in told()["smtp"], 60), told()
    assert Source.objects.get(name="smtp").settings == {"own_addresses": ["abuse@example.net"]}
    assert Source.objects.get(name="drop").last_ok_at is not None


def test_a_folder_that_is_missing_and_a_mailbox_that_cannot_be_reached_say_so(spool: Spool, settings: Any, tmp_path: Path) -> None:
    Source.objects.create(name="drop", kind="files", settings={"folder": str(tmp_path / "nowhere")}, created_at=now())
    mailbox = {"host": "127.0.0.1", "port": 1, "tls": "none", "user": "desk", "password": "TIPSTAFF_SECRET_X"}
    Source.objects.create(name="mail", kind="imap", settings=mailbox, created_at=now())
    with intake(spool, settings):
        errors = lambda: dict(Source.objects.exclude(name="smtp").values_list("name", "last_error"))  # noqa: E731
        assert wait_until(lambda: all(errors().values()), 60), errors()
        assert "nowhere" in errors()["drop"] and "create it" in errors()["drop"]
        assert "127.0.0.1:1 of mail cannot be reached" in errors()["mail"]


def test_remains_of_a_killed_listener_are_removed(spool: Spool, settings: Any) -> None:
    remains = spool.directory / "01.1.1.new"
    remains.write_bytes(b"half")
    old = (now() - timedelta(hours=2)).timestamp()
    os.utime(remains, (old, old))
    with intake(spool, settings):
        assert wait_until(lambda: not remains.exists(), 60)


def test_a_listener_that_cannot_start_ends_the_program_with_the_reason(spool: Spool, settings: Any) -> None:
    settings.MAIL_LISTENERS = [{"host": "192.0.2.1", "port": 25}]
    with pytest.raises(InputError, match=r"192\.0\.2\.1:25"):
        worker.Intake(spool, threading.Event()).run()


@pytest.mark.slow
@pytest.mark.skipif(bool(dovecot.MISSING), reason=dovecot.MISSING)
def test_mailboxes_are_watched_and_their_positions_kept(
    spool: Spool, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIPSTAFF_SECRET_IMAP", "s3cret")
    base = Path(tempfile.mkdtemp(prefix="tipstaff-dovecot-", dir="/tmp"))
    base.chmod(0o755)
    try:
        with dovecot.running(base) as server:
            server.deliver(MAIL, MAIL)
            server.deliver(MAIL, mailbox="Abuse")
            known = server.settings(mailboxes=["INBOX", "Abuse"])
            Source.objects.create(name="mail", kind="imap", settings=known, created_at=now())
            for expected in (4, 5):  # the second time after a restart: nothing is taken again
                with intake(spool, settings):
                    assert wait_until(lambda: set(Source.objects.get(name="mail").cursor) == {"INBOX", "Abuse"}, 60)
                    server.deliver(MAIL, mailbox="Abuse")  # IDLE tells of it
                    assert wait_until(lambda wanted=expected: spool.count() == wanted, 60), spool.count()  # type: ignore[misc]
            found = Source.objects.get(name="mail")
            assert (found.cursor["INBOX"]["uid"], found.cursor["Abuse"]["uid"]) == (2, 3)
            assert found.last_error == "" and found.last_ok_at is not None
            assert {item.envelope["mailbox"] for item in spool.read(spool.waiting())} == {"INBOX", "Abuse"}
    finally:
        shutil.rmtree(base, ignore_errors=True)
