"""What people (and the sweep) do to cases. Every act writes the journal in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tipstaff.accounts.models import Customer, Service, StaffMember
from tipstaff.cases import letters
from tipstaff.cases.grouping import group_key
from tipstaff.cases.models import Case, CaseLink, JournalEntry
from tipstaff.cases.opening import DESK_DEFAULT, TICKETED, TRIAGE, contract_time
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import deadlines
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition

FACTS = ("harmed_party", "surface", "mode", "medium", "third_party_rule", "jurisdiction", "statute", "actor", "fault")
OUTCOMES = (
    "RESOLVED",
    "CLOSED_COMPLIANT",
    "CLOSED_SPEECH",
    "CLOSED_EXCEPTION",
    "CLOSED_FALSE",
    "CLOSED_DUPLICATE",
    "CLOSED_ABSENT",
    "CLOSED_NOT_OURS",
)


def journal(*, case: Case, kind: str, text: str, by: str, now: datetime, internal: bool = True, **detail: Any) -> JournalEntry:
    """Append to the case's timeline."""
    return JournalEntry.objects.create(case=case, at=now, actor=by, kind=kind, text=text, detail=detail, internal=internal)


def locked(number: int) -> Case:
    """The case, held until the transaction ends; a merged one leads to where it went."""
    case = Case.objects.select_for_update().filter(pk=number).first()
    if case is None:
        raise NotFound(f"there is no case {number}")
    return locked(case.merged_into_id) if case.merged_into_id else case


def _open(number: int) -> Case:
    case = locked(number)
    if case.closed_at is not None:
        raise Refused(f"case {case.pk} is closed ({case.outcome}); open a linked case instead")
    return case


@transaction.atomic
def take(*, case_ids: Sequence[int], by: StaffMember, now: datetime) -> dict[int, str]:
    """Make ``by`` the owner. Returns what went wrong, by case number."""
    errors = {}
    for number in case_ids:
        try:
            case = _open(number)
        except (NotFound, Refused) as error:
            errors[number] = str(error)
            continue
        before = case.owner.username if case.owner else ""
        if case.owner_id != by.pk:
            case.owner = by
            case.save(update_fields=["owner"])
            journal(
                case=case,
                kind="owner",
                text="took the case" + (f" from {before}" if before else ""),
                by=by.username,
                now=now,
                before=before,
            )
    return errors


@transaction.atomic
def release(*, case_ids: Sequence[int], by: StaffMember, now: datetime) -> None:
    """Undo a take: nobody owns the cases."""
    for case in Case.objects.select_for_update().filter(pk__in=case_ids, owner=by):
        case.owner = None
        case.save(update_fields=["owner"])
        journal(case=case, kind="owner", text="gave the case back", by=by.username, now=now)


@transaction.atomic
def note(*, case: int, text: str, by: str, now: datetime) -> JournalEntry:
    """An internal note. It is internal by construction: nothing sends a journal entry of kind note."""
    if not text.strip():
        raise InputError(Problem("text", "the note is empty", "write something, or leave it"))
    return journal(case=locked(case), kind="note", text=text.strip(), by=by, now=now, internal=True)


@transaction.atomic
def set_facts(*, case: int, facts: Mapping[str, str], by: str, now: datetime) -> Case:
    """Record typed facts; values must be those that the pinned edition lists."""
    found = _open(case)
    edition = policy.compiled(found.edition)
    problems = []
    for code, value in facts.items():
        rule = edition.facts.get(code)
        if code not in FACTS or rule is None:
            problems.append(Problem(code, "is not a fact of this edition", "one of " + ", ".join(edition.facts)))
        elif value and rule.values and value not in rule.values:
            problems.append(Problem(code, f"{value!r} is not a value", "one of " + ", ".join(rule.values)))
    if problems:
        raise InputError(problems)
    changed = {code: value for code, value in facts.items() if getattr(found, code) != value}
    for code, value in changed.items():
        setattr(found, code, value)
    if changed:
        found.save(update_fields=list(changed))
        text = "; ".join(f"{edition.facts[code].title}: {value or 'not known'}" for code, value in changed.items())
        journal(case=found, kind="fact", text=text, by=by, now=now, facts=changed)
    return found


