"""AbuseHUB (Abuse Information Exchange, NL): a signed mail with its own CSV and, often, the notifier's original.

The CSV (schema abusehubcsv 1.0) has local dates and times without a zone; the letter and the file name state the offset.
The same incident stands in both files and is one event.
"""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parseaddr

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.feeds.columns import Layout, columns_of, problems_told
from tipstaff.intake.reading.feeds.events import event_objects
from tipstaff.intake.reading.feeds.files import TableFile, table_files
from tipstaff.intake.reading.feeds.shadowserver_types import looks_like_shadowserver, report_type
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.kernel.errors import ParseError

name = "abusehub"
experimental = False
OWN_COLUMNS = frozenset(("reliable_notifier", "report_type", "event_date", "event_time", "src_ip"))
NEAR = timedelta(days=7)  # how far from a stated moment its offset is taken to hold
_STATED = pattern(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2}) ?([+-]\d{2}:?\d{2}|Z)")
_ROLES = {
    "destination_ip": "dst_ip", "destination_port": "dst_port", "destination_url": "dst_url", "destination_email": "dst_email",
    "destination_hostname": "dst_hostname", "recipient": "original_hotmail_recipient",
}  # fmt: skip
#: What the notifier's own name of its report says, first that fits.
_KINDS = (
    (("phish",), "phishing"), (("copyright",), "copyright"), (("malware url", "malware_url", "malware distribution"), "malware"),
    (("command and control", "c&c", "c2 "), "c2"), (("brute", "login", "honeypot"), "intrusion"),
    (("drone", "botnet", "bot ", "infect", "sinkhole", "zeus", "conficker"), "compromised"),
    (("hotmail", "spam", "junk", "snds", "jmrp", "feedback"), "spam"), (("portscan", "port scan", "scanner"), "scan"),
    (("open ", "accessible", "vulnerable", "resolver", "amplif", "poodle", "ssdp", "ntp", "snmp"), "vulnerable"),
)  # fmt: skip


def claims(message: Message) -> Confidence:
    """CERTAIN where a table has the columns of its schema."""
    try:
        return Confidence.CERTAIN if any(_is_own(file) for file in table_files(message)) else Confidence.NONE
    except ParseError:
        return Confidence.NONE


def _is_own(file: TableFile) -> bool:
    return set(file.header) >= OWN_COLUMNS


def parse(message: Message) -> list[ReportDraft]:
    """One report: the rows of its own CSV, completed by those of the originals beside it."""
    files = table_files(message)
    own = [file for file in files if _is_own(file)]
    if not own:
        raise ParseError(
            message.where or "message", "no AbuseHUB CSV in it", f"expected the columns {', '.join(sorted(OWN_COLUMNS))}"
        )
    shown, email = parseaddr(message.header("From"))
    sent = read_time(message.header("Date"))
    draft = ReportDraft(
        format=name, reporter=Reporter(shown or None, email or None, "Abuse Information Exchange"),
        subject=message.header("Subject") or None,
        reported_at=sent.at if sent else None, description=message.letter.strip()[:2000] or None,
    )  # fmt: skip
    for file in own:
        _add_own(draft, file, _stated_offsets(message, file))
    for file in files:
        if file not in own and looks_like_shadowserver(file.header):
            _add_original(draft, file)
    _name_kind(draft)
    if not draft.events:
        draft.needs.append("no row names an address that could be accused")
        draft.disposition = Disposition.NEEDS_A_PERSON
    return [draft]


def _stated_offsets(message: Message, file: TableFile) -> dict[datetime, timezone]:
    """Local times that the letter and the file name state with their offset."""
    found = {}
    for day, clock, offset in _STATED.findall(f"{message.letter[:20_000]}\n{file.name or ''}"):
        moment = read_time(f"{day} {clock} {offset}")
        if moment and moment.at:
            local = datetime.fromisoformat(f"{day} {clock}")
            found[local] = timezone(local.replace(tzinfo=UTC) - moment.at)
    return found


