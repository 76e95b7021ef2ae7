"""Input made to hurt, each kind in any size: what ``bench hostile`` times at full size and the tests read at a quarter too."""

import base64
import io
import random
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

HEAD = (
    b"From: rita@example.org\nTo: abuse@example.net\nSubject: abuse report\n"
    b"Date: Mon, 16 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n"
)
YAML_PART = (
    b"X-XARF: PLAIN\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n"
    b"--b\nContent-Type: text/plain; name=report.txt\n\n"
)
MULTIPART = HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n'
RECEIVED = b"Received: from a (b [192.0.2.1]) by c; Mon, 16 Nov 2026 10:00:00 +0000\n"


@dataclass(frozen=True)
class Hostile:
    """``size`` is how often whatever hurts is repeated at full size; ``make`` gives the bytes for a size."""

    size: int
    make: Callable[[int], bytes]

    def raw(self, divisor: int = 1) -> bytes:
        """The input at full size, or at the given part of it."""
        return self.make(self.size // divisor)


def plain(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/plain\n\n" + body


def html(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html\n\n" + body


def text(unit: bytes, size: int) -> Hostile:
    """A plain mail that is one thing again and again."""
    return Hostile(size, lambda n: plain(unit * n))


def nested_multiparts(levels: int) -> bytes:
    out = [HEAD]
    for level in range(levels):
        out.append(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level))
    return b"".join(out) + b"Content-Type: text/plain\n\n192.0.2.1 attacks us\n"


def nested_messages(levels: int) -> bytes:
    return (HEAD + b"Content-Type: message/rfc822\n\n") * levels + plain(b"192.0.2.1\n")


def wide(parts: int) -> bytes:
    part = b"--b\nContent-Type: text/plain\n\n192.0.2.1 scans us\n"
    return MULTIPART + part * parts + b"--b--\n"


def attached(name: str, content: bytes) -> bytes:
    return (
        MULTIPART + b"--b\nContent-Type: text/plain\n\nsee attachment\n--b\n"
        b'Content-Type: application/octet-stream; name="'
        + name.encode()
        + b'"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(content)
        + b"--b--\n"
    )


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@cache
def zipped_zeros(size: int) -> bytes:
    return zipped({"report.csv": bytes(size)})


def nested_zip(levels: int) -> bytes:
    content = zipped({"report.csv": b"ip\n192.0.2.1\n"})
    for level in range(levels):
        content = zipped({f"{level}.zip": content})
    return content


def lying_zip(size: int) -> bytes:
    """A member whose directory states 10 bytes and that inflates to ``size``."""
    return zipped_zeros(size).replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little"))


@cache
def gzip_bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1_000_000)) for _ in range(megabytes)), packer.flush()])


def xml_entities(levels: int) -> bytes:
    entities = (b'<!ENTITY c%d "%s">' % (n, b"&c%d;" % (n - 1) * 10 if n else b"&b;") for n in range(levels))
    return b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">' + b"".join(entities) + b"]><a>&c%d;</a>" % (levels - 1)


def yaml_aliases(levels: int) -> bytes:
    lines = (b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(levels))
    return HEAD + YAML_PART + b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(lines) + b"--b--\n"


def feedback_fields(count: int) -> bytes:
    kind = b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    fields = b"Feedback-Type: abuse\n" + b"Original-Rcpt-To: a@example.org\n" * count
    return HEAD + kind + b"--b\nContent-Type: message/feedback-report\n\n" + fields + b"--b--\n"


def log_lines(count: int) -> bytes:
    return plain(b"Nov 16 10:00:00 mx sshd[77]: Failed password for root from 192.0.2.1 port 4711 ssh2\n" * count)


def quoted_levels(count: int) -> bytes:
    return plain(b"".join(b">" * (n % 500) + b" 192.0.2.1 spams\n" for n in range(count)))


