"""Tables of nobody's own format: CSV and JSON whose columns are well known, IntelMQ's events, or a feed with a mapping.

Without a mapping only what the header says plainly is read: a time without a zone stays open, a doubtful port is left out.
"""

from collections.abc import Sequence
from dataclasses import replace
from email.utils import parseaddr

import polars as pl

from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.feeds.columns import Layout
from tipstaff.intake.reading.feeds.events import fill, one_category
from tipstaff.intake.reading.feeds.files import TableFile, columns_of_addresses, inline_tables, table_files
from tipstaff.intake.reading.feeds.mapping import ATTACKS, PORTS_OF_SERVICES, Mapping, guess_mapping, zone_in_letter
from tipstaff.intake.reading.remarks import excuses_any
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.vocabulary.load import packaged
from tipstaff.kernel.errors import ParseError

name = "generic_feed"
experimental = False
OF_ROWS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")


def claims(message: Message) -> Confidence:
    """LIKELY where a table has a column for the accused and one for the time, POSSIBLE without a time."""
    try:
        if message.kind == "mail" and _excepts_rows(message):
            return Confidence.NONE
        guesses = [guess_mapping(file.header) for file in table_files(message)]
    except ParseError:
        return Confidence.NONE
    found = [guess for guess in guesses if guess]
    if not found:
        return Confidence.NONE
    return Confidence.LIKELY if any(guess.layout.time for guess in found) else Confidence.POSSIBLE


def _excepts_rows(message: Message, files: Sequence[TableFile] | None = None) -> bool:
    """A person's letter that takes rows out of the table in it ("the first line is me") accuses not all of them: that is prose."""
    inline = [file for file in (table_files(message) if files is None else files) if _is_inline(file)]
    if not inline:
        return False
    letter = message.letter[:20_000]
    if any(hit.value.kind == "exception" for hit in packaged().cue_index.find(letter)):
        return True
    marks = {file.head.delimiter for file in inline if file.head}
    return excuses_any(line for line in letter.split("\n") if any(mark in line for mark in marks))


def _is_inline(file: TableFile) -> bool:
    return file.where.startswith("letter")


def parse(message: Message) -> list[ReportDraft]:
    """One report for each table whose columns are known."""
    found = [(file, mapping) for file in table_files(message) if (mapping := guess_mapping(file.header))]
    if not found:
        raise ParseError(
            message.where or "message", "no column names an address, domain or URL", "give the source a mapping of its columns"
        )
    return [_draft(file, mapping, message) for file, mapping in found]


def parse_mapped(message: Message, mapping: Mapping) -> list[ReportDraft]:
    """One report for each table that has the mapping's columns; ParseError names the columns where none has.

    A table without the columns of the address and the time is refused whole: who held an address would be told by neither.
    """
    files = _files_for(message, mapping)
    found = [file for file in files if mapping.fits(file.header)]
    if not found:
        there = f"its columns are: {', '.join(files[0].header[:20])}" if files else "there is no table in it"
        raise ParseError(message.where or "message", f"no table fits the mapping; {there}", "correct the mapping or the source")
    drafts = [_mapped(file, mapping, message) for file in found]
    drafts[0].warnings += [f"{file.where}: the mapping does not fit it; it was not read" for file in files if file not in found]
    return drafts


def _files_for(message: Message, mapping: Mapping) -> list[TableFile]:
    """The tables of a document; those attached to a mail, and those written into its letter under the mapping's own columns."""
    files = table_files(message)
    if message.kind != "mail":
        return files
    written = inline_tables(message.letter, mapping)
    return [*(file for file in files if not _is_inline(file)), *([] if _excepts_rows(message, written) else written)]


def ask_which_column(message: Message, draft: ReportDraft) -> None:
    """A person says who is accused where prose accuses addresses of two columns of one table: one of the columns is somebody else.

    An IPv4 and an IPv6 column may both be the accused.
    """
    accused = {event.ip for event in draft.events if event.ip}
    if message.kind != "mail" or len(accused) < 2 or draft.disposition is not Disposition.REPORT:
        return
    for columns in columns_of_addresses(message.letter):
        named = {name: found & accused for name, found in columns.items() if found & accused}
        for family in (".", ":"):
            of_family = [name for name, found in named.items() if any(family in address for address in found)]
            if len(of_family) > 1:
                told = f"a table in the letter has addresses under {' and '.join(of_family[:5])} and does not say which are accused"
                draft.needs.append(f"{told}; candidates: {', '.join(sorted(accused)[:20])}")
                draft.disposition, draft.events = Disposition.NEEDS_A_PERSON, []
                return


