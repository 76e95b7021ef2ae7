"""Writing customers, services and who holds what: deliveries of sources, change events, corrections.

Assignments and names are never edited: what is no longer known is superseded, and what is known now is added, so that
every answer given earlier can be given again. Each function returns ``Changes``, whose spans say which prefixes and
periods may now have another holder; re-attributing what happened there is the caller's business.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tipstaff.accounts import checking, tenancies, timeline, upserts, versions
from tipstaff.accounts.inventory import AssignmentChange, AssignmentFact, Inventory
from tipstaff.accounts.models import Assignment, Customer, InventorySource, Service
from tipstaff.accounts.nesting import Stranger, loops, strangers
from tipstaff.accounts.tenancies import ASSIGNMENTS, NAMES
from tipstaff.accounts.timeline import Span, Tenancy
from tipstaff.accounts.upserts import Count
from tipstaff.audit.services import record
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.kernel.progress import Progress, unseen

PROVIDER = "provider"  # customer class of the operator's own networks, inside which any customer may have addresses


@dataclass
class Changes:
    """What a call changed. ``left_out``: rows of a tolerant delivery that were not stored, and why."""

    spans: list[Span] = field(default_factory=list)  # (prefix, start, end)
    names: list[Span] = field(default_factory=list)  # ((kind, value), start, end)
    customers: Count = field(default_factory=Count)
    contacts: Count = field(default_factory=Count)
    services: Count = field(default_factory=Count)
    own_prefixes: Count = field(default_factory=Count)
    assignments_recorded: int = 0
    names_recorded: int = 0
    left_out: list[Problem] = field(default_factory=list)

    def __bool__(self) -> bool:
        counts = self.customers, self.contacts, self.services, self.own_prefixes
        return bool(self.spans or self.names or any(any(count.values()) for count in counts))

    def summary(self) -> dict[str, Any]:
        return {
            "customers": dict(self.customers),
            "contacts": dict(self.contacts),
            "services": dict(self.services),
            "own_prefixes": dict(self.own_prefixes),
            "assignments": self.assignments_recorded,
            "names": self.names_recorded,
            "spans": len(self.spans),
        }


@contextmanager
def _taking_in(source: InventorySource, dry_run: bool) -> Iterator[None]:
    """One locked transaction, undone after a dry run; the source has a row inside it."""
    is_new = source.pk is None
    kept = False
    try:
        with transaction.atomic():
            versions.lock()
            if is_new:
                source.save()
            yield
            if dry_run:
                transaction.set_rollback(True)
        kept = not dry_run
    finally:
        if is_new and not kept:
            source.pk, source._state.adding = None, True
        elif dry_run:
            source.refresh_from_db()


def source_named(*, name: str, kind: str, settings: dict[str, Any] | None = None) -> InventorySource:
    """The inventory source of that name; a new one gets its row with its first delivery."""
    return InventorySource.objects.filter(name=name).first() or InventorySource(name=name, kind=kind, settings=settings or {})


def load(
    *, inventory: Inventory, source: InventorySource, by: str, now: datetime, as_of: datetime | None = None,
    complete: bool = False, tolerant: bool = False, dry_run: bool = False, progress: Progress = unseen,
) -> Changes:  # fmt: skip
    """Take in one delivery: all of it, or with ``InputError`` naming every bad row, nothing.

    ``complete``: what this source said before and now leaves out has ended at ``as_of`` (default now).
    ``tolerant``: bad rows are left out and listed in the result instead; for sources that nobody edits for us.
    """
    word = as_of or now
    changes = Changes()
    with _taking_in(source, dry_run):
        progress("Checking the rows", 0, 3)
        sound, problems = checking.sound(inventory, _known(inventory))
        if complete and tolerant and not sound.assignments:
            _refuse_emptiness(source, now, problems)
        progress("Storing customers and services", 1, 3)
        _store_parties(sound, source, now, changes, complete)
        if looping := _reseller_loops(sound):
            raise InputError([*problems, *looping])
        progress("Storing names and assignments", 2, 3)
        problems += _store_holdings(sound, source, now, word if complete else None, tolerant, changes)
        if problems and not tolerant:
            raise InputError(problems)
        changes.left_out = problems
        _heard(source, word, now, problems)
        _close(changes, f"source:{source.name}", "inventory loaded", by, now)
    return changes


def _refuse_emptiness(source: InventorySource, now: datetime, problems: list[Problem]) -> None:
    """A complete list without a single holding, after one that had some, is a reader that may not see them: nothing ends by it."""
    standing = Assignment.objects.filter(source=source, superseded_at=None, period__contains=now).count()
    if standing:
        what = f"shows nobody who holds an address, and {standing} assignments of it stand"
        advice = "let the token's user view prefixes, ranges and addresses; nothing was changed"
        raise InputError([Problem(source.name, what, advice), *problems])


def _known(inventory: Inventory) -> checking.Known:
    wanted = {fact.service for fact in inventory.names} | {fact.service for fact in inventory.assignments}
    wanted |= {fact.external_id for fact in inventory.services}
    services = Service.objects.filter(external_id__in=wanted).values_list("external_id", "customer__external_id")
    customers = Customer.objects.filter(external_id__isnull=False).values_list("external_id", flat=True)
    return checking.Known(frozenset(filter(None, customers)), {str(own): owner for own, owner in services})


def _store_parties(inventory: Inventory, source: InventorySource, now: datetime, changes: Changes, complete: bool) -> None:
    changes.customers = upserts.customers(inventory.customers, source, now)
    changes.contacts = upserts.contacts(inventory.contacts, complete=complete)
    changes.services = upserts.services(inventory.services, now)
    changes.own_prefixes = upserts.own_prefixes(inventory.own_prefixes, source)


def _reseller_loops(inventory: Inventory) -> list[Problem]:
    if not any(fact.parent for fact in inventory.customers):
        return []
    looping = set(loops(dict(Customer.objects.values_list("pk", "parent_id"))))
    names = set(Customer.objects.filter(pk__in=looping).values_list("external_id", flat=True))
    advice = "a customer cannot be its own reseller, directly or through others"
    return [
        Problem(fact.where, f"customer {fact.external_id!r} ends up below itself", advice)
        for fact in inventory.customers
        if fact.external_id in names
    ]


def _store_holdings(
    inventory: Inventory, source: InventorySource, now: datetime, ended_at: datetime | None, tolerant: bool,
    changes: Changes,
) -> list[Problem]:  # fmt: skip
    """Names and assignments; returns the assignments that nest in a stranger's, left out where tolerant."""
    _store(NAMES, inventory.names, source, now, ended_at, changes)
    facts = list(inventory.assignments)
    problems: list[Problem] = []
    while True:
        point = transaction.savepoint()
        fresh = _store(ASSIGNMENTS, facts, source, now, ended_at, changes)
        found = _misplaced(facts, fresh)
        if not found or not tolerant:
            transaction.savepoint_commit(point)
            return problems + list(found.values())
        transaction.savepoint_rollback(point)
        problems += found.values()
        facts = [fact for fact in facts if (fact.prefix, fact.service) not in found]


