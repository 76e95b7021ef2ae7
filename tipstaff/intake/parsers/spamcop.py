"""SpamCop: reports of single spam mails and of spamvertised sites, the daily summary table, and spamtrap alerts.

Sources: a captured report published with a public Perl library (``- SpamCop V1.3.3 -``, ``Email from ADDRESS / DATE``), and the
facts used by the SpamCop parsers of AbuseIO and abusix (``[ SpamCop V4… ]``, ``Spamvertised web site:``, the columns of the
summary, the bare list of an alert). The date is when the spam was received. Summary and alert were seen by no capture of ours:
their drafts are experimental.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.contradictions import leave_to_a_person, named
from tipstaff.intake.reading.indicators import find_addresses, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.kernel.errors import ParseError

name = "spamcop"
experimental = False

MAX_LETTER = 300_000
MAX_ROWS = 5_000
_BANNER = pattern(r"(?mi)^\s*(?:\[ ?SpamCop V[0-9. ]{1,20} ?\]|- SpamCop V[0-9.]{1,20} -)")
_EMAIL_FROM = pattern(r"(?mi)^[> ]{0,4}Email from\s+([0-9a-f:.]{3,45})\s*/\s*(.{6,80}?)\s*$")
_SITE = pattern(r"(?mi)^[> ]{0,4}Spamvertised web ?site\s*:\s*(\S+)\s*$")
_RESOLVES = pattern(r"(?mi)^[> ]{0,4}(\S+) is ([0-9a-f:.]{3,45})\s*;\s*(.{6,80}?)\s*$")
_TICKET = pattern(r"(?i)\[SpamCop \(([^)]+)\) id:\s*(\d{3,20})\]")
_SUMMARY = pattern(
    r"(?mi)^[ \t]{0,12}([0-9a-f:.]{3,45})[ \t]+([A-Z][a-z]{2}[ \t]+\d{1,2}[ \t]+\d{1,2})h/(\d{1,4})"
    r"[ \t]+(\d{1,6})[ \t]+(\d{1,6})[ \t]+(\d{1,6})[ \t]+(\d{1,6})"
)
_TABLE = pattern(r"(?i)Start/Length\s+Trap\s+User\s+Mole\s+Simp")
_ALERT = pattern(r"(?i)^\[SpamCop\] Alert")
_EVIDENCE = pattern(r"(?mi)^\s*\[? ?Offending message ?\]?:?\s*$")


def claims(message: Message) -> Confidence:
    letter = message.letter[:200_000]
    if "SpamCop" not in letter and "spamcop" not in message.header("From").lower():
        return Confidence.NONE
    if _BANNER.search(letter) and (_EMAIL_FROM.search(letter) or _SITE.search(letter)):
        return Confidence.CERTAIN
    if _TABLE.search(letter) and _SUMMARY.search(letter):
        return Confidence.CERTAIN
    return Confidence.CERTAIN if _is_alert(message) and _listed(letter) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft: the spam's source, or the sites that it advertises, or the rows of a summary or alert."""
    letter = message.letter[:MAX_LETTER]
    cut = _EVIDENCE.search(letter)
    said = letter[: cut.start()] if cut else letter
    ticket = _TICKET.search(message.header("Subject")[:3000])
    draft = ReportDraft(
        format="spamcop",
        reporter=_reporter(message),
        subject=message.header("Subject") or None,
        category="spam",
        category_from="structure",
        xarf={"category": "messaging", "type": "spam"},
        external_id=ticket.group(2) if ticket else None,
        report_type="spam",
    )
    if _TABLE.search(letter):
        _read_summary(letter, draft)
    elif _is_alert(message):
        _read_alert(letter, draft)
    elif _SITE.search(said):
        _read_sites(said, draft)
    else:
        _read_source(said, draft)
    if len(draft.events) >= MAX_ROWS or (len(message.letter) > MAX_LETTER and draft.report_type != "spam"):
        draft.warnings.append("the letter is very long; its end was left out")
    if not draft.events:
        raise ParseError("letter", "no source can be found in this SpamCop mail", "read it by hand")
    return [draft]


def _reporter(message: Message) -> Reporter:
    display, email = mailbox(message.header("From"))
    return Reporter(display, (email or "").lower() or None, "SpamCop")


