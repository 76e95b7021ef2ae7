"""What of a case's evidence goes into a letter: an excerpt of the copy that its customer may see, and who claims a copyright."""

from datetime import datetime

from tipstaff.cases.models import Case, CaseReport
from tipstaff.cases.redacted import MOST_BYTES, customer_view
from tipstaff.correspondence.catalogue import label
from tipstaff.evidence.access import grant
from tipstaff.policy.edition import Category, Handling
from tipstaff.reports import queries as reports
from tipstaff.reports.models import Report
from tipstaff.reports.redaction import Section

MOST_LINES, LONGEST_LINE = 40, 200  # of evidence in a message
UNSHOWN = frozenset({Handling.NO_RENDERING, Handling.RESTRICTED_VIEW, Handling.ZERO_TOLERANCE})
MORE = "{n} more lines in the portal"


def speaking(case: Case) -> Report | None:
    """The report that speaks for a case in a letter: the most trusted one, then the first. A case that was handed on has its
    parent's."""
    rows = CaseReport.objects.filter(case=case)
    if case.parent_id is not None and not rows.exists():
        rows = CaseReport.objects.filter(case=case.parent_id)
    told = list(rows.order_by("at", "pk").values_list("report_id", flat=True)[:50])
    return max(reports.of_reports(told), key=lambda row: (row.trust, -row.pk), default=None)


def excerpt(*, case: Case, found: Report, category: Category, language: str, by: str, now: datetime) -> str:
    """The redacted evidence as lines for a letter; empty where this kind is never shown or the evidence is too large."""
    blob = found.submission.blob
    if UNSHOWN & set(category.handling) or blob.size > MOST_BYTES:
        return ""
    allowed = grant(blob=blob, actor=by, basis=f"case:{case.pk} notice")
    lines: list[str] = []
    for section in customer_view(case=case, found=found, blob=blob, grant=allowed, now=now):
        body = [line.rstrip() for line in _text(section, language).splitlines()] or (
            [section.attachment] if section.attachment else []
        )
        lines += ["", *body] if lines else body
    kept = _folded(lines)
    left = len(kept) - MOST_LINES
    return "\n".join([*kept[:MOST_LINES], *([f"[{label(language, MORE).format(n=left)}]"] if left > 0 else [])]).strip()


def _text(section: Section, language: str) -> str:
    """A section's text with what was removed named in the reader's language."""
    removed = label(language, "removed")
    return "".join(f"[{removed}: {label(language, piece.gone)}]" if piece.gone else piece.text for piece in section.pieces)


def _folded(lines: list[str]) -> list[str]:
    """Without runs of empty lines; long lines cut."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…")
    return kept


def complainant(found: Report, category: Category, language: str) -> str:
    """Who claims a copyright, as lines, where the law has the notice passed on with the name: a complete notice (17 U.S.C.
    512(c)(3)) of a kind for which the policy provides a counter-notice. Empty in every other case."""
    claim = found.copyright or {}
    elements = claim.get("elements") or {}
    if Handling.COUNTER_NOTICE not in category.handling or not elements or not all(elements.values()):
        return ""
    reporter = found.reporter
    rows = (
        ("Claimant", claim.get("claimant")),
        ("Sent by", " ".join(filter(None, (reporter.name, reporter.organisation)))),
        ("Address", reporter.email),
        ("Work", claim.get("work")),
        ("Their reference", found.external_id),
    )
    return "\n".join(f"{label(language, name)}: {value}" for name, value in rows if value)
