"""Making and revoking tokens; registering what a token sends."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tipstaff.audit.services import record
from tipstaff.faces.api.models import ApiToken, Receipt
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.ids import new_id

PREFIX = "tipstaff_"  # lets secret scanners and people tell what it is
SCOPES = {
    "reports:write": "send reports, and follow what became of one's own",
    "findings:write": "send what connected detectors measured, which counts as measured here, and follow what became of it",
    "inventory:write": "say who holds which address",
    "inventory:read": "list customers and services",
    "who:read": "ask whose an address was",
    "metrics:read": "read the metrics",
    "flows:read": "read what our own flows say of a case",
}
LONGEST = timedelta(days=730)
USED_EVERY = timedelta(minutes=1)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def create_token(*, name: str, scopes: Sequence[str], lasts: timedelta, by: str, now: datetime) -> tuple[ApiToken, str]:
    """A new token: its row, and its text, which is never seen again."""
    problems = []
    if not _NAME.fullmatch(name):
        problems.append(Problem("name", f"{name!r} is no name for a token", "use lower-case letters, digits, '.', '_' and '-'"))
    if not scopes or set(scopes) - SCOPES.keys():
        unknown = ", ".join(sorted(set(scopes) - SCOPES.keys())) or "nothing"
        problems.append(Problem("scope", f"{unknown} is no scope", f"use one or more of {', '.join(SCOPES)}"))
    if not timedelta(0) < lasts <= LONGEST:
        problems.append(Problem("expires-in", f"{lasts} is out of range", f"give a time of at most {LONGEST.days} days"))
    if not problems and ApiToken.objects.filter(name=name).exists():
        problems.append(Problem("name", f"there is a token {name!r} already", "choose another name; a revoked one stays taken"))
    if problems:
        raise InputError(problems)
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(
            name=name, digest=digest_of(text), scopes=sorted(set(scopes)), created_at=now, created_by=by, expires_at=now + lasts
        )
        record(by=by, action="token.create", subject=f"token:{name}", now=now, scopes=sorted(set(scopes)))
    return token, text


def revoke_token(*, name: str, by: str, now: datetime, reason: str = "") -> None:
    """End a token at once; revoking it again is success."""
    with transaction.atomic():
        if not ApiToken.objects.filter(name=name).exists():
            raise NotFound(f"there is no token {name!r}; `tipstaff token list` shows them")
        if ApiToken.objects.filter(name=name, revoked_at=None).update(revoked_at=now):
            record(by=by, action="token.revoke", subject=f"token:{name}", reason=reason, now=now)


def note_use(*, token: ApiToken, now: datetime) -> None:
    """Remember when it was used last, to the minute."""
    recently = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
    if token.last_used_at is None or now - token.last_used_at > USED_EVERY:
        ApiToken.objects.filter(recently, pk=token.pk).update(last_used_at=now)


def register(*, token: ApiToken, key: str | None, body: bytes, external_id: str, now: datetime) -> tuple[Receipt, bool]:
    """The receipt for a body, and whether it is new. The same key names the same receipt, whichever request comes first.

    Raises InputError where the key stands for another body.
    """
    digest = hashlib.sha256(body).digest()
    fresh = Receipt(submission=new_id(now), token=token, key=key, digest=digest, external_id=external_id[:200], accepted_at=now)
    if key is None:
        fresh.save(force_insert=True)
        return fresh, True
    Receipt.objects.bulk_create([fresh], ignore_conflicts=True)
    kept = Receipt.objects.get(token=token, key=key)
    if bytes(kept.digest) != digest:
        advice = "send a new key with a new report; the same key is for sending the same report again"
        raise InputError(Problem("Idempotency-Key", "stands for another report already", advice))
    return kept, kept.submission == fresh.submission


def receipt_of(*, token: ApiToken, submission: UUID) -> Receipt:
    """A token's own receipt."""
    try:
        return Receipt.objects.get(token=token, submission=submission)
    except Receipt.DoesNotExist:
        raise NotFound("there is no such report, or another token sent it") from None
