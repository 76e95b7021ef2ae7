"""The worker: a culprit is found and set apart, and nothing is lost or handled twice, whatever dies in the meantime."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from tests.arf import complaint
from tests.house.source import ROOT
from tests.pipeline.given import NOW, provider
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import Plain, keep
from tipstaff.intake import services as intake
from tipstaff.intake.access import is_unjudged, open_evidence
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import SUFFIX, Spool, accepted
from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused
from tipstaff.pipeline import batch, worker
from tipstaff.reports.models import Event, Report

pytestmark = pytest.mark.django_db
SEALED = b"From: rita@example.org\nSubject: x\n\nPlaceholder: child sexual abuse material is hosted on 192.0.2.7\n"


def mail(number):
    """A complaint about one address, at its own second."""
    text = complaint(number, "192.0.2.7", NOW - timedelta(seconds=number + 60))
    return text.replace("\n", "\r\n").encode()


def put(spool, count, start=0):
    items = [accepted(source="drop", kind="files", content=mail(n), now=NOW, ref=str(n)) for n in range(start, start + count)]
    spool.put(items)
    return items


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


@pytest.fixture
def working(spool):
    provider()
    with clock.frozen(NOW):
        yield worker.Worker(spool)


def states():
    return {name: Submission.objects.filter(state=name).count() for name in set(Submission.objects.values_list("state", flat=True))}


def run_dry(one):
    while one.step():
        pass


def test_from_the_spool_to_events(spool, working):
    put(spool, 20)
    run_dry(working)
    assert (Submission.objects.count(), Event.objects.count(), spool.count()) == (20, 20, 0)
    assert (working.submissions, working.events) == (20, 20)
    assert states() == {"parsed": 20}


def test_one_culprit_of_a_hundred_goes_to_a_person_and_the_others_on(spool, working, monkeypatch):
    items = put(spool, 100)
    culprit, commit = items[37].id, batch.commit

    def failing(parsed, context, now):
        if any(one.submission == culprit for one in parsed):
            raise RuntimeError("kaputt\0\ud800")
        return commit(parsed, context, now)

    monkeypatch.setattr(batch, "commit", failing)
    run_dry(working)
    assert states() == {"parsed": 99, "failed": 1} and Event.objects.count() == 99
    row = Submission.objects.get(state="failed")
    assert row.pk == culprit and "kaputt" in row.reason and row.due_at is not None and row.claimed_by == ""


def test_what_cannot_be_filed_shows_what_was_read_and_what_must_go_unseen_goes_unseen(spool, working, monkeypatch):
    (plain,) = put(spool, 1)
    unseen = accepted(source="drop", kind="files", content=SEALED, now=NOW, ref="sealed")
    spool.put([unseen])

    def failing(parsed, context, now):
        raise RuntimeError("kaputt")

    monkeypatch.setattr(batch, "commit", failing)
    run_dry(working)
    assert states() == {"failed": 1, "sealed": 1}
    failed, sealed = Submission.objects.get(pk=plain.id), Submission.objects.get(pk=unseen.id)
    assert failed.trace[0]["format"] == "arf" and not is_unjudged(failed)
    assert sealed.blob.evidence_class == "sealed" and not (sealed.trace or sealed.subject or sealed.sender)


def test_what_was_never_read_to_its_end_does_not_open(spool, working, monkeypatch):
    (item,) = put(spool, 1)
    monkeypatch.setattr(working.reader, "read", lambda item: 1 / 0)
    intake.accept(items=[item], now=NOW)
    row, alice = Submission.objects.get(), SimpleNamespace(username="alice", is_active=True, roles=["analyst"])
    with pytest.raises(Refused, match="not read yet"):
        open_evidence(alice, row)  # it waits still
    run_dry(working)
    row.refresh_from_db()
    assert row.state == "failed" and "ZeroDivisionError" in row.reason
    with pytest.raises(Refused, match="not read yet"):
        open_evidence(alice, row)


def test_a_spool_file_that_the_database_refuses_does_not_stop_the_others(spool, working, monkeypatch):
    items = put(spool, 5)
    accept = intake.accept

    def failing(*, items, claimed_by, now):
        if any(item.id == bad and item.filename == "" and item.source_ref != str(bad) for item in items):
            raise ValueError("no such thing")
        return accept(items=items, claimed_by=claimed_by, now=now)

    bad = items[2].id
    monkeypatch.setattr(intake, "accept", failing)
    run_dry(working)
    assert states() == {"parsed": 5} and spool.count() == 0


def test_a_broken_spool_file_does_not_stop_the_others(spool, working):
    put(spool, 3)
    (spool.directory / f"0{SUFFIX}").write_bytes(b"\0\0\0")
    run_dry(working)
    assert states() == {"parsed": 3}


def stored(count):
    """Submissions that were accepted, and whose worker then died."""
    items = [accepted(source="drop", kind="files", content=mail(n), now=NOW, ref=str(n)) for n in range(count)]
    intake.accept(items=items, now=NOW)
    return items


def test_evidence_that_cannot_be_read_goes_to_a_person(working):
    bad = stored(3)[1].id
    other = Blob.objects.get(pk=keep(items=[Plain(b"other")], now=NOW)[0])
    Blob.objects.filter(pk=Submission.objects.get(pk=bad).blob_id).update(pack=other.pack, offset=other.offset, length=other.length)
    run_dry(working)
    assert states() == {"parsed": 2, "failed": 1}
    assert "evidence cannot be read" in Submission.objects.get(pk=bad).reason


def test_what_kills_its_worker_again_and_again_is_set_apart_and_takes_nobody_with_it(working, monkeypatch):
    killer = stored(6)[3].id
    finish = worker.Worker.finish

    class Killed(BaseException):
        pass

    def dying(self, taken):
        if any(one.id == killer for one in taken):
            raise Killed
        finish(self, taken)

    monkeypatch.setattr(worker.Worker, "finish", dying)
    for _ in range(12):
        Submission.objects.update(claimed_by="", claimed_until=None)  # as the next worker finds them
        try:
            if not working.step():
                break
        except Killed:
            continue
    assert states() == {"parsed": 5, "failed": 1}
    row = Submission.objects.get(pk=killer)
    assert "died 4 times" in row.reason


def test_what_was_in_hand_when_the_database_went_is_taken_up_at_once(spool, working, monkeypatch):
    put(spool, 4)
    commit, stop = batch.commit, threading.Event()
    turns = []

    def failing(parsed, context, now):
        turns.append(len(parsed))
        if len(turns) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        stop.set()
        return commit(parsed, context, now)

    monkeypatch.setattr(batch, "commit", failing)
    monkeypatch.setattr(worker, "IDLE", 0.001)
    monkeypatch.setattr(connection, "close", lambda: None)
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    working.run(stop)
    assert turns == [4, 4] and states() == {"parsed": 4}


def test_a_lost_connection_during_copy_is_no_culprit(working):
    from tipstaff.kernel import bulk

    bulk.native().execute("SELECT 1")
    with pytest.raises(OperationalError), connection.wrap_database_errors:
        import psycopg

        raise psycopg.OperationalError("gone")


PROGRAM = """
    import sys, threading
    from pathlib import Path
    import django
    django.setup()
    from tipstaff.intake.spool import Spool
    from tipstaff.pipeline.worker import Worker
    one = Worker(Spool(Path(sys.argv[1])))
    one.step_size = 7
    print("ready", flush=True)
    one.run(threading.Event())
