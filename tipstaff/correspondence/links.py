"""Links that open one thing for one person without an account: who, what, when and to which mail address, under our own seal.

``token_of('case:4312', 'contact:17', now, to='carol@example.com')`` is some 60 characters for an address; ``opened`` gives them
back or says why not. Nothing in it is secret, nothing in it can be changed or made without the instance's key (HMAC-SHA-256 cut
to 128 bits, RFC 2104). Of the mail address it has a keyed mark only, so that a link tells nobody whose it is.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings

VALID = timedelta(days=30)  # an expired link mails a new one
_SEAL = 16
_PURPOSE, _MAILBOX = b"tipstaff.portal.link.3", b"tipstaff.portal.mailbox|"
_MARK = 8  # bytes of what tells one mailbox from another
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Opened:
    """What a link opens: ``subject`` 'case:4312', ``bearer`` 'contact:17'. An expired one opens nothing but a new link."""

    subject: str
    bearer: str
    given_at: datetime
    expired: bool
    mailbox: str  # mailbox_mark of the address that it was sent to

    def was_sent_to(self, address: str) -> bool:
        """Whether ``address`` is where the link lies."""
        return hmac.compare_digest(self.mailbox, mailbox_mark(address))


def token_of(subject: str, bearer: str, now: datetime, *, to: str) -> str:
    """The token for an address; ``subject`` and ``bearer`` without '|'. ``to`` is the mail address that it goes to."""
    said = f"{subject}|{bearer}|{int(now.timestamp()):x}|{mailbox_mark(to)}".encode()
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
    subject, bearer, given, mailbox = said.decode().split("|")
    given_at = datetime.fromtimestamp(int(given, 16), UTC)
    return Opened(subject, bearer, given_at, now - given_at > valid, mailbox)


def address_of(subject: str, bearer: str, now: datetime, *, to: str) -> str:
    """The whole address of the portal's page, ``https://…/c/<token>``, for the mail to the address ``to``."""
    return f"{settings.PUBLIC_URL.rstrip('/')}/c/{token_of(subject, bearer, now, to=to)}"


def mailbox_mark(address: str) -> str:
    """What a link says of the mail address that it goes to; capital letters make no difference."""
    kept = hmac.digest(settings.SECRET_KEY.encode(), _MAILBOX + address.strip().lower().encode(), "sha256")
    return urlsafe_b64encode(kept[:_MARK]).rstrip(b"=").decode()


def _seal(said: bytes) -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), _PURPOSE + said, "sha256")[:_SEAL]


def check_of(reference: str) -> str:
    """``out-1f3a9c04``: the token of messages that belong to no case, which only we can make."""
    return "out-" + hmac.digest(settings.SECRET_KEY.encode(), f"message:{reference}".encode(), "sha256").hex()[:8]
