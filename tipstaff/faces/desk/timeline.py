"""What the timeline of a case makes of its journal: who did it by name, and what repeats told once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tipstaff.accounts.models import Contact
from tipstaff.cases.models import JournalEntry
from tipstaff.faces.desk import words

FOLD_FROM = 3  # equal lines of one day from which one stands for all


def names(journal: Iterable[JournalEntry]) -> dict[str, str]:
    """Who did each thing, as people read it: a contact's name, a part of the machinery in words."""
    actors = {row.actor for row in journal}
    numbers = {int(actor[8:]) for actor in actors if actor.startswith("contact:") and actor[8:].isdecimal()}
    known = {row.pk: row.name or row.email for row in Contact.objects.filter(pk__in=numbers)} if numbers else {}
    shown = {actor: words.actor(actor) for actor in actors}
    return shown | {f"contact:{number}": f"{known.get(number, f'contact {number}')}, customer" for number in numbers}


def folded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one day, newest first; what the machinery wrote often stands once, with ``times`` and ``since``."""
    alike: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        entry = row["entry"]
        if row["kind"] == "actions" and entry.actor.startswith("system") and not entry.detail.get("source"):
            alike[entry.actor, entry.kind, entry.text].append(row)
    gone: set[int] = set()
    for same in alike.values():
        if len(same) >= FOLD_FROM:
            same[0].update(times=len(same), since=same[-1]["entry"].at)
            gone.update(id(row) for row in same[1:])
    return [row for row in rows if id(row) not in gone]
