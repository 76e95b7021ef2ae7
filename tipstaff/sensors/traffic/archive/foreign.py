"""A table of flows that somebody keeps on ClickHouse already, read through a mapping of its columns, for corroboration.

The mapping is a TOML file:

    url = "http://reader@flows.example.net:8123"
    table = "default.flows"
    [columns]                     # ours = theirs; started and sampling_rate may be left out
    src = "SrcAddr"
    …
    [forms]
    address = "ipv6"              # ipv4, ipv6 (IPv4 mapped), text, number (IPv4)
    time = "datetime"             # datetime, seconds, milliseconds
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.sensors.traffic.archive.clickhouse import Http, Server
from tipstaff.sensors.traffic.archive.corroborating import MOST
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.corroboration import Claim, Seen, Watch

NEEDED = ("src", "dst", "src_port", "dst_port", "protocol", "packets", "ended")
MAY = ("started", "sampling_rate")
ADDRESSES = ("ipv4", "ipv6", "text", "number")
TIMES = ("datetime", "seconds", "milliseconds")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}(\.[A-Za-z_][A-Za-z0-9_]{0,100})?")


@dataclass(frozen=True)
class Mapping:
    """Where the table is, which of its columns is which, and how it writes addresses and times."""

    url: str
    table: str
    columns: dict[str, str]
    address: str = "ipv6"
    time: str = "datetime"
    rate: int = 0  # where no column tells it; 0: not known

    def quoted(self, name: str) -> str:
        return ".".join(f"`{part}`" for part in self.columns[name].split("."))


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file. Raises InputError with everything that is wrong with it."""
    try:
        given = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(Problem(str(path), f"cannot be read: {error}", "see docs/clickhouse.md")) from error
    return mapping_of(given, str(path))


def mapping_of(given: dict[str, Any], where: str) -> Mapping:
    """As ``read_mapping``, of what the file says."""
    columns, forms = given.get("columns", {}), given.get("forms", {})
    problems = [
        Problem(f"{where}: columns.{name}", "is missing", "name the table's column") for name in NEEDED if name not in columns
    ]
    ours = f"ours are {', '.join((*NEEDED, *MAY))}"
    problems += [
        Problem(f"{where}: columns.{name}", f"{text!r} is no name of a column of ours, or of theirs", ours)
        for name, text in columns.items()
        if name not in (*NEEDED, *MAY) or not _NAME.fullmatch(str(text))
    ]
    if not _NAME.fullmatch(str(given.get("table", ""))):
        problems.append(Problem(f"{where}: table", f"{given.get('table')!r} is no name", "write database.table"))
    if not str(given.get("url", "")).startswith(("http://", "https://")):
        problems.append(Problem(f"{where}: url", "is missing or no HTTP address", "write http://user@host:8123"))
    for name, known, default in (("address", ADDRESSES, "ipv6"), ("time", TIMES, "datetime")):
        if forms.get(name, default) not in known:
            problems.append(Problem(f"{where}: forms.{name}", f"{forms[name]!r} is not known", f"one of {', '.join(known)}"))
    if not isinstance(given.get("rate", 0), int):
        problems.append(Problem(f"{where}: rate", "is no whole number", "give N for 1 in N"))
    if problems:
        raise InputError(problems)
    return Mapping(
        given["url"],
        given["table"],
        dict(columns),
        forms.get("address", "ipv6"),
        forms.get("time", "datetime"),
        given.get("rate", 0),
    )


