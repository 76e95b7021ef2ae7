# ruff: noqa: E501 - patterns and lists of words read better whole
"""A letter taken apart: text and attached logs, lines, cues, language, time zone, pasted headers. What ``complaint`` judges."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from tipstaff.intake.message import Message
from tipstaff.intake.reading.indicators import find_addresses, find_mailboxes, find_urls, host_of
from tipstaff.intake.reading.languages import language_of
from tipstaff.intake.reading.letters import html_to_text
from tipstaff.intake.reading.links import FREEMAIL, site_of
from tipstaff.intake.reading.loglines import read_log_line
from tipstaff.intake.reading.mailboxes import sender_of
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit
from tipstaff.intake.reading.prose_times import Said, find_said, stated_zone, zone_of_same_clock
from tipstaff.intake.reading.received import Hop, hops, is_global, source_hop
from tipstaff.intake.reading.sections import Line, Zone, folded, sections
from tipstaff.intake.reading.times import read_time
from tipstaff.intake.reading.wrapping import unwrapped
from tipstaff.intake.vocabulary.load import Vocabulary, packaged

MAX_LETTER = 120_000  # characters of a letter that are judged
MAX_PASTED = 20  # mails whose pasted headers are looked at
MAX_ATTACHED = 120_000  # characters of attached logs
_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # characters of no width, which tear addresses apart
_UNSEEN_GONE = dict.fromkeys(map(ord, _UNSEEN))
#: Wide forms of East Asian typing: ``１９２．０．２．１``.
_WIDE = {wide: wide - 0xFEE0 for wide in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), 0xFF0E)}
_LEADER = pattern(r"(\pL[)\]]?)[ \t]?\.{4,40}[ \t]?:?[ \t]+")  # ``Address ........: 192.0.2.1``
_TORN = pattern(r"(?i)\bh(?:tt|xx)ps? ?: ?// ?[a-z0-9-]{1,63}(?:(?: \. |\.)[a-z0-9-]{1,63}){1,6}(?: ?/ ?[\w./?=&%~#+-]{0,300})?")
_REPORT_TIME = pattern(
    r"(?i)(?:report(?:ed)?(?: was)? (?:generated|created|date|time|sent)|generated(?: on| at)?|date of report|report date|reported(?: on| at)?|sent(?: on| at)?|printed|created(?: on| at)?|until|deadline|"
    r"before|no later than|by|expires?|valid|updated|registered|gesendet|erstellt(?: am)?|gemeldet(?: am)?|bis(?: zum)?|frist|généré le|envoyé le|avant le|generado el|enviado el|antes del|generato il|entro il|"
    r"gegenereerd op|verzonden op|vóór|wygenerowano|wysłano|gerado em|enviado em|até|создано|отправлено|до|报告时间|发送时间|報告日時|送信日時|wrote|received on|last modified|last changed)[\s:=(*|]{0,6}$"
)
_DAY_OR_MONTH = pattern(r"\d[./-]\d{1,2}[./-]\d{4}")  # ``dmy`` in ``prose_times`` has it


_IN_PROSE = frozenset(("ordinary", "mailing", "resolved"))  # kinds of phrases that say nothing inside the name of a page


def _is_in_link(text: str, position: int) -> bool:
    """``oferta`` in ``https://shop.example/oferta``."""
    start = max(text.rfind(edge, max(0, position - 300), position) for edge in ' \n\t<("')
    before = text[start + 1 : position]
    return "://" in before or before.lower().startswith("www.") or ("/" in before and "." in before.partition("/")[0])


