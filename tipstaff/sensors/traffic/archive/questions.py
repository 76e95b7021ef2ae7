"""Questions about flows as statements of SQL, for DuckDB and for ClickHouse alike. Pure: a question in, text and parameters out.

{flows} in a statement stands for rows in which each flow is seen from each of its local ends (see ``compacting``). Values are
parameters, written ``?``; only names from the lists below become part of the text. Times are ms since 1970.
"""
# ruff: noqa: S608 - what becomes part of the text are names of this module

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.sensors.traffic.archive.filters import Condition, inside, names_in, parse_filter

DIMENSIONS = (
    "local", "peer", "customer", "peer_customer", "direction", "protocol", "local_port", "peer_port", "exporter", "input",
    "output", "src_as", "dst_as", "tcp_flags", "vlan", "family",
)  # fmt: skip
ENDS = ("local", "peer")  # dimensions of an address, which is four columns
BOTH_ENDS = ("local", "customer", "local_port")  # an internal flow counts under each of its ends
MEASURES = ("bytes", "packets", "flows", "peers")
MOST_ROWS = 100_000


#: What sums by the minute and the hour still tell apart.
ROLLED = frozenset({"local", "customer", "direction", "protocol", "exporter", "family"})


class Dialect(StrEnum):
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"


# What the two write differently: a sum that cannot overflow, and a whole quotient.
SUM = {
    Dialect.DUCKDB: "sum({0}::HUGEINT * greatest(rate, 1){1})::HUGEINT",
    Dialect.CLICKHOUSE: "sum(toInt128({0}) * greatest(rate, 1){1})",
}
COUNT = {Dialect.DUCKDB: "sum({0})::HUGEINT", Dialect.CLICKHOUSE: "sum(toInt128({0}))"}
SLOT = {Dialect.DUCKDB: "ended // {0} * {0}", Dialect.CLICKHOUSE: "intDiv(ended, {0}) * {0}"}


@dataclass(frozen=True)
class Span:
    """From (inclusive) to (exclusive), both aware."""

    start: datetime
    end: datetime

    def milliseconds(self) -> tuple[int, int]:
        return int(self.start.timestamp() * 1000), int(self.end.timestamp() * 1000)

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def before(self) -> "Span":
        """The period of the same length that ended when this one began."""
        return Span(self.start - self.length, self.start)


@dataclass(frozen=True)
class Statement:
    """Text with {flows} and ``?``, and the parameters in their order."""

    sql: str
    parameters: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """Which flows a question is about, and of which engine it is asked; ``weighted``: rows stand for ``weight`` flows."""

    span: Span
    where: str = ""
    dialect: Dialect = Dialect.DUCKDB
    weighted: bool = False
    coarse: bool = False  # sums by the minute and the hour are asked too, whose rows stand for ``many`` flows

    def measure(self, name: str) -> str:
        """An aggregate, scaled by the sampling rate."""
        if name in ("bytes", "packets"):
            return SUM[self.dialect].format(name, " * weight" if self.weighted else "")
        if name == "peers":
            return "count(DISTINCT (family, peer, peer_hi, peer_lo))"
        stands = " * ".join(name for name, there in (("weight", self.weighted), ("many", self.coarse)) if there)
        return COUNT[self.dialect].format(stands) if stands else "count(*)"

    def ended(self, once: bool = True) -> Condition:
        """Flows that ended in the span, each once unless both of its ends are asked for."""
        asked = parse_filter(self.where)
        twins = " AND twin = 0" if once else ""
        return Condition(f"ended >= ? AND ended < ? AND ({asked.sql}){twins}", (*self.span.milliseconds(), *asked.parameters))

    def touching(self) -> Condition:
        """Flows of which any part lies in the span."""
        asked = parse_filter(self.where)
        return Condition(f"ended >= ? AND ended - lasted < ? AND ({asked.sql})", (*self.span.milliseconds(), *asked.parameters))


def rolled(where: str, *dimensions: str, measure: str = "bytes") -> bool:
    """Whether sums can answer too: nothing is asked that they no longer tell apart."""
    return set(dimensions) | names_in(where) <= ROLLED and measure != "peers"


def checked(dimension: str, measure: str = "bytes") -> None:
    """Raises InputError for a name that is none."""
    for name, known, what in ((dimension, DIMENSIONS, "dimension"), (measure, MEASURES, "measure")):
        if name not in known:
            raise InputError(Problem(what, f"{name!r} is not known", f"known are {', '.join(known)}"))


def columns_of(dimension: str) -> tuple[str, ...]:
    """The columns that make up a value."""
    return (dimension, "family", f"{dimension}_hi", f"{dimension}_lo") if dimension in ENDS else (dimension,)


def value_of(dimension: str, row: Sequence[Any]) -> Any:
    """The value that the columns make up: addresses as text, all else as numbers."""
    return address(row[1], row[0], row[2], row[3]) if dimension in ENDS else int(row[0])


def address(family: int, four: int, hi: int | None, lo: int | None) -> str | None:
    """An address as text; None for a flow without one."""
    if family == 6:
        return str(IPv6Address((hi or 0) << 64 | (lo or 0)))
    return str(IPv4Address(four)) if family == 4 else None


