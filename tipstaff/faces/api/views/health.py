"""Whether this process lives, whether it can take work, and figures for monitoring."""

import os
from ipaddress import ip_address
from uuid import uuid4

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from tipstaff.faces.api import figures
from tipstaff.faces.api.access import Forbidden, Unauthorised, token_for
from tipstaff.faces.api.problems import problem
from tipstaff.intake.spool import Spool
from tipstaff.kernel.clock import now


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers; asks nobody else."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and the spool can be written, else 503 with the reason of each."""
    trouble = {"database": _database(), "spool": _spool()}
    body = {"ready": not any(trouble.values()), "parts": {name: text or "ok" for name, text in trouble.items()}}
    return JsonResponse(body, status=200 if body["ready"] else 503)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        return (str(error).strip().splitlines() or ["away"])[0]
    return ""


def _spool() -> str:
    """Write and remove a file, as an acceptance would."""
    try:
        probe = Spool(settings.SPOOL).directory / f"{uuid4()}.{os.getpid()}.new"
        probe.write_bytes(b"\0" * 4096)
        probe.unlink()
    except OSError as error:
        return f"{settings.SPOOL} cannot be written: {error.strerror}"
    return ""


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for a token with metrics:read; from this very host without one."""
    moment = now()
    try:
        if not _is_local(request):
            token_for(request, "metrics:read", moment)
        text = figures.metrics(now=moment)
    except Unauthorised as error:
        return problem(401, "unauthorised", str(error), WWW_Authenticate='Bearer realm="tipstaff"')
    except Forbidden as error:
        return problem(403, "forbidden", str(error))
    except Error:
        return problem(503, "unavailable", "the database is away", Retry_After="30")
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _is_local(request: HttpRequest) -> bool:
    """Whether the peer is on this host and speaks for itself, not for somebody behind a proxy."""
    if any(name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
