"""The codes of conduct categories and their words in XARF v4 and RSIT; the single source is ``categories.toml``.

Pure: reads the packaged file once, at import.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class CategoryCode:
    """One code: its name for people, and its words in the public taxonomies, the preferred one first."""

    code: str
    title: str
    rows: tuple[str, ...]  # requirement rows it answers
    xarf: tuple[str, ...]  # 'content/phishing' …; empty where XARF v4 has no such type
    rsit: tuple[str, ...]  # 'fraud:phishing' …; empty where RSIT has no such value


def _read() -> dict[str, Any]:
    return tomllib.loads(resources.files("tipstaff.policy").joinpath("categories.toml").read_text("utf-8"))


def _codes(table: dict[str, dict[str, Any]]) -> Mapping[str, CategoryCode]:
    return MappingProxyType(
        {
            code: CategoryCode(code, row["title"], tuple(row["rows"]), tuple(row["xarf"]), tuple(row["rsit"]))
            for code, row in table.items()
        }
    )


_source = _read()

#: Every code, in the order of the file.
CATEGORIES: Mapping[str, CategoryCode] = _codes(_source["categories"])
CODES: frozenset[str] = frozenset(CATEGORIES)

#: XARF 'category/type' and RSIT 'predicate:value' to the code that a report of that kind is read as.
FROM_XARF: Mapping[str, str] = MappingProxyType(_source["from_xarf"])
FROM_RSIT: Mapping[str, str] = MappingProxyType(_source["from_rsit"])


def from_xarf(category: str, type_: str) -> str | None:
    """The code for a XARF v4 category and type; None for a type that the taxonomy does not have."""
    return FROM_XARF.get(f"{category}/{type_}")


def to_xarf(code: str) -> dict[str, str] | None:
    """``{'category': …, 'type': …}`` in which a case of this code is written as XARF v4; None where there is none."""
    names = CATEGORIES[code].xarf
    if not names:
        return None
    category, _, type_ = names[0].partition("/")
    return {"category": category, "type": type_}


def from_rsit(name: str) -> str | None:
    """The code for an RSIT 'predicate:value', or for a bare value ('scanner'); None when RSIT has no such value."""
    name = name.strip().lower()
    return FROM_RSIT.get(name) or _BARE.get(name)


def to_rsit(code: str) -> str | None:
    """The RSIT 'predicate:value' under which a case of this code is counted; None where there is none."""
    names = CATEGORIES[code].rsit
    return names[0] if names else None


def title(code: str) -> str:
    """The code's name for people, or the code itself when an older edition knew it and we do not."""
    return CATEGORIES[code].title if code in CATEGORIES else code


_BARE = {name.partition(":")[2]: code for name, code in FROM_RSIT.items()}
