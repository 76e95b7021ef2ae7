"""What a message is, decided before what it says."""

from dataclasses import dataclass

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Message


@dataclass(frozen=True, slots=True)
class Verdict:
    disposition: Disposition
    reason: str
    format: str = "mail"
    reference: str | None = None


def verdict_of(message: Message) -> Verdict | None:
    """Why ``message`` is no new report, or None where it may be one."""
    return None


def disposition_of(message: Message) -> Disposition | None:
    """Only the kind; None: it may be a report."""
    verdict = verdict_of(message)
    return verdict.disposition if verdict else None
