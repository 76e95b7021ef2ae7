"""The steps of the methods of resolution, from the case page: each parses its form and calls one service."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases import (
    appeals,
    authority,
    cooperation,
    extensions,
    queries,
    resolution,
    restriction,
    services,
    setting_apart,
    speech,
    stating,
    termination,
    timing,
    wrong,
)
from tipstaff.cases.access import case_for, visible_to
from tipstaff.cases.models import Approval, Case
from tipstaff.faces.desk import nexts, taking
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.views import case
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.pipeline import holding

Step = Callable[["Asking"], object]


class Asking:
    """One posted step: who, about which case, with what."""

    def __init__(self, request: DeskRequest, case: Case, now: datetime) -> None:
        self.request, self.case, self.now = request, case, now
        self.by = request.user.get_username()
        self.common: dict[str, Any] = {"by": self.by, "now": now}

    def text(self, name: str) -> str:
        return self.request.POST.get(name, "").strip()

    @property
    def reason(self) -> str:
        return self.text("reason")

    def subject(self) -> int:
        """The row that the step is about. Raises InputError where the form names none."""
        return self.number("subject", "the step")

    def number(self, name: str, label: str) -> int:
        value = self.text(name)
        if not (value.isascii() and value.isdigit() and len(value) < 12):
            raise InputError(Problem(label, f"{value!r} is no number", "use the form on the case page"))
        return int(value)

    def moment(self, name: str, label: str) -> datetime:
        """A moment as the form writes it, in UTC."""
        try:
            found = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise InputError(Problem(label, f"{self.text(name)!r} is no time", "write it like 2026-03-31T14:00")) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def typed(self, wanted: str) -> None:
        """What takes something from a customer is typed out, not clicked."""
        if self.text("typed").casefold() != wanted.casefold():
            raise InputError(Problem("Confirmation", "does not match", f"type {wanted} exactly"))


@desk(refused=case.refused)
@require_POST
def do(request: DeskRequest, number: int, step: str) -> HttpResponse:
    """Take one step of the lifecycle."""
    found = case_for(request.user, number)
    move = STEPS.get(step)
    if move is None:
        raise NotFound(f"There is no step {step!r}.")
    asking = Asking(request, found, clock_now())
    with transaction.atomic():  # what was said with a decision stands or falls with it
        _say(asking)
        move(asking)
    queries.forget_counts()
    if not visible_to(request.user).filter(pk=found.pk).exists():
        messages.success(request, f"Case #{found.pk} is set apart: counsel and the authority liaison have it now.")
        return redirect("/queue/")
    messages.success(request, "Done. It is on the timeline.")
    return redirect(f"/cases/{found.pk}/")


def _say(asking: Asking) -> None:
    """What the policy asks for and the form brought: facts, and statements on its special handling."""
    said = {name: asking.text(name) for name in asking.request.POST if asking.text(name)}
    facts = {name.removeprefix(nexts.FACT): text for name, text in said.items() if name.startswith(nexts.FACT)}
    points = {name.removeprefix(nexts.POINT): text for name, text in said.items() if name.startswith(nexts.POINT)}
    if facts:
        services.set_facts(case=asking.case.pk, facts=facts, **asking.common)
    if points:
        stating.state(case=asking.case.pk, points=points, **asking.common)


def _approve(asking: Asking) -> object:
    row = _approval(asking, "restrict")
    asking.typed(str(row.detail.get("target") or "the service"))
    return restriction.approve(approval=row.pk, **asking.common)


def _confirm_end(asking: Asking) -> object:
    row = _approval(asking, "terminate")
    asking.typed(asking.case.customer.name)
    return termination.confirm(approval=row.pk, **asking.common)


def _approval(asking: Asking, what: str) -> Approval:
    """A request of this very case: a number from elsewhere opens nothing."""
    row = Approval.objects.filter(pk=asking.subject(), case=asking.case, what=what).first()
    if row is None:
        raise NotFound(f"Case #{asking.case.pk} has no such request.")
    return row


def _of_case(asking: Asking, related: str) -> int:
    """The number of a row of this case, by the name of its relation."""
    number = asking.subject()
    if not getattr(asking.case, related).filter(pk=number).exists():
        raise NotFound(f"Case #{asking.case.pk} has no such entry.")
    return number


def _restrict(asking: Asking, *, discretion: bool = False) -> object:
    return restriction.propose(
        case=asking.case.pk, kind=asking.text("kind"), scope=asking.text("scope"), target=asking.text("target"),
        reason=asking.reason, discretion=discretion, **asking.common,
    )  # fmt: skip


def _emergency(asking: Asking) -> object:
    return restriction.emergency(
        case=asking.case.pk, kind=asking.text("kind"), scope=asking.text("scope"), target=asking.text("target"),
        reason=asking.reason, hours=asking.number("hours", "Hours"), **asking.common,
    )  # fmt: skip


def _speech(asking: Asking) -> object:
    answers = {question.code: asking.text(question.code) for question in speech.QUESTIONS}
    return speech.review(
        case=asking.case.pk, answers=answers, reason=asking.reason, court_order=asking.text("court_order"), **asking.common
    )


def _extend(asking: Asking) -> object:
    until = asking.moment("until", "Until") if asking.text("until") else None
    return extensions.grant(statement=_of_case(asking, "statements"), until=until, reason=asking.reason, **asking.common)


def _retract(asking: Asking) -> object:
    number = _of_case(asking, "retractions")
    return wrong.decide(retraction=number, decision=asking.text("decision"), reason=asking.reason, **asking.common)


def _case(service: Callable[..., object], *names: str) -> Step:
    """A service of the case itself, with the reason and the named texts."""

    def step(asking: Asking) -> object:
        given = {name: asking.text(name) for name in names}
        return service(case=asking.case.pk, **given, **asking.common)

    return step


STEPS: dict[str, Step] = {
    "accept": _case(resolution.accept_fix, "reason"),
    "hand_back": _case(resolution.not_adequate, "reason"),
    "dispute": _case(resolution.decide_dispute, "decision", "reason"),
    "seal": _case(setting_apart.seal, "reason"),
    "intact": _case(resolution.leave_intact, "reason"),
    "exception": _case(resolution.exception, "code", "reason"),
    "judge": _case(resolution.judge_other, "reason"),
    "silence": _case(resolution.confirm_silence, "reason"),
    "agree": lambda asking: resolution.agree(ruling=_of_case(asking, "rulings"), **asking.common),
    "speech": _speech,
    "time": lambda asking: timing.change(
        case=asking.case.pk, resolve_due=asking.moment("resolve_due", "New end"), reason=asking.reason, **asking.common
    ),
    "pause": lambda asking: timing.pause(case=asking.case.pk, clocks=[asking.text("clock")], reason=asking.reason, **asking.common),
    "resume": lambda asking: timing.resume(pause=_of_case(asking, "pauses"), **asking.common),
    "extend": _extend,
    "no_extension": lambda asking: extensions.refuse(
        statement=_of_case(asking, "statements"), reason=asking.reason, **asking.common
    ),
    "restrict": _restrict,
    "approve": _approve,
    "disagree": lambda asking: restriction.refuse(approval=_approval(asking, "restrict").pk, reason=asking.reason, **asking.common),
    "emergency": _emergency,
    "confirm_block": lambda asking: restriction.confirm_emergency(
        measure=_of_case(asking, "measures"), reason=asking.reason, **asking.common
    ),
    "contacted": lambda asking: taking.take(
        asking.case, asking.text("as") or "comment", asking.text("text"), via="desk", **asking.common
    ),
    "restore": _case(restriction.restore, "reason"),
    "lift": lambda asking: restriction.lift(measure=_of_case(asking, "measures"), reason=asking.reason, **asking.common),
    "end": _case(termination.propose, "reason"),
    "confirm_end": _confirm_end,
    "no_end": _case(termination.withdraw, "reason"),
    "appeal": lambda asking: appeals.decide(
        appeal=_of_case(asking, "appeals"), decision=asking.text("decision"), reason=asking.reason, **asking.common
    ),
    "retract": _retract,
    "ordered": _case(authority.ordered, "authority", "reference"),
    "discretion": lambda asking: _restrict(asking, discretion=True),
    "end_now": _case(termination.immediate, "reason"),
    "ask": lambda asking: cooperation.ask(
        case=asking.case.pk, text=asking.text("text"), due_at=asking.moment("due_at", "Due"), **asking.common
    ),
    "answered": lambda asking: cooperation.answer(
        cooperation=_of_case(asking, "cooperations"), text=asking.text("text"), **asking.common
    ),
    "hold": lambda asking: holding.place(scope=f"case:{asking.case.pk}", reason=asking.reason, **asking.common),
}
