"""The ledger of acceptances (A1): who accepted which edition, when and how. Rows are only added."""

from datetime import datetime

from django.db import transaction

from tipstaff.accounts.models import Acceptance
from tipstaff.audit.services import record


@transaction.atomic
def accept(*, customer: int, edition: str, content_hash: str, method: str, by: str, now: datetime) -> Acceptance:
    """Keep that a customer accepted an edition; said again, the first time stays the one that counts."""
    known = Acceptance.objects.filter(customer=customer, content_hash=content_hash).first()
    if known is not None:
        return known
    made = Acceptance.objects.create(
        customer_id=customer, edition=edition, content_hash=content_hash, accepted_at=now, actor=by, method=method
    )
    record(by=by, action="policy.accept", subject=f"customer:{customer}", now=now, edition=edition, content_hash=content_hash)
    return made
