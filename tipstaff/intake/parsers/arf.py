"""Abuse Reporting Format: RFC 5965, with RFC 6591 (authentication failures), 6692 (ports), 9477 (CFBL), and Microsoft's JMRP,
which sends the complained-of mail without a report part.

What the report part does not say is taken from the reported mail's own trace headers, and ``found_in`` says so.
"""

from dataclasses import dataclass, field
from typing import Any

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.feedback import Fields, feedback_fields, feedback_part
from tipstaff.intake.reading.indicators import find_mailboxes, host_of, normal_domain, normal_ip, normal_url, registered_domain
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.received import UNPROVED, Hop, hop_time, hops, is_unproved, source_hop
from tipstaff.intake.reading.times import Moment, read_time
from tipstaff.kernel.errors import ParseError

name = "arf"
experimental = False

_CATEGORIES = {"abuse": "spam", "fraud": "phishing", "virus": "malware"}
_SET_ASIDE = {
    "auth-failure": Disposition.AUTH_FAILURE,
    "auth-failure-report": Disposition.AUTH_FAILURE,
    "dmarc": Disposition.AUTH_FAILURE,
    "not-spam": Disposition.NOT_A_REPORT,
    "dismissal": Disposition.NOT_A_REPORT,
    "notspam": Disposition.NOT_A_REPORT,
    "opt-out": Disposition.OPT_OUT,
    "opt-out-list": Disposition.OPT_OUT,
    "unsubscribe": Disposition.OPT_OUT,
}
_LETTER = pattern(
    r"(?is)received\s+from\s+(?:the\s+)?(?:IP(?:\s+address)?\s+|host\s+)?\[?([0-9a-f:.]{4,45})\]?\s*(?:on\s+([^\n]{10,60}))?"
)
_COMMENT = pattern(r"\([^()]*\)")
_LETTER_ON = pattern(r"(?i)received\s+from\s+\S+\s+on\s+([^\n]{10,60})")
_SUBJECT = pattern(r"(?i)complaint about message from\s+\[?([0-9a-f:.]{4,45})")
_SPF = pattern(r"(?i)(?:sender\s+IP\s+is|client-ip\s*[=:]|designates)\s*\[?([0-9a-f:.]{4,45})")
_AUTH_USER = pattern(r"(?i)smtp\.auth=([^\s;]+)")
_JMRP_HEADERS = ("x-hmxmroriginalrecipient", "x-reporter-ip", "x-microsoft-antispam-complaint")


@dataclass
class _Facts:
    """One value with the place it was found in, as it is collected."""

    ip: str | None = None
    ip_in: str = ""
    moment: Moment | None = None
    moment_in: str = ""
    unproved: bool = False  # the address stands in a trace line that the sender could write, or something contradicts it
    warnings: list[str] = field(default_factory=list)


def claims(message: Message) -> Confidence:
    """A report part, or the declared report type, or the marks that JMRP leaves in the mail it forwards."""
    if message.kind != "mail":
        return Confidence.NONE
    if feedback_part(message) is not None:
        return Confidence.STRUCTURE
    if not message.embedded:
        return Confidence.NONE
    if any(message.embedded[0].header(header) for header in _JMRP_HEADERS):
        return Confidence.STRUCTURE
    declared = "feedback-report" in message.header("content-type").lower()
    return Confidence.LIKELY if declared or _SUBJECT.search(message.header("subject")) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    part = feedback_part(message)
    fields = feedback_fields(part) if part is not None else Fields()
    inner = message.embedded[0] if message.embedded else None
    if part is None and inner is None:
        raise ParseError("mail", "neither a report part nor the reported mail is in it")
    where = f"part {part.where}" if part is not None else "mail"
    facts = _Facts()
    _find_source(facts, fields, message, inner, where)
    _find_time(facts, fields, message, inner, where)
    draft = _draft(message, fields, inner, part is not None)
    draft.warnings += facts.warnings
    draft.experimental = facts.unproved
    if draft.disposition is Disposition.REPORT:
        if facts.ip is None:
            draft.needs.append("no source address in the report part, the letter or the trace headers")
        else:
            draft.events = [_event(facts, fields, inner), *_uri_events(fields, facts, where)]
    elif facts.ip and draft.disposition is Disposition.AUTH_FAILURE:
        draft.events = [_event(facts, fields, inner)]
    return [draft]


def _draft(message: Message, fields: Fields, inner: Message | None, has_part: bool) -> ReportDraft:
    kind = fields.first("feedback-type").partition(";")[0].strip().lower() or "abuse"
    draft = ReportDraft(format="arf" if has_part else "jmrp", report_type=kind)
    draft.disposition = _SET_ASIDE.get(kind, Disposition.REPORT)
    if draft.disposition is Disposition.REPORT:
        draft.category = _CATEGORIES.get(kind)
        draft.category_from = (
            f"structure (Feedback-Type: {kind})" if draft.category and has_part else "structure" if draft.category else None
        )
        draft.xarf = {
            "spam": {"category": "messaging", "type": "spam"},
            "phishing": {"category": "content", "type": "phishing"},
            "malware": {"category": "content", "type": "malware"},
        }.get(draft.category or "")
    reporter_name, email = mailbox(message.header("from"))
    draft.reporter = Reporter(name=reporter_name, email=email)
    draft.external_id = fields.first("original-envelope-id").strip("<> ") or None
    draft.subject = message.header("subject") or None
    draft.description = _description(inner)
    if has_part and not fields.first("feedback-type"):
        draft.warnings.append("the report part has no Feedback-Type; read as abuse")
    return draft