def _store(
    table: str, facts: Sequence[Any], source: InventorySource, now: datetime, ended_at: datetime | None, changes: Changes
) -> list[Tenancy]:
    numbers = upserts.ids(Service, (fact.service for fact in facts))
    said = [checking.as_tenancy(fact, numbers[fact.service], source.pk) for fact in facts]
    if ended_at is not None:
        before = tenancies.known(table)
    else:
        before = tenancies.known_at(table, (row.prefix for row in said), (row.external_id for row in said if row.external_id))
    said = timeline.with_known_starts(before, said, [fact.start_assumed for fact in facts])
    after = timeline.restate(before, said)
    if ended_at is not None:
        after = timeline.end_unmentioned(after, said, source.pk, ended_at)
    return _replace(table, before, after, now, changes)


def _replace(table: str, before: list[Tenancy], after: list[Tenancy], now: datetime, changes: Changes) -> list[Tenancy]:
    spans, fresh = tenancies.replace_known(table, before, after, now)
    if table == ASSIGNMENTS:
        changes.spans, changes.assignments_recorded = spans, len(fresh)
    else:
        changes.names, changes.names_recorded = spans, len(fresh)
    return fresh


def _misplaced(facts: Sequence[AssignmentFact], fresh: list[Tenancy]) -> dict[tuple[Any, str], Problem]:
    """Of what was just stored, what nests in a stranger's prefix: by prefix and service, the fact to blame."""
    if not fresh:
        return {}
    rows = [replace(row, number=None) for row in tenancies.around(sorted({row.prefix for row in fresh}, key=str))]
    services = Service.objects.values_list("pk", "customer_id")
    tree = dict(Customer.objects.values_list("pk", "parent_id"))
    open_to_all = set(Customer.objects.filter(customer_class=PROVIDER).values_list("pk", flat=True))
    names = dict(Service.objects.filter(pk__in={row.service for row in rows}).values_list("pk", "external_id"))
    where: dict[tuple[Any, str], str] = {(fact.prefix, fact.service): fact.where for fact in facts}
    # What an earlier holder keeps of its period was judged when it was said.
    new = {row for row in fresh if not where or (row.prefix, names.get(row.service)) in where}
    found: dict[tuple[Any, str], Problem] = {}
    for pair in strangers(rows, new, dict(services), tree, open_to_all):
        blamed = pair.inner if (pair.inner.prefix, names[pair.inner.service]) in where else pair.outer
        key = blamed.prefix, str(names[blamed.service])
        found.setdefault(key, _nesting_problem(where.get(key, str(blamed.prefix)), pair, names))
    return found


