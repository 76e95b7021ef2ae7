# ruff: noqa: E501 - patterns read better whole
"""What a message is, decided before what it says: returned, automatic, an answer to a case, an opt-out … or perhaps a report.

Order matters and is the order below. Whatever carries a report's own structure stays a report, however automatic its sender looks.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tipstaff.correspondence.references import token_in_address, token_in_message_ids, token_in_subject, token_in_text
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Message
from tipstaff.intake.reading.answering import split
from tipstaff.intake.reading.automatic import (
    auto_reply_reason,
    bounce_reason,
    declared_report,
    index,
    phrase_in,
    plain_subject,
    words,
)
from tipstaff.intake.reading.feedback import feedback_part
from tipstaff.intake.reading.indicators import find_addresses, find_urls
from tipstaff.intake.reading.letters import own_words
from tipstaff.intake.reading.mailboxes import addresses_of, sender_of
from tipstaff.intake.reading.marks import AGGREGATE, STRUCTURE
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import fold

_FEEDBACK_ROOT = pattern(rb"<feedback[\s>]")
_DMARC_SUBJECT = pattern(r"(?i)^\s*(?:\[[^\]]{1,40}\]\s*)?report domain:\s*\S+.{0,200}submitter:")
_TLS_TYPES = {"application/tlsrpt+json", "application/tlsrpt+gzip"}
_TLS_FIELDS = (b'"organization-name"', b'"date-range"', b'"policies"')
_STRUCTURE_HEADERS = ("x-xarf", "x-arf")
_STRUCTURE = (b"<Infringement", b"xarf_version", b'"XARF"', b"Report-Type:", b"Reported-From:")
MOST_WORDS = 30  # of a letter that asks for no more mail
_SNS = pattern(r"(?s)^\s*\{.{0,200}\"notificationType\"\s*:\s*\"(Bounce|Delivery)\"")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a message is, why (in words), and the case or identifier that it names."""

    disposition: Disposition
    reason: str
    format: str = "mail"
    reference: str | None = None


def verdict_of(message: Message) -> Verdict | None:
    """Why ``message`` is no new report, or None where it may be one."""
    if message.kind != "mail":
        return _dmarc(message)
    for rule in RULES:
        verdict = rule(message)
        if verdict is not None:
            return verdict if verdict.disposition is not Disposition.REPORT else None
    return None


def _own_mail(message: Message) -> Verdict | None:
    """Our own mail coming back: forwarded to the desk by a rule, or looped through a list."""
    own = {address.lower() for address in message.hints.own_addresses}
    if not own and not message.hints.own_domains:
        return None
    sender = (sender_of(message).email or "").lower()
    looped = own & set(addresses_of(message, "x-loop"))
    if not looped and sender not in own and not _is_ours(message, message.header("message-id")):
        return None
    if declared_report(message) or (message.embedded and not token_in_message_ids(message.header("message-id"))):
        return None  # a colleague forwards a complaint from the desk's own mailbox
    return Verdict(Disposition.NOT_A_REPORT, "our own mail coming back", reference=case_reference(message))


def _is_ours(message: Message, text: str) -> bool:
    domain = text.strip("<> ").rpartition("@")[2].lower()
    return bool(domain) and domain in {own.lower() for own in message.hints.own_domains} and token_in_message_ids(text) is not None


def _returned(message: Message) -> Verdict | None:
    reason = bounce_reason(message)
    if reason is None and "notificationType" in message.letter and _SNS.match(message.letter):
        reason = "a delivery notification of a mail service"
    return Verdict(Disposition.BOUNCE, reason, "bounce", case_reference(message)) if reason else None


def _dmarc(message: Message) -> Verdict | None:
    """Aggregate reports of DMARC (RFC 7489) and TLS reports (RFC 8460): about our own domains, accusing nobody."""
    if any(part.content_type in _TLS_TYPES for part in message.parts) or declared_report(message) == "tlsrpt":
        return Verdict(Disposition.NOT_A_REPORT, "a report on TLS sessions (RFC 8460)", "tls-report")
    if message.kind == "json" and all(field in message.raw[:4_000] for field in _TLS_FIELDS):
        return Verdict(Disposition.NOT_A_REPORT, "a report on TLS sessions (RFC 8460)", "tls-report")
    found = message.may_say(*AGGREGATE) and any(_is_aggregate(part.content[:24_000]) for part in message.parts)
    if found or (message.kind == "mail" and _DMARC_SUBJECT.search(message.header("subject"))):
        return Verdict(Disposition.AUTH_FAILURE, "an aggregate report of DMARC (RFC 7489)", "dmarc-aggregate")
    return None


