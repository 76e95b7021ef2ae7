"""Reports in, and what became of them."""

from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from tipstaff.faces.api import paging, reports, services
from tipstaff.faces.api.access import token_for
from tipstaff.faces.api.models import ApiToken, Receipt
from tipstaff.faces.api.problems import Invalid, Unavailable
from tipstaff.intake.parsers import xarf
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

router = Router(tags=["Reports"])
SCOPE, FINDINGS = "reports:write", "findings:write"
LONGEST_KEY = 255
BODY = {
    "requestBody": {
        "required": True,
        "description": "One XARF document: version 4 (all types), or versions 1 to 3.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": [
                        "xarf_version",
                        "report_id",
                        "timestamp",
                        "reporter",
                        "sender",
                        "source_identifier",
                        "category",
                        "type",
                    ],
                    "externalDocs": {"url": "https://xarf.org/docs/specification/", "description": "XARF 4"},
                }
            }
        },
    },
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "maxLength": LONGEST_KEY},
            "description": "The same key with the same body is one report, however often it is sent.",
        }
    ],
}


@router.post("", openapi_extra=BODY, summary="Send one report", response={202: dict})
def send(request: HttpRequest) -> HttpResponse:
    """Checks the whole document, keeps it, and answers 202 with an id once it is on the disk. What is refused is not kept."""
    moment = now()
    token, body = token_for(request, SCOPE, moment), request.body
    document = _document(body)
    key = idempotency_key(request)
    try:
        receipt, fresh = services.register(
            token=token, key=key, body=body, external_id=str(document.get("report_id") or ""), now=moment
        )
    except InputError as error:
        raise Invalid("key-reused", error.problems) from error
    # Again when the key is known: the request before may have been killed between its receipt and the disk.
    keep(token, receipt, body, "report.json")
    where = f"/api/v1/reports/{receipt.submission}"
    answer = {"id": str(receipt.submission), "status": "QUEUED", "reason": "waiting", "links": {"self": where}}
    headers = {"Location": where} | ({} if fresh else {"Idempotent-Replayed": "true"})
    return HttpResponse(orjson.dumps(answer), status=202, content_type="application/json", headers=headers)


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = xarf.loads(body)
    except ValueError as error:
        raise Invalid("not-json", Problem("body", str(error)[:200], "send one JSON object in UTF-8"), 400) from error
    if not isinstance(document, dict):
        raise Invalid("invalid", Problem("body", "is not a JSON object", "send one report for each request"))
    if problems := xarf.validate(document):
        raise Invalid("invalid", problems)
    if problems := reports.refused_media(document):
        raise Invalid("media-refused", problems)
    return document


def idempotency_key(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        advice = f"send 1 to {LONGEST_KEY} printable characters, such as a UUID, or leave the header out"
        raise InputError(Problem("Idempotency-Key", "cannot be used", advice))
    return key


def keep(token: ApiToken, receipt: Receipt, body: bytes, filename: str) -> None:
    """Into the spool, under the receipt's id; raises Unavailable where it cannot be written."""
    source = f"api:{token.name}"
    item = Accepted(
        id=receipt.submission,
        source=source,
        kind="api",
        source_ref=str(receipt.submission),
        received_at=receipt.accepted_at,
        content=body,
        filename=filename,
        envelope={"token": token.name} | ({"idempotency_key": receipt.key} if receipt.key else {}),
    )
    try:
        Spool(settings.SPOOL).put([item])
    except OSError as error:
        raise Unavailable(f"the report could not be kept ({error.strerror})") from error


@router.get("", summary="One's own reports, newest first", response={200: dict})
def mine(request: HttpRequest, cursor: str = "", limit: int = Query(50, ge=1, le=paging.MOST)) -> HttpResponse:
    """A page; `next` is the cursor of the page after, null at the end."""
    token = token_for(request, SCOPE, now(), instead=FINDINGS)
    rows = Receipt.objects.filter(token=token).order_by("-accepted_at", "-submission")
    if cursor:
        at, number = paging.decode(cursor, 2)
        rows = rows.extra(where=["(accepted_at, submission) < (%s::timestamptz, %s::uuid)"], params=[at, number])
    found = list(rows[: limit + 1])
    more = len(found) > limit
    page = found[:limit]
    after = paging.encode(page[-1].accepted_at.isoformat(), page[-1].submission) if more else None
    return paging.answer(request, {"reports": [reports.status_of(one) for one in page], "next": after})


@router.get("/{uuid:number}", summary="What became of a report", response={200: dict})
def one(request: HttpRequest, number: UUID) -> HttpResponse:
    """QUEUED, PROCESSING, COMPLETED, with a reason code. Only for the token that sent it."""
    token = token_for(request, SCOPE, now(), instead=FINDINGS)
    return paging.answer(request, reports.status_of(services.receipt_of(token=token, submission=number)))
