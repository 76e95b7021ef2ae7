"""Every row of the requirements has a home that exists, or is listed for later work by name."""

import re
import tomllib
from dataclasses import fields, is_dataclass
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import pytest

from tests.policy.packs import CODES
from tests.unskipped import NOT_OURS
from tipstaff.policy import loading

REQUIREMENTS = tomllib.loads((resources.files("tipstaff.policy") / "requirements.toml").read_text("utf-8"))
ROWS: dict[str, dict[str, Any]] = REQUIREMENTS["rows"]
SOURCE = Path(__file__).resolve().parents[2].parent / "shared" / "design" / "requirements.md"

#: How many rows each section has; frozen, so that none is lost where the source is not at hand.
SECTIONS = {"A": 15, "B": 24, "C": 12, "D": 8, "E": 9, "F": 10, "G": 7, "H": 10, "I": 9, "J": 4, "K": 21}
FROZEN = [f"{section}{number}" for section, count in SECTIONS.items() for number in range(1, count + 1)]
FROZEN += [f"L.{code}" for code in CODES]


@pytest.mark.parametrize("row", FROZEN)
def test_every_row_has_a_home_or_is_listed_for_later(row: str) -> None:
    entry = ROWS[row]
    assert entry.get("home") or entry.get("later"), f"{row} ({entry['summary']}) has neither a home nor a later track"
    assert entry["seed"] in {"S0", "S1", "both", "none"} and entry["kind"] and entry["summary"]
    assert not entry.keys() - {"seed", "kind", "summary", "home", "later"}


@pytest.mark.parametrize(("row", "home"), [(row, home) for row, entry in ROWS.items() for home in entry.get("home", [])])
def test_every_home_exists(row: str, home: str) -> None:
    assert _exists(home), f"{row} says that it is met by {home}, which is not there"


@pytest.mark.parametrize("row", [row for row in FROZEN if row[0] in "ABCDEFGHIJ"])
def test_every_row_of_the_seeds_stands_in_a_clause_of_the_default_pack(row: str) -> None:
    seed = {"S0": "managed-services", "S1": "dedicated-hosting"}[ROWS[row]["seed"]]
    for pack in ("default", seed):
        clauses = loading.load_packaged(pack).clauses.values()
        assert [clause.number for clause in clauses if row in clause.rows], f"no clause of {pack} answers {row}"


def test_later_work_has_a_known_name() -> None:
    named = {track for entry in ROWS.values() for track in entry.get("later", [])}
    assert named <= REQUIREMENTS["tracks"].keys()


def test_no_row_is_there_twice_or_unknown() -> None:
    assert sorted(ROWS) == sorted(FROZEN)


def test_the_rows_are_those_of_the_requirements() -> None:
    if not SOURCE.exists():
        pytest.skip(f"{NOT_OURS}{SOURCE.name} is not beside this checkout; the frozen list was used alone")
    text = SOURCE.read_text("utf-8")
    rows = re.findall(r"^\| ([A-K]\d{1,2}) \|", text, re.MULTILINE)
    table = text.split("## L. Categories")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([a-z0-9_]+(?: / [a-z0-9_]+)*) \|", table, re.MULTILINE)
    rows += [f"L.{code}" for cell in cells for code in cell.split(" / ")]
    assert sorted(rows) == sorted(FROZEN)


def test_a_home_that_is_not_there_is_seen() -> None:
    for home in ("tipstaff.policy.clauses.nothing", "tipstaff.nowhere.at_all", "pack:default#categories.gossip", "pack:none#title"):
        assert not _exists(home)
    assert _exists("tipstaff.policy.edition.Clause.plain") and _exists("tipstaff.policy.deadlines")


def _exists(home: str) -> bool:
    if home.startswith("pack:"):
        pack, _, path = home.removeprefix("pack:").partition("#")
        return pack in loading.packaged() and _reach(loading.canonical(loading.load_packaged(pack)), path.split("."))
    parts = home.split(".")
    for length in range(len(parts), 1, -1):
        try:
            found: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        return _has(found, parts[length:])
    return False


def _has(found: Any, names: list[str]) -> bool:
    for name in names:
        if is_dataclass(found) and name in {field.name for field in fields(found)}:
            return True
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


def _reach(content: Any, path: list[str]) -> bool:
    for name in path:
        if name not in content:
            return False
        content = content[name]
    return content not in ({}, [], None)
