"""How well complaints are read by machine: the two promises that are counted (10 % to a person, 0.1 % wrong addresses)."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from tipstaff.intake.models import Correction, Submission

MOST_TO_A_PERSON, MOST_WRONG = 0.10, 0.001
DECIDABLE = Q(state__in=("parsed", "needs_person", "failed")) | ~Q(decided_by="")
ASKED_A_PERSON = Q(state__in=("needs_person", "failed")) | ~Q(decided_by="")


@dataclass(frozen=True, slots=True)
class Reading:
    """Decidable submissions of a period, those that went to a person, and those in which a person corrected an address."""

    decidable: int
    person: int
    wrong: int

    @property
    def person_share(self) -> float:
        return self.person / self.decidable if self.decidable else 0.0

    @property
    def wrong_share(self) -> float:
        return self.wrong / self.decidable if self.decidable else 0.0


def reading(*, since: datetime, until: datetime) -> Reading:
    """The counts for what was received (and corrected) from ``since`` on, before ``until``."""
    received = Submission.objects.filter(received_at__gte=since, received_at__lt=until)
    asked = received.aggregate(all=Count("pk", filter=DECIDABLE), person=Count("pk", filter=ASKED_A_PERSON))
    changed = Correction.objects.filter(at__gte=since, at__lt=until, field="accused").exclude(before__has_key="reason")
    return Reading(asked["all"], asked["person"], changed.values("submission").distinct().count())  # else it had named none
