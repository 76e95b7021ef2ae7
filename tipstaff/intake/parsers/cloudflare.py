"""Cloudflare: complaints about proxied sites, forwarded to the host that the origin's address belongs to.

Sources: Cloudflare's description of its abuse process (the host is told the origin address), and the labels that the Cloudflare
parsers of cerberus-core and abusix read: ``Reported URLs:``, ``Reporter's …``, ``Associated IP Addresses:``, ``The actual host
for … is``. No mail was captured: experimental. The mail's own time is not the time of the act. The complainant named in the mail
is the reporter; Cloudflare only passes it on.
"""

from tipstaff.intake.drafts import Confidence, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_addresses, find_mailboxes, find_urls, host_of, normal_domain
from tipstaff.intake.reading.labels import Label, lines_after, read_labels, value_of
from tipstaff.intake.reading.mailboxes import mailbox
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.taxonomy import xarf_of
from tipstaff.kernel.errors import ParseError

name = "cloudflare"
experimental = True

MAX_EVENTS = 2_000
_HOSTED = pattern(
    r"(?i)(?:actual (?:host|IP address)[^\n]{0,200}? is|hosted (?:at|on) (?:the )?(?:following )?IP addresses?[.:]?"
    r"|Associated IP Addresses\s*:|IP address\s*:)\s*([^\n]+)"
)
_KINDS = (
    ("dmca", "copyright"),
    ("copyright", "copyright"),
    ("trademark", "trademark"),
    ("child", "csam"),
    ("csam", "csam"),
    ("phishing", "phishing"),
    ("malware", "malware"),
    ("non-consensual", "ncii_violence"),
    ("threat", "harassment_hate"),
    ("spam", "spam"),
)
_TICKET = pattern(r"(?i)\[?(?:report|ticket|case)\s*(?:id|#|number)?\s*[:#]?\s*([0-9a-f]{6,32})\]?")


def claims(message: Message) -> Confidence:
    letter = message.letter[:200_000]
    if "cloudflare" not in letter.lower() or not _urls(letter):
        return Confidence.NONE
    sender = (mailbox(message.header("From"))[1] or "").lower()
    labelled = value_of(read_labels(letter), "Reporter's Name", "Reporter's Email Address", "Reporter", "Reporter's Email")
    return Confidence.CERTAIN if labelled or sender.endswith("cloudflare.com") else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One experimental draft; an event for each reported URL, with the origin's address where just one is named."""
    letter = message.letter[:400_000]
    urls = _urls(letter)
    if not urls:
        raise ParseError("letter", "no reported URL can be found", "read it by hand")
    labels = read_labels(letter)
    subject = message.header("Subject")
    category = next((code for word, code in _KINDS if word in subject.lower()), None)
    ticket = _TICKET.search(subject)
    draft = ReportDraft(
        format="cloudflare",
        reporter=_complainant(labels, message),
        category=category,
        category_from="structure" if category else None,
        xarf=xarf_of(category),
        report_type=category,
        external_id=ticket.group(1) if ticket else None,
        subject=subject or None,
        experimental=True,
        sealed=category == "csam",
        description=value_of(labels, "Logs or Evidence of Abuse", "Comments", "Description")[:2000] or None,
    )
    ips = list(dict.fromkeys(found.value for match in _HOSTED.finditer(letter) for found in find_addresses(match.group(1))))
    for url in urls[:MAX_EVENTS]:
        event = EventDraft(ip=ips[0] if len(ips) == 1 else None, url=url, domain=normal_domain(host_of(url)), identity=(url,))
        event.found_in = (
            {"url": "letter: Reported URLs"}
            | ({"ip": "letter: hosting address"} if event.ip else {})
            | ({"domain": "letter: Reported URLs"} if event.domain else {})
        )
        draft.events.append(event)
    if len(ips) > 1:
        draft.needs.append(f"the letter names several hosting addresses ({', '.join(ips[:6])}); which URL is where is not said")
        draft.events[0].details["hosting_addresses"] = ips[:50]
    draft.warnings.append("the letter does not say when this happened")
    return [draft]


def _urls(letter: str) -> list[str]:
    lines = lines_after(letter, "Reported URLs") or lines_after(letter, "Accepted URL(s)") or lines_after(letter, "Reported URL")
    return list(dict.fromkeys(found.value for line in lines for found in find_urls(line)))


def _complainant(labels: list[Label], message: Message) -> Reporter:
    boxes = find_mailboxes(value_of(labels, "Reporter's Email Address", "Reporter's Email", "Email Address"))
    name_of = value_of(labels, "Reporter's Name", "Reporter")
    company = value_of(labels, "Reporter's Company Name", "Reporter's Company")
    email = boxes[0].value.lower() if boxes else (mailbox(message.header("From"))[1] or "").lower() or None
    return Reporter(name_of or None, email, company or None)
