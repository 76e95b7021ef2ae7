"""What is read without a pattern where most mail is plain: it must say what the pattern, or the plain way, would."""

from hypothesis import example, given
from hypothesis import strategies as st

from tipstaff.intake.reading import open as opening
from tipstaff.intake.reading.charsets import decode
from tipstaff.intake.reading.headers import parameters
from tipstaff.intake.reading.row_headings import heading_of, heads
from tipstaff.intake.reading.sections import sections
from tipstaff.pipeline import reading

ENDS = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\x00"])).map(b"".join)
LINES = st.lists(st.sampled_from([b"Subject", b"From", b"Nothing", b":", b" ", b"/", b"\r", b"\t", b"\f", b"x"])).map(b"".join)
CELLS = st.sampled_from(
    ["src", "Source IP", "time", "src_port", "dst", "IP address", "port", "resource", "x", "Quelle", "źródło", "#Fields:"]
)
HEADERS = st.lists(
    st.sampled_from([b"Message-ID:", b"MESSAGE-ID: ", b"X-", b"<a@b.c>", b"<d@e.f", b"\r\n", b"\n", b" ", b"\n\t", b"ab"])
).map(b"".join)


@given(ENDS)
@example(b"one\rtwo\r\nthree\r")
def test_line_ends_become_newlines(content: bytes) -> None:
    assert decode(content, "us-ascii") == content.decode().replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


@given(LINES)
@example(b"Subject:\r")
@example(b"Date://example.org")
def test_a_field_of_mail_is_what_the_pattern_calls_one(line: bytes) -> None:
    found = opening._FIELD.match(line)
    name = found.group(1).lower() if found else b""
    assert opening._mail_field(line) == (name if name in opening._MAIL_FIELDS else b"")


@given(HEADERS)
@example(b"X-Message-ID: <no@b.c>\r\nmessage-id:\r\n <yes@b.c>\r\n")
def test_the_message_id_is_what_the_pattern_finds(header: bytes) -> None:
    whole = (b"Subject: x\r\n" + header).partition(b"\n\r\n")[0].partition(b"\n\n")[0]
    found = reading._MESSAGE_ID.search(whole.replace(b"\r\n", b"\n"))
    assert reading.message_id(whole) == (found.group(1).decode() if found else "")


@given(st.lists(st.lists(CELLS, max_size=5).map(" | ".join), max_size=6))
@example(["#Fields: date time c-ip s-ip", "source,time", "resource | timed"])
def test_no_heading_is_passed_over(texts: list[str]) -> None:
    lines = sections("\n".join(texts), [])
    assert {line.number for line in lines if heading_of(line.text)} <= heads(lines)
    assert heads(lines) <= {line.number for line in lines}


def test_remembered_parameters_are_everybody_s_own() -> None:
    parameters("text/plain; charset=utf-8")[1]["charset"] = "changed"
    assert parameters("text/plain; charset=utf-8") == ("text/plain", {"charset": "utf-8"})
