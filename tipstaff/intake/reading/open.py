"""A submission's bytes opened up: mail, mbox, archive, JSON, XML, CSV or text, told by content and not by name."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from tipstaff.intake.message import Hints, Message, Part
from tipstaff.intake.reading.archives import Budget, is_archive, members
from tipstaff.intake.reading.charsets import decode
from tipstaff.intake.reading.mime import guess_type, read_mail
from tipstaff.intake.reading.patterns import pattern

MAX_MESSAGES = 10_000  # messages of one mbox
LONGEST_FIELD = 16_384  # bytes in which the first header's line must end
_FIELD = pattern(rb"(?m)^([!-9;-~]{1,60}):(?:[ \t]|\r?$|[^\s/])")
_HEADER = pattern(rb"^>?[!-9;-~]{1,100}[ \t]{0,5}:")
_MAIL_FIELDS = {
    b"received",
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"return-path",
    b"delivered-to",
    b"content-type",
    b"x-original-to",
    b"envelope-to",
    b"reply-to",
    b"cc",
    b"sender",
    b"dkim-signature",
    b"x-mailer",
    b"authentication-results",
    b"received-spf",
    b"content-transfer-encoding",
    b"arc-seal",
    b"delivery-date",
    b"user-agent",
    b"auto-submitted",
    b"precedence",
    b"list-id",
    b"references",
    b"in-reply-to",
    b"x-received",
    b"importance",
    b"thread-topic",
}
_NO_VALUE = frozenset((b"/", b"\r", b"\f"))  # what begins no value: ``http://`` is no field
_STRONG_FIELDS = {b"received", b"message-id", b"mime-version", b"return-path", b"dkim-signature", b"content-type", b"delivered-to"}
_WITH_FROM = {b"subject", b"to", b"date"}
_MBOX = pattern(rb"(?m)^From [^\r\n]{1,200}\d{2}:\d{2}(?::\d{2})?[^\r\n]{1,60}\r?$")


def open_message(raw: bytes, hints: Hints | None = None) -> list[Message]:
    """The messages in ``raw``: one for a mail or a document, several for an mbox or an archive; at least one. Never fails."""
    return _open(raw, hints or Hints(), "", Budget(), 0)


def _open(raw: bytes, hints: Hints, where: str, budget: Budget, depth: int) -> list[Message]:
    if is_archive(raw, hints.filename):
        return _archive(raw, hints, where, budget, depth)
    if b"\r" in raw[:LONGEST_FIELD] and b"\n" not in raw and (raw.startswith(b"From ") or _FIELD.match(raw)):
        raw = raw.replace(b"\r", b"\n")  # lines that end as old Macintosh systems ended them
    if raw.startswith(b"From ") and _MBOX.match(raw[:400]) and looks_like_mail(raw.partition(b"\n")[2]):
        return _mbox(raw, hints, where, budget)
    if looks_like_mail(raw):
        return [read_mail(raw.lstrip(b"\r\n\t \xef\xbb\xbf") if raw[:1] in b"\r\n\t \xef" else raw, hints, where, budget)]
    return [_document(raw, hints, where)]


def _archive(raw: bytes, hints: Hints, where: str, budget: Budget, depth: int) -> list[Message]:
    name = hints.filename or "archive"
    found: list[Message] = []
    for inner, content in members(raw, name, budget):
        place = f"{where or name}/{inner}"
        if looks_like_mail(content) or _MBOX.match(content[:400]):
            found += _open(content, hints, place, budget, depth + 1)
        else:
            found.append(_document(content, hints, place, inner))
    if not found:
        found = [Message(kind="unknown", raw=raw, parts=[Part("application/octet-stream", raw, "1", hints.filename)], hints=hints)]
    found[0].defects += [defect for defect in budget.defects if defect not in found[0].defects]
    return found


def _mbox(raw: bytes, hints: Hints, where: str, budget: Budget) -> list[Message]:
    """Messages at ``From `` lines that follow an empty line (RFC 4155, mboxrd: quoted ``>From `` stays as it is)."""
    starts = [
        m.start()
        for m in _MBOX.finditer(raw)
        if m.start() == 0
        or (
            raw[: m.start()].endswith((b"\n\n", b"\n\r\n"), max(0, m.start() - 3))
            and begins_mail(raw[m.end() : m.end() + 1_000].lstrip(b"\r").removeprefix(b"\n"))
        )
    ]
    found: list[Message] = []
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(raw)], strict=True), 1):
        if number > MAX_MESSAGES:
            found[0].defects.append(f"more than {MAX_MESSAGES} messages; the rest was left out")
            break
        mail = raw[start:end].partition(b"\n")[2]
        place = f"{where}{'/' if where else ''}message {number}" if len(starts) > 1 else where
        found.append(read_mail(mail, hints, place, budget))
    return found


def begins_mail(line: bytes) -> bool:
    """Whether what follows a ``From `` line is a header: else a letter says "From 10:15 on …" there."""
    return _HEADER.match(line) is not None


def looks_like_mail(raw: bytes) -> bool:
    """Whether the bytes begin with a header block: two fields that mail has, one of them such that no document has it."""
    start = raw[:40].lstrip(b"\r\n\t \xef\xbb\xbf")[:1]
    if start in (b"{", b"[", b"<", b""):
        return False
    head = raw[:16_384].lstrip(b"\r\n\t \xef\xbb\xbf")
    first = head.partition(b"\n")[0]
    if not _mail_field(first) and not _FIELD.match(first) and not first.startswith((b"From ", b">From ")):
        return False
    known: set[bytes] = set()
    for line in _header_lines(head):
        name = _mail_field(line)
        if name and name not in known:
            known.add(name)
            strong = not _STRONG_FIELDS.isdisjoint(known) or (b"from" in known and not _WITH_FROM.isdisjoint(known))
            if strong and len(known) >= 2:
                return True
    return False


def _header_lines(head: bytes) -> Iterator[bytes]:
    """The lines before the first empty one, as far as they are asked for."""
    at = 0
    while at <= len(head):
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        if at and (end == at or head[at:end] == b"\r") and end < len(head):
            return
        yield head[at:end]
        at = end + 1


def _mail_field(line: bytes) -> bytes:
    """The name of a field that mail has, in lower case, where ``line`` is one; else b''. As ``_FIELD`` would say."""
    label, colon, behind = line.partition(b":")
    name = label.lower()
    if name not in _MAIL_FIELDS or not colon:
        return b""
    return name if behind == b"\r" or behind[:1] not in _NO_VALUE else b""


def _document(raw: bytes, hints: Hints, where: str, name: str | None = None) -> Message:
    raw = _narrow(raw)
    kind, defects = sniff(raw, name or hints.filename)
    content_type = {"json": "application/json", "xml": "application/xml", "csv": "text/csv", "text": "text/plain"}.get(kind)
    filename = (name or hints.filename or "").rpartition("/")[2] or None
    part = Part(content_type or guess_type(filename or "", raw), raw, where or "1", filename, None)
    return Message(kind=kind, raw=raw, parts=[part], hints=hints, defects=defects, where=where)


def _narrow(raw: bytes) -> bytes:
    """JSON in UTF-16, as some systems store it, in UTF-8; all else as it is."""
    if raw[:2] not in (b"\xff\xfe", b"\xfe\xff") or raw[2:4].strip(b"\0") not in (b"{", b"["):
        return raw
    try:
        return raw.decode("utf-16").encode()
    except UnicodeError:
        return raw


def sniff(raw: bytes, filename: str | None = None) -> tuple[str, list[str]]:
    """'json' (one document or one a line), 'xml', 'csv', 'text' or 'unknown', with what is wrong with it in words."""
    start = raw[:4096].lstrip(b"\r\n\t \xef\xbb\xbf")
    ending = (filename or "").lower().rpartition(".")[2]
    if not start:
        return "unknown", ["the file is empty"]
    if start[:1] in (b"{", b"[") or ending in ("json", "jsonl", "ndjson"):
        if is_json(raw):
            return "json", []
        if ending in ("json", "jsonl", "ndjson"):
            return "json", ["the JSON cannot be read"]
    if start[:1] == b"<" and start[:5].lower() != b"<html":
        return "xml", []
    if b"\0" in raw[:4096] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "unknown", ["binary content of no known kind"]
    if ending in ("csv", "tsv") or is_csv(raw[:65_536]):
        return "csv", []
    return "text", []


def is_json(raw: bytes) -> bool:
    """One JSON document, or one on each of the first lines."""
    raw = raw.lstrip(b"\xef\xbb\xbf")
    try:
        orjson.loads(raw)
        return True
    except ValueError:
        lines = [line for line in raw[:1_000_000].split(b"\n", 4)[:3] if line.strip()]
    try:
        return bool(lines) and all(isinstance(orjson.loads(line), dict) for line in lines)
    except ValueError:
        return False


def json_documents(content: bytes, loads: Callable[[bytes], Any] = orjson.loads) -> list:
    """The documents of a JSON text: one, the items of a list, or one a line. ValueError where it is none of these."""
    content = content.lstrip(b"\xef\xbb\xbf")
    try:
        found = loads(content)
        return found if isinstance(found, list) else [found]
    except ValueError:
        lines = [line for line in content.split(b"\n") if line.strip()]
        if len(lines) < 2:
            raise
        return [loads(line) for line in lines]


def is_csv(sample: bytes) -> bool:
    """Whether the first lines have the same number (two or more) of commas, semicolons, tabs or bars outside quotes."""
    lines = [line for line in decode(sample, None).split("\n") if line.strip() and not line.startswith("#")][:6]
    if len(lines) < 2:
        return False
    for delimiter in ",;\t|":
        counts = [len(_cells(line, delimiter)) for line in lines[:-1] or lines]
        if (
            counts[0] >= 3
            and len(set(counts)) == 1
            and len(_cells(lines[1], delimiter)) == counts[0]
            and " " not in lines[0].strip()[:12].strip('"')
        ):
            return True
    return False


def _cells(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.split(delimiter)
    return "".join(piece if index % 2 == 0 else "x" for index, piece in enumerate(line.split('"'))).split(delimiter)
