"""``tipstaff rehearse``: complaints and customers' behaviours against a policy, on a throwaway state with a fast clock."""

import json
import re
from datetime import timedelta
from pathlib import Path

import click

from tipstaff.kernel.errors import InputError, Problem

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option("--policy", "pack", default="default", show_default=True, help="Packaged policy to play against.")
@click.option("--until", default="10d", show_default=True, help="How long to play: 36h, 10d, 4w.")
@click.option("--customer", "customers", multiple=True, metavar="[ADDRESS=]BEHAVIOUR",
              help="How customers answer, all or the one at ADDRESS: silent, fixes, slow, promises, disputes, denies, repeats, "
                   "returns, appeals.")  # fmt: skip
@click.option("--desk", type=click.Choice(["strict", "mild"]), default="strict", show_default=True,
              help="strict: takes every step that the policy allows; mild: leaves what a person may decide.")  # fmt: skip
@click.option("--letters", is_flag=True, help="Print the letters too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line of the story.")
def rehearse(
    paths: tuple[Path, ...], pack: str, until: str, customers: tuple[str, ...], desk: str, letters: bool, as_json: bool
) -> None:
    """Play complaints against a policy: every state, letter, clock and order with its clause. Nothing leaves this machine.

    The complaints' addresses are given to customers made up for the purpose, who had them always.
    """
    from tipstaff.project.rehearsing.rehearsal import rehearsed

    length = duration(until)
    lines, ending = rehearsed(paths=paths, pack=pack, length=length, customers=customers, strict=desk == "strict")
    for line in lines:
        click.echo(json.dumps(line.as_json(), ensure_ascii=False) if as_json else line.shown(letters=letters))
    if not as_json:
        click.echo("")
        for text in ending:
            click.echo(text)


def duration(text: str) -> timedelta:
    """``36h``, ``10d``, ``1w 2d``. Raises InputError for anything else."""
    pieces = re.findall(r"(\d{1,4})\s*([mhdw])", text)
    if not pieces or re.sub(r"\d{1,4}\s*[mhdw]|\s", "", text):
        raise InputError(Problem("--until", f"{text!r} is no length of time", "write it like 36h, 10d or 4w"))
    return sum((int(number) * UNITS[unit] for number, unit in pieces), timedelta())
