"""A kind of message and its values as a letter: subject, text, HTML. Only a letter can be promised.

``promise`` takes a ``Letter`` and an audience outside the desk, so that what is written inside (a note) has no way out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any

from tipstaff.correspondence import catalogue, language, layout, wordings
from tipstaff.correspondence.catalogue import Source
from tipstaff.correspondence.models import OutboxMessage


class Audience(StrEnum):
    """Whom a letter can go to. Nobody inside the desk is among them but whoever is on call."""

    CUSTOMER = "customer"
    RESELLER = "reseller"
    REPORTER = "reporter"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered message. ``wording`` names what it was made from: 'packaged', or the number of an operator's own."""

    kind: str
    language: str
    subject: str
    text: str
    html: str
    wording: str = "packaged"


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom it goes to; ``contact`` is the number of the customer's contact, where it is one."""

    audience: Audience
    address: str
    name: str = ""
    language: str = "en"
    contact: int | None = None


@dataclass(frozen=True, slots=True)
class Thread:
    """What it belongs to: the reference, its token, the mailbox it comes from, and what it answers."""

    reference: str
    token: str = ""
    sender: str = ""
    in_reply_to: str = ""
    before: str = ""  # Message-IDs, the oldest first


def compose(kind: str, code: str, values: Mapping[str, Any], *, brand: str = "", zone: tzinfo | None = None) -> Letter:
    """Render a kind of message in a language. Raises InputError where a template of the operator's no longer fits."""
    code = catalogue.known(code)
    source, own = wordings.source_of(kind, code, brand)
    return rendered(kind, code, source, values, brand=brand, zone=zone, wording=str(own.pk) if own else "packaged")


def rendered(
    kind: str, code: str, source: Source, values: Mapping[str, Any], *, brand: str = "", zone: tzinfo | None = None,
    wording: str = "preview",
) -> Letter:  # fmt: skip
    """A letter from words that are given: as ``compose``, and for whoever is still writing them."""
    name = f"{kind} ({code})"
    pieces = {one: catalogue.parsed(text, f"fragment {one} ({code})") for one, text in wordings.fragments_of(code, brand).items()}

    def filled(text: str, part: str) -> language.Rendered:
        return language.render(
            catalogue.parsed(text, f"{name}, {part}"), values, pieces, lambda value, how: shown(value, how, zone)
        )

    subject = layout.subject(filled(source.subject, "subject"))
    body = filled(source.body, "body")
    found = layout.blocks(body)
    html = (
        layout.framed(filled(source.html, "html"), title=subject, language=code)
        if source.html
        else layout.as_html(found, body.values, title=subject, language=code)
    )
    return Letter(kind, code, subject, layout.as_text(found, body.values), html, wording)


def shown(value: Any, how: str, zone: tzinfo | None = None) -> str:
    """A value in words: moments in the reader's zone with UTC beside it, numbers with their thousands apart."""
    if isinstance(value, datetime):
        text = day(value, zone) if how == "day" else moment(value, zone)
    elif isinstance(value, bool) or value is None:
        text = "yes" if value else ""
    else:
        text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.lower() if how == "lower" else text.upper() if how == "upper" else text


def moment(at: datetime, zone: tzinfo | None = None) -> str:
    """'2026-06-15 14:20 CEST (12:20 UTC)'; the date is repeated where it differs."""
    there, here = at.astimezone(UTC), at.astimezone(zone or UTC)
    if not here.utcoffset():
        return f"{there:%Y-%m-%d %H:%M} UTC"
    same = here.date() == there.date()
    return f"{here:%Y-%m-%d %H:%M} {_zone_name(here)} ({there:{'%H:%M' if same else '%Y-%m-%d %H:%M'}} UTC)"


def day(at: datetime, zone: tzinfo | None = None) -> str:
    return f"{at.astimezone(zone) if zone else at:%Y-%m-%d}"


def _zone_name(at: datetime) -> str:
    name = at.tzname() or ""
    return name if name.isalpha() else f"UTC{at:%z}"


def promise(
    *, letter: Letter, to: Addressee, thread: Thread, now: datetime, once: str | None = None, not_before: datetime | None = None,
    by: str = "system", urgent: bool = False, automatic: bool = True, held: str = "",
) -> OutboxMessage | None:  # fmt: skip
    """Put a letter into the outbox, in the caller's transaction. None where the same promise (``once``) was made before."""
    if once is not None and OutboxMessage.objects.filter(dedupe_key=once).exists():
        return None
    return OutboxMessage.objects.create(
        reference=thread.reference, audience=str(Audience(to.audience)), kind=letter.kind.partition(".")[0],
        recipient_name=to.name, recipient=to.address, contact_id=to.contact, language=letter.language,
        subject=letter.subject, body=letter.text, html=letter.html, sender=thread.sender, token=thread.token,
        in_reply_to=thread.in_reply_to, thread=thread.before, automatic=automatic, urgent=urgent, dedupe_key=once,
        state="held" if held else "waiting", error=held, created_at=now, created_by=by, not_before=not_before or now,
    )  # fmt: skip
