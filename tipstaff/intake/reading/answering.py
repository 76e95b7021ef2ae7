"""What somebody answers to a mail of ours: the words that are new, apart from what is quoted below or between them."""

from dataclasses import dataclass

from tipstaff.intake.message import Message
from tipstaff.intake.reading.letters import _QUOTE_HEADS
from tipstaff.intake.reading.patterns import pattern

LONGEST = 20_000  # characters of an answer that a person can be asked to read; the portal takes as many
LARGEST = 2_000_000  # bytes of text and HTML: more is no letter
LINES = 5_000
_BLOCK_START = pattern(r"(?i)^\s*\*{0,2}(?:from|von|de|van|da|od|от|发件人|差出人)\s?:\*{0,2}\s*\S")
_BLOCK_MORE = pattern(
    r"(?i)^\s*\*{0,2}(?:sent|date|to|subject|cc|gesendet|datum|an|betreff|envoyé|à|objet|enviado|fecha|para|asunto|verzonden|aan|onderwerp)\s?:"
)
_RULE = pattern(r"^\s*(?:_{10,}|-{10,})\s*$")
_WRAPPED = pattern(
    r"(?i)^\s*(?:on|am|le|el|il|op|em|w dniu)\s.{4,160}\n?.{0,160}"
    r"(?:wrote|schrieb[^\n]{0,80}|a écrit|escribió|ha scritto|schreef[^\n]{0,80}|escreveu)\s?:\s*$"
)


@dataclass(frozen=True, slots=True)
class Said:
    """``words``: the writer's own; ``quoted``: what they answered to; ``unread``: why it is too much to be taken as an answer."""

    words: str
    quoted: str = ""
    message_id: str = ""
    unread: str = ""


def said(message: Message) -> Said:
    """Split an answer into its own words and what it quotes."""
    known = message.header("message-id").strip()[:250]
    size = sum(len(part.content) for part in message.parts if part.content_type.startswith("text/") and not part.attachment)
    if size > LARGEST:
        shown = f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size // 1000} kB"
        return Said("", "", known, f"it has {shown} of text or HTML, and at most {LARGEST // 1_000_000} MB are read")
    words, quoted = split(message.letter)
    if len(words) > LONGEST:
        return Said(words[:1_000], "", known, f"it has {len(words):,} characters, and at most {LONGEST:,} are read")
    return Said(words, quoted[:LONGEST], known)


def split(letter: str) -> tuple[str, str]:
    """(own words, quoted). Answers below or between quoted lines stay own words."""
    lines = letter.replace("\r", "").split("\n")[:LINES]
    head = _head(lines)
    if head is None:
        return _apart(lines)
    start, end = head
    following = next((line for line in lines[end:] if line.strip()), "")
    if following.lstrip().startswith(">"):
        below, quoted = _apart(lines[end:])
        above, _ = _apart(lines[:start])
        return _joined(above, below), quoted
    above, before = _apart(lines[:start])
    return above, _joined(before, "\n".join(lines[start:]).strip())


def _apart(lines: list[str]) -> tuple[str, str]:
    own = [line for line in lines if not line.lstrip().startswith(">")]
    quoted = [line for line in lines if line.lstrip().startswith(">")]
    return "\n".join(own).strip(), "\n".join(quoted).strip()


def _joined(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)


def _head(lines: list[str]) -> tuple[int, int] | None:
    """First and one past the last line of what introduces the quoted mail; None where nothing does."""
    for number, line in enumerate(lines):
        if _QUOTE_HEADS.match(line) or _WRAPPED.match(line):
            return number, number + 1
        if number + 1 < len(lines) and line.strip() and _WRAPPED.match(f"{line}\n{lines[number + 1]}"):
            return number, number + 2
        if _BLOCK_START.match(line) and sum(bool(_BLOCK_MORE.match(one)) for one in lines[number + 1 : number + 6]) >= 2:
            start = number - 1 if number and _RULE.match(lines[number - 1]) else number
            return start, number + 1
    return None
