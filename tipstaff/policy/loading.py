"""Editions from packs (a directory, or one in the package) and from their stored form; canonical form and hash.

A pack is ``edition.toml`` with ``clauses.md`` or ``clauses/*.md``. Everything wrong with it is reported at once.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.policy.categories import CATEGORIES, CODES
from tipstaff.policy.checking import check
from tipstaff.policy.clause_text import ClauseTexts
from tipstaff.policy.edition import Category, Clause, Edition, ExceptionRule, Fact, Severity
from tipstaff.policy.shapes import Reader, broken, hints_of, plain

_PACKS = resources.files("tipstaff.policy").joinpath("packs")
_TABLES = ("severities", "facts", "exceptions", "ladder", "timers", "strikes", "reports", "switches", "aliases")
_NAMES = ("pack", "version", "title", "language")
_KEYED: Mapping[str, tuple[Any, str]] = {
    "clauses": (Clause, "number"),
    "categories": (Category, "code"),
    "facts": (Fact, "code"),
    "exceptions": (ExceptionRule, "code"),
}


def packaged() -> list[str]:
    """The names of the packs that come with the product."""
    return sorted(entry.name for entry in _PACKS.iterdir() if entry.joinpath("edition.toml").is_file())


def load_packaged(pack: str) -> Edition:
    """A pack of the product by name. Raises NotFound, or InputError with every problem."""
    if pack not in packaged():
        raise NotFound(f"no pack {pack!r}; there are {', '.join(packaged())}")
    return _load(_PACKS.joinpath(pack), pack)


def load_directory(directory: Path) -> Edition:
    """The pack in ``directory``. Raises InputError with every problem, each naming file, key and reason."""
    if not directory.is_dir():
        raise InputError(Problem(str(directory), "is not a directory", "name the directory that holds edition.toml"))
    return _load(directory, str(directory))


def from_content(content: Mapping[str, Any], name: str = "stored edition") -> Edition:
    """An edition from its canonical form, of whatever age. Raises InputError when it does not fit together.

    Codes that were added to the code list since are allowed to be absent, and so are fields that have a default.
    """
    reader = Reader(name)
    edition = _edition(reader, dict(content), complete=False)
    if reader.problems:
        raise InputError(reader.problems)
    return replace(edition, content_hash=hash_of(content))


def canonical(edition: Edition) -> dict[str, Any]:
    """The edition as plain tables, complete and independent of any default; what is stored, hashed and compared."""
    content = plain(edition)
    del content["content_hash"]
    for table, (_, field) in _KEYED.items():
        for row in content[table].values():
            del row[field]
    return content


def hash_of(content: Mapping[str, Any]) -> str:
    """sha256, in hex, of the canonical form as JSON with sorted keys: the order of keys never matters."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _load(directory: Path | Traversable, name: str) -> Edition:
    texts = _clause_texts(directory, name)
    reader = Reader(f"{name}/edition.toml")
    table = _toml(directory.joinpath("edition.toml"), reader)
    if table is None:
        raise InputError(reader.problems + texts.problems)
    content = _resolved(reader, table)
    content["sections"] = texts.sections
    content["clauses"] = {number: _without(plain(clause), "number") for number, clause in texts.clauses.items()}
    edition = _edition(reader, content, complete=True)
    if reader.problems or texts.problems:
        raise InputError(reader.problems + texts.problems)
    return replace(edition, content_hash=hash_of(canonical(edition)))


def _toml(file: Path | Traversable, reader: Reader) -> dict[str, Any] | None:
    if not file.is_file():
        reader.refuse("", "is missing")
        return None
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reader.refuse("", f"is not TOML in UTF-8: {error}")
        return None