def _is_alert(message: Message) -> bool:
    sender = (mailbox(message.header("From"))[1] or "").lower()
    return bool(_ALERT.match(message.header("Subject"))) and sender.endswith("spamcop.net")


def _read_source(letter: str, draft: ReportDraft) -> None:
    for match in _EMAIL_FROM.finditer(letter):
        ip = normal_ip(match.group(1))
        event = EventDraft(ip=ip, found_in={"ip": "letter: Email from"} if ip else {})
        _stamp(event, match.group(2), "letter: Email from", draft)
        if ip is None:
            draft.needs.append(f"letter: Email from {match.group(1)!r} is not an address")
        draft.events.append(event)
        rivals = named(("letter: Email from", one.group(1)) for one in _EMAIL_FROM.finditer(letter))
        if len(rivals) > 1:
            leave_to_a_person(draft, 0, rivals)
        return


def _read_sites(letter: str, draft: ReportDraft) -> None:
    draft.category, draft.report_type = "spam_support", "spamvertised"
    resolved: dict[str, list] = {}
    for match in _RESOLVES.finditer(letter):
        resolved.setdefault(normal_url(match.group(1)) or match.group(1), []).append(match)
    seen = set()
    for match in _SITE.finditer(letter):
        url = normal_url(match.group(1))
        if url is None or url in seen:
            continue
        seen.add(url)
        event = EventDraft(
            url=url, domain=normal_domain(host_of(url)), identity=(url,), found_in={"url": "letter: Spamvertised web site"}
        )
        lines = resolved.get(url) or resolved.get(host_of(url) or "") or []
        where = lines[0] if lines else None
        if where:
            event.ip = normal_ip(where.group(2))
            _stamp(event, where.group(3), "letter: is", draft)
        event.ip = event.ip or normal_ip(host_of(url))
        if event.ip:
            event.found_in["ip"] = "letter: is" if where else event.found_in["url"]
        if event.domain:
            event.found_in["domain"] = event.found_in["url"]
        draft.events.append(event)
        if len(rivals := named(("letter: is", one.group(2)) for one in lines)) > 1:
            leave_to_a_person(draft, len(draft.events) - 1, rivals)


def _stamp(event: EventDraft, written: str, place: str, draft: ReportDraft) -> None:
    moment = read_time(written)
    event.time_as_written = written
    if moment:
        event.occurred_at, event.earliest, event.latest = moment.at, moment.earliest, moment.latest
        event.found_in["occurred_at"] = place
    if moment is None or moment.at is None:
        draft.warnings.append(f"{place}: {written[:60]!r} is no exact time")


def _read_summary(letter: str, draft: ReportDraft) -> None:
    """Rows with trap, user, mole and simple reports; the hour has neither year nor zone, so no time is given."""
    draft.report_type, draft.experimental, draft.feed = "summary", True, "spamcop-summary"
    for match in _SUMMARY.finditer(letter):
        ip = normal_ip(match.group(1))
        if ip is None or len(draft.events) >= MAX_ROWS:
            continue
        trap, user, mole, simple = (int(match.group(index)) for index in range(4, 8))
        details = {"days": int(match.group(3)), "trap": trap, "user": user, "mole": mole, "simple": simple}
        draft.events.append(
            EventDraft(
                ip=ip,
                count=max(1, trap + user + mole + simple),
                time_as_written=f"{match.group(2)}h",
                details=details,
                found_in={"ip": "letter: summary"},
            )
        )
    draft.warnings.append("the summary gives hours without year and zone")


def _listed(letter: str) -> list[str]:
    """Addresses that stand alone on a line."""
    return list(
        dict.fromkeys(
            ip for line in letter.split("\n")[:MAX_ROWS] if (ip := normal_ip(line.strip())) and len(find_addresses(line)) == 1
        )
    )


def _read_alert(letter: str, draft: ReportDraft) -> None:
    draft.report_type, draft.experimental = "spamtrap-alert", True
    draft.events = [EventDraft(ip=ip, found_in={"ip": "letter: alert"}) for ip in _listed(letter)]
    draft.warnings.append("an alert gives no time and no evidence")
