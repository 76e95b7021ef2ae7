"""What became of a report that a machine sent; and the media that are never taken."""

import binascii
from collections.abc import Iterator
from typing import Any

from tipstaff.faces.api.models import Receipt
from tipstaff.intake.models import Submission
from tipstaff.intake.parsers import xarf
from tipstaff.kernel.errors import Problem
from tipstaff.reports.models import Report

PLAIN = ("text/plain", "text/csv", "application/json")
#: Reason codes of a report; documented at /api/docs.
REASONS = {
    "waiting": "accepted, not read yet",
    "reading": "being read",
    "under_review": "a person looks at it",
    "accepted": "it became events",
    "duplicate": "we had all of it already",
    "not_ours": "none of the addresses is ours",
    "not_assigned": "nobody held the address at that time, as far as we know",
    "incomplete": "something that the policy asks for is missing",
    "set_aside": "it is no complaint, or one that we file without a case",
    "received": "received, and handled apart",
}


def status_of(receipt: Receipt) -> dict[str, Any]:
    """QUEUED → PROCESSING → COMPLETED, with a reason; nothing about our customer."""
    submission = Submission.objects.filter(pk=receipt.submission).only("state", "decided_at").first()
    state, reason, reports = _standing(submission)
    return {
        "id": str(receipt.submission),
        "report_id": receipt.external_id or None,
        "received_at": receipt.accepted_at.isoformat().replace("+00:00", "Z"),
        "status": state,
        "reason": reason,
        "meaning": REASONS[reason],
        "events": sum(report.events for report in reports),
        "duplicates": sum(report.duplicates for report in reports),
    }


def _standing(submission: Submission | None) -> tuple[str, str, list[Report]]:
    if submission is None:
        return "QUEUED", "waiting", []
    if submission.state == "received":
        return "PROCESSING", "reading", []
    if submission.state in ("needs_person", "failed"):
        return "PROCESSING", "under_review", []
    if submission.state == "sealed":
        return "COMPLETED", "received", []
    reports = list(Report.objects.filter(submission=submission))
    if submission.state == "set_aside":
        return "COMPLETED", "set_aside", reports
    return "COMPLETED", _reason(reports), reports


def _reason(reports: list[Report]) -> str:
    states = {report.state for report in reports}
    if states == {"not_ours"}:
        return "not_ours"
    if states == {"incomplete"}:
        return "incomplete"
    if any(report.unmatched.get("not assigned then") for report in reports):
        return "not_assigned"
    if sum(report.events for report in reports):
        return "accepted"
    return "duplicate" if sum(report.duplicates for report in reports) else "set_aside"


def refused_media(document: dict[str, Any]) -> list[Problem]:
    """The attachments that a report of a sealed category (B17) must not bring. ``document`` is valid XARF."""
    if not xarf.draft_of(document).sealed:
        return []
    advice = "send the address, the time and a hash of the material; keep it as the law of your country says"
    return [
        Problem(where, "media are not taken for this category", advice)
        for where, media_type, payload in _payloads(document, "")
        if media_type.partition(";")[0].strip().lower() not in PLAIN or not _is_text(payload)
    ]


def _payloads(value: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Place, stated media type and content of everything that is attached, in any version and at any depth."""
    if isinstance(value, dict):
        low = {str(name).lower(): name for name in value}
        for name in ("payload", "data", "content"):
            if name in low and isinstance(value[low[name]], str):
                stated = next((value[low[key]] for key in ("content_type", "contenttype", "mimetype") if key in low), "")
                yield f"{where}.{low[name]}".lstrip("."), str(stated), value[low[name]]
        for name, inner in value.items():
            yield from _payloads(inner, f"{where}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _payloads(inner, f"{where}[{number}]")


def _is_text(payload: str) -> bool:
    """Whether what is attached reads as text, decoded or as it stands."""
    try:
        content = binascii.a2b_base64(payload.encode("ascii"), strict_mode=False)
        content.decode("utf-8")
    except (ValueError, binascii.Error):
        return False
    return b"\0" not in content and not payload.lstrip().lower().startswith("data:")
