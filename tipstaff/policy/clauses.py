"""Finding one's way in an edition: which clause a category rests on, what it says, and by what other names it goes.

Pure.
"""

from collections.abc import Mapping

from tipstaff.kernel.errors import NotFound
from tipstaff.policy.edition import Category, Clause, Edition, ExceptionRule, Fact, Handling, Role, Step


def category(edition: Edition, code: str) -> Category:
    """What the edition says about a category code. Raises NotFound for a code that it does not know."""
    try:
        return edition.categories[code]
    except KeyError:
        raise NotFound(f"edition {edition.name} has no category {code!r}") from None


def clause_for(edition: Edition, code: str) -> Clause:
    """The clause that a case of this category cites."""
    return edition.clauses[category(edition, code).clause]


def find(edition: Edition, name: str) -> Clause:
    """A clause by number ('3.4', '§ 3.4'), by alias, or by title, whatever the case. Raises NotFound.

    An alias of a whole section gives its first clause.
    """
    wanted = " ".join(name.lower().removeprefix("clause").replace("§", " ").split()).rstrip(".")
    number = edition.aliases.get(wanted, wanted)
    if number in edition.clauses:
        return edition.clauses[number]
    for clause in edition.clauses.values():
        if clause.number.startswith(f"{number}.") or clause.title.lower() == wanted:
            return clause
    raise NotFound(f"edition {edition.name} has no clause {name!r}")


def names_of(edition: Edition, number: str) -> tuple[str, ...]:
    """The other names under which a clause is asked for."""
    return tuple(sorted(alias for alias, target in edition.aliases.items() if target == number))


def categories_of(edition: Edition, number: str) -> tuple[Category, ...]:
    """The categories whose cases cite this clause."""
    return tuple(kind for kind in edition.categories.values() if kind.clause == number)


def conduct_breaches(edition: Edition, code: str) -> bool:
    """Whether the edition has a clause of its own for this conduct; if only its catch-all covers it, a person decides.

    Asked of the edition in force at the event, while the edition of the case governs procedure.
    """
    kind = edition.categories.get(code)
    return kind is not None and (code in _CATCH_ALL or kind.clause != edition.categories["other"].clause)


def missing_facts(edition: Edition, code: str, facts: Mapping[str, str], *, before: str = "decision") -> tuple[Fact, ...]:
    """The required facts that a case still lacks for the moment ``before`` ('ticket', or 'decision': all of them)."""
    return tuple(
        edition.facts[name]
        for name in category(edition, code).required_facts
        if not facts.get(name) and before in ("decision", edition.facts[name].before)
    )


def wrong_facts(edition: Edition, facts: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Facts whose value the edition does not know, with the values it does know. Empty values are not wrong."""
    listed = {name: edition.facts[name].values for name in facts if name in edition.facts and facts[name]}
    return {name: values for name, values in listed.items() if values and facts[name] not in values}


def missing_fields(edition: Edition, code: str | None, given: Mapping[str, object]) -> tuple[str, ...]:
    """What a report lacks to count as verified (G2-G4); ``given`` maps fields of a report to what was brought.

    A category with anonymous reporters asks for no name and no contact.
    """
    kind = edition.categories.get(code) if code else None
    required = [*edition.reports.required, *(kind.report_fields if kind else ())]
    waived = {"reporter_name", "reporter_contact"} if kind and kind.anonymous_reporter else set()
    return tuple(field for field in dict.fromkeys(required) if field not in waived and not given.get(field))


def exceptions_for(edition: Edition, code: str) -> tuple[ExceptionRule, ...]:
    return tuple(edition.exceptions[name] for name in category(edition, code).exceptions)


def asks_for(edition: Edition, code: str, handling: Handling) -> bool:
    return handling in category(edition, code).handling


def immediate_role(edition: Edition, code: str) -> Role:
    """Who may restrict before the customer's time is over (K2); NOBODY where the policy leaves no room for it."""
    return category(edition, code).immediate


def step(edition: Edition, code: str) -> Step:
    """A rung of the ladder by code. Raises NotFound where this policy has none."""
    for candidate in edition.ladder.steps:
        if candidate.code == code:
            return candidate
    raise NotFound(f"the ladder of edition {edition.name} has no step {code!r}")


def strike_weight(edition: Edition, fault: str) -> int:
    """Percent of a strike by fault (K17); a fault that was not established weighs like the lightest one."""
    weights = edition.switches.fault_weights
    return weights.get(fault, min(weights.values()))


#: Codes that may rest on the catch-all clause without being in doubt: the catch-all itself, and what is never a case.
_CATCH_ALL = frozenset({"other", "threat_intel"})
