"""Netcraft takedown requests: a letter in one or several languages, and (until about 2020) an X-ARF report beside it.

Sources: captured mails with X-ARF parts; for the newer letters without one, the facts used by other public parsers (Subject
``Issue NUMBER: …``, defanged URLs each followed by its address in brackets). The letter's address stands in brackets behind the
URL or in the sentence about the hosting; the hops of a traceroute are nobody's. A letter without X-ARF states no time of the act.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_addresses, find_urls, host_of, normal_domain, normal_ip, refang
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.x_arf_drafts import drafts_of
from tipstaff.intake.reading.x_arf_fields import Found, find_reports, mentions
from tipstaff.kernel.errors import ParseError

name = "netcraft"
experimental = False

MAX_LETTER = 60_000
MAX_EVENTS = 2_000
_ISSUE = pattern(r"(?i)\bIssue\s+#?(\d{3,12})\s*:")
_HOP = pattern(r"^\s*\d{1,2}\s+\S+(?:\s+\(|\s+\d|\s*$)|^\s*\d{1,2}\s+\*")
_IN_SENTENCE = pattern(r"(?i)\b(?:IP|adres|address|direcci|indirizz|endere)|адрес|地址|アドレス|주소")
_BRACKETS = pattern(r"\[([0-9a-fA-F:.,; ]{2,400})\]")
_KINDS = (
    ("phish", "phishing"),
    ("malware", "malware"),
    ("brute force", "intrusion"),
    ("attacking a web application", "intrusion"),
    ("vulnerable", "vulnerable"),
    ("compromise", "compromised"),
    ("web shell", "compromised"),
    ("scam", "fraud_site"),
    ("fraud", "fraud_site"),
    ("fake", "fraud_site"),
    ("spam", "spam"),
)


def claims(message: Message) -> Confidence:
    if _reports(message):
        return Confidence.CERTAIN
    return Confidence.CERTAIN if _is_takedown_letter(message) and _pairs(message.letter) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft; an event for each address that the letter or the report accuses, the URLs of one address together."""
    pairs = _pairs(message.letter)
    reports = _reports(message)
    draft = _from_report(reports, message, pairs) if reports else _from_letter(message, pairs)
    sender = mailbox(message.header("From"))
    draft.format = "netcraft"
    if len(message.letter) > MAX_LETTER:
        draft.warnings.append(f"the letter is longer than {MAX_LETTER} characters; the rest was left out")
    draft.reporter = Reporter(sender[0], (sender[1] or draft.reporter.email or "").lower() or None, "Netcraft")
    return [draft]


def _reports(message: Message) -> list[Found]:
    if not mentions(message, "netcraft"):
        return []
    return [
        found
        for found in find_reports(message)
        if found.fields.get("Reported-From").strip("<> ").lower().endswith("@netcraft.com")
        or "netcraft" in found.fields.get("User-Agent").lower()
    ]


def _is_takedown_letter(message: Message) -> bool:
    sender = mailbox(message.header("From"))[1] or ""
    return (
        sender.lower().endswith("netcraft.com")
        and bool(_ISSUE.search(message.header("Subject")[:500]))
        and "netcraft" in message.letter[:MAX_LETTER].lower()
    )


def _pairs(letter: str) -> list[tuple[str | None, list[str]]]:
    """The accused URLs with the addresses in brackets behind them or on the next lines; (None, …) for an address in a sentence."""
    pairs: list[tuple[str | None, list[str]]] = []
    waiting: list[str] = []  # URLs whose address has not come yet
    spoken: list[str] = []
    for line in letter[:MAX_LETTER].split("\n"):
        if not line.strip() or _HOP.match(line):
            continue
        urls = _leading_urls(line)
        listed = [
            ip
            for group in _BRACKETS.findall(refang(line))
            for one in group.replace(";", " ").replace(",", " ").split()
            if (ip := normal_ip(one))
        ]
        waiting += urls
        if not listed and not urls and _IN_SENTENCE.search(line):
            listed = [found.value for found in find_addresses(line)]
            spoken += listed
        if listed and waiting:
            pairs += [(url, listed) for url in waiting]
            waiting = []
    pairs += [(url, []) for url in waiting if all(url != other for other, _ in pairs)]
    pairs += [(None, [ip]) for ip in spoken if all(ip not in ips for _, ips in pairs)]
    return _once(pairs)


