"""The small language in which operators write messages: values, choices, lists, fragments. Pure; nothing in it runs code.

    {{ clause_number }}            a value, on one line        {{ evidence|lines }}    a value of many lines
    {% if acknowledge_due %} … {% elif x == "y" %} … {% else %} … {% endif %}
    {% for line in guidance %} … {{ line }} … {% endfor %}
    {% include "closing" %}        a fragment                  {# never sent #}

A tag alone on its line leaves no empty line. Which variables there are is given from outside; a name that is not among them is a
mistake that is found when a template is checked, not when a customer should be told. Values are never read as language or as
layout: they come back as ``Piece``s, marked.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import re2

from tipstaff.kernel.errors import InputError, Problem

LONGEST = 40_000  # characters of a template
DEEPEST = 8
MOST_ITEMS = 200  # of a list
MOST_OUTPUT = 200_000  # characters of a rendered message
OPEN, SHUT = "\ue000", "\ue001"  # private use: mark a value until the layout is made
_TAG = re2.compile(r"(?s)\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
_ALONE = re2.compile(r"(?m)^[ \t]*(\{%\s*(?:if|elif|else|endif|for|endfor)\b[^%\n]*%\}|\{#[^\n]*?#\})[ \t]*\n")
_VALUE = re2.compile(r"\{\{\s*([a-z][a-z0-9_.]*)\s*(?:\|\s*([a-z]+)\s*)?\}\}")
_IF = re2.compile(r'(if|elif)\s+(not\s+)?([a-z][a-z0-9_.]*)(?:\s*(==|!=)\s*"([^"]*)")?')
_FOR = re2.compile(r"for\s+([a-z][a-z0-9_]*)\s+in\s+([a-z][a-z0-9_.]*)")
_INCLUDE = re2.compile(r'include\s+"([a-z0-9_]+)"')
FILTERS = ("lines", "lower", "upper", "day", "moment")


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Value:
    name: str
    filter: str
    line: int


@dataclass(frozen=True, slots=True)
class Choice:
    """Branches in order; a condition of None is the else."""

    branches: tuple[tuple["Condition | None", tuple["Node", ...]], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    name: str
    negated: bool
    operator: str
    literal: str
    line: int


@dataclass(frozen=True, slots=True)
class Loop:
    variable: str
    name: str
    body: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Include:
    name: str
    line: int


Node = Text | Value | Choice | Loop | Include
Formatter = Callable[[Any, str], str]  # a value and a filter ('', 'day', 'moment' …) as text


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template and where it stands: 'opened (de)', 'opened (de) of Northgate'."""

    file: str
    nodes: tuple[Node, ...]


@dataclass
class _Reader:
    file: str
    text: str
    place: int = 0
    problems: list[Problem] = field(default_factory=list)

    def line(self) -> int:
        return self.text.count("\n", 0, self.place) + 1

    def wrong(self, what: str, advice: str = "", line: int = 0) -> None:
        self.problems.append(Problem(f"{self.file}, line {line or self.line()}", what, advice))

    def next(self) -> tuple[str, str, int] | None:
        """(text before, tag, its line); an empty tag at the end."""
        if self.place >= len(self.text):
            return None
        found = _TAG.search(self.text, self.place)
        if found is None:
            rest, self.place = self.text[self.place :], len(self.text)
            return rest, "", 0
        before = self.text[self.place : found.start()]
        self.place = found.start()
        line = self.line()
        self.place = found.end()
        return before, found.group(0), line


def parse(text: str, file: str) -> Template:
    """Read a template. Raises InputError naming file and line of every mistake in its form."""
    if len(text) > LONGEST:
        raise InputError(Problem(file, f"has {len(text)} characters", f"at most {LONGEST:,}"))
    if OPEN in text or SHUT in text:
        raise InputError(Problem(file, "holds a character of the private use area", "remove it"))
    reader = _Reader(file, _without_lone_tags(text.replace("\r\n", "\n").replace("\r", "\n")))
    nodes, end = _read(reader, (), 0)
    if end:
        reader.wrong(f"{{% {end} %}} closes nothing")
    if reader.problems:
        raise InputError(reader.problems)
    return Template(file, nodes)


