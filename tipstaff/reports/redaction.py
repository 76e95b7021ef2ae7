"""Evidence as the customer may see it (requirements section O, "Never shown"). Pure.

Removed: who complained, recipients and spam traps, X-headers, message ids, tracking links, other customers' addresses and
rows, card and phone numbers, signatures. Attachments are named, measured and hashed, never shown. What is not known to be
harmless is removed: a mail address stays only under a domain of the accused, a link only to a host of the accused.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tipstaff.intake.message import Message, Part
from tipstaff.reports.scrubbing import (
    HEADER,
    MOST_CHARACTERS,
    MOST_LINES,
    OPEN,
    ROWS,
    SECRET_KEYS,
    SHUT,
    Scope,
    free_text,
    gone,
    inline,
    received,
)

#: Of a reporter's own mail only these headers are told.
_OUTER = ("Date", "Subject")
#: Of the mail that is complained about, and of machine-readable reports.
_INNER = ("Date", "Subject", "From", "Received", "Content-Type", "MIME-Version", "Return-Path")
_SECRET_WORDS = (
    "reporter", "sender", "contact", "recipient", "rcpt", "email", "phone", "person", "organi", "complainant", "attachment",
    "evidence", "payload", "sample", "on_behalf",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; where ``gone`` is set, something of that kind stood here."""

    text: str
    gone: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the evidence: what it is, and its text in pieces; an attachment has none."""

    title: str
    pieces: tuple[Piece, ...] = ()
    attachment: str = ""

    @property
    def text(self) -> str:
        return "".join(f"[removed: {piece.gone}]" if piece.gone else piece.text for piece in self.pieces)


def as_customer_sees(messages: Sequence[Message], scope: Scope) -> list[Section]:
    """What was received, as this customer may see it."""
    sections: list[Section] = []
    for message in messages:
        sections += _message(message, scope, outer=True)
    return sections


def removed_from(sections: Iterable[Section]) -> Counter[str]:
    """What was removed, by kind."""
    return Counter(piece.gone for section in sections for piece in section.pieces if piece.gone)


def _message(message: Message, scope: Scope, *, outer: bool) -> Iterator[Section]:
    title = "Report" if outer else "The mail that is complained about"
    if message.kind != "mail":
        yield from _document(message, scope)
        return
    head = "\n".join(_headers(message, scope, _OUTER if outer else _INNER))
    letter = free_text(message.letter, scope)
    yield Section(title, _pieces(f"{head}\n\n{letter}" if head else letter))
    for part in message.parts:
        section = _part(part, scope)
        if section:
            yield section
    for inner in message.embedded:
        yield from _message(inner, scope, outer=False)


def _document(message: Message, scope: Scope) -> Iterator[Section]:
    for part in message.parts or [Part("text/plain", message.raw, message.where)]:
        yield _table_or_json(part, scope)


def _part(part: Part, scope: Scope) -> Section | None:
    kind = part.content_type
    if kind in {"message/rfc822", "text/rfc822-headers"}:
        return None  # opened up as a message of its own
    if kind in {"message/feedback-report", "text/csv", "application/json", "application/x-ndjson"}:
        return _table_or_json(part, scope)
    if kind.startswith("text/") and not part.attachment:
        return None  # it is the letter
    if kind.startswith("text/") or (part.filename or "").lower().endswith((".txt", ".log", ".csv", ".json")):
        return _table_or_json(part, scope)
    return Section(_shown_name(part, scope), attachment=_measured(part))


def _table_or_json(part: Part, scope: Scope) -> Section:
    text = part.text[:MOST_CHARACTERS]
    name = _shown_name(part, scope)
    if part.content_type == "message/feedback-report":
        return Section("Machine-readable report", _pieces(free_text(text, scope)))
    if text.lstrip()[:1] in "{[":
        try:
            return Section(name, _pieces(json.dumps(_json(json.loads(text), scope), ensure_ascii=False, indent=2)))
        except (ValueError, RecursionError):
            pass
    return Section(name, _pieces(_rows(text, scope)))


def _shown_name(part: Part, scope: Scope) -> str:
    return _plain(free_text(part.filename or part.content_type, scope))


def _measured(part: Part) -> str:
    """An attachment in words; it is never rendered."""
    return f"{part.content_type}, {len(part.content):,} bytes, sha256 {hashlib.sha256(part.content).hexdigest()}"


def _rows(text: str, scope: Scope) -> str:
    """The heading of a table and the rows about this customer; all others are counted and left out."""
    lines = text.splitlines()[:MOST_LINES]
    kept = [free_text(line, scope) for line in lines[1:] if scope.speaks_of(line)]
    left_out = len([line for line in lines[1:] if line.strip()]) - len(kept)
    head = [free_text(lines[0], scope)] if lines else []
    return "\n".join([*head, *kept, *([gone(f"{left_out} {ROWS}")] if left_out > 0 else [])])


def _json(value: Any, scope: Scope, depth: int = 0) -> Any:
    if depth > 20:
        return gone("nested too deep")
    if isinstance(value, dict):
        return {
            free_text(str(key), scope): gone(SECRET_KEYS)
            if any(word in str(key).lower() for word in _SECRET_WORDS) or str(key).lower().startswith("x-")
            else _json(item, scope, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_json(item, scope, depth + 1) for item in value[:200]]
    return free_text(value, scope) if isinstance(value, str) else value


def _headers(message: Message, scope: Scope, shown: Sequence[str]) -> Iterator[str]:
    wanted = {name.lower() for name in shown}
    hidden = 0
    for name, value in message.headers:
        low = name.lower()
        if low not in wanted:
            hidden += 1
        elif low == "received":
            yield received(value, scope)
        else:
            yield f"{name}: {inline(value, scope)}"
    if hidden:
        yield gone(f"{hidden} {HEADER}{'s' if hidden > 1 else ''}")


def _plain(text: str) -> str:
    return text.replace(OPEN, "[removed: ").replace(SHUT, "]")


def _pieces(text: str) -> tuple[Piece, ...]:
    pieces = []
    for stretch in text.split(OPEN):
        what, shut, rest = stretch.partition(SHUT)
        if shut:
            pieces.append(Piece("", what))
            stretch = rest
        if stretch:
            pieces.append(Piece(stretch))
    return tuple(pieces)