def _description(inner: Message | None) -> str | None:
    if inner is None:
        return None
    told = [f"{label}: {inner.header(label.lower())[:300]}" for label in ("From", "Subject", "Date") if inner.header(label.lower())]
    return "\n".join(["Reported mail", *told])[:2000] if told else None


def _find_source(facts: _Facts, fields: Fields, message: Message, inner: Message | None, where: str) -> None:
    """Source-IP; else the address that the letter names; else the hop that handed the reported mail over."""
    given = fields.first("source-ip").split()
    several = sorted({ip for value in fields.every("source-ip") for ip in _addresses_in(value)})
    stated = several[0] if several else None
    if len(several) > 1:  # RFC 5965 section 3.2: at most once; which of them sent it, nobody can say
        facts.warnings.append(f"Source-IP names several addresses: {', '.join(several[:20])}")
        return
    if stated:
        facts.ip, facts.ip_in = stated, f"{where}: Source-IP"
        return
    hop = source_hop(inner, message.hints.own_networks) if inner is not None else None
    if given:
        facts.warnings.append(f"Source-IP {' '.join(given)[:60]!r} is not an address")
    letter = _LETTER.search(message.letter)
    named = normal_ip(letter.group(1).rstrip(".:")) if letter else None
    if named:
        facts.ip, facts.ip_in = named, "letter"
    elif hop is not None and hop.from_ip:
        facts.ip, facts.ip_in = hop.from_ip, f"reported mail, {hop.where}"
        facts.unproved = inner is not None and is_unproved(hop, inner)
    elif inner is not None:
        facts.ip, facts.ip_in = _by_spf(inner)
    if facts.ip:
        facts.warnings.append(f"the report has no Source-IP; the address comes from: {facts.ip_in}")
    if facts.unproved:
        facts.warnings.append(UNPROVED)
    _compare(facts, message, hop)


def _addresses_in(value: str) -> list[str]:
    """The addresses of one value, without those of comments (RFC 5322 section 3.2.2)."""
    words = _COMMENT.sub(" ", value).replace(",", " ").replace(";", " ").split()
    return [ip for word in words[:50] if (ip := normal_ip(word))]


def _by_spf(inner: Message) -> tuple[str | None, str]:
    """The address that the receiving server checked SPF for, where there is no trace field to read."""
    for header in ("received-spf", "authentication-results"):
        for value in inner.all_headers(header):
            match = _SPF.search(value)
            ip = normal_ip(match.group(1).rstrip(".:")) if match else None
            if ip:
                return ip, f"reported mail, {header.title()}"
    return None, ""


def _compare(facts: _Facts, message: Message, hop: Hop | None) -> None:
    subject = _SUBJECT.search(message.header("subject"))
    told = normal_ip(subject.group(1).rstrip(".:")) if subject else None
    if told and facts.ip is None:
        facts.ip, facts.ip_in = told, "Subject"
    elif told and told != facts.ip:
        facts.warnings.append(f"the subject names {told}, the evidence {facts.ip}; the evidence was taken")
        facts.unproved = True
    elif hop is not None and hop.from_ip and facts.ip_in == "letter" and hop.from_ip != facts.ip:
        facts.warnings.append(f"the letter names {facts.ip}, the trace of the reported mail {hop.from_ip}")
        facts.unproved = True


def _find_time(facts: _Facts, fields: Fields, message: Message, inner: Message | None, where: str) -> None:
    """When the reported mail arrived: the report's field, else the letter, else the trace.

    Never the mail's own Date: its sender wrote that.
    """
    zone = message.hints.zone
    for name_ in ("arrival-date", "received-date"):
        written = fields.first(name_)
        moment = read_time(written, zone=zone)
        if moment is not None:
            facts.moment, facts.moment_in = moment, f"{where}: {name_.title()}"
            _doubt(facts, written)
            return
        if written:
            facts.warnings.append(f"{name_.title()} {written[:60]!r} is not a time")
    moment = read_time(_time_in_letter(message.letter), zone=zone)
    if moment is not None and moment.at is not None:
        facts.moment, facts.moment_in = moment, "letter"
        return
    _time_of_hop(facts, inner)


def _time_in_letter(letter: str) -> str | None:
    match = _LETTER.search(letter)
    if match and match.group(2):
        return match.group(2).strip().rstrip(".")
    match = _LETTER_ON.search(letter)
    return match.group(1).strip().rstrip(".") if match else None


