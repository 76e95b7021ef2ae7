"""Questions on the Traffic screen that somebody keeps under a name, alone or for all colleagues."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.faces.desk import traffic
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.models import SavedView
from tipstaff.faces.desk.traffic import Asked
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem

SCREEN = "traffic"
VIEWERS = ("analyst", "lead", "network", "admin")
LONGEST_NAME, MOST = 60, 24


def shown(request: DeskRequest, asked: Asked) -> dict[str, Any]:
    """One's own views and shared ones, and which of them is asked now."""
    current = asked.address().lstrip("?")
    kept = SavedView.objects.filter(Q(owner=request.user) | Q(shared=True), screen=SCREEN).order_by("position", "name", "pk")
    views = [{"saved": one, "own": one.owner_id == request.user.pk, "now": one.query == current} for one in kept[:MOST]]
    return {"views": views, "current": current}


def _checked(text: str) -> str:
    """The question as its own address says it; raises InputError where it is none."""
    return traffic.read(QueryDict(text), clock_now(), ZoneInfo("UTC")).address().lstrip("?")


@desk(*VIEWERS)
@require_POST
def save(request: DeskRequest) -> HttpResponse:
    """Keep the present question; one of the same name is replaced."""
    name = request.POST.get("name", "").strip()[:LONGEST_NAME]
    if not name:
        raise InputError(Problem("Name", "is empty", "give the view a name"))
    query = _checked(request.POST.get("query", ""))
    SavedView.objects.update_or_create(
        owner=request.user, screen=SCREEN, name=name, defaults={"query": query, "shared": "shared" in request.POST}
    )
    messages.success(request, f"View “{name}” is kept.")
    return redirect(f"/traffic/?{query}")


@desk(*VIEWERS)
@require_POST
def remove(request: DeskRequest, number: int) -> HttpResponse:
    gone, _ = SavedView.objects.filter(pk=number, owner=request.user, screen=SCREEN).delete()
    if not gone:
        raise NotFound("There is no such view of yours; a shared one is removed by the person who made it.")
    return redirect("/traffic/")
