"""Bulk jobs: how far they are, and why a row failed."""

from django.http import HttpResponse

from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.jobs import ACTIONS, WHOLE
from tipstaff.faces.desk.models import BulkJob
from tipstaff.faces.desk.page import page
from tipstaff.kernel.errors import NotFound


def _word(job: BulkJob) -> str:
    return WHOLE.get(job.action) or ACTIONS[job.action][2] if job.action in {*ACTIONS, *WHOLE} else job.action


@desk()
def jobs(request: DeskRequest) -> HttpResponse:
    rows = [{"job": job, "word": _word(job), "all": len(job.subjects)} for job in BulkJob.objects.order_by("-created_at")[:100]]
    return page(request, "desk/jobs.html", {"screen": "jobs", "rows": rows})


@desk()
def job(request: DeskRequest, number: int) -> HttpResponse:
    found = BulkJob.objects.filter(pk=number).first()
    if found is None:
        raise NotFound(f"There is no job {number}.")
    errors = [{"subject": subject, "why": why, "case": subject.isdigit()} for subject, why in found.errors.items()]
    context = {
        "screen": "jobs",
        "job": found,
        "word": _word(found),
        "all": len(found.subjects),
        "errors": errors,
        "handled": found.done + len(errors),
    }
    return page(request, "desk/job.html", context)
