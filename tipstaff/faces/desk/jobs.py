"""Bulk actions: one action on many rows, each row on its own, with an error per row. Run by a worker, or at once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tipstaff.accounts.models import StaffMember
from tipstaff.cases import queries, rearranging, services
from tipstaff.faces.desk.models import BulkJob
from tipstaff.intake import queries as intake_queries
from tipstaff.intake import services as intake
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import InputError, NotFound, Problem, TipstaffError
from tipstaff.pipeline import deciding

PARAMETERS = ("reason", "outcome", "category", "text", "into", "customer")
LOST = timedelta(minutes=15)  # without a sign of life, a job's worker is taken for dead

#: How a case is closed by hand: code of the outcome → words.
OUTCOMES = {
    "RESOLVED": "Resolved: the cause is gone",
    "CLOSED_FALSE": "False report",
    "CLOSED_COMPLIANT": "No breach",
    "CLOSED_SPEECH": "Protected speech",
    "CLOSED_EXCEPTION": "Exception on file (permit, approval)",
    "CLOSED_DUPLICATE": "Duplicate of another case",
    "CLOSED_NOT_OURS": "Not ours",
}


def _submission(number: Any) -> Submission:
    try:
        return Submission.objects.exclude(state="sealed").get(pk=UUID(str(number)))
    except (Submission.DoesNotExist, ValueError):
        raise NotFound("there is no such submission") from None


def _close(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    return services.close(case=int(number), outcome=given["outcome"], reason=given["reason"], by=by, now=now)


def _note(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    return services.note(case=int(number), text=given["text"], by=by, now=now)


def _classify(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    return services.classify(case=int(number), category=given["category"], by=by, now=now)


def _retry(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    return intake.decide(submission=_submission(number), state="received", reason="read again", by=by, now=now)


def _set_aside(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    return intake.decide(submission=_submission(number), state="set_aside", reason=given["reason"], by=by, now=now)


def _assign(number: Any, given: Mapping[str, str], by: str, now: datetime) -> Any:
    submission = _submission(number).pk
    customer, category = int(given["customer"]), given["category"]
    return deciding.assign(submission=submission, customer=customer, service=None, category=category, by=by, now=now)


Row = Callable[[Any, Mapping[str, str], str, datetime], Any]
#: Action → (what it does to one row, parameters it needs, words for one and for many).
ACTIONS: dict[str, tuple[Row, tuple[str, ...], str]] = {
    "close": (_close, ("outcome", "reason"), "closed"),
    "note": (_note, ("text",), "noted"),
    "classify": (_classify, ("category",), "classified"),
    "retry": (_retry, (), "to be read again"),
    "assign": (_assign, ("customer", "category"), "assigned"),
    "set_aside": (_set_aside, ("reason",), "set aside"),
}
WHOLE = {"merge": "merged", "take": "taken"}  # done to all rows together


def check(action: str, parameters: Mapping[str, str]) -> None:
    """InputError when the action is unknown or lacks something."""
    if action in WHOLE:
        return
    if action not in ACTIONS:
        raise InputError(Problem("action", f"{action!r} is not known", "one of " + ", ".join([*ACTIONS, *WHOLE])))
    missing = [name for name in ACTIONS[action][1] if not parameters.get(name, "").strip()]
    if missing:
        raise InputError([Problem(name, "is missing", "fill it in and try again") for name in missing])
    if action == "close" and parameters["outcome"] not in OUTCOMES:
        raise InputError(Problem("outcome", "is not known", "one of " + ", ".join(OUTCOMES)))


def enqueue(*, action: str, parameters: Mapping[str, str], subjects: Sequence[Any], by: str, now: datetime) -> BulkJob:
    """Write a job down for the worker."""
    check(action, parameters)
    rows = list(dict.fromkeys(str(subject) if isinstance(subject, UUID) else subject for subject in subjects))
    return BulkJob.objects.create(action=action, parameters=dict(parameters), subjects=rows, by=by, created_at=now)


def run_waiting(*, now: datetime, most: int = 10) -> int:
    """Do what waits, oldest first, and take up what a dead worker left; how many jobs were done. Two never do the same job."""
    silent = Q(beaten_at__lte=now - LOST) | Q(beaten_at__isnull=True, started_at__lte=now - LOST)
    left = Q(finished_at__isnull=True) & (Q(started_at__isnull=True) | silent)
    done = 0
    for number in list(BulkJob.objects.filter(left).order_by("created_at").values_list("pk", flat=True)[:most]):
        if BulkJob.objects.filter(left, pk=number).update(started_at=now, beaten_at=now):
            run(job=BulkJob.objects.get(pk=number), now=now)
            done += 1
    return done


def run(*, job: BulkJob, now: datetime) -> dict[str, Any]:
    """Do a job, or what is left of it; a row that fails says why and the others go on.

    Returns what can be undone: see ``undo.offer``.
    """
    BulkJob.objects.filter(pk=job.pk).update(started_at=now, beaten_at=now)
    job.started_at = now
    if job.action in WHOLE:
        with transaction.atomic():
            undoable = _whole(job, now)
            _finish(job, now)
    else:
        undoable = _each(job, now)
    queries.forget_counts()
    intake_queries.forget_counts()
    return undoable


def _finish(job: BulkJob, now: datetime) -> None:
    job.finished_at = now
    job.save(update_fields=["finished_at", "done", "errors"])


def _each(job: BulkJob, now: datetime) -> dict[str, Any]:
    """Row by row, from where the job stands."""
    since = monotonic()
    for subject in job.subjects[job.done + len(job.errors) :]:
        if not _one(job, subject, now, beat=now + timedelta(seconds=monotonic() - since)):
            return {}  # taken for dead and taken up by another worker, who finishes it
    _finish(job, now)
    return {"close": [row for row in job.subjects if str(row) not in job.errors]} if job.action == "close" else {}


def _one(job: BulkJob, subject: Any, now: datetime, *, beat: datetime) -> bool:
    """One row. The act and the note that it is done are one transaction: a killed worker leaves both or neither.

    False when the job is no longer this worker's.
    """
    act, _, _ = ACTIONS[job.action]
    with transaction.atomic():
        mine = BulkJob.objects.select_for_update().filter(pk=job.pk, started_at=job.started_at, finished_at=None).exists()
        if not mine:
            return False
        try:
            with transaction.atomic():
                act(subject, job.parameters, job.by, now)
            job.done += 1
        except TipstaffError as error:
            job.errors[str(subject)] = str(error)
        BulkJob.objects.filter(pk=job.pk).update(done=job.done, errors=job.errors, beaten_at=beat)
    return True


def _whole(job: BulkJob, now: datetime) -> dict[str, Any]:
    numbers = sorted(int(number) for number in job.subjects)
    try:
        undoable = _taken(job, numbers, now) if job.action == "take" else _merged(job, numbers, now)
    except TipstaffError as error:
        job.errors = {str(number): str(error) for number in numbers}
        return {}
    job.done = len(numbers) - len(job.errors)
    return undoable


def _taken(job: BulkJob, numbers: list[int], now: datetime) -> dict[str, Any]:
    staff = StaffMember.objects.get(username=job.by)
    failed = services.take(case_ids=numbers, by=staff, now=now)
    job.errors = {str(number): why for number, why in failed.items()}
    return {"take": [number for number in numbers if number not in failed]}


def _merged(job: BulkJob, numbers: list[int], now: datetime) -> dict[str, Any]:
    into = int(job.parameters.get("into") or numbers[0])
    change = rearranging.merge(cases=numbers, into=into, by=job.by, now=now, reason=job.parameters.get("reason", ""))
    return {"change": [change.pk]}


def said(job: BulkJob) -> str:
    """What was done, for the toast."""
    word = WHOLE.get(job.action) or ACTIONS[job.action][2]
    cases = all(isinstance(subject, int) for subject in job.subjects)
    if cases and len(job.subjects) == 1:
        return f"#{job.subjects[0]} {word}"
    return f"{job.done} {'case' if cases else 'submission'}{'' if job.done == 1 else 's'} {word}"
