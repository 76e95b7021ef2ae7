"""Time passes fast: at each moment that matters the product's own loops look, the customer answers, the desk decides.

Nothing here decides what a state leads to; the table does. Whoever would be a person is played: Alice classifies, Amy
approves, Bob and Bea decide what takes a lead.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from tipstaff.cases import (
    appeals,
    asked_for,
    resolution,
    restriction,
    retests,
    services,
    statements,
    stating,
    suggesting,
    sweeper,
    termination,
)
from tipstaff.cases.knowing import facts_of, load
from tipstaff.cases.models import Appeal, Approval, Case, Clock, Measure, Notice, Retest, Statement
from tipstaff.cases.models_time import RUNNING
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.enforcement.worker import Worker as Enforcement
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import Plain, keep
from tipstaff.intake.drafts import ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.models import Submission
from tipstaff.intake.read import read_submission
from tipstaff.intake.services import ensure_source
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.kernel.ids import new_id
from tipstaff.pipeline import batch, context, telling
from tipstaff.pipeline.columns import Parsed
from tipstaff.pipeline.worker import Worker
from tipstaff.policy import queries as policy
from tipstaff.project.rehearsing.behaviours import Answer, Behaviour
from tipstaff.project.rehearsing.world import SOURCE, Cast
from tipstaff.reports.bulk import ensure_partition

DESK = timedelta(minutes=30)  # until somebody at the desk does what waits for a person
LEAD = timedelta(hours=4)  # until a lead decides a dispute or an appeal
LONGEST = timedelta(days=2)  # between looks
ENDED = ("RESOLVED", "TERMINATED")
LEADS = ("bea", "bob")
UNDER_WAY = ("decided", "ordered", "lifting")  # measures with which enforcement has something to do
Move = Callable[[datetime], object]


@dataclass
class Play:
    """One rehearsal. ``refused``: moves that the product refused, with the reason; they are part of the story."""

    spool: Spool
    cast: Cast
    began_at: datetime
    until: datetime
    complaints: Sequence[Accepted]
    strict: bool = True  # the desk takes every step that the policy allows it
    now: datetime = field(init=False)
    refused: list[tuple[datetime, int, str]] = field(default_factory=list)
    _agenda: list[tuple[datetime, int, Move]] = field(default_factory=list)
    _planned: set[tuple[object, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.now = self.began_at
        self.worker: Worker | None = None
        self.enforcement: Enforcement | None = None

    def run(self) -> None:
        self._arrive(self.complaints)
        while self.now <= self.until:
            with clock.frozen(self.now):
                self._look()
            self._foresee()
            following = self._next()
            if following is None or following > self.until:
                break
            self.now = max(following, self.now + timedelta(seconds=1))
            while self._agenda and self._agenda[0][0] <= self.now:
                self._do(heapq.heappop(self._agenda)[2])

    # ---- what happens at a moment

    def _arrive(self, complaints: Sequence[Accepted]) -> None:
        """Through the spool and a real worker, at this moment."""
        with clock.frozen(self.now):
            self.worker = self.worker or Worker(self.spool)
            ensure_partition(self.now)
            self.spool.put(list(complaints))
            while self.spool.count():
                self.worker.step()

    def happens_again(self) -> int:
        """The complaints' events once more, now; each reporter writes again."""
        source = ensure_source(name=SOURCE, kind="files", now=self.now)
        ensure_partition(self.now)
        found = []
        for item in self.complaints:
            plain = Plain(item.content + self.now.isoformat().encode())
            blob = Blob.objects.get(pk=keep(items=[plain], now=self.now)[0])
            row = Submission.objects.create(
                id=new_id(self.now), source=source, source_ref=str(new_id(self.now)), blob=blob, received_at=self.now
            )
            drafts = [redated(draft, self.now) for draft in read_submission(item.content, Hints(received_at=self.now))]
            found.append(Parsed(row.pk, self.now, SOURCE, bytes(blob.sha256).hex(), drafts, kind="files"))
        batch.commit(found, context.load(self.now), self.now)
        return len(found)

    def _look(self) -> None:
        """Each of the product's loops, until none finds anything."""
        self.enforcement = self.enforcement or Enforcement()
        for _ in range(50):
            busy = bool(sweeper.fire_due(now=self.now))
            busy |= bool(telling.tell(now=self.now))
            busy |= bool(self._send())
            if Measure.objects.filter(state__in=UNDER_WAY).exists():
                busy |= self.enforcement.step()
            if not busy:
                return

    def _send(self) -> int:
        """Nothing leaves the machine: what would be sent now counts as sent."""
        due = OutboxMessage.objects.filter(state="waiting", not_before__lte=self.now)
        return due.update(state="sent", sent_at=self.now)

    def _next(self) -> datetime | None:
        """The next moment at which anything is due; None when all has ended."""
        moments = [self._agenda[0][0]] if self._agenda else []
        moments += [*Clock.objects.filter(RUNNING).order_by("due_at").values_list("due_at", flat=True)[:1]]
        moments += [*OutboxMessage.objects.filter(state="waiting").order_by("not_before").values_list("not_before", flat=True)[:1]]
        owed = Notice.objects.filter(rendered_at=None, refused="").order_by("not_before").values_list("not_before", flat=True)
        moments += [*owed[:1]]
        if not moments and not Case.objects.exclude(state__startswith="CLOSED").exclude(state__in=ENDED).exists():
            return None
        return min([*moments, self.now + LONGEST])

    # ---- who does what next

    def _foresee(self) -> None:
        for case in Case.objects.select_related("customer", "service", "edition").order_by("pk"):
            self._customer_answers(case, self.cast.of(case.customer))
            self._desk_works(case, self.cast.of(case.customer))

    def _customer_answers(self, case: Case, behaviour: Behaviour) -> None:
        contact = case.customer.contacts.order_by("pk").first()
        if contact is None or case.ticketed_at is None:
            return
        for number, answer in enumerate(behaviour.answers):
            if answer.state == case.state:
                at = self.now + answer.after if not answer.share else self._share(case, answer.share)
                once = case.customer_id if answer.what == "again" else case.pk
                self._plan((once, "customer", number), at, _answering(self, case.pk, f"contact:{contact.pk}", answer))

    def _share(self, case: Case, share: float) -> datetime:
        began, ends = case.ticketed_at or self.now, case.resolve_due_at
        return max(self.now, began + (ends - began) * share) if ends else self.now + timedelta(hours=24)

    def _desk_works(self, case: Case, behaviour: Behaviour) -> None:
        number = case.pk
        if case.state == "TRIAGE":
            self._plan((number, "classify"), self.now + DESK, lambda now: _classify(number, now))
        for row in Approval.objects.filter(case=case, approved_at=None, refused_at=None):
            for place, person in enumerate(name for name in LEADS if name != row.requested_by):
                self._plan(("approve", row.pk, person, self.now.date()), self.now + DESK * (place + 1), _approving(row, person))
        for retest in Retest.objects.filter(case=case, at=None):
            self._plan(("retest", retest.pk), self.now + DESK, _retesting(retest.pk, behaviour.really_fixed))
        for said in Statement.objects.filter(case=case, kind="dispute", answered_at=None):
            self._plan(("dispute", said.pk), self.now + LEAD, _judging(number, behaviour.believed))
        for appeal in Appeal.objects.filter(case=case, decided_at=None):
            self._plan(("appeal", appeal.pk), self.now + LEAD, _hearing(appeal.pk, behaviour.believed))
        if case.needs_person and case.state != "TRIAGE":
            self._plan((number, "person", case.state, case.needs_person), self.now + DESK, lambda now: self._decide(number, now))
        if case.state == "DISCONNECTED" and behaviour.really_fixed and Statement.objects.filter(case=case, kind="fix").exists():
            self._plan(
                (number, "restore"),
                self.now + LEAD,
                lambda now: restriction.restore(case=number, reason="the fix holds", by="bob", now=now),
            )

    def _decide(self, number: int, now: datetime) -> object:
        """What waits for a person: the strict desk goes the narrowest step further, the mild one lets it rest."""
        case = Case.objects.get(pk=number)
        if case.state == "FIX_CLAIMED" and self.cast.of(case.customer).really_fixed:
            missing = asked_for.before_resolved(policy.compiled(case.edition).categories[case.category], ())
            stating.state(case=number, points={one.code: "rehearsed" for one in missing}, by="alice", now=now)
            return resolution.accept_fix(case=number, reason="looked at: it is fixed", by="alice", now=now)
        if not self.strict or case.closed_at is not None:
            return None
        if case.state in ("TICKETED", "ACKNOWLEDGED", "NOT_ADEQUATE"):
            known = load([case], set())
            latest = suggesting.latest([number]).get(number)
            narrow = suggesting.suggestion(case, facts_of(case, known, now, {}), latest)
            _say(number, "alice", now)
            return restriction.propose(case=number, kind=narrow.kind, scope=narrow.scope, target=narrow.target,
                                       reason=case.needs_person, by="alice", now=now)  # fmt: skip
        fixed = Retest.objects.filter(case=case, outcome="ok").exists()
        if case.state == "DISCONNECTED" and not fixed:
            _say(number, "bob", now)
            return termination.propose(case=number, reason=case.needs_person, by="bob", now=now)
        for measure in Measure.objects.filter(case=case, emergency=True, confirmed_at=None, state="in_force"):
            _say(number, "bob", now)
            return restriction.confirm_emergency(measure=measure.pk, reason="the attack goes on", by="bob", now=now)
        return None

    def _plan(self, once: tuple[object, ...], at: datetime, move: Move) -> None:
        if once not in self._planned:
            self._planned.add(once)
            heapq.heappush(self._agenda, (at, len(self._planned), move))

    def _do(self, move: Move) -> None:
        with clock.frozen(self.now):
            try:
                move(self.now)
            except (Refused, InputError, NotFound) as error:
                self.refused.append((self.now, 0, str(error)))


