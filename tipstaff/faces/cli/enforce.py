"""``tipstaff enforce …``: orders at routers, gateways and servers, from a shell that works when the web does not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import click
import orjson

from tipstaff.enforcement import approving, by_hand, endpoints, protecting, queries, reconciler, sla, switches
from tipstaff.enforcement.models import Order
from tipstaff.faces.cli.acting import ActingGroup, by_option
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

BY = by_option()
REASON = click.option("--reason", required=True, help="Why; kept with it.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NUMBER = click.argument("number", type=int)


@click.group(cls=ActingGroup)
def enforce() -> None:
    """Orders: what is proposed, what stands where and until when; the switches that stop or lift all of it."""


def _echo(rows: list[dict[str, Any]], as_json: bool, line: Callable[[dict[str, Any]], str], empty: str) -> None:
    if as_json:
        click.echo(orjson.dumps(rows, default=str).decode())
        return
    for row in rows:
        click.echo(line(row))
    if not rows:
        click.echo(empty)


def _row(order: Order) -> dict[str, Any]:
    return {
        "order": order.pk,
        "state": order.state,
        "kind": order.kind,
        "target": order.target,
        "connector": order.endpoint.name if order.endpoint else "",
        "customer": order.customer.name,
        "case": order.case_id,
        "clause": order.clause,
        "expires_at": order.expires_at,
        "held": order.held,
        "problem": order.problem,
    }


@enforce.command("list")
@click.argument("view", type=click.Choice(queries.VIEWS), default="active")
@click.option("--most", default=50, show_default=True, help="How many.")
@JSON
def list_(view: str, most: int, as_json: bool) -> None:
    """Orders of one list: proposed, active, expiring, trouble, held (dry run), ended, all."""
    rows = [_row(order) for order in queries.view(view, now())[:most]]

    def line(row: dict[str, Any]) -> str:
        more = row["held"] or row["problem"]
        text = f"{row['order']:>7}  {row['state']:<9} {row['kind']:<13} {row['target']:<32} {row['connector']:<12}"
        return f"{text} case {row['case']} until {row['expires_at']:%Y-%m-%d %H:%M} UTC" + (f"  ({more})" if more else "")

    _echo(rows, as_json, line, f"none {view}")
    if not as_json:
        _state_of_switches()


def _state_of_switches() -> None:
    board = queries.board(now())
    if board.switches.stopped:
        click.echo(f"STOPPED: {board.switches.stopped}", err=True)
    if not board.switches.live:
        click.echo("dry run: nothing is carried out until `tipstaff enforce live`", err=True)
    for one in board.halted:
        click.echo(f"the reconciler stands still at {one.name}: {one.halted}", err=True)
    for one in board.away:
        click.echo(f"{one.name} does not answer: {one.problem}", err=True)


@enforce.command()
@NUMBER
@JSON
def show(number: int, as_json: bool) -> None:
    """One order: who, why, what was told to the peer and what it said, and all that happened."""
    order = queries.order(number)
    facts = _row(order) | {
        "choice": order.choice,
        "reason": order.reason,
        "requested_by": order.requested_by,
        "approved_by": order.approved_by,
        "second_by": order.second_by,
        "needs_two": order.needs_two,
        "commands": order.plan,
        "undo": order.undo_plan,
        "output": order.output,
        "verified_at": order.verified_at,
        "ended_at": order.ended_at,
    }
    entries = [{"at": one.at, "by": one.actor, "kind": one.kind, "text": one.text} for one in order.entries.order_by("pk")]
    if as_json:
        click.echo(orjson.dumps(facts | {"entries": entries}, default=str).decode())
        return
    for name, value in facts.items():
        for each in value if isinstance(value, list) else [value]:
            if each not in {None, ""}:
                click.echo(f"{name:<13} {each}")
    for one in entries:
        click.echo(f"{one['at']:%Y-%m-%d %H:%M:%S}  {one['by']:<20} {one['kind']:<11} {one['text']}")


@enforce.command()
@NUMBER
@BY
@click.option("--reason", default="", help="Why; kept with it.")
def approve(number: int, by: str, reason: str) -> None:
    """Say yes to an order; also frees one that was held as dry run."""
    order = approving.approve(number=number, by=by, reason=reason, now=now())
    waits = order.state == "proposed"
    click.echo(f"order {number}: {'one more person has to approve it: ' + order.needs_two if waits else 'approved'}")


def _act(name: str, said: str, text: str, act: Callable[..., Any]) -> None:
    @enforce.command(name, help=text)
    @NUMBER
    @BY
    @REASON
    def command(number: int, by: str, reason: str) -> None:
        act(number=number, by=by, reason=reason, now=now())
        click.echo(f"order {number}: {said}")


_act("decline", "declined", "Say no to a proposed order.", approving.decline)
_act("lift", "will be lifted", "Have one order taken away.", approving.lift)
_act("settle", "settled", "Say that nothing is left of an order that drifted.", approving.settle)


@enforce.command()
@NUMBER
@click.option("--hours", type=float, help="From now.")
@click.option("--until", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="In UTC.")
@BY
@REASON
def extend(number: int, hours: float | None, until: datetime | None, by: str, reason: str) -> None:
    """Give an order another end."""
    if (hours is None) == (until is None):
        raise click.UsageError("give --hours or --until")
    moment = now()
    end = moment + timedelta(hours=hours) if hours is not None else until.replace(tzinfo=moment.tzinfo)  # type: ignore[union-attr]
    approving.move_end(number=number, until=end, by=by, reason=reason, now=moment)
    click.echo(f"order {number}: until {end:%Y-%m-%d %H:%M} UTC")


@enforce.command()
@BY
@REASON
def stop(by: str, reason: str) -> None:
    """Begin no new action, and repair nothing; what ends still ends."""
    switches.stop(by=by, reason=reason, now=now())
    click.echo("stopped; `tipstaff enforce resume` goes on")


@enforce.command()
@BY
@REASON
def resume(by: str, reason: str) -> None:
    """Go on after `stop`."""
    switches.resume(by=by, reason=reason, now=now())
    click.echo("going on")


@enforce.command("lift-all")
@BY
@REASON
@click.option("--yes", is_flag=True, help="Do not ask.")
def lift_all(by: str, reason: str, yes: bool) -> None:
    """Stop, and take away everything that we have put anywhere."""
    if not yes:
        click.confirm("Lift every order, everywhere?", abort=True)
    count = switches.lift_all(by=by, reason=reason, now=now())
    click.echo(f"{count} orders are being lifted; nothing new begins until `tipstaff enforce resume`")


@enforce.command()
@click.argument("connector", required=False)
@click.option("--off", is_flag=True, help="Back to dry run.")
@BY
@REASON
def live(connector: str | None, off: bool, by: str, reason: str) -> None:
    """Leave dry run: the desk as a whole, or one CONNECTOR; both are needed."""
    if connector:
        endpoints.set_live(endpoint=endpoints.named(connector), live=not off, by=by, reason=reason, now=now())
    else:
        switches.go_live(live=not off, by=by, reason=reason, now=now())
    click.echo(f"{connector or 'the desk'}: {'dry run' if off else 'live'}")


@enforce.command()
@click.argument("what", required=False)
@click.option("--why", default="", help="What it is: our resolver, a peer's next hop …")
@by_option(required=False, default="")
@click.option("--remove", type=int, help="Take the line of this number off the list.")
@JSON
def protect(what: str | None, why: str, by: str, remove: int | None, as_json: bool) -> None:
    """Put an address, prefix or name on the never-touch list; without one, show the list."""
    if (what or remove) and not by:
        raise click.UsageError("--by says who decides")
    if remove:
        protecting.unprotect(number=remove, by=by, reason=why, now=now())
    elif what:
        protecting.protect(what=what, why=why, by=by, now=now())
    rows: list[dict[str, Any]] = [
        {"number": one.pk, "what": str(one.prefix or one.name), "why": one.why, "by": one.by} for one in queries.protected()
    ]
    kept = {row["what"] for row in rows}
    known = [{"number": "", "what": str(one.what), "why": one.why, "by": "known"} for one in protecting.never_touch()]
    rows += [row for row in known if row["what"] not in kept]
    _echo(rows, as_json, lambda row: f"{row['number']:>5}  {row['what']:<40} {row['why']} ({row['by']})", "the list is empty")


@enforce.command()
@click.argument("pairs", nargs=-1)
@by_option(required=False, default="")
@click.option("--reason", default="", help="Why; kept with it.")
def limits(pairs: tuple[str, ...], by: str, reason: str) -> None:
    """Show caps and ceilings, or set them: NAME=NUMBER …"""
    wanted: dict[str, int] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not value.isdecimal():
            raise InputError(Problem(pair, "is no NAME=NUMBER", f"names are {', '.join(switches.LIMITS)}"))
        wanted[name] = int(value)
    if wanted:
        if not by:
            raise click.UsageError("--by says who decides")
        switches.set_limits(by=by, reason=reason, now=now(), **wanted)
    row = switches.current()
    for name, (low, high) in switches.LIMITS.items():
        click.echo(f"{name:<14} {getattr(row, name):>8}   ({low} to {high})")


@enforce.command("go-on")
@click.argument("connector")
@click.option("--changes", type=int, default=0, show_default=True, help="How many changes are let through, once.")
@BY
@REASON
def go_on(connector: str, changes: int, by: str, reason: str) -> None:
    """Let the reconciler go on at a CONNECTOR where it stopped before a mass change."""
    reconciler.go_on(endpoint=endpoints.named(connector), changes=changes, by=by, reason=reason, now=now())
    click.echo(f"{connector}: goes on, with at most {changes} changes at once this time")


@enforce.command()
@JSON
def work(as_json: bool) -> None:
    """Work orders: what people are asked to do or undo by hand."""
    rows = [
        {"number": one.pk, "state": one.state, "text": one.instructions if one.state == "asked" else one.undo_instructions}
        for one in queries.work_orders()
    ]
    _echo(rows, as_json, lambda row: f"{row['number']:>6}  {row['state'].replace('_', ' '):<10} {row['text']}", "nothing is asked")


@enforce.command()
@NUMBER
@BY
@click.option("--note", default="", help="What you did.")
@click.option("--cannot", is_flag=True, help="It cannot be done; the note says why.")
def done(number: int, by: str, note: str, cannot: bool) -> None:
    """Say that a work order is done, or undone, whichever was asked."""
    if cannot:
        by_hand.refuse(number=number, by=by, reason=note, now=now())
    else:
        by_hand.confirm(number=number, by=by, note=note, now=now())
    click.echo(f"work order {number}: {'cannot be done' if cannot else 'confirmed'}")


@enforce.command("sla")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help="First day, UTC.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day after the last, UTC.")
def export(since: datetime, until: datetime) -> None:
    """Interruptions as CSV for agreements on availability: excluded and creditable seconds."""
    moment = now()
    start, end = since.replace(tzinfo=moment.tzinfo), until.replace(tzinfo=moment.tzinfo)
    for line in sla.export(since=start, until=end, now=moment):
        click.echo(line, nl=False)
