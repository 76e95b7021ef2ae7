"""What the tests of a face's sentences share: which are written in its files, and what is wrong with a catalogue."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PLACE = re.compile(r"\{(\w+)\}")


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def in_templates(folder: Path, tag: re.Pattern[str], *, but: Iterable[str] = ()) -> set[str]:
    """The sentences that templates say; ``but`` names files to leave out."""
    return {text for path in folder.rglob("*.html") if path.name not in but for text in tag.findall(path.read_text())}


def constants(node: ast.AST) -> set[str]:
    """The texts that an expression can be: one, or either side of a condition."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return constants(node.body) | constants(node.orelse) if isinstance(node, ast.IfExp) else set()


def missing(written: set[str], known: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Sentences without a translation, and translations of what nobody says."""
    return sorted(written - set(known)), sorted(set(known) - written)


def misplaced(known: Mapping[str, str]) -> list[str]:
    """Sentences whose translation has other places."""
    return [english for english, other in known.items() if sorted(PLACE.findall(english)) != sorted(PLACE.findall(other))]


def left(known: Mapping[str, str], *, short: int) -> list[str]:
    """Sentences that stayed in English, or empty; words shorter than ``short`` may be the same in both."""
    return [english for english, other in known.items() if not other.strip() or (other == english and len(english) >= short)]
