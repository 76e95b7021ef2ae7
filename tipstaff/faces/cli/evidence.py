"""``tipstaff evidence``: check that what is kept is what came in, and the holds on what must not be erased."""

import sys

import click
import orjson

from tipstaff.accounts.access import require_named
from tipstaff.evidence import scopes, services
from tipstaff.evidence.models import Blob, Hold
from tipstaff.faces.cli.acting import ActingGroup, by_option
from tipstaff.kernel import clock
from tipstaff.pipeline import holding


@click.group(cls=ActingGroup)
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


@evidence.command()
@click.argument("scope")
@click.option("--reason", required=True, help="Why it must be kept; name the order or the request.")
@by_option()
def hold(scope: str, reason: str, by: str) -> None:
    """Let nothing of SCOPE be erased: all, flows, case:NUMBER, customer:NUMBER, report:NUMBER or blob:SHA256.

    It takes a lead, counsel or an administrator, and stands until counsel releases it.
    """
    placed = holding.place(scope=scope, reason=reason, by=by, now=clock.now())
    click.echo(f"hold {placed.hold.pk} on {placed.hold.scope} keeps {scopes.KINDS[scopes.parse(placed.hold.scope).kind]}")
    if placed.others:
        click.echo(f"{_named(placed.others)} on {placed.hold.scope} already; what is kept may go when all are released")


@evidence.command()
@click.option("--all", "released", is_flag=True, help="Those that were released too.")
@by_option(required=False, default="", help="As whom; holds on cases that were set apart are shown to their two roles only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def holds(released: bool, by: str, as_json: bool) -> None:
    """The holds that stand, the newest first."""
    rows = holding.holds(person=require_named(by, "see holds") if by else None, released=released)
    if as_json:
        click.echo(orjson.dumps({"holds": [_row(one) for one in rows]}).decode())
        return
    for one in rows:
        ended = f", released {one.released_at:%Y-%m-%d %H:%M} UTC" if one.released_at else ""
        click.echo(f"{one.pk:<6} {one.scope}  since {one.placed_at:%Y-%m-%d %H:%M} UTC by {one.placed_by}{ended}: {one.reason}")
    if not rows:
        click.echo("no hold stands")


@evidence.command()
@click.argument("number", type=click.IntRange(1, (1 << 63) - 1))
@click.option("--reason", required=True, help="Why it need not be kept any longer.")
@by_option()
def release(number: int, reason: str, by: str) -> None:
    """End a hold. It takes counsel, and somebody else than who placed it."""
    ended = holding.release(number=number, reason=reason, by=by, now=clock.now())
    click.echo(f"hold {number} on {ended.hold.scope} is released")
    if ended.others:
        click.echo(f"{_named(ended.others)} on {ended.hold.scope} still; nothing of it goes before")


def _named(numbers: list[int]) -> str:
    return f"hold {numbers[0]} stands" if len(numbers) == 1 else f"holds {', '.join(map(str, numbers))} stand"


def _row(one: Hold) -> dict[str, object]:
    return {
        "number": one.pk, "scope": one.scope, "reason": one.reason, "placed_by": one.placed_by, "placed_at": one.placed_at,
        "released_at": one.released_at,
    }  # fmt: skip
