# ruff: noqa: E501, SIM905 - patterns and lists of words read better whole
"""What each line of a letter is: the writer's own words, a quotation, pasted headers, a log, a signature, small print."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tipstaff.intake.reading.loglines import may_be_log_line, may_name_address
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit, fold

MAX_LINES = 20_000
MIN_PARAGRAPH = 60  # characters before a word of small print from which on its line may be a paragraph
_SENTENCE = pattern(r"[.!?]\s+\p{Lu}")
WHOIS_LINES = 3  # so many make a block
LONGEST_OPENING = 240  # characters of 'On … wrote:' on two lines


class Zone(StrEnum):
    """The part that a line plays."""

    BODY = "body"
    LOG = "log"  # set by the caller, who reads the grammar of logs
    OPENING = "opening"  # 'On … wrote:', which says when somebody wrote and not when it happened
    QUOTED = "quoted"  # '>' or after an opening
    HEADERS = "headers"  # mail headers pasted into the letter
    SAMPLE = "sample"  # the offending mail itself, after its headers
    FORWARD = "forward"  # From/To/Subject lines of a forwarded mail
    CLOSING = "closing"  # after 'Kind regards'
    SIGNATURE = "signature"  # after '-- '
    SMALL_PRINT = "small print"
    WHOIS = "whois"
    TRACE = "trace"  # traceroute, ping


@dataclass(slots=True)
class Line:
    """``letter[start:start+len(text)]``; ``number`` counts from 1."""

    text: str
    start: int
    number: int
    zone: Zone
    labelled: bool = False  # what stands before its colon is a field of mail or whois
    may_log: bool = True  # false where no address can be in it (``loglines.may_be_log_line``)

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_FORWARDED = pattern(
    r"(?i)^\s*(?:-{2,}\s?.{0,40}(?:forwarded|original message|weitergeleitete|ursprüngliche nachricht|originalnachricht|message transféré|message d'origine|reenviado|mensaje original|"
    r"inoltrato|messaggio originale|doorgestuurd|oorspronkelijk bericht|przekazana|wiadomość oryginalna|encaminhada|mensagem original|пересланное|пересылаемое|исходное сообщение|转发|原始邮件|转发的邮件|転送|元のメッセージ).{0,40}-{0,}\s*$"
    r"|begin forwarded message:|anfang der weitergeleiteten|début du message transféré|inizio messaggio inoltrato)"
)
_MAIL_FIELDS = (
    "from|to|cc|bcc|subject|date|sent|reply-to|von|an|betreff|datum|gesendet|de|à|objet|envoyé|para|asunto|enviado|fecha|da|a|oggetto|inviato|data|van|aan|onderwerp|verzonden|"
    "od|do|temat|wysłano|assunto|от|кому|тема|дата|отправлено|发件人|收件人|主题|日期|发送时间|抄送|差出人|宛先|件名|日時|送信日時"
)
_MAIL_FIELD = pattern(rf"(?i)^[\s*>]{{0,4}}(?:{_MAIL_FIELDS})\s?[*]?\s?[::]\s")
_FORWARD_STARTS = frozenset("-bBaAdDiI")
_TURNS = _FORWARD_STARTS | {">"}  # a line of the body that begins with none of them mostly leaves the zone as it is
_HEADER = pattern(r"^[>\s]{0,3}([A-Za-z][A-Za-z0-9-]{1,60}):(?:\s|$)")
_OPENERS = frozenset(
    (
        "received return-path delivered-to x-original-to x-received arc-seal authentication-results dkim-signature "
        "received-spf message-id mime-version envelope-to x-envelope-from x-spam-status x-spam-flag x-apparently-to "
        "x-originating-ip x-mailer list-unsubscribe"
    ).split()
)
_FIELDS = _OPENERS | frozenset(
    (
        "from to cc subject date reply-to sender content-type content-transfer-encoding importance precedence "
        "references in-reply-to user-agent x-priority x-sender errors-to"
    ).split()
)
_WROTE = pattern(
    r"(?i)^\s*(?:on .{6,120} wrote:|am .{6,120} schrieb.{0,80}:|le .{6,120} a écrit\s?:|el .{6,120} escribió:|il .{6,120} ha scritto:|op .{6,120} schreef.{0,80}:|.{6,120} pisze:|.{0,60}napisał.{0,40}:|em .{6,120} escreveu:|.{6,120} (?:написал|пишет).{0,20}:|.{4,120}写道[::]|.{4,120}のメッセージ[::]|.{4,120}wrote:)\s*$"
)
_DATED = pattern(r"(?i)^[\s>]*(?:on|am|le|el|il|op|em|w dniu|dnia)\s.{0,24}\d")
_WHOIS_FIELDS = "inetnum|inet6num|netname|descr|country|admin-c|tech-c|status|mnt-by|mnt-lower|mnt-routes|created|last-modified|nic-hdl|abuse-mailbox|abuse-c|nserver|route|route6|netrange|cidr|orgname|orgid|orgabuseemail|orgabusephone|orgtechemail|nethandle|nettype|originas|refer|whois|role|fax-no|regdate|updated|stateprov|postalcode|city|ref|parent|organization|changed|remarks|irt|org|org-name|org-type"
_WHOIS = pattern(rf"(?i)^\s*(?:%|#\s|(?:{_WHOIS_FIELDS})\s*:\s)")
_HOP = pattern(
    r"^\s*\d{1,2}:?\s+(?:\S.{0,120}?\d(?:[.,]\d+)?\s?ms\b|\*(?:\s+\*)+)|^\s*(?:\d+ bytes from |PING |traceroute to |tracert )"
)
_HOP_WORDS = ("ms", "*", "bytes from ", "PING ", "tracer")  # one of them stands in whatever _HOP finds
_RULES = frozenset("-=_*#~")
_RULE = pattern(r"^\s*[-=_*#~]{5,}\s*$")
_DASHES = ("-- ", "--")
_LABELS = _FIELDS | frozenset(f"{_MAIL_FIELDS}|{_WHOIS_FIELDS}".split("|"))


def _is_labelled(text: str) -> bool:
    """Whether what stands before the colon is a field of mail or whois: only then the patterns of such lines are tried."""
    label, colon, _ = text.partition(":")
    return bool(colon) and label.strip(" \t\n\f\r*>").lower() in _LABELS


def sections(letter: str, hits: list[Hit]) -> list[Line]:
    """The letter's lines with their zones. ``hits`` are the cues found in the folded letter (kinds ``closing`` and ``disclaimer``)."""
    lines, start = [], 0
    brackets = "[" in letter or "(" in letter or "{" in letter
    for number, text in enumerate(letter.split("\n")[:MAX_LINES], 1):
        labelled = ":" in text and _is_labelled(text)
        may_log = may_be_log_line(text) if brackets else may_name_address(text)
        lines.append(Line(text, start, number, Zone.BODY, labelled, may_log))
        start += len(text) + 1
    marks = {kind: [hit for hit in hits if hit.value.kind == kind] for kind in ("closing", "disclaimer")}
    _zones(lines, _numbers(lines, marks["closing"], at_start=True), _numbers(lines, marks["disclaimer"], at_start=False))
    marked = "%" in letter or "#" in letter
    if sum([line.labelled or (marked and line.text.lstrip()[:1] in ("%", "#")) for line in lines]) >= WHOIS_LINES:
        _blocks(lines, _is_whois, Zone.WHOIS, WHOIS_LINES)
    if any(word in letter for word in _HOP_WORDS) and any(_is_hop(line) for line in lines):
        _blocks(lines, _is_hop, Zone.TRACE, 1)
    return lines


