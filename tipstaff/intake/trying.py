"""What a mapping would make of a sample, before it is kept: which column becomes what, and how the first rows read. Pure.

The sample goes the way that every submission goes (``read_submission``), so what is shown is what would come of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.feeds.columns import Layout
from tipstaff.intake.reading.feeds.files import TableFile, table_files
from tipstaff.intake.reading.feeds.mapping import Mapping, guess_mapping, read_mapping
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import InputError, ParseError, Problem, Refused

MOST_BYTES = 2_000_000  # of a sample; of a longer one with lines the beginning is read
ROWS = 3
MOST_COLUMNS, MOST_TOLD, MOST_VALUE = 100, 20, 120
MEANINGS = {
    "ip": "the accused address", "time": "when it happened", "port": "its port", "protocol": "protocol",
    "domain": "the accused domain", "url": "the accused URL", "mailbox": "the accused mailbox", "count": "how often",
    "category": "kind of abuse", "report_type": "type of report", "identity": "tells one event from another",
}  # fmt: skip
_ONE = ("ip", "port", "protocol", "domain", "url", "mailbox", "count", "category", "report_type")
_SHOWN = ("ip", "port", "domain", "url", "mailbox", "count", "category")


@dataclass(frozen=True)
class Row:
    """One row as it would be read. ``time`` in UTC, or the interval that the row supports; ``values`` by their meaning."""

    number: int
    time: str
    values: dict[str, str]


@dataclass(frozen=True)
class Tried:
    """A table of the sample: ``columns`` pairs each column's name with what it becomes ('' for none), ``rows`` are the first."""

    where: str
    columns: list[tuple[str, str]]
    rows: list[Row]
    events: int
    is_mapped: bool


@dataclass(frozen=True)
class Trial:
    """What would come of the sample. ``needs`` say why a person would have to decide, ``warnings`` name rows and columns."""

    tables: list[Tried]
    needs: list[str]
    warnings: list[str]


def trial(*, content: bytes, filename: str, mapping: str | None, zone: str | None = None) -> Trial:
    """Read a sample by a mapping (None: by what its header says). Raises InputError for a mapping or a sample that cannot be read,
    naming line, row and column; Refused for what nobody may see."""
    stated = read_mapping(mapping) if mapping else None
    hints = Hints(filename=filename, mapping=mapping, zone=zone)
    sample = _beginning(content)
    drafts = read_submission(sample, hints)
    if any(draft.sealed for draft in drafts):
        raise Refused("This sample would go unseen to the sealed queue: nothing of it is shown.")
    files = [file for message in open_message(sample, hints) for file in _tables(message)]
    if not files:
        raise InputError(
            Problem("sample", "there is no table in it", "the first line names the columns; or JSON: a list of objects")
        )
    fitting = [file for file in files if stated and stated.fits(file.header)] or files
    told = [text for draft in drafts for text in draft.warnings]
    tables = [_tried(file, drafts, stated) for file in fitting]
    return Trial(tables, [text for draft in drafts for text in draft.needs][:MOST_TOLD], told[:MOST_TOLD])


def _beginning(content: bytes) -> bytes:
    if not content.strip():
        raise InputError(Problem("sample", "is empty", "paste the header and some rows, or choose a file"))
    if len(content) <= MOST_BYTES:
        return content
    if content[:2] in (b"PK", b"\x1f\x8b") or content.lstrip()[:1] in (b"[", b"{"):
        what = f"has more than {MOST_BYTES // 1_000_000} MB, and only a beginning of plain lines could be read alone"
        raise InputError(Problem("sample", what, "paste the header and some rows of it"))
    return content[: content.rfind(b"\n", 0, MOST_BYTES) + 1]


def _tables(message: Message) -> list[TableFile]:
    try:
        return table_files(message)
    except ParseError as error:
        raise InputError(error.problem) from None


def _tried(file: TableFile, drafts: Sequence[ReportDraft], stated: Mapping | None) -> Tried:
    mapping = stated or guess_mapping(file.header)
    layout = mapping.layout if mapping else Layout()
    columns = [(name, _meaning(name, layout)) for name in file.header[:MOST_COLUMNS]]
    mine = [draft for draft in drafts if _is_of(draft, file, drafts)]
    rows = [row for draft in mine for row in _rows(draft)][:ROWS]
    return Tried(file.where, columns, rows, sum(_count(draft) for draft in mine), any(draft.mapping for draft in mine))


def _is_of(draft: ReportDraft, file: TableFile, drafts: Sequence[ReportDraft]) -> bool:
    """Events name the place that they were read at; the table of a large file has no room for it."""
    if draft.events:
        return any(place.startswith(f"{file.where} row ") for event in draft.events[:1] for place in event.found_in.values())
    return draft.table is not None and len(drafts) == 1


def _meaning(column: str, layout: Layout) -> str:
    found = [MEANINGS[name] for name in _ONE if getattr(layout, name) == column]
    found += [MEANINGS[name] for name in ("time", "identity") if column in getattr(layout, name)]
    found += [role.replace("_", " ") for role, name in layout.others.items() if name == column]
    return ", ".join(found)


def _count(draft: ReportDraft) -> int:
    return len(draft.table) if draft.table is not None else len(draft.events)


def _rows(draft: ReportDraft) -> Iterator[Row]:
    events: list[dict[str, Any]]
    if draft.table is not None:
        events = list(draft.table.head(ROWS).iter_rows(named=True))
    else:
        names = ("row", "occurred_at", "earliest", "latest", "time_as_written", *_SHOWN)
        events = [{name: getattr(event, name) for name in names} | event.details for event in draft.events[:ROWS]]
    for event in events:
        values = {MEANINGS[name]: _text(event[name]) for name in _SHOWN if event.get(name) is not None}
        if draft.category and MEANINGS["category"] not in values:
            values[MEANINGS["category"]] = draft.category
        yield Row(event.get("row") or 0, _time(event), values)


def _time(event: dict[str, Any]) -> str:
    if at := event.get("occurred_at"):
        return f"{_moment(at)} UTC"
    written = event.get("time_as_written")
    between = [event.get("earliest"), event.get("latest")]
    if all(isinstance(one, datetime) for one in between):
        return f"{written}: not exact, between {_moment(between[0])} and {_moment(between[1])} UTC"
    return f"{written}: not understood" if written else "none"


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MOST_VALUE else f"{text[:MOST_VALUE]}…"


def starter(header: Sequence[str]) -> str:
    """A mapping to begin with: what the header says plainly, the rest as a remark. Reads back as TOML."""
    guess = guess_mapping(tuple(header))
    layout = guess.layout if guess else Layout()
    lines = [f"# columns: {', '.join(name for name in header[:MOST_COLUMNS])}", "[columns]"]
    lines += [f'{name} = "{value}"' for name in _ONE if (value := getattr(layout, name))]
    if not guess:
        lines.append('ip = ""')
    times = ", ".join(f'"{name}"' for name in layout.time)
    lines.append(f"time = [{times}]")
    lines += ["", "[time]", '# zone = "Europe/Berlin"  # of times that state none, where you know it']
    if layout.others:
        lines += ["", "[others]", *(f'{role} = "{name}"' for role, name in layout.others.items())]
    return "\n".join(lines) + "\n"
