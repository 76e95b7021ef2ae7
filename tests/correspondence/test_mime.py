"""The bytes that go out: right by the standards, and nothing of what is written can become a header."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tipstaff.correspondence import mime, references
from tipstaff.kernel.errors import InputError

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HEADERS = {
    "Date", "From", "To", "Reply-To", "Subject", "Message-ID", "In-Reply-To", "References", "Content-Language",
    "Auto-Submitted", "X-Auto-Response-Suppress", "Precedence", "X-Loop", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding",
}  # fmt: skip


def outgoing(**more):
    fields = {
        "sender": ("Northgate", "abuse@example.net"),
        "recipient": ("Carol", "carol@example.com"),
        "reply_to": "abuse+7-1a2b3c4d@example.net",
        "subject": "Phishing",
        "text": "text",
        "html": "<p>html</p>",
        "message_id": "<case.7-1a2b3c4d.m1@example.net>",
        "date": NOW,
    }
    return mime.Outgoing(**(fields | more))


anything = st.text(max_size=300)
HOSTILE = "x\r\nBcc: all@example.org\r\n\r\nbody\x00\u2028\x85Subject: no"


@given(name=anything, subject=anything, text=anything, html=anything, reply=anything, refers=st.lists(anything, max_size=4))
@example(name=HOSTILE, subject=HOSTILE, text="--=_x\n.\nFrom x\n", html=HOSTILE, reply=HOSTILE, refers=[HOSTILE])
@example(name="=?utf-8?q?=0d=0aBcc:_x?=", subject="=?utf-8?q?=0d=0aBcc:_x?=", text="", html="", reply="", refers=[])
def test_whatever_is_written_no_header_is_added_and_the_text_comes_back(name, subject, text, html, reply, refers):
    content = mime.build(
        outgoing(sender=(name, "abuse@example.net"), recipient=(name, "carol@example.com"), subject=subject, text=text,
                 html=html, in_reply_to=reply, references=refers)
    )  # fmt: skip
    head, _, _ = content.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    names = [line.partition(":")[0] for line in lines if not line.startswith(" ")]
    assert set(names) <= HEADERS and len(names) == len(set(names))
    assert all(len(line) <= 998 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"") and b"\r" not in content.replace(b"\r\n", b"")
    parsed = message_from_bytes(content, policy=policy.default)
    assert parsed["To"].addresses[0].addr_spec == "carol@example.com" and len(parsed["To"].addresses) == 1
    assert parsed["From"].addresses[0].addr_spec == "abuse@example.net"
    got = parsed.get_body(("plain",)).get_content()
    wanted = text.translate(mime._UNWANTED).replace("\r\n", "\n").replace("\r", "\n")
    wanted = wanted.encode("utf-8", "replace").decode()
    assert got.replace("\r\n", "\n").rstrip("\n") == wanted.rstrip("\n")


def test_names_and_subjects_of_every_alphabet_come_back():
    content = mime.build(
        outgoing(recipient=("Jürgen Öztürk", "carol@example.com"), subject="Fraude à l’hameçonnage : 192.0.2.7 – ñandú")
    )
    parsed = message_from_bytes(content, policy=policy.default)
    assert parsed["To"].addresses[0].display_name == "Jürgen Öztürk"
    assert parsed["Subject"] == "Fraude à l’hameçonnage : 192.0.2.7 – ñandú"
    assert content.isascii() and max(map(len, content.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("name", ['Carol, of "Larkfield"', "a\\b", "Larkfield (Web)", "x" * 79])
def test_names_with_specials_are_quoted(name):
    parsed = message_from_bytes(mime.build(outgoing(recipient=(name, "carol@example.com"))), policy=policy.default)
    assert (parsed["To"].addresses[0].display_name, parsed["To"].addresses[0].addr_spec) == (name, "carol@example.com")


def test_a_person_s_message_is_not_called_automatic_and_a_digest_is_bulk():
    written = message_from_bytes(mime.build(outgoing(automatic=False)), policy=policy.default)
    assert written["Auto-Submitted"] is None and written["Precedence"] is None
    digest = message_from_bytes(mime.build(outgoing(bulk=True)), policy=policy.default)
    assert digest["Precedence"] == "bulk" and digest["Auto-Submitted"] == "auto-generated"


def test_text_comes_first_in_the_alternative():
    parsed = message_from_bytes(mime.build(outgoing()), policy=policy.default)
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    alone = message_from_bytes(mime.build(outgoing(html="")), policy=policy.default)
    assert alone.get_content_type() == "text/plain" and alone["MIME-Version"] == "1.0"


def test_references_keep_the_first_and_the_last():
    refers = [f"<{number}@example.com>" for number in range(40)]
    parsed = message_from_bytes(mime.build(outgoing(references=refers)), policy=policy.default)
    found = parsed["References"].split()
    assert found[0] == "<0@example.com>" and found[-1] == "<39@example.com>" and len(found) == 1 + references.MOST_IDS


@given(st.text(max_size=100))
def test_an_address_is_one_address_or_refused(text):
    try:
        known = mime.address(text)
    except InputError:
        return
    assert known.count("@") == 1 and not set(known) & set(' <>()[]\\,;:"\r\n')


def test_what_names_a_message_comes_back_from_its_addresses():
    path = references.return_path("abuse@example.net", "7-1a2b3c4d", 77)
    assert references.token_in_address(path) == "7-1a2b3c4d" and references.number_in_address(path) == 77
    loose = references.return_path("abuse@example.net", "out-1a2b3c4d", 78)
    assert references.token_in_address(loose) is None and references.number_in_address(loose) == 78
    sent = references.message_id("7-1a2b3c4d", "m77", "example.net")
    assert references.number_in_ids(f"<x@y> {sent}") == 77 and references.token_in_message_ids(sent) == "7-1a2b3c4d"
    assert references.plus_address("abuse@example.net", "7-1a2b3c4d", "") == "abuse@example.net"