def _is_whois(line: Line) -> bool:
    return (line.labelled or line.text.lstrip()[:1] in ("%", "#")) and _WHOIS.match(line.text) is not None


def _is_hop(line: Line) -> bool:
    first = line.text.lstrip()[:1]
    return (first in ("P", "t") or first.isdigit()) and _HOP.match(line.text) is not None


def _numbers(lines: list[Line], hits: list[Hit], *, at_start: bool) -> set[int]:
    """Line numbers that hold a hit; ``at_start``: that begin with it and say little more."""
    found, at = set(), 0
    for hit in hits:
        while at < len(lines) and lines[at].end < hit.start:
            at += 1
        if at >= len(lines):
            break
        line = lines[at]
        lead = line.text[: hit.start - line.start].strip(" ,>*_")
        if not at_start and len(lead) > MIN_PARAGRAPH and len(_SENTENCE.findall(lead)) > 1 and may_name_address(line.text):
            continue  # what a paragraph mentions at its end makes no small print of it
        if not at_start or (not lead and len(line.text.strip()) - (hit.end - hit.start) < 30):
            found.add(line.number)
    return found


def _zones(lines: list[Line], closings: set[int], small: set[int]) -> None:
    zone = Zone.BODY
    marked = closings | small
    index = 0
    while index < len(lines):
        line = lines[index]
        text = line.text.strip()
        first = text[:1]
        if zone is Zone.BODY and not (first in _TURNS or line.labelled or line.number in marked or text.endswith(":")):
            index += 1
            continue
        if (first in _FORWARD_STARTS and _FORWARDED.match(line.text)) or (line.labelled and _looks_like_outlook(lines, index)):
            index, zone = _forward(lines, index), Zone.BODY
            continue
        if line.labelled and (end := _header_block(lines, index)) > index:
            for one in lines[index:end]:
                one.zone = Zone.HEADERS
            index, zone = end, Zone.SAMPLE
            continue
        if line.text in _DASHES:
            zone = Zone.SIGNATURE
        elif text.endswith(":") and (opened := _opens_quotation(lines, index)):
            for one in lines[opened - 1 : index + 1]:
                one.zone = Zone.OPENING
            zone, index = Zone.QUOTED, index + 1
            continue
        elif zone is Zone.QUOTED and text and not text.startswith((">", "|")) and index and not lines[index - 1].text.strip():
            zone = Zone.BODY
        line.zone = Zone.QUOTED if text.startswith(">") else zone
        if line.number in small and line.zone in (Zone.BODY, Zone.CLOSING, Zone.SAMPLE):
            line.zone = Zone.SMALL_PRINT
        if (line.number in closings and zone in (Zone.BODY, Zone.SAMPLE)) or (
            zone in (Zone.CLOSING, Zone.SIGNATURE) and first in _RULES and _RULE.match(line.text)
        ):
            zone = Zone.CLOSING
        index += 1


