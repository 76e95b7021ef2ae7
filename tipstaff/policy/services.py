"""Drafting, publishing and withdrawing editions. Publishing takes a second person and an intake address."""

import re
from datetime import datetime

from django.db import transaction

from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import access
from tipstaff.policy.edition import Edition
from tipstaff.policy.loading import canonical
from tipstaff.policy.models import StoredEdition

_ADDRESS = re.compile(r"[^\s@<>,;]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+\Z")


@transaction.atomic
def draft(
    *, edition: Edition, effective_from: datetime, by: str, now: datetime, brand: str = "", intake_address: str = ""
) -> StoredEdition:
    """Store an edition as a draft, or replace the draft of the same pack, version and brand.

    Raises Refused once that version is published: what is published never changes, a new version supersedes it.
    """
    drafter = _person(by)
    if intake_address and not _ADDRESS.match(intake_address):
        raise InputError(Problem("intake_address", f"{intake_address!r} is not a mail address", "write abuse@example.net"))
    values = {
        "content": canonical(edition),
        "content_hash": edition.content_hash,
        "effective_from": effective_from,
        "intake_address": intake_address,
        "drafted_by": drafter,
        "created_at": now,
    }
    found = StoredEdition.objects.select_for_update().filter(pack=edition.pack, version=edition.version, brand=brand).first()
    if found is None:
        found = StoredEdition.objects.create(pack=edition.pack, version=edition.version, brand=brand, **values)
    elif found.state != "draft":
        raise Refused(f"edition {found.name} is {found.state}: give the new text another version")
    else:
        StoredEdition.objects.filter(pk=found.pk).update(**values)
        found.refresh_from_db()
    record(by=by, action="policy.draft", subject=f"edition:{found.name}", now=now, brand=brand, content_hash=found.content_hash)
    return found


@transaction.atomic
def publish(*, stored: int, by: str, now: datetime) -> StoredEdition:
    """Publish a draft, by its id. Raises NotFound, or Refused saying what opens the way.

    It takes somebody other than the one who drafted it, an intake address (G1), and a day that is not past: only the
    first edition of a brand may name an earlier day, since a policy on paper was in force before it.
    """
    edition = _locked(stored)
    if by.strip().casefold() == edition.drafted_by.casefold() and edition.state == "draft":
        raise Refused(f"{by} drafted edition {edition.name}: a second person must publish it")
    publisher = _person(by)
    if edition.state != "draft":
        raise Refused(f"edition {edition.name} is already {edition.state}")
    if not edition.intake_address:
        raise Refused(f"edition {edition.name} names no address for reports: draft it again with an intake address")
    published = StoredEdition.objects.filter(brand=edition.brand, state="published")
    if edition.effective_from < now and published.exists():
        raise Refused(
            f"edition {edition.name} would take effect in the past, at {edition.effective_from:%Y-%m-%d %H:%M}: choose a later day"
        )
    if published.filter(effective_from=edition.effective_from).exists():
        raise Refused(f"another edition takes effect at {edition.effective_from:%Y-%m-%d %H:%M} UTC: choose another moment")
    edition.state, edition.published_by, edition.published_at = "published", publisher, now
    edition.save(update_fields=["state", "published_by", "published_at"])
    _note(edition, "policy.publish", by, now)
    return edition


@transaction.atomic
def withdraw(*, stored: int, by: str, now: datetime, reason: str) -> StoredEdition:
    """Withdraw a published edition that is not in force yet. Raises NotFound or Refused."""
    person, edition = _person(by), _locked(stored)
    if edition.state != "published":
        raise Refused(f"edition {edition.name} is {edition.state}: only a published edition is withdrawn")
    if edition.effective_from <= now:
        raise Refused(f"edition {edition.name} is in force since {edition.effective_from:%Y-%m-%d}: publish a newer one instead")
    if not reason.strip():
        raise Refused("a withdrawal needs a reason")
    edition.state, edition.withdrawn_by, edition.withdrawn_at = "withdrawn", person, now
    edition.save(update_fields=["state", "withdrawn_by", "withdrawn_at"])
    _note(edition, "policy.withdraw", by, now, reason)
    return edition


def _locked(stored: int) -> StoredEdition:
    try:
        return StoredEdition.objects.select_for_update().get(pk=stored)
    except StoredEdition.DoesNotExist:
        raise NotFound(f"no edition with id {stored}") from None


def _note(edition: StoredEdition, action: str, by: str, now: datetime, reason: str = "") -> None:
    detail = {"brand": edition.brand, "content_hash": edition.content_hash}
    record(by=by, action=action, subject=f"edition:{edition.name}", now=now, reason=reason, **detail)


def _person(by: str) -> str:
    """Who may. A program of ours may as well: rehearsal and benchmarks furnish themselves; no face passes such a name."""
    return by if by.startswith("system:") else access.author(by)