def _nesting_problem(where: str, pair: Stranger, names: dict[int, Any]) -> Problem:
    inner, outer = pair
    text = f"{inner.prefix} of service {names[inner.service]!r} lies inside {outer.prefix} of {names[outer.service]!r}"
    advice = "a nested prefix belongs to the same customer or to one below it: correct the reseller, the holder or the period"
    return Problem(where, f"{text}, whose customer is not above it", advice)


def change_assignments(
    *, changes: Sequence[AssignmentChange], source: InventorySource, by: str, now: datetime, dry_run: bool = False
) -> Changes:
    """Take in change events with their effective times, in any order, any number of times. All of them, or InputError."""
    result = Changes()
    with _taking_in(source, dry_run):
        ordered = sorted(changes, key=lambda change: change.at)
        numbers = upserts.ids(Service, (change.service for change in ordered if change.kind == "assign"))
        problems = _change_problems(ordered, numbers)
        if problems:
            raise InputError(problems)
        before = tenancies.known_at(ASSIGNMENTS, (change.prefix for change in ordered))
        after = _changed(before, ordered, numbers, source)
        fresh = _replace(ASSIGNMENTS, before, after, now, result)
        facts = [_fact_of(change) for change in ordered if change.kind == "assign"]
        if misplaced := _misplaced(facts, fresh):
            raise InputError(list(misplaced.values()))
        _heard(source, max((change.at for change in ordered), default=now), now, [])
        _close(result, f"source:{source.name}", "assignments changed", by, now)
    return result


def _change_problems(changes: Sequence[AssignmentChange], numbers: dict[str, int]) -> list[Problem]:
    advice = "create the service first"
    unknown = [
        Problem(change.where, f"service {change.service!r} is not known", advice)
        for change in changes
        if change.kind == "assign" and change.service not in numbers
    ]
    facts = [_fact_of(change) for change in changes]
    return unknown + [problem for fact in facts for test in checking.HOLDING_TESTS if (problem := test(fact))]


def _fact_of(change: AssignmentChange) -> AssignmentFact:
    return AssignmentFact(
        change.prefix, change.service, change.at, change.end, change.port_from, change.port_to, change.shared,
        change.external_id, change.where,
    )  # fmt: skip


