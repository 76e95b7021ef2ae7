"""What may be done next with a case, asked of the lifecycle's own table: each step open with what follows, or shut with why."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, QuerySet

from tipstaff.cases import appeals, asked_for, knowing, suggesting, timing
from tipstaff.cases.facts import Facts, has
from tipstaff.cases.lifecycle import NoRule, decide
from tipstaff.cases.models import Appeal, Approval, Case, Cooperation, Measure, Pause, Retraction, Ruling, Statement
from tipstaff.cases.restriction import KINDS, SCOPES
from tipstaff.cases.speech import ANSWERS, QUESTIONS
from tipstaff.cases.states import PAUSABLE, Event, State
from tipstaff.faces.desk import taking, words
from tipstaff.kernel.errors import Refused
from tipstaff.policy.edition import Edition, Handling

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in: its name, label, kind of input, what is proposed, and the choices of a select."""

    name: str
    label: str
    kind: str = "text"  # text, area, select, moment, number, hidden, typed
    value: str = ""
    options: Options = ()
    optional: bool = False


FACT, POINT = "fact_", "point_"  # how what the policy asks for is named in the form of a decision


def asked_fields(wanted: Sequence[asked_for.Asked]) -> tuple[Field, ...]:
    """What the policy asks for and nobody has said yet, to be said with the decision."""
    return tuple(
        Field(f"{POINT if one.point else FACT}{one.code}", one.title, "area" if one.point else "select" if one.values else "text",
              options=tuple((value, value.replace("_", " ")) for value in one.values))
        for one in wanted
    )  # fmt: skip


REASON = Field("reason", "Reason", "area")
OPTIONAL = Field("reason", "Reason", "area", optional=True)


@dataclass(frozen=True, slots=True)
class Next:
    """One step: its button, what to fill in, and ``why`` it is shut (empty: it is open). ``hint``: what follows."""

    code: str
    title: str
    fields: tuple[Field, ...] = (REASON,)
    hint: str = ""
    why: str = ""
    weight: str = ""  # '' plain, 'go' the obvious next step, 'danger' takes something from the customer
    subject: int = 0  # the row that it is about, where there are several
    refused: bool = False  # it was sent just now and refused: its form stands open


#: No step of the lifecycle: it changes no state, and a closed case can be held as well.
HOLD = Next(
    "hold", "Put a hold on it…", hint="a lead, counsel or an administrator: nothing of it is erased until counsel releases it"
)


