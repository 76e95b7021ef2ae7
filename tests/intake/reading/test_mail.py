"""Mail taken apart: the same leaves as the standard library sees, nested messages, signatures, archives, charsets."""

import email
import email.policy
from base64 import encodebytes

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.intake.samples import captured, own_samples
from tipstaff.intake.message import Hints
from tipstaff.intake.reading.charsets import decode, known_charset
from tipstaff.intake.reading.headers import decode_value, parameters, read_headers
from tipstaff.intake.reading.letters import html_to_text, own_words
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.walk import every_message

HEAD = b"From: Rita <rita@example.org>\nTo: abuse@network.example.net\nSubject: x\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n"


def leaves_by_library(raw: bytes) -> list[bytes]:
    """Decoded leaves of the standard library's walk, outermost message only."""
    found: list[bytes] = []
    waiting = [email.message_from_bytes(raw, policy=email.policy.compat32)]
    while waiting:
        part = waiting.pop(0)
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting[:0] = part.get_payload()  # type: ignore[assignment]
        elif part.get_content_maintype() != "message":
            found.append((part.get_payload(decode=True) or b"").replace(b"\r\n", b"\n").strip())
    return found


def leaves(raw: bytes) -> list[bytes]:
    message, *_ = open_message(raw)
    return [
        part.content.replace(b"\r\n", b"\n").strip()
        for part in message.parts
        if "/" not in part.where and not part.content_type.startswith("message/")
    ]


MAILS = [*captured("mail/**/*.eml"), *(sample.path for sample in own_samples() if sample.path.suffix == ".eml")]


@pytest.mark.skipif(not MAILS, reason="no mails to compare")
def test_the_standard_library_sees_the_same_leaves():
    differ = []
    for path in MAILS:
        raw = path.read_bytes()
        message, *_ = open_message(raw)
        if any("boundary" in defect for defect in message.defects):
            continue  # there we read more than the library does
        if leaves(raw) != leaves_by_library(raw):
            differ.append(path.name)
    assert differ == []


def test_nested_messages_are_opened_and_named():
    inner = b"Received: from a (a [192.0.2.1]) by b; Mon, 16 Nov 2026 10:00:00 +0000\nSubject: in\nFrom: x@example.com\n\nhello\n"
    raw = (
        HEAD
        + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nouter\n--b\nContent-Type: message/rfc822\n\n'
        + inner
        + b"--b--\n"
    )
    (message,) = open_message(raw)
    assert [part.where for part in message.parts] == ["1", "2"]
    assert message.letter.strip() == "outer"
    (nested,) = message.embedded
    assert (nested.header("subject"), nested.where, nested.letter.strip()) == ("in", "2", "hello")
    assert nested.parts[0].depth == 1
    assert nested.parts[0].where == "2.1"


@pytest.mark.parametrize("declared", ["text/rfc822-headers", "message/rfc822-headers", "message/global-headers"])
def test_headers_alone_count_as_a_message(declared):
    raw = HEAD + f"Content-Type: {declared}\n\nSubject: in\nFrom: x@example.com\n".encode()
    (message,) = open_message(raw)
    assert message.embedded[0].header("Subject") == "in"


