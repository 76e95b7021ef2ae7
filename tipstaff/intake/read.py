"""From bytes to report drafts: open, seal, tell what it is, parse by the surest claim, classify, say why a person must look."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from tipstaff.intake.classification import classify
from tipstaff.intake.dispositions import Verdict, verdict_of
from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft, Reporter
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.parsers import generic_feed
from tipstaff.intake.reading.answering import said
from tipstaff.intake.reading.authentication import authenticated_domains
from tipstaff.intake.reading.automatic import auto_submitted, null_path, phrase_in, plain_subject
from tipstaff.intake.reading.charsets import TORN
from tipstaff.intake.reading.feeds.files import table_files
from tipstaff.intake.reading.feeds.mapping import known_mapping
from tipstaff.intake.reading.indicators import find_addresses, find_domains, find_urls
from tipstaff.intake.reading.known_zone import use_known_zone
from tipstaff.intake.reading.mailboxes import sender_of
from tipstaff.intake.reading.marks import FORMATS, NOT_IN_MAIL
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.returned import returned
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.walk import every_message
from tipstaff.intake.registry import PARSERS
from tipstaff.intake.sealing import must_seal
from tipstaff.intake.vocabulary.load import Profile, Vocabulary, packaged
from tipstaff.kernel.errors import InputError, ParseError

log = logging.getLogger(__name__)
UNREAD = ("was not read", "were not opened", "not opened", "was cut", "were cut", "was left out", "were opened", "was not weighed")
LONGEST_REASON = 300  # characters

ANSWERING = frozenset({Disposition.REPLY, Disposition.RETRACTION, Disposition.COUNTER_NOTICE, Disposition.AUTO_REPLY})
MAX_CARRIED = 50  # attached complaints of one mail that are read

#: Parsers whose ``reads_prose`` is true never claim more than LIKELY, and asking them costs most.
PROSE = tuple(parser for parser in PARSERS if getattr(parser, "reads_prose", False))
STRUCTURED = tuple(parser for parser in PARSERS if parser not in PROSE)
#: Who is asked about a mail: each with the words without which it claims nothing; None: always.
OF_MAIL = tuple((parser, FORMATS.get(parser.name)) for parser in STRUCTURED if parser.name not in NOT_IN_MAIL)


def read_submission(raw: bytes, hints: Hints | None = None, vocabulary: Vocabulary | None = None) -> list[ReportDraft]:
    """Every report in ``raw``, at least one draft; what cannot be read becomes a needs-a-person draft with the reason.

    ``vocabulary``: the operator's words and profiles; None: those of the package. Never raises on content.
    """
    vocabulary = vocabulary or packaged()
    drafts: list[ReportDraft] = []
    hints = hints or Hints(vocabulary=vocabulary)
    for message in open_message(raw, hints if hints.vocabulary is vocabulary else replace(hints, vocabulary=vocabulary)):
        message.defects += [defect for defect in hints.defects if defect not in message.defects]
        try:
            drafts += read_message(message, vocabulary)
        except Exception as error:  # a defect of ours must cost one report's automation, never the report
            log.exception("reading failed")
            drafts.append(_for_a_person(message, "unknown", f"reading it failed ({_place(error)}): a defect of the software"))
    return drafts


def _place(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{where}"


def read_message(message: Message, vocabulary: Vocabulary) -> list[ReportDraft]:
    """The drafts of one opened message."""
    if message.hints.seal_cleared:
        return [_unsealed(draft) for draft in _read(message, vocabulary)]
    return _read(message, vocabulary)


def _unsealed(draft: ReportDraft) -> ReportDraft:
    """What two people took the seal off: it is never sealed again, and where reading still says so, a person decides its kind."""
    rows = draft.table is not None and "category" in draft.table.columns and "csam" in draft.table["category"]
    if draft.sealed or draft.category == "csam" or rows or any(event.category == "csam" for event in draft.events):
        draft.sealed, draft.category, draft.category_from = False, None, None
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs.append("it was sealed by mistake, as two people said; a person says what kind it is")
        draft.table = None if rows else draft.table
        for event in draft.events:
            event.category = None
    return draft


def _read(message: Message, vocabulary: Vocabulary) -> list[ReportDraft]:
    sealed = None if message.hints.seal_cleared else _seal_reason(message)
    if sealed:
        return _sealed(message, sealed)
    verdict = verdict_of(message)
    if verdict is not None:
        return [_set_aside(message, verdict)]
    carried = _carried(message)
    if carried:
        return [draft for inner in carried for draft in _forwarded(inner, message, vocabulary)]
    profile = vocabulary.profile_of([one.domain for one in message.once(authenticated_domains)])
    _use_zone(message, profile)
    return [_finished(draft, message, profile, vocabulary) for draft in _parsed(message)]


def _carried(message: Message) -> list[Message]:
    """Complaints that a cover letter brings as attached mails; otherwise the mail servers that they passed would be accused."""
    if message.kind != "mail" or not message.embedded or _has_structure(message):
        return []
    return [inner for inner in message.embedded[:MAX_CARRIED] if inner.kind == "mail" and _has_structure(inner)]


def _forwarded(inner: Message, message: Message, vocabulary: Vocabulary) -> list[ReportDraft]:
    """The drafts of an attached complaint. Its own headers vouch for nobody: whoever forwards it could have written them."""
    drafts = [_finished(draft, inner, None, vocabulary) for draft in _parsed(inner)]
    for draft in drafts:
        draft.warnings.append(f"forwarded as an attachment by {sender_of(message).email or 'an unnamed sender'}")
    return drafts


def _has_structure(message: Message) -> bool:
    return any(claim >= Confidence.STRUCTURE for claim, _ in message.once(_structured_claims))


def _structured_claims(message: Message) -> list[tuple[Confidence, ModuleType]]:
    return [(claim, parser) for parser in _asked(message) if (claim := parser.claims(message)) > Confidence.NONE]


def _asked(message: Message) -> Iterable[ModuleType]:
    """The parsers of structure that may claim the message."""
    if message.kind != "mail":
        return STRUCTURED
    said = message.said
    return [parser for parser, words in OF_MAIL if said is None or words is None or not said.isdisjoint(words)]


def _use_zone(message: Message, profile: Profile | None) -> None:
    """The authenticated reporter's usual zone, where the source's settings name none."""
    if profile is not None and profile.zone and not message.hints.zone:
        hints = replace(message.hints, zone=profile.zone)
        for each in every_message(message):
            each.hints = hints


def _by_mapping(message: Message) -> list[ReportDraft]:
    """What the mapping of the source makes of the tables; empty where it has none, or where others may read the message.

    Columns are never guessed where an operator said which they are. A report that says by its own structure what it is may come
    by the same source.
    """
    if message.hints.mapping is None:
        return []
    try:
        return generic_feed.parse_mapped(message, known_mapping(message.hints.mapping))
    except (ParseError, InputError) as error:
        if _has_structure(message) or not generic_feed.is_refused(message):
            return []
        return [_for_a_person(message, "unknown", str(error))]


def _parsed(message: Message) -> list[ReportDraft]:
    mapped = _by_mapping(message)
    if mapped:
        return mapped
    problems = []
    for parser in claimants(message):
        try:
            drafts = parser.parse(message)
        except ParseError as error:
            problems.append(f"{parser.name}: {error}")
            continue
        if drafts:
            for draft in drafts:
                draft.warnings += [problem for problem in problems if problem not in draft.warnings]
                if parser in PROSE:
                    generic_feed.ask_which_column(message, draft)
            return drafts
    if not problems and _is_ordinary(message):
        return [_draft(message, "mail", Disposition.NOT_A_REPORT)]
    return [_for_a_person(message, "unknown", *(problems or [_table_problem(message) or "no parser knows this format"]))]


def _table_problem(message: Message) -> str:
    """Why the table in the message is not read; empty where there is none, or nothing is wrong with it."""
    try:
        table_files(message)
    except ParseError as error:
        return str(error)
    return ""


def _is_ordinary(message: Message) -> bool:
    """A mail that names nothing and complains of nothing."""
    letter = message.letter
    if message.kind != "mail" or message.defects or message.embedded or not (letter.strip() or message.header("subject")):
        return False
    text = f"{message.header('subject')}\n{letter}"
    named = find_addresses(text) or find_urls(text) or find_domains(text)
    return not named and len(message.parts) <= 2 and not phrase_in("complaint", plain_subject(message), "subjects")


def claimants(message: Message) -> Iterator[ModuleType]:
    """The parsers that claim the message, surest first. Those that read prose are asked only where no structure is claimed."""
    waiting = sorted(message.once(_structured_claims), key=lambda pair: -pair[0])
    while waiting and waiting[0][0] > Confidence.LIKELY:
        yield waiting.pop(0)[1]
    waiting += [(claim, parser) for parser in PROSE if (claim := parser.claims(message)) > Confidence.NONE]
    yield from (parser for _, parser in sorted(waiting, key=lambda pair: -pair[0]))


def _is_torn(message: Message) -> bool:
    """Whether a text of the mail has an address with NUL in it, which no parser can read."""
    texts = (part for part in message.parts if b"\0" in part.content and part.content_type.startswith(("text/", "message/")))
    return message.kind == "mail" and any(TORN in part.text for part in texts)


def _finished(draft: ReportDraft, message: Message, profile: Profile | None, vocabulary: Vocabulary) -> ReportDraft:
    """Reporter and dates from the headers where the parser left them open, the category, and whether a person must look."""
    _complete(draft, message)
    use_known_zone(draft, message.hints.zone)
    if draft.disposition is Disposition.REPORT:
        draft.category, draft.category_from = classify(draft, message, profile, vocabulary)
        if not draft.events and draft.table is None:
            draft.needs.append("no address, domain or URL was found")
        elif not _has_category(draft):
            draft.warnings.append("its category is not known; a person must choose it")
    if _is_torn(message):
        draft.needs.append("what may be an address in it is torn by NUL bytes; nobody can say which address it was")
    if draft.needs and draft.disposition is Disposition.REPORT:
        draft.disposition = Disposition.NEEDS_A_PERSON
    if draft.disposition is Disposition.NEEDS_A_PERSON and not draft.needs:
        nothing = not draft.events and draft.table is None
        draft.needs.append("no address, domain or URL was found" if nothing else "the report leaves open what it accuses")
    _not_read_to_its_end(draft)
    draft.needs = [need[:LONGEST_REASON] for need in draft.needs]
    return draft


def _not_read_to_its_end(draft: ReportDraft) -> None:
    """What was cut off may be the complaint: such a mail is not set aside unseen."""
    unread = [warning for warning in draft.warnings if any(word in warning for word in UNREAD)]
    if unread and draft.disposition is Disposition.NOT_A_REPORT:
        draft.disposition = Disposition.NEEDS_A_PERSON
        draft.needs += unread[:3]


def _has_category(draft: ReportDraft) -> bool:
    in_table = draft.table is not None and "category" in draft.table.columns
    return bool(draft.category or in_table or any(event.category for event in draft.events))


def _complete(draft: ReportDraft, message: Message) -> None:
    if message.kind == "mail":
        stated = sender_of(message)
        draft.reporter.email = draft.reporter.email or stated.email
        draft.reporter.name = draft.reporter.name or stated.name
        draft.reporter.authenticated_as = _vouched_for(message, stated.email or "")
        draft.automated = _is_automated(message)
        draft.subject = draft.subject or message.header("subject") or None
        if draft.reported_at is None:
            moment = read_time(message.header("date"))
            draft.reported_at = moment.at if moment else None
    draft.warnings += [defect for defect in message.defects if defect not in draft.warnings]


def _is_automated(message: Message) -> bool:
    """Whether an answer would reach a machine or a list (RFC 3834 section 2, RFC 2919)."""
    precedence = message.header("precedence").strip().lower()
    listed = message.header("list-id") or precedence in {"bulk", "junk", "list"}
    return bool(listed) or null_path(message) or auto_submitted(message) not in {"", "no"}


def _vouched_for(message: Message, sender: str) -> str | None:
    """The authenticated domain that the sender's address belongs to (identifier alignment, RFC 7489 section 3.1)."""
    domain = sender.rpartition("@")[2].lower()
    if not domain or not message.hints.trusted_authserv:
        return None
    passed = (one.domain for one in message.once(authenticated_domains))
    return next((name for name in passed if domain == name or domain.endswith(f".{name}") or name.endswith(f".{domain}")), None)


