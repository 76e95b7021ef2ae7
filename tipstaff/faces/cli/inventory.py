"""``tipstaff import`` and ``tipstaff export``: customers, services, names and assignments, in and out."""

import csv
import getpass
import io
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import orjson
from click.core import ParameterSource

from tipstaff.accounts import exporting, services
from tipstaff.accounts.importing import netbox
from tipstaff.accounts.importing.csv_import import Options, Reading, read
from tipstaff.accounts.importing.netbox_client import NetBox
from tipstaff.accounts.queries import freshness
from tipstaff.accounts.services import Changes
from tipstaff.attribution import elsewhere
from tipstaff.cases import catching
from tipstaff.faces.cli.progress import shown
from tipstaff.faces.cli.who import read_time
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.kernel.progress import Progress

EXIT_FAILED, EXIT_PARTLY = 1, 4
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
SINCE = click.option("--since", metavar="TIME", help="From when what has no beginning holds. Without it: from now on.")


@click.group("import")
def import_() -> None:
    """Read customers, services and who holds which address from files or from NetBox."""


@import_.command("csv")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", default="csv", show_default=True, help="Name under which these facts are kept.")
@click.option("--complete", is_flag=True, help="The files list everything: what they leave out has ended.")
@click.option("--as-of", metavar="TIME", help="The moment the files speak of. Without it: now.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of dates without one (IANA name).")
@click.option("--dates", type=click.Choice(["dmy", "mdy"]), help="Order of dates such as 03/04/2026, where it is not plain.")
@SINCE
@DRY_RUN
@JSON
def csv_(files: tuple[Path, ...], source: str, complete: bool, as_of: str | None, zone: str, dates: str | None,
         since: str | None, dry_run: bool, as_json: bool) -> None:  # fmt: skip
    """Import spreadsheets. Columns are guessed from their headings; every bad row is listed, and then nothing is imported."""
    now = clock.now()
    options = Options(read_time("--since", since) if since else now, _zone(zone), dates)
    with shown() as progress:
        progress("Reading the files", 0)
        reading = read([(path.name, path.read_bytes()) for path in files], options)
    try:
        with shown() as progress:
            changes = services.load(
                inventory=reading.inventory,
                source=services.source_named(name=source, kind="csv"),
                by=_actor(),
                now=now,
                as_of=read_time("--as-of", as_of) if as_of else None,
                complete=complete,
                dry_run=dry_run,
                progress=progress,
            )
    except InputError as error:
        _refused(error, as_json, {"columns": reading.columns, "rows": reading.rows})
        return
    caught = _caught(dry_run, now)
    if as_json:
        _print_json(
            changes,
            dry_run,
            {"warnings": caught, "columns": reading.columns, "rows": reading.rows, "without_start": reading.without_start},
        )
        return
    _say_columns(reading)
    if reading.without_start:
        click.echo(
            f"{reading.without_start} rows do not say since when; they hold from {options.since:%Y-%m-%d %H:%M} on (--since)"
        )
    _say(changes, dry_run)


@import_.command("netbox")
@click.argument("url")
@click.option("--source", default="netbox", show_default=True, help="Name under which these facts are kept.")
@click.option("--vrf", metavar="NAME", help="The VRF that is the public network. Without it: the global table.")
@click.option("--own-tenant", "own", multiple=True, metavar="SLUG", help="A tenant that is ourselves: any customer may nest in it.")
@click.option("--groups-are-folders", is_flag=True, help="Tenant groups are no resellers.")
@click.option("--custom-field", "custom", multiple=True, metavar="MEANING=FIELD",
              help="Where a custom field holds customer, service, start, end, ports, shared or language.")  # fmt: skip
