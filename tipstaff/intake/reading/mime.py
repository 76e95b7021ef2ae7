"""A mail taken apart: leaves in reading order, messages inside it opened in turn, every cap noted as a defect in words.

Own walker rather than a library's: the standard one is slow or raises on malformed input, the fast one skips messages inside
messages. Time grows with length times nesting, and nesting is capped.
"""

import binascii
from dataclasses import dataclass, field

from tipstaff.intake.message import Hints, Message, Part
from tipstaff.intake.reading.archives import Budget, is_archive, members
from tipstaff.intake.reading.charsets import is_plain
from tipstaff.intake.reading.headers import loose_base64, parameters, read_headers, split_head
from tipstaff.intake.reading.smime import signed_content

MAX_NESTING = 40  # multiparts and messages inside one another
MAX_DELIMITERS = 20_000  # lines of one multipart that look like its boundary
MAX_PARTS = 2_000  # leaves of one mail, embedded ones included
_MESSAGE_TYPES = {"message/rfc822", "message/global", "message/news"}
_HEADERS_TYPES = {"text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header"}
_SIGNED_TYPES = {"application/pkcs7-mime", "application/x-pkcs7-mime"}
_TNEF_TYPES = {"application/ms-tnef", "application/vnd.ms-tnef"}


@dataclass(slots=True)
class _Walk:
    """What one mail has used up of its caps."""

    hints: Hints
    budget: Budget
    plain: bool = False  # what is being taken apart is ``is_plain``, and no transfer encoding was undone
    parts: int = 0
    defects: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.defects and len(self.defects) < 50:
            self.defects.append(text)


def read_mail(raw: bytes, hints: Hints, where: str = "", budget: Budget | None = None) -> Message:
    """The mail in ``raw`` (RFC 5322, RFC 2045 to 2049). Never fails: what cannot be read stands in ``defects``."""
    walk = _Walk(hints, budget or Budget(), is_plain(raw))
    message = _message(raw, walk, where, 0, 0)
    message.defects = walk.defects
    return message


def _message(raw: bytes, walk: _Walk, where: str, depth: int, nesting: int) -> Message:
    head, body = split_head(raw)
    block = read_headers(head, walk.plain)
    for defect in block.defects:
        walk.note(defect)
    message = Message(kind="mail", raw=raw, headers=block.fields, hints=walk.hints, where=where)
    own = {key.lower(): value for key, value in reversed(block.fields) if key.lower().startswith("content-")}
    _entity(own, body, walk, message, f"{where}." if where else "", "", depth, nesting)
    return message


def _entity(
    own: dict[str, str], body: bytes, walk: _Walk, message: Message, prefix: str, number: str, depth: int, nesting: int
) -> None:
    """One entity with its own headers: a multipart's children one level on, anything else as a leaf."""
    content_type, given = parameters(own.get("content-type", ""))
    if "/" not in content_type:
        content_type = "text/plain"
    if walk.parts >= MAX_PARTS:
        walk.note(f"more than {MAX_PARTS} parts; the rest was left out")
        return
    if content_type.startswith("multipart/"):
        if nesting >= MAX_NESTING:
            walk.note(f"parts nested deeper than {MAX_NESTING} levels were not opened")
        elif _multipart(content_type, given, body, walk, message, prefix, number, depth, nesting):
            return
        content_type = "text/plain"
    _leaf(content_type, given, own, body, walk, message, prefix + (number or "1"), depth, nesting)


def _multipart(content_type, given, body, walk, message, prefix, number, depth, nesting) -> bool:
    boundary = given.get("boundary", "").rstrip()
    marker = boundary.encode("utf-8", "surrogateescape") or _guess_boundary(body)
    if not boundary:
        walk.note("a multipart without a boundary" + ("; its first delimiter line was taken for it" if marker else ""))
    pieces, closed = split_parts(body, marker) if marker else ([], False)
    if not pieces:
        walk.note("a multipart whose boundary does not occur in it")
        return False
    if not closed:
        walk.note("a multipart without its closing boundary")
    if content_type == "multipart/encrypted":
        walk.note("the mail is encrypted; nobody but its addressee can read it")
    inner = f"{number}." if number else ""  # the outermost multipart of a message has no number of its own
    default = "message/rfc822" if content_type == "multipart/digest" else ""
    for index, piece in enumerate(pieces, 1):
        if walk.parts >= MAX_PARTS:
            walk.note(f"more than {MAX_PARTS} parts; the rest was left out")
            break
        head, content = split_head(piece)
        block = read_headers(head, walk.plain)
        own = {key.lower(): value for key, value in reversed(block.fields)}
        if default:
            own.setdefault("content-type", default)
        if block.defects and not block.fields:
            content = piece  # a part that forgot its blank line: all of it is content
        _entity(own, content, walk, message, prefix + inner, str(index), depth, nesting + 1)
    return True


def _guess_boundary(body: bytes) -> bytes:
    for line in body[:20_000].split(b"\n"):
        if line.startswith(b"--") and len(line.strip()) > 6:
            return line.strip()[2:]
    return b""


