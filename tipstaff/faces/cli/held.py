"""``tipstaff held …``: events that a rule holds."""

import json

import click

from tipstaff.faces.cli.acting import ActingGroup, by_option
from tipstaff.kernel.clock import now
from tipstaff.pipeline import context
from tipstaff.pipeline import held as holding


@click.group(cls=ActingGroup)
def held() -> None:
    """Events that a rule holds until somebody decides."""


@held.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_(as_json: bool) -> None:
    """What waits, by customer and category."""
    rows = holding.waiting()
    if as_json:
        click.echo(
            json.dumps(
                [{"customer": r.customer, "category": r.category, "events": r.events, "since": r.since.isoformat()} for r in rows]
            )
        )
        return
    for row in rows:
        click.echo(f"customer {row.customer:<8} {row.category:<20} {row.events:>8} events since {row.since:%Y-%m-%d %H:%M} UTC")
    if not rows:
        click.echo("nothing is held")


@held.command()
@click.argument("customer", type=int)
@click.argument("category")
@by_option()
@click.option("--aside", is_flag=True, help="Keep them as a record only instead.")
@click.option("--reason", default="", help="Why; needed with --aside.")
def release(customer: int, category: str, by: str, aside: bool, reason: str) -> None:
    """Let held events become cases, or set them aside."""
    if aside:
        if not reason:
            raise click.UsageError("--aside needs --reason")
        count = holding.set_aside(customer=customer, category=category, by=by, reason=reason, now=now())
    else:
        known, count = context.load(now()), 0
        while step := holding.release(customer=customer, category=category, context=known, by=by, now=now()):
            count += step
    click.echo(f"{count} events {'set aside' if aside else 'released'}")
