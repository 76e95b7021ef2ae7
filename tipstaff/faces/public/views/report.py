"""The report form: paste, check, fill in what is missing, see what the customer will see, send. Works without script."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from tipstaff.attribution import elsewhere
from tipstaff.faces.public import limits
from tipstaff.faces.public.filled import (
    MEDIA,
    ZONES,
    Filled,
    digest_of,
    document,
    from_post,
    has_media,
    moment_of,
    problems_of,
    with_reading,
)
from tipstaff.faces.public.kinds import FIELDS, is_sealed, may_be_anonymous, needed, offered
from tipstaff.faces.public.page import in_force, page, refusal
from tipstaff.faces.public.preview import preview
from tipstaff.faces.public.reading import NOT_OURS, OURS, UNKNOWN, Place, read_paste, read_places
from tipstaff.faces.public.tokens import token_of
from tipstaff.intake.spool import Spool, accepted
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.ids import new_id
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition

SOURCE, KIND = "Web form", "form"
MOST_UPLOADED = 2 << 20  # bytes
WAIT = "Wait an hour, or write to us by mail."


@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """One page, three buttons: check, show me, send."""
    now = clock_now()
    stored = in_force(now)
    edition = policy.compiled(stored) if stored else None
    if request.method != "POST":
        blank = Filled({"nonce": new_id(now).hex, "tell": "yes", "zone": "", "paste": request.GET.get("about", "")[:300]})
        return _shown(request, blank, edition, now)
    filled = from_post(request.POST)
    if filled.website:
        return refusal(
            request, 400, "A field that people do not see was filled in.", "Turn automatic filling off and send it again."
        )
    step = request.POST.get("step", "check")
    if limits.too_many(request, "send" if step == "send" else "check", now):
        return refusal(request, 429, "Too many reports came from your network in the last hour.", WAIT)
    if step == "check":
        return _checked(request, filled, edition, now)
    return _previewed(request, filled, edition, now, send=step == "send")


def _checked(request: HttpRequest, filled: Filled, edition: Edition | None, now: datetime) -> HttpResponse:
    """Read what was pasted or attached, and fill in what it says."""
    problems = {}
    upload = request.FILES.get("upload")
    if isinstance(upload, UploadedFile):
        text, problem = _text_of(upload)
        problems = {"upload": problem} if problem else {}
        filled = filled.having(paste=text) if text else filled
    if not filled.paste and not problems:
        problems["paste"] = "Paste a URL, an address, log lines or a mail; or fill in the fields yourself."
    if not filled.paste:
        return _shown(request, filled, edition, now, problems=problems, opened=not problems.get("upload"))
    reading = read_paste(filled.paste, now)
    _ask_elsewhere(reading.places, now)
    filled = with_reading(filled.having(places="") if reading.places else filled, reading)
    if reading.sealed and has_media(filled.paste):
        problems["paste"] = "There is a picture or a video in it. Do not send it to anybody: we removed it from this form."
        filled = filled.having(paste="")
    return _shown(request, filled, edition, now, places=reading.places, reading=reading, problems=problems, opened=True)


def _ask_elsewhere(places: Sequence[Place], now: datetime) -> None:
    """Whose abuse contact is not known yet is asked for, so that the next reader is told."""
    for place in places:
        if place.answer == NOT_OURS and place.ip and not place.contact:
            elsewhere.ask(address=place.ip, now=now)


def _text_of(upload: UploadedFile) -> tuple[str, str]:
    """The text of an attached file, or why it is not taken."""
    if (upload.content_type or "").startswith(MEDIA):
        return (
            "",
            "Pictures, videos and sounds are not taken here. Give the address of what you saw; never send child abuse material.",
        )
    if upload.size is None or upload.size > MOST_UPLOADED:
        return "", "The file is larger than 2 MB. Send the lines that matter, or mail it to us."
    content = upload.read()
    if b"\x00" in content:
        return "", "This is not a text. Attach a mail (.eml), a log or a JSON document."
    return content.decode("utf-8", "replace"), ""


def _previewed(request: HttpRequest, filled: Filled, edition: Edition | None, now: datetime, *, send: bool) -> HttpResponse:
    """Say what is missing; else show what the customer will see; else, once that was seen, send it."""
    places, wrong = read_places(filled.places, moment_of(filled) or now)
    problems = problems_of(filled, places, wrong, edition, now)
    if not problems and places and all(place.answer == NOT_OURS for place in places):
        problems["places"] = (
            "None of this is in our network; we can do nothing about it. Send it to the network that is named above."
        )
    if problems:
        return _shown(request, filled, edition, now, places=places, problems=problems, opened=True)
    content = document(filled, places, edition, now)
    digest = digest_of(content)
    if send and filled.seen == digest:
        return _sent(request, filled, content, now)
    changed = send and bool(filled.seen)
    seen = preview(content, places)
    return _shown(
        request, filled.having(seen=digest), edition, now, places=places, opened=True, preview=seen, changed=changed, status=200
    )


def _sent(request: HttpRequest, filled: Filled, content: dict[str, Any], now: datetime) -> HttpResponse:
    """On the disk before we say thank you. The same form sent twice is one report."""
    item = accepted(
        source=SOURCE,
        kind=KIND,
        content=orjson.dumps(content),
        now=now,
        ref=f"{filled.nonce}:{filled.seen}" if filled.nonce else "",
        filename="web-form.json",
        peer=limits.digest_of(limits.peer_of(request)),
    )
    Spool(settings.SPOOL).put([item])
    return redirect(f"/report/thanks/{token_of(item.id)}/")


def _shown(
    request: HttpRequest, filled: Filled, edition: Edition | None, now: datetime, *, places: list[Place] | None = None,
    problems: dict[str, str] | None = None, opened: bool = False, status: int | None = None, **more: Any,
) -> HttpResponse:  # fmt: skip
    problems, places = problems or {}, places or []
    chosen = filled.chosen
    code = chosen.code if chosen else ""
    must = needed(code, edition)
    context = {
        "now": now,
        "filled": filled,
        "problems": problems,
        "opened": opened,
        "kinds": offered(edition),
        "zones": ZONES,
        "ours": [place for place in places if place.answer == OURS],
        "unknown": [place for place in places if place.answer == UNKNOWN],
        "elsewhere": [place for place in places if place.answer == NOT_OURS],
        "fields": [_field(name, filled, problems, must) for name in (chosen.fields if chosen else ())],
        "anonymous": may_be_anonymous(code, edition),
        "sealed": is_sealed(code, edition),
        "time_needed": not is_sealed(code, edition),
        "screen": "report",
    }
    return page(request, "public/report.html", context | more, status=status or (422 if problems else 200))


def _field(name: str, filled: Filled, problems: dict[str, str], must: frozenset[str]) -> dict[str, Any]:
    field = FIELDS[name]
    return {"field": field, "value": filled.extra.get(name, ""), "problem": problems.get(name, ""), "needed": name in must}