def split_parts(body: bytes, marker: bytes) -> tuple[list[bytes], bool]:
    """The parts between ``--marker`` lines, and whether the closing ``--marker--`` was there."""
    delimiter = b"--" + marker
    pieces: list[bytes] = []
    start = -1
    at = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if not at and not body.startswith(delimiter):
        return [], False
    for _ in range(MAX_DELIMITERS):
        end_of_line = body.find(b"\n", at)
        line_end = len(body) if end_of_line < 0 else end_of_line
        tail = body[at + len(delimiter) : min(line_end, at + len(delimiter) + 80)].strip()
        if tail in (b"", b"--"):
            if start >= 0:
                pieces.append(_without_newline(body[start:at]))
            if tail == b"--" or len(pieces) > MAX_PARTS:
                return pieces, True
            start = line_end + 1
        following = body.find(b"\n" + delimiter, max(at, line_end - 1 if line_end > at else at))
        if following < 0 or following + 1 <= at:
            break
        at = following + 1
    if start >= 0 and start < len(body):
        pieces.append(body[start:])
    return pieces, False


def _without_newline(piece: bytes) -> bytes:
    if piece.endswith(b"\r\n"):
        return piece[:-2]
    return piece[:-1] if piece.endswith(b"\n") else piece


def _leaf(content_type, given, own, body, walk, message, where, depth, nesting) -> None:
    walk.parts += 1
    disposition, more = parameters(own.get("content-disposition", ""))
    filename = (more.get("filename") or given.get("name") or "")[:255] or None
    encoding = own.get("content-transfer-encoding", "")
    content = _transfer_decoded(body, encoding, walk, where) if encoding else body
    attachment = disposition == "attachment" or (bool(filename) and len(message.parts) > 0)
    part = Part(
        content_type, content, where, filename, given.get("charset"), attachment, depth, own, walk.plain and content is body
    )
    message.parts.append(part)
    if content_type in _MESSAGE_TYPES or _is_mail_file(part) or content_type in _HEADERS_TYPES:
        _embed(part, walk, message, depth, nesting)
    elif content_type in _SIGNED_TYPES:
        _open_signed(part, walk, message, depth, nesting)
    elif content_type in _TNEF_TYPES or (filename or "").lower() == "winmail.dat":
        walk.note(f"part {where} is a TNEF attachment (winmail.dat); ask the sender for plain text")
    elif is_archive(content, filename):
        _unpack(part, walk, message, depth, nesting)


def _is_mail_file(part: Part) -> bool:
    named = (part.filename or "").lower().endswith(".eml")
    return named and part.content_type in ("application/octet-stream", "text/plain", "application/x-eml", "message/eml")


def _embed(part: Part, walk: _Walk, message: Message, depth: int, nesting: int) -> None:
    if nesting >= MAX_NESTING:
        walk.note(f"messages nested deeper than {MAX_NESTING} levels were not opened")
        return
    content = part.content.lstrip(b"\r\n") if part.content[:2] in (b"\r\n", b"\n\n") or part.content[:1] == b"\n" else part.content
    plain, walk.plain = walk.plain, part.plain
    inner = _message(content, walk, part.where, depth + 1, nesting + 2)
    inner.source, walk.plain = part, plain
    message.embedded.append(inner)


def _open_signed(part: Part, walk: _Walk, message: Message, depth: int, nesting: int) -> None:
    content = signed_content(part.content)
    if content is None:
        walk.note(f"part {part.where} is S/MIME that cannot be read (encrypted, or not a signed wrapper)")
        return
    if nesting >= MAX_NESTING:
        walk.note(f"parts nested deeper than {MAX_NESTING} levels were not opened")
        return
    head, body = split_head(content)
    own = {key.lower(): value for key, value in reversed(read_headers(head).fields)}
    plain, walk.plain = walk.plain, False  # it stands in the wrapper, perhaps in pieces
    _entity(own, body, walk, message, f"{part.where}.", "1", depth, nesting + 1)
    walk.plain = plain


def _unpack(part: Part, walk: _Walk, message: Message, depth: int, nesting: int) -> None:
    for name, content in members(part.content, part.filename or "archive", walk.budget):
        inner = Part(guess_type(name, content), content, f"{part.where}/{name}", name.rpartition("/")[2], None, True, depth)
        if walk.parts >= MAX_PARTS:
            walk.note(f"more than {MAX_PARTS} parts; the rest was left out")
            break
        walk.parts += 1
        message.parts.append(inner)
        if name.lower().endswith(".eml"):
            _embed(inner, walk, message, depth, nesting)
    for defect in walk.budget.defects:
        walk.note(defect)


def guess_type(name: str, content: bytes) -> str:
    """The content type of a file by its name, else by its first bytes."""
    ending = name.lower().rpartition(".")[2]
    known = {
        "csv": "text/csv",
        "txt": "text/plain",
        "log": "text/plain",
        "xml": "application/xml",
        "json": "application/json",
        "eml": "message/rfc822",
        "html": "text/html",
        "htm": "text/html",
        "yml": "text/yaml",
        "yaml": "text/yaml",
        "zip": "application/zip",
        "gz": "application/gzip",
        "tsv": "text/tab-separated-values",
    }
    return known.get(ending) or ("text/plain" if b"\0" not in content[:2000] else "application/octet-stream")


def _transfer_decoded(body: bytes, encoding: str, walk: _Walk, where: str) -> bytes:
    encoding = encoding.partition(";")[0].strip().lower()
    if encoding in ("", "7bit", "8bit", "binary"):
        return body
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding == "base64":
        content, whole = loose_base64(body)
        if not whole:
            walk.note(f"part {where}: base64 is broken; what could be decoded was kept")
        return content
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return _uudecoded(body)
    walk.note(f"part {where}: unknown transfer encoding {encoding[:40]!r}; left as it came")
    return body


def _uudecoded(body: bytes) -> bytes:
    out = []
    for line in body.partition(b"begin ")[2].split(b"\n")[1:]:
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            break
    return b"".join(out)
