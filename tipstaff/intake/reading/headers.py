"""Mail headers from bytes: unfolding, RFC 2047, RFC 2231, capped so that no header can cost much."""

import binascii
from dataclasses import dataclass, field
from functools import lru_cache

from tipstaff.intake.reading.charsets import decode, without_nul
from tipstaff.intake.reading.patterns import pattern
from tipstaff.kernel.text import whole

MAX_HEADERS = 1_000  # header lines of one part
MAX_HEADER_BLOCK = 262_144  # bytes of one header block
MAX_NAME = 120  # characters of a header's name
MAX_VALUE = 16_384  # characters of one value
MAX_WORDS = 400  # encoded words in one value
SHORT = 120  # characters of a value with parameters up to which it is remembered for a while

_WORD = pattern(rb"=\?([^?\s]{1,75})\?([bBqQ])\?([^?]*)\?=")
_BLANK = frozenset((b" ", b"\t"))
_INDENT = frozenset((" ", "\t"))
_WHITE = " \t\n\r\x0b\f"  # what ``bytes.strip`` takes off
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"


@dataclass(slots=True)
class HeaderBlock:
    """Decoded headers in order, and what was wrong with them."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)

    def first(self, name: str) -> str:
        return next((value for key, value in self.fields if key.lower() == name), "")


def split_head(raw: bytes) -> tuple[bytes, bytes]:
    """Header block and body at the first empty line; without one everything is header."""
    if raw.startswith((b"\n", b"\r\n")):
        return b"", raw[1 if raw[:1] == b"\n" else 2 :]
    at = raw.find(b"\n\r\n")
    first = raw.find(b"\n\n", 0, at + 1 if at >= 0 else len(raw))
    if first >= 0:
        return raw[:first], raw[first + 2 :]
    if at < 0:
        return raw, b""
    return raw[: at - 1 if raw[at - 1 : at] == b"\r" else at], raw[at + 3 :]


def read_headers(head: bytes, plain: bool = False) -> HeaderBlock:
    """The fields of a header block. A line that is no field ends nothing: it is noted and passed over.

    ``plain``: ``is_plain`` is known to be true of it, as of nearly all.
    """
    if plain and len(head) < MAX_VALUE and b"=?" not in head and head.count(b"\n") < MAX_HEADERS:
        return _read_plain(head)
    block = HeaderBlock()
    if len(head) > MAX_HEADER_BLOCK:
        head = head[:MAX_HEADER_BLOCK]
        block.defects.append(f"headers longer than {MAX_HEADER_BLOCK} bytes were cut")
    name, pieces = "", []
    for line in head.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line[:1] in _BLANK:
            pieces.append(line)
            continue
        label, colon, rest = line.partition(b":")
        following = _name(label) if colon and len(label) < 2 * MAX_NAME else None
        if following is None:
            if line.strip() and not line.startswith((b"From ", b">From ")):
                _note(block, "a header line without a name was passed over")
            continue
        _store(block, name, pieces)
        if len(block.fields) >= MAX_HEADERS:
            block.defects.append(f"more than {MAX_HEADERS} headers; the rest was left out")
            return block
        name, pieces = following, [rest]
    _store(block, name, pieces)
    return block


def _read_plain(head: bytes) -> HeaderBlock:
    """The same of ASCII without encoded words that is too short for any cap."""
    block = HeaderBlock()
    fields, pieces = block.fields, []
    for line in head.replace(b"\r", b"").decode("ascii").split("\n"):
        if line[:1] in _INDENT:
            if fields:
                pieces.append(line)
            continue
        label, colon, rest = line.partition(":")
        name = _text_name(label) if colon and len(label) < 2 * MAX_NAME else None
        if name is not None:
            if pieces:
                _go_on(fields, pieces)
                pieces = []
            fields.append((name, rest.strip(_WHITE)))
        elif line.strip(_WHITE) and not line.startswith(("From ", ">From ")):
            _note(block, "a header line without a name was passed over")
    if pieces:
        _go_on(fields, pieces)
    return block


def _go_on(fields: list[tuple[str, str]], pieces: list[str]) -> None:
    """The last field with the lines that continue it."""
    name, value = fields[-1]
    fields[-1] = (name, " ".join([value, *[piece.strip(_WHITE) for piece in pieces]]).strip(_WHITE))


@lru_cache(maxsize=4_096)
def _text_name(label: str) -> str | None:
    return _name(label.encode())


@lru_cache(maxsize=4_096)
def _name(label: bytes) -> str | None:
    """A header's name from what stands before its colon, or None where that can be none."""
    label = label.rstrip()
    good = 0 < len(label) <= MAX_NAME and label.isascii() and len(label.split()) == 1
    return label.decode("ascii") if good else None


def _note(block: HeaderBlock, text: str) -> None:
    if text not in block.defects:
        block.defects.append(text)


def _store(block: HeaderBlock, name: str, pieces: list[bytes]) -> None:
    if not name:
        return
    value = pieces[0] if len(pieces) == 1 else b" ".join(piece.strip() for piece in pieces)
    value = value.strip()
    if len(value) > MAX_VALUE:
        value = value[:MAX_VALUE]
        _note(block, f"header {name[:40]} longer than {MAX_VALUE} bytes was cut")
    plain = b"=?" not in value and b"\0" not in value and value.isascii()
    block.fields.append((name, value.decode("ascii") if plain else decode_value(value, block)))


