"""The packaged wording: one file a language, checked as strictly as an operator's own. Pure but for reading the package's files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from tomllib import loads
from typing import Any

from tipstaff.correspondence import language as small
from tipstaff.correspondence.language import Template
from tipstaff.kernel.errors import InputError, Problem

LANGUAGES = ("en", "de", "fr", "es", "nl")
TABLES = ("fragments", "reporter_fragments", "guidance", "titles", "outcomes", "measures", "categories", "missing", "evidence")


@dataclass(frozen=True, slots=True)
class Source:
    """A message as it is written: subject, body, and HTML where an operator wrote some."""

    subject: str
    body: str
    html: str = ""


@dataclass(frozen=True)
class Language:
    """All that is packaged in one language. ``kinds`` by name: 'opened', 'copy.reseller', 'outcome.reporter'."""

    code: str
    kinds: Mapping[str, Source]
    fragments: Mapping[str, str]
    words: Mapping[str, Mapping[str, Any]]  # titles, outcomes, measures, categories, guidance, missing, evidence

    def word(self, table: str, name: str) -> str:
        return str(self.words[table].get(name, ""))


def packaged(code: str) -> Language:
    """The wording in a language, or in the nearest one that there is wording in."""
    return _packaged(known(code))


@cache
def _packaged(code: str) -> Language:
    content = loads((files("tipstaff.correspondence.wording") / f"{code}.toml").read_text("utf-8"))
    fragments = {name: text.strip("\n") for table in TABLES[:2] for name, text in content[table].items()}
    kinds = {name: Source(entry["subject"], entry["body"].strip("\n")) for name, entry in content.items() if name not in TABLES}
    return Language(code, kinds, fragments, {table: content[table] for table in TABLES[2:]})


@cache
def guidance(code: str) -> Mapping[str, tuple[str, ...]]:
    """What usually helps, by category (D8), in a language or the nearest one that there is wording in."""
    content = loads((files("tipstaff.correspondence.wording") / f"guidance_{known(code)}.toml").read_text("utf-8"))
    return {category: tuple(lines) for category, lines in content.items()}


def label(code: str, text: str) -> str:
    """A label of the evidence ('mail address', 'Report') in a language; a file's own name stays as it is."""
    return packaged(code).word("evidence", text) or text


def kinds() -> tuple[str, ...]:
    """Every kind of message that has wording."""
    return tuple(packaged("en").kinds)


def known(code: str) -> str:
    """The nearest language that there is wording in: 'de-AT' → 'de', 'pt' → 'en'."""
    short = code.strip().lower().replace("_", "-").partition("-")[0]
    return short if short in LANGUAGES else "en"


@cache
def parsed(text: str, file: str) -> Template:
    """A parsed template; the same text is parsed once."""
    return small.parse(text, file)


def problems(kind: str, code: str, source: Source, variables: Mapping[str, Any], fragments: Mapping[str, str]) -> list[Problem]:
    """All that is wrong with a message before it may be used: form, names, what it must say."""
    found: list[Problem] = []
    templates: dict[str, Template] = {}
    for name, text in fragments.items():
        try:
            templates[name] = parsed(text, f"fragment {name} ({code})")
        except InputError as error:
            found += error.problems
    for part in ("subject", "body", "html"):
        text = getattr(source, part)
        if not text.strip() and part != "html":
            found.append(Problem(f"{kind} ({code}), {part}", "is empty", "write it"))
            continue
        try:
            found += small.check(parsed(text, f"{kind} ({code}), {part}"), variables, templates)
        except InputError as error:
            found += error.problems
    if "\n" in source.subject.strip():
        found.append(Problem(f"{kind} ({code}), subject", "has more than one line", "keep it to one"))
    return list(dict.fromkeys(found))
