"""Notices that nobody could be told of because a wording was broken are told again once somebody has mended it.

A wording that is kept or taken back is the sign. Whatever still cannot be used stays refused, and nothing is written twice.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q

from tipstaff.cases.journal import journal
from tipstaff.cases.models import Case, Notice
from tipstaff.correspondence.models import Wording
from tipstaff.kernel.errors import InputError
from tipstaff.pipeline import telling

#: What is still worth saying once a case has ended; a reminder is not.
LAST_WORDS = frozenset({"resolved", "closed", "left_intact", "retraction", "appeal_decided", "restored", "terminated"})


class Retelling:
    """One loop's memory of which change of the wordings it has acted on."""

    def __init__(self) -> None:
        self.seen: datetime | None = None

    def step(self, now: datetime) -> int:
        """Tell what a wording kept from being told, where wordings have changed. Returns how many were told now."""
        changed = Wording.objects.aggregate(kept=Max("at"), retired=Max("retired_at"))
        latest = max(filter(None, changed.values()), default=None)
        if latest is None or latest == self.seen:
            return 0
        done = sum(_again(number, now) for number in _refused(latest))
        self.seen = latest
        return done


def _refused(latest: datetime) -> list[int]:
    """Notices that a wording kept from being told, before the latest change; the oldest first."""
    rows = Notice.objects.filter(rendered_at=None, refused__startswith=telling.WORDING, created_at__lt=latest)
    worth = rows.filter(Q(case__closed_at=None) | Q(kind__in=LAST_WORDS))
    return list(worth.order_by("id").values_list("pk", flat=True)[: telling.MOST])


@transaction.atomic
def _again(number: int, now: datetime) -> bool:
    rows = Notice.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=number, rendered_at=None)
    notice = rows.select_related("case__customer", "case__service", "case__edition").first()
    if notice is None or not notice.refused.startswith(telling.WORDING):
        return False
    try:
        made, why = telling.letters_of(notice, now)
    except InputError as error:
        made, why = [], f"{telling.WORDING}: {error}"
    Notice.objects.filter(pk=number).update(rendered_at=now if made else None, refused="" if made else why)
    if made:
        _say(notice, [row.pk for row in made], now)
    return bool(made)


def _say(notice: Notice, messages: list[int], now: datetime) -> None:
    """The timeline says so, and the case no longer waits for a person because of it."""
    case = notice.case.merged_into or notice.case
    if notice.audience == "customer":
        Case.objects.filter(pk=case.pk, needs_person__contains=telling.WORDING).update(needs_person="")
    text = f"{notice.kind.replace('_', ' ')}: its wording was mended, the letter was put in the outbox"
    journal(case=case, kind="mail", text=text, by=telling.BY, now=now, audience=notice.audience, notice=notice.pk,
            messages=messages)  # fmt: skip
