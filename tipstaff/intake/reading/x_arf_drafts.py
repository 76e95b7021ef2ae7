"""From X-ARF reports found in a mail to drafts: one for each reporter, an event for each report. Pure."""

from tipstaff.intake.drafts import Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.contradictions import leave_to_a_person
from tipstaff.intake.reading.indicators import find_mailboxes
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.x_arf_fields import Found, doubts_of, event_of, named_in
from tipstaff.intake.taxonomy import of_x_arf


def drafts_of(found: list[Found], message: Message, format_name: str = "x-arf") -> list[ReportDraft]:
    """Drafts for the reports of one mail, grouped by Reported-From in the order in which they stand."""
    groups: dict[str, list[Found]] = {}
    for report in found:
        groups.setdefault(report.fields.get("Reported-From").lower(), []).append(report)
    return [_draft(group, message, format_name) for group in groups.values()]


def _draft(group: list[Found], message: Message, format_name: str) -> ReportDraft:
    first = group[0].fields
    category, pair = of_x_arf(first.get("Report-Type"), first.get("Category"))
    if category is None:
        category, pair = of_x_arf(first.get("Service"))
    draft = ReportDraft(
        format=format_name,
        reporter=reporter_of(first, message),
        category=category,
        category_from="structure" if category else None,
        report_type=first.get("Report-Type") or None,
        external_id=first.get("Report-ID") or None,
        xarf=pair,
        subject=message.header("Subject") or None,
        sealed=category == "csam",
    )
    for report in group:
        event = event_of(report)
        warnings, needs = doubts_of(report, event)
        draft.warnings += warnings
        draft.needs += needs
        _leave_out_what_the_report_says(event, draft)
        draft.events.append(event)
        if event.ip and len(rivals := named_in(report)) > 1:
            leave_to_a_person(draft, len(draft.events) - 1, rivals)
    if draft.needs:
        draft.disposition = Disposition.NEEDS_A_PERSON
    sent = read_time(message.header("Date"))
    draft.reported_at = sent.at if sent else None
    return draft


def _leave_out_what_the_report_says(event: EventDraft, draft: ReportDraft) -> None:
    if event.category == draft.category:
        event.category = None
    if event.report_type == draft.report_type:
        event.report_type = None


def reporter_of(fields, message: Message) -> Reporter:
    """The reporter that the report names (Reported-From); the letter's sender only where it names none."""
    written = fields.get("Reported-From")
    named = find_mailboxes(written)
    boxes = named or find_mailboxes(message.header("From"))
    name = written[: named[0].start].strip(" \"'<>(") if named else ""
    return Reporter(
        name or None, boxes[0].value.lower() if boxes else None, fields.get("Reporter-Organisation", "Organization") or None
    )
