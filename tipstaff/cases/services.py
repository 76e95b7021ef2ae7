"""What people (and the sweep) do to cases. Every act asks the role and writes the journal in the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from tipstaff.accounts.models import Customer, Service, StaffMember
from tipstaff.accounts.queries import brand_of
from tipstaff.cases import asked_for, authority, keeping, letters, measures, openings, people, stating, undoing
from tipstaff.cases.advancing import UNDO_TIME, Act, advance
from tipstaff.cases.asked_for import FACTS
from tipstaff.cases.grouping import group_key
from tipstaff.cases.journal import journal, locked
from tipstaff.cases.models import Case, CaseLink, JournalEntry
from tipstaff.cases.opening import DESK_DEFAULT, TRIAGE
from tipstaff.cases.states import Event
from tipstaff.kernel.errors import InputError, NotFound, Problem, Refused
from tipstaff.policy import deadlines
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Role

#: How a person may end a case, and the event that the table decides by.
ENDINGS = {
    "RESOLVED": Event.FIX_ACCEPTED,
    "CLOSED_COMPLIANT": Event.FOUND_COMPLIANT,
    "CLOSED_SPEECH": Event.FOUND_SPEECH,
    "CLOSED_EXCEPTION": Event.FOUND_EXCEPTION,
    "CLOSED_FALSE": Event.REPORT_FALSE,
    "CLOSED_DUPLICATE": Event.DUPLICATE,
    "CLOSED_ABSENT": Event.ABSENT,
    "CLOSED_NOT_OURS": Event.NOT_OURS,
}
OUTCOMES = tuple(ENDINGS)


def _open(number: int) -> Case:
    case = locked(number)
    if case.closed_at is not None:
        raise Refused(f"case {case.pk} is closed ({case.outcome}); open a linked case instead")
    return case


@transaction.atomic
def take(*, case_ids: Sequence[int], by: StaffMember, now: datetime) -> dict[int, str]:
    """Make ``by`` the owner. Returns what went wrong, by case number."""
    people.require(by.username, Role.ANALYST)
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
    people.require(by.username, Role.ANALYST)
    for case in Case.objects.select_for_update().filter(pk__in=case_ids, owner=by):
        case.owner = None
        case.save(update_fields=["owner"])
        journal(case=case, kind="owner", text="gave the case back", by=by.username, now=now)


@transaction.atomic
def note(*, case: int, text: str, by: str, now: datetime) -> JournalEntry:
    """An internal note. It is internal by construction: nothing sends a journal entry of kind note."""
    people.require(by, Role.ANALYST)
    if not text.strip():
        raise InputError(Problem("text", "the note is empty", "write something, or leave it"))
    return journal(case=locked(case), kind="note", text=text.strip(), by=by, now=now, internal=True)


@transaction.atomic
def set_facts(*, case: int, facts: Mapping[str, str], by: str, now: datetime) -> Case:
    """Record typed facts; values must be those that the pinned edition lists."""
    people.require(by, Role.ANALYST)
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
        said = {code: value.replace("_", " ") if edition.facts[code].values else value for code, value in changed.items()}
        text = "; ".join(f"{edition.facts[code].title}: {value or 'not known'}" for code, value in said.items())
        journal(case=found, kind="fact", text=text, by=by, now=now, facts=changed)
        stating.settle(found)
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
    label: str = "",
) -> Case:
    """A person says what this is (TRIAGE), and with ``ticket`` starts the customer's clocks (TICKETED).

    Refused while a fact that the policy requires before a ticket is missing. Another category regroups the case.
    ``label`` is one of the category's own sub-categories, or empty.
    """
    people.require(by, Role.ANALYST)
    found = _open(case)
    edition = policy.compiled(found.edition)
    entry = edition.categories.get(category)
    if entry is None:
        raise InputError(Problem("category", f"{category!r} is not in {edition.name}", "one of " + ", ".join(edition.categories)))
    if label and label not in entry.labels:
        raise InputError(Problem("label", f"{label!r} is not in {category}", "one of " + (", ".join(entry.labels) or "none")))
    if facts:
        found = set_facts(case=found.pk, facts=facts, by=by, now=now)
    if category != found.category:
        _regroup(found, category, edition, by, now, reason)
    if label != found.label and (label or found.label not in entry.labels):
        found.label = label
        found.save(update_fields=["label"])
        journal(case=found, kind="fact", text=f"sub-category: {label.replace('_', ' ') or 'none'}", by=by, now=now, label=label)
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
    keeping.hold_new([(case.pk, entry)], now=now)
    authority.owe_reports([(case.pk, entry)], now=now)
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
    stated = {code: getattr(case, code) for code in FACTS}
    missing = asked_for.before_ticket(edition, case.category, stated)
    if missing:
        raise Refused("before a ticket the policy requires: " + asked_for.titles(missing))
    act = Act(case.pk, Event.CLASSIFIED, until=openings.inside_parent(case, edition, now))
    advance(act, by=by, now=now)
    case.refresh_from_db()
    openings.start_further(case, edition, now)
    letters.announce(case=case, edition=edition, by=by, now=now)


@transaction.atomic
def close(*, case: int, outcome: str, reason: str, by: str, now: datetime) -> Case:
    """End the case. Late events still join it; newer ones open a linked case."""
    people.require(by, Role.ANALYST)
    if outcome not in OUTCOMES:
        raise InputError(Problem("outcome", f"{outcome!r} is no outcome", "one of " + ", ".join(OUTCOMES)))
    if not reason.strip():
        raise InputError(Problem("reason", "is missing", "every closing needs its reason"))
    found = _open(case)
    listed = policy.compiled(found.edition).categories[found.category].exceptions
    given = {"exception": listed[0]} if outcome == "CLOSED_EXCEPTION" and listed else {}
    undoable = not people.is_program(by)
    advance(Act(found.pk, ENDINGS[outcome], reason.strip(), given=given, undoable=undoable), by=by, now=now)
    measures.settle(case=found.pk, by=by, now=now)
    return Case.objects.get(pk=found.pk)


@transaction.atomic
def reopen(*, case: int, by: str, now: datetime) -> Case:
    """Undo one's own closing, within seconds. Later, newer events or a person open a linked case instead."""
    people.require(by, Role.ANALYST)
    found = locked(case)
    last = found.journal.filter(kind="state").order_by("-at", "-id").first()
    if found.closed_at is None or last is None or last.actor != by or now - last.at > UNDO_TIME:
        raise Refused("only one's own closing can be undone, within seconds; open a linked case instead")
    if Case.objects.filter(group_key=found.group_key, accepting=True).exists():
        raise Refused("a newer case has taken its place meanwhile")
    undoing.take_back(case=found, before=last.detail["before"], at=last.at, now=now)
    journal(case=found, kind="state", text="closing undone", by=by, now=now, state=found.state)
    return found


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
    """A case from a call or a letter: it opens in TRIAGE with what was said as its first note.

    Without ``brand`` it is the service's own, else its customer's.
    """
    people.require(by, Role.ANALYST)
    brand = brand or brand_of(customer=customer, service=service)
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
    openings.alert_at_once(case, now)
    keeping.hold_new([(case.pk, entry)], now=now)
    authority.owe_reports([(case.pk, entry)], now=now)
    journal(case=case, kind="opened", text=f"opened by hand: {description}", by=by, now=now)
    return case


@transaction.atomic
def relate(*, case: int, other: int, by: str, now: datetime) -> None:
    """Link two cases that belong together without being one."""
    people.require(by, Role.ANALYST)
    first, second = locked(case), locked(other)
    if first.pk == second.pk:
        raise InputError(Problem("other", "is the same case"))
    CaseLink.objects.get_or_create(case=first, other=second, kind="related", defaults={"at": now, "by": by})
    journal(case=first, kind="link", text=f"related to case {second.pk}", by=by, now=now, case_linked=second.pk)
