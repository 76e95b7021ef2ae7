"""Lines that a mail program broke, made whole without moving a character: what reads a sentence then sees all of it. Pure."""

from itertools import pairwise

from tipstaff.intake.reading.sections import Line, Zone

SHORTEST = 50  # characters of a line that was broken for want of room
_PROSE = frozenset((Zone.BODY, Zone.CLOSING))
_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", "：", "、", "|", ",")


def unwrapped(letter: str, lines: list[Line]) -> str:
    """``letter`` with a blank for each line end inside a sentence of prose; as long as it was."""
    pieces: list[str] = []
    done = 0
    for line, following in pairwise(lines):
        if _goes_on(line, following):
            pieces.append(letter[done : line.end])
            done = line.end + 1
    if not pieces:
        return letter
    return " ".join([*pieces, letter[done:]])


def _goes_on(line: Line, following: Line) -> bool:
    if line.zone not in _PROSE or following.zone not in _PROSE or len(line.text) < SHORTEST:
        return False
    text = line.text.rstrip()
    first = following.text[:1]
    if not first or first.isspace() or text.endswith(_ENDS[:-1]) or "\t" in line.text or "  " in text.strip():
        return False
    return first.isalnum() or first in "(\"'„«“[<"