@click.option("--insecure", is_flag=True, help="Do not check the server's certificate.")
@click.option("--token", envvar="TIPSTAFF_NETBOX_TOKEN", hidden=True)
@SINCE
@DRY_RUN
@JSON
@click.pass_context
def netbox_(ctx: click.Context, url: str, source: str, vrf: str | None, own: tuple[str, ...], groups_are_folders: bool,
            custom: tuple[str, ...], insecure: bool, token: str | None, since: str | None, dry_run: bool,
            as_json: bool) -> None:  # fmt: skip
    """Import from NetBox 3 or 4 at URL: tenants, contacts, prefixes, ranges and addresses. The token is read from
    TIPSTAFF_NETBOX_TOKEN. What nests in a stranger's prefix or cannot be read is left out and listed."""
    if ctx.get_parameter_source("token") is ParameterSource.COMMANDLINE or not token:
        advice = "set TIPSTAFF_NETBOX_TOKEN in the environment; what is typed on a command line, others can read"
        raise InputError(Problem("token", "NetBox needs an API token", advice))
    now = clock.now()
    fields = {**netbox.Settings().custom, **dict(_pair(text) for text in custom)}
    begin = read_time("--since", since) if since else None
    settings = netbox.Settings(source, vrf, not groups_are_folders, frozenset(own), begin, fields)
    known = services.source_named(name=source, kind="netbox", settings={"url": url})
    try:
        with shown() as progress, NetBox(url, token, verify=not insecure) as client:
            answers = {endpoint: _fetched(client, endpoint, progress) for endpoint in netbox.ENDPOINTS}
        inventory = netbox.facts(answers, settings, now)
    except InputError as error:
        services.hear_from(source=known, now=now, error=str(error))
        raise
    changes = services.load(
        inventory=inventory, source=known, by=_actor(), now=now, complete=True, tolerant=True,
        dry_run=dry_run,
    )  # fmt: skip
    caught = _caught(dry_run, now)
    if as_json:
        _print_json(changes, dry_run, {"warnings": caught})
    else:
        _say(changes, dry_run)
    if changes.left_out:
        sys.exit(EXIT_PARTLY)


@import_.command("abuse-contacts")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@JSON
def abuse_contacts(file: Path, as_json: bool) -> None:
    """Import whom to write to about other networks: a CSV with the columns prefix, abuse_contact and, if wanted, name.

    The file replaces the list that was imported before; every bad row is listed, and then nothing is imported. What it
    says goes before what the registries say.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(Problem(file.name, f"is no CSV in UTF-8: {error}", "save it as CSV in UTF-8")) from None
    if rows and not {"prefix", "abuse_contact"} <= set(rows[0]):
        raise InputError(Problem(f"{file.name}, line 1", "has no columns prefix and abuse_contact", "name them in the first line"))
    entries = [(row["prefix"] or "", row["abuse_contact"] or "", row.get("name") or "") for row in rows]
    count = elsewhere.list_contacts(rows=entries, file=file.name, by=_actor(), now=clock.now())
    click.echo(orjson.dumps({"contacts": count}).decode() if as_json else f"{count} networks and their abuse contacts are listed")


@import_.command("sources")
@JSON
def sources(as_json: bool) -> None:
    """List where facts come from, up to when they are known, and which source is late."""
    rows = [
        {"source": one.source.name, "kind": one.source.kind, "known_up_to": _written(one.source.last_word_at),
         "lag_s": int(one.lag.total_seconds()) if one.lag is not None else None, "late_after_hours": one.hours, "late": one.late,
         "last_error": one.source.last_error}
        for one in freshness(clock.now())
    ]  # fmt: skip
    if as_json:
        click.echo(orjson.dumps(rows).decode())
        return
    for row in rows:
        state = f"failing: {row['last_error']}" if row["last_error"] else "late" if row["late"] else "fine"
        click.echo(f"{row['source']:<20} {row['kind']:<8} known up to {row['known_up_to'] or 'never':<28} {state}")


@import_.command("late-after")
@click.argument("source")
@click.argument("hours", type=click.IntRange(1, 99_999), required=False)
def late_after(source: str, hours: int | None) -> None:
    """Say after how many HOURS without a word SOURCE is late. Without HOURS it never is."""
    services.expect_word(name=source, within=timedelta(hours=hours) if hours else None, by=_actor(), now=clock.now())
    click.echo(f"{source} is late after {hours} h without a word" if hours else f"{source} may be of any age")


@import_.command("correct")
@click.argument("number", type=int, metavar="ASSIGNMENT")
@click.option("--service", type=int, metavar="NUMBER", help="The service that held it in truth.")
@click.option("--from", "start", metavar="TIME", help="Since when it was held in truth.")
@click.option("--until", "end", metavar="TIME", help="Until when it was held in truth.")
@click.option("--withdraw", is_flag=True, help="It was never so.")
@click.option("--reason", required=True, help="Why; it stands on the record.")
@JSON
def correct(number: int, service: int | None, start: str | None, end: str | None, withdraw: bool, reason: str,
            as_json: bool) -> None:  # fmt: skip
    """Correct one ASSIGNMENT of the past (its number: `tipstaff who … --json`). What was known then stays known.

    Events that it decided are attributed anew, and every case that this touches is listed on the desk.
    """
    if not (service or start or end or withdraw):
        advice = "give --service, --from, --until or --withdraw"
        raise InputError(Problem(f"assignment {number}", "nothing to correct is given", advice))
    begin, finish = (read_time(option, text) if text else None for option, text in (("--from", start), ("--until", end)))
    changes = services.correct_assignment(
        number=number, service=service, start=begin, end=finish, withdrawn=withdraw, reason=reason, by=_actor(), now=clock.now()
    )
    if as_json:
        _print_json(changes, False, {})
    else:
        _say(changes, False)


@click.command("export")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@JSON
def export(directory: Path, as_json: bool) -> None:
    """Write the inventory as known now to DIRECTORY, as spreadsheets that `tipstaff import csv` reads back."""
    written = exporting.write(directory)
    if as_json:
        click.echo(orjson.dumps(written).decode())
        return
    for name, rows in written.items():
        click.echo(f"{rows:>8} {directory / name}")


def _caught(dry_run: bool, now: datetime) -> list[str]:
    """Who of those imported is not to be served again, said at once; it also stands on the desk."""
    found = [] if dry_run else catching.warnings(catching.catch(now=now))
    for one in found:
        click.echo(f"warning: {one}", err=True)
    return found


def _fetched(client: NetBox, endpoint: str, progress: Progress) -> list[netbox.Record]:
    records = []
    for record in client.records(endpoint):
        records.append(record)
        progress(endpoint, len(records))
    return records


def _pair(text: str) -> tuple[str, str]:
    meaning, sign, name = text.partition("=")
    if not sign or meaning not in netbox.Settings().custom:
        known = ", ".join(netbox.Settings().custom)
        raise InputError(Problem("--custom-field", f"{text!r} is not understood", f"write MEANING=FIELD with one of {known}"))
    return meaning, name


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError(Problem("--zone", f"{name!r} is no time zone", "write it like Europe/Berlin")) from None


def _actor() -> str:
    """Who imports, for the record: the account on this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli"


