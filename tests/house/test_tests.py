"""What a test may not do: depend on the machine's pace, hide what it asserts, leave a method unwritten."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import ROOT, files, package, shown, tree

#: What reads a clock that runs while a test works.
CLOCKS = {"process_time", "perf_counter", "monotonic", "thread_time", "process_time_ns", "perf_counter_ns", "monotonic_ns"}

#: Seconds below which a busy machine may fail a test that did nothing wrong.
GENEROUS = 30

#: Functions that wait for something and give up after so many seconds, which is their second argument.
WAITS = {"wait_until"}

#: file, name of the function → why it may compare a clock with so little.
REASONED = {
    ("tests/project/test_supervisor.py", "test_a_child_that_does_not_stop_is_killed"): "the grace that is over, so that it kills",
}

#: What a test says in its own body when it asserts.
ASSERTING = {"expect", "pytest.raises", "pytest.warns", "pytest.fail"}


def python_of_tests() -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")]


def functions(module: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def called(node: ast.AST) -> set[str]:
    """The last words of everything that is called in it."""
    calls = (one.func for one in ast.walk(node) if isinstance(one, ast.Call))
    return {one.attr if isinstance(one, ast.Attribute) else one.id for one in calls if isinstance(one, ast.Attribute | ast.Name)}


def numbers(node: ast.AST) -> list[float]:
    found = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return [one for one in found if isinstance(one, int | float) and not isinstance(one, bool)]


def timed(function: ast.AST) -> Iterator[int]:
    """Lines on which a clock, or what was made of one, is compared with a small constant."""
    tainted: set[str] = set()

    def of_a_clock(node: ast.AST) -> bool:
        return bool(called(node) & CLOCKS) or any(
            isinstance(one, ast.Name | ast.Attribute) and ast.unparse(one) in tainted for one in ast.walk(node)
        )

    small = set()
    for node in sorted((one for one in ast.walk(function) if hasattr(one, "lineno")), key=lambda one: one.lineno):
        if isinstance(node, ast.Assign | ast.AugAssign) and of_a_clock(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {ast.unparse(one) for target in targets for one in getattr(target, "elts", [target])}
            tainted |= names
            if any(number < GENEROUS for number in numbers(node.value)):
                small |= names  # a deadline a few seconds away
        if isinstance(node, ast.Compare) and of_a_clock(node):
            sides = [node.left, *node.comparators]
            bounds = [number for side in sides if not called(side) & CLOCKS or numbers(side) for number in numbers(side)]
            if any(number < GENEROUS for number in bounds) or any(ast.unparse(side) in small for side in sides):
                yield node.lineno


def impatient(function: ast.AST) -> Iterator[int]:
    """Lines on which something is waited for, and given up too soon."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and called(ast.Expr(node)) & WAITS and ast.unparse(node.func).rpartition(".")[2] in WAITS:
            limits = [one for one in node.args[1:2] if isinstance(one, ast.Constant)]
            limits += [word.value for word in node.keywords if word.arg == "timeout" and isinstance(word.value, ast.Constant)]
            if any(isinstance(one.value, int | float) and one.value < GENEROUS for one in limits):
                yield node.lineno


def asserts(function: ast.AST) -> bool:
    """An ``assert``, an error that is expected, a state of a page that is waited for, or a count of queries."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ASSERTING or name.startswith("django_assert_"):
                return True
    return False


def test_no_test_depends_on_the_machines_pace() -> None:
    """Growth, calls and queries are compared (tests/growth.py); seconds are those of ``tipstaff bench``."""
    found = {
        f"{shown(path)}:{line} {function.name}"
        for path in python_of_tests()
        for function in functions(tree(path))
        for line in (*timed(function), *impatient(function))
        if (shown(path), function.name) not in REASONED
    }
    assert sorted(found) == []


def test_every_reason_is_still_needed() -> None:
    """An exception whose function has gone, or no longer looks at a clock, goes too."""
    named = {(shown(path), one.name): one for path in python_of_tests() for one in functions(tree(path))}
    assert [where for where in REASONED if where not in named or not called(named[where]) & CLOCKS] == []


def test_every_test_shows_what_it_asserts() -> None:
    hidden = [
        f"{shown(path)}:{function.lineno} {function.name}"
        for path in python_of_tests()
        for function in functions(tree(path))
        if function.name.startswith("test_") and not asserts(function)
    ]
    assert hidden == []


def test_a_method_for_others_to_write_is_abstract() -> None:
    """``raise NotImplementedError`` fails when it is called; abc.abstractmethod and Protocol when the class is used."""
    raised = [
        f"{shown(path)}:{node.lineno}"
        for path in (*package(), *python_of_tests())
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.unparse(node.exc)
    ]
    assert raised == []


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("began = time.process_time()\nact()\nassert time.process_time() - began < 1.0", True),
        ("began = time.monotonic()\nact()\nspent = time.monotonic() - began\nassert spent < 5", True),
        ("began = perf_counter()\nassert 3 > perf_counter() - began", True),
        ("end = time.monotonic() + 10\nwhile time.monotonic() < end:\n    act()", True),
        ("end = time.monotonic() + 90\nwhile time.monotonic() < end:\n    act()", False),
        ("self.spent += time.perf_counter() - began\nassert self.spent < 2", True),
        ("assert wait_until(happened, 5)", True),
        ("assert processes.wait_until(happened, timeout=10)", True),
        ("assert wait_until(happened, 60, 0.01)", False),
        ("assert growth(act, small, large) < 10", False),
        ("assert len(found) < 5 and time.monotonic", False),
    ],
)
def test_it_knows_a_clock_when_it_sees_one(body: str, refused: bool) -> None:
    module = ast.parse("def test_it():\n" + "\n".join("    " + line for line in body.splitlines()))
    assert bool([*timed(module), *impatient(module)]) is refused
