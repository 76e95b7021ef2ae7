"""What is known of many cases at once, as the lifecycle asks for it: a few queries for a whole batch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from tipstaff.cases import asked_for
from tipstaff.cases.facts import Facts
from tipstaff.cases.models import Case
from tipstaff.cases.opening import contract_time
from tipstaff.cases.states import Event, State
from tipstaff.kernel import bulk
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Trigger
from tipstaff.policy.models import StoredEdition

#: For these the reachability of the customer matters; all others need not ask.
SILENCE = frozenset({Event.RESOLVE_DUE, Event.REPEAT_FOUND, Event.SECOND_DUE, Event.SILENCE_CONFIRMED})
#: Nothing is decided by these but whether they come at all.
PLAIN = frozenset({Event.REMINDER_DUE, Event.ACKNOWLEDGE_DUE})
OURS = "provider"  # who manages a service, where that is us


def editions_of(cases: Iterable[Case]) -> dict[int, Edition]:
    """Edition by id; the content is read only where this process does not have it yet."""
    rows = StoredEdition.objects.filter(pk__in={case.edition_id for case in cases}).defer("content")
    return {row.pk: policy.compiled(row) for row in rows}


@dataclass(frozen=True, slots=True)
class Running:
    """A clock that has neither fired nor been cancelled; ``pause`` is what holds it."""

    pk: int
    case: int
    kind: str
    due_at: datetime
    pause: int | None


def clocks_of(numbers: Sequence[int]) -> dict[int, list[Running]]:
    """The clocks of these cases, paused ones too, the earliest first."""
    found: dict[int, list[Running]] = defaultdict(list)
    for clock in _running("case_id = ANY(%s::bigint[])", "", [bulk.array_of_values(numbers)]):
        found[clock.case].append(clock)
    return found


def due(now: datetime, most: int) -> list[Running]:
    """The earliest clocks that are due and not paused."""
    return _running("pause_id IS NULL AND due_at <= %s", "LIMIT %s", [now, most])


def _running(condition: str, limit: str, values: list[Any]) -> list[Running]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT id, case_id, kind, due_at, pause_id FROM cases_clock
                WHERE fired_at IS NULL AND cancelled_at IS NULL AND {condition} ORDER BY due_at, id {limit}""",  # noqa: S608
            values,
        )
        return [Running(*row) for row in cursor.fetchall()]


@dataclass
class Known:
    """The rows of a batch by case number."""

    editions: dict[int, Edition]
    clocks: dict[int, list[Running]]
    rows: dict[str, dict[int, Any]] = field(default_factory=lambda: defaultdict(dict))


def load(cases: Sequence[Case], events: Iterable[Event]) -> Known:
    """Everything that rules may ask of these cases when one of ``events`` happens."""
    numbers, wanted = [case.pk for case in cases], set(events)
    known = Known(editions_of(cases), clocks_of(numbers))
    if wanted <= PLAIN:
        return known
    asked = _ALWAYS | (_SILENCE if wanted & SILENCE else {}) | (_HOLDS if Event.DATA_WINDOW_OVER in wanted else {})
    with connection.cursor() as cursor:
        cursor.execute(_statement(asked), [bulk.array_of_values(numbers)])
        for number, *found in cursor.fetchall():
            for name in asked:
                row, found = found[: len(_COLUMNS[name])], found[len(_COLUMNS[name]) :]
                if row[0] is not None:
                    known.rows[name][number] = row
    return known


def facts_of(case: Case, known: Known, now: datetime, given: Mapping[str, Any], fires: str = "") -> Facts:
    """What the rules may ask of one case. ``given`` overrides, for what only the caller knows; ``fires``: a clock running out."""
    edition = known.editions[case.edition_id]
    clocks = known.clocks.get(case.pk, ())
    running = frozenset(clock.kind for clock in clocks if clock.pause is None and clock.kind != fires)
    said = known.rows["statements"].get(case.pk) or (None, None, False, False)
    restricted_since, measures = known.rows["measures"].get(case.pk) or (None, 0)
    looked_since = restricted_since or case.fix_claimed_at
    retest, retested_at = known.rows["retests"].get(case.pk) or ("", None)
    rulings = set((known.rows["rulings"].get(case.pk) or ([],))[0])
    speech, court_order = known.rows["speech"].get(case.pk) or ("", "")
    told = case.seen_at is not None or case.pk in known.rows["told"]
    values: dict[str, Any] = {
        "running": running,
        "proofs": frozenset(Trigger(name) for name in (known.rows["proofs"].get(case.pk) or ([],))[0]),
        "by_hand_only": by_hand_only(case),
        "label": case.label,
        "reachable": told and case.pk in known.rows["contact"],
        "answered": said[0] is not None,
        "silence_confirmed": "silence" in rulings,
        "acknowledged": case.acknowledged_at is not None,
        "returned": case.returned,
        "retest": retest if retested_at and (looked_since is None or retested_at >= looked_since) else "",
        "seen_again": _after(case.last_event_at, case.fix_claimed_at or restricted_since),
        "contacted": _after(said[0], restricted_since),
        "speech": speech,
        "court_order": bool(court_order),
        "second_review": "second_review" in rulings,
        "dispute_heard": bool(said[2]),
        "early": bool(case.resolve_due_at and case.resolve_due_at > now),
        "overdue": bool(case.resolve_due_at and case.resolve_due_at <= now) and not any(one.kind == "resolve" for one in clocks),
        "approved": bool(known.rows["approvals"].get(case.pk)),
        "measures": measures,
        "claimed": case.owner_id is not None,
        "held": case.pk in known.rows["held"],
        "earlier_breach": case.pk in known.rows["earlier"],
        "contract": contract_time(case.customer.contract),
        "ticketed_at": case.ticketed_at,
    }
    kind = edition.categories[case.category]
    stated = {code: getattr(case, code) for code in asked_for.FACTS}
    points = rulings | asked_for.proven(court_order=bool(court_order), prevented=bool(said[3]), looked=str(values["retest"]))
    values["lacking"] = asked_for.before_restricting(edition, case.category, stated, points)
    values["unproven"] = asked_for.before_resolved(kind, points)
    return Facts(State(case.state), edition, kind, case.severity, **{**values, **given})


