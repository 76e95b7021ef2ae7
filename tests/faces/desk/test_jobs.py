"""Bulk jobs: what a dead worker left is taken up, and no row is done twice."""

from datetime import timedelta

import pytest

from tipstaff.cases import services
from tipstaff.cases.models import JournalEntry
from tipstaff.faces.desk import jobs
from tipstaff.faces.desk.models import BulkJob

NOTE = {"text": "Seen in the same campaign."}


class Killed(BaseException):
    """What a signal does to a worker: nothing of ours catches it."""


@pytest.fixture
def half_done(desk, monkeypatch) -> BulkJob:
    """A job over six cases whose worker was killed in the fourth, after the note was written."""
    job = jobs.enqueue(action="note", parameters=NOTE, subjects=[case.pk for case in desk.cases[:6]], by="alice", now=desk.now)
    write, written = services.note, []

    def note(**given):
        written.append(write(**given))
        if len(written) == 4:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(services, "note", note)
        with pytest.raises(Killed):
            jobs.run_waiting(now=desk.now)
    return BulkJob.objects.get(pk=job.pk)


def notes() -> list[int]:
    return list(JournalEntry.objects.filter(text=NOTE["text"]).order_by("case_id").values_list("case_id", flat=True))


def test_a_killed_worker_leaves_each_row_done_and_noted_or_neither(desk, half_done) -> None:
    assert half_done.done == 3 and half_done.finished_at is None and len(notes()) == 3


def test_what_a_killed_worker_left_is_taken_up_and_nothing_is_done_twice(desk, half_done) -> None:
    assert jobs.run_waiting(now=desk.now + timedelta(minutes=14)) == 0
    assert jobs.run_waiting(now=desk.now + timedelta(minutes=16)) == 1
    half_done.refresh_from_db()
    assert half_done.done == 6 and half_done.finished_at and not half_done.errors
    assert notes() == sorted(half_done.subjects)
    assert jobs.run_waiting(now=desk.now + timedelta(hours=9)) == 0


def test_rows_that_failed_before_are_not_tried_again(desk, half_done) -> None:
    first = half_done.subjects[0]
    BulkJob.objects.filter(pk=half_done.pk).update(done=2, errors={str(first): "gone"})
    jobs.run_waiting(now=desk.now + timedelta(hours=1))
    half_done.refresh_from_db()
    assert half_done.done == 5 and half_done.errors == {str(first): "gone"} and len(notes()) == 6


def test_a_worker_that_was_only_slow_stops_when_another_took_its_job_up(desk, monkeypatch) -> None:
    job = jobs.enqueue(action="note", parameters=NOTE, subjects=[case.pk for case in desk.cases[:3]], by="alice", now=desk.now)
    write = services.note

    def slow(**given):
        monkeypatch.setattr(services, "note", write)
        write(**given)
        BulkJob.objects.filter(pk=job.pk).update(started_at=desk.now + timedelta(hours=1))

    monkeypatch.setattr(services, "note", slow)
    jobs.run(job=job, now=desk.now)
    job = BulkJob.objects.get()
    assert job.done == 1 and job.finished_at is None and len(notes()) == 1


def test_a_long_job_shows_signs_of_life(desk, monkeypatch) -> None:
    ticks = iter(range(0, 100_000, 600))  # ten minutes a row
    monkeypatch.setattr(jobs, "monotonic", lambda: next(ticks))
    job = jobs.enqueue(action="note", parameters=NOTE, subjects=[case.pk for case in desk.cases[:4]], by="alice", now=desk.now)
    jobs.run(job=job, now=desk.now)
    assert BulkJob.objects.get().beaten_at == desk.now + timedelta(minutes=40)


def test_a_merge_is_done_and_noted_together(desk) -> None:
    numbers = [case.pk for case in desk.cases if case.customer_id == desk.carol.pk and case.category == "phishing"][:2]
    job = jobs.enqueue(action="merge", parameters={"reason": "one kit"}, subjects=numbers, by="alice", now=desk.now)
    jobs.run_waiting(now=desk.now)
    job.refresh_from_db()
    assert job.finished_at and job.done == 2 and not job.errors
    assert jobs.run_waiting(now=desk.now + timedelta(hours=1)) == 0