def _opens_quotation(lines: list[Line], index: int) -> int:
    """From which line on 'On … wrote:' ends here, counted from 1: long ones are broken in two. 0 where none does."""
    before, text = lines[index - 1].text.rstrip() if index else "", lines[index].text
    broken = bool(before) and lines[index - 1].zone is Zone.BODY and before[-1] not in ".!?:" and _DATED.match(before)
    if broken and len(before) + len(text) < LONGEST_OPENING and _WROTE.match(f"{before} {text.lstrip()}"):
        return index
    return index + 1 if _WROTE.match(text) else 0


def _looks_like_outlook(lines: list[Line], index: int) -> bool:
    """From:, Sent:, To:, Subject: in a row, as some clients write above a forwarded mail without any other mark."""
    if not _MAIL_FIELD.match(lines[index].text) or _HEADER_OPENER(lines[index].text):
        return False
    rows = [line.text for line in lines[index : index + 5]]
    return (
        sum(bool(_MAIL_FIELD.match(row)) for row in rows) >= 3
        and "@" in " ".join(rows)
        and not any(_HEADER_OPENER(row) for row in rows)
    )


def _HEADER_OPENER(text: str) -> bool:
    match = _HEADER.match(text)
    return match is not None and match.group(1).lower() in _OPENERS


def _forward(lines: list[Line], index: int) -> int:
    """Marks the forwarded mail's own fields; the index after them."""
    lines[index].zone = Zone.FORWARD
    index += 1
    seen = bool(_MAIL_FIELD.match(lines[index - 1].text))
    while index < len(lines) and index < len(lines):
        text = lines[index].text
        if _MAIL_FIELD.match(text):
            seen = True
        elif not text.strip():
            lines[index].zone = Zone.FORWARD
            index += 1
            if seen:
                break
            continue
        elif not seen or not text[:1].isspace():
            break
        lines[index].zone = Zone.FORWARD
        index += 1
    return index


def _header_block(lines: list[Line], index: int) -> int:
    """The index after a block of pasted mail headers that begins at ``index``, or ``index`` where none does."""
    first = _HEADER.match(lines[index].text)
    if not first or (first.group(1).lower() not in _FIELDS and first.group(1)[:2].lower() != "x-"):
        return index
    names, end = [], index
    margin = lines[index].text[: len(lines[index].text) - len(lines[index].text.lstrip(" "))]  # a block that is set in as a whole
    while end < len(lines):
        text = lines[end].text.lstrip("> ") if lines[index].text.startswith(">") else lines[end].text.removeprefix(margin)
        match = _HEADER.match(text)
        if match and (not text[:1].isspace()):
            names.append(match.group(1).lower())
        elif not text.strip() or not (text[:1].isspace() or lines[end].text[:1] == ">"):
            break
        end += 1
    known = [name for name in names if name in _FIELDS or name.startswith(("x-", "arc-", "list-"))]
    enough = "received" in names or (len(known) >= 3 and any(name in _OPENERS for name in names) and len(known) >= 0.7 * len(names))
    return end if enough else index


def _blocks(lines: list[Line], fits: Callable[[Line], bool], zone: Zone, least: int) -> None:
    """Runs of at least ``least`` lines of a kind, blank lines in between allowed."""
    run: list[Line] = []
    for line in [*lines, None]:
        if line is not None and line.zone in (Zone.BODY, Zone.CLOSING) and fits(line):
            run.append(line)
        elif line is None or line.text.strip():
            if len(run) >= least:
                for one in run:
                    one.zone = zone
            run = []


def folded(letter: str) -> str:
    """The letter as the phrase index wants it."""
    return fold(letter)