def _is_aggregate(start: bytes) -> bool:
    return (b"<report_metadata" in start or b"<policy_published" in start) and bool(_FEEDBACK_ROOT.search(start[:2_000]))


def _structured(message: Message) -> Verdict | None:
    """A report's own structure: nothing below may set it aside."""
    named = any(message.header(header) for header in _STRUCTURE_HEADERS) or declared_report(message) == "feedback-report"
    if named or _shows_structure(message) or feedback_part(message) is not None:
        return Verdict(Disposition.REPORT, "a report's own structure")
    return None


def _shows_structure(message: Message) -> bool:
    if not message.may_say(*STRUCTURE):
        return False
    starts = (part.content[:20_000] for part in message.parts)
    return any(marker in start for start in starts for marker in _STRUCTURE)


def _automatic(message: Message) -> Verdict | None:
    reason = auto_reply_reason(message)
    return Verdict(Disposition.AUTO_REPLY, reason, "auto-reply", case_reference(message)) if reason else None


def _counter_notice(message: Message) -> Verdict | None:
    """17 U.S.C. 512(g)(3): names itself, or says what only a counter-notice must say."""
    letter = fold(own_words(message)[:20_000])
    elements = {hit.phrase for hit in index("counter_notice", "elements").find(letter, folded=True)}
    if not elements:
        return None
    titled = phrase_in("counter_notice", plain_subject(message), "titles") or phrase_in("counter_notice", letter[:1_500], "titles")
    if (titled or len(elements) >= 3) and not phrase_in("counter_notice", letter, "claims"):
        return Verdict(
            Disposition.COUNTER_NOTICE,
            "it states the elements of a counter-notice (17 U.S.C. 512(g))",
            "counter-notice",
            case_reference(message),
        )
    return None


def _retraction(message: Message) -> Verdict | None:
    letter = fold(own_words(message)[:1_200])
    subject = plain_subject(message)
    said = [*_unnegated(subject), *_unnegated(letter)]
    weak = set(words()["retraction"]["weak"])
    strong = next((phrase for phrase in said if phrase not in weak), None) or (said[0] if len(set(said)) > 1 else None)
    if not strong:
        return None
    if phrase_in("retraction", letter, "corrections"):
        return Verdict(
            Disposition.NEEDS_A_PERSON, f"it says {strong!r} and corrects an earlier report", "retraction", case_reference(message)
        )
    return Verdict(Disposition.RETRACTION, f"it says {strong!r}", "retraction", case_reference(message))


def _unnegated(text: str) -> list[str]:
    """The words of a retraction in ``text`` that no "not" stands before."""
    negations = index("retraction", "negations")
    found = []
    for hit in index("retraction", "phrases").find(text, folded=True):
        before = text[max(0, hit.start - 14) : hit.start]
        if not any(no.end >= len(before) - 2 for no in negations.find(before, folded=True)):
            found.append(hit.phrase)
    return found


_SPACE = r"[^!?\n]{0,90}?\s"
_OF_OTHERS = pattern(
    r"(?i)spam|spammer|newsletter|(?:your|ihr\pL*|votre|vostro|su|uw|jullie|wasz\pL*|vosso|ваш\pL*) (?:customers?|client\pL?|kunde\pL?|klant|klient\pL?|клиент\pL?|server|user)|hosted|сервер\pL*|客户|顧客"
)
#: A short letter that asks to be taken off a list of ours: ``please remove our address from your list of notices``.
_LEAVES_LIST = pattern(
    rf"(?i)\b(?:remov\pL+|delet\pL+|take){_SPACE}(?:from|off) (?:your|the|this) (?:[\pL-]+ ){{0,2}}(?:list\pL*|notifications?|notices)|\b(?:stop|quit) (?:sending|mailing|e-?mailing|notifying) (?:me|us)\b{_SPACE}(?:notices?|notifications?|mails?|messages)|"
    rf"\b(?:streich\pL+|entfern\pL+|nehm\pL+|lösch\pL+){_SPACE}(?:aus|von) (?:ihre[mr]|dem|der) (?:[\pL-]*verteiler|[\pL-]*liste)|\b(?:retir\pL+|supprim\pL+|enlev\pL+){_SPACE}de (?:votre|vos|la) (?:listes?|fichiers?)|"
    rf"\b(?:elimin\pL+|quit\pL+|borr\pL+|retir\pL+){_SPACE}de (?:su|la|vuestra) lista|\b(?:rimuov\pL+|cancell\pL+|toglie\pL+){_SPACE}(?:dalla|dalle) (?:vostr[ae] )?list[ae]|\b(?:verwijder\pL*|haal){_SPACE}(?:uit|van) (?:uw|jullie|de) (?:[\pL-]*lijst)|"
    rf"\b(?:usun\pL+|wykreśl\pL+|wypis\pL+){_SPACE}z (?:państwa |waszej |tej )?listy|\b(?:remov\pL+|retir\pL+|elimin\pL+){_SPACE}da (?:vossa |sua )?lista|(?:удалите|исключите|уберите){_SPACE}из (?:вашего |вашей |списка)|(?:从|自)[^。\n]{{0,12}}(?:名单|列表|邮件列表)[^。\n]{{0,6}}(?:移除|删除|除名)|(?:リスト|名簿)から(?:削除|外して|除外)"
)


