"""A message as the bytes that go out (RFC 5322, 2045, 2047, 3834). Pure.

Every header line is written here from a fixed list of names; a value is made one line before it is folded, so that nothing in it
can begin a header of its own. Text and HTML are UTF-8 in quoted-printable: seven bits on the wire, whatever is written.
"""

import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

import re2

from tipstaff.correspondence import references
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.kernel.text import one_line

LONGEST_SUBJECT, LONGEST_NAME, LONGEST_ID = 200, 80, 250
_ATOM = re2.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]*")
_ADDRESS = re2.compile(r"[^\s<>()\[\]\\,;:\"@\x00-\x20\x7f]{1,64}@[^\s<>()\[\]\\,;:\"@\x00-\x20\x7f]{1,253}")
_ID = re2.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,248}>")
_LABEL = re2.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """All that the bytes depend on. ``sender`` and ``recipient`` are (name, address) pairs; times are aware."""

    sender: tuple[str, str]
    recipient: tuple[str, str]
    reply_to: str  # the plus-address
    subject: str
    text: str
    html: str
    message_id: str
    date: datetime
    language: str = "en"
    in_reply_to: str = ""
    references: Sequence[str] = ()
    automatic: bool = True
    bulk: bool = False  # digests: Precedence, so that vacation programs stay silent


def address(text: str) -> str:
    """A mail address fit for header and envelope, its domain as A-labels. Raises InputError saying what is wrong."""
    wanted = text.strip()
    if not _ADDRESS.fullmatch(wanted):
        raise InputError(Problem("address", f"{one_line(text, 80)!r} is no mail address", "correct the contact"))
    local, _, domain = wanted.rpartition("@")
    try:
        ascii_domain = domain.rstrip(".").encode("idna").decode()
    except UnicodeError as error:
        raise InputError(Problem("address", f"{one_line(domain, 80)!r} is no domain", "correct the contact")) from error
    if not all(_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise InputError(Problem("address", f"{one_line(domain, 80)!r} is no domain", "correct the contact"))
    if local.startswith(".") or local.endswith(".") or ".." in local:
        raise InputError(Problem("address", f"{one_line(text, 80)!r}: the part before @ has a dot too many", "correct the contact"))
    return f"{local}@{ascii_domain.lower()}"


def build(message: Outgoing) -> bytes:
    """The message, lines ended by CRLF. Raises InputError for an address that cannot be written to."""
    boundary = "=_" + hashlib.sha256(message.message_id.encode()).hexdigest()[:32]  # "=_" never stands in quoted-printable
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(message))
    head += "MIME-Version: 1.0\r\n"
    if not message.html:
        return (head + _part_head("plain") + "\r\n").encode() + _quoted(message.text)
    parts = (("plain", message.text), ("html", message.html))
    body = b"".join(
        f"--{boundary}\r\n{_part_head(kind)}\r\n".encode() + _quoted(content) + b"\r\n" for kind, content in parts
    )  # fmt: skip
    multi = f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n\r\n'
    return (head + multi).encode() + body + f"--{boundary}--\r\n".encode()


def _headers(message: Outgoing) -> Iterator[tuple[str, str]]:
    yield "Date", format_datetime(message.date)
    yield "From", mailbox(*message.sender)
    yield "To", mailbox(*message.recipient)
    yield "Reply-To", address(message.reply_to)
    yield "Subject", words(message.subject, LONGEST_SUBJECT, "Subject")
    yield "Message-ID", one_id(message.message_id)
    if known := one_id(message.in_reply_to):
        yield "In-Reply-To", known
    if before := [known for one in message.references if (known := one_id(one))]:
        kept = before[:1] + before[1:][-references.MOST_IDS :]
        yield "References", "\r\n ".join(dict.fromkeys(kept))
    if language := _LABEL.fullmatch(message.language):
        yield "Content-Language", language.group(0)
    if message.automatic:
        yield "Auto-Submitted", "auto-generated"
        yield "X-Auto-Response-Suppress", "All"
    if message.bulk:
        yield "Precedence", "bulk"
    yield "X-Loop", address(message.sender[1])


def one_id(text: str) -> str:
    """The first Message-ID in ``text``, '' where there is none."""
    found = _ID.search(text[: LONGEST_ID * 4])
    return found.group(0) if found else ""


def words(text: str, longest: int, header: str) -> str:
    """An unstructured value in one or more folded lines, as encoded words where it is not ASCII (RFC 2047)."""
    line = one_line(text, longest)
    charset = "us-ascii" if line.isascii() and "=?" not in line else "utf-8"
    return Header(line, charset, maxlinelen=75, header_name=header).encode(linesep="\r\n").strip()


def mailbox(name: str, spec: str) -> str:
    """``"Carol, of Larkfield" <carol@example.com>``: the name quoted, or as encoded words."""
    known, line = address(spec), one_line(name, LONGEST_NAME)
    if not line or line == spec:
        return known
    if line.isascii() and "=?" not in line:
        said = line if _ATOM.fullmatch(line) else '"' + line.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{said} <{known}>" if len(said) + len(known) < 70 else f"{said}\r\n <{known}>"
    return f"{Header(line, 'utf-8', maxlinelen=70, header_name='To').encode(linesep=chr(13) + chr(10))}\r\n <{known}>"


def _part_head(kind: str) -> str:
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"


def _quoted(text: str) -> bytes:
    r"""Quoted-printable of ``text``: lines of at most 76 characters, ended by CRLF; other control characters are left out."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(_UNWANTED)
    encoded = binascii.b2a_qp(lines.encode("utf-8", "replace"), quotetabs=False, istext=True)
    return encoded.replace(b"\n", b"\r\n") + (b"" if encoded.endswith(b"\n") else b"\r\n")


_UNWANTED = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
