"""``tipstaff parse``: what the reading makes of files, without a database."""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from tipstaff.intake.drafts import Disposition, EventDraft, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.feeds.mapping import mapping_text, read_mapping

MAX_FILE = 512_000_000  # bytes


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object per report and line.")
@click.option("--zone", help="Time zone of the reporter (IANA name), for times that state none.")
@click.option(
    "--own",
    "networks",
    multiple=True,
    metavar="PREFIX",
    help="A prefix of ours: tells the accused from the victim. May be repeated.",
)
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file that says what the columns of tables mean, as a source's setting does.",
)
def parse(paths: tuple[Path, ...], as_json: bool, zone: str | None, networks: tuple[str, ...], mapping: Path | None) -> None:
    """Read complaints from files and folders (mail, mbox, archives, JSON, XML, CSV, text) and print what was understood.

    Nothing is stored and nothing is sent.
    """
    stated = _mapping(mapping) if mapping else None
    files = list(files_under(paths))
    out = sys.stdout.buffer
    with click.progressbar(files, file=sys.stderr, hidden=not sys.stderr.isatty(), label="Reading") as shown:
        for path in shown:
            for line in lines_of(path, Hints(filename=path.name, zone=zone, own_networks=networks, mapping=stated)):
                out.write(orjson.dumps(line) + b"\n" if as_json else summary(line).encode() + b"\n")
    out.flush()


def _mapping(file: Path) -> str:
    text = mapping_text(file)
    read_mapping(text, str(file))
    return text


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those under folders, in path order; hidden files are left out."""
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        else:
            yield path


def lines_of(path: Path, hints: Hints) -> Iterator[dict[str, Any]]:
    """One plain object per report in the file."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise OSError(f"larger than {MAX_FILE} bytes; split it")
        raw = path.read_bytes()
    except OSError as error:
        draft = ReportDraft(
            format="unknown", disposition=Disposition.NEEDS_A_PERSON, needs=[f"the file cannot be read: {error.strerror or error}"]
        )
        yield line_of(str(path), draft)
        return
    for draft in read_submission(raw, hints):
        yield line_of(str(path), draft)


def line_of(file: str, draft: ReportDraft) -> dict[str, Any]:
    """The line of one report."""
    return {
        "file": file,
        "disposition": draft.disposition.value,
        "format": draft.format,
        "reporter": {"name": draft.reporter.name, "email": draft.reporter.email, "organisation": draft.reporter.organisation},
        "category": draft.category,
        "xarf": draft.xarf,
        "external_id": draft.external_id,
        "events": [event_of(event) for event in draft.events] + table_events(draft),
        "warnings": draft.needs + draft.warnings,
    }


def event_of(event: EventDraft) -> dict[str, Any]:
    return {
        "ip": event.ip,
        "port": event.port,
        "domain": event.domain,
        "url": event.url,
        "occurred_at": rfc3339(event.occurred_at),
        "time_as_written": event.time_as_written,
        "count": event.count,
        "found_in": {"ip": event.found_in.get("ip"), "occurred_at": event.found_in.get("occurred_at")},
    }


def table_events(draft: ReportDraft) -> list[dict[str, Any]]:
    """The rows of a feed in the shape of events; their place is the row."""
    if draft.table is None:
        return []
    return [_row_event(row, index) for index, row in enumerate(draft.table.iter_rows(named=True), 1)]


def _row_event(row: dict[str, Any], index: int) -> dict[str, Any]:
    at, place = row.get("occurred_at"), f"row {row.get('row') or index}"
    return {
        "ip": row.get("ip"),
        "port": row.get("port"),
        "domain": row.get("domain"),
        "url": row.get("url"),
        "occurred_at": rfc3339(at),
        "time_as_written": row.get("time_as_written"),
        "count": row.get("count") or 1,
        "found_in": {"ip": place if row.get("ip") else None, "occurred_at": place if at else None},
    }


def rfc3339(at: datetime | None) -> str | None:
    """``at`` (aware) in UTC with a Z, with a fraction only where it has one."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def summary(line: dict[str, Any]) -> str:
    """One line for a person."""
    events = line["events"]
    named = [event["ip"] or event["domain"] or event["url"] or "?" for event in events[:3]]
    more = f" and {len(events) - 3} more" if len(events) > 3 else ""
    told = ", ".join(named) + more or "nothing named"
    return f"{line['file']}: {line['disposition']} ({line['format']}, {line['category'] or 'no category'}): {told}"
