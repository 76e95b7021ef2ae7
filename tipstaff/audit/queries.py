"""Looking things up in the record."""

from collections.abc import Sequence
from dataclasses import dataclass

from tipstaff.audit.models import Entry

MOST = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for: text that actor, action or subject begin with, and the id below which to go on."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    before: int | None = None


def latest(wanted: Wanted, most: int = MOST) -> Sequence[Entry]:
    """The newest entries first, each with its ``seal`` where it has one."""
    rows = Entry.objects.select_related("seal").order_by("-pk")
    given = {"actor": wanted.actor, "action": wanted.action, "subject": wanted.subject}
    rows = rows.filter(**{f"{name}__startswith": text for name, text in given.items() if text})
    if wanted.before is not None:
        rows = rows.filter(pk__lt=wanted.before)
    return list(rows[:most])
