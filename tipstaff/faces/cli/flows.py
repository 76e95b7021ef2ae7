"""``tipstaff flows``: flow statistics on the command line."""

import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from tipstaff.faces.cli import flows_asking

if TYPE_CHECKING:
    from tipstaff.sensors.traffic.decoders.sessions import Sessions

TUNNELS = {"ip": 1, "gre": 2, "vxlan": 4}
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
FILES = click.argument(
    "files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.group()
def flows() -> None:
    """Flow statistics (NetFlow, IPFIX, sFlow): decode, replay, exporters, top talkers, questions."""


flows.add_command(flows_asking.top)
flows.add_command(flows_asking.ask)
flows.add_command(flows_asking.clickhouse)


@flows.command()
@FILES
@JSON
@click.option(
    "--into",
    "tunnels",
    multiple=True,
    type=click.Choice(list(TUNNELS)),
    help="Report what is inside them. May be repeated.",
)
def decode(files: tuple[Path, ...], as_json: bool, tunnels: tuple[str, ...]) -> None:
    """Print the flow records of captures (pcap, pcapng) or raw export payloads, with the exporter's own figures.

    The files are one stream: templates and sampling rates announced in one apply to those after it.
    """
    from tipstaff.sensors.traffic.captures import read_capture
    from tipstaff.sensors.traffic.reading import Reader

    reader = Reader(sum({TUNNELS[name] for name in tunnels}))
    out = sys.stdout.buffer
    for path in files:
        for record in reader.read(read_capture(path.read_bytes())):
            out.write(orjson.dumps(record) + b"\n" if as_json else summary(record).encode() + b"\n")
    out.flush()
    for line in told(reader.decoder.sessions):
        click.echo(line, err=True)


def summary(record: dict[str, Any]) -> str:
    """One line for a person."""
    ends = f"{record['src']}:{record['src_port']} -> {record['dst']}:{record['dst_port']}"
    rate = f"1 in {record['sampling_rate']}" if record["sampling_rate"] else "sampling unknown"
    return f"{record['start']}  {ends}  protocol {record['protocol']}  {record['bytes']} B  {record['packets']} packets  {rate}"


def told(sessions: "Sessions") -> Iterator[str]:
    """What was not a flow, in words."""
    from tipstaff.sensors.traffic.decoders import sessions as S
    from tipstaff.sensors.traffic.decoders.layout import REASONS

    state = sessions.state[: len(sessions)]
    if options := int(state[:, S.OPTIONS].sum()):
        yield f"{options} options records and counter samples"
    if unscaled := int(state[:, S.UNSCALED].sum()):
        yield f"{unscaled} flows with an unknown sampling rate"
    if lost := int(state[:, S.LOST].sum()):
        yield f"{lost} flows missing by their sequence numbers"
    if undecodable := int(state[:, S.UNDECODABLE].sum()):
        yield f"{undecodable} flows that could not be decoded"
    sums = state[:, S.WHY : S.WHY + len(REASONS)].sum(axis=0) + sessions.refused
    yield from (f"{int(count)} times: {why}" for why, count in zip(REASONS, sums, strict=True) if count)


@flows.command()
@FILES
@click.option("--speed", type=float, default=1.0, show_default=True, help="Times as fast as captured; 0: as fast as it goes.")
@click.option("--to", "target", metavar="HOST:PORT", help="Where to; without it the first address flow statistics are received at.")
def replay(files: tuple[Path, ...], speed: float, target: str | None) -> None:
    """Send the export datagrams of captures to a collector, at the pace in which they were captured."""
    from tipstaff.sensors.traffic.captures import read_capture
    from tipstaff.sensors.traffic.replaying import replay as send

    host, port = flows_asking.target_of(target)
    count = send((one for path in files for one in read_capture(path.read_bytes())), host, port, speed)
    click.echo(f"{count} datagrams sent to {host}:{port}", err=True)


@flows.group(invoke_without_command=True)
@JSON
@click.pass_context
def exporters(ctx: click.Context, as_json: bool) -> None:
    """Routers that send flow statistics: state, rates, loss, clock, what could not be decoded and why."""
    if ctx.invoked_subcommand:
        return
    from tipstaff.kernel.clock import now
    from tipstaff.sensors.traffic import queries

    rows = queries.exporters(now=now())
    if as_json:
        for row in rows:
            click.echo(orjson.dumps(row).decode())
        return
    for row in rows:
        for line in lines_of(row):
            click.echo(line)
    if not rows:
        click.echo("no exporter has been seen; set TIPSTAFF_FLOW_LISTEN and point a router at it, or confirm one in advance")


def lines_of(row: dict[str, Any]) -> Iterator[str]:
    """An exporter for a person to read."""
    rates = ", ".join(f"1 in {rate}" if rate else "unknown" for rate in row["rates"]) or "unknown"
    yield f"{row['address']:<39} {row['state']:<17} {row['name']}"
    clock = f"clock {row['skew_ms'] / 1000:+.1f} s"
    yield f"    received {row['received']}, lost {row['lost']}, undecodable {row['undecodable']}, {clock}"
    yield f"    sampling {rates} ({'; '.join(row['rate_sources'])}), {row['unscaled']} flows unscaled, {row['templates']} templates"
    whys: dict[str, int] = {}
    for stream in row["streams"]:
        for why, count in stream["whys"].items():
            whys[why] = whys.get(why, 0) + count
    yield from (f"    {count} times: {why}" for why, count in sorted(whys.items(), key=lambda one: -one[1]))


@exporters.command()
@click.argument("address")
@click.option("--name", default="", help="What you call it.")
@click.option("--rate", type=int, help="Its sampling rate, 1 in N, where it does not tell; 0 for unknown.")
def confirm(address: str, name: str, rate: int | None) -> None:
    """Let the flows of the exporter at ADDRESS count, from within five seconds on."""
    from tipstaff.kernel.clock import now
    from tipstaff.sensors.traffic import services

    one = services.confirm(address=address, name=name, sampling_rate=rate, by=actor(), now=now())
    click.echo(f"{one.address} counts now")


@exporters.command()
@click.argument("address")
def dismiss(address: str) -> None:
    """Let the flows of the exporter at ADDRESS count for nothing again."""
    from tipstaff.kernel.clock import now
    from tipstaff.sensors.traffic import services

    one = services.dismiss(address=address, by=actor(), now=now())
    click.echo(f"{one.address} counts for nothing now")


def actor() -> str:
    """Who is at the terminal, as the record shows it."""
    return f"cli:{getpass.getuser()}"
