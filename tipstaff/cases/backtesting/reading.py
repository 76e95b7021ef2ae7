"""Real cases as a replay needs them: read, never written. A few queries for a whole batch of cases."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from tipstaff.accounts import contracts
from tipstaff.accounts.models import Contact, ContractTerms
from tipstaff.audit.models import Entry
from tipstaff.cases import asked_for, knowing, suggesting
from tipstaff.cases.backtesting.past import Happening, Kind, Past, Told
from tipstaff.cases.backtesting.ranks import Ranks
from tipstaff.cases.facts import Facts
from tipstaff.cases.models import (
    Appeal,
    Approval,
    Case,
    CaseLink,
    Clock,
    ClockChange,
    JournalEntry,
    Measure,
    Pause,
    Ruling,
    SpeechReview,
    Statement,
)
from tipstaff.cases.opening import contract_time
from tipstaff.cases.states import Event, State
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.policy.edition import Edition

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
SET_APART = ("split_from", "merged")
UNDONE = "closing undone"
#: What follows by itself in a replay, or changes nothing there.
NOT_REPLAYED = frozenset({"EXECUTED", "ALERT_DUE", "COOPERATION_DUE", "PAUSE_OVER"})
Rows = dict[int, list[Any]]


@dataclass
class _Known:
    """The rows of a batch, by case."""

    rows: dict[str, Rows] = field(default_factory=dict)
    ranks: Ranks = field(default_factory=Ranks)
    told: dict[int, datetime] = field(default_factory=dict)
    unreachable: dict[int, tuple[tuple[datetime, datetime | None], ...]] = field(default_factory=dict)  # by customer
    continues: dict[int, datetime] = field(default_factory=dict)
    earlier: dict[int, datetime] = field(default_factory=dict)
    seen: dict[int, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    latest: dict[int, suggesting.Sighting] = field(default_factory=dict)
    agreed: dict[int, list[ContractTerms]] = field(default_factory=dict)  # by customer

    def of(self, name: str, case: int) -> list[Any]:
        return self.rows[name].get(case, [])


_ROWS: Mapping[str, tuple[Any, str]] = {
    "journal": (JournalEntry, "at"), "statements": (Statement, "at"), "approvals": (Approval, "requested_at"),
    "measures": (Measure, "decided_at"), "rulings": (Ruling, "at"), "speech": (SpeechReview, "at"),
    "changes": (ClockChange, "at"), "pauses": (Pause, "from_at"), "appeals": (Appeal, "at"),
}  # fmt: skip


def pasts(cases: Sequence[Case], editions: Mapping[int, Edition]) -> list[Past]:
    """Each case's past. ``cases`` come with customer, service and parent; ``editions`` by the id of the pinned one."""
    known = _load(cases)
    _terms_of_then(cases, known)
    return [_past(case, editions[case.edition_id], known) for case in cases]


def _terms_of_then(cases: Sequence[Case], known: _Known) -> None:
    """Each case, and its parent, goes by what its customer's contract said when it was opened, as it did then."""
    pairs = [one for case in cases for one in (case, case.parent) if one is not None]
    known.agreed = contracts.histories(one.customer_id for one in pairs)
    for one in pairs:
        if rows := known.agreed.get(one.customer_id):
            one.customer.contract = contracts.at(rows, one.opened_at)


def not_replayed(numbers: Sequence[int]) -> set[int]:
    """Cases that were set apart from, or took in, another: their past is not their own alone."""
    rows = CaseLink.objects.filter(kind__in=SET_APART)
    pairs = (
        rows.filter(case__in=numbers).values_list("case_id", flat=True),
        rows.filter(other__in=numbers).values_list("other_id", flat=True),
    )
    return {number for numbers in pairs for number in numbers}


