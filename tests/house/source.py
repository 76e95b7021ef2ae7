"""What the house checks read: our own files, as git would list them but without needing git."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".venv", ".git", "build", "dist", "node_modules", "state", "__pycache__"}
TEXT = {".py", ".md", ".toml", ".html", ".css", ".js", ".txt", ".cfg", ".ini", ".lock", ".sh", ".json", ".yaml", ".yml", ""}


@cache
def files() -> tuple[Path, ...]:
    """Every text file of the project, without what is built or installed."""
    return tuple(sorted(path for path in _walk(ROOT) if path.suffix in TEXT))


def _walk(directory: Path) -> Iterator[Path]:
    for path in directory.iterdir():
        hidden = path.name.startswith(".") and path.name not in {".ci", ".importlinter", ".gitignore"}
        if path.is_symlink() or path.name in SKIPPED or hidden or path.name.endswith(".egg-info"):
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def package() -> tuple[Path, ...]:
    """The package's Python files, without migrations, which Django writes, and without generated code."""
    return tuple(
        path
        for path in files()
        if path.suffix == ".py" and path.is_relative_to(ROOT / "tipstaff") and "migrations" not in path.parts
    )


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
