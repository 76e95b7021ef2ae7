"""Who may call what: bearer tokens with scopes."""

from datetime import datetime

from django.http import HttpRequest

from tipstaff.faces.api.models import ApiToken
from tipstaff.faces.api.services import SCOPES, digest_of, note_use
from tipstaff.kernel.errors import TipstaffError


class Unauthorised(TipstaffError):
    """No token, or one that is not valid (401)."""


class Forbidden(TipstaffError):
    """The token lacks a scope (403)."""


def token_for(request: HttpRequest, scope: str, now: datetime) -> ApiToken:
    """The token of a request, which must be valid and have ``scope``."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthorised("send a token: Authorization: Bearer …; `tipstaff token create` makes one")
    token = ApiToken.objects.filter(digest=digest_of(text.strip())).first()
    if token is None:
        raise Unauthorised("this token is not known; check that it was copied whole")
    if token.revoked_at is not None:
        raise Unauthorised(f"the token {token.name!r} was revoked; ask for a new one")
    if token.expires_at <= now:
        raise Unauthorised(f"the token {token.name!r} expired at {token.expires_at:%Y-%m-%d %H:%M} UTC; ask for a new one")
    if scope not in token.scopes:
        raise Forbidden(f"the token {token.name!r} may not {SCOPES[scope]}: it lacks the scope {scope}")
    note_use(token=token, now=now)
    return token
