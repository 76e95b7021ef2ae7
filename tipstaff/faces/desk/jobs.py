"""Bulk actions: one action on many rows, each row on its own, with an error per row. Run by a worker, or at once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from tipstaff.accounts.models import StaffMember
from tipstaff.cases import queries, rearranging, services
from tipstaff.faces.desk.models import BulkJob
from tipstaff.intake import queries as intake_queries
from tipstaff.intake import services as intake
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import InputError, NotFound, Problem, TipstaffError
from tipstaff.pipeline import deciding

PARAMETERS = ("reason", "outcome", "category", "text", "into", "customer")
NOTED_EVERY = 25  # rows after which the progress is written down

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
    rows = [str(subject) if isinstance(subject, UUID) else subject for subject in subjects]
    return BulkJob.objects.create(action=action, parameters=dict(parameters), subjects=rows, by=by, created_at=now)


def run_waiting(*, now: datetime, most: int = 10) -> int:
    """Do what waits, oldest first; how many jobs were done. Two workers never do the same job."""
    waiting = BulkJob.objects.filter(started_at__isnull=True).order_by("created_at")[:most]
    done = 0
    for job in waiting:
        if BulkJob.objects.filter(pk=job.pk, started_at__isnull=True).update(started_at=now):
            run(job=job, now=now)
            done += 1
    return done


def run(*, job: BulkJob, now: datetime) -> dict[str, Any]:
    """Do a job; a row that fails says why and the others go on. Returns what can be undone: see ``undo.offer``."""
    BulkJob.objects.filter(pk=job.pk).update(started_at=now)
    job.started_at, job.errors, job.done = now, {}, 0
    undoable = _whole(job, now) if job.action in WHOLE else _each(job, now)
    job.finished_at = now
    job.save(update_fields=["started_at", "finished_at", "done", "errors"])
    queries.forget_counts()
    intake_queries.forget_counts()
    return undoable


def _each(job: BulkJob, now: datetime) -> dict[str, Any]:
    act, _, _ = ACTIONS[job.action]
    done = []
    for place, subject in enumerate(job.subjects, 1):
        try:
            act(subject, job.parameters, job.by, now)
            done.append(subject)
        except TipstaffError as error:
            job.errors[str(subject)] = str(error)
        if place % NOTED_EVERY == 0:
            job.done = len(done)
            job.save(update_fields=["done", "errors"])
    job.done = len(done)
    return {"close": done} if job.action == "close" else {}


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