def _add_own(draft: ReportDraft, file: TableFile, offsets: dict[datetime, timezone]) -> None:
    layout = Layout(
        time=("event_date", "event_time"), ip="src_ip", port="src_port", protocol="protocol", url="src_url",
        report_type="report_type", identity=("report_type", "infection_type"),
        others={role: column for role, column in _ROLES.items() if column in file.header},
    )  # fmt: skip
    rows = file.rows(file.header)
    found = columns_of(rows, layout)
    told = [line for line in found.warnings if "does not fix a moment" not in line]
    draft.warnings += [f"{file.where}: {line}" for line in (*problems_told(rows), *told)]
    for event in event_objects(found, rows, layout, file.where):
        _give_zone(event, offsets)
        event.category = _kind_of(event.details.get("report_type", ""), event.details.get("infection_type", ""))
        draft.events.append(event)


def _give_zone(event: EventDraft, offsets: dict[datetime, timezone]) -> None:
    """The moment of a local time: by the very time in the letter, else by the one offset that all times near it state."""
    local = _local(event)
    if local is None or event.occurred_at:
        return
    near = {offset for stated, offset in offsets.items() if abs(stated - local) <= NEAR}
    offset = offsets.get(local) or (near.pop() if len(near) == 1 else None)
    if offset is None:
        return
    event.occurred_at = local.replace(tzinfo=offset).astimezone(UTC)
    event.time_as_written = f"{event.time_as_written} {_written(offset)}"
    event.found_in["occurred_at"] = f"row {event.row} columns event_date and event_time, offset stated in the letter"
    event.earliest = event.latest = None


def _local(event: EventDraft) -> datetime | None:
    try:
        return datetime.fromisoformat(event.time_as_written or "").replace(tzinfo=None)
    except ValueError:
        return None


def _written(offset: timezone) -> str:
    return str(offset).removeprefix("UTC") or "+00:00"


def _add_original(draft: ReportDraft, file: TableFile) -> None:
    """Rows of the notifier's own file: each completes the event it repeats, or is one more."""
    kind = report_type(file.name, file.header)
    if kind.layout is None:
        return
    rows = file.rows(file.header)
    found = columns_of(rows, kind.layout)
    draft.warnings += [f"{file.where}: {line}" for line in (*problems_told(rows), *found.warnings)]
    for event in event_objects(found, rows, kind.layout, file.where):
        same = next((one for one in draft.events if _is_same(one, event)), None)
        if same is None:
            event.category, event.report_type = kind.category, kind.name
            draft.events.append(event)
            continue
        same.details = event.details | same.details
        same.category = same.category or kind.category
        if same.occurred_at is None:
            same.occurred_at, same.earliest, same.latest = event.occurred_at, None, None
            same.found_in["occurred_at"] = event.found_in.get("occurred_at", file.where)


def _is_same(one: EventDraft, other: EventDraft) -> bool:
    """One address and port at one moment; or at one local time, where the zone is not known."""
    if (one.ip, one.port) != (other.ip, other.port) or not one.ip:
        return False
    local = _local(one)
    if one.occurred_at or local is None or other.occurred_at is None:
        return one.occurred_at == other.occurred_at
    ahead = local.replace(tzinfo=UTC) - other.occurred_at
    return ahead % timedelta(minutes=15) == timedelta(0) and timedelta(hours=-12) <= ahead <= timedelta(hours=14)


def _kind_of(notifier: str, infection: str) -> str | None:
    low = f"{notifier} ".lower()
    found = next((category for words, category in _KINDS if any(word in low for word in words)), None)
    return found or ("compromised" if infection else None)


def _name_kind(draft: ReportDraft) -> None:
    """Say once what all events share."""
    for what in ("category", "report_type"):
        values = {getattr(event, what) for event in draft.events}
        if len(values) == 1:
            setattr(draft, what, values.pop())
            for event in draft.events:
                setattr(event, what, None)
    draft.category_from = "structure" if draft.category else None
