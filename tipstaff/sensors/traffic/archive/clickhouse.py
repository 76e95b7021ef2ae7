"""The same archive on ClickHouse: its schema, its questions, and the writing of rows. See docs/clickhouse.md."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any, Protocol
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.sensors.traffic.archive.asking import Questions
from tipstaff.sensors.traffic.archive.questions import Dialect, Span, Statement

EVER = datetime(2105, 12, 31, tzinfo=UTC)  # the last whole year of ClickHouse's DateTime
GRAINS = (("minutes", 60_000), ("hours", 3_600_000))
COLUMNS = (
    "family", "local", "local_hi", "local_lo", "peer", "peer_hi", "peer_lo", "local_port", "peer_port", "customer", "peer_customer",
    "direction", "twin", "protocol", "tos", "tcp_flags", "rate", "input", "output", "src_as", "dst_as", "vlan", "exporter", "marks",
    "bytes", "packets", "ended", "lasted",
)  # fmt: skip
WIDE = ("local_hi", "local_lo", "peer_hi", "peer_lo")


class Server(Protocol):
    """What speaks to ClickHouse: over HTTP, or in process (tests)."""

    def rows(self, sql: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        """The rows of a question; parameters stand in it as {name:Type}."""

    def run(self, sql: str) -> None:
        """A statement without rows."""

    def insert(self, table: str, content: bytes, token: str) -> None:
        """Add the rows of a Parquet file; the same token again adds nothing."""


class Unreachable(Refused):
    """The cluster does not answer, or refuses: what was not written stays where it was."""


@dataclass(frozen=True)
class Schema:
    """How the tables are made: on one server, or on every node of a cluster with a Distributed table over them."""

    database: str = "tipstaff"
    cluster: str = ""
    minutes_days: int = 180
    hours_days: int = 730

    def statements(self) -> Iterator[str]:
        """The whole schema, in order; running it twice changes nothing."""
        for name in (self.database, self.cluster or "x"):
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise InputError(Problem("ClickHouse", f"{name!r} is no plain name", "use letters, digits and underscores"))
        on_cluster = f"ON CLUSTER {self.cluster}" if self.cluster else ""
        common = {
            "database": self.database, "on_cluster": on_cluster,
            "engine": "ReplicatedMergeTree" if self.cluster else "MergeTree",
            "summing": "ReplicatedSummingMergeTree" if self.cluster else "SummingMergeTree",
            "window": "replicated_deduplication_window = 10000" if self.cluster else "non_replicated_deduplication_window = 10000",
        }  # fmt: skip
        yield f"CREATE DATABASE IF NOT EXISTS {self.database} {on_cluster}"
        yield text_of("flows", common)
        for grain, step in GRAINS:
            days = self.minutes_days if grain == "minutes" else self.hours_days
            yield text_of("sums", common | {"grain": grain, "days": days})
            yield text_of("summing", common | {"grain": grain, "step": step})
        for name in ("flows", *(f"flows_{grain}" for grain, _ in GRAINS)):
            yield self._whole(name, common)

    def _whole(self, name: str, common: dict[str, Any]) -> str:
        if not self.cluster:
            return f"CREATE VIEW IF NOT EXISTS {self.database}.{name} AS SELECT * FROM {self.database}.{name}_local"  # noqa: S608
        spread = f"ENGINE = Distributed({self.cluster}, {self.database}, {name}_local, cityHash64(family, local_hi, local))"
        return text_of("distributed", common | {"kind": "TABLE", "name": name, "distributed": spread})


def text_of(name: str, values: dict[str, Any]) -> str:
    """A statement of the package, with names put in."""
    return resources.files("tipstaff.sensors.traffic.archive").joinpath("schema", f"{name}.sql").read_text("utf-8").format(**values)


#: What single flows and sums have in common. Sums are scaled already; a rate of 0 says that some of them could not be.
COARSE = "family, local, local_hi, local_lo, customer, direction, twin, protocol, exporter, bytes, packets, ended"
ROLLED = "SELECT {columns}, if(unscaled > 0, 0, 1) AS rate, flows AS many FROM {table} WHERE ended >= {begin} AND ended < {end}"


class Cluster(Questions):
    """Questions to ClickHouse. ``limit``: seconds after which one is given up.

    ``keep_hours``: how long single flows are kept, ``minutes_hours``: sums by the minute; of what is older, sums answer what they
    still tell apart. 0: single flows answer everything.
    """

    dialect = Dialect.CLICKHOUSE

    def __init__(
        self, server: Server, *, database: str = "tipstaff", limit: float = 0, keep_hours: int = 0, minutes_hours: int = 0
    ) -> None:
        self.server, self.database, self.limit = server, database, limit
        self.keep_hours, self.minutes_hours, self.sums = keep_hours, max(minutes_hours, keep_hours), keep_hours > 0

    def _ask(self, span: Span, statement: Statement, coarse: bool = False) -> Sequence[Sequence[Any]]:
        sql, parameters = bound(statement)
        bounds = f" SETTINGS max_execution_time = {self.limit:g}" if self.limit else ""
        source = self._summed(span) if coarse else f"{self.database}.flows"
        return self.server.rows(sql.format(flows=source) + bounds, parameters)

    def _summed(self, span: Span) -> str:
        """Single flows as far back as every one is kept, sums by the minute before them, sums by the hour before those.

        What a hold keeps beyond its time is in the sums already, and not counted twice.
        """
        ((now,),) = self.server.rows("SELECT toUnixTimestamp(now())", {})
        flows, minutes = ((int(now) // 3600 - hours + 1) * 3_600_000 for hours in (self.keep_hours, self.minutes_hours))
        start, end = span.milliseconds()
        parts = [f"SELECT {COARSE}, rate, 1 AS many FROM {self.database}.flows WHERE ended >= {flows}"]  # noqa: S608
        for grain, first, last in (("minutes", minutes, flows), ("hours", 0, minutes)):
            if start < last and end > first:
                table = f"{self.database}.flows_{grain}"
                parts.append(ROLLED.format(columns=COARSE, table=table, begin=first, end=last))
        if end <= flows:
            del parts[0]
        return f"({' UNION ALL '.join(parts)}) AS flows"

    def kept_since(self) -> datetime | None:
        sql = f"SELECT count(), min(ended) FROM {self.database}.flows WHERE ended > 0"  # noqa: S608
        ((count, first),) = self.server.rows(sql, {})
        return datetime.fromtimestamp(int(first) / 1000, UTC) if int(count) else None

    def write(self, columns: dict[str, Any], *, token: str, keep_until: Any, filed: date) -> int:
        """Add compacted rows (see ``compacting.turned``); how many. ``keep_until``: seconds since 1970, one a row."""
        content = parquet(columns, keep_until, filed)
        self.server.insert(f"{self.database}.flows_local", content, token)
        return len(columns["local"])


def bound(statement: Statement) -> tuple[str, dict[str, Any]]:
    """``?`` as ClickHouse writes parameters: {p0:UInt64}, which only the server puts in."""
    pieces = statement.sql.split("?")
    if len(pieces) != len(statement.parameters) + 1:
        raise ValueError("parameters do not fit the statement")
    text, values = [pieces[0]], {}
    for place, (value, piece) in enumerate(zip(statement.parameters, pieces[1:], strict=True)):
        text.append(f"{{{{p{place}:{'Int64' if value < 0 else 'UInt64'}}}}}{piece}")
        values[f"p{place}"] = int(value)
    return "".join(text), values


def parquet(columns: dict[str, Any], keep_until: Any, filed: date) -> bytes:
    """Rows as a Parquet file in memory, IPv6 columns included."""
    count = len(columns["local"])
    arrays = {name: columns[name] if name in columns else pa.nulls(count, pa.uint64()).fill_null(0) for name in COLUMNS}
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(arrays | {"keep_until": pa.array(keep_until, pa.uint32())}), sink, compression="zstd", compression_level=1
    )
    return bytes(sink.getvalue().to_pybytes())


class Http:
    """A ClickHouse server or the node of a cluster that we speak to, over its HTTP interface."""

    def __init__(self, url: str, *, timeout: float = 30) -> None:
        self.url, self.timeout = url, timeout
        self._client: Any = None

    @property
    def client(self) -> Any:
        if self._client is None:
            try:
                import clickhouse_connect
            except ImportError as error:
                raise InputError(
                    Problem("TIPSTAFF_FLOW_CLICKHOUSE", "needs a package that is not installed", "install tipstaff[clickhouse]")
                ) from error
            parts = urlsplit(self.url)
            self._client = clickhouse_connect.get_client(
                host=parts.hostname or "localhost", port=parts.port or (8443 if parts.scheme == "https" else 8123),
                username=parts.username or "default", password=parts.password or "", secure=parts.scheme == "https",
                connect_timeout=5, send_receive_timeout=self.timeout, autogenerate_session_id=False,
            )  # fmt: skip
        return self._client

    def rows(self, sql: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        return list(self._try(lambda: self.client.query(sql, parameters=parameters).result_rows))

    def run(self, sql: str) -> None:
        self._try(lambda: self.client.command(sql))

    def insert(self, table: str, content: bytes, token: str) -> None:
        settings = {"insert_deduplication_token": token, "deduplicate_blocks_in_dependent_materialized_views": 1}
        self._try(lambda: self.client.raw_insert(table, insert_block=content, fmt="Parquet", settings=settings))

    def _try(self, step: Any) -> Any:
        from clickhouse_connect.driver.exceptions import Error

        try:
            return step()
        except (Error, OSError) as error:
            self._client = None
            raise Unreachable(f"ClickHouse: {str(error).splitlines()[0][:300]}") from error
