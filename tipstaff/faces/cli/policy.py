"""``tipstaff policy``: look at packs and editions, compare them, try them on past cases, draft and publish them.

``check``, ``diff`` and ``show`` on packs and directories need no database.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.faces.cli.acting import ActingGroup, by_option
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy import clauses, loading
from tipstaff.policy.contents import sections
from tipstaff.policy.diff import Change, differences, text_changes
from tipstaff.policy.edition import Category, Edition
from tipstaff.policy.shapes import duration_text

NAME = click.argument("name")
BRAND = click.option("--brand", default="", help="The brand whose policy it is; without it, the provider's own.")
BY = by_option(help="The member of staff who acts; the record also names this shell's user.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(cls=ActingGroup)
def policy() -> None:
    """Editions of the policy: list, show, check, compare, try on past cases, draft, publish.

    NAME is a pack ('default'), a directory that holds edition.toml, or a stored edition ('default/1').
    """


@policy.command("list")
@JSON
def list_(as_json: bool) -> None:
    """The packs that come with the product, and the stored editions."""
    from tipstaff.policy import queries

    in_force = {(row.brand, found.pk) for row in queries.editions() if (found := queries.stored_in_force(row.brand, clock.now()))}
    rows = [
        {
            "edition": row.name, "brand": row.brand, "state": row.state, "in_force": (row.brand, row.pk) in in_force,
            "effective_from": row.effective_from.astimezone(UTC).isoformat(), "drafted_by": row.drafted_by,
            "published_by": row.published_by, "intake_address": row.intake_address, "content_hash": row.content_hash,
        }
        for row in queries.editions()
    ]  # fmt: skip
    if as_json:
        _json({"packs": loading.packaged(), "editions": rows})
        return
    click.echo(f"packs: {', '.join(loading.packaged())}")
    for row in rows:
        brand = f" [{row['brand']}]" if row["brand"] else ""
        mark = " (in force)" if row["in_force"] else ""
        click.echo(f"{row['edition']}{brand}  {row['state']}{mark}  from {row['effective_from']}  drafted by {row['drafted_by']}")
    if not rows:
        click.echo("no edition is stored; `tipstaff policy load default --by USERNAME` drafts one")


@policy.command()
@NAME
@BRAND
@click.option("--clause", help="Only this clause: a number, a title, or another name of it.")
@JSON
def show(name: str, brand: str, clause: str | None, as_json: bool) -> None:
    """Categories with their times and switches of an edition, or the text of one clause."""
    edition = _edition(name, brand)
    if clause:
        found = clauses.find(edition, clause)
        if as_json:
            _json(loading.canonical(edition)["clauses"][found.number] | {"number": found.number})
            return
        click.echo(f"{found.number} {found.title}\n\n{found.text}\n\nIn plain words: {found.plain}")
        return
    if as_json:
        _json(loading.canonical(edition) | {"content_hash": edition.content_hash})
        return
    click.echo(f"{edition.title}  {edition.name}  sha256 {edition.content_hash}")
    for kind in edition.categories.values():
        click.echo(_category_line(kind))
    for switch, value in loading.canonical(edition)["switches"].items():
        click.echo(f"{switch}: {orjson.dumps(value).decode()}")


@policy.command()
@click.argument("directories", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
def check(directories: tuple[Path, ...]) -> None:
    """Read packs and print everything that is wrong with them. Exit code 1 if anything is."""
    problems = []
    for directory in directories:
        try:
            edition = loading.load_directory(directory)
        except InputError as error:
            problems += error.problems
        else:
            words = f"{len(edition.clauses)} clauses, {len(edition.categories)} categories"
            click.echo(f"{directory}: {edition.name}, {words}, sha256 {edition.content_hash}")
    if problems:
        raise InputError(problems)


@policy.command()
@click.argument("before")
@click.argument("after")
@BRAND
@JSON
def diff(before: str, after: str, brand: str, as_json: bool) -> None:
    """What changes from one edition to another."""
    changes = differences(loading.canonical(_edition(before, brand)), loading.canonical(_edition(after, brand)))
    if as_json:
        _json([{"path": c.path, "before": c.before, "after": c.after} for c in changes])
        return
    for change in changes:
        click.echo(_change_line(change))
    if not changes:
        click.echo("no difference")


@policy.command()
@click.argument("source", metavar="DIR|PACK")
@BRAND
@BY
@click.option("--intake-address", default="", help="Where reports are mailed to; without one the edition cannot be published.")
@click.option("--effective-from", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC; without it, now.")
@click.option("--dry-run", is_flag=True, help="Read and check only.")
def load(source: str, brand: str, by: str, intake_address: str, effective_from: datetime | None, dry_run: bool) -> None:
    """Store a pack as a draft, or replace the draft of the same version."""
    edition = _pack(source)
    if dry_run:
        click.echo(f"would draft {edition.name}, sha256 {edition.content_hash}")
        return
    from tipstaff.policy import access, services

    now = clock.now()
    start = effective_from.replace(tzinfo=UTC) if effective_from else now
    stored = services.draft(
        edition=edition, brand=brand, effective_from=start, intake_address=intake_address, by=access.author(by), now=now
    )
    click.echo(f"drafted {stored.name}, sha256 {stored.content_hash}; a second person publishes it:")
    click.echo(f"  tipstaff policy publish {stored.name}" + (f" --brand {brand}" if brand else "") + " --by USERNAME")


@policy.command()
@NAME
@BRAND
@BY
def publish(name: str, brand: str, by: str) -> None:
    """Publish a draft ('default/1'). Takes another person than the one who drafted it, and an intake address."""
    from tipstaff.policy import access, queries, services

    stored = services.publish(stored=queries.find(name, brand).pk, by=access.author(by), now=clock.now())
    click.echo(
        f"published {stored.name}, in force from {stored.effective_from.astimezone(UTC).isoformat()}, sha256 {stored.content_hash}"
    )


@policy.command()
@NAME
@BRAND
@BY
@click.option("--reason", required=True, help="Why it is withdrawn.")
def withdraw(name: str, brand: str, by: str, reason: str) -> None:
    """Withdraw a published edition that is not in force yet."""
    from tipstaff.policy import access, queries, services

    stored = services.withdraw(stored=queries.find(name, brand).pk, by=access.author(by), now=clock.now(), reason=reason)
    click.echo(f"withdrew {stored.name}")


@policy.command()
@click.argument("name", required=False, default="")
@BRAND
def page(name: str, brand: str) -> None:
    """The public text as Markdown: of the edition in force, of a stored one, or of a pack (as a preview)."""
    if name and (name in loading.packaged() or Path(name).is_dir()):
        edition = _pack(name)
        click.echo("*Preview: not published, without an address for reports.*\n")
    else:
        from tipstaff.policy import queries

        found = queries.page(brand, clock.now(), name)
        edition = found.edition
        click.echo(f"Reports of abuse: {found.stored.intake_address}\n")
    click.echo("\n".join(_markdown(edition)))


@policy.command()
@click.argument("edition")
@click.option("--since", required=True, type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="Cases opened since then, UTC.")
@click.option("--most", type=click.IntRange(min=1), help="Only so many cases, the newest.")
@BRAND
@JSON
def backtest(edition: str, since: datetime, most: int | None, brand: str, as_json: bool) -> None:
    """What a draft would have done with the real cases since a day.

    EDITION is a pack, a directory that holds edition.toml, or a stored edition ('default/2'). Each case is lived through once
    more in memory under the edition it had and under this one; customers and people do what they did, when they did it. Where a
    person would have had to decide, that is said and nothing is guessed. Nothing is written.
    """
    from tipstaff.cases.backtesting import backtest as cases
    from tipstaff.faces.cli.backtesting import lines
    from tipstaff.faces.cli.progress import shown

    now = clock.now()
    start = since.replace(tzinfo=UTC)
    if start > now:
        raise InputError(Problem("--since", f"{start:%Y-%m-%d} lies ahead", "name a day that is past"))
    with shown() as progress:
        found = cases.backtest(edition=_edition(edition, brand), since=start, now=now, brand=brand, most=most, progress=progress)
    if as_json:
        _json(cases.as_json(found))
        return
    for line in lines(found):
        click.echo(line)


def _pack(name: str) -> Edition:
    return loading.load_packaged(name) if name in loading.packaged() else loading.load_directory(Path(name))


def _edition(name: str, brand: str) -> Edition:
    """A pack, a directory, or a stored edition; only the last asks the database."""
    if name in loading.packaged() or Path(name).is_dir():
        return _pack(name)
    if name.count("/") != 1:
        raise NotFound(f"{name!r} is no pack, no directory and no stored edition")
    from tipstaff.policy import queries

    return queries.compiled(queries.find(name, brand))


def _category_line(kind: Category) -> str:
    time = "no time" if kind.resolve is None else duration_text(kind.resolve)
    return f"{kind.code:<20} {kind.clause:<6} {kind.severity:<9} {time:<8} {kind.title}"


def _change_line(change: Change) -> str:
    if change.field in ("text", "plain") and change.before and change.after:
        marks = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
        words = " ".join(marks[kind].format(text) for kind, text in text_changes(change.before, change.after))
        return f"clause {change.key}, {change.field}: {words}"
    return str(change)


def _markdown(edition: Edition) -> list[str]:
    lines = [f"# {edition.title}", "", f"Edition {edition.version}, sha256 {edition.content_hash}", ""]
    for section in sections(edition):
        lines += [f"## {section.number} {section.title}", ""]
        for entry in section.clauses:
            lines += [f'<a id="{entry.anchor}"></a>', f"### {entry.clause.number} {entry.clause.title}", ""]
            lines += [entry.clause.text, "", f"*In plain words: {entry.clause.plain}*", ""]
    return lines


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