def _opt_out(message: Message) -> Verdict | None:
    """A wish to get no more of our mail: one click (RFC 8058), the subject alone, or a letter of a few words."""
    for address in (*message.hints.envelope_to, *addresses_of(message, "to", "delivered-to")):
        if address.partition("@")[0].partition("+")[2].startswith("unsub") or address.lower().startswith(
            ("unsubscribe@", "optout@", "opt-out@")
        ):
            return Verdict(Disposition.OPT_OUT, f"it was sent to {address}", "opt-out")
    letter = own_words(message)
    if (
        said := _LEAVES_LIST.search(letter[:900])
        if len(letter) < 900 and not find_addresses(letter) and not _OF_OTHERS.search(letter)
        else None
    ):
        return Verdict(Disposition.OPT_OUT, f"it says {said.group().strip()[:60]!r}", "opt-out", case_reference(message))
    if sum([any(map(str.isalnum, word)) for word in letter[:400].split()]) > MOST_WORDS + 1:
        return None
    spoken = fold(letter).strip(" .!\n-").split("\n-- ")[0].split()
    phrases, alone = index("opt_out", "phrases"), words()["opt_out"]["alone"]
    for text in (plain_subject(message).strip(" .!"), " ".join(spoken)):
        whole = next(
            (
                hit
                for hit in phrases.find(text[:200], folded=True)
                if hit.start == 0 and len(text) <= len(hit.phrase) + (0 if hit.phrase in alone else 40)
            ),
            None,
        )
        if whole and len(spoken) <= MOST_WORDS and not find_addresses(letter) and not find_urls(letter):
            return Verdict(Disposition.OPT_OUT, f"it says {whole.phrase!r}", "opt-out", case_reference(message))
    return None


def _reply(message: Message) -> Verdict | None:
    reference = case_reference(message)
    return Verdict(Disposition.REPLY, f"it answers {reference}", "reply", reference) if reference else None


def case_reference(message: Message) -> str | None:
    """The case token (or Message-ID of ours) that the message names: envelope and recipient first, then threading, then subject."""
    recipients = (*message.hints.envelope_to, *addresses_of(message, "to", "cc", "delivered-to", "x-original-to", "envelope-to"))
    for address in recipients:
        token = token_in_address(address)
        if token:
            return token
    for header in ("in-reply-to", "references"):
        token = token_in_message_ids(message.header(header))
        if token:
            return token
    own = {domain.lower() for domain in message.hints.own_domains}
    ours = [
        one
        for one in f"{message.header('references')} {message.header('in-reply-to')}".split()
        if one.strip("<>,").rpartition("@")[2].lower() in own
    ]
    if own and ours and token_in_subject(message.header("subject")) is None:
        return ours[-1].strip("<>,")
    return token_in_subject(message.header("subject")) or _carried_reference(message)


def _carried_reference(message: Message) -> str | None:
    """An answer that lost its threading, its subject and our plus-address: the mail of ours that it forwards or quotes names its
    case. Only what is forwarded or quoted counts: a new complaint may speak of an old case."""
    for inner in message.embedded[:5]:
        if token := token_in_message_ids(inner.header("message-id")):
            return token
    quoted = split(message.letter[:100_000])[1] if "[#" in message.letter else ""
    return token_in_text(quoted)


#: Each rule answers for what it knows; a verdict of REPORT ends the list with "may be a report".
RULES: tuple[Callable[[Message], Verdict | None], ...] = (
    _own_mail,
    _returned,
    _dmarc,
    _structured,
    _automatic,
    _counter_notice,
    _retraction,
    _opt_out,
    _reply,
)