def _clause_texts(directory: Path | Traversable, name: str) -> ClauseTexts:
    texts = ClauseTexts()
    single, folder = directory.joinpath("clauses.md"), directory.joinpath("clauses")
    files = [single] if single.is_file() else []
    if folder.is_dir():
        files += sorted((f for f in folder.iterdir() if f.name.endswith(".md")), key=lambda f: f.name)
    if not files:
        texts.problems.append(Problem(f"{name}/clauses.md", "is missing", "write the clauses there or in clauses/*.md"))
    for file in files:
        where = f"{name}/{file.name}" if file is single else f"{name}/clauses/{file.name}"
        try:
            texts.read(where, file.read_text("utf-8"))
        except UnicodeDecodeError as error:
            texts.problems.append(Problem(where, f"is not UTF-8: {error}"))
    return texts


def _resolved(reader: Reader, table: dict[str, Any]) -> dict[str, Any]:
    """The pack's table with the defaults of categories filled in from [defaults], severities and the code list."""
    content = {name: table.pop(name) for name in (*_NAMES, *_TABLES) if name in table}
    defaults = _table_at(reader, table, "defaults")
    categories = _table_at(reader, table, "categories")
    for unknown in table:
        reader.refuse(unknown, "unknown key", f"known here: {', '.join((*_NAMES, *_TABLES, 'defaults', 'categories'))}")
    for unknown in defaults.keys() - hints_of(Category).keys():
        reader.refuse(f"defaults.{unknown}", "unknown key", "a default is a key of a category")
    known = {key: value for key, value in defaults.items() if key in hints_of(Category)}
    severities = content.get("severities", {})
    content["categories"] = {
        code: _category(row, known, severities, code) if isinstance(row, dict) else row for code, row in categories.items()
    }
    return content


def _table_at(reader: Reader, table: dict[str, Any], key: str) -> dict[str, Any]:
    value = table.pop(key, {})
    if isinstance(value, dict):
        return value
    reader.refuse(key, "must be a table")
    return {}


def _category(row: dict[str, Any], defaults: dict[str, Any], severities: Any, code: str) -> dict[str, Any]:
    built = {**defaults, **row}
    severity = severities.get(built.get("severity")) if isinstance(severities, dict) else None
    for field in ("resolve", "desk"):
        if isinstance(severity, dict) and field in severity:
            built.setdefault(field, severity[field])
    if code in CODES:
        known = CATEGORIES[code]
        built = {"title": known.title, "xarf": list(known.xarf), "rsit": list(known.rsit), **built}
    return built


def _edition(reader: Reader, content: dict[str, Any], *, complete: bool) -> Edition:
    """Build and cross-check; problems stay with the reader, and the result is then worthless."""
    parts: dict[str, Any] = {}
    hints = hints_of(Edition)
    for field in fields(Edition):
        name, hint = field.name, hints[field.name]
        if name == "content_hash" or (name not in content and field.default is not MISSING):
            continue
        if name not in content:
            reader.refuse(name, "is missing")
        elif name in _KEYED:
            parts[name] = reader.keyed(*_KEYED[name], content[name], name)
        else:
            parts[name] = reader.read(hint, content[name], name)
    for unknown in content.keys() - hints.keys():
        reader.refuse(unknown, "unknown key")
    usable = {name: part for name, part in parts.items() if not broken(part)}
    _in_order(usable)
    check(reader, usable, content, complete=complete)
    if reader.problems:
        return None  # type: ignore[return-value]  # both callers raise then
    return Edition(**usable)


def _in_order(parts: dict[str, Any]) -> None:
    """Restore the orders that a stored form does not keep: clauses by number, categories as in the code list."""
    for name in ("sections", "clauses"):
        if name in parts:
            parts[name] = dict(sorted(parts[name].items(), key=lambda item: _number(item[0])))
    if "categories" in parts:
        order = list(CATEGORIES)
        place = {code: order.index(code) if code in CODES else len(order) for code in parts["categories"]}
        parts["categories"] = dict(sorted(parts["categories"].items(), key=lambda item: (place[item[0]], item[0])))
    if "severities" in parts:
        parts["severities"] = {s: parts["severities"][s] for s in Severity if s in parts["severities"]}


def _number(number: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in number.split("."))


def _without(row: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != key}
