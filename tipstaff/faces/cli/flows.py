"""``tipstaff flows``: flow statistics on the command line."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

if TYPE_CHECKING:
    from tipstaff.sensors.traffic.decoders.sessions import Sessions

TUNNELS = {"ip": 1, "gre": 2, "vxlan": 4}


@click.group()
def flows() -> None:
    """Flow statistics (NetFlow, IPFIX, sFlow): decode, replay, exporters, top talkers, questions."""


@flows.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per flow and line.")
@click.option(
    "--into",
    "tunnels",
    multiple=True,
    type=click.Choice(list(TUNNELS)),
    help="Report what is inside these tunnels. May be repeated.",
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
    sums = state[:, S.WHY : S.WHY + len(REASONS)].sum(axis=0) + sessions.refused
    yield from (f"{int(count)} times: {why}" for why, count in zip(REASONS, sums, strict=True) if count)
