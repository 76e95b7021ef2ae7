"""Complaints as feedback reports (RFC 5965), for tests that need many of them."""

from datetime import datetime

TEXT = """From: Rita <rita@example.org>
To: abuse@example.net
Subject: complaint {name}
Date: {written:%a, %d %b %Y %H:%M:%S} +0000
Message-ID: <{name}@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an abuse report for a message received from {address}.{padding}

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Example/1.0
Version: 1
Source-IP: {address}
Arrival-Date: {at:%a, %d %b %Y %H:%M:%S} +0000

--b
Content-Type: message/rfc822

From: someone@example.com
To: somebody@example.org
Subject: buy this
Date: {at:%a, %d %b %Y %H:%M:%S} +0000
Message-ID: <spam-{name}@example.com>

Buy this.

--b--
"""


def complaint(name: object, address: str, at: datetime, *, written: datetime | None = None, padding: int = 0) -> str:
    """A report about a mail from ``address`` at ``at`` (UTC), whose subject is 'complaint NAME', larger by ``padding`` bytes."""
    filler = "\n" + ("x" * 70 + "\n") * (padding // 71) if padding else ""
    return TEXT.format(name=name, address=address, at=at, written=written or at, padding=filler)