def _say_columns(reading: Reading) -> None:
    for name, columns in reading.columns.items():
        click.echo(f"{name}: " + ", ".join(f"{heading} = {meaning or 'not used'}" for heading, meaning in columns.items()))


def _say(changes: Changes, dry_run: bool) -> None:
    verb = "would be" if dry_run else "were"
    for what, count in (("customers", changes.customers), ("contacts", changes.contacts), ("services", changes.services),
                        ("own prefixes", changes.own_prefixes)):  # fmt: skip
        click.echo(f"{what}: {count['created']} {verb} added, {count['changed']} changed")
    click.echo(f"assignments: {changes.assignments_recorded} {verb} recorded; names: {changes.names_recorded}")
    for problem in changes.left_out:
        click.echo(f"left out: {problem}", err=True)


def _print_json(changes: Changes, dry_run: bool, more: dict[str, Any]) -> None:
    left_out = [_problem(problem) for problem in changes.left_out]
    spans = [[str(span.prefix), _written(span.start), _written(span.end)] for span in changes.spans]
    found = {"dry_run": dry_run, **changes.summary(), "spans": spans, "left_out": left_out, "problems": [], **more}
    click.echo(orjson.dumps(found).decode())


def _refused(error: InputError, as_json: bool, more: dict[str, Any]) -> None:
    if not as_json:
        raise error
    click.echo(orjson.dumps({"problems": [_problem(problem) for problem in error.problems], **more}).decode())
    sys.exit(EXIT_FAILED)


def _problem(problem: Problem) -> dict[str, str]:
    return {"where": problem.where, "what": problem.what, "advice": problem.advice}


def _written(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
