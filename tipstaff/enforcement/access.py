"""Who may say what to orders, switches and connectors: asked by every service here, so that no face can leave it out."""

from typing import Final

from tipstaff.accounts.access import may, require_named
from tipstaff.accounts.models import StaffMember
from tipstaff.enforcement import views
from tipstaff.enforcement.models import Order
from tipstaff.kernel.errors import Refused

APPROVE: Final = "approve an order"  # yes, no, lift it, settle it, move its end
APPROVE_WIDE: Final = "approve a wide order"
SWITCH: Final = "carry out an order"  # stop, go on, lift everything, let a mass change through, keep the never-touch list
SETTINGS: Final = "change settings"  # connectors, caps, leaving dry run
SYSTEM: Final = "system:"


def require(by: str, act: str) -> None:
    """Raise Refused, saying who could, unless this active member of staff may; a program of ours may neither."""
    require_named(by, act)


def require_or_program(by: str, act: str) -> None:
    """As ``require``; a program of ours may as well: rehearsal and sample furnish themselves. No face passes such a name."""
    if not by.startswith(SYSTEM):
        require_named(by, act)


def require_somebody_of_weight(order: Order) -> None:
    """Of those who stand behind an order that takes two, one may approve a wide one."""
    people = StaffMember.objects.filter(username__in=views.people(order), is_active=True)
    if not any(may(person, APPROVE_WIDE) for person in people):
        raise Refused(f"{order.needs_two}: one of the two has to be a lead")
