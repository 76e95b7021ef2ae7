"""Our own public form: one JSON document of our own schema, written by ``tipstaff.faces.public``.

Source: the form itself; ``SCHEMA`` names the version. It is believed only from a source of the kind 'form': the same bytes in a
mail are a mail like any other. The reporter is who they say they are, and nobody vouches for it.
"""

import json
from datetime import datetime
from typing import Any

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "web_form"
experimental = False

SCHEMA = "tipstaff-web-form/1"
KIND = "form"
MOST_LOCATORS = 50
LONGEST = 2_000


def claims(message: Message) -> Confidence:
    """CERTAIN for our schema from our form, else NONE."""
    if message.hints.source_kind != KIND or message.kind != "json" or SCHEMA.encode() not in message.raw[:200]:
        return Confidence.NONE
    return Confidence.CERTAIN


def parse(message: Message) -> list[ReportDraft]:
    """One draft with an event for each address, domain or URL that was entered."""
    document = _document(message)
    stated = document.get("reporter")
    category = _text(document, "category") or None
    draft = ReportDraft(
        format="web-form",
        reporter=_reporter(stated),
        category=category,
        category_from="structure of the web form" if category else None,
        report_type=category,
        xarf=xarf_of(category),
        reported_at=_moment(_text(document, "sent_at")),
        subject=_text(document, "subject") or None,
        description=_text(document, "description") or None,
        copyright=document.get("copyright") if isinstance(document.get("copyright"), dict) else None,
    )
    draft.events = _events(document)
    if not draft.events:
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs.append("no address, domain or URL was entered")
    return [draft]


def _document(message: Message) -> dict[str, Any]:
    try:
        document = json.loads(message.raw)
    except (ValueError, RecursionError) as error:
        raise ParseError("web form", f"is not JSON: {error}", "the form sends it whole; look at the raw bytes") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ParseError("web form: schema", f"is not {SCHEMA}", "send it through the form")
    return document


def _reporter(stated: Any) -> Reporter:
    if not isinstance(stated, dict):
        return Reporter()
    return Reporter(*(_text(stated, key) or None for key in ("name", "email", "organisation")))


def _events(document: dict[str, Any]) -> list[EventDraft]:
    rows = document.get("locators")
    written = _text(document, "occurred_at")
    at = _moment(written)
    found = []
    for number, row in enumerate(rows[:MOST_LOCATORS] if isinstance(rows, list) else []):
        event = _event(row, f"locators[{number}]") if isinstance(row, dict) else None
        if event is None:
            continue
        event.occurred_at, event.time_as_written = at, written or None
        if at is not None:
            event.found_in["occurred_at"] = "occurred_at"
        details = document.get("details")
        event.details = {str(key): value for key, value in details.items()} if isinstance(details, dict) else {}
        found.append(event)
    return found


def _event(row: dict[str, Any], where: str) -> EventDraft | None:
    ip, url, domain = normal_ip(_text(row, "ip")), normal_url(_text(row, "url")), normal_domain(_text(row, "domain"))
    if not (ip or url or domain):
        return None
    host = host_of(url) if url else None
    port = row.get("port")
    places = {"ip": f"{where}.ip", "url": f"{where}.url", "domain": f"{where}.{'domain' if domain else 'url'}"}
    values = {"ip": ip, "url": url, "domain": domain or (host if host and not normal_ip(host) else None)}
    if ip is None and host and normal_ip(host):
        values["ip"], places["ip"] = normal_ip(host), f"{where}.url"
    return EventDraft(
        ip=values["ip"],
        url=values["url"],
        domain=values["domain"],
        port=port if isinstance(port, int) and 0 <= port <= 65535 else None,
        found_in={key: place for key, place in places.items() if values[key]},
    )


def _text(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str):
        return ""
    return (value.strip().lower() if key == "email" else value.strip())[:LONGEST]


def _moment(text: str) -> datetime | None:
    found = read_time(text) if text else None
    return found.at if found else None
