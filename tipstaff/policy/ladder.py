"""The ladder's rungs: which restrict, which end the service, and whether each can be reached at all. Pure."""

from collections.abc import Iterator

from tipstaff.policy.edition import Edition, Guard, Ladder, Role, Step, Trigger
from tipstaff.policy.switches import Acknowledgement, Switches

#: What can be proven while the service still runs, and what only after it was restricted.
BEFORE = frozenset({Trigger.DISREGARDED, Trigger.INADEQUATE, Trigger.REPEATED, Trigger.DECISION})
AFTER = BEFORE | {Trigger.NOT_ADDRESSED, Trigger.NOT_RESOLVED}
PROVABLE = f"before a restriction there are {', '.join(sorted(BEFORE))}; after one also {', '.join(sorted(AFTER - BEFORE))}"
#: Rungs that restrict a service, and the measures that each may take; smaller scopes first.
RESTRICTING = ("block_content", "block_traffic", "disconnect", "suspend")
TAKES: dict[str, tuple[str, ...]] = {
    "block_content": ("url_block", "park"),
    "block_traffic": ("port_block", "block", "walled_garden"),
    "disconnect": ("url_block", "park", "port_block", "block", "walled_garden", "suspend", "work_order"),
    "suspend": ("suspend", "work_order"),
    "terminate": ("terminate",),
}
#: Measures that an edition may let happen without a person: the narrow ones.
MEASURES = ("url_block", "park", "port_block", "block", "walled_garden")


def step_for(edition: Edition, measure: str) -> Step | None:
    """The rung in whose name a measure is taken: the most special one that the edition has; None where it has none."""
    steps = {step.code: step for step in edition.ladder.steps}
    return next((steps[code] for code in (*RESTRICTING, "terminate") if code in steps and measure in TAKES[code]), None)


def restricting(edition: Edition) -> tuple[Step, ...]:
    """The rungs that restrict a service."""
    return tuple(step for step in edition.ladder.steps if step.code in RESTRICTING)


def terminating(edition: Edition) -> Step | None:
    """The rung that ends the service."""
    return next((step for step in edition.ladder.steps if step.code == "terminate"), None)


def satisfiable(guard: Guard, provable: frozenset[Trigger]) -> bool:
    """Whether some proofs that can be had open the guard."""
    return guard.holds(provable)


def unreachable(ladder: Ladder, switches: Switches) -> Iterator[tuple[int, tuple[str, str]]]:
    """Rungs that can never be taken: (number from 1, (why, what to do))."""
    restricts = [step for step in ladder.steps if step.code in RESTRICTING and satisfiable(step.guard, BEFORE)]
    for number, step in enumerate(ladder.steps, 1):
        provable = AFTER if step.code == "terminate" and (restricts or not ladder.ordered) else BEFORE
        if why := _why_unreachable(step, provable, switches):
            yield number, why


def _why_unreachable(step: Step, provable: frozenset[Trigger], switches: Switches) -> tuple[str, str] | None:
    if Role.NOBODY in (step.approval, step.approval_whole_service):
        return f"the step {step.code!r} can never be taken: nobody may approve it", "name a role, or leave the step out"
    if not satisfiable(step.guard, provable):
        wanted = ", ".join((*step.guard.any_of, *step.guard.all_of))
        return f"the step {step.code!r} is unreachable: nothing can prove {wanted} before it", PROVABLE
    if step.code == "acknowledge" and switches.acknowledgement is Acknowledgement.NOT_ASKED:
        return "the step 'acknowledge' is unreachable: no acknowledgement is asked", "set switches.acknowledgement"
    return None
