"""Questions to the archive, answered by DuckDB in process, within a memory limit.

Every question is put to one view of compacted and fresh files alike, in which each flow is seen from each of its local
ends (see ``compacting``); files whose hour lies outside the span in question are not opened.
"""

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

import duckdb

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.filters import Condition, parse_filter

MEMORY, THREADS = "256MB", 2
DIMENSIONS = {
    "local": "local", "peer": "peer", "customer": "customer", "peer_customer": "peer_customer", "direction": "direction",
    "protocol": "protocol", "local_port": "local_port", "peer_port": "peer_port", "exporter": "exporter", "input": "input",
    "output": "output", "src_as": "src_as", "dst_as": "dst_as", "tcp_flags": "tcp_flags", "vlan": "vlan", "family": "family",
}  # fmt: skip
MEASURES = {
    "bytes": "sum(bytes * greatest(rate, 1))::HUGEINT", "packets": "sum(packets * greatest(rate, 1))::HUGEINT",
    "flows": "count(*)", "peers": "count(DISTINCT (peer, peer_hi, peer_lo))",
}  # fmt: skip
LATE = timedelta(hours=1)  # how much later than they ended flows may have been exported and filed
COMPACTED = """
    SELECT local, peer, local_hi, local_lo, peer_hi, peer_lo, local_port, peer_port, customer, peer_customer, direction, twin,
        protocol, tos, tcp_flags, rate, input, output, src_as, dst_as, vlan, exporter, marks, family, bytes, packets, ended, lasted
    FROM {source}
"""
FRESH = """
    SELECT {first}_ AS local, {second}_ AS peer, {first}_hi AS local_hi, {first}_lo AS local_lo, {second}_hi AS peer_hi,
        {second}_lo AS peer_lo, {first}_port AS local_port, {second}_port AS peer_port, {first}_customer AS customer,
        {second}_customer AS peer_customer, {direction} AS direction, {twin} AS twin, protocol, tos, tcp_flags, rate, input,
        output, src_as, dst_as, vlan, exporter, marks, family, bytes, packets, ended, lasted
    FROM {source} WHERE {where}
"""
SIX = ("local_hi", "local_lo", "peer_hi", "peer_lo")
RAW_SIX = ("src_hi", "src_lo", "dst_hi", "dst_lo")


@dataclass(frozen=True)
class Span:
    """From (inclusive) to (exclusive), both aware."""

    start: datetime
    end: datetime

    def milliseconds(self) -> tuple[int, int]:
        return int(self.start.timestamp() * 1000), int(self.end.timestamp() * 1000)


