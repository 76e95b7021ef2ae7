"""Shadowserver's reports: CSV or the JSON of its API, attached, zipped or bare, any report type.

Times are UTC by its documentation. What the columns accuse is in ``intake/schemas/shadowserver.toml``.
"""

from email.utils import parseaddr

from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.feeds.events import fill, one_category
from tipstaff.intake.reading.feeds.files import TableFile, table_files
from tipstaff.intake.reading.feeds.shadowserver_types import (
    ReportType,
    known_type,
    looks_like_shadowserver,
    report_type,
    tags_of,
    type_in_name,
)
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.kernel.errors import ParseError

name = "shadowserver"
experimental = False
_DOWNLOAD = pattern(r"https?://dl\.shadowserver\.org/[A-Za-z0-9_/?=.-]{8,200}")
ORGANISATION = "The Shadowserver Foundation"


def claims(message: Message) -> Confidence:
    """CERTAIN where all tables have its columns, STRUCTURE where only some do."""
    try:
        files = table_files(message)
    except ParseError:
        return Confidence.NONE
    ours = [file for file in files if _is_ours(file)]
    if not ours:
        return Confidence.LIKELY if not files and _link(message) else Confidence.NONE
    return Confidence.CERTAIN if len(ours) == len(files) else Confidence.STRUCTURE


def _is_ours(file: TableFile) -> bool:
    if looks_like_shadowserver(file.header):
        return True
    stated = type_in_name(file.name)
    return bool(stated and known_type(stated) and "timestamp" in file.header and {"ip", "src_ip", "severity"} & set(file.header))


def parse(message: Message) -> list[ReportDraft]:
    """One report a table. A type that accuses nobody gives a report without events, which is no report of abuse."""
    files = [file for file in table_files(message) if _is_ours(file)]
    if not files and (link := _link(message)):
        return [_only_linked(message, link)]
    if not files:
        raise ParseError(
            message.where or "message", "no table with Shadowserver's columns", "expected timestamp, ip or src_ip, asn, geo"
        )
    return [_draft(file, message) for file in files]


def _link(message: Message) -> str | None:
    """Where the report can be fetched, of a mail that brings only a link to it."""
    asked = message.kind == "mail" and "dl.shadowserver.org" in message.letter
    found = _DOWNLOAD.search(message.letter[:20_000]) if asked else None
    return found.group() if found else None


def _only_linked(message: Message, link: str) -> ReportDraft:
    draft = ReportDraft(format=name, reporter=_reporter(message), subject=message.header("Subject") or None)
    draft.disposition = Disposition.NEEDS_A_PERSON
    draft.needs.append(f"the report is not attached but linked: fetch {link}, or have it attached, or pull it from the reports API")
    return draft


def _draft(file: TableFile, message: Message) -> ReportDraft:
    kind = _type_of(file)
    sent = read_time(message.header("Date")) if message.kind == "mail" else None
    draft = ReportDraft(
        format=name, reporter=_reporter(message), category=kind.category, category_from="structure" if kind.category else None,
        report_type=kind.name, xarf=kind.xarf, reported_at=sent.at if sent else None, subject=message.header("Subject") or None,
        feed=f"{name}/{kind.name}" if kind.recurring else None,
    )  # fmt: skip
    if not kind.known:
        draft.warnings.append(f"{file.where}: report type {kind.name!r} is not listed; read by its columns")
    if kind.layout is None:
        draft.disposition = Disposition.NOT_A_REPORT
        draft.warnings.append(f"{file.where}: report type {kind.name!r} accuses no address; its rows are kept as evidence only")
        return draft
    fill(draft, file, kind.layout)
    if kind.layout.category_when:
        one_category(draft)
    if not draft.events and (draft.table is None or not len(draft.table)):
        draft.needs.append("no row names an address, domain or URL that could be accused")
        draft.disposition = Disposition.NEEDS_A_PERSON
    return draft


def _type_of(file: TableFile) -> ReportType:
    stated = type_in_name(file.name)
    if (stated and known_type(stated)) or "tag" not in file.header:
        return report_type(file.name, file.header)
    return report_type(file.name, file.header, tags_of(file.rows(("tag",)).frame))


def _reporter(message: Message) -> Reporter:
    shown, email = parseaddr(message.header("From"))
    theirs = not email or email.lower().endswith(("@shadowserver.org", ".shadowserver.org"))
    return Reporter(shown or None, email or None, ORGANISATION if theirs else None)
