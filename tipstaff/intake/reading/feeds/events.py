"""Events as columns and events as objects: the same values, whichever a report carries."""

from collections.abc import Iterator
from typing import Any

from tipstaff.intake.drafts import EventDraft, ReportDraft
from tipstaff.intake.reading.feeds.columns import Columns, Layout, columns_of, identity_values, one_address, problems_told
from tipstaff.intake.reading.feeds.files import TableFile
from tipstaff.intake.reading.feeds.separated import FEW, Rows
from tipstaff.intake.reading.indicators import normal_domain

MOST_DETAIL = 2_000  # characters of one value among the details


def fill(draft: ReportDraft, file: TableFile, layout: Layout) -> None:
    """Give ``draft`` the events of the file: objects where they are few, else a table; and the warnings."""
    rows = file.rows(layout.columns())
    found = columns_of(rows, layout)
    draft.warnings += [f"{file.where}: {told}" for told in (*problems_told(rows), *found.warnings)]
    if len(rows.frame) > FEW:
        draft.table = found.table
    else:
        draft.events = list(event_objects(found, rows, layout, file.where))


def event_objects(found: Columns, rows: Rows, layout: Layout, where: str) -> Iterator[EventDraft]:
    """Each row of the table as an object, with the row's other columns as details."""
    used = {layout.ip, layout.port, layout.protocol, layout.url, layout.mailbox, *layout.time}
    roles = {column: role for role, column in layout.others.items()}
    for place, event in zip(found.kept.tolist(), found.table.iter_rows(named=True), strict=True):
        row = rows.frame.row(place, named=True)
        details = {
            roles.get(name, name): text[:MOST_DETAIL] for name, value in row.items() if name not in used and (text := value.strip())
        }
        yield _event(event, details, _sources(event, row, layout), f"{where} row {event['row']}")


def _sources(event: dict[str, Any], row: dict[str, str], layout: Layout) -> dict[str, str]:
    """The column that each value came from; an address or name that its own column does not state came from the URL."""
    own_ip = bool(layout.ip and one_address(row.get(layout.ip, "")))
    own_domain = bool(layout.domain and normal_domain(row.get(layout.domain, "")))
    columns = {
        "ip": layout.ip if own_ip else layout.url,
        "port": layout.port,
        "domain": layout.domain if own_domain else layout.url,
        "url": layout.url,
        "occurred_at": " and ".join(layout.time),
    }
    return {name: column for name, column in columns.items() if column and event.get(name) is not None}


def _event(event: dict[str, Any], details: dict[str, str], sources: dict[str, str], where: str) -> EventDraft:
    found_in = {name: f"{where} column {column}" for name, column in sources.items()}
    return EventDraft(
        ip=event.get("ip"), port=event.get("port"), protocol=event.get("protocol"), domain=event.get("domain"),
        url=event.get("url"),
        mailbox=event.get("mailbox"), occurred_at=event.get("occurred_at"), time_as_written=event.get("time_as_written"),
        earliest=event.get("earliest"), latest=event.get("latest"), count=event.get("count") or 1, category=event.get("category"),
        report_type=event.get("report_type"), identity=identity_values(event.get("identity")), details=details, row=event["row"],
        found_in=found_in,
    )  # fmt: skip


def one_category(draft: ReportDraft) -> None:
    """Where all events are of one category, say it once, on the report."""
    if draft.table is not None and "category" in draft.table.columns:
        kinds = draft.table["category"].unique().to_list()
        if len(kinds) == 1 and kinds[0]:
            draft.category, draft.table = kinds[0], draft.table.drop("category")
    elif draft.events:
        kinds = list({event.category for event in draft.events})
        if len(kinds) == 1 and kinds[0]:
            draft.category = kinds[0]
            for event in draft.events:
                event.category = None