def test_a_mail_attached_as_a_file_is_a_message_too():
    part = b'Content-Type: application/octet-stream; name="spam.eml"\nContent-Transfer-Encoding: base64\n\n' + encodebytes(
        HEAD + b"\nhello\n"
    )
    (message,) = open_message(HEAD + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nx\n--b\n' + part + b"--b--\n")
    assert message.embedded[0].header("from") == "Rita <rita@example.org>"


def test_multipart_alternative_reads_the_plain_text_and_html_only_where_it_says_more():
    def both(plain: bytes, html: bytes) -> str:
        raw = HEAD + b'Content-Type: multipart/alternative; boundary="b"\n\n--b\nContent-Type: text/plain\n\n' + plain
        raw += b"\n--b\nContent-Type: text/html\n\n" + html + b"\n--b--\n"
        return open_message(raw)[0].letter

    assert both(b"192.0.2.1 attacks us", b"<p>192.0.2.1 <b>attacks</b> us</p>").strip() == "192.0.2.1 attacks us"
    assert "192.0.2.1" in both(
        b"Please view this as HTML",
        b"<p>Dear abuse desk, since this morning your host <b>192.0.2.1</b> has been attacking our mail server at all hours.</p>",
    )


def test_html_shows_what_a_person_sees():
    text = html_to_text(
        "<html><head><title>t</title><style>p{}</style></head><body><p>One<br>two</p><script>alert(1)</script><table><tr><td>a</td><td>b</td></tr></table>"
        '<a href="http://bad.example/x">click</a> <a href="http://same.example/">http://same.example/</a></body></html>'
    )
    assert text.split("\n")[:2] == ["One", "two"]
    assert "alert" not in text and "<http://bad.example/x>" in text and text.count("same.example") == 1
    assert "a" in text and "b" in text


def test_pgp_signed_parts_and_clearsigned_text_are_read_through():
    signed = HEAD + (
        b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary="s"\n\n--s\n'
        b'Content-Type: multipart/mixed; boundary="m"\n\n'
        b'--m\nContent-Type: text/plain\n\n192.0.2.1\n--m\nContent-Type: text/csv; name="a.csv"\n\nip\n192.0.2.1\n--m--\n--s\n'
        b"Content-Type: application/pgp-signature\n\n-----BEGIN PGP SIGNATURE-----\n--s--\n"
    )
    (message,) = open_message(signed)
    assert [part.content_type for part in message.parts] == ["text/plain", "text/csv", "application/pgp-signature"]
    assert [part.where for part in message.parts] == ["1.1", "1.2", "2"]
    clear = (
        HEAD
        + b"\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -----\n192.0.2.1 attacks\n"
        + b"-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n"
    )
    assert open_message(clear)[0].letter.rstrip() + "\n" == "-----\n192.0.2.1 attacks\n"


@pytest.fixture(scope="module")
def signer():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rita@example.org")])
    from datetime import UTC, datetime

    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def test_opaque_smime_is_unwrapped(signer):
    certificate, key = signer
    entity = b"Content-Type: text/plain\r\n\r\n192.0.2.1 attacks us\r\n"
    der = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(entity)
        .add_signer(certificate, key, hashes.SHA256())
        .sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])
    )
    raw = (
        HEAD
        + b"Content-Type: application/pkcs7-mime; smime-type=signed-data\nContent-Transfer-Encoding: base64\n\n"
        + encodebytes(der)
    )
    (message,) = open_message(raw)
    assert message.letter.strip() == "192.0.2.1 attacks us" and not message.defects
    (broken,) = open_message(raw.replace(encodebytes(der), encodebytes(der[:60])))
    assert any("S/MIME" in defect for defect in broken.defects)


def test_encrypted_and_tnef_mail_say_so():
    encrypted = (
        HEAD
        + b'Content-Type: multipart/encrypted; boundary="b"\n\n--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n'
    )
    assert any("encrypted" in defect for defect in open_message(encrypted)[0].defects)
    tnef = (
        HEAD
        + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: application/ms-tnef; name="winmail.dat"\n\nx\n--b--\n'
    )
    assert any("winmail.dat" in defect for defect in open_message(tnef)[0].defects)


def test_a_missing_or_wrong_boundary_loses_nothing():
    body = b"--q123456\nContent-Type: text/plain\n\n192.0.2.1\n--q123456--\n"
    (guessed,) = open_message(HEAD + b"Content-Type: multipart/mixed\n\n" + body)
    assert guessed.letter.strip() == "192.0.2.1" and guessed.defects
    (wrong,) = open_message(HEAD + b'Content-Type: multipart/mixed; boundary="other"\n\n' + body)
    assert "192.0.2.1" in wrong.letter and wrong.defects


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Grüße"),
        ("iso-8859-1", "Grüße"),
        ("windows-1251", "Добрый день"),
        ("koi8-r", "Добрый день"),
        ("gb2312", "您好攻击"),
        ("big5", "您好攻擊"),
        ("iso-2022-jp", "不正アクセス"),
        ("shift_jis", "不正アクセス"),
        ("euc-kr", "안녕하세요"),
        ("utf-16", "héllo"),
        ("windows-1250", "dziękuję"),
        ("utf-7", "Grüße"),
    ],
)
def test_declared_charsets(charset, text):
    assert decode(text.encode(charset), charset) == text


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "Grüße aus Köln"),
        ("cp1252", "Grüße aus Köln, schöne Größe"),
        ("cp1251", "Добрый день, с вашего адреса идёт атака на наш сервер"),
        ("koi8-r", "Добрый день, с вашего адреса идёт атака на наш сервер"),
        ("shift_jis", "あなたのサーバーから攻撃を受けています"),
        ("euc-jp", "あなたのサーバーから攻撃を受けています"),
        ("gb18030", "您的服务器正在攻击我们的网络，请处理"),
    ],
)
@pytest.mark.parametrize("label", [None, "us-ascii", "x-nonsense", "utf-8"])
def test_wrong_or_missing_labels_are_guessed(charset, text, label):
    assert decode(text.encode(charset), label) == text


@given(
    st.binary(max_size=400),
    st.sampled_from([None, "utf-8", "utf-16", "iso-2022-jp", "punycode", "rot13", "idna", "hz", "x", "\0", "cp1252", "utf-7"]),
)
def test_decoding_never_fails_and_leaves_no_nul(content, charset):
    text = decode(content, charset)
    assert "\0" not in text and "\r" not in text


