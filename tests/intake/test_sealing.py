# ruff: noqa: E501 - raw mails read better whole
"""The sealed queue's door. Every message here is a harmless placeholder."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.intake import sealing
from tipstaff.intake.message import Hints
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.sealing import must_seal, packaged_words, read_sealing_words
from tipstaff.kernel.errors import InputError


def mail(letter: str, subject: str = "Report", sender: str = "rita@reporter.example", extra: str = "") -> bytes:
    return (
        f"From: {sender}\nTo: abuse@network.example\nSubject: {subject}\n{extra}MIME-Version: 1.0\n"
        f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{letter}\n"
    ).encode()


def reason(raw: bytes) -> str | None:
    return must_seal(open_message(raw, Hints())[0])


@pytest.mark.parametrize(
    "letter",
    [
        "Placeholder: child sexual abuse material is hosted at hxxp://placeholder[.]example/x",
        "We report CSAM on 198.51.100.4.",
        "Your server 198.51.100.4 hosts CP videos.",
        "Platzhalter: Auf 198.51.100.4 liegt Kinderpornografie.",
        "Hinweis auf Missbrauchsdarstellungen unter hxxp://placeholder[.]example",
        "Contenu pédopornographique sur 198.51.100.4",
        "Pornografía infantil en hxxp://placeholder[.]example",
        "Materiale pedopornografico su 198.51.100.4",
        "Kinderporno op uw server 198.51.100.4",
        "Pornografia dziecięca na serwerze 198.51.100.4",
        "Pornografia infantil no IP 198.51.100.4",
        "На сервере 198.51.100.4 размещена детская порнография",
        "您的服务器198.51.100.4上有儿童色情内容",
        "貴社サーバー 198.51.100.4 に児童ポルノが掲載されています",
        "The page shows sexual images of minors.",
        "Nude pictures of children are shared there.",
    ],
)
def test_words_in_eleven_languages_seal(letter):
    assert reason(mail(letter))


@pytest.mark.parametrize(
    "letter",
    [
        "The WordPress child theme on 198.51.100.4 has been infected with a web shell.",
        "The child process keeps connecting to 198.51.100.4 on port 25.",
        "This is a minor issue, please fix the open resolver at 198.51.100.4.",
        "Copy the file with cp -r, then restart. Attack from 198.51.100.4.",
        "The CP of our router (control plane) is flooded from 198.51.100.4.",
        "SSH brute force from 198.51.100.4, parent and child nodes affected.",
        "Our acceptable use policy: spam, phishing, malware and child pornography are strictly prohibited.",
        "We sell toys for children at https://toys.example. Your server 198.51.100.4 attacks our shop.",
        "Sexual enhancement pills are advertised by spam from 198.51.100.4.",
        "Kinderbekleidung wird auf dem Fakeshop https://shop.example.net angeboten, Betrug.",
        "Le site pour enfants de notre école est attaqué par 198.51.100.4",
        "Adult content spam: escort and porn sites, sent from 198.51.100.4. A minor annoyance. Children could see it.",
        "Newsletter: the new law against child pornography was passed by parliament.",
    ],
)
def test_ordinary_words_do_not(letter):
    assert reason(mail(letter)) is None


def test_structure_seals():
    xarf = '{"xarf_version": "4.2.0", "category": "content", "type": "csam", "source_identifier": "198.51.100.4"}'
    assert reason(xarf.encode())
    assert reason(mail('Report below\n\n{"category": "content", "type": "csem"}'))
    assert reason(mail("Report-Type: child-abuse\nSource: 198.51.100.4"))
    assert reason(xarf.replace("csam", "phishing").encode()) is None


def test_hotlines_seal_whatever_they_write():
    assert reason(mail("Please see the attached reference 1234.", sender="Analyst <report@iwf.org.uk>"))
    assert reason(mail("Reference 1234", sender="notify@mail.ncmec.org"))
    assert reason(mail("Reference 1234", sender="rita@notiwf.org.uk.example")) is None


def test_file_names_and_subjects_seal():
    assert reason(mail("see subject", subject="CSAM placeholder"))
    raw = (
        b"From: a@b.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/plain\n\nhello\n"
        b'--q\nContent-Type: text/plain; name="csam_list.txt"\nContent-Disposition: attachment; filename="csam_list.txt"\n\nplaceholder\n--q--\n'
    )
    assert reason(raw)


def test_forwarded_inside_seals():
    inner = mail("Placeholder: child sexual abuse material at hxxp://placeholder[.]example").decode()
    raw = (
        "From: a@b.example\nSubject: fwd\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/plain\n\nfyi\n"
        f"--q\nContent-Type: message/rfc822\n\n{inner}\n--q--\n"
    ).encode()
    assert reason(raw)


def test_the_reason_never_repeats_the_content():
    said = reason(mail("Placeholder: child sexual abuse material at hxxp://secret-placeholder[.]example"))
    assert "secret" not in said and "http" not in said


def test_a_newsletter_that_names_the_subject_is_not_sealed():
    raw = mail(
        "This week: police raids against child pornography rings. Read more online.",
        extra="List-Unsubscribe: <mailto:u@news.example>\n",
    )
    assert reason(raw) is None


def test_broken_words_name_the_table():
    with pytest.raises(InputError, match="about"):
        read_sealing_words("[plain]\nen = []\n")
    with pytest.raises(InputError, match="TOML"):
        read_sealing_words("[plain\n")
    assert packaged_words().types


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_nothing_raises(raw):
    for message in open_message(raw, Hints()):
        assert must_seal(message) != "", "None, or a reason in words"


def test_what_cannot_be_judged_is_sealed(monkeypatch) -> None:
    from tipstaff.intake import read

    def fail(_):
        raise ValueError("a defect")

    monkeypatch.setattr(read, "must_seal", fail)
    (draft,) = read.read_submission(b"From: rita@example.org\r\nSubject: report\r\n\r\n192.0.2.7 scans us")
    assert draft.sealed and not draft.events


@given(st.sampled_from(sorted(filter(str.isascii, packaged_words().types))), st.text(" -_./:", max_size=3), st.text(max_size=30))
def test_the_quick_question_never_passes_over_a_type(word, between, around):
    written = between.join(word).upper()
    assert sealing._may_name_it(f"{around} {written} {around}", packaged_words())
    assert sealing._may_name_it(f"Type: {written}", packaged_words())


def test_the_quick_question_spares_most_texts():
    assert not sealing._may_name_it("Report-Type: login-attack\nSource: 192.0.2.7\n" * 50, packaged_words())


def test_a_defect_of_a_parser_does_not_take_the_seal_off(monkeypatch) -> None:
    from tipstaff.intake import read
    from tipstaff.intake.parsers import xarf

    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(xarf, "parse", fail)
    document = '{"xarf_version": "4.2.0", "category": "content", "type": "csam", "source_identifier": "198.51.100.4"}'
    (draft,) = read.read_submission(document.encode())
    assert draft.sealed and not draft.subject and not draft.events
