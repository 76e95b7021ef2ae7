"""Who may call what: bearer tokens with scopes."""

from datetime import datetime

from django.core.cache import cache
from django.http import HttpRequest

from tipstaff.audit.services import refused
from tipstaff.faces.api.models import ApiToken
from tipstaff.faces.api.services import SCOPES, digest_of, note_use
from tipstaff.kernel.errors import TipstaffError


class Unauthorised(TipstaffError):
    """No token, or one that is not valid (401)."""


class Forbidden(TipstaffError):
    """The token lacks a scope (403)."""


ONCE_IN = 3600  # seconds in which the same refusal of the same token is written down once: a feed that is wrong tries all day
NAMED = "tipstaff_token"  # where a request keeps the name of its token, for the record


def token_for(request: HttpRequest, scope: str, now: datetime, *, instead: str = "") -> ApiToken:
    """The token of a request, which must be valid and have ``scope``, or ``instead`` where that does too."""
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
    setattr(request, NAMED, token.name)
    if scope not in token.scopes and instead not in token.scopes:
        raise Forbidden(f"the token {token.name!r} may not {SCOPES[scope]}: it lacks the scope {scope}")
    note_use(token=token, now=now)
    return token


def tried(request: HttpRequest, why: str, now: datetime, *, what: str) -> None:
    """Put on the record that a token was refused: 'role' for a scope that it lacks, 'rule' for an act. Unknown tokens are not."""
    name = getattr(request, NAMED, "")
    if not name or not cache.add(f"api:tried:{name}:{request.method}:{request.path}:{what}"[:240], 1, ONCE_IN):
        return
    path = request.path[:200]
    refused(by=f"token:{name}", what=what, subject=f"api:{path}", why=why, now=now, method=request.method, path=path)
