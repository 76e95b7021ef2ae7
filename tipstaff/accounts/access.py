"""Whether a person may do an act (of roles.py), and which customers they see: asked here, and nowhere else.

A member of staff has roles; the provider's staff serves all of its customers. Somebody without a role, or no longer
active, sees nothing.
"""

from typing import Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from tipstaff.accounts import roles
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.kernel.errors import NotFound, Refused

ROLES: Final = roles.STAFF
DESK: Final = roles.READERS
ACTS: Final = roles.ACTS
Person = StaffMember | AnonymousUser


def roles_of(person: Person) -> frozenset[str]:
    """The person's roles; none for somebody who is not signed in or no longer active."""
    if not isinstance(person, StaffMember) or not person.is_active:
        return frozenset()
    return frozenset(person.roles) & frozenset(ROLES)


def may(person: Person, act: str) -> bool:
    """Whether one of the person's roles allows the act, a key of roles.ACTS."""
    return bool(roles_of(person) & ACTS[act])


def require(person: Person, act: str) -> None:
    """Raise Refused, saying who could, unless the person may."""
    if not may(person, act):
        raise Refused(f"to {act} takes one of these roles: {', '.join(sorted(ACTS[act]))}")


def require_named(username: str, act: str) -> StaffMember:
    """The active member of staff by that name, who may do the act; for services, which know who acts by name only.

    Raises Refused for a program, for a stranger and for whoever lacks the role, saying who could.
    """
    found = StaffMember.objects.filter(username=username, is_active=True).first()
    if found is None:
        raise Refused(f"to {act} takes a member of staff; {username or 'nobody'} is none who is active")
    require(found, act)
    return found


def customers(person: Person) -> QuerySet[Customer]:
    """The customers that the person may see."""
    return Customer.objects.all() if may(person, "see customers") else Customer.objects.none()


def customer(person: Person, number: int) -> Customer:
    """One customer, or NotFound where there is none by that number or none that the person may see."""
    found = customers(person).filter(pk=number).first()
    if found is None:
        raise NotFound(f"no customer {number}")
    return found
