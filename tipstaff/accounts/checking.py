"""Whether a delivery makes sense in itself and beside what is known, before any row is touched. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tipstaff.accounts.inventory import LONGEST_NOTICE, PORTS, AssignmentFact, CustomerFact, Inventory, NameFact
from tipstaff.accounts.timeline import Tenancy, overlapping
from tipstaff.kernel.errors import Problem
from tipstaff.kernel.text import storable_document

NAME_KINDS = ("domain", "host", "mailbox")


@dataclass(frozen=True)
class Known:
    """External ids that have rows: customers, and services with their customer's external id."""

    customers: frozenset[str]
    services: Mapping[str, str | None]


def sound(inventory: Inventory, known: Known) -> tuple[Inventory, list[Problem]]:
    """The part of the delivery that can be stored, and all that is wrong with the rest."""
    problems = list(inventory.problems)
    kept = replace(inventory, problems=[])

    def keep(facts: Iterable[Any], *tests: Callable[[Any], Problem | None]) -> list[Any]:
        good = []
        for fact in facts:
            found = [problem for test in tests if (problem := test(fact))]
            problems.extend(found)
            if not found:
                good.append(fact)
        return good

    customers = known.customers | {fact.external_id for fact in inventory.customers}
    kept.customers = keep(inventory.customers, _once("customer"), _reseller(customers), _terms)
    kept.contacts = keep(inventory.contacts, _refers("customer", customers), _once("contact", "customer"))
    kept.services = keep(inventory.services, _refers("customer", customers), _once("service"), _stays(known.services))
    services = known.services.keys() | {fact.external_id for fact in kept.services}
    kept.names = keep(inventory.names, _refers("service", services), _name_kind, period)
    kept.assignments = keep(inventory.assignments, _refers("service", services), *HOLDING_TESTS)
    held: list[tuple[str, list[Any]]] = [("prefix", kept.assignments), ("name", kept.names)]
    for column, facts in held:
        bad = _contradictions(column, facts)
        problems += bad.values()
        facts[:] = [fact for place, fact in enumerate(facts) if place not in bad]
    return kept, problems


def _once(what: str, *also: str) -> Callable[[Any], Problem | None]:
    seen: dict[tuple[str, ...], Any] = {}

    def test(fact: Any) -> Problem | None:
        first = seen.setdefault((fact.external_id, *(getattr(fact, name) for name in also)), fact)
        if first is fact or replace(fact, where=first.where) == first:
            return None
        text = f"{what} {fact.external_id!r} stands at {first.where} already, with other values"
        return Problem(fact.where, text, "keep one of the two rows")

    return test


def _refers(what: str, known: Iterable[str]) -> Callable[[Any], Problem | None]:
    names = set(known)

    def test(fact: Any) -> Problem | None:
        wanted = getattr(fact, what)
        if wanted in names:
            return None
        return Problem(fact.where, f"{what} {wanted!r} is not known", f"add a row for that {what}, or correct the id")

    return test


def _reseller(customers: frozenset[str]) -> Callable[[Any], Problem | None]:
    def test(fact: Any) -> Problem | None:
        if not fact.parent or fact.parent in customers:
            return None
        return Problem(fact.where, f"reseller {fact.parent!r} is not known", "add a row for it, or leave the column empty")

    return test


def _stays(services: Mapping[str, str | None]) -> Callable[[Any], Problem | None]:
    def test(fact: Any) -> Problem | None:
        owner = services.get(fact.external_id, fact.customer)
        if owner == fact.customer:
            return None
        text = f"service {fact.external_id!r} belongs to customer {owner!r}, and its past must stay theirs"
        return Problem(fact.where, text, "give the new customer's service an id of its own, and end the old one's assignments")

    return test


def _terms(fact: CustomerFact) -> Problem | None:
    terms = fact.contract
    if not terms:
        return None
    if not isinstance(terms, dict) or storable_document(terms) != terms:
        return Problem(fact.where, "the contract holds what cannot be stored", "give an object of plain text and numbers")
    hours = terms.get("notice_hours")
    if hours is None or (isinstance(hours, int | float) and not isinstance(hours, bool) and 0 < hours <= LONGEST_NOTICE):
        return None
    text = f"notice_hours {str(hours)[:40]!r} is no number of hours"
    return Problem(fact.where, text, f"more than 0, at most {LONGEST_NOTICE}; without it the policy's time holds")


def _name_kind(fact: NameFact) -> Problem | None:
    if fact.kind in NAME_KINDS:
        return None
    return Problem(fact.where, f"{fact.kind!r} is no kind of name", f"use one of {', '.join(NAME_KINDS)}")


def period(fact: "NameFact | AssignmentFact") -> Problem | None:
    if fact.start is None or fact.end is None or fact.start < fact.end:
        return None
    return Problem(fact.where, f"ends ({fact.end}) before it begins ({fact.start})", "swap the two, or correct one")


def _ports(fact: AssignmentFact) -> Problem | None:
    if 0 <= fact.port_from < fact.port_to <= PORTS:
        return None
    text = f"ports {fact.port_from} to {fact.port_to - 1} are no range"
    return Problem(fact.where, text, "give first and last port, 0 to 65535")


HOLDING_TESTS = (_ports, period)


def _contradictions(what: str, facts: list[Any]) -> dict[int, Problem]:
    numbers = {service: place for place, service in enumerate(dict.fromkeys(fact.service for fact in facts))}
    found: dict[int, Problem] = {}
    tenancies = [as_tenancy(fact, numbers[fact.service], None) for fact in facts]
    for first, second in overlapping(tenancies):
        if tenancies[first] != tenancies[second]:
            text = f"{what} {_key(facts[second])} has another holder at the same time at {facts[first].where}"
            advice = "end one before the other begins, give them different ports, or mark both as shared"
            found.setdefault(second, Problem(facts[second].where, text, advice))
    return found


def _key(fact: "NameFact | AssignmentFact") -> str:
    return str(fact.prefix) if isinstance(fact, AssignmentFact) else fact.value


def as_tenancy(fact: "NameFact | AssignmentFact", service: int, source: int | None) -> Tenancy:
    """The statement as a tenancy without a row."""
    if isinstance(fact, NameFact):
        key = fact.kind, fact.value
        return Tenancy(key, service, fact.start, fact.end, source=source, external_id=fact.external_id)
    return Tenancy(fact.prefix, service, fact.start, fact.end, fact.port_from, fact.port_to, fact.shared, source, fact.external_id)
