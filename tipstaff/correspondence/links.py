"""Links that open one thing for one person without an account: who, what, and when it was given, under our own seal.

``token_of('case:4312', 'contact:17', now)`` is 41 characters for an address; ``opened`` gives them back or says why not. Nothing
in it is secret, nothing in it can be changed or made without the instance's key (HMAC-SHA-256 cut to 128 bits, RFC 2104).
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

VALID = timedelta(days=30)  # an expired link mails a new one
_SEAL = 16
_PURPOSE = b"tipstaff.portal.link.2"
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens: ``subject`` 'case:4312', ``bearer`` 'contact:17'. An expired one opens nothing but a new link."""

    subject: str
    bearer: str
    given_at: datetime
    expired: bool


def token_of(subject: str, bearer: str, now: datetime) -> str:
    """The token for an address; ``subject`` and ``bearer`` without '|'."""
    said = f"{subject}|{bearer}|{int(now.timestamp()):x}".encode()
    return urlsafe_b64encode(_seal(said) + said).rstrip(b"=").decode()


def opened(token: str, now: datetime, valid: timedelta = VALID) -> Opened | None:
    """What ``token`` opens; None where it is none of ours, whatever is wrong with it."""
    if not 24 < len(token) <= _LONGEST or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    said = raw[_SEAL:]
    if not hmac.compare_digest(raw[:_SEAL], _seal(said)):
        return None
    subject, bearer, given = said.decode().split("|")
    given_at = datetime.fromtimestamp(int(given, 16), UTC)
    return Opened(subject, bearer, given_at, expired=now - given_at > valid)


def address_of(subject: str, bearer: str, now: datetime) -> str:
    """The whole address of the portal's page, ``https://…/c/<token>``."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/c/{token_of(subject, bearer, now)}"


def _seal(said: bytes) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), _PURPOSE + said, "sha256")[:_SEAL]


def check_of(reference: str) -> str:
    """``out-1f3a9c04``: the token of messages that belong to no case, which only we can make."""
    return "out-" + hmac.digest(settings.SECRET_KEY.encode(), f"message:{reference}".encode(), "sha256").hex()[:8]