def _time_of_hop(facts: _Facts, inner: Message | None) -> None:
    if inner is None:
        return
    trace = hops(inner)
    chosen = next((hop for hop in trace if hop.from_ip == facts.ip), None) or (trace[0] if trace else None)
    if chosen is not None:
        moment, _ = hop_time(chosen.raw)
        if moment is not None:
            facts.moment, facts.moment_in = moment, f"reported mail, {chosen.where}"


def _doubt(facts: _Facts, written: str) -> None:
    """``-0000`` says that the writer's zone is unknown (RFC 5322 section 3.3); a comment may then contradict it."""
    if "-0000" in written and "(" in written and not any(mark in written.upper() for mark in ("(UTC", "(GMT")):
        facts.warnings.append(f"the time {written[:60]!r} contradicts itself about its zone; read as UTC")


def _event(facts: _Facts, fields: Fields, inner: Message | None) -> EventDraft:
    moment = facts.moment
    event = EventDraft(ip=facts.ip, found_in={"ip": facts.ip_in})
    if moment is not None:
        event.occurred_at, event.time_as_written = moment.at, moment.as_written
        event.earliest, event.latest = moment.earliest, moment.latest
        event.found_in["occurred_at"] = facts.moment_in
    ports = {value.strip() for value in fields.every("source-port")}
    port = ports.pop() if len(ports) == 1 else ""  # of two, neither: on a shared address it would accuse somebody
    if port.isdecimal() and 0 < int(port) < 65_536:
        event.port = int(port)
    event.protocol = "tcp"
    event.count = _count(fields)
    event.domain = _domain(fields, inner)
    user = _AUTH_USER.search(fields.first("authentication-results"))
    found = find_mailboxes(user.group(1)) if user else []
    event.mailbox = found[0].value if found else None
    event.details = _details(fields, inner)
    recipients = sorted({value.strip("<> ").lower() for value in fields.every("original-rcpt-to")})
    event.identity = ((inner.header("message-id").strip("<> ") if inner else ""), *recipients[:20])
    return event


def _count(fields: Fields) -> int:
    """Incidents (RFC 5965 section 3.2) where it is a number, else the recipients named."""
    stated = fields.first("incidents").strip()
    if stated.isdecimal() and 0 < int(stated) < 10_000_000:
        return int(stated)
    return max(1, len(fields.every("original-rcpt-to")))


def _domain(fields: Fields, inner: Message | None) -> str | None:
    """Reported-Domain where the reported mail itself comes from it; several feedback loops write the recipient's domain there."""
    if inner is None:
        return None
    senders = {
        registered_domain(normal_domain((mailbox(text)[1] or "").rpartition("@")[2]) or "")
        for text in (inner.header("from"), inner.header("return-path"), fields.first("original-mail-from"))
    }
    recipients = {normal_domain((mailbox(text)[1] or "").rpartition("@")[2]) for text in fields.every("original-rcpt-to")}
    for value in fields.every("reported-domain"):
        domain = normal_domain(value)
        if domain and registered_domain(domain) in senders - {None} and domain not in recipients:
            return domain
    return None


def _details(fields: Fields, inner: Message | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in (
        "original-mail-from",
        "user-agent",
        "reporting-mta",
        "auth-failure",
        "delivery-result",
        "dkim-domain",
        "dkim-selector",
        "spf-dns",
        "original-envelope-id",
        "identity-alignment",
        "virus-name",
        "abuse-type",
        "subscription-link",
    ):
        if fields.first(key):
            found[key.replace("-", "_")] = fields.first(key)[:500]
    for key in ("original-rcpt-to", "reported-domain", "authentication-results", "removal-recipient"):
        if fields.every(key):
            found[key.replace("-", "_")] = [value[:500] for value in fields.every(key)[:50]]
    if inner is not None:
        for header in (
            "message-id",
            "subject",
            "from",
            "cfbl-feedback-id",
            "feedback-id",
            "x-hmxmroriginalrecipient",
            "x-reporter-ip",
        ):
            if inner.header(header):
                found["reported_" + header.replace("-", "_")] = inner.header(header)[:500]
    return found


def _uri_events(fields: Fields, facts: _Facts, where: str) -> list[EventDraft]:
    """The sites that the reported mail advertises (Reported-URI), each with the time of the mail."""
    events: list[EventDraft] = []
    for value in dict.fromkeys(fields.every("reported-uri")):
        url = normal_url(value.strip("<> "))
        if not url or not url.startswith(("http", "ftp")) or len(events) >= 50:
            continue
        host = host_of(url) or ""
        ip = normal_ip(host)
        event = EventDraft(ip=ip, url=url, domain=None if ip else normal_domain(host), found_in={"url": f"{where}: Reported-URI"})
        if ip:
            event.found_in["ip"] = f"{where}: Reported-URI"
        if facts.moment is not None:
            event.occurred_at, event.time_as_written = facts.moment.at, facts.moment.as_written
            event.earliest, event.latest = facts.moment.earliest, facts.moment.latest
            event.found_in["occurred_at"] = facts.moment_in
        event.category = "spam_support" if fields.first("feedback-type").lower() in ("", "abuse") else None
        event.details = {"role": "advertised in the reported mail"}
        events.append(event)
    return events
