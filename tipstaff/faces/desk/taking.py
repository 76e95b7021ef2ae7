"""What a customer said by mail or telephone, taken by the desk as what it is: each as the lifecycle's table has it open."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tipstaff.cases import appeals, statements
from tipstaff.cases.lifecycle import RULES
from tipstaff.cases.models import Case
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, Problem

#: Code → (words, the event that must be open, None for a plain word).
KINDS: dict[str, tuple[str, Event | None]] = {
    "comment": ("a word", None),
    "acknowledgement": ("the acknowledgement", Event.ACKNOWLEDGED),
    "plan": ("a plan", Event.ACKNOWLEDGED),
    "fix": ("“it is fixed”", Event.FIX_STATED),
    "dispute": ("an objection", Event.DISPUTED),
    "appeal": ("an appeal", Event.APPEALED),
}
_TAKEN: dict[str, Callable[..., Any]] = {
    "comment": statements.comment,
    "acknowledgement": statements.acknowledge,
    "plan": lambda *, text, **more: statements.plan(cause="", fix=text, **more),
    "fix": statements.claim_fix,
    "dispute": statements.dispute,
    "appeal": lambda *, case, text, by, now, **more: appeals.file(case=case, grounds=text, by=by, now=now),
}


def kinds(case: Case) -> list[tuple[str, str]]:
    """(code, words) of what it may be taken as in this state."""
    return [(code, said) for code, (said, event) in KINDS.items() if event is None or _open(case, event)]


def _open(case: Case, event: Event) -> bool:
    acknowledged = event is Event.ACKNOWLEDGED and case.closed_at is not None
    return not acknowledged and any(rule.event is event and case.state in rule.when and not rule.refused for rule in RULES)


def take(case: Case, kind: str, text: str, *, via: str, by: str, now: datetime, author: str = "") -> None:
    """Keep it as said by the customer, noted by the desk. Raises InputError for a kind that is none, Refused as the table says."""
    if kind not in _TAKEN:
        raise InputError(Problem("as", f"{kind!r} is not known", f"one of {', '.join(KINDS)}"))
    _TAKEN[kind](case=case.pk, text=text, via=via, by=by, now=now, author=author)