def _without_lone_tags(text: str) -> str:
    """A tag alone on its line: its line break moves inside, so that line numbers stay and no empty line does."""
    return _ALONE.sub(lambda found: found.group(1)[:-2] + "\n" + found.group(1)[-2:], text)


def _read(reader: _Reader, ends: Sequence[str], depth: int) -> tuple[tuple[Node, ...], str]:
    """Nodes up to one of ``ends`` (the words of the tag that ended it), or to the end of the text ('')."""
    nodes: list[Node] = []
    if depth > DEEPEST:
        reader.wrong(f"is nested deeper than {DEEPEST}")
        reader.place = len(reader.text)
    while (found := reader.next()) is not None:
        before, tag, line = found
        if before:
            _plain(reader, before)
            nodes.append(Text(before))
        if tag.startswith("{{"):
            nodes += _value(reader, tag, line)
        elif tag.startswith("{%"):
            words = " ".join(tag[2:-2].split())
            if words.partition(" ")[0] in ends:
                return tuple(nodes), words
            nodes += _block(reader, words, line, depth)
    if ends:
        reader.wrong(f"{{% {ends[-1]} %}} is missing", "close what was opened")
    return tuple(nodes), ""


def _plain(reader: _Reader, text: str) -> None:
    for mark in ("{{", "{%", "}}", "%}"):
        if mark in text:
            reader.wrong(f"{mark} stands alone", "a tag begins and ends in pairs: {{ name }}, {% if name %}")
            return


def _value(reader: _Reader, tag: str, line: int) -> Iterator[Node]:
    found = _VALUE.fullmatch(tag)
    if found is None:
        reader.wrong(f"{tag[:60]!r} is no value", "write {{ name }} or {{ name|filter }}", line)
    elif found.group(2) and found.group(2) not in FILTERS:
        reader.wrong(f"{found.group(2)!r} is no filter", f"one of {', '.join(FILTERS)}", line)
    else:
        yield Value(found.group(1), found.group(2) or "", line)


def _block(reader: _Reader, words: str, line: int, depth: int) -> Iterator[Node]:
    if found := _INCLUDE.fullmatch(words):
        yield Include(found.group(1), line)
    elif found := _FOR.fullmatch(words):
        body, _ = _read(reader, ("endfor",), depth + 1)
        yield Loop(found.group(1), found.group(2), body, line)
    elif words.startswith("if ") and _IF.fullmatch(words):
        yield _choice(reader, words, line, depth)
    else:
        reader.wrong(f"{{% {words[:60]} %}} is not known here", 'one of if, elif, else, endif, for, endfor, include "…"', line)


def _choice(reader: _Reader, words: str, line: int, depth: int) -> Choice:
    branches: list[tuple[Condition | None, tuple[Node, ...]]] = []
    condition: Condition | None = _condition(words, line)
    while True:
        nodes, ended = _read(reader, ("elif", "else", "endif"), depth + 1)
        branches.append((condition, nodes))
        if not ended.startswith("el") or condition is None:
            return Choice(tuple(branches))
        condition = _condition(ended, reader.line()) if ended.startswith("elif") else None
        if ended.startswith("elif") and condition is None:
            reader.wrong(f"{{% {ended[:60]} %}} is no condition", 'write {% elif name %} or {% elif name == "text" %}')
            return Choice(tuple(branches))


def _condition(words: str, line: int) -> Condition | None:
    found = _IF.fullmatch(words)
    if found is None:
        return None
    return Condition(found.group(3), bool(found.group(2)), found.group(4) or "", found.group(5) or "", line)


def check(template: Template, variables: Mapping[str, Any], fragments: Mapping[str, Template]) -> list[Problem]:
    """Names that do not exist, with what was perhaps meant; in the template and the fragments that it includes."""
    return list(_check(template.file, template.nodes, set(variables), fragments, 0))


