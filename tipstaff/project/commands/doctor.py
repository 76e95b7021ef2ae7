"""``tipstaff doctor``."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import click

from tipstaff.project import database
from tipstaff.project.checkup import FAIL, MACHINE, WARN, Finding


def findings() -> Iterator[Finding]:
    """Every finding about this machine, this instance and its database; a check that breaks is a finding too."""
    from tipstaff.project.database_checkup import database as ask_database

    for check in (*MACHINE, ask_database):
        try:
            yield from check()
        except Exception as error:
            yield Finding(FAIL, check.__name__, f"could not be checked: {type(error).__name__}: {error}")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per finding and line.")
def doctor(as_json: bool) -> None:
    """Check this machine, the instance and its database: a line each, ok, warn or fail, with what to do."""
    database.setup_django()
    worst = []
    for finding in findings():
        worst.append(finding.level)
        click.echo(json.dumps(asdict(finding)) if as_json else str(finding))
    if not as_json:
        click.echo(f"{worst.count(FAIL)} failed, {worst.count(WARN)} to look at")
    sys.exit(1 if FAIL in worst else 0)
