"""Tenancies of prefixes and names in their tables: what is known now, and how a correction replaces it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import ip_network
from math import inf
from typing import Any

from django.db import connection
from psycopg.types.range import Int4Range, TimestamptzRange

from tipstaff.accounts.timeline import Span, Tenancy, difference

ASSIGNMENTS, NAMES = "accounts_assignment", "accounts_servicename"
_COLUMNS = {
    ASSIGNMENTS: """t.id, t.service_id, lower(t.period), upper(t.period), t.source_id, t.external_id, t.prefix::text,
        lower(t.ports), upper(t.ports), t.shared""",
    NAMES: "t.id, t.service_id, lower(t.period), upper(t.period), t.source_id, t.external_id, t.kind, t.value",
}
_AT_KEYS = {
    ASSIGNMENTS: "JOIN unnest(%s::text[]) k(value) ON t.prefix = k.value::cidr",
    NAMES: "JOIN unnest(%s::text[]) k(value) ON t.value = k.value",
}
FEW = 500  # up to here the index is asked for each prefix, above it all rows are read


def known(table: str) -> list[Tenancy]:
    """Everything known now."""
    return _read(table, f"SELECT {_COLUMNS[table]} FROM {table} t WHERE t.superseded_at IS NULL", [])  # noqa: S608


def known_at(table: str, keys: Iterable[Any], external_ids: Iterable[str] = ()) -> list[Tenancy]:
    """What is known now of these prefixes or (kind, value) names, and of rows with these external ids."""
    texts = sorted({key[1] if isinstance(key, tuple) else str(key) for key in keys})
    if len(texts) > FEW:
        return known(table)
    columns = _COLUMNS[table]
    statement = f"""SELECT {columns} FROM {table} t {_AT_KEYS[table]} WHERE t.superseded_at IS NULL
        UNION SELECT {columns} FROM {table} t WHERE t.superseded_at IS NULL AND t.external_id = ANY(%s)"""  # noqa: S608
    return _read(table, statement, [texts, sorted(set(external_ids))])


def around(prefixes: Sequence[Any]) -> list[Tenancy]:
    """Assignments known now on these prefixes, inside them, and around them."""
    if len(prefixes) > FEW:
        return known(ASSIGNMENTS)
    statement = f"""SELECT DISTINCT {_COLUMNS[ASSIGNMENTS]} FROM unnest(%s::text[]) k(value)
        JOIN {ASSIGNMENTS} t ON t.prefix && k.value::cidr WHERE t.superseded_at IS NULL"""  # noqa: S608
    return _read(ASSIGNMENTS, statement, [[str(prefix) for prefix in prefixes]])


def _read(table: str, statement: str, values: list[Any]) -> list[Tenancy]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    if table == NAMES:
        return [
            Tenancy((kind, value), service, start, end, source=source, external_id=external, number=number)
            for number, service, start, end, source, external, kind, value in rows
        ]
    return [
        Tenancy(ip_network(prefix), service, start, end, port_from, port_to, shared, source, external, number)
        for number, service, start, end, source, external, prefix, port_from, port_to, shared in rows
    ]


def replace_known(table: str, before: list[Tenancy], after: list[Tenancy], now: datetime) -> tuple[list[Span], list[Tenancy]]:
    """Supersede and insert rows so that ``after`` is what is known; return what changed, and the new rows.

    Superseded rows stay: they are what was known until ``now``.
    """
    gone, fresh = difference(before, after)
    with connection.cursor() as cursor:
        if gone:
            numbers = [row.number for row in gone]
            cursor.execute(f"UPDATE {table} SET superseded_at = %s WHERE id = ANY(%s)", [now, numbers])  # noqa: S608
        if fresh:
            _insert(cursor, table, fresh, now)
    return _spans(gone, fresh), fresh


def _insert(cursor: Any, table: str, rows: list[Tenancy], now: datetime) -> None:
    own = "prefix, ports, shared" if table == ASSIGNMENTS else "kind, value"
    columns = f"service_id, period, source_id, external_id, recorded_at, {own}"
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            special: tuple[Any, ...]
            if isinstance(row.prefix, tuple):
                special = row.prefix
            else:
                special = (str(row.prefix), Int4Range(row.port_from, row.port_to), row.shared)
            period = TimestamptzRange(row.start, row.end)
            copy.write_row((row.service, period, row.source, row.external_id, now, *special))


def _spans(gone: list[Tenancy], fresh: list[Tenancy]) -> list[Span]:
    return sorted({Span(row.prefix, row.start, row.end) for row in [*gone, *fresh]}, key=_in_order)


def _in_order(span: Span) -> tuple[str, float, float]:
    """Open beginnings first, open ends last."""
    start = span.start.timestamp() if span.start else -inf
    return str(span.prefix), start, span.end.timestamp() if span.end else inf