#: Neither: an authority decides nothing for the table; what it orders is owed until it was followed.
ORDERED = Next(
    "ordered", "An authority has ordered something…",
    (Field("authority", "Authority"), Field("reference", "Number or date of the order")),
    "the policy’s time to follow it runs; a lead, counsel or the authority liaison writes it down",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything that the steps depend on, read once."""

    case: Case
    edition: Edition
    facts: Facts
    now: datetime
    staff: str
    rows: dict[str, list[Any]] = field(default_factory=dict)
    latest: suggesting.Sighting | None = None


def steps(case: Case, edition: Edition, staff: str, now: datetime) -> tuple[list[Next], list[Next]]:
    """(what this state calls for, everything else that may be done), both in the order of the policy."""
    known = knowing.load([case], set(Event))
    latest = suggesting.latest([case.pk]).get(case.pk)
    clocks = [clock for clock in known.clocks.get(case.pk, ()) if clock.pause is None and not clock.kind.startswith("remind")]
    rows = _rows(case) | {"clocks": clocks}
    asked = Asked(case, edition, knowing.facts_of(case, known, now, {}), now, staff, rows, latest)
    if case.closed_at is not None:
        return [*_after_closing(asked), HOLD], []
    first, rest = [*_answers_owed(asked), *_pending(asked), *_main(asked)], _found(*_rest(asked))
    if has(asked.facts, Handling.MITIGATION_FIRST) and not asked.rows["measures"]:  # a live attack is stopped before all else
        urgent = [step for step in rest if step.code == "emergency" and not step.why]
        first, rest = [*urgent, *first], [step for step in rest if step not in urgent]
    return _one_obvious(first), rest


def _one_obvious(steps: list[Next]) -> list[Next]:
    """Of several steps that are the obvious next one, the first that is open."""
    first = next((step for step in steps if step.weight == "go" and not step.why), None)
    return [replace(step, weight="") if step.weight == "go" and step is not first else step for step in steps]


def _rows(case: Case) -> dict[str, list[Any]]:
    """What waits on this case, by kind. Most cases have none of most kinds: one question finds which there are."""
    wanted: dict[str, QuerySet[Any]] = {
        "approvals": Approval.objects.filter(case=case, approved_at=None, refused_at=None),
        "measures": Measure.objects.filter(case=case, state__in=("in_force", "decided", "ordered")),
        "appeals": Appeal.objects.filter(case=case, decided_at=None),
        "extensions": Statement.objects.filter(case=case, kind="extension", answered_at=None),
        "pauses": Pause.objects.filter(case=case, ended_at=None),
        "retractions": Retraction.objects.filter(case=case, decided_at=None),
        "rulings": Ruling.objects.filter(case=case, second_by=None, kind="second_review"),
        "asked": Cooperation.objects.filter(case=case, answered_at=None),
    }
    there = Case.objects.filter(pk=case.pk).values_list(*map(Exists, wanted.values())).get()
    return {name: list(rows.order_by("pk")) if found else [] for (name, rows), found in zip(wanted.items(), there, strict=True)}


#: The decisions for which the policy may ask for more than a reason.
ASKS = frozenset({
    Event.RESTRICTION_ASKED, Event.RESTRICTION_APPROVED, Event.EMERGENCY_CONFIRMED, Event.DISPUTE_REJECTED,
    Event.TERMINATION_ASKED, Event.TERMINATION_AT_ONCE, Event.TERMINATION_CONFIRMED,
})  # fmt: skip


def _wanted(asked: Asked, event: Event) -> tuple[Field, ...]:
    missing = asked.facts.unproven if event is Event.FIX_ACCEPTED else asked.facts.lacking if event in ASKS else ()
    optional = event is Event.DISPUTE_REJECTED  # the same form says that the report was wrong, which takes none of it
    return tuple(replace(one, optional=optional) for one in asked_fields(missing))


def _judged(asked: Asked, event: Event, step: Next, **given: Any) -> Next | None:
    """The step as the table allows it; None where the state knows no such event."""
    step = replace(step, fields=(*_wanted(asked, event), *step.fields))
    try:  # as it will be with what the form asks for
        decision = decide(replace(asked.facts, **{"lacking": (), "unproven": (), **given}), event)
    except NoRule:
        return None
    except Refused as refused:
        return replace(step, why=str(refused))
    follows = words.state(str(decision.state))[0] if decision.state is not asked.facts.state else "no new state"
    clause = f", clause {decision.clause}" if decision.clause else ""
    return replace(step, hint=step.hint or f"→ {follows}{clause}")


def _found(*steps: Next | None) -> list[Next]:
    return [step for step in steps if step is not None]


def _answers_owed(asked: Asked) -> list[Next]:
    """What the customer asked for and nobody has answered."""
    found: list[Next] = []
    for row in asked.rows["extensions"]:
        until = f"{row.promised_at:%Y-%m-%dT%H:%M}" if row.promised_at else ""
        moment = Field("until", "Until (UTC)", "moment", until)
        found += [
            Next(
                "extend",
                "Grant the extension…",
                (moment, replace(REASON, optional=True)),
                f"asked: {row.text[:80]}",
                weight="go",
                subject=row.pk,
            ),
            Next("no_extension", "Refuse the extension…", (REASON,), subject=row.pk),
        ]
    for row in asked.rows["appeals"]:
        barred = asked.staff in appeals.involved(asked.case.pk)
        why = "an appeal is decided by somebody who had no part in the decision" if barred else ""
        choice = Field(
            "decision", "Decision", "select", "", (("overturned", "Overturned: undo it"), ("upheld", "Upheld: it stands"))
        )
        found.append(Next("appeal", "Decide the appeal…", (choice, REASON), f"grounds: {row.grounds[:80]}", why, "go", row.pk))
    return found


def _pending(asked: Asked) -> list[Next]:
    """What waits for a second person."""
    found: list[Next] = []
    for row in asked.rows["approvals"]:
        own = row.requested_by == asked.staff
        what = row.detail.get("target") or "the service"
        why = "nobody approves his own action" if own else ""
        if row.what == "restrict":
            typed = Field("typed", f"Type {what} to confirm", "typed", str(what))
            title = f"Approve {row.detail.get('kind', 'it')} of {what}…"
            fields = (*_wanted(asked, Event.RESTRICTION_APPROVED), typed)
            found.append(Next("approve", title, fields, f"asked by {row.requested_by}: {row.reason[:80]}", why, "danger", row.pk))
            found.append(
                Next("disagree", "Do not agree…", (REASON,), "it is not put in place; the reason is on the record", subject=row.pk)
            )
        elif row.what == "terminate":
            typed = Field("typed", f"Type {asked.case.customer.name} to confirm", "typed", asked.case.customer.name)
            fields = (*_wanted(asked, Event.TERMINATION_CONFIRMED), typed)
            found.append(
                Next("confirm_end", "Agree to the termination…", fields, f"two people: {row.reason[:80]}", why, "danger", row.pk)
            )
    for row in asked.rows["rulings"]:
        found.append(Next("agree", "Agree that it is a breach", _wanted(asked, Event.RESTRICTION_ASKED),
                          f"{row.by}: {row.reason[:80]}",
                          "a second reviewer must be somebody else" if row.by == asked.staff else "", "go", row.pk))  # fmt: skip
    for row in asked.rows["retractions"]:
        choice = Field("decision", "Decision", "select", "", (("sent", "Tell them"), ("dropped", "Leave it")))
        found.append(
            Next(
                "retract",
                "Retract what was said…",
                (choice, replace(REASON, optional=True)),
                f"to the {row.audience}: {row.reason[:60]}",
                weight="go",
                subject=row.pk,
            )
        )
    return [*found, *_found(*[_confirm(asked, row) for row in asked.rows["measures"] if row.emergency and not row.confirmed_at])]


def _confirm(asked: Asked, row: Measure) -> Next | None:
    step = Next("confirm_block", "Confirm the emergency block…", hint="else it ends by itself", weight="go", subject=row.pk)
    if row.decided_by == asked.staff:
        return replace(step, why="nobody confirms his own emergency block")
    return _judged(asked, Event.EMERGENCY_CONFIRMED, step)


def _main(asked: Asked) -> list[Next]:
    dispute = Field("decision", "Decision", "select", "", (("upheld", "The report was wrong"), ("rejected", "The report stands")))
    own = "the dispute is decided by somebody else than who ticketed it"
    return _found(
        _judged(
            asked, Event.FIX_ACCEPTED, Next("accept", "Accept the fix…", weight="go" if asked.case.state == "FIX_CLAIMED" else "")
        ),
        _judged(asked, Event.FIX_NOT_ADEQUATE, Next("hand_back", "Not adequate…")),
        replace(step, hint=own)
        if (step := _judged(asked, Event.DISPUTE_REJECTED, Next("dispute", "Decide the dispute…", (dispute, REASON), weight="go")))
        else None,
        _judged(asked, Event.RESTORE_APPROVED, Next("restore", "Restore…", weight="go")),
        _judged(
            asked, Event.SILENCE_CONFIRMED, Next("silence", "Let silence count…", hint="you know that the customer was reached")
        ),
        _time(asked),
        _restrict(asked),
    )


def _time(asked: Asked) -> Next | None:
    label, hint = "New end of the time to resolve (UTC)", "the customer is told; the history is kept"
    if asked.facts.overdue and asked.facts.state in timing.EXTENDED:
        return Next("time", "Give more time…", (Field("resolve_due", label, "moment"), REASON), hint)
    if not any(clock.kind == "resolve" for clock in asked.rows["clocks"]):
        return None
    due = asked.case.resolve_due_at
    moment = Field("resolve_due", label, "moment", f"{due:%Y-%m-%dT%H:%M}" if due else "")
    return Next("time", "Extend or shorten…", (moment, REASON), hint)


def _restrict(asked: Asked) -> Next | None:
    proposal = suggesting.suggestion(asked.case, asked.facts, asked.latest)
    fields = (
        Field("kind", "Measure", "select", proposal.kind, tuple((kind, kind.replace("_", " ")) for kind in KINDS)),
        Field("scope", "Scope, the smallest that does", "select", proposal.scope, tuple((scope, scope) for scope in SCOPES)),
        Field("target", f"Target ({proposal.why})", "text", proposal.target),
        REASON,
    )
    step = Next("restrict", "Disconnect…", fields, "a second person approves", weight="danger")
    return _judged(asked, Event.RESTRICTION_ASKED, step)


def _rest(asked: Asked) -> list[Next | None]:
    said = (
        Field("as", "What it was", "select", "comment", tuple(taking.kinds(asked.case))),
        Field("text", "What was said", "area"),
    )
    ends = Next("end", "Propose termination…", hint="two people, final notice, time to fetch data", weight="danger")
    unseen = "counsel and the authority liaison alone see it from then on; no word to the customer; its evidence is shut and kept"
    return [
        _emergency(asked),
        _judged(asked, Event.SEALED, Next("seal", "Set apart, unseen…", hint=unseen, weight="danger")),
        *_judgements(asked),
        _judged(asked, Event.CONTACTED, Next("contacted", "The customer got in touch…", said)),
        *_pauses(asked),
        *[_lift(row) for row in asked.rows["measures"]],
        _judged(asked, Event.TERMINATION_ASKED, ends),
        _judged(asked, Event.TERMINATION_WITHDRAWN, Next("no_end", "Withdraw the termination…")),
        *_beside(asked),
        ORDERED,
        HOLD,
    ]


def _emergency(asked: Asked) -> Next | None:
    narrow = _restrict(asked)
    fields = narrow.fields[-4:-1] if narrow else ()
    hours = Field("hours", "Hours, 4 to 24", "number", "4")
    hint = "at once, for some hours; the customer is told why"
    return _judged(asked, Event.EMERGENCY, Next("emergency", "Emergency block…", (*fields, hours, REASON), hint, weight="danger"))


def _judgements(asked: Asked) -> list[Next | None]:
    """That it is no breach, or that it is one although no clause names it."""
    codes = tuple((code, asked.edition.exceptions[code].title) for code in asked.facts.category.exceptions)
    choice = Field("code", "Exception", "select", "", codes)
    intact = Next("intact", "Compliant: leave it intact…", hint="no restriction is possible then; the reporter is told")
    judge = Next("judge", "Call it a breach, with reasons…", hint="what fits no clause by name; a second reviewer must agree")
    needed = has(asked.facts, Handling.SECOND_REVIEWER) and not asked.facts.second_review and not asked.rows["rulings"]
    exception = Next("exception", "An exception holds…", (choice, REASON))
    return [
        _judged(asked, Event.FOUND_COMPLIANT, intact),
        _judged(asked, Event.FOUND_EXCEPTION, exception, exception=codes[0][0]) if codes else None,
        judge if needed else None,
        _speech(asked),
    ]


def _pauses(asked: Asked) -> list[Next]:
    running = tuple((clock.kind, clock.kind.replace("_", " ")) for clock in asked.rows["clocks"] if clock.kind in PAUSABLE)
    why = "every clock stands still until the appeal is decided" if asked.facts.state is State.APPEAL else ""
    found = [
        Next("resume", "Let the clocks go on", (), f"paused: {row.reason[:60]}", why, subject=row.pk)
        for row in asked.rows["pauses"]
    ]
    if running:
        choice = Field("clock", "Clock", "select", running[0][0], running)
        found.append(Next("pause", "Pause a clock…", (choice, REASON), "the reason is on the record"))
    return found


def _lift(row: Measure) -> Next:
    return Next("lift", f"Lift {row.kind.replace('_', ' ')} of {row.target}…", hint="a lead’s act, at once", subject=row.pk)


def _speech(asked: Asked) -> Next | None:
    """The questionnaire of the speech gate, where the policy has one for this kind."""
    if not has(asked.facts, Handling.SPEECH_GATE) or str(asked.edition.switches.speech_gate) == "none":
        return None
    answers = tuple((answer, answer) for answer in ANSWERS)
    questions = tuple(Field(one.code, one.text, "select", "", answers) for one in QUESTIONS)
    order = Field("court_order", "Court order, if there is one", optional=True)
    return Next("speech", "Speech gate…", (*questions, order, REASON), "in doubt nothing is restricted")


def _beside(asked: Asked) -> list[Next | None]:
    """What stands beside the ladder: the provider's discretion, an end without notice, what an investigation asks for."""
    at_once = "a lead’s act with its reason, on record as what it is; a second person confirms"
    end = Next("end_now", "Terminate without notice…", hint=at_once, weight="danger")
    found = [_discretion(asked), _judged(asked, Event.TERMINATION_AT_ONCE, end, immediate=True)]
    if asked.case.ticketed_at is not None:
        what, due = Field("text", "What is asked for", "area"), Field("due_at", "Due (UTC)", "moment")
        found.append(Next("ask", "Ask for cooperation…", (what, due), "the customer is told; a person looks when it is due"))
    said = Field("text", "What the customer answered", "area")
    found += [
        Next(
            "answered", "Note the answer…", (said,), f"asked: {row.text[:60]}, due {row.due_at:%Y-%m-%d %H:%M} UTC", subject=row.pk
        )
        for row in asked.rows["asked"]
    ]
    return found


def _discretion(asked: Asked) -> Next | None:
    """Only where the ladder itself is shut (A13)."""
    plain = _restrict(asked)
    if plain is None or not plain.why:
        return None
    hint = "a lead’s, with reasons, called so in all figures; a second person approves"
    title = "Restrict in discretion…"
    step = replace(plain, code="discretion", title=title, fields=plain.fields[-4:], hint=hint, why="")
    judged = _judged(asked, Event.RESTRICTION_ASKED, step, discretion=True)
    return judged if judged is not None and not judged.why else None


def _after_closing(asked: Asked) -> list[Next]:
    return [*_answers_owed(asked), *[step for step in _pending(asked) if step.code == "retract"]]