def test_codecs_that_are_no_charsets_are_refused():
    assert [known_charset(name) for name in ("punycode", "idna", "rot13", "base64", "zlib", "unicode_escape", "undefined")] == [
        None
    ] * 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        (b"=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
        (b"=?utf-8?Q?a_b?= =?utf-8?Q?c?=", "a bc"),
        (b"x =?utf-8?Q?=C3?= =?utf-8?Q?=BC?= y", "x ü y"),
        (b"=?utf-8*de?Q?=C3=BC?=", "ü"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("cp1252"), "Grüße"),
        (b"=?utf-8?B?broken", "=?utf-8?B?broken"),
        (b"=?x-y?Q?abc?=", "abc"),
    ],
)
def test_encoded_words(value, text):
    assert decode_value(value) == text


def test_parameters_quoted_continued_and_encoded():
    assert parameters('Text/Plain; charset="utf-8"; name="a;b.txt"') == ("text/plain", {"charset": "utf-8", "name": "a;b.txt"})
    assert parameters("a/b; filename*=utf-8''Gr%C3%BC%C3%9Fe.csv")[1]["filename"] == "Grüße.csv"
    assert parameters('a/b; filename*0="re"; filename*1="port.csv"')[1]["filename"] == "report.csv"
    assert parameters('a/b; filename*²="re"; filename*²*="port"')[1].keys() == {"filename"}, "no digit of a part's number"
    assert parameters(f'a/b; filename*{"9" * 5000}="x.csv"')[1] == {"filename": "x.csv"}


def test_headers_fold_and_malformed_lines_are_noted():
    block = read_headers(b"Subject: one\n two\n\tthree\nnonsense line\nX: y\r\n")
    assert block.fields == [("Subject", "one two three"), ("X", "y")]
    assert block.defects == ["a header line without a name was passed over"]


def test_mbox_and_leading_from_line():
    one = b"From: a@example.org\nTo: b@example.net\nMessage-ID: <1@x>\nSubject: %d\n\nhello\n\n"
    raw = b"".join(b"From a@example.org Mon Nov 16 10:00:00 2026\n" + one % number for number in range(3))
    found = open_message(raw)
    assert [message.header("subject") for message in found] == ["0", "1", "2"]
    assert [message.where for message in found] == ["message 1", "message 2", "message 3"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"a": 1}', "json"),
        (b'[{"a": 1}]', "json"),
        (b'{"a": 1}\n{"a": 2}\n', "json"),
        (b"\xef\xbb\xbf{}", "json"),
        (b"<?xml version='1.0'?><a/>", "xml"),
        (b"<a>", "xml"),
        (b"timestamp,ip,port\n2026-11-16,192.0.2.1,80\n", "csv"),
        (b'"a";"b";"c"\n"1";"2;3";"4"\n', "csv"),
        (b"hello, world, again\n", "text"),
        (b"", "unknown"),
        (b"\x89PNG\r\n\x1a\n\0\0", "unknown"),
        (b"From: a@example.org\nTo: b@example.org\nSubject: x\n\ny", "mail"),
        (b"\r\nReceived: x\nFrom: y\n\nz", "mail"),
        (b"Note: this is text\nAnd: so on\n\nx", "text"),
    ],
)
def test_what_the_bytes_are(raw, kind):
    assert open_message(raw)[0].kind == kind


def test_own_words_leave_quotes_and_forwards_out():
    raw = HEAD + b"\nFixed.\n\nOn Mon, 16 Nov 2026 at 10:00, Abuse <abuse@network.example.net> wrote:\n> 192.0.2.1\nmore\n"
    assert own_words(open_message(raw)[0]).strip() == "Fixed."


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_open(raw):
    for message in open_message(raw, Hints(filename="x")):
        assert message.kind in ("mail", "json", "xml", "csv", "text", "unknown")
        assert isinstance(message.letter, str)


FRAGMENTS = st.sampled_from(
    [
        b"From: a@example.org\n",
        b"To: b\n",
        b"Subject: =?utf-8?B?w6k=?=\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"Content-Type: multipart/digest; boundary=c\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Type: text/html\n",
        b"Content-Type: application/pkcs7-mime\n",
        b"Content-Transfer-Encoding: base64\n",
        b"\n",
        b"\n\n",
        b"--b\n",
        b"--b--\n",
        b"--c\n",
        b"--c--\n",
        b"\r\n",
        b"PK\x03\x04",
        b"\x1f\x8b\x08",
        b"<p>",
        b"\0",
        b"\xff",
        b"192.0.2.1 ",
        b"From x Mon Nov 16 10:00:00 2026\n",
        b"begin 644 a\n",
        b" ",
        b";",
        b'"',
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS, max_size=40))
def test_any_pieces_of_mail_open(pieces):
    for message in open_message(b"From: a@example.org\nTo: b@example.org\n" + b"".join(pieces)):
        for each in every_message(message):
            assert isinstance(each.letter, str) and all(isinstance(part.text, str) for part in each.parts)
