"""``tipstaff case``: look at cases. Restricted ones are not shown here."""

from datetime import UTC, datetime
from typing import Any

import click
import orjson

from tipstaff.cases import arrivals, queries
from tipstaff.cases.access import unrestricted
from tipstaff.cases.models import Case, CaseReport
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Problem

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
JOURNAL = 50


@click.group()
def case() -> None:
    """List and show cases."""


@case.command("list")
@click.option("--status", type=click.Choice(["open", "closed", "all"]), default="open", show_default=True)
@click.option("--due", type=click.Choice(["past", "soon"]), help="Past its time, or within four hours.")
@click.option("--turn", type=click.Choice(["us", "customer", "reporter"]), help="Whom it waits on.")
@click.option("--category")
@click.option("--customer", metavar="EXTERNAL-ID")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--after", default="", metavar="CURSOR", help="`next` of the page before.")
@JSON
def list_(
    status: str,
    due: str | None,
    turn: str | None,
    category: str | None,
    customer: str | None,
    limit: int,
    after: str,
    as_json: bool,
) -> None:
    """Cases, the ones due first on top."""
    rows = unrestricted()
    if customer:
        rows = rows.filter(customer__external_id=customer)
    wanted = queries.Wanted(status=status, due=due or "", turn=turn or "", category=category or "")
    try:
        page = queries.page(queries.select(rows, wanted, viewer=None, now=clock.now()), wanted, after=after, size=limit)
    except ValueError as error:
        raise InputError(Problem("--after", f"{after!r} is not one of ours", "take it from `next` of the page before")) from error
    if as_json:
        _json({"cases": [_row(one) for one in page.cases], "next": page.after or None})
        return
    for one in page.cases:
        row = _row(one)
        due_at = row["next_due_at"] or "no clock"
        click.echo(f"#{one.pk:<7} {one.state:<16} {one.category:<16} {row['customer'][:28]:<28} {one.headline[:40]:<40} {due_at}")
    if not page.cases:
        click.echo("no such cases")
    if page.after:
        click.echo(f"more: --after {page.after}", err=True)


@case.command()
@click.argument("number", type=int)
@JSON
def show(number: int, as_json: bool) -> None:
    """One case: standing, clocks, reports, journal."""
    found = unrestricted().select_related("customer", "service", "owner", "edition").filter(pk=number).first()
    if found is None:
        raise NotFound(f"there is no case #{number}")
    journal = arrivals.told(found, JOURNAL)
    links = CaseReport.objects.filter(case=found).order_by("at")
    body = _row(found) | {
        "service": found.service.name if found.service else None,
        "edition": found.edition.name,
        "outcome": found.outcome or None,
        "parent": found.parent_id,
        "merged_into": found.merged_into_id,
        "needs_person": found.needs_person or None,
        "reports_linked": [{"report": one.report_id, "events": one.events, "at": _time(one.at)} for one in links[:200]],
        "journal": [{"at": _time(one.at), "by": one.actor, "kind": one.kind, "text": one.text} for one in reversed(journal)],
    }
    if as_json:
        _json(body)
        return
    click.echo(f"#{found.pk} {found.category} at {found.headline}   {found.state}   clause {found.clause}")
    for name in (
        "customer",
        "service",
        "severity",
        "edition",
        "owner",
        "waiting_on",
        "opened_at",
        "resolve_due_at",
        "next_due_at",
        "closed_at",
    ):
        if body[name]:
            click.echo(f"  {name.replace('_', ' '):<15} {body[name]}")
    click.echo(f"  {'events':<15} {found.events} from {found.reports} reports by {found.reporters} reporters")
    for entry in body["journal"]:
        click.echo(f"  {entry['at']}  {entry['by']}: {entry['text']}")


def _row(one: Case) -> dict[str, Any]:
    return {
        "number": one.pk, "state": one.state, "category": one.category, "clause": one.clause, "severity": one.severity,
        "customer": one.customer.name, "headline": one.headline, "owner": one.owner.username if one.owner else None,
        "waiting_on": one.waiting_on, "events": one.events, "reports": one.reports, "provisional": one.provisional,
        "opened_at": _time(one.opened_at), "ack_due_at": _time(one.ack_due_at), "resolve_due_at": _time(one.resolve_due_at),
        "next_due_at": _time(one.next_due_at), "closed_at": _time(one.closed_at),
    }  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def _json(value: Any) -> None:
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
