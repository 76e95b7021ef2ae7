"""Complaints in prose, in eleven languages, with defanged indicators: whoever wrote, in whatever style. The last resort."""

from tipstaff.intake.drafts import Confidence, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.complaint import has_log, read_complaint

name = "free_text"
experimental = False
reads_prose = True  # asked only where no structure is claimed


def claims(message: Message) -> Confidence:
    """POSSIBLE for every letter without log lines (those are ``log_excerpt``'s)."""
    attached = any(part.content_type == "text/plain" for part in message.parts)
    if message.kind not in ("mail", "text") or not (message.letter.strip() or message.embedded or attached):
        return Confidence.NONE
    return Confidence.NONE if has_log(message) else Confidence.POSSIBLE


def parse(message: Message) -> list[ReportDraft]:
    """One draft: a report, or set aside with the reason, or for a person with the candidates."""
    return [read_complaint(message, "free-text")]
