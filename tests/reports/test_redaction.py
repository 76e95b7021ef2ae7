"""What the customer sees of the evidence, and all that must never be in it (requirements section O)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import BELOW_QUADRATIC, ends, growth
from tipstaff.intake.reading.open import open_message
from tipstaff.reports.redaction import as_customer_sees, removed_from
from tipstaff.reports.scrubbing import CARD, LINK, MAIL, NEIGHBOUR, PHONE, TOKEN, Scope, free_text, luhn, networks

SCOPE = Scope(
    networks=networks(["203.0.113.7/32", "2001:db8:40::/48"]),
    domains=("carol.example",),
    own_networks=networks(["203.0.113.0/24", "2001:db8::/32"]),
    names=("Rita Reporter", "Reports Ltd"),
    mail_domains=("reports.example.org",),
)

MAIL_WITH_SAMPLE = b"""From: Rita Reporter <rita@reports.example.org>
To: abuse@northgate.example
Date: Mon, 15 Jun 2026 06:43:58 +0000
Subject: spam from 203.0.113.7 to trap-17@traps.example.net
Message-ID: <abc.123@reports.example.org>
X-Trap: 4711
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

Spam left your address 203.0.113.7. Details: https://portal.reports.example.org/case/8f3e2a99b1c04d7788aa
Call +49 30 5550 1234. Neighbour 203.0.113.9 too.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1
Source-IP: 203.0.113.7
Original-Rcpt-To: trap-17@traps.example.net
Reported-URI: http://shop.carol.example/buy
Arrival-Date: Mon, 15 Jun 2026 06:40:00 +0000

--b
Content-Type: message/rfc822

Received: from mail.carol.example (mail.carol.example [203.0.113.7]) by mx.traps.example.net with ESMTP
 id 7F21 for <trap-17@traps.example.net>; Mon, 15 Jun 2026 06:39:59 +0000
Received: from inside (203.0.113.9) by mail.carol.example; Mon, 15 Jun 2026 06:39:50 +0000
From: Shop <news@carol.example>
To: trap-17@traps.example.net
Message-ID: <1@carol.example>
X-Mailer: bulk/1
Subject: Buy now
Date: Mon, 15 Jun 2026 06:39:00 +0000

Buy at http://shop.carol.example/buy?u=trap-17%40traps.example.net
Unsubscribe: http://list.other.example/u/ab12
Pay 4111 1111 1111 1111
--b
Content-Type: image/png; name="screen.png"
Content-Disposition: attachment; filename="screen.png"
Content-Transfer-Encoding: base64