@transaction.atomic
def classify(
    *,
    case: int,
    category: str,
    by: str,
    now: datetime,
    facts: Mapping[str, str] | None = None,
    ticket: bool = True,
    reason: str = "",
) -> Case:
    """A person says what this is (TRIAGE), and with ``ticket`` starts the customer's clocks (TICKETED).

    Refused while a fact that the policy requires before a ticket is missing. Another category regroups the case.
    """
    found = _open(case)
    edition = policy.compiled(found.edition)
    entry = edition.categories.get(category)
    if entry is None:
        raise InputError(Problem("category", f"{category!r} is not in {edition.name}", "one of " + ", ".join(edition.categories)))
    if facts:
        found = set_facts(case=found.pk, facts=facts, by=by, now=now)
    if category != found.category:
        _regroup(found, category, edition, by, now, reason)
    if ticket and found.state == TRIAGE:
        _ticket(found, edition, by, now)
    return found


def _regroup(case: Case, category: str, edition: Edition, by: str, now: datetime, reason: str) -> None:
    entry = edition.categories[category]
    key = group_key(case.customer_id, case.service_id, category, case.brand)
    taken = Case.objects.filter(group_key=key, accepting=True).exclude(pk=case.pk).first()
    if taken is not None:  # two cases cannot take the same events: this one stands apart until somebody merges them
        key = group_key(case.customer_id, case.service_id, category, case.brand, part=str(case.pk))
    before = case.category
    case.category, case.clause, case.severity, case.group_key = category, entry.clause, str(entry.severity), key
    fields = ["category", "clause", "severity", "group_key"]
    if case.ticketed_at is None:
        case.desk_due_at = _desk_due(edition, category, case.opened_at)
        case.next_due_at = case.desk_due_at
        fields += ["desk_due_at", "next_due_at"]
    case.save(update_fields=fields)
    hint = f"; case {taken.pk} is of the same kind" if taken else ""
    journal(
        case=case,
        kind="category",
        text=f"{before} → {category}{': ' + reason if reason else ''}{hint}",
        by=by,
        now=now,
        before=before,
        after=category,
    )


def _desk_due(edition: Edition, category: str, created_at: datetime) -> datetime:
    return deadlines.desk_due(deadlines.allowance(edition, category), created_at) or created_at + DESK_DEFAULT


def _ticket(case: Case, edition: Edition, by: str, now: datetime) -> None:
    entry = edition.categories[case.category]
    missing = [
        edition.facts[code].title
        for code in entry.required_facts
        if edition.facts[code].before == "ticket" and not getattr(case, code)
    ]
    if missing:
        raise Refused("before a ticket the policy requires: " + ", ".join(missing))
    case.state, case.ticketed_at, case.needs_person, case.waiting_on, case.noticed_at = TICKETED, now, "", "customer", now
    times = deadlines.allowance(edition, case.category, contract=contract_time(case.customer.contract))
    due = deadlines.due(times, now)
    case.ack_due_at, case.resolve_due_at = due.ack, due.resolve
    case.next_due_at = min(filter(None, (case.ack_due_at, case.resolve_due_at)), default=None)
    case.save(
        update_fields=[
            "state",
            "ticketed_at",
            "needs_person",
            "waiting_on",
            "ack_due_at",
            "resolve_due_at",
            "next_due_at",
            "noticed_at",
        ]
    )
    journal(case=case, kind="state", text="ticketed: the customer's clocks run", by=by, now=now, internal=False, state=TICKETED)
    letters.announce(case=case, edition=edition, by=by, now=now)


