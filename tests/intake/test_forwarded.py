"""A complaint that somebody forwards as an attached mail is read as the complaint that it is."""

import pytest

from tests.intake.samples import OWN
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.read import read_submission

HEAD = (
    "From: Bob <bob@example.com>\nTo: abuse@example.com\nSubject: Fwd: please handle\nDate: Mon, 10 Mar 2025 12:00:00 +0000\n"
    "Message-ID: <9@example.com>\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=outer\n\n"
    "--outer\nContent-Type: text/plain\n\nSee the attached mail.\n"
)


def forwarded(*mails: str) -> bytes:
    return (HEAD + "".join(f"--outer\nContent-Type: message/rfc822\n\n{mail}\n" for mail in mails) + "--outer--\n").encode()


def fixture(name: str) -> str:
    return (OWN / "parsers" / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "ip"),
    [
        ("blocklist_de/ssh.eml", "192.0.2.91"),
        ("x_arf/plain.eml", "192.0.2.77"),
        ("xarf/v1_in_a_mail.eml", "192.0.2.55"),
        ("netcraft/traceroute.eml", "192.0.2.141"),
        ("acns/letter_and_attachment.eml", "192.0.2.210"),
    ],
)
def test_the_attached_complaint_names_the_accused(name, ip):
    (draft,) = read_submission(forwarded(fixture(name)))
    assert draft.disposition is Disposition.REPORT
    assert [event.ip for event in draft.events] == [ip]
    assert draft.reporter.email != "bob@example.com"


def test_several_attached_complaints_are_several_reports():
    drafts = read_submission(forwarded(fixture("blocklist_de/ssh.eml"), fixture("x_arf/plain.eml")))
    assert [draft.events[0].ip for draft in drafts] == ["192.0.2.91", "192.0.2.77"]
    assert all("bob@example.com" in " ".join(draft.warnings) for draft in drafts)


def test_an_attached_spam_is_evidence_and_no_complaint():
    spam = "Received: from host.example.net ([192.0.2.66]) by mx.example.org; Mon, 10 Mar 2025 09:00:00 +0000\n"
    spam += "From: shop@example.net\nTo: x@example.org\nSubject: Buy\nDate: Mon, 10 Mar 2025 09:00:00 +0000\n\nBuy now.\n"
    drafts = read_submission(forwarded(spam).replace(b"See the attached mail.", b"We received this spam from your network."))
    assert not any("forwarded as an attachment" in warning for draft in drafts for warning in draft.warnings)