def redated(draft: ReportDraft, now: datetime) -> ReportDraft:
    """The same report of what happened a minute ago."""
    then = now - timedelta(minutes=1)
    events = [
        replace(one, occurred_at=then, time_as_written=then.isoformat(), earliest=None, latest=None,
                found_in=one.found_in | {"occurred_at": "the rehearsal"})
        for one in draft.events
    ]  # fmt: skip
    return replace(draft, events=events)


def _answering(play: Play, number: int, by: str, answer: Answer) -> Move:
    """The customer's move, through the services that the portal calls."""

    def move(now: datetime) -> object:
        statements.seen(case=number, by=by, now=now)
        if answer.what == "acknowledge":
            return statements.acknowledge(case=number, by=by, now=now)
        if answer.what == "plan":
            return statements.plan(case=number, cause="an old plugin", fix=answer.text, prevention="automatic updates",
                                   promised_at=now + timedelta(hours=12), by=by, now=now)  # fmt: skip
        if answer.what == "fix":
            return statements.claim_fix(case=number, text=answer.text, by=by, now=now)
        if answer.what == "dispute":
            return statements.dispute(case=number, text=answer.text, by=by, now=now)
        if answer.what == "contact":
            return statements.comment(case=number, text=answer.text, by=by, now=now)
        if answer.what == "appeal":
            measure = Measure.objects.filter(case=number, state="in_force").order_by("-pk").first()
            return appeals.file(case=number, grounds=answer.text, by=by, now=now, measure=measure.pk if measure else None)
        return play.happens_again()

    return move


