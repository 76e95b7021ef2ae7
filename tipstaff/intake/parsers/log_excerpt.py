"""Log lines in a mail or a file: the accused is who came, by the log's own grammar; the letter says of what and in which zone."""

from tipstaff.intake.drafts import Confidence, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.complaint import has_log, read_complaint

name = "log_excerpt"
experimental = False
reads_prose = True  # asked only where no structure is claimed


def claims(message: Message) -> Confidence:
    """POSSIBLE where at least one line is a log line that names who came."""
    if message.kind not in ("mail", "text"):
        return Confidence.NONE
    return Confidence.POSSIBLE if has_log(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft with one event per accused address: first time and port, number of lines, all occurrences in the details."""
    return [read_complaint(message, "log-excerpt")]