@dataclass(frozen=True)
class Answer:
    """Rows under names, and whether there were more than were asked for."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False

    def as_objects(self) -> list[dict[str, Any]]:
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class Archive:
    """The files under a folder."""

    def __init__(self, root: Path, *, memory: str = MEMORY, threads: int = THREADS) -> None:
        self.root, self.memory, self.threads = root, memory, threads

    @contextmanager
    def _connection(self) -> Any:
        connection = duckdb.connect(
            config={"memory_limit": self.memory, "threads": self.threads, "autoinstall_known_extensions": False}
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"SET temp_directory = '{_quoted(self.root / '.questions')}'")
            yield connection
        finally:
            connection.close()

    def _view(self, span: Span) -> str | None:
        """SQL for every row of the files that may hold flows of the span; None when there is no such file."""
        hours = [one.path for one in files.stored(self.root, "hours", "held") if _touches(one, span)]
        fresh = [one.path for one in files.stored(self.root, "fresh") if _touches(one, span)]
        parts = []
        if hours:
            parts.append(COMPACTED.format(source=_source(hours, SIX)))
        if fresh:
            source = _source(fresh, RAW_SIX)
            source = f"(SELECT *, src AS src_, dst AS dst_ FROM {source})"  # noqa: S608
            parts += [
                FRESH.format(first="src", second="dst", direction=0, twin=0, source=source, where="src_customer <> 0"),
                FRESH.format(
                    first="dst",
                    second="src",
                    direction=1,
                    twin="(src_customer <> 0)::UTINYINT",
                    source=source,
                    where="dst_customer <> 0",
                ),
                FRESH.format(
                    first="src", second="dst", direction=2, twin=0, source=source, where="src_customer = 0 AND dst_customer = 0"
                ),
            ]
        return " UNION ALL BY NAME ".join(f"({part})" for part in parts) if parts else None

    def _ask(self, span: Span, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run ``sql``, in which {flows} stands for the view; a file that was compacted away meanwhile is no error."""
        for attempt in range(3):
            view = self._view(span)
            if view is None:
                return []
            try:
                with self._connection() as connection:
                    found: list[tuple[Any, ...]] = connection.execute(sql.format(flows=f"({view})"), list(parameters)).fetchall()
                    return found
            except duckdb.IOException:
                if attempt == 2:
                    raise
        return []

    def top(self, dimension: str, span: Span, *, measure: str = "bytes", count: int = 10, where: str = "") -> Answer:
        """The greatest values of a dimension by a measure, each with bytes, packets and flows, scaled by the sampling rate.

        Dimensions: DIMENSIONS; measures: MEASURES; ``where``: a filter as in ``filters``.
        """
        for name, known, what in ((dimension, DIMENSIONS, "dimension"), (measure, MEASURES, "measure")):
            if name not in known:
                raise InputError(Problem(what, f"{name!r} is not known", f"known are {', '.join(known)}"))
        condition = _conditions(span, where)
        # A flow between two of our hosts is one flow, unless each end is asked for by itself.
        once = "" if dimension in ("local", "customer", "local_port") else " AND twin = 0"
        group = _grouped(dimension)
        sql = f"""
            SELECT {", ".join(group)}, {MEASURES["bytes"]}, {MEASURES["packets"]}, count(*), bool_or(rate = 0)
            FROM {{flows}} WHERE {condition.sql}{once} GROUP BY {", ".join(group)}
            ORDER BY {MEASURES[measure]} DESC, {group[0]} LIMIT {int(count) + 1}
        """  # noqa: S608
        rows = [(_value(dimension, row[: len(group)]), *row[len(group) :]) for row in self._ask(span, sql, condition.parameters)]
        return Answer((dimension, "bytes", "packets", "flows", "unscaled"), rows[:count], len(rows) > count)

    def flows_of(self, address: str, span: Span, *, limit: int = 1000, where: str = "") -> Answer:
        """Flows of one of our hosts that touch the span, in order of their end; ``direction`` 0 is out, 1 in."""
        condition = _conditions(span, where)
        own, parameters = _is_address("local", address)
        sql = f"""
            SELECT {", ".join(FLOW_COLUMNS)} FROM {{flows}} WHERE {own} AND {condition.sql} ORDER BY ended LIMIT {int(limit) + 1}
        """  # noqa: S608
        rows = [_flow(row) for row in self._ask(span, sql, [*parameters, *condition.parameters])]
        return Answer(SHOWN, rows[:limit], len(rows) > limit)

    def rates(self, span: Span) -> list[int]:
        """The sampling rates that flows of the span carry, 0 for unknown, the coarsest last."""
        condition = _conditions(span, "")
        sql = f"SELECT DISTINCT rate FROM {{flows}} WHERE {condition.sql} ORDER BY rate"  # noqa: S608
        return [int(row[0]) for row in self._ask(span, sql, condition.parameters)]

    def kept_since(self) -> datetime | None:
        """When the oldest file of single flows begins; None where nothing is kept."""
        oldest = files.stored(self.root, "hours", "fresh")
        return oldest[0].at if oldest else None

    def series(self, span: Span, *, step: timedelta, dimension: str = "direction", where: str = "") -> Answer:
        """Bytes and packets per step of time and value of a dimension; long flows count where they ended."""
        if dimension not in DIMENSIONS:
            raise InputError(Problem("dimension", f"{dimension!r} is not known", f"known are {', '.join(DIMENSIONS)}"))
        condition, width = _conditions(span, where), max(1, int(step.total_seconds() * 1000))
        group = _grouped(dimension)
        sql = f"""
            SELECT ended // {width} * {width} AS slot, {", ".join(group)}, {MEASURES["bytes"]}, {MEASURES["packets"]}, count(*)
            FROM {{flows}} WHERE {condition.sql} AND twin = 0 GROUP BY ALL ORDER BY ALL LIMIT 100000
        """  # noqa: S608
        rows = [
            (_moment(row[0]), _value(dimension, row[1 : 1 + len(group)]), *row[1 + len(group) :])
            for row in self._ask(span, sql, condition.parameters)
        ]
        return Answer(("at", dimension, "bytes", "packets", "flows"), rows)