def _load(cases: Sequence[Case]) -> _Known:
    numbers = [case.pk for case in cases]
    known = _Known(ranks=Ranks(), latest=suggesting.latest(numbers))
    for name, (model, order) in _ROWS.items():
        found: Rows = defaultdict(list)
        for row in model.objects.filter(case__in=numbers).order_by(order, "pk"):
            found[row.case_id].append(row)
        known.rows[name] = found
    emergencies: Rows = defaultdict(list)
    for clock in Clock.objects.filter(case__in=numbers, kind="emergency"):
        emergencies[clock.case_id].append(clock)
    known.rows["emergencies"] = emergencies
    known.told = _told(numbers)
    known.unreachable = _unreachable({case.customer_id for case in cases})
    known.continues, known.earlier, known.seen = _resolved_before(numbers), _earlier(numbers), _seen(numbers)
    return known


def _told(numbers: Sequence[int]) -> dict[int, datetime]:
    """When the customer, or its reseller, was first sent anything about the case."""
    found: dict[int, datetime] = {}
    sent = OutboxMessage.objects.filter(
        reference__in=[f"case:{number}" for number in numbers], audience__in=("customer", "reseller"), state="sent"
    )
    for reference, at in sent.order_by("-sent_at").values_list("reference", "sent_at"):
        if at is not None:
            found[int(reference.partition(":")[2])] = at
    return found


def _unreachable(customers: Iterable[int]) -> dict[int, tuple[tuple[datetime, datetime | None], ...]]:
    """From when until when no contact of these customers could be reached, as the record has it."""
    contacts: dict[int, list[Contact]] = defaultdict(list)
    for contact in Contact.objects.filter(customer__in=customers).exclude(email=""):
        contacts[contact.customer_id].append(contact)
    subjects = {f"contact:{one.pk}": one.pk for found in contacts.values() for one in found}
    said: dict[int, list[tuple[datetime, bool]]] = defaultdict(list)
    entries = Entry.objects.filter(subject__in=subjects, action__in=("contact.problem", "contact.problem_cleared")).order_by(
        "at", "pk"
    )
    for subject, action, at in entries.values_list("subject", "action", "at"):
        said[subjects[subject]].append((at, action == "contact.problem"))
    return {customer: _gaps([_bad(one, said[one.pk]) for one in contacts[customer]]) for customer in customers}


def _bad(contact: Contact, said: Sequence[tuple[datetime, bool]]) -> list[tuple[datetime, datetime | None]]:
    """When this contact could not be reached."""
    if not said:
        return [(LONG_AGO, None)] if contact.problem else []
    gaps: list[tuple[datetime, datetime | None]] = []
    since: datetime | None = None
    for at, problem in said:
        if problem:
            since = since or at
        elif since is not None:
            gaps.append((since, at))
            since = None
    return [*gaps, (since, None)] if since is not None else gaps


def _gaps(each: Sequence[list[tuple[datetime, datetime | None]]]) -> tuple[tuple[datetime, datetime | None], ...]:
    """When all were bad at once; without a contact: always."""
    common: list[tuple[datetime, datetime | None]] = [(LONG_AGO, None)]
    for one in each:
        pairs = [(max(a, c), _sooner(b, d)) for a, b in common for c, d in one]
        common = [(since, until) for since, until in pairs if until is None or since < until]
    return tuple(common)


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _resolved_before(numbers: Sequence[int]) -> dict[int, datetime]:
    """When the case that each of these continues was resolved."""
    rows = CaseLink.objects.filter(case__in=numbers, kind="continues", other__state="RESOLVED", other__ticketed_at__isnull=False)
    return {case: at for case, at in rows.values_list("case_id", "other__closed_at") if at is not None}


def _earlier(numbers: Sequence[int]) -> dict[int, datetime]:
    """When an earlier case of the same customer and kind was first resolved."""
    return dict(
        _rows(
            """SELECT c.id, min(o.closed_at) FROM cases_case c JOIN cases_case o ON o.customer_id = c.customer_id
               AND o.category = c.category AND o.id < c.id AND o.ticketed_at IS NOT NULL AND o.state = 'RESOLVED'
               WHERE c.id = ANY(%s) AND o.closed_at IS NOT NULL GROUP BY 1""",
            numbers,
        )
    )


