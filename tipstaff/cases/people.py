"""Who acts: staff by username, a customer's contact as 'contact:7', a program as 'system:clock'. And which role an act takes."""

from tipstaff.accounts.models import Contact, StaffMember
from tipstaff.kernel.errors import NotFound, Refused
from tipstaff.policy.edition import Role

LEADS = frozenset({"lead", "admin"})
DESK = LEADS | {"analyst", "counsel"}
WHO = {Role.ANALYST: DESK, Role.LEAD: LEADS, Role.TWO_PERSONS: LEADS, Role.NOBODY: frozenset[str]()}


def is_program(by: str) -> bool:
    return by.startswith("system:") or by == "system"


def is_contact(by: str) -> bool:
    return by.startswith("contact:")


def roles(by: str) -> frozenset[str]:
    """The roles of an active member of staff; none for anybody else."""
    found = StaffMember.objects.filter(username=by, is_active=True).first()
    return frozenset(found.roles) if found else frozenset()


def role(by: str) -> str:
    """The weightiest role, as it goes on record: lead, counsel, analyst; 'program' or 'customer' for those."""
    if is_program(by):
        return "program"
    if is_contact(by):
        return "customer"
    held = roles(by)
    return next((name for name in ("lead", "admin", "counsel", "analyst") if name in held), "")


def may(by: str, wanted: Role) -> bool:
    """Whether this person's role suffices. A program never has one."""
    return bool(roles(by) & WHO[wanted])


def require(by: str, wanted: Role) -> str:
    """The role that goes on record; Refused, saying who may. Programs of ours may what an analyst may."""
    if is_program(by) and wanted is Role.ANALYST:
        return "program"
    if not may(by, wanted):
        names = ", ".join(sorted(WHO[wanted])) or "nobody"
        raise Refused(f"this takes one of these roles: {names}")
    return role(by)


def require_person(by: str, wanted: Role) -> str:
    """As ``require``, and never a program: for what takes somebody's agreement."""
    if is_program(by):
        raise Refused("a program agrees to nothing; this takes a person")
    return require(by, wanted)


def speaker(by: str) -> Contact | None:
    """For what a customer says: the contact; None for the desk that writes it down, whose role is asked, and for a program."""
    contact = contact_of(by)
    if contact is None:
        require(by, Role.ANALYST)
    return contact


def contact_of(by: str) -> Contact | None:
    """The contact behind 'contact:7'; None for anybody else. Raises NotFound for one that does not exist."""
    if not is_contact(by):
        return None
    found = Contact.objects.filter(pk=int(by.partition(":")[2] or 0)).first()
    if found is None:
        raise NotFound("that contact does not exist any more")
    return found
