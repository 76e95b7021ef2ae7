"""``tipstaff audit``: is the record what was written, and may others check it?"""

import getpass
import sys
from pathlib import Path

import click
import orjson

from tipstaff.audit import anchors, exporting, reading
from tipstaff.audit import verifying as checking
from tipstaff.audit.chain import written
from tipstaff.audit.sealer import seal_all
from tipstaff.audit.services import record
from tipstaff.kernel import clock

SHOWN = 50  # faults told one by one
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def audit() -> None:
    """The record of who did what: append-only, numbered and chained by the sealer."""


@audit.command()
@click.option(
    "--anchor", "files", multiple=True, type=click.Path(exists=True, path_type=Path),
    help="File of heads kept elsewhere, or an export's manifest; may be repeated.",
)  # fmt: skip
@JSON
def verify(files: tuple[Path, ...], as_json: bool) -> None:
    """Find any change, gap, reordering, deletion or cut; say where. Exit status 1 where the record is not sound."""
    found = checking.verify(files)
    if as_json:
        click.echo(orjson.dumps({
            "sound": found.sound, "sealed": found.sealed, "head": vars(found.head), "anchors": found.anchors,
            "faults": [vars(fault) for fault in found.faults],
            "unsealed": {"count": found.tail.count, "first_entry": found.tail.first,
                         "since": written(found.tail.since) if found.tail.since else None},
        }, option=orjson.OPT_INDENT_2).decode())  # fmt: skip
    else:
        _tell(found)
    sys.exit(0 if found.sound else 1)


def _tell(found: checking.Verdict) -> None:
    for fault in found.faults[:SHOWN]:
        click.echo(f"number {fault.number}: {fault.kind}: {fault.what}")
    if len(found.faults) > SHOWN:
        click.echo(f"… and {len(found.faults) - SHOWN} more")
    click.echo(f"{found.sealed} sealed, head {found.head.number} {found.head.chained}")
    click.echo(f"{found.anchors} heads kept elsewhere were compared" if found.anchors else _UNANCHORED)
    if found.tail.count:
        since = written(found.tail.since) if found.tail.since else ""
        click.echo(f"{found.tail.count} not sealed yet, from entry {found.tail.first}, the earliest of {since}")
    else:
        click.echo("nothing waits for its seal")
    click.echo("the record is sound" if found.sound else f"the record is NOT sound: {len(found.faults)} faults")


_UNANCHORED = "no head kept elsewhere to compare with: a cut at the end cannot be seen (`tipstaff audit head`)"


@audit.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from", "first", default=1, help="First number.")
@click.option("--to", "last", default=reading.LAST, help="Last number.", show_default="the newest")
def export(directory: Path, first: int, last: int) -> None:
    """Write the sealed record into DIRECTORY: audit.jsonl, manifest.json, and a script that checks them without us."""
    done = exporting.export(directory, now=clock.now(), first=first, last=last)
    record(by=f"cli:{getpass.getuser()}", action="audit.export", subject=f"audit:{done.head.number}", now=clock.now(),
           count=done.count, chained=done.head.chained)  # fmt: skip
    click.echo(f"{done.count} entries, head {done.head.number} {done.head.chained}")


@audit.command()
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Also add it to this file.")
def head(keep: Path | None) -> None:
    """Print the end of the chain, as one line of JSON to keep where nobody here can change it."""
    end, now = reading.head(), clock.now()
    if keep is not None:
        anchors.keep(end, now=now, path=keep)
    click.echo(anchors.line_of(end, now))


@audit.command()
def seal() -> None:
    """Seal what waits, now; the worker does so each second."""
    click.echo(f"{seal_all(now=clock.now())} sealed")
