"""snds"""

from tipstaff.intake.drafts import Confidence, ReportDraft
from tipstaff.intake.message import Message

name = "snds"
experimental = False


def claims(message: Message) -> Confidence:
    return Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    return []