@transaction.atomic
def close(*, case: int, outcome: str, reason: str, by: str, now: datetime) -> Case:
    """End the case. Late events still join it; newer ones open a linked case."""
    if outcome not in OUTCOMES:
        raise InputError(Problem("outcome", f"{outcome!r} is no outcome", "one of " + ", ".join(OUTCOMES)))
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "every closing needs its reason"))
    found = _open(case)
    before = {
        "state": found.state,
        "accepting": found.accepting,
        "next_due_at": _text(found.next_due_at),
        "waiting_on": found.waiting_on,
    }
    found.state, found.outcome, found.closed_at, found.accepting = outcome, outcome, now, False
    found.next_due_at, found.waiting_on = None, ""
    found.save(update_fields=["state", "outcome", "closed_at", "accepting", "next_due_at", "waiting_on"])
    journal(case=found, kind="state", text=f"{outcome}: {reason}", by=by, now=now, internal=False, before=before, state=outcome)
    return found


UNDO_TIME = timedelta(seconds=30)  # ten seconds on the screen, and the way there


@transaction.atomic
def reopen(*, case: int, by: str, now: datetime) -> Case:
    """Undo one's own closing, within seconds. Later, newer events or a person open a linked case instead."""
    found = locked(case)
    last = found.journal.filter(kind="state").order_by("-at", "-id").first()
    if found.closed_at is None or last is None or last.actor != by or now - last.at > UNDO_TIME:
        raise Refused("only one's own closing can be undone, within seconds; open a linked case instead")
    if Case.objects.filter(group_key=found.group_key, accepting=True).exists():
        raise Refused("a newer case has taken its place meanwhile")
    before = last.detail["before"]
    found.state, found.outcome, found.closed_at = before["state"], "", None
    found.accepting, found.waiting_on = before["accepting"], before["waiting_on"]
    found.next_due_at = datetime.fromisoformat(before["next_due_at"]) if before["next_due_at"] else None
    found.save(update_fields=["state", "outcome", "closed_at", "accepting", "next_due_at", "waiting_on"])
    journal(case=found, kind="state", text="closing undone", by=by, now=now, state=found.state)
    return found


def _text(at: datetime | None) -> str:
    return at.isoformat() if at else ""


@transaction.atomic
def open_by_hand(
    *,
    customer: int,
    category: str,
    headline: str,
    description: str,
    by: str,
    now: datetime,
    service: int | None = None,
    brand: str = "",
) -> Case:
    """A case from a call or a letter: it opens in TRIAGE with what was said as its first note."""
    in_force = policy.edition_in_force(brand, now)
    if in_force is None:
        raise Refused("no published policy edition is in force; publish one first")
    stored, edition = in_force
    entry = edition.categories.get(category)
    if entry is None:
        raise InputError(Problem("category", f"{category!r} is not in {edition.name}", "one of " + ", ".join(edition.categories)))
    if not Customer.objects.filter(pk=customer).exists():
        raise InputError(Problem("customer", f"there is no customer {customer}", "search for the name or address"))
    if service is not None and not Service.objects.filter(pk=service, customer_id=customer).exists():
        raise InputError(Problem("service", f"{service} is not a service of customer {customer}"))
    key = group_key(customer, service, category, brand)
    existing = Case.objects.filter(group_key=key, accepting=True).first()
    if existing is not None:
        journal(case=existing, kind="note", text=description, by=by, now=now, source="by hand")
        return existing
    due = _desk_due(edition, category, now)
    case = Case.objects.create(
        customer_id=customer,
        service_id=service,
        category=category,
        clause=entry.clause,
        severity=str(entry.severity),
        edition=stored,
        brand=brand,
        group_key=key,
        headline=headline,
        opened_at=now,
        opened_by=by,
        refreshed_at=now,
        desk_due_at=due,
        next_due_at=due,
        window_until=now + entry.grouping_window,
        needs_person="opened by hand",
    )
    journal(case=case, kind="opened", text=f"opened by hand: {description}", by=by, now=now)
    return case


@transaction.atomic
def relate(*, case: int, other: int, by: str, now: datetime) -> None:
    """Link two cases that belong together without being one."""
    first, second = locked(case), locked(other)
    if first.pk == second.pk:
        raise InputError(Problem("other", "is the same case"))
    CaseLink.objects.get_or_create(case=first, other=second, kind="related", defaults={"at": now, "by": by})
    journal(case=first, kind="link", text=f"related to case {second.pk}", by=by, now=now, case_linked=second.pk)
