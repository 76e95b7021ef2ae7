"""Passkeys (WebAuthn level 2): registering one, and signing in with one. The arithmetic is the webauthn package's.

A challenge is good once; the caller keeps it in the session and takes it out before it asks here. A passkey that verified
its holder (PIN, finger, face) stands for both factors; one that did not, only beside the password.
"""

from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import webauthn
from django.db import transaction
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tipstaff.accounts.models import Passkey, StaffMember
from tipstaff.accounts.wrapping import digest
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused

LONGEST_NAME = 60
MOST = 20  # passkeys of one person


@dataclass(frozen=True)
class Site:
    """Where the browser is: the host name that passkeys are bound to, and the origin it must report."""

    host: str
    origin: str
    name: str = "Tipstaff"


@dataclass(frozen=True)
class Shown:
    """What came of showing a passkey: whose it is, and whether it verified its holder."""

    staff: StaffMember
    verified: bool


def registration(*, staff: StaffMember, site: Site) -> tuple[str, bytes]:
    """(what the browser is asked, as JSON; the challenge)."""
    asked = webauthn.generate_registration_options(
        rp_id=site.host,
        rp_name=site.name,
        user_id=bytes.fromhex(digest("handle", str(staff.pk))),
        user_name=staff.username,
        user_display_name=staff.get_full_name() or staff.username,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=_descriptors(staff),
    )
    return webauthn.options_to_json(asked), asked.challenge


@transaction.atomic
def register(
    *, staff: StaffMember, answer: dict[str, Any], challenge: bytes, site: Site, name: str, now: datetime
) -> Passkey:  # fmt: skip
    """Keep the passkey that the browser made. Raises InputError where it does not fit the question."""
    if staff.passkeys.count() >= MOST:
        raise Refused(f"{MOST} passkeys are enough; remove one first")
    try:
        made = webauthn.verify_registration_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=site.host, expected_origin=site.origin
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise InputError(Problem("Passkey", "could not be checked", "try again, from the address bar's own name")) from error
    if Passkey.objects.filter(credential_id=made.credential_id).exists():
        raise Refused("this passkey is known already")
    transports = [name for name in (answer.get("response") or {}).get("transports") or [] if isinstance(name, str)]
    kept = Passkey.objects.create(
        staff=staff, credential_id=made.credential_id, public_key=made.credential_public_key, sign_count=made.sign_count,
        transports=transports[:8], name=" ".join(name.split())[:LONGEST_NAME] or "passkey", made_at=now,
    )  # fmt: skip
    record(by=staff.username, action="second_factor.add", subject=f"staff:{staff.pk}", now=now, kind="passkey", passkey=kept.pk)
    return kept


def question(*, site: Site, staff: StaffMember | None = None) -> tuple[str, bytes]:
    """(what the browser is asked, as JSON; the challenge). With ``staff`` one of theirs, beside the password; else any."""
    need = UserVerificationRequirement.PREFERRED if staff else UserVerificationRequirement.REQUIRED
    asked = webauthn.generate_authentication_options(
        rp_id=site.host, user_verification=need, allow_credentials=_descriptors(staff) if staff else None
    )
    return webauthn.options_to_json(asked), asked.challenge


@transaction.atomic
def show(
    *, answer: dict[str, Any], challenge: bytes, site: Site, now: datetime, staff: StaffMember | None = None
) -> Shown | None:  # fmt: skip
    """Whose passkey answered; None where it is unknown, another's, or its signature, origin, challenge or count is wrong."""
    rows = Passkey.objects.select_for_update(of=("self",)).select_related("staff")
    found = rows.filter(credential_id=_id_of(answer), **({"staff": staff} if staff else {})).first()
    if found is None or not found.staff.is_active:
        return None
    try:
        done = webauthn.verify_authentication_response(
            credential=answer, expected_challenge=challenge, expected_rp_id=site.host, expected_origin=site.origin,
            credential_public_key=bytes(found.public_key), credential_current_sign_count=found.sign_count,
            require_user_verification=staff is None,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None
    found.sign_count, found.used_at = done.new_sign_count, now
    found.save(update_fields=["sign_count", "used_at"])
    return Shown(found.staff, done.user_verified)


@transaction.atomic
def remove(*, staff: StaffMember, number: int, by: str, now: datetime) -> None:
    """Take one passkey away. Raises NotFound where it is not theirs."""
    gone, _ = Passkey.objects.filter(staff=staff, pk=number).delete()
    if not gone:
        raise NotFound("There is no such passkey of yours.")
    record(by=by, action="second_factor.remove", subject=f"staff:{staff.pk}", now=now, kind="passkey", passkey=number)


def _descriptors(staff: StaffMember) -> list[PublicKeyCredentialDescriptor]:
    known = {one.value: one for one in AuthenticatorTransport}
    return [
        PublicKeyCredentialDescriptor(
            id=bytes(one.credential_id), transports=[known[n] for n in one.transports if n in known] or None
        )
        for one in staff.passkeys.order_by("pk")
    ]


def _id_of(answer: dict[str, Any]) -> bytes:
    text = answer.get("id") if isinstance(answer, dict) else None
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)) if isinstance(text, str) else b""
    except ValueError:
        return b""
