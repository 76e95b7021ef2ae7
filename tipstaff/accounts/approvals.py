"""Nobody approves his own action: said in words by the service, and refused by the database.

class Meta:
    constraints = [different_people("requested_by", "approved_by", name="approval_two_people")]
"""

from django.db.models import CheckConstraint, F, Q

from tipstaff.kernel.errors import Refused


def require_other(*, first: str, second: str, what: str) -> None:
    """Raise Refused where the person who should confirm is the one who asked, be it at the desk or as that user of the shell."""
    if not second or first.removeprefix("cli:") == second.removeprefix("cli:"):
        raise Refused(f"{what}: you asked for this yourself; another person confirms it")


def different_people(first: str, second: str, *, name: str) -> CheckConstraint:
    """A table's constraint: the two columns never name one person; the second may be empty or null until somebody confirms."""
    return CheckConstraint(name=name, condition=Q(**{second: ""}) | ~Q(**{first: F(second)}))