def _check(file: str, nodes: Sequence[Node], known: set[str], fragments: Mapping[str, Template], depth: int) -> Iterator[Problem]:
    for node in nodes:
        if isinstance(node, Value):
            yield from _unknown(file, node.name, node.line, known)
        elif isinstance(node, Loop):
            yield from _unknown(file, node.name, node.line, known)
            yield from _check(file, node.body, known | {node.variable}, fragments, depth)
        elif isinstance(node, Choice):
            for condition, body in node.branches:
                if condition is not None:
                    yield from _unknown(file, condition.name, condition.line, known)
                yield from _check(file, body, known, fragments, depth)
        elif isinstance(node, Include):
            inner = fragments.get(node.name)
            if inner is None or depth > 2:
                advice = f"one of {', '.join(sorted(fragments))}"
                yield Problem(f"{file}, line {node.line}", f"there is no fragment {node.name!r}", advice)
            else:
                yield from _check(inner.file, inner.nodes, known, fragments, depth + 1)


def _unknown(file: str, name: str, line: int, known: set[str]) -> Iterator[Problem]:
    if name.partition(".")[0] not in known and name not in known:
        near = get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(known))}"
        yield Problem(f"{file}, line {line}", f"{name!r} is no variable of this message", advice)


@dataclass
class Rendered:
    """Text in which values stand as marks, and the values by their numbers."""

    parts: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    length: int = 0

    def write(self, text: str) -> None:
        self.length += len(text)
        if self.length > MOST_OUTPUT:
            raise InputError(Problem("message", f"grew beyond {MOST_OUTPUT:,} characters", "shorten the template or its lists"))
        self.parts.append(text)

    def value(self, text: str) -> str:
        self.values.append(text)
        return f"{OPEN}{len(self.values) - 1}{SHUT}"

    @property
    def text(self) -> str:
        return "".join(self.parts)


def render(template: Template, values: Mapping[str, Any], fragments: Mapping[str, Template], shown: Formatter) -> Rendered:
    """Fill in a template. ``shown`` puts a value into words. A name without a value is empty, and false in a condition."""
    out = Rendered()
    _render(template.nodes, dict(values), fragments, shown, out, 0)
    return out


def _render(
    nodes: Sequence[Node], values: dict[str, Any], fragments: Mapping[str, Template], shown: Formatter, out: Rendered, depth: int
) -> None:
    for node in nodes:
        if isinstance(node, Text):
            out.write(node.text)
        elif isinstance(node, Value):
            out.write(_filled(node, values, shown, out))
        elif isinstance(node, Choice):
            chosen = next((body for condition, body in node.branches if condition is None or _holds(condition, values)), ())
            _render(chosen, values, fragments, shown, out, depth)
        elif isinstance(node, Loop):
            items = lookup(values, node.name) or ()
            for item in list(items)[:MOST_ITEMS] if isinstance(items, list | tuple) else ():
                _render(node.body, values | {node.variable: item}, fragments, shown, out, depth)
        elif depth < DEEPEST and node.name in fragments:
            _render(fragments[node.name].nodes, values, fragments, shown, out, depth + 1)


def _filled(node: Value, values: Mapping[str, Any], shown: Formatter, out: Rendered) -> str:
    text = shown(lookup(values, node.name), node.filter)
    text = text.replace(OPEN, "").replace(SHUT, "")
    if node.filter != "lines":
        return out.value(" ".join(text.split()))
    line = out.text.rpartition("\n")[2]
    prefix = line if line in {"> ", "- ", "| "} else ""
    return f"\n{prefix}".join(out.value(" ".join(one.split()) if not prefix else one.rstrip()) for one in text.split("\n"))


def lookup(values: Mapping[str, Any], name: str) -> Any:
    """``a.b`` is the entry b of the table a; nothing else is ever looked into."""
    found: Any = values
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _holds(condition: Condition, values: Mapping[str, Any]) -> bool:
    value = lookup(values, condition.name)
    if condition.operator:
        same = ("" if value is None else str(value)) == condition.literal
        held = same if condition.operator == "==" else not same
    else:
        held = bool(value)
    return held != condition.negated


def plain(value: Any, how: str) -> str:
    """The simplest formatter: for checks and tests."""
    text = value.isoformat() if isinstance(value, datetime) else "" if value is None else str(value)
    return text.lower() if how == "lower" else text.upper() if how == "upper" else text
