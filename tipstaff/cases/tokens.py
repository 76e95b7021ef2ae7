"""The token that names a case in a subject, an address or a Message-ID: the number, and eight digits that only we can make."""

import hmac

from django.conf import settings


def token_of(case: int) -> str:
    """``4312-1f3a9c04``: the digits are a keyed digest of the number (HMAC-SHA-256, RFC 2104), cut to 32 bits."""
    digest = hmac.digest(settings.SECRET_KEY.encode(), f"case:{case}".encode(), "sha256").hex()
    return f"{case}-{digest[:8]}"


def case_named(token: str) -> int | None:
    """The case that a token names, None where the token is not one of ours."""
    number = token.partition("-")[0]
    if not number.isdecimal() or len(number) > 10:
        return None
    return int(number) if hmac.compare_digest(token_of(int(number)), token) else None