@dataclass
class Facts:
    """The letter and what was found in it by form alone."""

    message: Message
    text: str
    subject: str
    lines: list[Line]
    hits: list[Hit]
    language: str | None
    zone: str | None
    reference: datetime | None
    vocabulary: Vocabulary
    attached: list[tuple[int, str]] = field(default_factory=list)  # (offset in text, where the part stands)
    sender: Message | None = None  # the inner mail, where the letter was forwarded whole

    def kinds(self, kind: str, *, own_words: bool = True) -> set[str]:
        """The distinct phrases of a kind in the writer's own words and the subject."""
        found = {hit.phrase for hit in self.subject_hits if hit.value.kind == kind}
        for hit in self.hits:
            if hit.value.kind != kind or hit.phrase in found or (kind in _IN_PROSE and _is_in_link(self.text, hit.start)):
                continue
            if not own_words or self.line_at(hit.start).zone in (Zone.BODY, Zone.CLOSING, Zone.SMALL_PRINT):
                found.add(hit.phrase)
        return found

    @cached_property
    def subject_hits(self) -> list[Hit]:
        return self.vocabulary.cue_index.find(self.subject)

    def line_at(self, position: int) -> Line:
        low, high = 0, len(self.lines) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.lines[middle].start <= position:
                low = middle
            else:
                high = middle - 1
        return self.lines[low]

    def where(self, position: int) -> str:
        """The place of a character for a person: ``letter line 12``, ``part 2 line 3``."""
        line = self.line_at(position)
        for offset, name in reversed(self.attached):
            if position >= offset:
                return f"part {name} line {line.number - self.line_at(offset).number + 1}"
        return f"letter line {line.number}"

    @cached_property
    def forwards_sample(self) -> bool:
        """Whether the letter shows the offending mail itself, forwarded below the writer's own words."""
        return any(line.zone is Zone.SAMPLE and line.text.strip() for line in self.lines)

    @cached_property
    def own_words(self) -> str:
        """The writer's own words, without logs, pasted mail and small print."""
        return "\n".join(line.text for line in self.lines if line.zone in (Zone.BODY, Zone.CLOSING))

    @cached_property
    def times(self) -> list[tuple[Said, Line]]:
        """Times of what happened: not those of the report, a quotation, a signature or pasted headers."""
        found = []
        for said in find_said(self.text, language=self.language, zone=self.zone, reference=self.reference):
            line = self.line_at(said.start)
            lead = self.text[line.start : said.start]
            if line.zone in (Zone.BODY, Zone.CLOSING, Zone.LOG) and not _REPORT_TIME.search(lead):
                found.append((said, line))
        return found

    @cached_property
    def reporter_domains(self) -> frozenset[str]:
        """The reporter's own names: of the sender, and of mail addresses in the closing and the signature."""
        sender = self.sender or self.message
        boxes = [sender_of(sender).email or "", *(sender.header(name) for name in ("reply-to", "return-path", "sender"))]
        boxes += [line.text for line in self.lines if line.zone in (Zone.CLOSING, Zone.SIGNATURE, Zone.SMALL_PRINT)]
        hosts = {box.value.rpartition("@")[2] for text in boxes for box in find_mailboxes(text)}
        names = {site_of(host) for host in hosts}
        return frozenset(name for name in names if name and name not in FREEMAIL)

    def _into_reporters_side(self, mail: Message) -> Hop | None:
        """The oldest handover to a server under the reporter's own name: what stands newer was forwarded by machines of his."""
        if self.message.hints.own_networks:
            return None
        taken = [
            hop
            for hop in hops(mail)
            if is_global(hop.from_ip)
            and site_of((hop.by or "").split(" ")[0].lower()) in self.reporter_domains
            and site_of((hop.from_name or "").lower()) not in self.reporter_domains
        ]
        return taken[-1] if taken else None

    @cached_property
    def pasted_hop(self) -> tuple[Hop, Line] | None:
        """Who handed the offending mail over, from headers pasted into the letter, and the line where they begin."""
        blocks = self._pasted_blocks
        return self._handed_over(blocks[0]) if blocks else None

    @cached_property
    def further_sources(self) -> list[tuple[Hop, Line]]:
        """The same of further mails whose headers stand in the letter, where others handed them over."""
        first = self.pasted_hop[0].from_ip if self.pasted_hop else None
        found = [one for block in self._pasted_blocks[1:MAX_PASTED] if (one := self._handed_over(block)) is not None]
        return [one for one in found if one[0].from_ip not in (None, first)]

    @cached_property
    def _pasted_blocks(self) -> list[list[Line]]:
        blocks: list[list[Line]] = []
        for before, line in pairwise([None, *self.lines]):
            if line is not None and line.zone is Zone.HEADERS:
                if before is None or before.zone is not Zone.HEADERS:
                    blocks.append([])
                blocks[-1].append(line)
        return blocks

    def _handed_over(self, block: list[Line]) -> tuple[Hop, Line] | None:
        mail = _as_mail(block)
        hop = self._into_reporters_side(mail) or source_hop(mail, self.message.hints.own_networks)
        return (hop, block[0]) if hop is not None else None


