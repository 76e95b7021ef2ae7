"""``tipstaff source``: the ways in, how they are doing, new ones, and a try without taking anything."""

import getpass
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.accounts.access import require_named
from tipstaff.faces.cli.acting import Acting, by_option
from tipstaff.intake import queries
from tipstaff.intake.models import Source
from tipstaff.intake.reading.feeds.mapping import mapping_text
from tipstaff.intake.services import last_sample
from tipstaff.intake.sources import catalogue, imap, imap_login, imap_reading, pulls, services
from tipstaff.intake.trying import Trial, starter, trial
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Problem, TipstaffError
from tipstaff.kernel.text import one_line

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
MAPPING = click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file that says what the columns of its tables mean; --set mapping=null removes it.",
)
_PERIOD = re.compile(r"(\d{1,5})([mhd])")
_LONGEST = 20_000  # characters of one line that is printed
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@click.group()
def source() -> None:
    """Mailboxes, feeds, folders and listeners that submissions come from."""


@source.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Every source: fresh, late, failing or off, with its last word."""
    now = clock.now()
    rows = [_row(one) for one in queries.health(now=now, midnight=now.replace(hour=0, minute=0, second=0, microsecond=0))]
    if as_json:
        _json(rows)
        return
    for row in rows:
        error = f"  {row['last_error']}" if row["health"] == "failing" else f"  {row['owed']}" if row["owed"] else ""
        last = row["last_received_at"] or "never"
        click.echo(f"{row['name']:<24} {row['kind']:<6} {row['health']:<12} {row['today']:>6} today  {last}{error}")
    if not rows:
        click.echo("no sources yet; `tipstaff source add` makes one, and the mail listener's appears with its first mail")


@source.command()
@click.argument("name")
@click.option("--kind", required=True, type=click.Choice(list(catalogue.BY_NAME)), help="What it is.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting; a value that is JSON is read as JSON. May be repeated."
)
@click.option("--expect-every", metavar="PERIOD", help="Longer silence is an alarm: 30m, 24h, 7d.")
@MAPPING
def add(name: str, kind: str, pairs: tuple[str, ...], expect_every: str | None, mapping: Path | None) -> None:
    """Add a source called NAME. Passwords are named, never given: password=TIPSTAFF_SECRET_MAIL."""
    settings = dict(_pair(text) for text in pairs) | _mapping(mapping)
    period = _period(expect_every) if expect_every else None
    services.add(name=name, kind=kind, settings=settings, expected_every=period, by=_actor(), now=clock.now())
    click.echo(f"added {name}; `tipstaff source test {name}` tries it, a running intake begins within 15 s")


@source.command("set")
@click.argument("name")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting; null removes it. May be repeated.")
@click.option("--expect-every", metavar="PERIOD", help="Longer silence is an alarm: 30m, 24h, 7d.")
@MAPPING
def set_(name: str, pairs: tuple[str, ...], expect_every: str | None, mapping: Path | None) -> None:
    """Change settings of the source NAME, such as trusted_authserv=["mx.example.net"] of the mail listener."""
    changes = dict(_pair(text) for text in pairs) | _mapping(mapping)
    period = _period(expect_every) if expect_every else None
    services.configure(name=name, changes=changes, expected_every=period, by=_actor(), now=clock.now())
    click.echo(f"changed {name}")


@source.command()
@click.argument("name")
@JSON
def test(name: str, as_json: bool) -> None:
    """Try a source as the intake would, without taking anything or changing where it stands."""
    found = _named(name)
    try:
        told = _tried(found)
    except TipstaffError as error:
        if as_json:
            _json({"name": name, "works": False, "told": str(error)})
            sys.exit(1)
        raise
    if as_json:
        _json({"name": name, "works": True, "told": told})
    else:
        click.echo(f"{name} works: {told}")


@source.command("try", cls=Acting)
@click.argument("name")
@MAPPING
@click.option(
    "--on", "sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file instead of the last one."
)
@by_option(required=False, default="", help="Who opens what the source received last; goes on the record. Not needed with --on.")
@JSON
def try_(name: str, mapping: Path | None, sample: Path | None, by: str, as_json: bool) -> None:
    """Try a mapping (without --mapping the source's own) on what the source NAME received last: what each column becomes, and how
    the first rows read. Nothing is kept. Without any mapping one to begin with is printed. Exit code 1 where it does not fit."""
    found = _named(name)
    text = _mapping(mapping).get("mapping") or found.settings.get("mapping")
    content, called = _sample(found, sample, by)
    tried = trial(content=content, filename=called, mapping=text, zone=found.settings.get("zone"))
    begin = None if text else starter([column for column, _ in tried.tables[0].columns])
    if as_json:
        _json(asdict(tried) | {"file": called, "begin": begin})
    else:
        click.echo("\n".join(map(_harmless, (called, *_told(tried), *(begin or "").splitlines()))))
    if text and not any(table.is_mapped for table in tried.tables):
        sys.exit(1)


@source.command()
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
def switch(name: str, state: str) -> None:
    """Turn a source on or off; what it took is kept."""
    services.switch(name=name, enabled=state == "on", by=_actor(), now=clock.now())
    click.echo(f"{name} is {state}")


def _named(name: str) -> Source:
    found = Source.objects.filter(name=name).first()
    if found is None:
        raise NotFound(f"there is no source {name!r}; `tipstaff source list` shows them")
    return found


def _sample(found: Source, file: Path | None, by: str) -> tuple[bytes, str]:
    if file is not None:
        return file.read_bytes(), file.name
    return last_sample(source=found, by=require_named(by, "open evidence"), now=clock.now())


def _told(tried: Trial) -> Iterator[str]:
    """The trial as a person reads it."""
    for table in tried.tables:
        yield f"{table.where}: {table.events} event{'' if table.events == 1 else 's'}"
        yield from (f"  {column:<28} {meaning or '(a detail of the event)'}" for column, meaning in table.columns)
        for row in table.rows:
            yield f"row {row.number}, {row.time}: {'; '.join(f'{meaning} {value}' for meaning, value in row.values.items())}"
    yield from (f"for a person: {text}" for text in tried.needs)
    yield from (f"does not fit: {text}" for text in tried.warnings)


def _harmless(line: str) -> str:
    """``line`` as a terminal shows it: what was received may hold sequences that steer the terminal."""
    return line if line.isprintable() else one_line(line, _LONGEST)


def _tried(found: Source) -> str:
    if found.kind == imap.KIND:
        return "; ".join(_try_mailbox(found, str(name)) for name in found.settings.get("mailboxes", ["INBOX"]))
    if found.kind == pulls.KIND:
        fetched = pulls.fetch(name=found.name, settings=found.settings, cursor=found.cursor, now=clock.now())
        return "nothing new" if fetched.content is None else f"{len(fetched.content)} bytes, called {fetched.filename or 'nothing'}"
    if folder := found.settings.get("folder"):
        return _try_folder(Path(folder), found.name)
    return "it is fed by others; there is nothing to ask"


def _try_mailbox(found: Source, name: str) -> str:
    mailbox = imap.Mailbox(found.name, found.settings, name)
    try:
        mailbox.open()
        waiting = imap_reading.waiting(mailbox, imap_reading.Position.of(found.cursor.get(name)))
    except imap_login.LOST as error:
        raise imap_login.MailboxFailed(f"{found.settings['host']}: {error}") from error
    finally:
        mailbox.close()
    return f"{name}: {waiting} to take"


def _try_folder(folder: Path, name: str) -> str:
    try:
        probe = folder / ".tipstaff-probe"
        probe.touch()
        probe.unlink()
        return f"{sum(entry.is_file() and not entry.name.startswith('.') for entry in folder.iterdir())} files in {folder}"
    except OSError as error:
        advice = "create it, and let this account read it and write to it"
        raise InputError(Problem(f"source {name}: folder {folder}", f"cannot be used: {error.strerror}", advice)) from error


def _mapping(file: Path | None) -> dict[str, str]:
    """The setting that the file is; what is wrong with it is told with the others."""
    return {} if file is None else {"mapping": mapping_text(file)}


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise InputError(Problem(f"--set {text}", "is not KEY=VALUE", "write for example --set host=imap.example.net"))
    try:
        return key, orjson.loads(value)
    except ValueError:
        return key, value


def _period(text: str) -> timedelta:
    match = _PERIOD.fullmatch(text.strip())
    if match is None:
        raise InputError(Problem("--expect-every", f"{text!r} is no period", "write 30m, 24h or 7d"))
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _row(one: queries.Health) -> dict[str, Any]:
    found = one.source
    return {
        "name": found.name, "kind": found.kind, "health": one.word, "today": one.today, "enabled": found.enabled,
        "last_received_at": _time(found.last_received_at), "last_ok_at": _time(found.last_ok_at),
        "last_error": found.last_error, "owed": one.owed, "due_at": _time(found.due_at), "settings": found.settings,
    }  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
