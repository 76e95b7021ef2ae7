"""``tipstaff evidence``: check that what is kept is what came in."""

import sys

import click
import orjson

from tipstaff.evidence import services
from tipstaff.evidence.models import Blob


@click.group()
def evidence() -> None:
    """The content-addressed, encrypted store of what was received."""


@evidence.command()
@click.option("--limit", type=click.IntRange(1), help="Only so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(limit: int | None, as_json: bool) -> None:
    """Open every piece: it must be there, decrypt, and have its hash. Exit code 1 where one does not. Shows no content."""
    total = min(limit or 1 << 62, Blob.objects.filter(wrapped_key__isnull=False).count())
    faults = []
    with click.progressbar(services.verify(limit=limit), length=total, file=sys.stderr, hidden=not sys.stderr.isatty()) as shown:
        checked = 0
        for fault in shown:
            checked += 1
            if fault is not None:
                faults.append(fault)
    if as_json:
        told = [{"blob": one.blob, "sha256": one.sha256, "what": one.what} for one in faults]
        click.echo(orjson.dumps({"checked": checked, "faults": told}).decode())
    else:
        for one in faults:
            click.echo(f"{one.sha256}: {one.what}; restore it from a backup")
        click.echo(f"{checked} checked, {len(faults)} faulty")
    if faults:
        sys.exit(1)