def _seen(numbers: Sequence[int]) -> dict[int, list[tuple[datetime, datetime]]]:
    """(received, happened at last) of what came in, by case."""
    found: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for case, received_at, happened_at in _rows(
        """SELECT case_id, received_at, max(occurred_at) FROM reports_event
           WHERE case_id = ANY(%s) AND occurred_at IS NOT NULL GROUP BY 1, 2 ORDER BY 2""",
        numbers,
    ):
        found[case].append((received_at, happened_at))
    return found


def _rows(statement: str, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [list(numbers)])
        return cursor.fetchall()


def _past(case: Case, edition: Edition, known: _Known) -> Past:
    journal = known.of("journal", case.pk)
    moved = [entry for entry in journal if entry.kind == "category"]
    told = min(filter(None, (known.told.get(case.pk), case.seen_at)), default=None)
    after = max(told - case.ticketed_at, timedelta()) if told and case.ticketed_at else None
    measures = [row for row in known.of("measures", case.pk) if not row.emergency and row.kind != "terminate"]
    ran = [row.in_force_at - row.decided_at for row in measures if row.in_force_at]
    parent = case.parent
    return Past(
        number=case.pk, customer=case.customer_id, category=str(moved[0].detail["before"]) if moved else case.category,
        opened_at=case.opened_at, doubts=_doubts(journal),
        happenings=tuple(sorted(_happenings(case, known), key=lambda one: (one.at, one.kind))),
        told=Told(after, known.unreachable.get(case.customer_id, ())), fault=case.fault,
        facts=_established(case, known), by_hand_only=knowing.by_hand_only(case),
        contract=contract_time(case.customer.contract), terms_of_today=case.customer_id not in known.agreed,
        earlier_breach_at=known.earlier.get(case.pk),
        continues_at=known.continues.get(case.pk),
        parent=(parent.category, parent.ticketed_at, contract_time(parent.customer.contract))
        if parent is not None and parent.ticketed_at else None,
        suggested=_suggested(case, edition, known), enforced_after=min(ran, default=timedelta()),
        enforcement_failed=bool(measures) and not ran,
    )  # fmt: skip


def _established(case: Case, known: _Known) -> frozenset[str]:
    """Typed facts, and what else the policy asks for, as far as people put them on record."""
    facts = {name for name in asked_for.FACTS if getattr(case, name)}
    points = {row.kind for row in known.of("rulings", case.pk)} & set(asked_for.POINTS)
    prevented = any(row.prevention for row in known.of("statements", case.pk))
    return frozenset(facts | points) | asked_for.proven(prevented=prevented)


def _suggested(case: Case, edition: Edition, known: _Known) -> str:
    kind = edition.categories.get(case.category)
    if kind is None:
        return ""
    return suggesting.suggestion(case, Facts(State.TICKETED, edition, kind, case.severity), known.latest.get(case.pk)).kind


def _doubts(journal: Sequence[JournalEntry]) -> tuple[str, ...]:
    """Why a person went first, in the words of the opening; empty where the case was ticketed at once."""
    opened = next((entry for entry in journal if entry.kind == "opened"), None)
    if opened is None:
        return ("its opening is not on the journal",)
    if opened.detail.get("state") == "TICKETED":
        return ()
    return tuple(filter(None, opened.text.partition("; a person decides: ")[2].split("; "))) or ("a person opened it",)


