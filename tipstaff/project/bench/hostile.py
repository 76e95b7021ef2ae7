"""What the worst mails cost to read: seconds and memory, each in a process of its own."""

import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from typing import Any

HEAD = b"From: a@example.org\r\nTo: abuse@example.net\r\nSubject: report\r\nMIME-Version: 1.0\r\n"
TEXT = HEAD + b"Content-Type: text/plain\r\n\r\n"


def _nested() -> bytes:
    return b"".join(HEAD + b"Content-Type: message/rfc822\r\n\r\n" for _ in range(5000)) + TEXT + b"end"


def _multiparts() -> bytes:
    opened = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(5000))
    return HEAD + opened + b"Content-Type: text/plain\r\n\r\nend"


def _encoded_words() -> bytes:
    return b"From: a@example.org\r\nSubject: " + b" ".join([b"=?utf-8?q?=C3=A9?="] * 10_000) + b"\r\n\r\n192.0.2.1 attacks"


def _zipped(payload: bytes, count: int = 1) -> bytes:
    import base64

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(count):
            archive.writestr(f"report{n}.csv", payload)
    body = base64.encodebytes(out.getvalue()).replace(b"\n", b"\r\n")
    kind = b'Content-Type: application/zip; name="report.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + kind + body + b"\r\n--b--\r\n"


def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(1 << 20)  # noqa: S311 - noise, not a secret


CASES: dict[str, Callable[[], bytes]] = {
    "dots": lambda: TEXT + b"a." * 500_000,
    "mail dots": lambda: TEXT + b"a@" + b"a." * 500_000,
    "nested messages": _nested,
    "nested multiparts": _multiparts,
    "encoded words": _encoded_words,
    "zip bomb": lambda: _zipped(bytes(200 << 20)),
    "many members": lambda: _zipped(b"x", 20_000),
    "endless line": lambda: TEXT + b"x" * (8 << 20),
    "endless header": lambda: b"Subject: " + b"x" * (8 << 20) + b"\r\n\r\nbody",
    "brackets": lambda: TEXT + b"[" * 1_000_000,
    "noise": lambda: _noise(1),
    "addresses": lambda: TEXT + b"192.0.2.1 " * 100_000,
    "urls": lambda: TEXT + b"hxxp://a[.]example/" * 50_000,
    "html": lambda: HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
}


def run(*, rows: int = 0) -> dict[str, Any]:
    """Read each case in a fresh process; the worst figures, and each one's own."""
    results = {name: _measured(name) for name in CASES}
    return {
        "worst_s": max(one["seconds"] for one in results.values()), "worst_mb": max(one["mb"] for one in results.values()),
        "cases": len(results), "each": results,
    }  # fmt: skip


def _measured(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tipstaff.project.bench.hostile", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _main(name: str) -> None:
    import resource
    import time

    from tipstaff.intake.message import Hints
    from tipstaff.intake.read import read_submission

    read_submission(TEXT + b"warm up 192.0.2.1", Hints())
    raw = CASES[name]()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    drafts = read_submission(raw, Hints())
    spent = time.process_time() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons = [*(drafts[0].needs or ()), *drafts[0].warnings][:2]
    told = {"seconds": round(spent, 3), "mb": round((after - before) / 1024, 1), "peak_mb": round(after / 1024, 1)}
    print(json.dumps(told | {"disposition": str(drafts[0].disposition), "reasons": reasons}))


if __name__ == "__main__":
    _main(sys.argv[1])