def arithmetic_noise(size: int) -> bytes:
    return bytes((n * n * 31 + n // 7) % 256 for n in range(size))


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)  # noqa: S311 - noise, not a secret


LETTERS = {
    "dotted": text(b"a.", 500_000),
    "dotted mailbox": Hostile(500_000, lambda n: plain(b"a@" + b"a." * n)),
    "dotted digits": text(b"1.", 500_000),
    "colons": text(b":", 1_000_000),
    "mailboxes": text(b"a@", 500_000),
    "urls": text(b"http://", 150_000),
    "urls of a host": text(b"http://a.example/ ", 55_000),
    "defanged": text(b"[.]", 333_000),
    "defanged urls": text(b"hxxp://a[.]example/", 50_000),
    "brackets": text(b"[", 1_000_000),
    "addresses": text(b"192.0.2.1 ", 100_000),
    "one endless line": text(b"x", 1_000_000),
    "an endless line of 8 MB": text(b"x", 8 << 20),
    "blanks": text(b" ", 1_000_000),
    "newlines": text(b"\n", 1_000_000),
    "quote marks": text(b">", 1_000_000),
    "dates": text(b"2026-11-16 10:00:00 ", 50_000),
    "not ascii": text("é192.0.2.1 ".encode(), 80_000),
    "nuls": text(b"\0", 1_000_000),
    "phrases": text(b"could not be delivered spam attack phishing ", 22_000),
    "accusations": text(b"attack from 192.0.2.1 against 198.51.100.7, please stop the spam. ", 6_000),
    "accusing lines": text(b"192.0.2.1 attacks us\n", 20_000),
    "log lines": Hostile(5_000, log_lines),
    "quoted levels": Hostile(2_000, quoted_levels),
    "list of links": text(b"http://a.example/x phishing\n", 15_000),
    "headers pasted": text(RECEIVED, 5_000),
}

STRUCTURE = {
    "nested multiparts": Hostile(5_000, nested_multiparts),
    "nested messages": Hostile(5_000, nested_messages),
    "siblings": Hostile(5_000, wide),
    "encoded words": Hostile(10_000, lambda n: HEAD + b"X-A: " + b" ".join([b"=?utf-8?Q?=C3=A9?="] * n) + b"\n\n192.0.2.1\n"),
    "encoded subject": Hostile(
        10_000, lambda n: b"Subject: " + b"\n ".join([b"=?utf-8?B?w6k=?="] * n) + b"\n" + HEAD + b"\n192.0.2.1\n"
    ),
    "header without end": Hostile(1_000_000, lambda n: HEAD + b"X-A: " + b"a" * n + b"\n\n192.0.2.1\n"),
    "subject without end": Hostile(8 << 20, lambda n: b"Subject: " + b"x" * n + b"\n\nbody"),
    "many headers": Hostile(60_000, lambda n: HEAD + b"".join(b"X-%d: a\n" % i for i in range(n)) + b"\n192.0.2.1\n"),
    "many received": Hostile(8_000, lambda n: HEAD + RECEIVED * n + b"\n192.0.2.1\n"),
    "parentheses": Hostile(200_000, lambda n: b"Received: " + b"(" * n + b"\n" + HEAD + b"\nx\n"),
    "broken base64": Hostile(400_000, lambda n: HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"!A" * n),
    "quoted-printable": Hostile(1_000_000, lambda n: HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * n),
    "wrong charset": Hostile(300_000, lambda n: HEAD + b"Content-Type: text/plain; charset=utf-16\n\n" + b"\xd8\x00" * n),
    "escape charset": Hostile(300_000, lambda n: HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * n),
    "boundary everywhere": Hostile(300_000, lambda n: MULTIPART + b"--b" * n),
    "boundary lines": Hostile(200_000, lambda n: MULTIPART + b"\n--bx" * n),
    "html nesting": Hostile(150_000, lambda n: html(b"<div>" * n)),
    "html tables": Hostile(60_000, lambda n: html(b"<table><tr><td>" * n)),
    "html attributes": Hostile(250_000, lambda n: html(b"<a " + b"a=b " * n + b">")),
    "html links": Hostile(30_000, lambda n: html(b'<a href="http://a.example/">x</a>' * n)),
    "feedback fields": Hostile(30_000, feedback_fields),
}

ARCHIVES = {
    "zip bomb": Hostile(100_000_000, lambda n: attached("report.zip", zipped_zeros(n))),
    "zip bomb of 200 MB": Hostile(200 << 20, lambda n: attached("report.zip", zipped_zeros(n))),
    "zip of many": Hostile(3_000, lambda n: attached("r.zip", zipped({f"{i}.csv": b"ip\n192.0.2.1\n" for i in range(n)}))),
    "zip of twenty thousand": Hostile(20_000, lambda n: attached("r.zip", zipped({f"{i}.csv": b"x" for i in range(n)}))),
    "zip in zip": Hostile(30, lambda n: attached("report.zip", nested_zip(n))),
    "lying zip": Hostile(50_000_000, lambda n: attached("report.zip", lying_zip(n))),
    "broken zip": Hostile(99, lambda n: attached("report.zip", zipped({"a.csv": b"ip\n192.0.2.1\n" * n})[:-30])),
    "gzip bomb": Hostile(300, lambda n: attached("report.csv.gz", gzip_bomb(n))),
    "bare zip bomb": Hostile(100_000_000, zipped_zeros),
    "bare gzip bomb": Hostile(300, gzip_bomb),
}

DOCUMENTS = {
    "json nesting": Hostile(500_000, lambda n: b"[" * n),
    "json objects": Hostile(200_000, lambda n: b'{"a":' * n),
    "json strings": Hostile(150_000, lambda n: b'{"a":"' + b"\\u0041" * n + b'"}'),
    "xml entities": Hostile(12, xml_entities),
    "xml nesting": Hostile(300_000, lambda n: b'<?xml version="1.0"?>' + b"<a>" * n),
    "xml in a mail": Hostile(
        250_000, lambda n: plain(b'<?xml version="1.0"?>\n<Infringement xmlns="http://www.acns.net/ACNS">' + b"<a>" * n)
    ),
    "yaml aliases": Hostile(12, yaml_aliases),
    "yaml nesting": Hostile(100_000, lambda n: HEAD + YAML_PART + b"a: " + b"[" * n + b"\n--b--\n"),
    "csv quotes": Hostile(900_000, lambda n: b"timestamp,ip,port\n" + b'"' * n),
    "csv wide": Hostile(300_000, lambda n: b"timestamp,ip," + b"a," * n + b"\n"),
    "csv field": Hostile(900_000, lambda n: b"timestamp,ip,port\n2026-11-16 10:00:00,192.0.2.1," + b"9" * n + b"\n"),
    "random": Hostile(400_000, arithmetic_noise),
    "noise": Hostile(1 << 20, noise),
}

CASES: dict[str, Hostile] = LETTERS | STRUCTURE | ARCHIVES | DOCUMENTS