def _leading_urls(line: str) -> list[str]:
    """URLs that stand alone at the beginning of a line; the sender's own links are no accusation."""
    start = len(line) - len(line.lstrip())
    return [
        found.value
        for found in find_urls(line)
        if found.start == start and not (host_of(found.value) or "").endswith("netcraft.com")
    ]


def _once(pairs: list[tuple[str | None, list[str]]]) -> list[tuple[str | None, list[str]]]:
    """The letter says everything once for each language."""
    seen, kept = set(), []
    for url, ips in pairs[:MAX_EVENTS]:
        if (url, tuple(ips)) not in seen:
            seen.add((url, tuple(ips)))
            kept.append((url, ips))
    return kept


def _from_report(reports: list[Found], message: Message, pairs: list) -> ReportDraft:
    draft = drafts_of(reports, message)[0]
    first = draft.events[0]
    pages = [url for url, _ in pairs if url]
    accused = list(dict.fromkeys(ip for _, ips in pairs for ip in ips))
    if first.ip is None and accused:
        draft.events[0:1] = [_at(first, ip, pairs) for ip in accused]
        draft.needs = [need for need in draft.needs if "names no address" not in need]
    elif accused and first.ip not in accused:
        draft.warnings.append(f"the letter names {', '.join(accused[:5])}, the report names {first.ip}")
        draft.experimental = True
    for event in draft.events:
        mine = [page for page in pages if page != event.url]
        if mine:
            event.details["letter_urls"] = mine[:200]
        if event.url is None and mine:
            event.url, event.found_in["url"] = mine[0], "letter"
    return draft


def _at(event: EventDraft, ip: str, pairs: list) -> EventDraft:
    """A copy of the report's event for one address of the letter."""
    copy = EventDraft(
        ip=ip,
        port=event.port,
        protocol=event.protocol,
        domain=event.domain,
        url=event.url,
        occurred_at=event.occurred_at,
        time_as_written=event.time_as_written,
        earliest=event.earliest,
        latest=event.latest,
        count=event.count,
        category=event.category,
        report_type=event.report_type,
        identity=event.identity,
        details=dict(event.details),
        found_in={**event.found_in, "ip": "letter"},
    )
    return copy


def _from_letter(message: Message, pairs: list) -> ReportDraft:
    if not pairs:
        raise ParseError("letter", "no URL with its address can be found in this takedown request", "read it by hand")
    subject = message.header("Subject")
    issue = _ISSUE.search(subject[:500])
    low = subject.lower()
    category = next((code for word, code in _KINDS if word in low), None)
    draft = ReportDraft(
        format="netcraft",
        category=category,
        category_from="structure" if category else None,
        subject=subject,
        external_id=issue.group(1) if issue else None,
        report_type=next((word for word, _ in _KINDS if word in low), None),
    )
    for url, ips in pairs:
        for ip in ips or [None]:
            event = EventDraft(ip=ip, url=url, domain=normal_domain(host_of(url)) if url else None, identity=(url,) if url else ())
            event.found_in = {key: "letter" for key, value in (("ip", ip), ("url", url), ("domain", event.domain)) if value}
            draft.events.append(event)
    draft.warnings.append("the letter does not say when this happened")
    loose = [ips[0] for url, ips in pairs if url is None]
    if len(loose) > 1:
        draft.needs.append(f"the letter names {', '.join(loose[:5])} without a URL; which of them is accused is not plain")
    return draft