def _as_mail(block: list[Line]) -> Message:
    headers: list[tuple[str, str]] = []
    margin = block[0].text[: len(block[0].text) - len(block[0].text.lstrip(" "))]
    for line in block:
        text = line.text.removeprefix(margin).lstrip(">").strip("\r")
        text = text.removeprefix(" ") if line.text.startswith("> ") else text
        name, colon, value = text.partition(":")
        if text[:1].isspace() or not colon or " " in name.strip():
            if headers:
                headers[-1] = (headers[-1][0], f"{headers[-1][1]} {text.strip()}")
        else:
            headers.append((name.strip(), value.strip()))
    return Message(kind="mail", raw=b"", headers=headers)


def facts_of(
    message: Message, vocabulary: Vocabulary | None = None, *, text: str | None = None, sender: Message | None = None
) -> Facts:
    """The facts of a mail, or of a text file. ``text`` and ``sender``: the letter of a mail that was forwarded inside this one."""
    vocabulary = vocabulary or message.hints.vocabulary or packaged()
    letter = (text if text is not None else message.letter)[:MAX_LETTER]
    if message.kind != "mail" and "<html" in letter[:2_000].lower():
        letter = html_to_text(letter)
    attached: list[tuple[int, str]] = []
    if message.kind == "mail":
        letter, attached = _with_logs(letter, message)
    letter = _plainly_written(letter)
    hits = vocabulary.cue_index.find(folded(letter), folded=True)
    lines = sections(letter, hits)
    if attached:
        own = (sender_of(sender or message).email or "").rpartition("@")[2]
        _set_attached_apart(lines, attached[0][0], site_of(own))
    _set_samples_apart(letter, lines, hits, vocabulary)
    subject = (sender or message).header("Subject")
    if not find_addresses(subject):
        _take_quoted_complaint(lines)
    moment = read_time((sender or message).header("Date"))
    reference = moment.at if moment and moment.at else message.hints.received_at
    # Who writes the day first matters only where the order can be doubted.
    language = language_of("\n".join((subject, letter[:6_000]))) if _DAY_OR_MONTH.search(letter) else None
    zone = stated_zone(letter[:20_000]) or zone_of_same_clock(letter[:20_000], language) or message.hints.zone
    text = unwrapped(letter, lines)
    return Facts(message, text, subject, lines, hits, language, zone, reference, vocabulary, attached, sender)


def _plainly_written(letter: str) -> str:
    """The letter without characters of no width, its wide digits narrow, its dotted leaders a colon, its torn links whole."""
    if not letter.isascii():
        if any(c in letter for c in _UNSEEN):
            letter = letter.translate(_UNSEEN_GONE)
        letter = letter.translate(_WIDE)
    if "...." in letter:
        letter = _LEADER.sub(r"\1: ", letter)
    if ": //" in letter or ":// " in letter:
        letter = _torn_links_joined(letter)
    return letter


def _torn_links_joined(letter: str) -> str:
    """``https: // shop . example . org / pay`` as one would click it."""
    out, at = [], 0
    for match in _TORN.finditer(letter):
        if "// " in match.group() or " //" in match.group() or " :" in match.group():
            out += [letter[at : match.start()], "".join(match.group().split(" "))]
            at = match.end()
    return "".join(out) + letter[at:]


