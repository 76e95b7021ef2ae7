"""Reading the chain as it is stored."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from tipstaff.audit import chain
from tipstaff.audit.chain import START, Head, Link
from tipstaff.audit.models import Seal

CHUNK = 5000  # rows fetched at once
_LINKS = """
    SELECT s.number, s.entry_id, s.sealed_at, encode(s.digest, 'hex'), encode(s.previous, 'hex'), encode(s.chained, 'hex'),
        e.id, e.at, e.actor, e.action, e.subject, e.reason, e.detail::text
    FROM audit_seal s LEFT JOIN audit_entry e ON e.id = s.entry_id
    WHERE s.number > %s AND s.number <= %s ORDER BY s.number
"""
_TAIL = """
    SELECT count(*), min(e.id), min(e.at) FROM audit_entry e WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.entry_id = e.id)
"""
LAST = 2**62


def head() -> Head:
    """The end of the chain; START where nothing is sealed yet."""
    row = Seal.objects.order_by("-number").values_list("number", "chained").first()
    return Head(row[0], bytes(row[1]).hex()) if row else START


def entry_of(row: Sequence[Any]) -> dict[str, Any]:
    """An entry as it is hashed, from columns in the order of chain.FIELDS with the detail as text."""
    return chain.content(
        id=row[0], at=row[1], actor=row[2], action=row[3], subject=row[4], reason=row[5], detail=json.loads(row[6])
    )  # fmt: skip


def links(after: int = 0, until: int = LAST) -> Iterator[Link]:
    """The seals with numbers above ``after`` up to ``until``, with their entries, in order; read as they are needed."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_LINKS, [after, until])
        while rows := cursor.fetchmany(CHUNK):
            for row in rows:
                entry = entry_of(row[6:]) if row[6] is not None else None
                yield Link(row[0], row[1], chain.written(row[2]), row[3], row[4], row[5], entry)


@dataclass(frozen=True)
class Tail:
    """Entries that are not sealed yet: how many, the lowest id, the earliest time."""

    count: int
    first: int | None
    since: datetime | None


def tail() -> Tail:
    """The unsealed tail."""
    with connection.cursor() as cursor:
        cursor.execute(_TAIL)
        return Tail(*cursor.fetchone())