class Foreign:
    """The table as a source of corroboration."""

    name = "table"

    def __init__(self, mapping: Mapping, server: Server | None = None) -> None:
        self.mapping, self.server = mapping, server or Http(mapping.url)

    def flows(self, address: str, span: Span, claim: Claim) -> list[Seen]:
        """Flows from an address in a span that can be what is claimed."""
        sql, parameters = question(self.mapping, address, span, claim)
        return [seen(row) for row in self.server.rows(sql, parameters)]

    def watch(self, span: Span) -> Watch:
        """The rates of that time, and since when the table has rows."""
        m = self.mapping
        rate = f"toUInt64({m.quoted('sampling_rate')})" if "sampling_rate" in m.columns else f"toUInt64({int(m.rate)})"
        start, end = span.milliseconds()
        at = moment(m, "ended")
        table = ".".join(f"`{part}`" for part in m.table.split("."))
        found = self.server.rows(
            f"SELECT DISTINCT {rate} FROM {table} WHERE {at} >= {{p0:Int64}} AND {at} < {{p1:Int64}} LIMIT 100",  # noqa: S608
            {"p0": start, "p1": end},
        )
        ((count, first),) = self.server.rows(f"SELECT count(), min({at}) FROM {table}", {})  # noqa: S608
        return Watch([int(row[0]) or None for row in found], _at(first) if int(count) else None)


def seen(row: Sequence[Any]) -> Seen:
    """One row of ``question`` as corroboration reads it."""
    told = ip_address(str(row[2]))
    peer = str(getattr(told, "ipv4_mapped", None) or told)
    peer_port, local_port, protocol, packets = (int(value) for value in row[3:7])
    return Seen(_at(row[0]), _at(row[1]), peer, peer_port, local_port, protocol, packets, int(row[7]) or None, source=Foreign.name)


def question(mapping: Mapping, address: str, span: Span, claim: Claim) -> tuple[str, dict[str, Any]]:
    """Start, end (ms), peer, its port, our port, protocol, packets and rate of the flows that fit; values are parameters."""
    m = mapping
    ended = moment(m, "ended")
    started = moment(m, "started") if "started" in m.columns else ended
    rate = f"toUInt64({m.quoted('sampling_rate')})" if "sampling_rate" in m.columns else f"toUInt64({int(m.rate)})"
    start, end = span.milliseconds()
    parameters: dict[str, Any] = {"start": start, "end": end, "own": written(m, address)}
    where = [f"{ended} >= {{start:Int64}}", f"{started} < {{end:Int64}}", f"{m.quoted('src')} = {_typed(m, 'own')}"]
    for name, column, value in (
        ("peer_port", "dst_port", claim.peer_port), ("local_port", "src_port", claim.local_port),
        ("protocol", "protocol", claim.protocol),
    ):  # fmt: skip
        if value is not None:
            where.append(f"{m.quoted(column)} = {{{name}:Int64}}")
            parameters[name] = value
    if claim.peer is not None:
        where.append(f"{m.quoted('dst')} = {_typed(m, 'peer')}")
        parameters["peer"] = written(m, claim.peer)
    peer = f"toString(IPv4NumToString({m.quoted('dst')}))" if m.address == "number" else f"toString({m.quoted('dst')})"
    shown = ", ".join(f"toInt64({m.quoted(name)})" for name in ("dst_port", "src_port", "protocol", "packets"))
    table = ".".join(f"`{part}`" for part in m.table.split("."))
    sql = f"SELECT {started}, {ended}, {peer}, {shown}, {rate} FROM {table} WHERE {' AND '.join(where)} ORDER BY 2 LIMIT {MOST}"  # noqa: S608
    return sql, parameters


def moment(mapping: Mapping, name: str) -> str:
    """A column of time as ms since 1970."""
    column = mapping.quoted(name)
    forms = {
        "datetime": f"toUnixTimestamp64Milli(toDateTime64({column}, 3))", "seconds": f"toInt64({column}) * 1000",
        "milliseconds": f"toInt64({column})",
    }  # fmt: skip
    return forms[mapping.time]


def written(mapping: Mapping, address: str) -> str | int:
    """An address as the table writes it."""
    one = ip_address(address)
    if mapping.address == "number":
        return int(one) if one.version == 4 else 0
    if mapping.address == "ipv6" and one.version == 4:
        return f"::ffff:{one}"
    return str(one)


def _typed(mapping: Mapping, name: str) -> str:
    return {
        "ipv4": f"toIPv4OrZero({{{name}:String}})", "ipv6": f"toIPv6({{{name}:String}})", "text": f"{{{name}:String}}",
        "number": f"{{{name}:UInt32}}",
    }[mapping.address]  # fmt: skip


def _at(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
