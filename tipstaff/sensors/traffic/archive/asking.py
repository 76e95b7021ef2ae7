"""Questions to an archive, whichever engine holds it; and the archive of files, which DuckDB answers for in process.

Every question is put to one view of compacted and fresh files alike, in which each flow is seen from each of its local
ends (see ``compacting``); files whose hour lies outside the span in question are not opened.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb

from tipstaff.kernel.errors import Refused
from tipstaff.sensors.traffic.archive import files, questions
from tipstaff.sensors.traffic.archive.questions import DIMENSIONS, FLOW_COLUMNS, MEASURES, Dialect, Span, Statement, Wanted

__all__ = ["DIMENSIONS", "MEASURES", "Answer", "Archive", "Questions", "Span"]

MEMORY, THREADS, SPILL = "256MB", 2, "2GB"
LATE = timedelta(hours=1)  # how much later than they ended flows may have been exported and filed
COMPACTED = """
    SELECT local, peer, coalesce(local_hi, 0) AS local_hi, coalesce(local_lo, 0) AS local_lo, coalesce(peer_hi, 0) AS peer_hi,
        coalesce(peer_lo, 0) AS peer_lo, local_port, peer_port, customer, peer_customer, direction, twin,
        protocol, tos, tcp_flags, rate, input, output, src_as, dst_as, vlan, exporter, marks, family, bytes, packets, ended,
        lasted{more}
    FROM {source}
"""
FRESH = """
    SELECT {first}_ AS local, {second}_ AS peer, coalesce({first}_hi, 0) AS local_hi, coalesce({first}_lo, 0) AS local_lo,
        coalesce({second}_hi, 0) AS peer_hi, coalesce({second}_lo, 0) AS peer_lo, {first}_port AS local_port,
        {second}_port AS peer_port, {first}_customer AS customer, {second}_customer AS peer_customer, {direction} AS direction,
        {twin} AS twin, protocol, tos, tcp_flags, rate, input, output, src_as, dst_as, vlan, exporter, marks, family, bytes,
        packets, ended, lasted{more}
    FROM {source} WHERE {where}
"""
SUMMED = """
    SELECT local, coalesce(local_hi, 0) AS local_hi, coalesce(local_lo, 0) AS local_lo, customer, direction, twin, protocol,
        exporter, family, bytes, packets, ended, 0 AS lasted, CASE WHEN unscaled > 0 THEN 0 ELSE 1 END AS rate{more}
    FROM {source}
