"""Whom the provider does not serve again (A14): entered after a termination, asked when somebody new orders, lifted after appeal.

Identities are kept as keyed digests (HMAC-SHA-256), so that the list tells nobody who stands on it.
"""

import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from tipstaff.accounts.models import Contact
from tipstaff.audit.services import record
from tipstaff.cases import people
from tipstaff.cases.models import Case, Refusal
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy.edition import Role

LASTS = timedelta(days=730)


def digest(identity: str) -> str:
    """The digest under which a mail address, name or external number is kept."""
    plain = " ".join(identity.casefold().split())
    return hmac.digest(settings.SECRET_KEY.encode(), f"refusal:{plain}".encode(), "sha256").hex()


def enter(*, case: Case, reason_code: str, by: str, now: datetime, lasts: timedelta = LASTS) -> Refusal:
    """Put the customer of a terminated case on the list."""
    known = [case.customer.name, case.customer.external_id or ""]
    known += list(Contact.objects.filter(customer=case.customer_id).values_list("email", flat=True))
    row = Refusal.objects.create(
        customer_id=case.customer_id, case=case, reason_code=reason_code, reviewer=by, at=now, expires_at=now + lasts,
        identities=sorted({digest(one) for one in known if one.strip()}),
    )  # fmt: skip
    record(by=by, action="refusal.enter", subject=f"customer:{case.customer_id}", now=now, case=case.pk)
    return row


def screen(*, identities: Iterable[str], now: datetime) -> list[Refusal]:
    """Entries in force that any of these names, addresses or numbers match: a new order of a terminated party is caught."""
    wanted = [digest(one) for one in identities if one.strip()]
    rows = Refusal.objects.filter(identities__overlap=wanted, lifted_at__isnull=True)
    return list(rows.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now)).order_by("pk"))


@transaction.atomic
def lift(*, refusal: int, note: str, by: str, now: datetime) -> Refusal:
    """Take somebody off the list, with the reason; a lead's act."""
    if not note.strip():
        raise InputError(Problem("note", "is missing", "say why the refusal ends"))
    people.require(by, Role.LEAD)
    row = Refusal.objects.select_for_update().filter(pk=refusal).first()
    if row is None:
        raise NotFound(f"there is no refusal {refusal}")
    row.lifted_at, row.appeal_note = row.lifted_at or now, note.strip()
    row.save(update_fields=["lifted_at", "appeal_note"])
    record(by=by, action="refusal.lift", subject=f"refusal:{row.pk}", reason=note.strip(), now=now)
    return row
