"""Findings of other detectors in their own formats: FastNetMon, and what Alertmanager or Grafana watch (Akvorado's flows too).

They count as measurements of the house, so they need a right of their own: who may report may not measure.
"""

import hashlib
from types import ModuleType

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router

from tipstaff.faces.api import services
from tipstaff.faces.api.access import token_for
from tipstaff.faces.api.problems import Invalid
from tipstaff.faces.api.views.reports import FINDINGS, idempotency_key, keep
from tipstaff.intake.drafts import Confidence
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.parsers import alertmanager, fastnetmon
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, ParseError, Problem

router = Router(tags=["Findings"])
LARGEST = 5_000_000  # bytes


def _body(text: str) -> dict[str, object]:
    return {"requestBody": {"required": True, "description": text, "content": {"application/json": {"schema": {"type": "object"}}}}}


@router.post(
    "/fastnetmon",
    openapi_extra=_body("What FastNetMon's web callback sends, its notify script gets in JSON, or its text (text/plain)."),
    summary="Send an attack that FastNetMon saw",
    response={202: dict},
)
def from_fastnetmon(request: HttpRequest) -> HttpResponse:
    """Kept as it came; 202 once it is on the disk. An attack towards a host of ours makes nobody an accused."""
    return _take(request, fastnetmon, "fastnetmon")


@router.post(
    "/alertmanager",
    openapi_extra=_body("The webhook of Prometheus Alertmanager (version 4) or of Grafana; labels say whom it is about."),
    summary="Send alerts of Alertmanager or Grafana",
    response={202: dict},
)
def from_alertmanager(request: HttpRequest) -> HttpResponse:
    """Kept as it came; 202 once it is on the disk. The same notification sent again is the same report."""
    return _take(request, alertmanager, "alertmanager")


def _take(request: HttpRequest, parser: ModuleType, form: str) -> HttpResponse:
    moment = now()
    token, body = token_for(request, FINDINGS, moment), request.body
    if len(body) > LARGEST:
        raise Invalid("too-large", Problem("body", f"has {len(body)} bytes", f"send at most {LARGEST}"))
    message = _read(body, parser, form)
    try:
        receipt, fresh = services.register(
            token=token, key=idempotency_key(request) or _key_of(message, form), body=body, external_id="", now=moment
        )
    except InputError as error:
        raise Invalid("key-reused", error.problems) from error
    keep(token, receipt, body, f"{form}.{'json' if message.kind == 'json' else 'txt'}")
    where = f"/api/v1/reports/{receipt.submission}"
    answer = {"id": str(receipt.submission), "status": "QUEUED", "reason": "waiting", "links": {"self": where}}
    headers = {"Location": where} | ({} if fresh else {"Idempotent-Replayed": "true"})
    return HttpResponse(orjson.dumps(answer), status=202, content_type="application/json", headers=headers)


def _read(body: bytes, parser: ModuleType, form: str) -> Message:
    """The body opened, when it is in the format; else Invalid says what is wrong. Nothing of it is kept then."""
    message, *more = open_message(body, Hints(source_kind="api"))
    if more or message.kind == "mail" or parser.claims(message) < Confidence.STRUCTURE:
        raise Invalid("invalid", Problem("body", f"is no document of {form}", "send what its webhook sends, unchanged"))
    try:
        parser.parse(message)
    except ParseError as error:
        raise Invalid("invalid", error.problem) from error
    return message


def _key_of(message: Message, form: str) -> str | None:
    """The same document is the same finding. A text of FastNetMon names no attack: equal ones may be two."""
    return f"{form}:{hashlib.sha256(message.raw).hexdigest()}" if message.kind == "json" else None
