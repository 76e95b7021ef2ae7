"""One-time codes by time (RFC 6238, over HOTP of RFC 4226): SHA-1, six digits, thirty seconds, as every app knows. Pure."""

import base64
import hmac
import struct
from datetime import datetime
from urllib.parse import quote, urlencode

STEP = 30  # seconds
DIGITS = 6
DRIFT = 1  # steps before and after that are taken, for clocks that differ
SECRET_BYTES = 20  # the length RFC 4226 recommends


def step_at(now: datetime) -> int:
    """The number of the time step."""
    return int(now.timestamp()) // STEP


def code_of(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of one time step (RFC 4226, section 5.3)."""
    sum_ = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    start = sum_[-1] & 0x0F
    (number,) = struct.unpack(">I", sum_[start : start + 4])
    return f"{(number & 0x7FFFFFFF) % 10**digits:0{digits}d}"


def matching_step(secret: bytes, code: str, now: datetime, after: int = 0) -> int | None:
    """The step whose code this is, newer than ``after``; None where there is none. Takes the same time either way."""
    found = None
    for step in range(step_at(now) - DRIFT, step_at(now) + DRIFT + 1):
        same = hmac.compare_digest(code_of(secret, step).encode(), code.encode())
        if same and step > after:
            found = step
    return found


def as_text(secret: bytes) -> str:
    """The secret as people type it: base32 in groups of four."""
    plain = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(plain[place : place + 4] for place in range(0, len(plain), 4))


def as_uri(secret: bytes, account: str, issuer: str) -> str:
    """The ``otpauth:`` address that an app reads from the picture."""
    label = quote(f"{issuer}:{account}")
    given = {"secret": base64.b32encode(secret).decode().rstrip("="), "issuer": issuer, "digits": DIGITS, "period": STEP}
    return f"otpauth://totp/{label}?{urlencode(given, quote_via=quote)}"
