"""Cursors and ETags."""

import base64
import hashlib
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from tipstaff.kernel.errors import InputError, Problem

MOST = 200


def encode(*place: Any) -> str:
    """An opaque cursor for the row that a page ended with."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in place])).decode().rstrip("=")


def decode(cursor: str, count: int) -> list[str]:
    """What ``encode`` was given. Raises InputError for anything it did not make."""
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(place, list) and len(place) == count and all(isinstance(part, str) for part in place):
            return place
    except ValueError:
        pass
    raise InputError(Problem("cursor", "is not one of ours", "take it from `next` of the page before"))


def answer(request: HttpRequest, body: Any, *, etag: str = "") -> HttpResponse:
    """JSON with an ETag; 304 where the client has it already (RFC 9110 13.1.2)."""
    content = orjson.dumps(body)
    tag = f'W/"{etag or hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    offered = {one.strip() for one in request.headers.get("If-None-Match", "").split(",")}
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in offered or "*" in offered:
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(content, content_type="application/json", headers=headers)
