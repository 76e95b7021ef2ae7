"""Mails in the shapes that fill an abuse mailbox, with addresses of the benchmark's world."""

import numpy as np

ARF = """From: Feedback <fbl@provider{k}.example>
To: abuse@example.net
Subject: FW: complaint about message from {ip}
Date: Mon, 02 Nov 2026 08:{m:02d}:{s:02d} +0000
Message-ID: <fbl-{n}@provider{k}.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

This is an email abuse report for a message received from {ip}.

--b1
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider-FBL/1.0
Version: 1
Source-IP: {ip}
Arrival-Date: Mon, 02 Nov 2026 07:{m:02d}:{s:02d} +0000
Original-Mail-From: <bounce-{n}@lists.example.org>

--b1
Content-Type: message/rfc822

From: News <news@lists.example.org>
To: redacted@provider{k}.example
Subject: Offer {n}
Date: Mon, 02 Nov 2026 07:{m:02d}:{s:02d} +0000
Message-ID: <{n}@lists.example.org>
Received: from mail.lists.example.org ([{ip}]) by mx.provider{k}.example; Mon, 02 Nov 2026 07:{m:02d}:{s:02d} +0000

{filler}
--b1--
"""
X_ARF = """From: Sensor {k} <autoreply@sensor{k}.example>
To: abuse@example.net
Subject: abuse report about {ip}
Date: Mon, 02 Nov 2026 08:{m:02d}:{s:02d} +0000
Message-ID: <x-{n}@sensor{k}.example>
X-XARF: PLAIN
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b2"

--b2
Content-Type: text/plain; charset=utf-8

Dear colleagues, a machine in your network tried to log in to ours. Details are attached.

--b2
Content-Type: text/plain; charset=utf-8; name="report.txt"

---
Reported-From: autoreply@sensor{k}.example
Category: abuse
Report-Type: login-attack
Service: ssh
Version: 0.1
User-Agent: sensor 1.0
Date: Mon, 02 Nov 2026 07:{m:02d}:{s:02d} +0000
Source-Type: ip-address
Source: {ip}
Port: 22
Report-ID: {n}@sensor{k}.example
Schema-URL: http://www.x-arf.org/schema/abuse_login-attack_0.1.2.json
Attachment: text/plain

--b2
Content-Type: text/plain; charset=utf-8; name="logfile.log"

Nov  2 07:{m:02d}:{s:02d} host sshd[{n}]: Failed password for root from {ip} port 40022 ssh2
{filler}
--b2--
"""
PROSE = """From: Person {n} <person{n}@mail{k}.example>
To: abuse@example.net
Subject: attack from {ip}
Date: Mon, 02 Nov 2026 08:{m:02d}:{s:02d} +0000
Message-ID: <p-{n}@mail{k}.example>
Content-Type: text/plain; charset=utf-8

Hello,

your address {ip} scanned the ports of my server on 2026-11-02 07:{m:02d}:{s:02d} +0000. Please stop it.

{filler}
Regards
Person {n}
"""
FILLER = "\n".join(f"line {n}: the quick brown fox jumps over the lazy dog and writes it down again" for n in range(70))


def make(addresses: list[str], count: int, seed: int = 1) -> list[bytes]:
    """``count`` mails of about 7 kB: half ARF, a third X-ARF, the rest prose."""
    rng = np.random.default_rng(seed)
    shapes = rng.choice(3, count, p=[0.5, 0.33, 0.17])
    out = []
    for n in range(count):
        values = {"ip": addresses[n % len(addresses)], "n": n, "k": n % 50, "m": n // 60 % 60, "s": n % 60, "filler": FILLER}
        out.append((ARF, X_ARF, PROSE)[shapes[n]].format(**values).replace("\n", "\r\n").encode())
    return out
