"""Input made to hurt: each under a second of CPU and 300 MB, and a person sees in words what was wrong."""

import base64
import gzip
import io
import resource
import time
import zipfile
import zlib

import pytest

from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.open import open_message

HEAD = (
    b"From: rita@example.org\nTo: abuse@example.net\nSubject: abuse report\n"
    b"Date: Mon, 16 Nov 2026 10:00:00 +0000\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n"
)
YAML_PART = (
    b"X-XARF: PLAIN\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n"
    b"--b\nContent-Type: text/plain; name=report.txt\n\n"
)


def plain(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/plain\n\n" + body


def html(body: bytes) -> bytes:
    return HEAD + b"Content-Type: text/html\n\n" + body


def nested_multiparts(levels: int) -> bytes:
    out = [HEAD]
    for level in range(levels):
        out.append(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level))
    return b"".join(out) + b"Content-Type: text/plain\n\n192.0.2.1 attacks us\n"


def nested_messages(levels: int) -> bytes:
    return (HEAD + b"Content-Type: message/rfc822\n\n") * levels + plain(b"192.0.2.1\n")


def wide(parts: int) -> bytes:
    part = b"--b\nContent-Type: text/plain\n\n192.0.2.1 scans us\n"
    return HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + part * parts + b"--b--\n"


def attached(name: str, content: bytes) -> bytes:
    body = base64.encodebytes(content)
    return (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nsee attachment\n--b\n'
        b'Content-Type: application/octet-stream; name="'
        + name.encode()
        + b'"\nContent-Transfer-Encoding: base64\n\n'
        + body
        + b"--b--\n"
    )


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def nested_zip(levels: int) -> bytes:
    content = zipped({"report.csv": b"ip\n192.0.2.1\n"})
    for level in range(levels):
        content = zipped({f"{level}.zip": content})
    return content


def lying_zip() -> bytes:
    """A member whose directory states 10 bytes and that inflates to 50 MB."""
    content = bytearray(zipped({"report.csv": b"\0" * 50_000_000}))
    size = (50_000_000).to_bytes(4, "little")
    return bytes(content).replace(size, (10).to_bytes(4, "little"))


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(b"\0" * 1_000_000) for _ in range(300)), packer.flush()])


