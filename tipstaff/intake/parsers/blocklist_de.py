"""blocklist.de: X-ARF 0.2 reports of fail2ban users and honeypots.

Source: captured mails. The report's Date is the attack, on the reporting server's clock; the letter also gives the time when it
was reported, and the mail its own. ``Port`` is the attacked service's; the service name says what happened.
"""

from tipstaff.intake.drafts import Confidence, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.x_arf_drafts import drafts_of
from tipstaff.intake.reading.x_arf_fields import Found, find_reports, mentions

name = "blocklist_de"
experimental = False

_REPORTED = pattern(r"(?i)reported to the Blocklist\.de-System on:\s*\*?([^*\n]{10,60})")
_REPEATED = pattern(r"(?i)--\s*service:\s*\S+\s*\((\w+)\s+x\s+(\d{1,6})\)")
_NAME = pattern(r"(?i)machine behind the IP \S+ \(([^)\s]{3,253})\)")


def claims(message: Message) -> Confidence:
    return Confidence.CERTAIN if _ours(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft; the event's count is the number of attacks that the Subject states."""
    drafts = drafts_of(_ours(message), message)
    for draft in drafts:
        draft.reporter.organisation = "blocklist.de"
        said = _REPORTED.search(message.letter[:20_000])
        moment = read_time(said.group(1)) if said else None
        draft.reported_at = moment.at if moment and moment.at else draft.reported_at
        repeated = _REPEATED.search(message.header("Subject")[:1000])
        host = _NAME.search(message.letter[:20_000])
        if len(draft.events) == 1:
            event = draft.events[0]
            event.count = max(event.count, int(repeated.group(2))) if repeated else event.count
            if host:
                event.details["reverse_dns"] = host.group(1)
    return drafts


def _ours(message: Message) -> list[Found]:
    if not mentions(message, "blocklist.de"):
        return []
    return [
        found
        for found in find_reports(message)
        if _of_blocklist(found.fields.get("Reported-From"))
        or _of_blocklist(found.fields.get("Report-ID"))
        or "blocklist.de/" in found.fields.get("Schema-URL")
    ]


def _of_blocklist(text: str) -> bool:
    return text.strip("<> ").lower().endswith("@blocklist.de")
