"""``tipstaff outbox``: what waits, is held, failed, was sent; retry, hold, release, withdraw. And ``tipstaff wording``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.cases.access import restricted
from tipstaff.correspondence import catalogue, queries, wordings
from tipstaff.correspondence import outbox as acts
from tipstaff.correspondence.catalogue import Source
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.veiling import veiled
from tipstaff.faces.cli.acting import ActingGroup, own_shell_or_person, shell
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Problem, TipstaffError

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
REASON = click.option("--reason", default="", help="Why, for the record.")
BY = click.option("--by", default=shell, callback=own_shell_or_person, help="Who does it, for the record.")
EXIT_PARTLY = 4


@click.group(cls=ActingGroup)
def outbox() -> None:
    """Messages that are promised, and what became of them."""


@outbox.command("list")
@click.option("--state", type=click.Choice([*queries.STATES, "all"]), default="all", show_default=True)
@click.option("--find", default="", metavar="TEXT", help="A case (#4312), an address, words of the subject.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", type=int, metavar="NUMBER", help="`next` of the page before.")
@JSON
def list_(state: str, find: str, limit: int, after: int | None, as_json: bool) -> None:
    """Messages, the newest first. Those of restricted cases are not shown; a reporter's address never is."""
    wanted = queries.select("" if state == "all" else state, find)
    page = queries.page(wanted.exclude(reference__in=_hidden()), after=after, size=limit)
    if as_json:
        _json({"messages": [_row(row) for row in page.rows], "next": page.after})
        return
    for row in page.rows:
        fields = _row(row)
        click.echo(f"{row.pk:<8} {row.state:<10} {fields['to'][:38]:<38} {row.subject[:60]:<60} {row.error[:60]}".rstrip())
    if not page.rows:
        click.echo("no such messages")
    if page.after:
        click.echo(f"more: --after {page.after}", err=True)


@outbox.command()
@click.argument("number", type=int)
@JSON
def show(number: int, as_json: bool) -> None:
    """One message with its words and every try. What went to a reporter is shown at the desk only, on the record."""
    row = _one(number)
    body = _row(row) | {
        "message_id": row.message_id or None, "sha256": row.sha256 or None,
        "body": veiled(row.body) if row.audience != "reporter" else None,
        "tries": [
            {"at": _time(one.at), "outcome": one.outcome, "stage": one.stage, "code": one.code, "answer": one.answer}
            for one in row.tries.order_by("at")
        ],
    }  # fmt: skip
    if as_json:
        _json(body)
        return
    for name in ("state", "to", "subject", "about", "created_at", "not_before", "sent_at", "message_id", "error"):
        if body[name]:
            click.echo(f"{name.replace('_', ' '):<12} {body[name]}")
    for one in body["tries"]:
        click.echo(f"  {one['at']}  {one['outcome']:<7} {one['stage']} {one['code'] or ''} {one['answer']}".rstrip())
    click.echo(f"\n{body['body']}" if body["body"] else "\nIts words name a reporter: open it at the desk.")


def _acting(name: str, act: Any, text: str) -> None:
    @outbox.command(name, help=text)
    @click.argument("numbers", type=int, nargs=-1, required=True)
    @REASON
    @BY
    def command(numbers: tuple[int, ...], reason: str, by: str) -> None:
        failed = 0
        for number in numbers:
            try:
                act(message=_one(number).pk, by=by, now=clock.now(), reason=reason)
                click.echo(f"{number}: {name} done")
            except TipstaffError as error:
                if len(numbers) == 1:
                    raise
                failed += 1
                click.echo(f"{number}: {error}", err=True)
        if failed:
            raise SystemExit(EXIT_PARTLY if failed < len(numbers) else 1)


_acting("retry", acts.retry, "Try failed or held messages again.")
_acting("hold", acts.hold, "Keep waiting messages until they are released.")
_acting("release", acts.release, "Let held messages go.")
_acting("withdraw", acts.withdraw, "Take back messages that were not sent.")