def _seal_reason(message: Message) -> str | None:
    try:
        return must_seal(message)
    except Exception:  # what cannot be judged is not shown to anybody: the sealed queue can be undone, a look cannot
        log.exception("sealing failed")
        return "whether it must be sealed could not be decided"


def _draft(message: Message, form: str, disposition: Disposition) -> ReportDraft:
    draft = ReportDraft(format=form, disposition=disposition, reporter=Reporter())
    _complete(draft, message)
    return draft


def _for_a_person(message: Message, form: str, *reasons: str) -> ReportDraft:
    draft = _draft(message, form, Disposition.NEEDS_A_PERSON)
    draft.needs += reasons
    return draft


def _set_aside(message: Message, verdict: Verdict) -> ReportDraft:
    draft = _draft(message, verdict.format, verdict.disposition)
    draft.external_id = verdict.reference
    if verdict.disposition is Disposition.BOUNCE:
        draft.returned = returned(message)
    elif verdict.disposition in ANSWERING:
        draft.said = said(message)
    if verdict.disposition is Disposition.NEEDS_A_PERSON:
        draft.needs.append(verdict.reason)
    else:
        draft.warnings.insert(0, verdict.reason)
    return draft


def _sealed(message: Message, reason: str) -> list[ReportDraft]:
    """No subject, no words. Address and time of a machine-readable structure are kept for the sealed queue's own roles."""
    drafts: list[ReportDraft] = []
    for parser in claimants(message):
        if parser.claims(message) >= Confidence.STRUCTURE:
            try:
                drafts = parser.parse(message)
            except Exception as error:  # a defect must not take the seal off
                if not isinstance(error, ParseError):
                    log.error("reading a sealed structure failed: %s", _place(error))
                continue
            break
    drafts = [draft for draft in drafts if draft.table is None] or [ReportDraft(format="sealed")]
    for draft in drafts:
        draft.disposition, draft.sealed = Disposition.NEEDS_A_PERSON, True
        draft.category, draft.category_from = "csam", "sealed before reading"
        draft.subject = draft.description = None
        draft.needs, draft.warnings = [reason], []
        for event in draft.events:
            event.category, event.details = None, {}
    return drafts
