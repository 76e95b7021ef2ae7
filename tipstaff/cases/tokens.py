"""The token that names a case in a subject, an address or a Message-ID: the number, and eight digits that only we can make.

Each side of a case has digits of its own: what comes back with the reporters' token never counts as the customer's word.
"""

import hmac

from django.conf import settings

SIDES = ("customer", "reporter", "reseller")


def token_of(case: int, side: str = "customer") -> str:
    """``4312-1f3a9c04``: the digits are a keyed digest of the number (HMAC-SHA-256, RFC 2104), cut to 32 bits."""
    said = f"case:{case}" if side == "customer" else f"case:{case}:{side}"
    return f"{case}-{hmac.digest(settings.SECRET_KEY.encode(), said.encode(), 'sha256').hex()[:8]}"


def case_named(token: str) -> int | None:
    """The case that a token names, None where the token is not one of ours."""
    found = named(token)
    return found[0] if found else None


def named(token: str) -> tuple[int, str] | None:
    """The case and the side that a token was given to; None where the token is not one of ours."""
    number = token.partition("-")[0]
    if not number.isascii() or not number.isdecimal() or len(number) > 10:
        return None
    case = int(number)
    return next(((case, side) for side in SIDES if hmac.compare_digest(token_of(case, side), token.lower())), None)
