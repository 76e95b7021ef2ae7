"""Spamhaus notices: SBL listings (``IP/cidr:``, ``Problem:``, ``SBL Ref:``), botnet notifications (``IP address:``, ``Issue:``).

Sources: the labels that the Spamhaus parsers of cerberus-core and abusix read; the SBL policy. No mail was captured: experimental.
A listed network is not an address: it goes to a person. The notice states no time of the act; the listing's own may stand in it.
"""

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import normal_ip
from tipstaff.intake.reading.labels import Label, read_labels, squeezed, value_of
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "spamhaus"
experimental = True

_NOTICE = pattern(r"(?i)\bSBL Notify\b|Spamhaus Notification|\bSBL\d{4,9}\b")
_REFERENCE = pattern(r"(?i)\bSBL\s?\d{4,9}\b")
_SINGLE = pattern(r"^(.{3,45})/(32|128)$")
_KINDS = (
    ("botnet controller", "c2"),
    ("c&c", "c2"),
    ("command and control", "c2"),
    ("phish", "phishing"),
    ("botnet", "compromised"),
    ("malware", "malware"),
    ("hijack", "ip_misuse"),
)
_SOURCES = ("ipcidr", "ipaddress", "ip", "ipaddresses")


def claims(message: Message) -> Confidence:
    letter = message.letter[:60_000]
    if "spamhaus" not in letter.lower() or not _NOTICE.search(f"{message.header('Subject')}\n{letter[:20_000]}"):
        return Confidence.NONE
    labels = read_labels(letter)
    named = {squeezed(label.name) for label in labels}
    return Confidence.CERTAIN if named & set(_SOURCES) and named & {"problem", "issue", "sblref"} else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One experimental draft; an event for each single address, a reason for a person for each network."""
    letter = message.letter[:60_000]
    labels = read_labels(letter)
    display, email = mailbox(message.header("From"))
    problem = value_of(labels, "Problem", "Issue")
    category = next((code for word, code in _KINDS if word in problem.lower()), "blocklisted")
    reference = _REFERENCE.search(
        value_of(labels, "SBL Ref", "SBL Reference", "Ref") or message.header("Subject")
    ) or _REFERENCE.search(letter[:20_000])
    draft = ReportDraft(
        format="spamhaus",
        reporter=Reporter(display, (email or "").lower() or None, "Spamhaus"),
        category=category,
        category_from="structure",
        report_type="sbl-listing" if squeezed("SBL Ref") in {squeezed(label.name) for label in labels} else "notification",
        xarf=xarf_of(category),
        external_id=reference.group(0).replace(" ", "").upper() if reference else None,
        subject=message.header("Subject") or None,
        description=problem[:2000] or None,
        experimental=True,
    )
    for label in labels:
        if squeezed(label.name) in _SOURCES and label.value:
            _read_source(label, labels, draft)
    if not draft.events and not draft.needs:
        raise ParseError("letter", "no listed address can be found", "read it by hand")
    draft.disposition = Disposition.NEEDS_A_PERSON if draft.needs else draft.disposition
    return [draft]


def _read_source(label: Label, labels: list[Label], draft: ReportDraft) -> None:
    for written in label.value.replace(",", " ").split()[:500]:
        single = _SINGLE.match(written)
        ip = normal_ip(single.group(1) if single else written)
        if ip is None:
            draft.needs.append(f"letter line {label.line}: {label.name} {written[:60]!r} is not one address")
            continue
        event = EventDraft(ip=ip, details={"problem": value_of(labels, "Problem", "Issue"), "malware": value_of(labels, "Malware")})
        event.details = {key: value for key, value in event.details.items() if value}
        event.found_in["ip"] = f"letter line {label.line}: {label.name}"
        seen = next(
            (
                one
                for one in labels
                if squeezed(one.name) in ("lastseen", "timestamp", "detectiontime", "detected", "firstseen") and one.value
            ),
            None,
        )
        moment = read_time(seen.value) if seen else None
        if seen and moment:
            event.occurred_at, event.earliest, event.latest, event.time_as_written = (
                moment.at,
                moment.earliest,
                moment.latest,
                seen.value,
            )
            event.found_in["occurred_at"] = f"letter line {seen.line}: {seen.name}"
        draft.events.append(event)