@outbox.command()
@click.argument("address")
@REASON
@BY
def lift(address: str, reason: str, by: str) -> None:
    """Send to a suppressed ADDRESS again."""
    if not acts.lift(address=address, by=by, now=clock.now(), reason=reason):
        raise NotFound(f"nothing stands against {address}")
    click.echo(f"{address} is written to again")


@click.group()
def wording() -> None:
    """What customers and reporters read: the packaged words and your own."""


@wording.command("list")
@JSON
def kinds(as_json: bool) -> None:
    """Every kind of message, by language; our own are marked."""
    rows = [
        {"kind": kind, "language": code, "own": wordings.source_of(kind, code)[1] is not None}
        for kind in catalogue.kinds()
        for code in catalogue.LANGUAGES
    ]
    if as_json:
        _json(rows)
        return
    for kind in catalogue.kinds():
        codes = [f"{row['language']}{'*' if row['own'] else ''}" for row in rows if row["kind"] == kind]
        click.echo(f"{kind:<24} {' '.join(codes)}")


@wording.command("show")
@click.argument("kind")
@click.option("--language", type=click.Choice(catalogue.LANGUAGES), default="en", show_default=True)
@click.option("--packaged", is_flag=True, help="The packaged words, whatever is in use.")
def show_wording(kind: str, language: str, packaged: bool) -> None:
    """The words of KIND: first line the subject, then an empty line, then the body."""
    source = wordings.packaged(kind, language) if packaged else wordings.source_of(kind, language)[0]
    click.echo(f"{source.subject}\n\n{source.body}")


@wording.command()
@click.argument("kind")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--language", type=click.Choice(catalogue.LANGUAGES), default="en", show_default=True)
@click.option("--html", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="HTML of our own; else made from FILE.")
@click.option("--dry-run", is_flag=True, help="Check only.")
@BY
def keep(kind: str, file: Path, language: str, html: Path | None, dry_run: bool, by: str) -> None:
    """Use FILE (as `show` prints it) as the words of KIND. Every mistake is named with its line; nothing is changed then."""
    subject, _, body = file.read_text("utf-8").replace("\r\n", "\n").partition("\n")
    source = Source(subject.strip(), body.strip("\n"), html.read_text("utf-8") if html else "")
    if wrong := wordings.check(kind=kind, language=language, source=source):
        raise InputError([Problem(f"{file}: {one.where}", one.what, one.advice) for one in wrong])
    if not dry_run:
        wordings.keep(kind=kind, language=language, source=source, by=by, now=clock.now())
    click.echo("fine; nothing was changed" if dry_run else f"{kind} ({language}) is used from the next message on")


@wording.command()
@click.argument("kind")
@click.option("--language", type=click.Choice(catalogue.LANGUAGES), default="en", show_default=True)
@BY
def reset(kind: str, language: str, by: str) -> None:
    """Use the packaged words of KIND again; yours are kept as an old wording."""
    wordings.packaged(kind, language)
    changed = wordings.go_back(kind=kind, language=language, by=by, now=clock.now())
    click.echo(f"{kind} ({language}): {'the packaged words again' if changed else 'nothing to reset'}")


def _hidden() -> list[str]:
    return [f"case:{number}" for number in restricted().values_list("pk", flat=True)]


def _one(number: int) -> OutboxMessage:
    row = OutboxMessage.objects.filter(pk=number).first()
    if row is None or row.reference in _hidden():
        raise NotFound(f"there is no message {number} in the outbox")
    return row


def _row(row: OutboxMessage) -> dict[str, Any]:
    return {
        "number": row.pk, "state": row.state, "audience": row.audience, "kind": row.kind, "about": row.reference,
        "to": "a reporter" if row.audience == "reporter" else row.recipient, "subject": row.subject, "language": row.language,
        "created_at": _time(row.created_at), "not_before": _time(row.not_before), "sent_at": _time(row.sent_at),
        "attempts": row.attempts, "error": row.error or None,
    }  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
