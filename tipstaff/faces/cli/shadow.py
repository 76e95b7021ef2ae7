"""``tipstaff shadow``: the other desk's decisions in, and the report of each day that compares them with ours."""

import getpass
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import orjson

from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.pipeline.shadowing import importing, reports
from tipstaff.pipeline.shadowing.decisions import OUTCOMES, Options, Reading, read
from tipstaff.policy.categories import CATEGORIES

EXIT_FAILED = 1
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
LABELS = {
    "same": "the same", "differs": "differ", "not_comparable": "cannot be compared yet", "two_fit": "fit two cases or more",
    "only_other": "only at the other desk", "only_ours": "only here",
}  # fmt: skip


@click.group()
def shadow() -> None:
    """Shadow mode: Tipstaff beside another desk, on a copy of its mail and feeds, sending nothing (TIPSTAFF_SHADOW=on)."""


@shadow.command("import")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--category", "categories", multiple=True, metavar="WORD=CODE", help="What a word of theirs means here.")
@click.option("--decision", "decisions", multiple=True, metavar="WORD=OUTCOME", help=f"Likewise: {', '.join(OUTCOMES)}.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone of times without one (IANA name).")
@click.option("--dates", type=click.Choice(["dmy", "mdy"]), help="Order of dates such as 03/04/2026, where it is not plain.")
@click.option("--dry-run", is_flag=True, help="Say what would be taken in; keep nothing.")
@JSON
def import_(file: Path, categories: tuple[str, ...], decisions: tuple[str, ...], zone: str, dates: str | None, dry_run: bool,
            as_json: bool) -> None:  # fmt: skip
    """Take in the other desk's decisions from a spreadsheet: its reference; a Message-ID, the reporter's own number or an address;
    the time; customer, category, decision.

    Columns are guessed from their headings. Every bad row is listed, and then nothing is taken in. A word that means nothing here
    is kept as it stands and compared with nothing; --category and --decision say what it means.
    """
    now = clock.now()
    meant = Options(_zone(zone), dates, _pairs("--category", categories, CATEGORIES), _pairs("--decision", decisions, OUTCOMES))
    reading = read(file.name, file.read_bytes(), meant)
    if reading.problems:
        _refused(reading, as_json)
    taken = importing.take(rows=reading.rows, file=file.name, by=_actor(), now=now, dry_run=dry_run)
    remade = []
    if not dry_run:  # what was compared before these decisions were known is compared again
        remade = [day for day in taken.days if day < now.astimezone(UTC).date()]
        for day in remade:
            reports.write(day=day, now=now)
    if as_json:
        told = {"dry_run": dry_run, "rows": len(reading.rows), "new": taken.new, "known": taken.known, "columns": reading.columns,
                "unknown_words": reading.unknown, "days": [str(day) for day in taken.days], "reports_written": len(remade),
                "problems": []}  # fmt: skip
        click.echo(orjson.dumps(told).decode())
        return
    click.echo("columns: " + ", ".join(f"{heading} = {meaning or 'not used'}" for heading, meaning in reading.columns.items()))
    verb = "would be" if dry_run else "were"
    click.echo(f"{taken.new} decisions {verb} taken in, {taken.known} known ones {verb} replaced")
    click.echo(f"{len(remade)} daily reports written")
    for what, words in reading.unknown.items():
        for word, count in words.items():
            click.echo(f"{what} {word!r} ({count} rows) means nothing here; say --{what} {word!r}=…", err=True)


@shadow.command()
@click.option("--day", metavar="DATE", help="The day, UTC; without it, the newest that is kept.")
@click.option("--now", "anew", is_flag=True, help="Compare with what is known now, and keep that.")
@JSON
def report(day: str | None, anew: bool, as_json: bool) -> None:
    """One day compared with the other desk: customer, category and decision; what is only there, what is only here."""
    wanted = _day(day) if day else None
    now = clock.now()
    if anew:
        wanted = wanted or now.astimezone(UTC).date()
        kept = reports.write(day=wanted, now=now).content
    else:
        kept = reports.latest(wanted).content
    if as_json:
        click.echo(orjson.dumps(kept, option=orjson.OPT_INDENT_2).decode())
        return
    for line in lines(kept):
        click.echo(line)


def lines(kept: Mapping[str, Any]) -> Iterator[str]:
    """A report for people."""
    yield f"{kept['day']}, compared {kept['made_at'][:16].replace('T', ' ')} UTC"
    yield from (f"{kept['counts'][name]:>7}  {label}" for name, label in LABELS.items())
    for name, told in kept["agreement"].items():
        rate = "—" if told["rate"] is None else f"{told['rate']:.1%}"
        yield f"{name:<9} agrees in {told['agreed']} of {told['compared']} ({rate})"
    for row in kept["rows"]:
        if row["sort"] != "same":
            yield from _row(row)
    for one in kept["only_ours"]:
        yield f"\nonly here: #{one['case']} {one['customer']}, {one['category']}: {one['state']}\n    {one['url']}"


def _row(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n{row['reference']}: {LABELS[row['sort']]}" + (f" (by {row['how']})" if row["how"] else "")
    if row["url"]:
        yield f"    {row['url']}"
    for name in ("customer", "category", "decision"):
        mark = "≠" if name in row["differs"] else " "
        yield f"    {mark} {name:<9} {row[name]['other'] or '—'} | {row[name]['ours'] or '—'}"
    if row["waits_for"]:
        yield f"      here a person decides: {row['waits_for']}"
    if row["note"]:
        yield f"      {row['note']}" + "".join(f" {one['url']}" for one in row["cases"])


def _refused(reading: Reading, as_json: bool) -> None:
    if not as_json:
        raise InputError(reading.problems)
    problems = [{"where": one.where, "what": one.what, "advice": one.advice} for one in reading.problems]
    click.echo(orjson.dumps({"problems": problems, "columns": reading.columns}).decode())
    sys.exit(EXIT_FAILED)


def _pairs(option: str, given: tuple[str, ...], known: Mapping[str, Any]) -> dict[str, str]:
    found, problems = {}, []
    for text in given:
        word, sign, meaning = text.rpartition("=")
        if not sign or meaning not in known:
            problems.append(Problem(option, f"{text!r} is not understood", f"write WORD=MEANING with one of {', '.join(known)}"))
        found[word] = meaning
    if problems:
        raise InputError(problems)
    return found


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise InputError(Problem("--zone", f"{name!r} is no time zone", "write it like Europe/Berlin")) from None


def _day(text: str) -> date:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise InputError(Problem("--day", f"{text!r} is no day", "write it like 2026-03-31")) from None


def _actor() -> str:
    """Who imports, for the record: the account on this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli"
