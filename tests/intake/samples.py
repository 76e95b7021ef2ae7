"""Fixtures of ours by parser, and the captured inputs beside the checkout where they are present."""

import json
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN = ROOT / "tests" / "corpus"
CAPTURED = ROOT.parent / "shared" / "corpus"


@dataclass(frozen=True)
class Sample:
    """One fixture of a parser and the lines that ``tipstaff parse --json`` should print for it (only the keys that are given)."""

    parser: str
    path: Path

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expected(self) -> list[dict]:
        text = Path(f"{self.path}.expected.json").read_text("utf-8")
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            found = [json.loads(line) for line in text.splitlines() if line.strip()]
        return found if isinstance(found, list) else [found]

    def __str__(self) -> str:
        return f"{self.parser}/{self.path.name}"


def own_samples() -> list[Sample]:
    """Every fixture under tests/corpus/parsers that has an expectation beside it."""
    folder = OWN / "parsers"
    return [
        Sample(file.parent.name, file)
        for file in sorted(folder.glob("*/*"))
        if file.is_file() and not file.name.endswith(".expected.json") and Path(f"{file}.expected.json").exists()
    ]


def captured(pattern: str) -> list[Path]:
    """Captured inputs, or nothing where the folder is absent (then the tests say so)."""
    return sorted(CAPTURED.glob(pattern)) if CAPTURED.is_dir() else []