def _changed(
    known: list[Tenancy], changes: Sequence[AssignmentChange], numbers: dict[str, int], source: InventorySource
) -> list[Tenancy]:
    by_prefix: dict[Any, list[Tenancy]] = {}
    for row in known:
        by_prefix.setdefault(row.prefix, []).append(row)
    for change in changes:
        rows = by_prefix.get(change.prefix, [])
        said = checking.as_tenancy(_fact_of(change), numbers.get(change.service, 0), source.pk)
        if change.kind == "release":
            rows = timeline.release(rows, said, change.at)
        else:
            rows = timeline.overwrite(rows, timeline.until_next_change(rows, said))
        by_prefix[change.prefix] = rows
    return [row for rows in by_prefix.values() for row in rows]


@transaction.atomic
def correct_assignment(
    *, number: int, by: str, now: datetime, reason: str, service: int | None = None,
    start: datetime | None = None, end: datetime | None = None, withdrawn: bool = False,
) -> Changes:  # fmt: skip
    """State a known assignment anew with another service or period (None: as it was), or withdraw it altogether."""
    versions.lock()
    prefix = _prefix_of(number)
    if service is not None and not Service.objects.filter(pk=service).exists():
        raise InputError(Problem("service", f"{service} does not exist", "give the number of a service of the inventory"))
    before = tenancies.known_at(ASSIGNMENTS, [prefix])
    wrong = next(row for row in before if row.number == number)
    others = [row for row in before if row.number != number]
    right = replace(wrong, number=None, service=service or wrong.service, start=start or wrong.start, end=end or wrong.end)
    if problem := checking.period(_as_fact(right)):
        raise InputError(problem)
    changes = Changes()
    fresh = _replace(ASSIGNMENTS, before, others if withdrawn else timeline.overwrite(others, right), now, changes)
    if misplaced := _misplaced([], fresh):
        raise InputError(list(misplaced.values()))
    _close(changes, f"assignment:{number}", "assignment corrected", by, now, reason)
    return changes


def _prefix_of(number: int) -> Any:
    found = Assignment.objects.filter(pk=number, superseded_at=None).values_list("prefix", flat=True).first()
    if found is None:
        raise NotFound(f"assignment {number} is not known now")
    return found


def _as_fact(row: Tenancy) -> AssignmentFact:
    assert not isinstance(row.prefix, tuple)
    return AssignmentFact(row.prefix, str(row.service), row.start, row.end, row.port_from, row.port_to, where=str(row.prefix))


@transaction.atomic
@transaction.atomic
def expect_word(*, name: str, within: timedelta | None, by: str, now: datetime) -> InventorySource:
    """Say how old a source's last word may become before it is late (None: any age). Raises InputError for no such source."""
    found = InventorySource.objects.select_for_update().filter(name=name).first()
    if found is None:
        known = ", ".join(InventorySource.objects.order_by("name").values_list("name", flat=True)) or "none yet"
        raise InputError(Problem("source", f"{name!r} is no source of the inventory", f"one of: {known}"))
    if within is not None and within <= timedelta():
        raise InputError(Problem("within", "is not more than nothing", "give hours, or leave it out for any age"))
    found.max_lag = within
    found.save(update_fields=["max_lag"])
    hours = within / timedelta(hours=1) if within else None
    record(by=by, action="inventory.expect", subject=f"inventory:{found.pk}", now=now, hours=hours)
    return found


def hear_from(*, source: InventorySource, now: datetime, last_word_at: datetime | None = None, error: str = "") -> None:
    """Note that a source answered (its facts are known up to ``last_word_at``), or why it did not."""
    if source.pk is None:
        source.save()
    _heard(source, last_word_at, now, [Problem(source.name, error)] if error else [])


def _heard(source: InventorySource, word: datetime | None, now: datetime, problems: list[Problem]) -> None:
    if word and (source.last_word_at is None or word > source.last_word_at):
        source.last_word_at = word
    if word:
        source.last_ok_at = now
    source.last_error = "" if not problems else f"{problems[0]}" + (f" and {len(problems) - 1} more" if problems[1:] else "")
    source.save(update_fields=["last_word_at", "last_ok_at", "last_error"])


def _close(changes: Changes, subject: str, action: str, by: str, now: datetime, reason: str = "") -> None:
    """Bump the version and write the record, where anything changed."""
    if not changes:
        return
    versions.grown(now)
    record(by=by, action=action, subject=subject, now=now, reason=reason, **changes.summary())
