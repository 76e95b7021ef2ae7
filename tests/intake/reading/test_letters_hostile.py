"""Letters that want to be slow, endless or odd: read in time, or left to a person; never an error."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import BELOW_QUADRATIC, ends, growth
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import dmca_letter, fail2ban, free_text, log_excerpt
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import ParseError

HEAD = b"From: rita@corp.example\nSubject: attack\nContent-Type: text/plain; charset=utf-8\n\n"
PARSERS = (fail2ban, dmca_letter, log_excerpt, free_text)


def parse(raw: bytes):
    drafts = []
    for message in open_message(raw, Hints()):
        for parser in PARSERS:
            try:
                if parser.claims(message):
                    drafts += parser.parse(message)
            except ParseError:
                continue
    return drafts


@pytest.mark.parametrize(
    "body",
    [
        b"a." * 400_000,
        b"1.2.3." * 100_000,
        b"198.51.100.7 " * 20_000,
        b"\n".join(b"198.51.100.%d attacks our server 192.0.2.1" % (i % 250) for i in range(8_000)),
        b"\n".join(
            b"Nov 15 10:00:00 mx sshd[1]: Failed password for root from 198.51.100.%d port 4%04d ssh2" % (i % 250, i % 9999)
            for i in range(8_000)
        ),
        b"hxxp://a[.]example[.]net/" * 20_000,
        b"from from from your ip " * 20_000,
        b"Received: " * 30_000,
        b"Received: from x\n" * 10_000,
        b"> " * 100_000,
        b"2026-11-15 10:00:00 " * 20_000,
        b"| a " * 50_000 + b"\n" + b"| 198.51.100.7 " * 20_000,
        b"(" * 100_000 + b"[" * 100_000,
        b"::" * 100_000,
        "中".encode() * 100_000,
        b"H=(" * 60_000,
        b"spam " * 60_000,
    ],
    ids=lambda body: f"{body[:12]!r}",
)
def test_hostile_letters_are_read_in_time(body):
    parse(HEAD + b"warm up")
    with ends():
        assert growth(parse, HEAD + body[: len(body) // 4], HEAD + body) < BELOW_QUADRATIC


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=600))
def test_any_text_is_read_or_refused(text):
    for draft in parse(HEAD + text.encode("utf-8", "replace")):
        assert isinstance(draft.disposition, Disposition)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "198.51.100.7",
                "203.0.113.9",
                "our server",
                "your IP",
                "attacked",
                "from",
                "to",
                "->",
                ":",
                "\n",
                "\n\n",
                "> ",
                "Received: from x ([192.0.2.4]) by y;",
                "hxxp://a[.]example[.]net",
                "2026-11-15 10:00:00 UTC",
                "|",
                "SRC=203.0.113.9",
                "DST=",
                "-- ",
                "Regards",
                "攻撃",
                "から",
                "spam",
                "phishing",
                "Subject: x",
                "<html>",
                "\t",
                "。",
            ]
        ),
        max_size=40,
    )
)
def test_any_mixture_names_only_what_it_was_given(pieces):
    for draft in parse(HEAD + " ".join(pieces).encode()):
        for event in draft.events:
            assert event.ip in (None, "198.51.100.7", "203.0.113.9", "192.0.2.4")
            assert not event.ip or event.found_in["ip"]
            assert not event.occurred_at or event.found_in["occurred_at"]
