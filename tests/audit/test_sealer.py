"""The sealer on a real database: numbers without gaps, late commits, two at once, killed at any moment."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction

from tipstaff.audit import chain, reading
from tipstaff.audit.models import Entry, Seal
from tipstaff.audit.sealer import Sealer, seal_all
from tipstaff.audit.services import record
from tipstaff.audit.verifying import verify
from tipstaff.kernel.clock import now as clock_now
from tipstaff.project.processes import wait_until

NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)
INSERT = "INSERT INTO audit_entry (at, actor, action, subject, reason, detail) VALUES (now(), 'bulk', 'x', 's', '', '{}')"


def note(number: int, now: datetime = NOW) -> Entry:
    return record(by="alice", action="case.close", subject=f"case:{number}", now=now, reason="ü — fixed", number=number, share=0.25)


def numbers() -> list[int]:
    return list(Seal.objects.order_by("number").values_list("number", flat=True))


@pytest.mark.django_db
class TestSealing:
    def test_entries_get_numbers_in_their_order_and_the_chain_is_sound(self) -> None:
        made = [note(number).pk for number in range(20)]
        assert Sealer(batch=7).seal(now=NOW) == 7
        assert seal_all(now=NOW) == 13
        assert seal_all(now=NOW) == 0
        assert list(Seal.objects.order_by("number").values_list("entry_id", flat=True)) == made
        found = verify()
        assert (found.sound, found.sealed, found.head.number, found.tail.count) == (True, 20, 20, 0)

    def test_what_is_written_is_what_is_read_back(self) -> None:
        note(1)
        seal_all(now=NOW)
        (link,) = reading.links()
        assert link.entry["reason"] == "ü — fixed" and link.entry["detail"] == {"number": 1, "share": 0.25}
        assert link.digest == chain.digest_of(link.entry)

    def test_rolled_back_entries_leave_no_gap_in_the_numbers(self) -> None:
        note(1)
        for _ in range(5):
            with pytest.raises(RuntimeError), transaction.atomic():
                note(99)
                raise RuntimeError
        note(2)
        seal_all(now=NOW)
        assert numbers() == [1, 2]
        ids = list(Entry.objects.order_by("id").values_list("pk", flat=True))
        assert ids[1] - ids[0] == 6  # the sequence has a hole, the chain has none

    def test_the_tail_is_reported(self) -> None:
        first = note(1)
        found = verify()
        assert (found.sealed, found.tail.count, found.tail.first, found.tail.since) == (0, 1, first.pk, NOW)
        assert found.sound

    def test_a_long_history_is_not_read_again_and_again(self) -> None:
        sealer = Sealer()
        for number in range(5):
            note(number)
            assert sealer.seal(now=NOW) == 1
        assert sealer.scanned_at == NOW
        assert sealer._from(NOW + timedelta(seconds=1)) == sealer.floor
        assert sealer._from(NOW + timedelta(minutes=2)) == 0  # distrusted


class TestTwoTransactions:
    def test_an_entry_committed_late_is_sealed_after_its_juniors(self, app, transactional_db) -> None:
        sealer = Sealer()
        app.execute(INSERT)  # takes the lower id, and does not commit yet
        for number in range(30):
            note(number)
            assert sealer.seal(now=NOW + timedelta(seconds=number)) == 1
        late = app.execute("SELECT max(id) FROM audit_entry WHERE actor = 'bulk'").fetchone()[0]
        app.commit()
        assert sealer.seal(now=NOW + timedelta(seconds=40)) == 1
        assert Seal.objects.get(entry_id=late).number == 31
        assert (verify().sound and sealer.floor < late) or sealer.floor >= late

    def test_once_all_have_ended_the_floor_rises(self, app, transactional_db) -> None:
        sealer = Sealer()
        for number in range(300):  # whatever else runs in this cluster holds the floor down until it ends
            note(number)
            sealer.seal(now=NOW)
            if sealer.floor > 0 and number > 5:
                break
            time.sleep(0.1)
        assert sealer.floor > 0
        app.execute(INSERT)
        held = app.execute("SELECT max(id) FROM audit_entry WHERE actor = 'bulk'").fetchone()[0]
        for number in range(6):
            note(number)
            sealer.seal(now=NOW)
        assert sealer.floor < held  # never above what may still commit
        app.rollback()
        for number in range(300):
            note(number)
            sealer.seal(now=NOW)
            if sealer.floor > held:
                break
            time.sleep(0.1)
        assert sealer.floor > held

    def test_while_one_seals_another_waits(self, app, transactional_db) -> None:
        note(1)
        app.execute("SELECT pg_advisory_xact_lock(%s)", [0x7469_7073_7461_6666])
        assert Sealer().seal(now=NOW) is None and numbers() == []
        app.rollback()
        assert Sealer().seal(now=NOW) == 1

    def test_even_without_the_lock_the_database_refuses_a_fork(self, transactional_db) -> None:
        note(1), note(2)
        seal_all(now=NOW)
        first = Seal.objects.get(number=1)
        note(3)
        other = Entry.objects.latest("pk")
        forked = {"entry_id": other.pk, "sealed_at": NOW, "digest": b"d", "previous": first.chained, "chained": b"c"}
        with pytest.raises(Exception, match="previous"), transaction.atomic():
            Seal.objects.create(number=3, **forked)
        with pytest.raises(Exception, match="pkey"), transaction.atomic():
            Seal.objects.create(number=2, **forked | {"previous": b"new"})
        with pytest.raises(Exception, match="entry"), transaction.atomic():
            Seal.objects.create(number=3, **forked | {"previous": b"new", "entry_id": first.entry_id})

    def test_sealers_at_once_never_fork_the_chain(self, transactional_db) -> None:
        errors = []

        def seals() -> None:
            try:
                sealer = Sealer(batch=17)
                for _ in range(60):
                    sealer.seal(now=clock_now())
            except Exception as error:
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=seals) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(300):
            note(number)
        for thread in threads:
            thread.join()
        while seal_all(now=NOW):
            pass
        assert not errors
        assert numbers() == list(range(1, 301))
        assert verify().sound


class TestTheRoleOfTheApplication:
    @pytest.mark.parametrize("table", ["audit_entry", "audit_seal"])
    @pytest.mark.parametrize("statement", [
        "UPDATE {} SET id = id" , "DELETE FROM {}", "TRUNCATE {} CASCADE", "DROP TABLE {} CASCADE",
        "ALTER TABLE {} DISABLE TRIGGER ALL",
    ])  # fmt: skip
    def test_it_may_only_insert_and_read(self, app, transactional_db, table, statement) -> None:
        note(1)
        seal_all(now=NOW)
        statement = statement.replace("id = id", "number = number") if table == "audit_seal" else statement
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(statement.format(table))
        app.rollback()
        assert app.execute(f"SELECT count(*) FROM {table}").fetchone() == (1,)

    def test_each_column_is_refused_by_itself(self, app, transactional_db) -> None:
        for table, columns in (("audit_entry", chain.FIELDS), ("audit_seal", ("digest", "previous", "chained", "sealed_at"))):
            for column in columns:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute(f'UPDATE {table} SET "{column}" = "{column}"')
                app.rollback()


_PROGRAM = """
import functools
import threading
from tipstaff.project import database
database.setup_django()
from tipstaff.audit import sealer
sealer.PAUSE, sealer.Sealer = 0.0, functools.partial(sealer.Sealer, batch=40)
print("ready", flush=True)
sealer.run(threading.Event())
"""


@pytest.mark.slow
def test_a_sealer_killed_at_any_moment_does_no_harm(database_url, tmp_path, transactional_db) -> None:
    """Twelve kill -9 of a real sealer while entries keep coming; then one is left to finish."""
    environment = dict(os.environ, DATABASE_URL=database_url, TIPSTAFF_STATE=str(tmp_path), TIPSTAFF_SECRET_KEY="test")
    stop, written = threading.Event(), [0]

    def writes() -> None:
        with psycopg.connect(database_url, autocommit=True) as writer:
            while not stop.is_set():
                writer.execute(INSERT)
                written[0] += 1
                stop.wait(0.001)

    def starts() -> subprocess.Popen[str]:
        sealer = subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE, text=True)
        assert sealer.stdout.readline() == "ready\n"
        return sealer

    thread = threading.Thread(target=writes)
    thread.start()
    try:
        sealed = []
        for _ in range(12):
            sealer = starts()
            time.sleep(random.uniform(0.0, 0.4))
            os.kill(sealer.pid, signal.SIGKILL)
            sealer.wait()
            sealed.append(reading.head().number)
    finally:
        stop.set()
        thread.join()
    assert sealed == sorted(sealed) and sealed[-1] > 0
    assert wait_until(lambda: seal_all(now=clock_now()) == 0 and reading.tail().count == 0, 60)  # the lock of the dead goes soon
    found = verify([tmp_path / "audit-heads.jsonl"])
    assert found.sound, found.faults[:3]
    assert (found.sealed, found.tail.count) == (written[0], 0)
    assert found.anchors >= 1


@pytest.mark.slow
@pytest.mark.parametrize("part", ["sealer", "worker"])
def test_both_programs_seal_and_end_when_asked(part, database_url, owner_url, tmp_path, transactional_db) -> None:
    """``tipstaff run sealer``, and every ``tipstaff run worker``, seals what is committed while it runs."""
    environment = dict(os.environ, DATABASE_URL=database_url, DATABASE_OWNER_URL=owner_url, TIPSTAFF_STATE=str(tmp_path))
    command = [sys.executable, "-m", "tipstaff.project.cli", "run", part]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        for number in range(5):
            note(number, clock_now())
        assert wait_until(lambda: verify().sealed == 5 or running.poll() is not None, 60)
        assert running.poll() is None, running.stderr.read()
        note(6, clock_now())
        assert wait_until(lambda: verify().sealed == 6, 60)
    finally:
        running.terminate()
    assert running.wait(timeout=30) == 0
    assert verify([tmp_path / "audit-heads.jsonl"]).sound
