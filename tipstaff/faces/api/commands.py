"""``tipstaff token``: make, list and revoke the tokens of machines."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import orjson

from tipstaff.faces.api import services
from tipstaff.faces.api.models import ApiToken
from tipstaff.kernel import clock

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def token() -> None:
    """Tokens of the HTTP API: scoped, expiring, kept as a hash."""


@token.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(list(services.SCOPES)), help="May be repeated.")
@click.option("--days", type=click.IntRange(1, services.LONGEST.days), default=365, show_default=True, help="How long it is valid.")
@JSON
def create(name: str, scopes: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make a token called NAME and print it, once. Its reports come from the source api:NAME."""
    made, text = services.create_token(name=name, scopes=scopes, lasts=timedelta(days=days), by=_actor(), now=clock.now())
    if as_json:
        _json(_row(made) | {"token": text})
        return
    click.echo(text)
    click.echo(f"{made.name}: {', '.join(made.scopes)}; valid until {_time(made.expires_at)}; it is not shown again", err=True)


@token.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Every token: scopes, until when, last used."""
    rows = [_row(one) for one in ApiToken.objects.order_by("name")]
    if as_json:
        _json(rows)
        return
    for row in rows:
        used = row["last_used_at"] or "never used"
        click.echo(f"{row['name']:<24} {row['state']:<8} {', '.join(row['scopes'])}  until {row['expires_at']}  {used}")
    if not rows:
        click.echo("no tokens; `tipstaff token create NAME --scope reports:write` makes one")


@token.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; kept on the record.")
def revoke(name: str, reason: str) -> None:
    """End the token NAME at once."""
    services.revoke_token(name=name, by=_actor(), now=clock.now(), reason=reason)
    click.echo(f"revoked {name}")


def _row(one: ApiToken) -> dict[str, Any]:
    state = "revoked" if one.revoked_at else "expired" if one.expires_at <= clock.now() else "valid"
    return {
        "name": one.name, "state": state, "scopes": one.scopes, "created_by": one.created_by, "created_at": _time(one.created_at),
        "expires_at": _time(one.expires_at), "last_used_at": _time(one.last_used_at) if one.last_used_at else None,
    }  # fmt: skip


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