def _mapped(file: TableFile, mapping: Mapping, message: Message) -> ReportDraft:
    missing = mapping.missing(file.header)
    needed = {"time": mapping.layout.time, "address": (mapping.layout.ip,)}
    for what, columns in needed.items():
        if without := [name for name in columns if name in missing]:
            told = f"the mapping reads the {what} from {' and '.join(map(str, without))}, and its columns are: "
            raise ParseError(file.where, told + ", ".join(file.header[:20]), "correct the mapping or the source")
    draft = _draft(file, mapping.within(file.header), message)
    draft.mapping = mapping.mark
    if missing:
        draft.warnings.append(f"{file.where}: columns that the mapping names are not there: {', '.join(missing)}")
    return draft


def is_refused(message: Message) -> bool:
    """Whether what a mapping does not fit waits for a person: a document does, and a mail that brings a file of rows.

    A mail to the same mailbox that brings none is an ordinary letter.
    """
    if message.kind != "mail":
        return True
    try:
        return any((file.name or "").lower().endswith(OF_ROWS) for file in table_files(message))
    except ParseError:
        return True


def _draft(file: TableFile, mapping: Mapping, message: Message) -> ReportDraft:
    shown, email = parseaddr(message.header("From"))
    sent = read_time(message.header("Date")) if message.kind == "mail" else None
    draft = ReportDraft(
        format=mapping.format or _format(file), reporter=Reporter(shown or None, email or None, mapping.reporter),
        category=mapping.category,
        report_type=mapping.report_type, subject=message.header("Subject") or None,
        reported_at=sent.at if sent else None, feed=mapping.feed,
    )  # fmt: skip
    stated = zone_in_letter(message.letter) if message.kind == "mail" else None
    fill(draft, file, _with_zone(mapping.layout, stated, message.hints.zone))
    one_category(draft)
    draft.category_from = "structure" if draft.category else None
    if mapping.guessed and mapping.layout.port in PORTS_OF_SERVICES and "victim_port" not in mapping.layout.others:
        _forget_attacked_ports(draft)
    if mapping.guessed and draft.format != "intelmq" and "victim_ip" in mapping.layout.others and _names_controllers(draft):
        draft.needs.append(
            "rows about a controller (c2) name who called and who was called, and the columns do not say which of them it is: "
            "give the source a mapping"
        )
        draft.disposition = Disposition.NEEDS_A_PERSON
    if not draft.events and (draft.table is None or not len(draft.table)):
        draft.needs.append("no row names an address, domain or URL that could be accused")
        draft.disposition = Disposition.NEEDS_A_PERSON
    return draft


def _names_controllers(draft: ReportDraft) -> bool:
    if draft.table is not None and "category" in draft.table.columns:
        return bool((draft.table["category"] == "c2").any())
    return draft.category == "c2" or any(event.category == "c2" for event in draft.events)


def _format(file: TableFile) -> str:
    return "intelmq" if "source.ip" in file.header and "classification.type" in file.header else "csv" if file.head else "json"


def _with_zone(layout: Layout, *zones: str | None) -> Layout:
    """The layout with the first zone known, where neither the columns nor a mapping state one."""
    known = next((zone for zone in zones if zone), None)
    return replace(layout, zone=known) if known and not layout.zone else layout


def _forget_attacked_ports(draft: ReportDraft) -> None:
    """In a list of attackers a plain ``port`` is the attacked one."""
    for event in draft.events:
        if event.port is not None and (event.category or draft.category) in ATTACKS:
            event.details["victim_port"], event.port = str(event.port), None
            event.found_in.pop("port", None)
    if draft.table is not None and "port" in draft.table.columns:
        kind = pl.col("category") if "category" in draft.table.columns else pl.lit(draft.category, pl.String)
        draft.table = draft.table.with_columns(pl.when(~kind.is_in(sorted(ATTACKS)).fill_null(False)).then("port").alias("port"))
