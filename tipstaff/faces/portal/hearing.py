"""What customers read of those who reported: that they are told only where the policy, or a law over it, has us tell (G5, K13)."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings

from tipstaff.cases.models import Case
from tipstaff.pipeline import duties
from tipstaff.policy.edition import Edition

#: A step that promises it → the same step where nobody is told.
UNTOLD: Mapping[str, str] = {
    "We look again, then close the case and tell who reported it that it is solved.": "We look again, then close the case.",
    "If it stays quiet the case is closed, and who reported it is told that it is solved.": "If it stays quiet the case is closed.",
}

Steps = Sequence[tuple[str, datetime | None]]


def reporters_hear(case: Case, edition: Edition) -> bool:
    """Whether who reported the case by hand hears that it is solved; what letters to reporters go by."""
    switch = edition.switches.reporter_notice
    return duties.reporter_hears(switch, "resolved", case.category, settings.REPORTER_DUTIES) is not None


def kept(steps: Steps, case: Case, edition: Edition) -> Steps:
    """The steps, with no promise in them that is not kept."""
    return steps if reporters_hear(case, edition) else [(UNTOLD.get(text, text), at) for text, at in steps]
