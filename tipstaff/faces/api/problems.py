"""Errors as RFC 9457 problem details, naming each field and what to do about it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from tipstaff.faces.api.access import Forbidden, Unauthorised, tried
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

MEDIA_TYPE = "application/problem+json"
#: Kind → what it means; each has a paragraph at /api/docs.
KINDS = {
    "invalid": "The input is not valid; `errors` names each field, what is wrong and what to do.",
    "not-json": "The body is not JSON.",
    "too-large": "The body is larger than the limit.",
    "media-refused": "Images and video are not taken for this category; send the address, the time and a hash.",
    "key-reused": "The Idempotency-Key stands for another body already.",
    "unauthorised": "The token is missing, unknown, expired or revoked.",
    "forbidden": "The token lacks the scope.",
    "not-found": "There is no such thing, or it is not yours to see.",
    "refused": "The action is not possible in this state.",
    "unavailable": "The service cannot take this now; send it again after the time in Retry-After.",
}


class Invalid(InputError):
    """Input that is refused under one of KINDS."""

    def __init__(self, kind: str, problems: "list[Problem] | Problem", status: int = 422) -> None:
        super().__init__(problems)
        self.kind, self.status = kind, status


class Unavailable(Exception):
    """Nothing was taken; the same request may succeed later."""


def problem(status: int, kind: str, detail: str, problems: Sequence[Problem] = (), **headers: str) -> HttpResponse:
    """The answer: ``type``, ``title``, ``status``, ``detail``, and for bad input ``errors`` with field, problem and advice."""
    body: dict[str, Any] = {
        "type": f"/api/docs#{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if problems:
        body["errors"] = [{"field": one.where, "problem": one.what, "advice": one.advice} for one in problems]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(orjson.dumps(body), status=status, content_type=MEDIA_TYPE, headers=named)


def install(api: NinjaAPI) -> None:
    """Have every error of the API rendered here."""
    for kind, handler in HANDLERS:
        api.add_exception_handler(kind, handler)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    kind, status = getattr(error, "kind", "invalid"), getattr(error, "status", 422)
    count = len(error.problems)
    detail = str(error.problems[0]) + (f", and {count - 1} more" if count > 1 else "")
    return problem(status, kind, detail[:1000], error.problems[:100])


def _validation(request: HttpRequest, error: Any) -> HttpResponse:
    """What ninja found wrong with parameters."""
    found = [
        Problem(".".join(str(step) for step in one["loc"] if step not in ("query", "path", "body")), one["msg"], "see /api/docs")
        for one in error.errors
    ]
    return problem(422, "invalid", str(found[0]) if found else "the request is not valid", found)


def _unauthorised(request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(401, "unauthorised", str(error), WWW_Authenticate='Bearer realm="tipstaff"')


def _unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    what = str(error) if isinstance(error, Unavailable) else "the database is away"
    return problem(503, "unavailable", f"{what}; nothing was taken, send it again later", Retry_After="30")


def _forbidden(request: HttpRequest, error: Exception) -> HttpResponse:
    tried(request, str(error), now(), what="role")
    return problem(403, "forbidden", str(error))


def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
    if request.method != "GET":
        tried(request, str(error), now(), what="rule")
    return problem(409, "refused", str(error))


HANDLERS: tuple[tuple[type[Exception], Any], ...] = (
    (InputError, _invalid),
    (ValidationError, _validation),
    (Unauthorised, _unauthorised),
    (Forbidden, _forbidden),
    (NotFound, lambda request, error: problem(404, "not-found", str(error))),
    (Refused, _refused),
    (RequestDataTooBig, lambda request, error: problem(413, "too-large", "the body is larger than this server takes")),
    (HttpError, lambda request, error: problem(error.status_code, "invalid", str(error))),
    (Unavailable, _unavailable),
    (DatabaseError, _unavailable),
    (InterfaceError, _unavailable),
)