def _with_logs(letter: str, message: Message) -> tuple[str, list[tuple[int, str]]]:
    attached: list[tuple[int, str]] = []
    room = MAX_ATTACHED
    for part in message.parts:
        name = (part.filename or "").lower()
        is_text = part.content_type in (
            "text/plain",
            "application/octet-stream",
            "text/x-log",
            "application/x-log",
            "text/csv",
        ) and (part.attachment or part.filename)
        if not is_text or name.endswith((".yaml", ".yml", ".json", ".xml", ".eml", ".html", ".pdf", ".asc", ".sig")) or room <= 0:
            continue
        text = part.text[:room]
        named = name.endswith((".log", ".txt", ".csv")) and any(find_addresses(line) for line in text.split("\n")[:200])
        if text.strip() and text.strip() not in letter and (named or any(read_log_line(line) for line in text.split("\n")[:200])):
            letter = letter.rstrip("\n") + "\n\n"
            attached.append((len(letter), part.where))
            letter += text
            room -= len(text)
    return letter, attached


def _set_attached_apart(lines: list[Line], start: int, own_site: str) -> None:
    """Of an attached file only the log lines and pasted headers speak, unless the letter itself names nothing: then the file is the letter."""
    stub = not any(
        find_addresses(line.text) or any(site_of(host_of(url.value) or "") != own_site for url in find_urls(line.text))
        for line in lines
        if line.start < start and line.zone in (Zone.BODY, Zone.QUOTED, Zone.CLOSING)
    )
    for line in lines:
        if line.start >= start and line.zone in (Zone.BODY, Zone.CLOSING, Zone.SIGNATURE, Zone.SMALL_PRINT, Zone.QUOTED):
            line.zone = Zone.BODY if stub else Zone.SIGNATURE


def _accuses(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a forwarded mail is itself a complaint: it speaks of attacks, as no offending mail does, and names an address."""
    attacks = {hit.value.category for hit in vocabulary.keyword_index.find(text)} & {"intrusion", "scan", "ddos_origin"}
    return bool((attacks or _STOPPED.search(text)) and find_addresses(text))


def _take_quoted_complaint(lines: list[Line]) -> None:
    """A desk passes on what it was sent: its own words name nothing, the quoted ones are the complaint."""
    quoted = [line for line in lines if line.zone is Zone.QUOTED]
    if not quoted or any(line.zone in (Zone.BODY, Zone.LOG) and _names_something(line.text) for line in lines):
        return
    if any(_names_something(line.text) for line in quoted):
        for line in quoted:
            line.zone = Zone.BODY


def _names_something(text: str) -> bool:
    return bool(find_addresses(text) or find_urls(text))


#: Kinds of abuse that a mail itself can be: what such a mail says of attacks is part of the bait.
_OF_MAILS = frozenset(("phishing", "spam", "fraud_site", "header_forgery"))
_STOPPED = pattern(
    r"(?i)\b(?:blocked|banned|blockiert|gesperrt|bloquée?|bannie?|bloquead[ao]|bloccat[ao]|geblokkeerd|zablokowan[yae]|заблокирован\pL?)\b|封禁|已阻止|ブロック"
)


def _set_samples_apart(letter: str, lines: list[Line], hits: list[Hit], vocabulary: Vocabulary) -> None:
    """A mail forwarded in the letter is the offending mail itself, where the letter complains before it and the mail does not complain."""
    cut = next((line for line in lines if line.zone is Zone.FORWARD), None)
    if cut is None:
        return
    named = {hit.value.category for hit in vocabulary.keyword_index.find(letter[: cut.start]) if hit.value.weight >= 2}
    complains = bool(named) or any(hit.value.kind == "complaint" and hit.start < cut.start for hit in hits)
    inside = {hit.phrase for hit in hits if hit.value.kind == "complaint" and hit.start > cut.start}
    if (
        complains
        and len(inside) < 2
        and (named & _OF_MAILS or not _accuses(letter[cut.start :], vocabulary))
        and not any("[.]" in found.as_written or found.as_written[:2].lower() == "hx" for found in find_urls(letter[cut.start :]))
    ):
        for line in lines:
            if line.start > cut.start and line.zone in (Zone.BODY, Zone.CLOSING):
                line.zone = Zone.SAMPLE
