"""``tipstaff staff``: who works at the desk. An operator makes the first account here, and every later one."""

import getpass
from datetime import UTC
from typing import Any

import click
import orjson

from tipstaff.accounts import second_factor
from tipstaff.accounts import staff as services
from tipstaff.accounts.access import ROLES
from tipstaff.accounts.models import StaffMember
from tipstaff.kernel import clock

ROLE = click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="May be repeated.")
TIMEZONE = click.option("--timezone", help="Such as Europe/Berlin, in which times are shown to them.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def staff() -> None:
    """The people who sign in at the desk, and their roles."""


@staff.command()
@click.argument("username")
@ROLE
@click.option("--name", default="", help="As colleagues read it.")
@click.option("--email", default="", help="Where they are told what waits for them.")
@TIMEZONE
@JSON
def add(username: str, roles: tuple[str, ...], name: str, email: str, timezone: str | None, as_json: bool) -> None:
    """Add USERNAME and print their first password, once."""
    person, password = services.add(
        username=username, roles=roles, name=name, email=email, timezone=timezone or "UTC", by=_actor(), now=clock.now()
    )
    if as_json:
        _json(_row(person) | {"password": password})
        return
    click.echo(password)
    click.echo(f"{username}: {', '.join(person.roles)}; the password is not shown again", err=True)


@staff.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Everybody: roles, whether they may sign in, when they last did."""
    rows = [_row(person) for person in StaffMember.objects.order_by("username")]
    if as_json:
        _json(rows)
        return
    for row in rows:
        state = "active" if row["active"] else "off"
        click.echo(
            f"{row['username']:<20} {state:<7} {', '.join(row['roles']) or 'no role'}  last here {row['last_login'] or 'never'}"
        )
    if not rows:
        click.echo("nobody yet; `tipstaff staff add USERNAME --role lead --role admin` makes the first account")


@staff.command()
@click.argument("username")
@ROLE
@click.option("--on/--off", "active", default=None, help="Let them sign in, or no longer.")
@TIMEZONE
@click.option("--reason", default="", help="Why; kept on the record.")
def change(username: str, roles: tuple[str, ...], active: bool | None, timezone: str | None, reason: str) -> None:
    """Change USERNAME: the roles given replace those they had. With --off they are signed out at once."""
    if not roles and active is None and timezone is None:
        raise click.UsageError("say what to change: --role, --on, --off or --timezone")
    person = services.change(
        username=username, roles=roles or None, active=active, timezone=timezone, reason=reason, by=_actor(), now=clock.now()
    )
    click.echo(f"{username}: {', '.join(person.roles)}; {'active' if person.is_active else 'off'}")


@staff.command()
@click.argument("username")
def password(username: str) -> None:
    """Make a new password for USERNAME and print it, once. The old one and every session end."""
    click.echo(services.renew_password(username=username, by=_actor(), now=clock.now()))


@staff.command()
@click.argument("username")
def lost(username: str) -> None:
    """USERNAME lost their second factor: every one of theirs goes, they sign in by password and set one up anew."""
    second_factor.reset(staff=services.named(username), by=_actor(), now=clock.now())
    click.echo(f"{username}: no second factor any more; a new one is due within the grace")


@staff.command()
@click.argument("username")
@click.argument("subject")
def link(username: str, subject: str) -> None:
    """Let USERNAME in by single sign-on as SUBJECT: 'ISSUER|SUBJECT' as the provider's token says; '' unlinks."""
    services.link(username=username, subject=subject, by=_actor(), now=clock.now())
    click.echo(f"{username}: {'linked' if subject else 'no longer linked'}")


def _row(person: StaffMember) -> dict[str, Any]:
    last = person.last_login
    return {
        "username": person.username, "name": person.get_full_name(), "roles": person.roles, "active": person.is_active,
        "timezone": person.timezone, "last_login": last.astimezone(UTC).isoformat(timespec="seconds") if last else None,
    }  # fmt: skip


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