def decode_value(value: bytes, block: HeaderBlock | None = None) -> str:
    """One value as text: encoded words (RFC 2047) decoded, raw eight-bit bytes guessed, NUL removed."""
    if b"=?" not in value:
        return without_nul(value.decode("ascii")) if value.isascii() else decode(value, None)
    out: list[str] = []
    run: list[tuple[str, bytes]] = []
    position = 0
    for number, match in enumerate(_WORD.finditer(value)):
        if number >= MAX_WORDS:
            if block is not None:
                _note(block, f"more than {MAX_WORDS} encoded words in one header; the rest stays as written")
            break
        between = value[position : match.start()]
        if between.strip() or not run:
            _flush(run, out)
            out.append(decode(between, None) if between else "")
        charset = match.group(1).partition(b"*")[0].decode("ascii", "replace")
        run.append((charset, _word_bytes(match.group(2), match.group(3))))
        position = match.end()
    _flush(run, out)
    out.append(decode(value[position:], None))
    return "".join(out).replace("\n", " ")


def _flush(run: list[tuple[str, bytes]], out: list[str]) -> None:
    """Neighbouring words of one charset are joined before decoding: a character may be split between them."""
    while run:
        charset = run[0][0]
        count = next((i for i, (other, _) in enumerate(run) if other.lower() != charset.lower()), len(run))
        out.append(decode(b"".join(content for _, content in run[:count]), charset))
        del run[:count]


def _word_bytes(encoding: bytes, content: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(content, header=True)
    return loose_base64(content)[0]


def loose_base64(content: bytes) -> tuple[bytes, bool]:
    """Base64 decoded as far as it goes, and whether it was whole. Characters outside the alphabet are passed over."""
    try:
        return binascii.a2b_base64(content), not content.translate(None, _BASE64)
    except binascii.Error:
        pass
    clean = content.translate(None, _NOT_BASE64)
    clean = clean[: len(clean) - (len(clean) % 4 == 1)]
    return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4)), False


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """``text/plain; charset=x; name*0*=…`` as the lower-case main value and its parameters (RFC 2045; RFC 2231 joined)."""
    if not value:
        return "", {}
    if len(value) > SHORT or "boundary" in value:
        main, found = _recent_parameters(value[:MAX_VALUE])
    else:
        main, found = _usual_parameters(value)
    return main, found.copy()


def _parameters(value: str) -> tuple[str, dict[str, str]]:
    main, more, rest = value.partition(";")
    found: dict[str, str] = {}
    if not more:
        return main.strip().lower().strip('"'), found
    for piece in _split_parameters(rest):
        name, mark, text = piece.partition("=")
        name = name.strip().lower()
        if mark and name and name not in found and len(found) < 100:
            text = text.strip()
            if text.startswith('"'):
                text = text[1:].rpartition('"')[0] or text[1:]
                text = text.replace('\\"', '"').replace("\\\\", "\\")
            found[name] = text
    if any("*" in name for name in found):
        found = _join_continued(found)
    return main.strip().lower().strip('"'), found


_usual_parameters = lru_cache(maxsize=1_024)(_parameters)  # ``text/plain; charset=utf-8``: a few dozen make up nearly all
_recent_parameters = lru_cache(maxsize=8)(_parameters)  # a mail's own type is asked for several times


def _split_parameters(text: str) -> list[str]:
    if '"' not in text:
        return text.split(";")
    if "\\" not in text:
        return _split_outside(text.split('"'))
    pieces, start, quoted = [], 0, False
    for at, char in enumerate(text):
        if char == '"' and text[at - 1 : at] != "\\":
            quoted = not quoted
        elif char == ";" and not quoted:
            pieces.append(text[start:at])
            start = at + 1
    return [*pieces, text[start:]]


def _split_outside(runs: list[str]) -> list[str]:
    """The pieces between semicolons; every second one of ``runs`` stood in quotes."""
    pieces = [""]
    for number, run in enumerate(runs):
        if number % 2:
            pieces[-1] += f'"{run}"' if number + 1 < len(runs) else f'"{run}'  # the last quote may have no end
        else:
            first, *others = run.split(";")
            pieces[-1] += first
            pieces += others
    return pieces


def _join_continued(found: dict[str, str]) -> dict[str, str]:
    joined = {name: value for name, value in found.items() if "*" not in name}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, value in found.items():
        base, star, tail = name.partition("*")
        if star:
            number = tail.rstrip("*")
            pieces.setdefault(base, []).append((whole(number, 6) or 0, tail.endswith("*") or not tail, value))
    for base, parts in pieces.items():
        parts.sort()
        charset, content = "", b""
        for index, (_, encoded, value) in enumerate(parts):
            if encoded and not index and value.count("'") >= 2:
                charset, _, value = value.split("'", 2)
            content += _percent(value) if encoded else value.encode("utf-8", "replace")
        joined.setdefault(base, decode(content, charset))
    return joined


def _percent(value: str) -> bytes:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(value)
