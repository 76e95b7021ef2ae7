"""A case lived through once more under an edition: the same table, the same clocks, the same people and customers. Pure.

The table (``lifecycle``) and the clocks (``dues``) are those that decide real cases. Only what ``cases.advancing`` and
``cases.effects`` write as rows is kept in fields here. Nothing is guessed: what a person decided happens when it happened, if
the edition has a place for it then; where it has none, that is said (``Lived.moot``).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tipstaff.cases import asked_for, dues, facts, lifecycle
from tipstaff.cases.backtesting.past import Happening, Kind, Lived, Past, Step
from tipstaff.cases.backtesting.standing import Running, Standing
from tipstaff.cases.facts import MILD, Facts
from tipstaff.cases.lifecycle import Decision, Rule, decide
from tipstaff.cases.opening import DOUBTS, Beginning, begin, evidence_of
from tipstaff.cases.states import CLOCKS, ENDED, PAUSABLE, Effect, Event, State, family
from tipstaff.kernel.errors import Refused
from tipstaff.policy import deadlines, ladder
from tipstaff.policy.edition import Edition

_RULES: Mapping[Event, list[Rule]] = defaultdict(list)
for _rule in lifecycle.RULES:
    _RULES[_rule.event].append(_rule)
FAR = datetime.max.replace(tzinfo=UTC)
MOST = 5000  # clocks that one case may fire, a bound for editions that would go in circles
#: What the customer says needs a ticket that is open.
SAYS = frozenset({Event.ACKNOWLEDGED, Event.FIX_STATED, Event.DISPUTED, Event.CONTACTED})
HEARD = frozenset({Event.DISPUTE_UPHELD, Event.DISPUTE_REJECTED})
LOOKED = {Event.RETEST_OK: "ok", Event.RETEST_STILL: "still", Event.RETEST_UNCLEAR: "cannot tell"}


def replay(past: Past, edition: Edition, until: datetime, *, at_event: Edition | None = None) -> Lived:
    """What would have come of the case by ``until``. ``at_event``: the edition in force at the event; None: as was judged then."""
    if past.category not in edition.categories:
        return Lived("", past.category, "", "", (), unknown=f"the edition knows no category {past.category}")
    world = _World(past, edition, edition.categories[past.category], at_event)
    for happening in past.happenings:
        if happening.at > until:
            break
        world.pass_until(happening.at)
        world.happen(happening)
        if world.unknown:
            break
    world.pass_until(until)
    return world.lived()


@dataclass(slots=True)
class _World(Standing):
    """A case that is lived through once more."""

    # ---- time

    def pass_until(self, moment: datetime) -> None:
        """Every clock that runs out, in order."""
        while self.opened and self.fired < MOST:
            running = [(clock.due_at, kind) for kind, clock in self.clocks.items() if clock.held_at is None]
            coming = [(self.in_force_at, "")] if self.in_force_at else []
            due, kind = min([*running, *coming], default=(None, ""))
            if due is None or due > moment:
                return
            self.now, self.fired = max(due, self.now), self.fired + 1
            if not kind:
                self.in_force_at = None
                self._in_force()
                continue
            del self.clocks[kind]
            self._decide(CLOCKS[family(kind)])

    # ---- what happens

    def happen(self, one: Happening) -> None:
        self.now = max(self.now, one.at)
        if one.kind is Kind.SEEN:
            self._seen(one.moment)
        elif one.kind is Kind.OPENED:
            self._open()
        elif one.kind is Kind.CATEGORY:
            self._reclassify(one.word)
        elif one.kind is Kind.SAID:
            self.said_at = self.now
        elif one.kind is Kind.SPEECH:
            self.speech, self.court_order = one.word, one.yes
        elif one.kind is Kind.SECOND_REVIEW:
            self.second_review = True
        elif one.kind is Kind.REFUSED:
            self.proposal = ""
        elif one.kind is Kind.DUE:
            self._retime(one)
        elif one.kind is Kind.PAUSE:
            self.hold({family(kind) for kind in one.word.split(",")}, by_hand=True)
        elif one.kind is Kind.RESUME:
            self.go_on(by_hand=True)
        else:
            self._act(one)

    def _open(self) -> None:
        self.opened = True
        past, kind = self.past, self.category
        told = [words for words in past.doubts if words in DOUBTS.values() or words.startswith("the fact ")]
        evidence = evidence_of(past.doubts, contract=past.contract)
        breach = self.at_event or (None if DOUBTS["at_event"] in past.doubts else self.edition)
        begun = begin(kind.code, self.edition, breach, evidence, self.now)
        other = tuple(words for words in past.doubts if words not in told)
        self.doubts = (*begun.doubts, *other)
        if self.doubts:
            self.waits = "; ".join(self.doubts)
            return
        self._ticket_at_once(begun)

    def _ticket_at_once(self, begun: Beginning) -> None:
        self.state, self.ticketed_at, self.changed_at = State.TICKETED, self.now, self.now
        due = self._inside(deadlines.Due(begun.ack_due_at, begun.resolve_due_at))
        self.start(dues.customer(self.edition, self.now, due))
        self.first, self.resolve_due = due, due.resolve
        self.steps.append(Step(self.now, Event.CLASSIFIED, "ticketed at once", self.state, self.category.clause))
        self._repeat()

    def _inside(self, due: deadlines.Due) -> deadlines.Due:
        """A child's time lies inside its parent's (A6), which the edition gives as well."""
        if self.past.parent is None or due.resolve is None or self.past.parent[0] not in self.edition.categories:
            return due
        kind, ticketed_at, contract = self.past.parent
        parent = deadlines.due(deadlines.allowance(self.edition, kind, contract=contract), ticketed_at, self.edition, kind)
        limit = deadlines.child_due(self.edition, parent, self.now)
        resolve = min(filter(None, (due.resolve, limit.resolve)))
        return deadlines.Due(min(filter(None, (due.ack, limit.ack, resolve))), resolve)

    def _repeat(self) -> None:
        """The case continues one that was resolved, and it happened again within the edition's time."""
        before = self.past.continues_at
        if before and self.seen_at and timedelta() < self.seen_at - before <= self.edition.timers.repeat_within:
            self.clocks["repeat"] = Running(self.now, self.now)

    def _seen(self, moment: datetime | None) -> None:
        if moment is None:
            return
        self.seen_at = max(filter(None, (self.seen_at, moment)))
        if self.state is State.RECONNECTED and self.lifted_at and moment > self.lifted_at:
            self.clocks.setdefault("repeat", Running(self.now, self.now))

    def _reclassify(self, code: str) -> None:
        if code not in self.edition.categories:
            self.unknown = f"the edition knows no category {code}"
            return
        self.category = self.edition.categories[code]

    def _retime(self, one: Happening) -> None:
        """A person gave more time, or less: that moment stands, within the law's limit."""
        clock = self.clocks.get("resolve")
        if clock is None or one.moment is None or self.ticketed_at is None:
            self._moot(one, "no time to resolve ran then")
            return
        longest = self.category.resolve_at_most
        moment = min(one.moment, self.ticketed_at + longest) if longest else one.moment
        clock.due_at = self.resolve_due = moment
        for kind in [kind for kind in self.clocks if kind.startswith("remind_resolve_")]:
            del self.clocks[kind]
        self.start([s for s in dues.reminders(self.edition, "resolve", clock.started_at, moment) if s.due_at > self.now])
        if (ack := self.clocks.get("acknowledge")) is not None:
            ack.due_at = min(ack.due_at, moment)

    def _act(self, one: Happening) -> None:
        event = one.event
        assert event is not None
        if event in SAYS and (self.ticketed_at is None or self.state in ENDED):
            return  # nothing was open that could be answered
        if event is Event.LIFTED:
            self._lift()
            return
        if event in LOOKED:
            self.retest = (LOOKED[event], self.now)
            if self.state in ENDED:
                return
        self.heard |= event in HEARD
        self.silence |= event is Event.SILENCE_CONFIRMED
        given, why = self._given(one)
        if why:
            self._moot(one, why)
            return
        self._decide(event, one=one, given=given)

    # ---- people

    def _given(self, one: Happening) -> tuple[dict[str, Any], str]:
        """What the service would tell the table, and why it would not let this person."""
        event = one.event
        if event is Event.RESTRICTION_ASKED:
            early = self.resolve_due is not None and self.resolve_due > self.now and not self.proofs
            self.immediate = early and self.category.immediate in one.ranks
            why = "" if ladder.step_for(self.edition, one.detail["kind"]) else f"the policy knows no {one.detail['kind']}"
            return {"immediate": self.immediate, "discretion": one.yes}, why
        if event is Event.RESTRICTION_APPROVED:
            return {"approved": True, "immediate": self.immediate}, self._may_approve(one)
        if event is Event.CLASSIFIED:
            return {}, self._lacking()
        if event is Event.EMERGENCY and self.category.immediate not in one.ranks:
            return {}, f"an emergency block takes: {self.category.immediate}"
        if event is Event.FOUND_EXCEPTION:
            listed = self.category.exceptions
            return {"exception": one.detail.get("exception") or (listed[0] if listed else "")}, ""
        if event is Event.TERMINATION_AT_ONCE:
            self.immediate = True
            return {"immediate": True}, ""
        if event is Event.TERMINATION_CONFIRMED:
            return {"immediate": self.immediate}, ""
        if event is Event.APPEALED:
            since = self.closed_at or self.changed_at or self.past.opened_at
            return {"in_time": self.now <= since + self.edition.timers.appeal_within}, ""
        if event in {Event.APPEAL_OVERTURNED, Event.APPEAL_UPHELD, Event.APPEAL_WITHDRAWN}:
            return {"resumes": self.resumes, "about_measure": one.yes}, ""
        return {}, ""

    def _lacking(self) -> str:
        """Why nobody could have put the case to the customer: a fact that the edition asks for first."""
        missing = asked_for.before_ticket(self.edition, self.category.code, dict.fromkeys(self.past.facts, "known"))
        return f"before a ticket the policy requires: {', '.join(fact.title for fact in missing)}" if missing else ""

    def _may_approve(self, one: Happening) -> str:
        kind = one.detail.get("kind", "")
        step = ladder.step_for(self.edition, kind)
        if not self.proposal:
            return "nothing waited for approval then"
        if step is None:
            return f"the policy knows no {kind}"
        role = step.approval_whole_service if one.detail.get("scope") == "service" else step.approval
        return "" if role in one.ranks else f"the approval takes: {role}"

    def _moot(self, one: Happening, why: str) -> None:
        """A person's decision that this edition has no place for; what came after the end is kept apart."""
        if one.by_person:
            (self.late if self.state in ENDED else self.moot).append(f"{one.words} ({why})")

    # ---- the table

    def _decide(self, event: Event, *, one: Happening | None = None, given: Mapping[str, Any] | None = None) -> None:
        known = self.facts({**self._missing(one), **(given or {})})
        try:
            decision = decide(known, event, _RULES[event])
        except Refused as refused:
            if one is not None:
                self._moot(one, str(refused))
            return
        before = self.state
        self._carry(event, decision, known, one)
        for effect in decision.rule.effects:
            self._effect(effect, known)
        if before is State.APPEAL and self.state is not State.APPEAL:
            self._catch_up()

    def _missing(self, one: Happening | None) -> dict[str, Any]:
        """What time alone would have lacked under this edition; a person is asked for it in the form of the decision."""
        if one is not None and one.by_person:
            return {}
        stated = dict.fromkeys(self.past.facts & set(asked_for.FACTS), "known")
        points = self.past.facts | asked_for.proven(court_order=self.court_order, looked=self.retest[0] if self.retest else "")
        return {"lacking": asked_for.before_restricting(self.edition, self.category.code, stated, points),
                "unproven": asked_for.before_resolved(self.category, points)}  # fmt: skip

    def _carry(self, event: Event, decision: Decision, known: Facts, one: Happening | None) -> None:
        rule, before = decision.rule, self.state
        stays = dues.survivors(before, decision)
        self.clocks = {kind: clock for kind, clock in self.clocks.items() if family(kind) in stays}
        until = {"emergency": one.moment} if event is Event.EMERGENCY and one is not None and one.moment else {}
        starts = dues.starts([kind for kind in rule.start if kind != "alert"], known, self.now, self._until(until))
        self.start(starts)
        if event is Event.APPEALED:
            self.resumes = before
        self._stand(before, decision)
        if rule.proof:
            self.proofs.add(rule.proof)
        if event is Event.RESTRICTION_ASKED and one is not None:
            self.proposal, self.approved = one.detail["kind"], False
        if event is Event.RESTRICTION_APPROVED:
            self.approved = True
        self.steps.append(Step(self.now, event, rule.text, self.state, decision.clause, decision.person))
        if event in {Event.CLASSIFIED, Event.EMERGENCY} and self.first is None:
            self.first = deadlines.Due(self.due("acknowledge"), self.due("resolve"))
            self._repeat()
        if event is Event.EMERGENCY:
            self.emergency, self.restricted_at = True, self.now
        if event is Event.EMERGENCY_CONFIRMED:
            self.emergency, self.cut_at = False, self.cut_at or self.now

    def _until(self, fixed: Mapping[str, datetime]) -> dict[str, datetime]:
        if self.past.parent is None or self.ticketed_at is not None:
            return dict(fixed)
        inside = self._inside(
            deadlines.Due(datetime.max.replace(tzinfo=self.now.tzinfo), datetime.max.replace(tzinfo=self.now.tzinfo))
        )
        return {**fixed, **{kind: at for kind, at in (("acknowledge", inside.ack), ("resolve", inside.resolve)) if at}}

    def _stand(self, before: State, decision: Decision) -> None:
        """The row's own columns."""
        self.state = decision.state
        changed = self.state is not before
        if decision.rule.person:
            self.waits = decision.person
        elif changed or before is State.TRIAGE:
            self.waits = ""
        if changed:
            self.changed_at = self.now
        if self.state in {State.TICKETED, State.EMERGENCY_BLOCK} and self.ticketed_at is None:
            self.ticketed_at = self.now
        if (due := self.due("resolve")) is not None:
            self.resolve_due = due
        if self.state is State.FIX_CLAIMED and changed:
            self.fix_at = self.now
        self.acknowledged |= self.state is State.ACKNOWLEDGED
        self.closed_at = (self.closed_at if not changed else self.now) if self.state in ENDED else None
        if self.state is State.DISCONNECT_PENDING:
            self.asked_at = self.asked_at or self.now
        if self.state is State.TERMINATION_PENDING:
            self.ending_at = self.ending_at or self.now

    # ---- effects

    def _effect(self, effect: Effect, known: Facts) -> None:
        if effect is Effect.LIFT_ALL:
            self._lift()
        elif effect is Effect.PROPOSE:
            self.proposal = self.proposal or self.past.suggested or "suspend"
        elif effect is Effect.EXECUTE:
            self._execute()
        elif effect is Effect.WITHDRAW:
            self.proposal, self.approved = "", False
        elif effect is Effect.PAUSE_RESOLVE and self.category.severity in MILD:
            self.hold({"resolve", "remind_resolve"})
        elif effect is Effect.PAUSE_ALL:
            self.hold(PAUSABLE)
        elif effect is Effect.RESUME:
            self.go_on()
        elif effect is Effect.RETURN:
            self.returned += 1
        elif effect is Effect.STRIKE and not self.strike:
            fault = self.past.fault or self.category.presumed.get("fault", "")
            self.strike = facts.strike_weight(known, fault, self.ticketed_at)
            self.struck_at = self.now if self.strike else None
        elif effect is Effect.CREDIT:
            self.strike, self.struck_at = 0, None
        elif effect is Effect.TERMINATE:
            self.ended_at = self.now

    def _execute(self) -> None:
        if not self.approved and self.proposal not in self.category.automatic:
            self.waits = "a restriction waits for approval"
            return
        self.proposal, self.approved = "", False
        if self.past.enforcement_failed:
            self.waits = "the measure was decided and never came into force"
            return
        self.restricted_at = self.restricted_at or self.now
        self.in_force_at = self.now + self.past.enforced_after

    def _in_force(self) -> None:
        if self.restricted_at is not None:
            self.cut_at = self.cut_at or self.now
            self._decide(Event.EXECUTED)

    def _catch_up(self) -> None:
        """After an appeal: what came into force, or was lifted, while the case stood still."""
        stands = self.restricted_at is not None
        if stands and self.in_force_at is None and self.state is State.DISCONNECT_PENDING:
            self._decide(Event.EXECUTED)
        elif not stands and self.state in {State.DISCONNECTED, State.TERMINATION_PENDING}:
            self._decide(Event.LIFTED)

    def _lift(self) -> None:
        """Enforcement lifts within moments of being asked."""
        if self.restricted_at is None:
            return
        self.restricted_at, self.in_force_at, self.emergency, self.lifted_at = None, None, False, self.now
        self._decide(Event.LIFTED)
