"""``tipstaff backup`` and ``tipstaff restore``."""

from pathlib import Path

import click

from tipstaff.faces.cli.progress import shown
from tipstaff.kernel.clock import now
from tipstaff.project import backups, environment

PARTLY = 4
TOLD = 20  # packs that are named


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--keys/--without-keys", default=True, help="Whether the keys that open the evidence go into the file.")
def backup(file: Path, keys: bool) -> None:
    """Write database, evidence and spool to one FILE, while the desk works on.

    Evidence that the database speaks of and the store has not any more is named, and the exit code is 4.
    """
    with shown() as progress:
        manifest = backups.write(file, environment.state_directory(), now=now(), keys=keys, progress=progress)
    click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB, {backups.describe(manifest)}")
    for pack in manifest["lacking"][:TOLD]:
        click.echo(f"tipstaff: evidence {pack} is not in the store, or not whole, nor in this backup", err=True)
    if manifest["lacking"]:
        raise SystemExit(PARTLY)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--check", "only_check", is_flag=True, help="Only check that the file is whole.")
def restore(file: Path, only_check: bool) -> None:
    """Restore a backup FILE into an empty state directory (and database). Checks every sum first.

    The restored record is compared with the heads in the file, and with those that lie in the state directory already
    (audit-heads.jsonl): what is missing is said, and the exit code is 4.
    """
    with shown() as progress:
        manifest = backups.check(file, progress) if only_check else backups.read(file, environment.state_directory(), progress)
    done = "is whole" if only_check else f"restored into {environment.state_directory()}; start it with `tipstaff up`"
    click.echo(f"{file} {done} ({backups.describe(manifest)})")
    for one in manifest.get("missing", ()):
        click.echo(f"tipstaff: the record: {one}", err=True)
    if manifest.get("missing"):
        raise SystemExit(PARTLY)