def _happenings(case: Case, known: _Known) -> Iterable[Happening]:
    number = case.pk
    yield Happening(case.opened_at, Kind.OPENED)
    for received_at, happened_at in known.seen.get(number, ()):
        yield Happening(received_at, Kind.SEEN, moment=happened_at)
    for row in known.of("statements", number):
        yield Happening(row.at, Kind.SAID, row.author)
    for row in known.of("speech", number):
        yield _by(known, row.at, Kind.SPEECH, row.by, word=row.verdict, yes=bool(row.court_order))
    for row in known.of("rulings", number):
        if row.kind == "second_review" and row.second_at is not None:
            yield _by(known, row.second_at, Kind.SECOND_REVIEW, row.second_by)
    for row in known.of("approvals", number):
        if row.what == "restrict" and row.refused_at and row.refused_by and not row.refused_by.startswith(("system", "contact:")):
            yield _by(known, row.refused_at, Kind.REFUSED, row.refused_by)
    for row in known.of("changes", number):
        yield _by(known, row.at, Kind.DUE, row.by, moment=row.new_due_at)
    for row in known.of("pauses", number):
        if row.by.startswith("system") or row.reason in ("disputed", "under appeal"):
            continue  # the table's own
        yield _by(known, row.from_at, Kind.PAUSE, row.by, word=",".join(row.clocks))
        if row.ended_at is not None:
            yield _by(known, row.ended_at, Kind.RESUME, row.by)
    yield from _journaled(number, known)


def _by(known: _Known, at: datetime, kind: Kind, by: str, **more: Any) -> Happening:
    return Happening(at, kind, by, known.ranks.at(by, at), **more)


def _journaled(number: int, known: _Known) -> Iterable[Happening]:
    """What the table decided on because somebody acted; what a clock did is left to the replay's own clocks."""
    found: list[tuple[JournalEntry, Happening]] = []
    for entry in known.of("journal", number):
        if entry.kind == "category":
            found.append((entry, _by(known, entry.at, Kind.CATEGORY, entry.actor, word=str(entry.detail["after"]))))
        elif entry.text == UNDONE:
            taken = [one for one in found if one[0].actor == entry.actor and one[0].kind == "state"]
            if taken:
                found.remove(taken[-1])
        elif (name := entry.detail.get("event")) in Event.__members__ and "clock" not in entry.detail and name not in NOT_REPLAYED:
            found.append((entry, _act(entry, Event[name], known)))
    return [one for _, one in found]


def _act(entry: JournalEntry, event: Event, known: _Known) -> Happening:
    """The act with what only its caller knew."""
    number, detail = entry.case_id, entry.detail
    more: dict[str, Any] = {}
    approvals = {row.pk: row for row in known.of("approvals", number)}
    if event is Event.RESTRICTION_ASKED:
        row = next((r for r in approvals.values() if r.requested_at == entry.at and r.what == "restrict"), None)
        said = row.detail if row is not None else {}
        more = {"detail": _measure(said), "yes": bool(said.get("discretion"))}
    elif event is Event.RESTRICTION_APPROVED and detail.get("approval") in approvals:
        more = {"detail": _measure(approvals[detail["approval"]].detail)}
    elif event is Event.EMERGENCY:
        clock = next((one for one in known.of("emergencies", number) if one.started_at == entry.at), None)
        more = {"moment": clock.due_at if clock else None}
    elif event is Event.FOUND_EXCEPTION:
        rulings = {row.pk: row for row in known.of("rulings", number)}
        ruling = rulings.get(detail.get("ruling", 0))
        more = {"detail": {"exception": ruling.reason.partition(":")[0] if ruling else ""}}
    elif event in {Event.APPEAL_OVERTURNED, Event.APPEAL_UPHELD, Event.APPEAL_WITHDRAWN}:
        appeals = {row.pk: row for row in known.of("appeals", number)}
        appeal = appeals.get(detail.get("appeal", 0))
        more = {"yes": bool(appeal and appeal.measure_id)}
    return _by(known, entry.at, Kind.ACT, entry.actor, event=event, **more)


def _measure(said: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(said.get(name, "")) for name in ("kind", "scope")}
