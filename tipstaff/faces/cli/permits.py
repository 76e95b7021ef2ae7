"""``tipstaff permit …``: the register of test permits and research exceptions. Granting is the desk's: it takes a second person."""

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.consent import granting, queries
from tipstaff.consent.granting import Asked
from tipstaff.consent.models import Permit
from tipstaff.faces.cli.acting import ActingGroup
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Problem

FIELDS = (
    "kind", "title", "direction", "hosts", "targets", "detectors", "services", "from", "until", "signatory", "contact", "note",
    "customer", "document", "document_sha256",
)  # fmt: skip
LISTS = ("hosts", "targets", "detectors", "services")


@click.group(cls=ActingGroup)
def permit() -> None:
    """Who may test what, from when until when, on whose word."""


@permit.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """The register: what waits for a decision first, then by the end of the window."""
    moment = clock.now()
    rows = [_row(one, moment) for one in queries.listed()]
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for row in rows:
        where = ", ".join(row["hosts"]) or "services " + ", ".join(map(str, row["services"]))
        click.echo(
            f"{row['id']:>5}  {row['state']:<9} {row['from']} to {row['until']}  {row['direction']:<4} {where}  {row['title']}"
        )
    if not rows:
        click.echo("no permit is on file")


@permit.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, and change nothing.")
def import_(file: Path, dry_run: bool) -> None:
    """Ask for the permits in FILE, a JSON list of objects; somebody at the desk grants each. All of it, or nothing.

    Fields: kind (test, research), title, direction (out, in, both), hosts, from, until (with zone), signatory, and document
    (path of the signed paper) or document_sha256; targets, detectors, services, contact, note and customer where they apply.
    """
    asked = _read(file)
    problems = [
        Problem(f"{file.name} [{number}] {problem.where}", problem.what, problem.advice)
        for number, one in enumerate(asked, 1)
        for problem in granting.check(one)
    ]
    if problems:
        raise InputError(problems)
    if dry_run:
        click.echo(f"{len(asked)} permits could be asked for")
        return
    made = granting.ask_all(asked=asked, by=f"cli:{getpass.getuser()}", now=clock.now())
    click.echo(f"{len(made)} permits wait for a second person: {', '.join(str(one.pk) for one in made)}")


@permit.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; kept on the record.")
def revoke(number: int, reason: str) -> None:
    """End permit NUMBER at once. What it covered before stays as it is."""
    granting.revoke(permit=number, reason=reason, by=f"cli:{getpass.getuser()}", now=clock.now())
    click.echo(f"permit {number} is revoked")


def _read(file: Path) -> list[Asked]:
    try:
        rows = json.loads(file.read_bytes())
    except ValueError as error:
        raise InputError(Problem(file.name, f"is no JSON: {error}", "write a list of objects")) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(Problem(file.name, "is no list of objects", 'write [{"kind": "test", …}]'))
    return [_asked(row, f"{file.name} [{number}]", file.parent) for number, row in enumerate(rows, 1)]


def _asked(row: dict[str, Any], where: str, folder: Path) -> Asked:
    if unknown := sorted(set(row) - set(FIELDS)):
        raise InputError(
            [Problem(f"{where} {name}", "is no field of a permit", f"known are {', '.join(FIELDS)}") for name in unknown]
        )
    for name in LISTS:
        if not isinstance(row.get(name, []), list):
            raise InputError(Problem(f"{where} {name}", "is no list", f'write "{name}": ["…"]'))
    content = b""
    if row.get("document"):
        try:
            content = (folder / str(row["document"])).read_bytes()
        except OSError as error:
            raise InputError(Problem(f"{where} document", f"cannot be read: {error.strerror}", "give its path")) from error
    texts = {name: str(row.get(name, "")) for name in ("kind", "title", "signatory", "contact", "note", "document_sha256")}
    return Asked(
        **texts, direction=str(row.get("direction", "out")), hosts=list(map(str, row.get("hosts", []))),
        targets=list(map(str, row.get("targets", []))), detectors=list(map(str, row.get("detectors", []))),
        services=[int(one) for one in row.get("services", []) if str(one).isdecimal()], customer=row.get("customer"),
        starts_at=_moment(row.get("from"), f"{where} from"), ends_at=_moment(row.get("until"), f"{where} until"),
        document=content, document_name=Path(str(row.get("document", ""))).name,
    )  # fmt: skip


def _moment(text: Any, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InputError(Problem(where, f"{text!r} is no moment", "write 2026-12-01T08:00Z")) from error


def _row(one: Permit, moment: datetime) -> dict[str, Any]:
    return {
        "id": one.pk, "kind": one.kind, "title": one.title, "state": queries.state_of(one, moment), "direction": one.direction,
        "hosts": one.hosts, "services": one.services, "targets": one.targets, "detectors": one.detectors,
        "from": _text(one.starts_at), "until": _text(one.ends_at), "signatory": one.signatory,
        "document_sha256": one.document_sha256, "requested_by": one.requested_by, "approved_by": one.approved_by,
        "revoked_by": one.revoked_by,
    }  # fmt: skip


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
