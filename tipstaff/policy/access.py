"""Who may draft and publish the policy."""

from tipstaff.accounts.access import ACTS
from tipstaff.accounts.models import StaffMember
from tipstaff.kernel.errors import Refused

PUBLISHERS = ACTS["publish policy"]


def author(username: str) -> str:
    """The name of a member of staff who may draft, publish and withdraw editions. Raises Refused for anybody else."""
    staff = StaffMember.objects.filter(username=username, is_active=True).first()
    if staff is None:
        raise Refused(f"there is no active member of staff {username!r}")
    if not staff.is_superuser and not PUBLISHERS & set(staff.roles):
        raise Refused(f"{username} may not change the policy: it takes one of the roles {', '.join(sorted(PUBLISHERS))}")
    return staff.username
