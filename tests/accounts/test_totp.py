"""One-time codes: the RFC's own vectors, drift, and that a code is good once."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.accounts import totp

SECRET = b"12345678901234567890"
AT = datetime(2026, 6, 15, 8, 0, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"), (2000000000, "69279037"),
     (20000000000, "65353130")],
)  # fmt: skip
def test_the_vectors_of_rfc_6238(seconds, code) -> None:
    assert totp.code_of(SECRET, seconds // totp.STEP, digits=8) == code


@pytest.mark.parametrize(("number", "code"), list(enumerate(["755224", "287082", "359152", "969429", "338314", "254676"])))
def test_the_vectors_of_rfc_4226(number, code) -> None:
    assert totp.code_of(SECRET, number) == code


@pytest.mark.parametrize(("late", "taken"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_differ_by_one_step(late, taken) -> None:
    code = totp.code_of(SECRET, totp.step_at(AT + timedelta(seconds=late)))
    assert (totp.matching_step(SECRET, code, AT) is not None) is taken


def test_a_step_that_was_used_and_all_before_it_are_not_taken_again() -> None:
    step = totp.step_at(AT)
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step), AT, after=step) is None
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step - 1), AT, after=step) is None
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step + 1), AT, after=step) == step + 1


@given(st.text(max_size=12))
def test_no_other_text_is_a_code(text) -> None:
    right = {totp.code_of(SECRET, totp.step_at(AT) + drift) for drift in (-1, 0, 1)}
    assert (totp.matching_step(SECRET, text, AT) is not None) is (text in right)


def test_the_address_for_apps() -> None:
    found = urlsplit(totp.as_uri(SECRET, "alice", "North Gate"))
    assert (found.scheme, found.netloc, found.path) == ("otpauth", "totp", "/North%20Gate%3Aalice")
    assert parse_qs(found.query)["secret"] == ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]
    assert totp.as_text(SECRET).replace(" ", "") == "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
