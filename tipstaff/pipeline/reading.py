"""Bytes into drafts with everything the operator taught us: hints by source, keywords, profiles."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

import re2

from tipstaff.accounts.models import OwnPrefix
from tipstaff.intake.clearance import is_cleared
from tipstaff.intake.message import Hints
from tipstaff.intake.models import Source
from tipstaff.intake.operator_words import vocabulary
from tipstaff.intake.read import read_submission
from tipstaff.intake.vocabulary.load import Vocabulary
from tipstaff.pipeline.columns import Parsed

_MESSAGE_ID = re2.compile(rb"(?im)^message-id:[ \t]*(?:\r?\n[ \t]+)?<?([^<>\s]{3,250})>?[ \t]*\r?$")
MOST_PREFIXES = 20_000  # of ours that reading knows
_HEADER = 65_536  # bytes at most
_NAME, _NEWLINE = b"message-id:", ord("\n")
_NOT_INSIDE = b"<> \t\n\f\r"  # what no Message-ID has within its brackets
_LONGEST = 250
_TYPE, _LONGEST_TYPE = b"\nContent-Type:", 60


def message_id(content: bytes) -> str:
    """The Message-ID of a mail, without its brackets; empty where there is none (RFC 5322 section 3.6.4)."""
    end = content.find(b"\n\r\n", 0, _HEADER)  # the pattern takes either line end: only what is searched need be short
    if end < 0 or content.find(b"\n\n", 0, end) >= 0 or content[:1] in b"\r\n":
        header = content[:_HEADER].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    else:
        header = content[: end + 1]
    low = header.lower()
    at = low.find(_NAME)
    while at >= 0:  # the pattern looks at such lines only: searching the header with its counted repetition costs ten times that
        if not at or low[at - 1] == _NEWLINE:
            if plain := _plain_id(header, at + len(_NAME)):
                return plain
            if found := _MESSAGE_ID.match(header, at):
                return found.group(1).decode("ascii", "replace")
        at = low.find(_NAME, at + 1)
    return ""


def _plain_id(header: bytes, at: int) -> str:
    """What the pattern finds in ``<…>`` on the rest of this line, as nearly every mail has it; empty where only it can tell."""
    end = header.find(b"\n", at)
    value = header[at : end if end >= 0 else len(header)].removesuffix(b"\r").strip(b" \t")
    inner = value[1:-1]
    if value[:1] != b"<" or value[-1:] != b">" or not 3 <= len(inner) <= _LONGEST or not inner.isascii():
        return ""
    return inner.decode("ascii") if len(inner.translate(None, _NOT_INSIDE)) == len(inner) else ""


def kind_of(content: bytes) -> bytes:
    """What a mail calls its type: as good as any sign of what it takes to read it."""
    at = content.find(_TYPE, 0, _HEADER)
    return content[at + 1 : at + _LONGEST_TYPE].partition(b"\n")[0] if at >= 0 else b""


class InHand(Protocol):
    """A submission with its bytes."""

    @property
    def id(self) -> UUID: ...
    @property
    def source(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def filename(self) -> str: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def envelope(self) -> dict[str, Any]: ...
    @property
    def content(self) -> bytes: ...
    @property
    def digest(self) -> bytes: ...


@dataclass(frozen=True)
class Taken:
    """A submission in hand, with its bytes."""

    id: UUID
    source: str
    kind: str
    filename: str
    received_at: datetime
    envelope: dict[str, Any]
    content: bytes

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.content).digest()


class Reader:
    """Reads submissions; knows the settings of their sources. ``renew`` before the first use and now and then."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self.networks: tuple[str, ...] = ()
        self.vocabulary: Vocabulary | None = None  # the package's

    def renew(self, now: datetime) -> None:
        self.sources = dict(Source.objects.values_list("name", "settings"))
        own = OwnPrefix.objects.order_by("prefix").values_list("prefix", flat=True)[: MOST_PREFIXES + 1]
        # All of them or none: with a part of them, addresses of ours would pass for strangers'.
        self.networks = tuple(map(str, own)) if len(own) <= MOST_PREFIXES else ()
        self.vocabulary = vocabulary()

    def read_many(self, items: Sequence[InHand]) -> list[Parsed]:
        """What each says, in order. Mails of one kind are read one after the other: what reading them takes lies at hand then."""
        order = sorted(range(len(items)), key=[kind_of(item.content) for item in items].__getitem__)
        found = {place: self.read(items[place]) for place in order}
        return [found[place] for place in range(len(items))]

    def read(self, item: InHand) -> Parsed:
        return Parsed(
            submission=item.id,
            received_at=item.received_at,
            source=item.source,
            kind=item.kind,
            sha256=item.digest.hex(),
            drafts=read_submission(item.content, self.hints(item), self.vocabulary),
            message_id=message_id(item.content),
        )

    def hints(self, item: InHand) -> Hints:
        known = self.sources.get(item.source, {})
        return Hints(
            filename=item.filename or None,
            source=item.source,
            source_kind=item.kind,
            received_at=item.received_at,
            envelope_from=item.envelope.get("mail_from"),
            envelope_to=tuple(item.envelope.get("rcpt_to", ())),
            trusted_authserv=tuple(known.get("trusted_authserv", ())),
            own_domains=tuple(known.get("own_domains", ())),
            own_addresses=tuple(known.get("own_addresses", ())),
            own_networks=self.networks,
            zone=known.get("zone"),
            mapping=known.get("mapping"),
            seal_cleared=is_cleared(item.envelope),
            defects=_cut(item.envelope),
            vocabulary=self.vocabulary,
        )


def _cut(envelope: dict[str, Any]) -> tuple[str, ...]:
    """That a source took only the beginning of a mail, as a mailbox does above its ``max_bytes``."""
    if not envelope.get("cut_off_at"):
        return ()
    return (f"it was cut at {envelope['cut_off_at']} of {envelope.get('size', 'more')} bytes: raise max_bytes of its source",)
