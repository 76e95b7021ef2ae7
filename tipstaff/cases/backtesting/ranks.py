"""What each member of staff could decide at a moment of the past: the roles held then, as the record of changes has them."""

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime

from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import people
from tipstaff.policy.edition import Role

Held = frozenset[Role]


class Ranks:
    """Ranks by name and moment. Before the first change on record somebody held what that change took the place of."""

    def __init__(self) -> None:
        names: dict[str, str] = {}
        self._today: dict[str, Held] = {}
        for number, name, roles in StaffMember.objects.values_list("pk", "username", "roles"):
            names[f"staff:{number}"], self._today[name] = name, _of(roles)
        self._changes: dict[str, list[tuple[datetime, Held]]] = defaultdict(list)
        record = Entry.objects.filter(action="staff.change", subject__in=list(names)).order_by("at", "pk")
        for at, subject, detail in record.values_list("at", "subject", "detail"):
            before = detail.get("before") or {}
            held = _of(before.get("roles", ())) if before.get("active", True) else frozenset()
            self._changes[names[subject]].append((at, held))

    def at(self, name: str, moment: datetime) -> Held:
        """Empty for whoever is not of the staff: a customer's contact, a program."""
        later = self._changes.get(name, [])
        place = bisect_right(later, moment, key=lambda change: change[0])
        return later[place][1] if place < len(later) else self._today.get(name, frozenset())


def _of(roles: list[str]) -> Held:
    return frozenset(rank for rank in Role if people.WHO[rank] & set(roles))
