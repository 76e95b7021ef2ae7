"""What the survey rules out is never there: each question has the same answer whether it was ruled out or asked."""

from hypothesis import example, given
from hypothesis import strategies as st

from tests.intake.samples import OWN, own_samples
from tipstaff.intake.drafts import Confidence
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.read import STRUCTURED, _structured_claims
from tipstaff.intake.reading import marks
from tipstaff.intake.reading.charsets import decode, is_plain
from tipstaff.intake.reading.headers import MAX_HEADERS, _read_plain, read_headers
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.walk import every_message, every_part
from tipstaff.intake.registry import PARSERS
from tipstaff.intake.sealing import must_seal

COVER = (
    b"From: x@example.com\r\nTo: abuse@example.net\r\nSubject: forwarded\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nsee below\r\n--q\r\n"
    b"Content-Type: message/rfc822%b\r\n\r\n%b\r\n--q--\r\n"
)
SEALING = ("csam", "child abuse", "child-porn", "a child of six", "raped", "Type: CSEM", "category: child sexual\tabuse", "video")
PIECES = st.lists(
    st.sampled_from([*SEALING, "is", "\n", " ", ". ", ", ", "http://a.example/", "policy against", "- ", "=", "é", "\x00", ":"]),
    max_size=12,
)
LINES = st.lists(
    st.sampled_from(
        [b"Subject: a", b" b ", b"\tc", b"\r\n", b"\n", b":", b"X Y: d", b"From us", b"T\xc3\xb6", b"To:", b"\x0b", b"\x1c", b" "]
    ),
    max_size=30,
).map(b"".join)


def mails() -> list[bytes]:
    """Every letter of ours, as it is and inside a cover letter, with and without a transfer encoding that hides it."""
    own = [sample.raw for sample in own_samples()] + [file.read_bytes() for file in sorted((OWN / "dispositions").rglob("*.eml"))]
    return [
        raw
        for content in own
        if len(content) < 20_000
        for raw in (content, COVER % (b"", content), COVER % (b"; charset=utf-16", content))
    ]


def unsurveyed(message: Message) -> Message:
    for each in every_message(message):
        each.__dict__["said"] = None
    return message


def test_a_parser_that_is_not_asked_would_not_have_claimed() -> None:
    asked = 0
    for raw in mails():
        for message, again in zip(open_message(raw), open_message(raw), strict=True):
            for one, other in zip(every_message(message), every_message(unsurveyed(again)), strict=True):
                claims = [(claim, parser) for parser in STRUCTURED if (claim := parser.claims(other)) > Confidence.NONE]
                assert _structured_claims(one) == claims
                asked += len(claims)
    assert asked > 100


def test_words_are_those_of_parsers_and_in_lower_case() -> None:
    names = {parser.name for parser in PARSERS}
    assert marks.FORMATS.keys() | marks.NOT_IN_MAIL <= names
    assert all(word == word.lower() and word.isascii() for word in marks.ALL)


def letter(words: list[str], kind: bytes) -> bytes:
    text = "".join(words).encode()
    return b"From: a@example.org\nTo: b@example.net\nSubject: x\n" + kind + b"\n\n" + text


@given(PIECES, st.sampled_from([b"", b"Content-Type: text/html", b"X: y"]), st.booleans())
@example(["a child of six", " ", "raped"], b"", True)
@example(["Type: CSEM", "é"], b"", False)
@example(["category: child sexual\tabuse"], b"", False)
@example(["-----BEGIN PGP SIGNED MESSAGE-----\n\nchild\n- abuse\n-----BEGIN PGP SIGNATURE-----"], b"", True)
def test_a_mail_is_sealed_whether_it_was_surveyed_or_not(words: list[str], kind: bytes, covered: bool) -> None:
    raw = letter(words, kind)
    raw = COVER % (b"", raw) if covered else raw
    surveyed, plain = open_message(raw, Hints())[0], unsurveyed(open_message(raw, Hints())[0])
    assert must_seal(surveyed) == must_seal(plain)


@given(LINES)
@example(b"Subject: a\n b\n\nTo:\n c\r\n")
@example(b" lost\nSubject: \x1ca\x1c\n")
def test_plain_headers_are_those_of_the_long_way(head: bytes) -> None:
    if is_plain(head) and head.count(b"\n") < MAX_HEADERS:
        assert _read_plain(head) == read_headers(head)


@given(st.binary(max_size=40) | LINES, st.sampled_from([None, "utf-8", "utf-7", "utf-16", "iso-2022-jp", "hz-gb-2312", "cp037"]))
@example(b"+AGE-", "utf-7")
def test_a_plain_part_reads_as_any_other(content: bytes, charset: str | None) -> None:
    kind = b"Content-Type: text/plain; charset=%b" % (charset or "us-ascii").encode()
    raw = b"From: a@example.org\nTo: b@example.net\n" + kind + b"\n\n" + content
    for part in every_part(open_message(raw)[0]):
        assert part.text == decode(part.content, part.charset)
