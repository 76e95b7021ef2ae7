"""How long files and functions may be, and what they may be called."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import files, package, shown, tree

BANNED = ("manager", "helper", "utils", "process", "data")


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of each function; its decorators and its docstring are not counted."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                assert first.end_lineno is not None
                length -= first.end_lineno - first.lineno + 1
            yield f"{shown(path)}:{node.lineno} {node.name}", length


def compiled(path: Path) -> set[str]:
    """Compiled kernels: one loop over bytes is one function, because a call in it is paid for by every flow."""
    return {
        f"{shown(path)}:{node.lineno} {node.name}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(one, ast.Name) and one.id in ("kernel", "inlined") for one in node.decorator_list)
    }


def lengths() -> list[int]:
    return [length for path in package() for _, length in functions(path)]


def test_no_function_is_longer_than_sixty_lines() -> None:
    assert [name for path in package() for name, length in functions(path) if length > 60 and name not in compiled(path)] == []


def test_most_functions_are_short() -> None:
    found = sorted(lengths())
    assert statistics.median(found) <= 10
    assert found[int(len(found) * 0.9)] <= 30


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    assert [shown(path) for path in package() if len(path.read_text().splitlines()) > 400] == []


def test_packages_do_nothing_when_imported() -> None:
    assert [shown(path) for path in package() if path.name == "__init__.py" and path.read_text().strip()] == []


def test_no_file_class_or_function_has_a_name_that_says_nothing() -> None:
    """A name of ours, whole or its last word, is none of BANNED; a base class of Django's may well be."""
    bad = [shown(path) for path in package() if path.stem in BANNED]
    for path in package():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                bad += [f"{shown(path)} {node.name}" for word in BANNED if node.name.lower().endswith(word)]
            elif isinstance(node, ast.FunctionDef) and node.name.strip("_") in BANNED:
                bad.append(f"{shown(path)} {node.name}")
    assert bad == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [shown(path) for path in package() if path.read_text().strip() and not ast.get_docstring(tree(path))]
    generated = ("apps.py",)
    assert [name for name in silent if not name.endswith(generated)] == []


def test_no_signals() -> None:
    """Data flows down by calls one can follow; a signal receiver hides who calls."""
    bad = [shown(path) for path in package() if "django.dispatch" in path.read_text() or "signals import" in path.read_text()]
    assert bad == []


def test_there_are_files_to_check() -> None:
    assert len(files()) > 100 and len(lengths()) > 300
