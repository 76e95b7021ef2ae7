"""Who may open evidence. A grant names one blob, an actor and a basis; without one nothing opens, not even by hash."""

from dataclasses import dataclass

from tipstaff.evidence.models import Blob
from tipstaff.kernel.errors import Refused

SEALED = "sealed"


@dataclass(frozen=True)
class Grant:
    """Permission to open one blob: given by an access module of the layer that knows why."""

    blob_id: int
    actor: str
    basis: str


def grant(*, blob: Blob, actor: str, basis: str) -> Grant:
    """A grant for ordinary evidence. Sealed evidence is never opened on the desk (B17)."""
    if blob.evidence_class == SEALED:
        raise Refused("this evidence is sealed: it is not shown to anybody at the desk")
    if not actor or not basis:
        raise Refused("opening evidence needs a person and a reason")
    return Grant(blob_id=blob.pk, actor=actor, basis=basis)