"""


def start(spool, database_url, state):
    environment = os.environ | {
        "DATABASE_URL": database_url, "TIPSTAFF_STATE": str(state), "DJANGO_SETTINGS_MODULE": "tipstaff.project.settings",
    }  # fmt: skip
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(spool.directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env=environment)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_nothing_is_lost_and_nothing_handled_twice(spool, database_url, state):
    provider()
    chance, total = random.Random(7), 0
    for _ in range(8):
        put(spool, 40, total)
        total += 40
        running = start(spool, database_url, state)
        assert running.stdout is not None and running.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.1, 1.0))
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        running.stdout.close()
    last = start(spool, database_url, state)
    try:
        done = lambda: Submission.objects.filter(state="parsed").count() == total  # noqa: E731
        assert wait_for(done), states()
    finally:
        os.kill(last.pid, signal.SIGKILL)
        last.wait()
        last.stdout.close()
    assert Submission.objects.count() == Report.objects.count() == Event.objects.count() == total
    assert spool.count() == 0 and not Report.objects.filter(revision__gt=0).exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_on_one_spool(spool, database_url, state):
    provider()
    put(spool, 300)
    both = [start(spool, database_url, state) for _ in range(2)]
    try:
        assert wait_for(lambda: Submission.objects.filter(state="parsed").count() == 300), states()
    finally:
        for one in both:
            os.kill(one.pid, signal.SIGKILL)
            one.wait()
            one.stdout.close()
    assert Report.objects.count() == Event.objects.count() == 300 and spool.count() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_and_comes_back(spool, database_url, state, administrator_url):
    import psycopg

    provider()
    running = start(spool, database_url, state)
    name = connection.settings_dict["NAME"]
    try:
        with psycopg.connect(administrator_url, autocommit=True) as administrator:
            for turn in range(5):
                put(spool, 40, turn * 40)
                time.sleep(0.4)
                administrator.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = 'tipstaff_app'", [name]
                )
        connection.close()
        assert wait_for(lambda: Submission.objects.filter(state="parsed").count() == 200), states()
        assert running.poll() is None
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        running.stdout.close()
    assert Report.objects.count() == Event.objects.count() == 200
    assert not Submission.objects.filter(state="failed").exists()
