"""What reading builds on its first use (automata of words and patterns: half a second), built before a letter waits for it."""

from tipstaff.intake.read import read_submission
from tipstaff.intake.vocabulary.load import Vocabulary

_ARF = b"""From: Feedback <fbl@example.org>
To: abuse@example.net
Subject: FW: complaint
Date: Mon, 02 Nov 2026 08:00:00 +0000
Message-ID: <1@example.org>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="one"

--one
Content-Type: text/plain; charset=us-ascii

This is an email abuse report for a message received from 192.0.2.1.

--one
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Example/1.0
Version: 1
Source-IP: 192.0.2.1
Arrival-Date: Mon, 02 Nov 2026 07:00:00 +0000

--one
Content-Type: message/rfc822

From: News <news@example.com>
Subject: Offer
Date: Mon, 02 Nov 2026 07:00:00 +0000
Received: from mail.example.com ([192.0.2.1]) by mx.example.org; Mon, 02 Nov 2026 07:00:00 +0000

Buy now at https://shop.example.com/.
--one--
"""
_X_ARF = b"""From: Sensor <sensor@example.org>
To: abuse@example.net
Subject: abuse report about 192.0.2.1
Date: Mon, 02 Nov 2026 08:00:00 +0000
X-XARF: PLAIN
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="two"

--two
Content-Type: text/plain; charset=utf-8

A machine in your network tried to log in to ours.

--two
Content-Type: text/plain; charset=utf-8; name="report.txt"

---
Reported-From: sensor@example.org
Category: abuse
Report-Type: login-attack
Service: ssh
User-Agent: sensor
Date: Mon, 02 Nov 2026 07:00:00 +0000
Source-Type: ip-address
Source: 192.0.2.1
Port: 22
Report-ID: 1@example.org
Schema-URL: http://www.x-arf.org/schema/abuse_login-attack_0.1.2.json
Attachment: text/plain

--two
Content-Type: text/plain; charset=utf-8; name="logfile.log"

Nov  2 07:00:00 host sshd[1]: Failed password for root from 192.0.2.1 port 40022 ssh2
--two--
"""
_PROSE = b"""From: Rita <rita@example.org>
To: abuse@example.net
Subject: attack from 192.0.2.1
Date: Mon, 02 Nov 2026 08:00:00 +0000
Content-Type: text/plain; charset=utf-8

Hello,

your address 192.0.2.1 scanned the ports of my server on 2026-11-02 07:00:00 +0000 and tried to log in. Please stop it.
The page https://shop.example.com/login is a copy of ours, mail to rita@example.org.

Nov  2 07:00:00 host sshd[1]: Failed password for root from 192.0.2.1 port 40022 ssh2

Regards
Rita
"""
SPECIMENS = {"arf": _ARF, "x-arf": _X_ARF, "log-excerpt": _PROSE}  # by the format that they are read as


def warm(vocabulary: Vocabulary | None) -> None:
    """Read a specimen of each usual kind, with the operator's words or the package's. Nothing comes of it."""
    for specimen in SPECIMENS.values():
        read_submission(specimen, None, vocabulary)