def by_hand_only(case: Case) -> str:
    """Why nothing may happen to this customer by itself (H10, D5); empty where nothing forbids it.

    Where we manage the service our own people must act: the customer's silence is no reason to cut it off.
    """
    protected = case.customer.protected_class or (case.service.protected_class if case.service else "")
    contract = "contract" if case.customer.contract.get("no_automation") else ""
    return protected or contract or ("managed by us" if case.service and case.service.managed_by == OURS else "")


def _after(moment: datetime | None, since: datetime | None) -> bool:
    return moment is not None and since is not None and moment > since


def _statement(asked: Mapping[str, str]) -> str:
    """One row for each case, everything asked beside one another: a case has few rows of each kind, found by their index."""
    columns = ", ".join(f"{name}.{column}" for name in asked for column in _COLUMNS[name])
    joins = " ".join(f"LEFT JOIN LATERAL ({query}) AS {name}({', '.join(_COLUMNS[name])}) ON true" for name, query in asked.items())
    return f"SELECT c.id, {columns} FROM cases_case c {joins} WHERE c.id = ANY(%s::bigint[])"  # noqa: S608 - our own words only


#: Name → what it says of a case ``c``. The first column is null where there is nothing.
_COLUMNS = {
    "proofs": ("triggers",), "statements": ("last", "fixed", "heard", "prevented"),
    "measures": ("since", "many"), "retests": ("outcome", "at"),
    "rulings": ("kinds",), "speech": ("verdict", "court_order"), "approvals": ("yes",), "told": ("yes",), "contact": ("yes",),
    "earlier": ("yes",), "held": ("yes",),
}  # fmt: skip
_ALWAYS = {
    "proofs": "SELECT array_agg(trigger) FROM cases_proof WHERE case_id = c.id AND withdrawn_at IS NULL",
    "statements": """SELECT max(at), max(at) FILTER (WHERE kind = 'fix'),
                     coalesce(bool_or(kind = 'dispute' AND answer <> ''), false),
                     coalesce(bool_or(prevention <> ''), false) FROM cases_statement WHERE case_id = c.id""",
    # Since when something stands; where everything failed, since that was decided.
    "measures": """SELECT coalesce(min(coalesce(in_force_at, decided_at)) FILTER (WHERE state NOT IN ('failed', 'refused')),
                       max(decided_at)), count(*) FILTER (WHERE state NOT IN ('failed', 'refused'))
                   FROM cases_measure WHERE case_id = c.id AND state <> 'lifted'""",
    "retests": """SELECT outcome, at FROM cases_retest WHERE case_id = c.id AND at IS NOT NULL
                  ORDER BY at DESC, id DESC LIMIT 1""",
    "rulings": """SELECT array_agg(kind) FROM cases_ruling WHERE case_id = c.id
                  AND (kind <> 'second_review' OR second_by IS NOT NULL)""",
    "speech": "SELECT verdict, court_order FROM cases_speechreview WHERE case_id = c.id ORDER BY at DESC, id DESC LIMIT 1",
    "approvals": """SELECT true FROM cases_approval WHERE case_id = c.id AND what = 'restrict'
                    AND approved_at IS NOT NULL AND executed_at IS NULL AND refused_at IS NULL LIMIT 1""",
}
_SILENCE = {
    # By the few rows about a case, never by the index of all that were sent: with old statistics that took a hundred times longer.
    "told": """SELECT true FROM correspondence_outboxmessage WHERE reference = 'case:' || c.id
               AND audience IN ('customer', 'reseller') AND coalesce(state, '') = 'sent' LIMIT 1""",
    "contact": "SELECT true FROM accounts_contact WHERE customer_id = c.customer_id AND email <> '' AND problem = '' LIMIT 1",
    "earlier": """SELECT true FROM cases_case o WHERE o.customer_id = c.customer_id AND o.category = c.category
                  AND o.id < c.id AND o.ticketed_at IS NOT NULL AND o.state = 'RESOLVED' LIMIT 1""",
}
_HOLDS = {
    # As far as a hold reaches (pipeline/holds.py), seen from the case: what was merged with it, its reseller's case, its resellers.
    "held": """SELECT true FROM evidence_hold h WHERE h.released_at IS NULL
               AND (h.scope IN ('case:' || c.id, 'customer:' || c.customer_id, 'all')
                    OR h.scope IN (WITH RECURSIVE kin AS (
                           SELECT c.id UNION SELECT n.id FROM kin JOIN cases_case o ON o.id = kin.id
                           JOIN cases_case n ON n.merged_into_id = o.id OR n.id IN (o.merged_into_id, o.parent_id))
                       SELECT 'case:' || id FROM kin)
                    OR h.scope IN (WITH RECURSIVE above AS (
                           SELECT parent_id AS id FROM accounts_customer WHERE id = c.customer_id
                           UNION SELECT p.parent_id FROM above JOIN accounts_customer p ON p.id = above.id)
                       SELECT 'customer:' || id FROM above)) LIMIT 1""",
}
