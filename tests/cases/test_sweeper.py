"""Clocks fire in order, once, whatever happens to whoever fires them."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cases.resolving import HOUR, Desk
from tests.pipeline.given import NOW
from tipstaff.cases import advancing, statements, sweeper
from tipstaff.cases.dues import Start
from tipstaff.cases.models import Case, Clock, JournalEntry, Notice
from tipstaff.cases.states import Event
from tipstaff.cases.worker import DOUBT, Watch
from tipstaff.cases.writing import write_clocks
from tipstaff.kernel.errors import Refused
from tipstaff.project.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]


def fired(case=None):
    rows = JournalEntry.objects.filter(detail__has_key="clock")
    rows = rows.filter(case=case) if case else rows
    return [(row.detail["clock"], row.detail["due_at"]) for row in rows.order_by("id")]


@pytest.mark.django_db
def test_a_day_of_downtime_fires_everything_late_in_the_order_of_its_true_due_time():
    desk = Desk()
    due = dict(Clock.objects.filter(case=desk.number).values_list("kind", "due_at"))
    later = NOW + 48 * HOUR
    while sweeper.fire_due(now=later):
        pass
    order = [kind for kind, _ in fired(desk.number)]
    assert order == ["remind_resolve_50", "remind_resolve_80", "acknowledge", "resolve"] or order == [
        "remind_resolve_50", "remind_resolve_80", "resolve"]  # fmt: skip
    assert [moment for _, moment in fired(desk.number)] == sorted(due[kind].isoformat() for kind in order)
    assert desk.state == "DISCONNECT_PENDING"
    assert "reminder" not in desk.notices()  # nobody is reminded of what is over
    warning = Clock.objects.get(case=desk.number, kind="warning")
    assert warning.due_at == later + 12 * HOUR  # our downtime takes nothing from the customer's warning


@pytest.mark.django_db
def test_a_clock_fires_once_however_often_it_is_looked_at_and_however_the_wall_clock_moves():
    desk = Desk()
    for moment in (NOW + 13 * HOUR, NOW + 13 * HOUR, NOW - 5 * HOUR, NOW + 13 * HOUR):
        sweeper.fire_due(now=moment)
    assert [kind for kind, _ in fired(desk.number)] == ["remind_resolve_50"]
    assert desk.notices().count("reminder") == 1


@pytest.mark.django_db
def test_what_an_earlier_clock_cancels_does_not_fire_in_the_same_look():
    desk = Desk()
    Clock.objects.filter(case=desk.number, kind="resolve").update(due_at=NOW + HOUR)
    while sweeper.fire_due(now=NOW + 24 * HOUR):
        pass
    assert next(kind for kind, _ in fired(desk.number)) == "resolve"
    assert "remind_resolve_50" not in [kind for kind, _ in fired(desk.number)]


@pytest.mark.django_db
def test_one_clock_that_cannot_be_fired_goes_to_a_person_and_stops_no_other(monkeypatch):
    desk = Desk()
    other = Case.objects.get(pk=desk.number)
    other.pk, other.group_key = None, "00000000-0000-0000-0000-000000000001"
    other.save(force_insert=True)
    write_clocks([(other.pk, Start("resolve", NOW, NOW + 23 * HOUR))])
    Case.objects.filter(pk=other.pk).update(category="no such category")
    while sweeper.fire_due(now=NOW + 25 * HOUR):
        pass
    assert desk.state == "DISCONNECT_PENDING"
    broken = Case.objects.get(pk=other.pk)
    assert "what follows failed" in broken.needs_person and broken.state == "TICKETED"
    assert not Clock.objects.filter(case=other.pk, fired_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_an_answer_at_the_very_moment_was_first_and_the_clock_follows(app):
    desk = Desk()
    with app.transaction():
        app.execute("SELECT id FROM cases_case WHERE id = %s FOR UPDATE", [desk.number])
        assert sweeper.fire_due(now=NOW + 25 * HOUR) == 0
        assert desk.state == "TICKETED"
    while sweeper.fire_due(now=NOW + 25 * HOUR):
        pass
    assert desk.state == "DISCONNECT_PENDING"


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_share_one_turn(app):
    desk = Desk()
    with app.transaction():
        app.execute("SELECT pg_advisory_xact_lock(%s)", [sweeper.TURN])
        assert sweeper.fire_due(now=NOW + 25 * HOUR) == 0
    assert sweeper.fire_due(now=NOW + 25 * HOUR) > 0
    assert desk.state == "DISCONNECT_PENDING"


@pytest.mark.django_db
def test_a_batch_of_acts_sees_what_earlier_acts_of_the_same_case_did():
    desk = Desk()
    acts = [advancing.Act(desk.number, Event.ACKNOWLEDGED), advancing.Act(desk.number, Event.FIX_STATED),
            advancing.Act(desk.number, Event.SECOND_DUE)]  # fmt: skip
    found = advancing.advance_many(acts, by="alice", now=NOW)
    assert [outcome.refused != "" for outcome in found] == [False, False, True] and desk.state == "FIX_CLAIMED"
    with pytest.raises(Refused, match="FIX_CLAIMED"):
        advancing.advance(acts[2], by="alice", now=NOW)


@pytest.mark.django_db
def test_a_statement_that_the_table_refuses_leaves_nothing_behind():
    desk = Desk()
    Case.objects.filter(pk=desk.number).update(state="RESTRICTED_CASE")
    with pytest.raises(Refused):
        desk.on(statements.acknowledge, by=desk.carol)
    assert not desk.case.statements.exists()


def test_a_jump_ahead_is_believed_only_when_it_lasts():
    at, steady = [datetime(2026, 1, 1, tzinfo=UTC)], [0.0]
    watch = Watch(lambda: at[0], lambda: steady[0])

    def passes(seconds, jump=timedelta()):
        steady[0] += seconds
        at[0] += timedelta(seconds=seconds) + jump
        return watch.now()

    assert passes(1) == at[0]
    assert passes(1, timedelta(days=1)) is None
    assert passes(10) is None
    assert passes(1, -timedelta(days=1)) == at[0]  # set right again: nothing was fired meanwhile
    assert passes(1, timedelta(hours=-2)) == at[0]  # a jump back merely delays
    assert passes(1, timedelta(hours=2)) is None  # and the way forth is doubted like any other
    assert passes(DOUBT.total_seconds() + 1) == at[0]
    assert passes(1) == at[0]


# ---- with real processes


SWEEP = """
import os, random, signal, sys, threading
from tipstaff.project import database, environment
database.setup_django()
from tipstaff.cases import sweeper, worker
sweeper.AT_ONCE = int(sys.argv[1])
stop = threading.Event()
worker.EVERY = 0.02
original = sweeper.fire_due
batches = int(sys.argv[2])  # after so many that fired something it is killed, at any moment of the next; 0: never

