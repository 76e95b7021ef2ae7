"""``tipstaff flows top`` and ``tipstaff flows ask``: questions to the archive."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
DIRECTIONS = ("out", "in", "through")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _span_options(command: Any) -> Any:
    for option in (
        click.option("--archive", "folder", type=click.Path(path_type=Path), help="Another archive's folder."),
        click.option("--where", default="", help="Filter, such as 'peer_port 22 and not protocol udp'."),
        click.option("--to", "end", help="Until (RFC 3339); without it until now."),
        click.option("--from", "start", help="From (RFC 3339)."),
        click.option("--last", default="1h", show_default=True, help="Without --from: so long before, such as 15m, 7d."),
    ):
        command = option(command)
    return command


@click.command()
@click.argument("dimension", default="local")
@click.option("--by", "measure", default="bytes", show_default=True, help="bytes, packets, flows or peers.")
@click.option("--count", default=10, show_default=True)
@_span_options
@JSON
def top(dimension: str, measure: str, count: int, start: str, end: str, last: str, where: str, folder: Path, as_json: bool) -> None:
    """The busiest of a DIMENSION (local, peer, customer, protocol, local_port, peer_port, exporter …), scaled by sampling."""
    answer = archive(folder).top(dimension, span_of(start, end, last), measure=measure, count=count, where=where)
    if not answer.rows and not as_json:
        click.echo("no flows in that time", err=True)
    for row in answer.as_objects():
        if as_json:
            click.echo(orjson.dumps(_plain(row)).decode())
            continue
        note = "  (some of unknown sampling rate)" if row["unscaled"] else ""
        click.echo(f"{row[dimension]!s:<40} {row['bytes']:>16} B {row['packets']:>13} packets {row['flows']:>10} records{note}")


@click.command()
@click.argument("address")
@click.option("--limit", default=1000, show_default=True, help="Most flows that are printed.")
@_span_options
@JSON
def ask(address: str, limit: int, start: str, end: str, last: str, where: str, folder: Path, as_json: bool) -> None:
    """The flows of one of our ADDRESSes or prefixes in a time, seen from its end."""
    answer = archive(folder).flows_of(address, span_of(start, end, last), limit=limit, where=where)
    for row in answer.as_objects():
        row["direction"] = DIRECTIONS[row["direction"]]
        if as_json:
            click.echo(orjson.dumps(_plain(row)).decode())
            continue
        rate = f"1 in {row['sampling_rate']}" if row["sampling_rate"] else "sampling unknown"
        ends = f"{row['local']}:{row['local_port']} {row['direction']:>3} {row['peer']}:{row['peer_port']}"
        click.echo(
            f"{row['end']:%Y-%m-%d %H:%M:%S}Z  {ends}  protocol {row['protocol']}  {row['bytes']} B  {row['packets']} p  {rate}"
        )
    if answer.more:
        click.echo(f"there are more than {limit}; --limit shows more, --where narrows it down", err=True)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Sums can be larger than any number JSON readers agree on, which end at 2^53: they are still numbers here."""
    return {name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value for name, value in row.items()}


def archive(folder: Path | None) -> Any:
    """The archive of this instance, or the one in ``folder``."""
    from tipstaff.sensors.traffic.archive.asking import Archive

    if folder is None:
        from tipstaff.sensors.traffic import queries

        return queries.archive()
    return Archive(folder)


def span_of(start: str | None, end: str | None, last: str) -> Any:
    """The span that the options mean."""
    from tipstaff.sensors.traffic.archive.asking import Span

    until = moment("--to", end) if end else now()
    begin = moment("--from", start) if start else until - period(last)
    if begin >= until:
        raise InputError(Problem("--from", "is not before the end", "name an earlier moment"))
    return Span(begin, until)


def moment(option: str, text: str) -> datetime:
    """An RFC 3339 moment; one without an offset is taken as UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(Problem(option, f"{text!r} is no time", "write it like 2026-02-11T14:05:00Z")) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def period(text: str) -> timedelta:
    """A number with s, m, h or d."""
    if not text[:-1].isdecimal() or text[-1:] not in UNITS or len(text) > 6:
        raise InputError(Problem("--last", f"{text!r} is no period", "write it like 15m, 6h or 7d"))
    return timedelta(**{UNITS[text[-1]]: int(text[:-1])})


def target_of(text: str | None) -> tuple[str, int]:
    """HOST:PORT as given, else the first address that this instance receives flow statistics at."""
    if text is None:
        from django.conf import settings

        if not settings.FLOWS["listen"]:
            raise InputError(Problem("--to", "is missing, and TIPSTAFF_FLOW_LISTEN is not set", "name HOST:PORT"))
        host, port = settings.FLOWS["listen"][0]
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port  # noqa: S104 - all addresses include this one
    host, colon, digits = text.rpartition(":")
    if not colon or not digits.isdecimal() or not 0 < int(digits) < 65536:
        raise InputError(Problem("--to", f"{text!r} is no address", "write HOST:PORT"))
    return host.strip("[]"), int(digits)


@click.command()
@click.option("--apply", is_flag=True, help="Make the tables, where they are missing.")
def clickhouse(apply: bool) -> None:
    """Print the schema that ClickHouse keeps flows in (docs/clickhouse.md), or make it."""
    from django.conf import settings

    from tipstaff.sensors.traffic.archive.clickhouse import Http, Schema

    where, kept = settings.FLOWS["clickhouse"], settings.FLOWS["archive"]
    days = {"minutes_days": kept["keep_minutes_hours"] // 24, "hours_days": kept["keep_coarse_hours"] // 24}
    schema = Schema(where["database"], where["cluster"], **days)
    if not apply:
        for statement in schema.statements():
            click.echo(statement.strip() + ";\n")
        return
    if not where["url"]:
        raise InputError(Problem("TIPSTAFF_FLOW_CLICKHOUSE_URL", "is not set", "name the server: http://user:password@host:8123"))
    server = Http(where["url"])
    for statement in schema.statements():
        server.run(statement)
    click.echo("the tables are there", err=True)