FLOW_COLUMNS = (
    "ended", "lasted", "direction", "family", "local", "local_hi", "local_lo", "peer", "peer_hi", "peer_lo", "local_port",
    "peer_port", "protocol", "tcp_flags", "bytes", "packets", "rate", "exporter",
    "customer", "peer_customer", "input", "output", "marks",
)  # fmt: skip
SHOWN = (
    "start", "end", "direction", "local", "peer", "local_port", "peer_port", "protocol", "tcp_flags", "bytes", "packets",
    "sampling_rate", "exporter", "customer", "peer_customer", "input", "output", "marks",
)  # fmt: skip


def _flow(row: tuple[Any, ...]) -> tuple[Any, ...]:
    one = dict(zip(FLOW_COLUMNS, row, strict=True))
    local, peer = (_address(one["family"], one[end], one[f"{end}_hi"], one[f"{end}_lo"]) for end in ("local", "peer"))
    rest = [one[name] for name in FLOW_COLUMNS[10:16]]
    return (
        _moment(one["ended"] - one["lasted"]), _moment(one["ended"]), one["direction"], local, peer, *rest,
        one["rate"] or None, *(one[name] for name in FLOW_COLUMNS[17:]),
    )  # fmt: skip


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _address(family: int, four: int, hi: int | None, lo: int | None) -> str | None:
    if family == 6:
        return str(IPv6Address((hi or 0) << 64 | (lo or 0)))
    return str(ip_address(four)) if family == 4 else None


def _grouped(dimension: str) -> list[str]:
    if dimension in ("local", "peer"):
        return [dimension, "family", f"{dimension}_hi", f"{dimension}_lo"]
    return [DIMENSIONS[dimension]]


def _value(dimension: str, row: tuple[Any, ...]) -> Any:
    return _address(row[1], row[0], row[2], row[3]) if dimension in ("local", "peer") else row[0]


def _conditions(span: Span, where: str) -> Condition:
    """Flows that touch the span, and the filter's own conditions."""
    start, end = span.milliseconds()
    asked = parse_filter(where)
    return Condition(f"(ended >= ? AND ended - lasted < ?) AND {asked.sql}", (start, end, *asked.parameters))


def _is_address(end: str, address: str) -> tuple[str, list[Any]]:
    try:
        network: IPv4Network | IPv6Network = ip_network(address, strict=False)
    except ValueError as error:
        raise InputError(
            Problem("address", f"{address!r} is neither an address nor a prefix", "write it like 192.0.2.1")
        ) from error
    from tipstaff.sensors.traffic.archive.filters import inside

    return inside(end, network)


def _touches(one: files.Stored, span: Span) -> bool:
    """Whether a file may hold flows of the span: its name says when it was received."""
    width = timedelta(hours=1) if one.kind != "fresh" else timedelta(0)
    return one.at + width + LATE >= span.start and one.at <= span.end + LATE


def _source(paths: Sequence[Path], six: Sequence[str]) -> str:
    """A reader of the files, in which the columns of IPv6 are there even where no file has them."""
    listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
    lacking = ", ".join(f"NULL::UBIGINT AS {name}" for name in six)
    return f"(SELECT * FROM read_parquet([{listed}], union_by_name=true) UNION ALL BY NAME SELECT {lacking} WHERE false)"  # noqa: S608


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
