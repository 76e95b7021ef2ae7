"""What the edition wants on record before a decision: the facts that it requires, and what its special handling asks for. Pure.

Before a ticket: the facts whose moment that is. Before anybody's service is restricted or a breach is found: all of them, and
each of ``BEFORE_RESTRICTING`` that the category lists. Before a fix is accepted: ``BEFORE_RESOLVED``. A fact that the edition
presumes is given until a person says otherwise. An emergency block waits for none of it; it is owed afterwards.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tipstaff.policy import clauses
from tipstaff.policy.edition import Category, Edition, Handling

FACTS = ("harmed_party", "surface", "mode", "medium", "third_party_rule", "jurisdiction", "statute", "actor", "fault")
RULE = "third_party_rule"

#: What a person states before a restriction, in words that stay on record as a ruling of that kind.
BEFORE_RESTRICTING: Mapping[Handling, str] = {
    Handling.AUTHENTICATION_RESULTS: "What SPF, DKIM, DMARC and the Received lines of the sample say",
    Handling.CONFIDENCE_STATED: "How likely it is, and why",
    Handling.COURT_ORDER_PREFERRED: "The court order, or why none can be waited for",
    Handling.FLOW_PROOF: "What the flows show, and why the source is not forged",
    Handling.LEDGER_CHECK: "What the record of assignments says for that time",
    Handling.MEASURED_FIGURE: "The measured figure, and the limit",
    Handling.PROTECTIVE_MEASURES_FIRST: "Which protective measures came first",
    Handling.REGISTRATION_RECORD: "What the registration record says, and when it was looked up",
}
#: The same before a fix is accepted.
BEFORE_RESOLVED: Mapping[Handling, str] = {
    Handling.DELISTING_PROOF: "Where the delisting was seen, and when",
    Handling.FIX_PLAN: "Which missing safeguards are in place now",
}
POINTS: Mapping[str, str] = {str(handling): title for handling, title in (*BEFORE_RESTRICTING.items(), *BEFORE_RESOLVED.items())}


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is asked for. ``point``: a statement in words; else a fact, with the values that the edition lists."""

    code: str
    title: str
    values: tuple[str, ...] = ()
    point: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a case says of a fact, and whether that is only presumed."""

    value: str
    presumed: bool = False


def titles(asked: Iterable[Asked]) -> str:
    """By name, as people read it."""
    return "; ".join(one.title for one in asked)


def facts_of(category: Category, stated: Mapping[str, str]) -> dict[str, Given]:
    """Every fact of a case by its code: as stated, else as the edition presumes it."""
    found = {code: Given(stated.get(code, "")) for code in FACTS}
    for code, value in category.presumed.items():
        if not found[code].value:
            found[code] = Given(value, presumed=True)
    return found


def before_ticket(edition: Edition, code: str, stated: Mapping[str, str]) -> tuple[Asked, ...]:
    """The facts that are still missing for a ticket."""
    return tuple(_facts(edition, edition.categories[code], stated, before="ticket"))


def before_restricting(edition: Edition, code: str, stated: Mapping[str, str], points: Collection[str]) -> tuple[Asked, ...]:
    """What is still missing before a restriction, or before a breach is found. ``points``: kinds of rulings that are there."""
    category = edition.categories[code]
    return (*_facts(edition, category, stated), *_points(category, BEFORE_RESTRICTING, points))


def before_resolved(category: Category, points: Collection[str]) -> tuple[Asked, ...]:
    """What is still missing before a fix is accepted."""
    return tuple(_points(category, BEFORE_RESOLVED, points))


def proven(*, court_order: bool = False, prevented: bool = False, looked: str = "") -> frozenset[str]:
    """What is on record elsewhere than in a ruling: an order, what the customer does against a next time, a look of ours."""
    there = {
        Handling.COURT_ORDER_PREFERRED: court_order,
        Handling.FIX_PLAN: prevented,
        Handling.DELISTING_PROOF: looked == "ok",
    }
    return frozenset(str(handling) for handling, found in there.items() if found)


def _facts(edition: Edition, category: Category, stated: Mapping[str, str], before: str = "decision") -> Iterator[Asked]:
    known = {code: given.value for code, given in facts_of(category, stated).items()}
    missing = {fact.code: fact for fact in clauses.missing_facts(edition, category.code, known, before=before)}
    if Handling.RULE_LOCATION in category.handling and not known[RULE] and RULE in edition.facts:
        missing[RULE] = edition.facts[RULE]  # whoever complains of another's rule names it, whatever else is required (B7)
    for fact in missing.values():
        yield Asked(fact.code, fact.title, fact.values)


def _points(category: Category, titles: Mapping[Handling, str], there: Collection[str]) -> Iterator[Asked]:
    for handling, title in titles.items():
        if handling in category.handling and str(handling) not in there:
            yield Asked(str(handling), title, point=True)