def fire(*, now, most=int(sys.argv[1])):
    global batches
    if batches == 1:
        threading.Timer(random.uniform(0, 0.05), os.kill, (os.getpid(), signal.SIGKILL)).start()
    fired = original(now=now, most=most)
    batches -= fired > 0
    return fired

sweeper.fire_due = fire
print("up", flush=True)
worker.run(stop)
"""


def start(address, state, batch=7, batches=0):
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
    environment = ours | {"TIPSTAFF_STATE": str(state), "DATABASE_URL": address, "TIPSTAFF_SECRET_KEY": "shared"}
    words = [sys.executable, "-c", SWEEP, str(batch), str(batches)]
    return subprocess.Popen(words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def many(count, now):
    """Copies of one ticket, with clocks due over the last seconds."""
    desk = Desk(now=now - 30 * HOUR)
    Clock.objects.filter(case=desk.number).update(cancelled_at=now)
    base = Case.objects.get(pk=desk.number)
    cases = []
    for number in range(count):
        base.pk, base.group_key = None, f"00000000-0000-0000-0000-{number:012d}"
        base.save(force_insert=True)
        cases.append(base.pk)
    write_clocks([(case, Start(kind, now - 30 * HOUR, now - timedelta(seconds=20 - place - case % 10)))
                  for case in cases for place, kind in enumerate(("remind_resolve_50", "remind_resolve_80",
                  "resolve"))])  # fmt: skip
    Case.objects.filter(pk__in=cases).update(resolve_due_at=now + HOUR, seen_at=now)
    return cases


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_workers_killed_again_and_again_fire_everything_once_and_in_order(database_url, tmp_path):
    from tipstaff.kernel.clock import now

    cases = many(400, now())
    due = Clock.objects.filter(case__in=cases, kind__startswith="re", fired_at=None, cancelled_at=None)
    kills, most = 0, 6
    workers = [start(database_url, tmp_path, batches=3), start(database_url, tmp_path, batches=5)]
    try:
        while kills < most:  # each dies after work of its own, and all of them together do not finish: no pace matters
            assert wait_until(lambda: any(worker.poll() is not None for worker in workers), 120)
            (dead, *_) = (worker for worker in workers if worker.poll() is not None)
            assert dead.returncode == -signal.SIGKILL and due.exists()
            kills += 1
            workers.remove(dead)
            workers.append(start(database_url, tmp_path, batches=3 if kills <= most - len(workers) - 1 else 0))
        assert wait_until(lambda: not due.exists(), 120)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
            worker.wait(60)
    assert kills >= 3
    for case in cases:
        kinds = [kind for kind, _ in fired(case)]
        assert kinds == ["remind_resolve_50", "remind_resolve_80", "resolve"], kinds
        assert list(Notice.objects.filter(case=case).order_by("id").values_list("kind", flat=True)).count("final_warning") == 1
    moments = [moment for _, moment in fired()]
    assert moments == sorted(moments)  # one order over all cases, two workers and every kill


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_answers_and_the_sweeper_race_without_deadlock_or_loss(database_url, tmp_path):
    from django.db import connection

    from tipstaff.kernel.clock import now

    cases = many(120, now())
    worker = start(database_url, tmp_path, batch=40)
    assert worker.stdout.readline() == "up\n"
    refused, failed = [], []

    def answer(mine):
        for case in mine:
            try:
                statements.acknowledge(case=case, by="alice", now=now(), via="desk")
            except Refused:
                refused.append(case)
            except Exception as error:
                failed.append(error)
        connection.close()

    threads = [threading.Thread(target=answer, args=(cases[offset::3],)) for offset in range(3)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        due = Clock.objects.filter(case__in=cases, kind="resolve", fired_at=None, cancelled_at=None)
        assert wait_until(lambda: not due.exists(), 60)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)
    assert failed == [] and refused == []
    for case in Case.objects.filter(pk__in=cases):
        assert case.statements.count() == 1
        assert [kind for kind, _ in fired(case.pk)].count("resolve") == 1