CASES = {
    "dotted": plain(b"a." * 500_000),
    "dotted digits": plain(b"1." * 500_000),
    "colons": plain(b":" * 1_000_000),
    "mailboxes": plain(b"a@" * 500_000),
    "urls": plain(b"http://" * 150_000),
    "urls of a host": plain(b"http://a.example/ " * 55_000),
    "defanged": plain(b"[.]" * 333_000),
    "addresses": plain(b"192.0.2.1 " * 100_000),
    "one endless line": plain(b"x" * 1_000_000),
    "blanks": plain(b" " * 1_000_000),
    "newlines": plain(b"\n" * 1_000_000),
    "quote marks": plain(b">" * 1_000_000),
    "dates": plain(b"2026-11-16 10:00:00 " * 50_000),
    "not ascii": plain("é192.0.2.1 ".encode() * 80_000),
    "nuls": plain(b"\0" * 1_000_000),
    "nested multiparts": nested_multiparts(5_000),
    "nested messages": nested_messages(5_000),
    "siblings": wide(5_000),
    "encoded words": HEAD + b"X-A: " + b" ".join([b"=?utf-8?Q?=C3=A9?="] * 10_000) + b"\n\n192.0.2.1\n",
    "encoded subject": b"Subject: " + b"\n ".join([b"=?utf-8?B?w6k=?="] * 10_000) + b"\n" + HEAD + b"\n192.0.2.1\n",
    "header without end": HEAD + b"X-A: " + b"a" * 1_000_000 + b"\n\n192.0.2.1\n",
    "many headers": HEAD + b"".join(b"X-%d: a\n" % n for n in range(60_000)) + b"\n192.0.2.1\n",
    "many received": HEAD + b"Received: from a (b [192.0.2.1]) by c; Mon, 16 Nov 2026 10:00:00 +0000\n" * 8_000 + b"\n192.0.2.1\n",
    "parentheses": b"Received: " + b"(" * 200_000 + b"\n" + HEAD + b"\nx\n",
    "broken base64": HEAD + b"Content-Transfer-Encoding: base64\n\n" + b"!A" * 400_000,
    "quoted-printable": HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 1_000_000,
    "wrong charset": HEAD + b"Content-Type: text/plain; charset=utf-16\n\n" + b"\xd8\x00" * 300_000,
    "escape charset": HEAD + b"Content-Type: text/plain; charset=punycode\n\n" + b"a-" * 300_000,
    "boundary everywhere": HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b" * 300_000,
    "boundary lines": HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"\n--bx" * 200_000,
    "html nesting": html(b"<div>" * 150_000),
    "html tables": html(b"<table><tr><td>" * 60_000),
    "html attributes": html(b"<a " + b"a=b " * 250_000 + b">"),
    "html links": html(b'<a href="http://a.example/">x</a>' * 30_000),
    "zip bomb": attached("report.zip", zipped({"report.csv": b"\0" * 100_000_000})),
    "zip of many": attached("report.zip", zipped({f"{n}.csv": b"ip\n192.0.2.1\n" for n in range(3_000)})),
    "zip in zip": attached("report.zip", nested_zip(30)),
    "lying zip": attached("report.zip", lying_zip()),
    "broken zip": attached("report.zip", zipped({"a.csv": b"ip\n192.0.2.1\n" * 99})[:-30]),
    "gzip bomb": attached("report.csv.gz", gzip_bomb()),
    "bare zip bomb": zipped({"report.csv": b"\0" * 100_000_000}),
    "bare gzip bomb": gzip_bomb(),
    "json nesting": b"[" * 500_000,
    "json objects": b'{"a":' * 200_000,
    "json strings": b'{"a":"' + b"\\u0041" * 150_000 + b'"}',
    "xml entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">'
    + b"".join(b'<!ENTITY c%d "%s">' % (n, b"&c%d;" % (n - 1) * 10 if n else b"&b;") for n in range(12))
    + b"]><a>&c11;</a>",
    "xml nesting": b'<?xml version="1.0"?>' + b"<a>" * 300_000,
    "xml in a mail": plain(b'<?xml version="1.0"?>\n<Infringement xmlns="http://www.acns.net/ACNS">' + b"<a>" * 250_000),
    "yaml aliases": HEAD
    + YAML_PART
    + b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(12))
    + b"--b--\n",
    "yaml nesting": HEAD + YAML_PART + b"a: " + b"[" * 100_000 + b"\n--b--\n",
    "csv quotes": b"timestamp,ip,port\n" + b'"' * 900_000,
    "csv wide": b"timestamp,ip," + b"a," * 300_000 + b"\n",
    "csv field": b"timestamp,ip,port\n2026-11-16 10:00:00,192.0.2.1," + b"9" * 900_000 + b"\n",
    "feedback fields": HEAD
    + b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: message/feedback-report\n\n"
    + b"Feedback-Type: abuse\n"
    + b"Original-Rcpt-To: a@example.org\n" * 30_000
    + b"--b--\n",
    "phrases": plain(b"could not be delivered spam attack phishing " * 22_000),
    "accusations": plain(b"attack from 192.0.2.1 against 198.51.100.7, please stop the spam. " * 6_000),
    "accusing lines": plain(b"192.0.2.1 attacks us\n" * 20_000),
    "log lines": plain(b"Nov 16 10:00:00 mx sshd[77]: Failed password for root from 192.0.2.1 port 4711 ssh2\n" * 5_000),
    "quoted levels": plain(b"".join(b">" * (n % 500) + b" 192.0.2.1 spams\n" for n in range(2_000))),
    "list of links": plain(b"http://a.example/x phishing\n" * 15_000),
    "headers pasted": plain(b"Received: from a (b [192.0.2.1]) by c; Mon, 16 Nov 2026 10:00:00 +0000\n" * 5_000),
    "random": bytes((n * n * 31 + n // 7) % 256 for n in range(400_000)),
}


@pytest.mark.parametrize("name", CASES)
def test_under_a_second_and_300_megabytes(name):
    raw = CASES[name]
    read_submission(b"From: rita@mail.example\n\nthe first letter of a program pays for its vocabulary", Hints())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    drafts = read_submission(raw, Hints(filename="submission"))
    spent = time.process_time() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert drafts
    assert spent < 1.0, f"{name}: {spent:.2f} s"
    assert grown < 300, f"{name}: {grown:.0f} MB"
    assert not any("defect of the software" in need for draft in drafts for need in draft.needs), drafts[0].needs


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nested multiparts", "nested deeper than"),
        ("nested messages", "nested deeper than"),
        ("siblings", "parts; the rest was left out"),
        ("encoded words", "encoded words"),
        ("header without end", "was cut"),
        ("many headers", "headers"),
        ("broken base64", "base64 is broken"),
        ("zip bomb", "inflates beyond"),
        ("zip of many", "files in the archive"),
        ("zip in zip", "archives inside archives"),
        ("lying zip", "report.zip"),
        ("broken zip", "damaged"),
        ("gzip bomb", "inflates beyond"),
        ("bare zip bomb", "inflates beyond"),
        ("bare gzip bomb", "inflates beyond"),
    ],
)
def test_a_person_sees_why(name, words):
    defects = [defect for message in open_message(CASES[name], Hints(filename="submission")) for defect in message.defects]
    assert any(words in defect for defect in defects), defects


def test_the_budget_holds_for_all_archives_of_a_mail_together():
    one = zipped({f"{n}.csv": b"ip\n192.0.2.1\n" for n in range(150)})
    body = base64.encodebytes(one)
    part = b'--b\nContent-Type: application/zip; name="r.zip"\nContent-Transfer-Encoding: base64\n\n' + body
    (message,) = open_message(HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n' + part * 20 + b"--b--\n")
    assert sum("/" in part.where for part in message.parts) <= 200


def test_gzip_of_ordinary_ratio_is_opened():
    raw = gzip.compress(b"".join(b"2026-11-16 10:00:00,192.0.2.%d,80\n" % (n % 200) for n in range(50_000)))
    (message,) = open_message(raw, Hints(filename="feed.csv.gz"))
    assert message.kind == "csv" and message.parts[0].filename == "feed.csv" and not message.defects