def top(wanted: Wanted, dimension: str, measure: str, count: int) -> Statement:
    """Columns of the value, then bytes, packets, flows, whether any rate is unknown, and the measure; the greatest first."""
    checked(dimension, measure)
    condition, group = wanted.ended(dimension not in BOTH_ENDS), ", ".join(columns_of(dimension))
    sums = ", ".join(wanted.measure(name) for name in ("bytes", "packets", "flows"))
    return Statement(
        f"SELECT {group}, {sums}, max(CASE WHEN rate = 0 THEN 1 ELSE 0 END), {wanted.measure(measure)} AS sorted_by "
        f"FROM {{flows}} WHERE {condition.sql} GROUP BY {group} ORDER BY sorted_by DESC, {group} LIMIT {int(count) + 1}",
        condition.parameters,
    )


def total(wanted: Wanted, dimension: str = "") -> Statement:
    """Bytes, packets and flows of all that is asked for, counted as the dimension counts."""
    condition = wanted.ended(dimension not in BOTH_ENDS)
    sums = ", ".join(wanted.measure(name) for name in ("bytes", "packets", "flows"))
    return Statement(f"SELECT {sums} FROM {{flows}} WHERE {condition.sql}", condition.parameters)


def bucket(dimension: str, values: Sequence[Any]) -> Condition:
    """The place of a row's value among these; -1 for any other."""
    parts, parameters = [], []
    for place, value in enumerate(values):
        if dimension in ENDS:
            sql, own = inside(dimension, ip_network(value)) if value is not None else ("family NOT IN (4, 6)", [])
            parameters += own
        else:
            sql = f"{dimension} = ?"
            parameters.append(int(value))
        parts.append(f"WHEN {sql} THEN {place}")
    return Condition(f"CASE {' '.join(parts)} ELSE -1 END" if parts else "-1", tuple(parameters))


def lines(wanted: Wanted, dimension: str, measure: str, values: Sequence[Any], step: timedelta) -> Statement:
    """Start of the step (ms), place among ``values`` (-1: other), and the measure; by step of time."""
    checked(dimension, measure)
    condition, place = wanted.ended(dimension not in BOTH_ENDS), bucket(dimension, values)
    slot = SLOT[wanted.dialect].format(max(1, int(step.total_seconds() * 1000)))
    return Statement(
        f"SELECT {slot} AS slot, {place.sql} AS place, {wanted.measure(measure)} FROM {{flows}} WHERE {condition.sql} "
        f"GROUP BY slot, place ORDER BY slot, place LIMIT {MOST_ROWS}",
        (*place.parameters, *condition.parameters),
    )


def pairs(wanted: Wanted, dimensions: tuple[str, str], measure: str, values: tuple[Sequence[Any], Sequence[Any]]) -> Statement:
    """Place among the first dimension's values, place among the second's, and the measure."""
    for dimension in dimensions:
        checked(dimension, measure)
    condition = wanted.ended(not set(dimensions) & set(BOTH_ENDS))
    one, two = (bucket(dimension, known) for dimension, known in zip(dimensions, values, strict=True))
    return Statement(
        f"SELECT {one.sql} AS one, {two.sql} AS two, {wanted.measure(measure)} FROM {{flows}} WHERE {condition.sql} "
        f"GROUP BY one, two ORDER BY one, two LIMIT {MOST_ROWS}",
        (*one.parameters, *two.parameters, *condition.parameters),
    )


def series(wanted: Wanted, dimension: str, step: timedelta) -> Statement:
    """Start of the step, columns of the value, bytes, packets and flows: every value, each flow once."""
    checked(dimension)
    condition, group = wanted.ended(), ", ".join(columns_of(dimension))
    slot = SLOT[wanted.dialect].format(max(1, int(step.total_seconds() * 1000)))
    sums = ", ".join(wanted.measure(name) for name in ("bytes", "packets", "flows"))
    return Statement(
        f"SELECT {slot} AS slot, {group}, {sums} FROM {{flows}} WHERE {condition.sql} "
        f"GROUP BY slot, {group} ORDER BY slot, {group} LIMIT {MOST_ROWS}",
        condition.parameters,
    )


FLOW_COLUMNS = (
    "ended", "lasted", "direction", "family", "local", "local_hi", "local_lo", "peer", "peer_hi", "peer_lo", "local_port",
    "peer_port", "protocol", "tcp_flags", "bytes", "packets", "rate", "exporter",
    "customer", "peer_customer", "input", "output", "marks",
)  # fmt: skip


def flows_of(wanted: Wanted, host: str, limit: int) -> Statement:
    """FLOW_COLUMNS of the flows of one of our hosts or prefixes that touch the span, in order of their end."""
    try:
        network = ip_network(host, strict=False)
    except ValueError as error:
        advice = "write it like 192.0.2.1 or 2001:db8::/48"
        raise InputError(Problem("address", f"{host!r} is neither an address nor a prefix", advice)) from error
    own, parameters = inside("local", network)
    condition = wanted.touching()
    order = "ended, local_hi, local, local_lo, direction, peer_hi, peer, peer_lo, local_port, peer_port, bytes"
    return Statement(
        f"SELECT {', '.join(FLOW_COLUMNS)} FROM {{flows}} WHERE {own} AND {condition.sql} ORDER BY {order} LIMIT {int(limit) + 1}",
        (*parameters, *condition.parameters),
    )


def rates(wanted: Wanted) -> Statement:
    """The sampling rates that flows of the span carry, 0 for unknown."""
    condition = wanted.touching()
    return Statement(f"SELECT DISTINCT rate FROM {{flows}} WHERE {condition.sql} ORDER BY rate", condition.parameters)