aGFybWxlc3MgcGxhY2Vob2xkZXI=
--b--
"""


def seen(raw: bytes, scope: Scope = SCOPE) -> str:
    return "\n".join(
        f"{section.title} {section.attachment}\n{section.text}" for section in as_customer_sees(open_message(raw), scope)
    )


def test_what_the_customer_needs_stays() -> None:
    text = seen(MAIL_WITH_SAMPLE)
    for needed in ("203.0.113.7", "http://shop.carol.example/buy", "Feedback-Type: abuse", "news@carol.example", "Subject: Buy now",
                   "06:39:59 +0000"):  # fmt: skip
        assert needed in text


@pytest.mark.parametrize(
    "secret",
    ["rita", "Rita", "Reporter", "reports.example", "trap-17", "traps.example", "4711", "bulk/1", "5550 1234", "203.0.113.9",
     "abc.123", "1@carol.example>", "list.other.example", "4111", "8f3e2a99b1c04d7788aa", "7F21", "aGFybWxlc3M", "northgate"],
)  # fmt: skip
def test_what_is_never_shown(secret: str) -> None:
    assert secret not in seen(MAIL_WITH_SAMPLE)


def test_an_attached_picture_is_named_measured_and_hashed_only() -> None:
    sections = as_customer_sees(open_message(MAIL_WITH_SAMPLE), SCOPE)
    picture = next(section for section in sections if section.attachment and "image" in section.attachment)
    assert picture.attachment.startswith("image/png, 20 bytes, sha256 ")
    assert picture.pieces == ()


def test_what_was_removed_is_counted_by_kind() -> None:
    counted = removed_from(as_customer_sees(open_message(MAIL_WITH_SAMPLE), SCOPE))
    assert {LINK, NEIGHBOUR, PHONE, CARD} <= set(counted)


def test_a_feed_shows_the_heading_and_this_customers_rows() -> None:
    feed = b"timestamp,ip,port,tag\n" + b"".join(b"2026-06-15 06:00:00,203.0.113.%d,123,ntp\n" % last for last in range(1, 60))
    text = seen(feed)
    assert "timestamp,ip,port,tag" in text and "203.0.113.7,123" in text
    assert "203.0.113.8," not in text
    assert "58 rows about others" in text


def test_a_json_report_loses_the_reporter_and_keeps_the_facts() -> None:
    document = {
        "xarf_version": "4.0.0", "reporter": {"org": "Reports Ltd", "contact": "rita@reports.example.org"},
        "source_identifier": "203.0.113.7", "type": "phishing", "url": "https://shop.carol.example/verify/",
        "evidence": [{"payload": "aGFybWxlc3M="}], "x-internal": 1,
    }  # fmt: skip
    text = seen(json.dumps(document).encode())
    assert "203.0.113.7" in text and "https://shop.carol.example/verify/" in text
    assert "rita" not in text and "Reports Ltd" not in text and "aGFybWxlc3M" not in text


def shown(text: str) -> str:
    return free_text(text, SCOPE)


@pytest.mark.parametrize(
    ("written", "gone"),
    [
        ("rita [at] reports [dot] example", MAIL),
        ("rita%40reports.example.org", MAIL),
        ("ring 0049 30 5550 1234", PHONE),
        ("Telefon: 030 / 555 01 234", PHONE),
        ("5500-0055-5555-5559", CARD),
        ("203[.]0[.]113[.]9", NEIGHBOUR),
        ("9.113.0.203.in-addr.arpa", NEIGHBOUR),
        ("host-203-0-113-9.northgate.example", NEIGHBOUR),
        ("2001:db8:41::1", NEIGHBOUR),
        ("https://user:secret@shop.carol.example/", LINK),
        ("hxxp://shop[.]carol[.]example/?id=7f9a1c22d4e84b6f9a0c", TOKEN),
    ],
)
def test_each_kind_is_marked(written: str, gone: str) -> None:
    marked = shown(f"before {written} after")
    assert gone in marked
    assert written not in marked
    assert marked.startswith("before ") and marked.endswith(" after")


@pytest.mark.parametrize(
    "harmless",
    ["Failed password for root from 203.0.113.7 port 51514 ssh2", "2001:db8:40::1f answered", "at 2026-06-14T10:02:11+02:00",
     "news@carol.example sent it", "hxxps://shop[.]carol[.]example/wp-content/u/verify/", "victim 198.51.100.9 port 22",
     "sha256 9f2c41d07e6b58a3"],
)  # fmt: skip
def test_facts_are_left_alone(harmless: str) -> None:
    assert shown(harmless) == harmless


def test_a_signature_is_cut_off_but_regards_in_the_middle_are_not() -> None:
    assert "Street 5" not in shown("The facts.\n\nKind regards\nRita\nStreet 5")
    lines = "\n".join(f"line {number}" for number in range(30))
    assert "line 29" in shown(f"The facts.\nThank you,\n{lines}")


def test_luhn() -> None:
    assert luhn("4111 1111 1111 1111") and not luhn("4111 1111 1111 1112") and not luhn("0000000000000000")


ADDRESS = st.emails()
SECRETS = st.lists(st.one_of(ADDRESS, st.integers(1, 254).map(lambda last: f"203.0.113.{last}")), min_size=1, max_size=6)


@given(
    SECRETS, st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Nd", "L")), max_size=12), max_size=8)
)
def test_no_stray_address_survives_in_any_text(secrets: list[str], between: list[str]) -> None:
    text = " ".join(f"{gap} {secret} " for secret, gap in zip(secrets, between + [""] * 6, strict=False))
    marked = shown(text)
    words = marked.split()
    for secret in secrets:
        if secret.startswith("203.") and secret != "203.0.113.7":
            assert secret not in words
        if "@" in secret:
            assert secret not in marked


@given(st.binary(max_size=2000))
def test_any_bytes_can_be_shown(raw: bytes) -> None:
    sections = as_customer_sees(open_message(raw), SCOPE)
    assert all(isinstance(removed, int) for removed in removed_from(sections).values())


def test_hostile_text_takes_no_more_than_its_length() -> None:
    for hostile in ("a." * 500_000, "1-" * 500_000, ":" * 1_000_000, "<a@" * 300_000, "http://" * 150_000, "9 " * 500_000):
        with ends():
            assert growth(shown, hostile[: len(hostile) // 4], hostile) < BELOW_QUADRATIC, hostile[:10]
