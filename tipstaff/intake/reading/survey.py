"""One look at everything that a mail says, before it is read: which questions can have an answer at all.

Most formats cannot be without some word of their own, and most letters have none of them. Looking for one word costs a pass
over the letter; one automaton looks for all of them in one. What it does not find is certain, what it finds is asked about
properly.
"""

from collections.abc import Iterator
from functools import lru_cache

from ahocorasick_rs import BytesAhoCorasick, Implementation, MatchKind

from tipstaff.intake.message import Message, Part
from tipstaff.intake.reading import marks
from tipstaff.intake.reading.charsets import is_ascii_based
from tipstaff.intake.reading.phrases import blanked
from tipstaff.intake.reading.walk import every_message

MOST_MESSAGES, MOST_PARTS = 40, 60  # inside one another, and of each: the others are not looked at
MOST_TEXT = 400_000  # bytes of all parts, inner ones counted again; a larger mail is read by each who asks


def survey(message: Message) -> frozenset[str] | None:
    """The words (``marks``, and the kinds of ``sealing``'s words) that may stand in a mail.

    None where anything may: in what is no mail, and in one that is too large to be looked at beforehand.
    """
    texts = _texts(message) if message.kind == "mail" else None
    if texts is None:
        return None
    from tipstaff.intake.sealing import TYPE, WORDS, may_name_type

    text = "\n".join(texts)
    plain = text.isascii()
    automaton, words = _automaton()
    content = blanked(text.encode() if plain else text.lower().encode("utf-8", "replace"))
    said = {words[number] for number, _, _ in automaton.find_matches_as_indexes(content, overlapping=True)}
    if marks.SIGNED in said:
        return None
    if not plain:  # the words of other scripts are not in the automaton
        said |= {*WORDS, TYPE}
    elif may_name_type(text):
        said.add(TYPE)
    return frozenset(said)


def _texts(message: Message) -> list[str] | None:
    """Every text that anybody looks at, once: subjects, senders, file names, parts, letters. None: too much for one look."""
    found: list[str] = []
    room = MOST_TEXT
    for number, each in enumerate(every_message(message)):
        if number >= MOST_MESSAGES or len(each.parts) > MOST_PARTS:
            return None
        found += (each.header("subject"), each.header("from"))
        inside = each is not message and each.source is not None and each.source.plain and is_ascii_based(each.source.charset)
        if inside and len(each.parts) == 1 and _is_seen(each.parts[0]):
            continue  # it was looked at as a part of the mail around it
        seen = []
        for part in each.parts:
            room -= len(part.content)
            if room < 0:
                return None
            if part.filename:
                found.append(part.filename.replace("_", " "))
            text = part.text
            seen.append(text)
            if not part.plain or not is_ascii_based(part.charset):
                found += (text, part.content.decode("latin-1"))
            elif not inside:  # else it is a piece of what was looked at
                found.append(text)
        if not any(each.letter is text for text in seen):
            found.append(each.letter)
    return found


def _is_seen(part: Part) -> bool:
    return part.plain and part.content_type == "text/plain" and not part.filename and is_ascii_based(part.charset)


def _entries() -> Iterator[tuple[bytes, str]]:
    """What is looked for in ``blanked`` text, and the word that it stands for."""
    from tipstaff.intake.sealing import packaged_words, word_kinds

    for mark in dict.fromkeys(marks.ALL):
        yield blanked(mark.encode())[1:-1], mark
    yield from word_kinds(packaged_words())


@lru_cache(maxsize=1)
def _automaton() -> tuple[BytesAhoCorasick, list[str]]:
    patterns, words = zip(*_entries(), strict=True)
    return BytesAhoCorasick(patterns, matchkind=MatchKind.Standard, implementation=Implementation.DFA), list(words)