def _classify(number: int, now: datetime) -> object:
    """Alice tickets what a machine left to a person, with the facts that the policy asks for."""
    case = Case.objects.get(pk=number)
    if case.state != "TRIAGE":
        return None
    return services.classify(case=number, category=case.category, by="alice", now=now, facts=_facts(case))


def _facts(case: Case) -> dict[str, str]:
    """The facts that must be known before a ticket: the first value that the edition lists, else a word."""
    stated = {code: getattr(case, code) for code in asked_for.FACTS}
    wanted = asked_for.before_ticket(policy.compiled(case.edition), case.category, stated)
    return {one.code: next(iter(one.values), "rehearsed") for one in wanted}


def _say(number: int, by: str, now: datetime) -> None:
    """What the policy asks for before the decision, as the form asks it: the first value that the edition lists, else a word."""
    asked = stating.before_restricting(Case.objects.get(pk=number))
    facts = {one.code: next(iter(one.values), "rehearsed") for one in asked if not one.point}
    services.set_facts(case=number, facts=facts, by=by, now=now)
    stating.state(case=number, points={one.code: "rehearsed" for one in asked if one.point}, by=by, now=now)


def _approving(row: Approval, person: str) -> Move:
    """One of the leads agrees; nothing where enough have agreed before."""
    approve = restriction.approve if row.what == "restrict" else termination.confirm

    def move(now: datetime) -> object:
        waits = Approval.objects.filter(pk=row.pk, approved_at=None, refused_at=None).exists()
        if not waits:
            return None
        _say(row.case_id, person, now)
        return approve(approval=row.pk, by=person, now=now)

    return move


def _retesting(number: int, fixed: bool) -> Move:
    outcome, text = ("ok", "nothing of it is left") if fixed else ("still", "it is still there")
    return lambda now: retests.record(retest=number, outcome=outcome, text=text, by="system:retest", now=now)


def _judging(number: int, believed: bool) -> Move:
    decision, reason = ("upheld", "the logs are of another address") if believed else ("rejected", "the logs show it plainly")

    def move(now: datetime) -> object:
        if not believed:
            _say(number, "amy", now)
        return resolution.decide_dispute(case=number, decision=decision, reason=reason, by="amy", now=now)

    return move


def _hearing(number: int, believed: bool) -> Move:
    decision, reason = ("overturned", "the customer did not hold it then") if believed else ("upheld", "it stands")

    def move(now: datetime) -> object:
        appeal = Appeal.objects.get(pk=number)
        free = [name for name in ("bea", "bob", "carl") if name not in appeals.involved(appeal.case_id)]
        return appeals.decide(appeal=number, decision=decision, reason=reason, by=free[0] if free else "bea", now=now)

    return move


def orders_file(state: Path) -> Path:
    """Where the orders of a rehearsal are written instead of carried out."""
    return state / "orders.jsonl"
