"""What a reporter is told: the policy's switch (G5), and the laws that go over it. Pure but for reading a report's own row."""

from dataclasses import dataclass
from typing import Any

from tipstaff.policy.switches import ReporterNotice
from tipstaff.reports.models import Report

#: 17 U.S.C. 512 has whoever claims a copyright know what became of it.
DMCA_KINDS = frozenset({"copyright"})
#: Notices that say how something ended; the others say where it stands.
DECISIONS = frozenset({"resolved", "closed", "left_intact", "restored", "disconnected", "terminated", "statement_of_reasons"})


@dataclass(frozen=True, slots=True)
class Told:
    """That the reporter is told, and whether a law has us tell."""

    by_law: bool


def reporter_hears(switch: ReporterNotice, kind: str, category: str, laws: frozenset[str]) -> Told | None:
    """Whether reporters of a case hear of a notice of this kind. None: they do not.

    ``laws``: 'dsa' for providers under Regulation (EU) 2022/2065 (article 16(4): receipt, 16(5): decision and redress), 'dmca'
    under 17 U.S.C. 512. A retraction of what was told is always told.
    """
    if kind == "retraction":
        return Told(by_law=False)
    law = ("dsa" in laws and kind in DECISIONS | {"receipt"}) or ("dmca" in laws and category in DMCA_KINDS)
    if law:
        return Told(by_law=True)
    wanted = {ReporterNotice.OUTCOME: True, ReporterNotice.RECEIPT: kind == "receipt"}.get(switch, False)
    return Told(by_law=False) if wanted else None


def about(report: Report) -> dict[str, Any]:
    """A reporter's own report, in the values of a message: nothing else of the case is told."""
    return {
        "subject": report.subject,
        "reference": report.external_id,
        "received": report.received_at,
    }
