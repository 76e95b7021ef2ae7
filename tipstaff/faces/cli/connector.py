"""``tipstaff connector …``: which routers, gateways and servers orders are carried out at."""

from typing import Any

import click
import orjson

from tipstaff.enforcement import endpoints, protecting, queries, switches
from tipstaff.enforcement.connectors.contract import ConnectorError, Field
from tipstaff.faces.cli.acting import ActingGroup, by_option
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

BY = by_option()
REASON = click.option("--reason", required=True, help="Why; kept with it.")


@click.group(cls=ActingGroup)
def connector() -> None:
    """Connectors: nftables, BGP, DNS, HTTP, webhook, a person. New ones are in dry run until `tipstaff enforce live NAME`."""


@connector.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """Those that are configured, and how they fare."""
    rows: list[dict[str, Any]] = [
        {"name": one.name, "connector": one.connector, "live": one.live, "rank": one.rank, "at_work": one.at_work,  # type: ignore[attr-defined]
         "problem": one.halted or one.problem, "reconciled_at": one.reconciled_at, **one.figures}
        for one in queries.endpoints()
    ]  # fmt: skip
    if as_json:
        click.echo(orjson.dumps(rows, default=str).decode())
        return
    for row in rows:
        state = "live" if row["live"] else "dry run"
        click.echo(f"{row['name']:<16} {row['connector']:<10} {state:<8} {row['at_work']:>6} orders  {row['problem']}")
    if not rows:
        click.echo("none yet; `tipstaff connector kinds` lists what there is")


@connector.command()
def kinds() -> None:
    """What there is, with the settings of each."""
    for name, (label, form) in queries.forms().items():
        click.echo(f"{name}: {label}")
        for field in form:
            assert isinstance(field, Field)
            need = "" if field.required and not field.default else f" [{field.default}]" if field.default else " (optional)"
            secret = "; names an environment variable TIPSTAFF_SECRET_…" if field.secret else ""
            click.echo(f"    {field.name}{need}: {field.label}. {field.meaning}{secret}")


@connector.command()
@click.argument("name")
@click.argument("kind")
@click.argument("settings", nargs=-1)
@click.option("--rank", default=100, show_default=True, help="Of two that can do the same, the lower one is chosen.")
@BY
def add(name: str, kind: str, settings: tuple[str, ...], rank: int, by: str) -> None:
    """Configure NAME as one of KIND with SETTING=VALUE …; in dry run at first."""
    endpoints.add(name=name, connector=kind, settings=_pairs(settings), rank=rank, by=by, now=now())
    click.echo(f"{name}: added, in dry run; `tipstaff connector test {name}`, then `tipstaff enforce live {name}`")


@connector.command()
@click.argument("name")
@click.argument("settings", nargs=-1)
@BY
def change(name: str, settings: tuple[str, ...], by: str) -> None:
    """Change settings: SETTING=VALUE …; an empty value takes one away."""
    found = endpoints.named(name)
    wanted = {key: value for key, value in {**found.settings, **_pairs(settings)}.items() if value}
    endpoints.configure(endpoint=found, settings=wanted, by=by, now=now())
    click.echo(f"{name}: changed")


@connector.command()
@click.argument("name")
def test(name: str) -> None:
    """Read what stands at NAME's peer; changes nothing."""
    found = endpoints.named(name)
    try:
        standing = endpoints.build(found, protecting.bounds(switches.current())).actual()
    except ConnectorError as error:
        raise InputError(Problem(name, str(error), "try again later" if error.retry else "look at its settings")) from error
    click.echo(f"{name}: answers; {len(standing)} things of ours stand there")


@connector.command()
@click.argument("name")
@BY
@REASON
def retire(name: str, by: str, reason: str) -> None:
    """Use NAME no more; everything at it must have been lifted."""
    endpoints.retire(endpoint=endpoints.named(name), by=by, reason=reason, now=now())
    click.echo(f"{name}: retired")


def _pairs(words: tuple[str, ...]) -> dict[str, str]:
    problems = [
        Problem(word, "is no SETTING=VALUE", "write NAME=VALUE, quoted where it holds spaces") for word in words if "=" not in word
    ]
    if problems:
        raise InputError(problems)
    return {name: value for name, _, value in (word.partition("=") for word in words)}