"""
SIX = ("local_hi", "local_lo", "peer_hi", "peer_lo")
RAW_SIX = ("src_hi", "src_lo", "dst_hi", "dst_lo")
SHOWN = (
    "start", "end", "direction", "local", "peer", "local_port", "peer_port", "protocol", "tcp_flags", "bytes", "packets",
    "sampling_rate", "exporter", "customer", "peer_customer", "input", "output", "marks",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """Rows under names, and whether there were more than were asked for."""

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool = False

    def as_objects(self) -> list[dict[str, Any]]:
        return [dict(zip(self.names, row, strict=True)) for row in self.rows]


class Questions(ABC):
    """What can be asked of any archive. Sums are scaled by the sampling rate."""

    dialect: Dialect
    weighted = False
    sums = False  # whether what was summed up is part of it

    @abstractmethod
    def _ask(self, span: Span, statement: Statement, coarse: bool = False) -> Sequence[Sequence[Any]]:
        """Run a statement over the flows that a span may touch; ``coarse``: and over what was summed up of them."""

    @abstractmethod
    def kept_since(self) -> datetime | None:
        """Since when single flows are kept; None where there are none."""

    def _wanted(self, span: Span, where: str, *dimensions: str, measure: str = "bytes") -> Wanted:
        coarse = bool(dimensions) and self.sums and questions.rolled(where, *(one for one in dimensions if one), measure=measure)
        return Wanted(span, where, self.dialect, self.weighted, coarse)

    def top(self, dimension: str, span: Span, *, measure: str = "bytes", count: int = 10, where: str = "") -> Answer:
        """The greatest values of a dimension by a measure, each with bytes, packets and flows, scaled by the sampling rate.

        Dimensions: DIMENSIONS; measures: MEASURES; ``where``: a filter as in ``filters``.
        """
        wanted = self._wanted(span, where, dimension, measure=measure)
        statement = questions.top(wanted, dimension, measure, count)
        width = len(questions.columns_of(dimension))
        rows = [
            (questions.value_of(dimension, row[:width]), *map(int, row[width : width + 3]), bool(row[width + 3]))
            for row in self._ask(span, statement, wanted.coarse)
        ]
        return Answer((dimension, "bytes", "packets", "flows", "unscaled"), rows[:count], len(rows) > count)

    def total(self, span: Span, *, where: str = "", dimension: str = "") -> tuple[int, int, int]:
        """Bytes, packets and flows of all that is asked for."""
        wanted = self._wanted(span, where, dimension)
        found = self._ask(span, questions.total(wanted, dimension), wanted.coarse)
        first, second, third = (int(value or 0) for value in found[0]) if found else (0, 0, 0)
        return first, second, third

    def lines(
        self, dimension: str, span: Span, *, step: timedelta, values: Sequence[Any] = (), measure: str = "bytes", where: str = ""
    ) -> list[tuple[datetime, int, int]]:
        """(start of the step, place among the values or -1 for all others, measure)."""
        wanted = self._wanted(span, where, dimension, measure=measure)
        rows = self._ask(span, questions.lines(wanted, dimension, measure, values, step), wanted.coarse)
        return [(_moment(int(slot)), int(place), int(amount)) for slot, place, amount in rows]

    def pairs(
        self, dimensions: tuple[str, str], span: Span, *, values: tuple[Sequence[Any], Sequence[Any]], measure: str = "bytes",
        where: str = "",
    ) -> list[tuple[int, int, int]]:  # fmt: skip
        """(place among the first dimension's values, among the second's, measure); -1 for all others."""
        wanted = self._wanted(span, where, *dimensions, measure=measure)
        rows = self._ask(span, questions.pairs(wanted, dimensions, measure, values), wanted.coarse)
        return [(int(one), int(two), int(amount)) for one, two, amount in rows]

    def flows_of(self, address: str, span: Span, *, limit: int = 1000, where: str = "") -> Answer:
        """Flows of one of our hosts that touch the span, in order of their end; ``direction`` 0 is out, 1 in."""
        statement = questions.flows_of(self._wanted(span, where), address, limit)
        rows = [_flow(row) for row in self._ask(span, statement)]
        return Answer(SHOWN, rows[:limit], len(rows) > limit)

    def rates(self, span: Span) -> list[int]:
        """The sampling rates that flows of the span carry, 0 for unknown, the coarsest last."""
        return [int(row[0]) for row in self._ask(span, questions.rates(self._wanted(span, "")))]

    def series(self, span: Span, *, step: timedelta, dimension: str = "direction", where: str = "") -> Answer:
        """Bytes and packets per step of time and value of a dimension; long flows count where they ended."""
        wanted = self._wanted(span, where, dimension)
        statement = questions.series(wanted, dimension, step)
        width = 1 + len(questions.columns_of(dimension))
        rows = [
            (_moment(int(row[0])), questions.value_of(dimension, row[1:width]), *map(int, row[width:]))
            for row in self._ask(span, statement, wanted.coarse)
        ]
        return Answer(("at", dimension, "bytes", "packets", "flows"), rows)


class Archive(Questions):
    """The files under a folder. ``limit``: seconds after which a question is given up; ``thin``: ask the samples (``thinning``)."""

    dialect = Dialect.DUCKDB
    sums = True

    def __init__(self, root: Path, *, memory: str = MEMORY, threads: int = THREADS, limit: float = 0, thin: bool = False) -> None:
        self.root, self.memory, self.threads, self.limit, self.weighted = root, memory, threads, limit, thin
        self._beginning = threading.Lock()

    @cached_property
    def _engine(self) -> Any:
        """DuckDB, begun with the first question (15 ms) and ended with this object."""
        return duckdb.connect(
            config={
                "memory_limit": self.memory,
                "threads": self.threads,
                "autoinstall_known_extensions": False,
                "temp_directory": str(self.root / ".questions"),
                "max_temp_directory_size": SPILL,  # else a question may fill the disk that mail is accepted on
            }
        )

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        with self._beginning:
            connection = self._engine.cursor()
        done = threading.Event()
        if self.limit:
            threading.Thread(target=self._give_up, args=(connection, done), daemon=True).start()
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            done.set()
            connection.close()

    def _give_up(self, connection: Any, done: threading.Event) -> None:
        """Interrupt what takes longer than it may; again and again, as between two statements nothing hears it."""
        wait = self.limit
        while not done.wait(wait):
            connection.interrupt()
            wait = 0.05

    def _view(self, span: Span, coarse: bool = False) -> str | None:
        """SQL for every row of the files that may hold flows of the span; None when there is no such file."""
        # What is held beyond its time is in the sums already.
        settled = ("thin",) if self.weighted else ("hours",) if coarse else ("hours", "held")
        hours = [one.path for one in files.stored(self.root, *settled) if _touches(one, span)]
        fresh = [one.path for one in files.stored(self.root, "fresh") if _touches(one, span)]
        summed = [one.path for one in files.stored(self.root, "minutes", "coarse") if coarse and _touches(one, span)]
        many = ", 1 AS many" if coarse else ""
        parts = []
        if hours:
            more = (", weight" if self.weighted else "") + many
            parts.append(COMPACTED.format(source=_source(hours, SIX), more=more))
        if summed:
            more = (", 1 AS weight" if self.weighted else "") + ", flows AS many"
            parts.append(SUMMED.format(source=_source(summed, SIX[:2]), more=more))
        if fresh:
            source = f"(SELECT *, src AS src_, dst AS dst_ FROM {_source(fresh, RAW_SIX)})"  # noqa: S608
            common = {"source": source, "more": (", 1 AS weight" if self.weighted else "") + many}
            through = "src_customer = 0 AND dst_customer = 0"
            twin = "(src_customer <> 0)::UTINYINT"
            parts += [
                FRESH.format(first="src", second="dst", direction=0, twin=0, where="src_customer <> 0", **common),
                FRESH.format(first="dst", second="src", direction=1, twin=twin, where="dst_customer <> 0", **common),
                FRESH.format(first="src", second="dst", direction=2, twin=0, where=through, **common),
            ]
        return " UNION ALL BY NAME ".join(f"({part})" for part in parts) if parts else None

    def _ask(self, span: Span, statement: Statement, coarse: bool = False) -> list[tuple[Any, ...]]:
        """A file that was compacted away meanwhile is no error."""
        for attempt in range(3):
            view = self._view(span, coarse)
            if view is None:
                return []
            try:
                with self._connection() as connection:
                    sql = statement.sql.format(flows=f"({view}) AS flows")
                    found: list[tuple[Any, ...]] = connection.execute(sql, list(statement.parameters)).fetchall()
                    return found
            except duckdb.InterruptException as error:
                raise Refused(f"No answer within {self.limit:g} s: ask for a shorter time, or filter for less.") from error
            except duckdb.OutOfMemoryException as error:
                raise Refused("That takes more memory than a question may: ask for a shorter time, or filter for less.") from error
            except duckdb.IOException:
                if attempt == 2:
                    raise
        return []

    def kept_since(self) -> datetime | None:
        """When the oldest file of single flows begins; None where nothing is kept."""
        oldest = files.stored(self.root, "hours", "fresh")
        return oldest[0].at if oldest else None

    def rates(self, span: Span) -> list[int]:
        """As for any archive; of what is compacted the notes are enough, by the minute."""
        start, end = span.milliseconds()
        found: set[int] = set()
        unknown = []
        for one in files.stored(self.root, "hours", "held", "fresh"):
            if _touches(one, span):
                noted = files.watched(one.path) if one.kind == "hours" else None
                unknown += [one.path] if noted is None else []
                found |= {rate for minute, rate in noted or () if start // 60_000 <= minute <= end // 60_000}
        if unknown:
            found |= set(self._rates_of(span, unknown))
        return sorted(found)

    def _rates_of(self, span: Span, paths: Sequence[Path]) -> list[int]:
        listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
        sql = f"SELECT DISTINCT rate FROM read_parquet([{listed}], union_by_name=true) WHERE ended >= ? AND ended - lasted < ?"  # noqa: S608
        try:
            with self._connection() as connection:
                return [int(row[0]) for row in connection.execute(sql, list(span.milliseconds())).fetchall()]
        except duckdb.IOException:  # compacted away meanwhile
            return super().rates(span)

    def rows(self, span: Span) -> int:
        """How many rows the files hold that such a question would read, as their footers say."""
        touched = [one for one in files.stored(self.root, "hours", "held", "fresh") if _touches(one, span)]
        return sum(files.rows_of(one.path) for one in touched)


def _flow(row: Sequence[Any]) -> tuple[Any, ...]:
    one = dict(zip(FLOW_COLUMNS, row, strict=True))
    local, peer = (questions.address(one["family"], one[end], one[f"{end}_hi"], one[f"{end}_lo"]) for end in ("local", "peer"))
    rest = [one[name] for name in FLOW_COLUMNS[10:16]]
    return (
        _moment(one["ended"] - one["lasted"]), _moment(one["ended"]), one["direction"], local, peer, *rest,
        one["rate"] or None, *(one[name] for name in FLOW_COLUMNS[17:]),
    )  # fmt: skip


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _touches(one: files.Stored, span: Span) -> bool:
    """Whether a file may hold flows of the span: its name says when it was received."""
    width = {"fresh": timedelta(0), "coarse": timedelta(days=1)}.get(one.kind, timedelta(hours=1))
    return one.at + width + LATE >= span.start and one.at <= span.end + LATE


def _source(paths: Sequence[Path], six: Sequence[str]) -> str:
    """A reader of the files, in which the columns of IPv6 are there even where no file has them."""
    listed = ", ".join(f"'{_quoted(path)}'" for path in paths)
    lacking = ", ".join(f"NULL::UBIGINT AS {name}" for name in six)
    return f"(SELECT * FROM read_parquet([{listed}], union_by_name=true) UNION ALL BY NAME SELECT {lacking} WHERE false)"  # noqa: S608


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
