"""X-ARF 0.1 and 0.2 in mail, whoever sends it: PLAIN, BULK (several reports) and signed SECURE; encrypted ones go to a person.

Sources: the X-ARF 0.1/0.2 specification as described by chrobs/x-arf and the captured mails of five senders. A report is found
by its fields, in any text part, attachment or unpacked archive, or in the letter itself; never by the name ``report.txt``.
"""

from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_mailboxes, normal_ip, refang
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.x_arf_drafts import drafts_of
from tipstaff.intake.reading.x_arf_fields import find_reports
from tipstaff.kernel.errors import ParseError

name = "x_arf"
experimental = False

_MODES = ("plain", "secure", "bulk")
_LABELLED = pattern(
    r"(?im)^[ \t>*-]{0,6}(?:(?:source|offending|attacker|attacking|abusive|reported)[ -]?)?ip(?:[ -]?address)?"
    r"[ \t]*:[ \t]*\*?([0-9a-f:.]{3,45})"
)

_BRACKETED = pattern(r"^/?>?[ \t]{1,5}[\[(]([0-9A-Fa-f:.]{3,45})[\])]")


def claims(message: Message) -> Confidence:
    if find_reports(message):
        return Confidence.STRUCTURE
    return Confidence.STRUCTURE if _mode(message) and _is_encrypted(message) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each reporter named in the mail. ParseError where the mail says X-ARF and no report can be read."""
    found = find_reports(message)
    if not found and _is_encrypted(message):
        boxes = find_mailboxes(message.header("From"))
        draft = ReportDraft(format="x-arf", disposition=Disposition.NEEDS_A_PERSON, needs=["the X-ARF report is encrypted"])
        draft.reporter.email = boxes[0].value.lower() if boxes else None
        return [draft]
    if not found:
        raise ParseError("report.txt", "no X-ARF report can be read in this mail", "ask the sender for the report as plain YAML")
    drafts = drafts_of(found, message)
    _give_addresses(drafts, message)
    for draft in drafts:
        contradictions = _contradictions(message, draft)
        draft.warnings += contradictions
        draft.experimental = draft.experimental or bool(contradictions)
    return drafts


def _give_addresses(drafts: list[ReportDraft], message: Message) -> None:
    """The address that the letter puts in brackets behind a reported URL, as takedown services do, where the report has none."""
    wanting = [(event, event.url) for draft in drafts for event in draft.events if event.url and not event.ip]
    if not wanting:
        return
    lines = [refang(line) for line in message.letter[:50_000].split("\n") if "[" in line or "(" in line]
    for event, url in wanting:
        behind = (line.partition(url)[2] for line in lines if url in line)
        said = {ip for rest in behind if (shown := _BRACKETED.match(rest)) and (ip := normal_ip(shown.group(1)))}
        if len(said) == 1:
            event.ip = said.pop()
            event.found_in["ip"] = "letter, behind the URL"


def _mode(message: Message) -> str:
    mode = message.header("X-XARF").strip().lower() or message.header("X-ARF").strip().lower()
    return "plain" if mode == "yes" else mode if mode in _MODES else ""


def _is_encrypted(message: Message) -> bool:
    return any(
        "BEGIN PGP MESSAGE" in part.text[:2000] or part.content_type in ("application/pgp-encrypted", "application/pkcs7-mime")
        for part in message.parts
    )


def _contradictions(message: Message, draft: ReportDraft) -> list[str]:
    """Addresses that the letter labels as the source and no report names: which of the two is right is for a person to see."""
    named = {event.ip for event in draft.events if event.ip}
    if not named:
        return []
    letter = message.letter[:50_000]
    said = {ip for match in _LABELLED.finditer(letter) if (ip := normal_ip(match.group(1).rstrip(".:")))}
    return [f"the letter names {ip} as the source, the report does not" for ip in sorted(said - named)[:5]] if said - named else []
