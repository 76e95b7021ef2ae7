"""Shadow mode: Tipstaff beside another desk, on a copy of its mail and feeds. Nothing leaves, and nothing is enforced.

Each way out asks here, once, at the place through which all of it goes: mail, connectors, alerts, retests, questions to
reporters. Whatever else is switched on, the answer is no.
"""

from django.conf import settings

from tipstaff.kernel.errors import Refused

WHY = "shadow mode: nothing leaves and nothing is enforced (TIPSTAFF_SHADOW)"


def is_on() -> bool:
    return bool(getattr(settings, "SHADOW", False))


def refuse(what: str) -> None:
    """Raise Refused in shadow mode; ``what`` would have happened: 'no mail is sent'."""
    if is_on():
        raise Refused(f"{what}: {WHY}")
