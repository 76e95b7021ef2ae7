"""An edition in reading order: sections, clauses and their permalinks. Pure."""

from dataclasses import dataclass

from tipstaff.policy import clauses
from tipstaff.policy.edition import Category, Clause, Edition


@dataclass(frozen=True, slots=True)
class ClauseEntry:
    """A clause on the page. ``anchor`` is its permalink within the edition and never changes for a number."""

    anchor: str  # 'clause-3.4'
    clause: Clause
    categories: tuple[Category, ...]  # whose cases cite it
    names: tuple[str, ...]  # aliases


@dataclass(frozen=True, slots=True)
class SectionEntry:
    anchor: str  # 'section-3'
    number: str
    title: str
    clauses: tuple[ClauseEntry, ...]


def sections(edition: Edition) -> tuple[SectionEntry, ...]:
    """The edition's text in reading order, with permalinks."""
    return tuple(
        SectionEntry(f"section-{number}", number, title, tuple(_entries(edition, number)))
        for number, title in edition.sections.items()
    )


def _entries(edition: Edition, section: str) -> list[ClauseEntry]:
    return [
        ClauseEntry(
            f"clause-{clause.number}",
            clause,
            clauses.categories_of(edition, clause.number),
            clauses.names_of(edition, clause.number),
        )
        for clause in edition.clauses.values()
        if clause.number.partition(".")[0] == section
    ]
