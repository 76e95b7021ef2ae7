"""Clause texts as Markdown files: '# 3 Section', '## 3.4 Clause', its lines Rows, Plain and Note, then the text.

Pure. Problems name the file and the line.
"""

import re
from dataclasses import dataclass, field

from tipstaff.kernel.errors import Problem
from tipstaff.policy.edition import Clause

_HEADING = re.compile(r"(#{1,2}) +(\d{1,3}(?:\.\d{1,3}){0,2})\.? +(\S.*)")
_MARK = re.compile(r"(Rows|Plain|Note): *(.*)")
_ROW = re.compile(r"[A-K]\d{1,2}\Z")


@dataclass
class ClauseTexts:
    """What was read from the files of one pack, and every problem met on the way."""

    sections: dict[str, str] = field(default_factory=dict)
    clauses: dict[str, Clause] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, file: str, line: int, what: str, advice: str = "") -> None:
        self.problems.append(Problem(f"{file}: line {line}", what, advice))

    def read(self, file: str, text: str) -> None:
        """Add the sections and clauses of one file."""
        block: list[str] = []
        start = 0
        for number, line in enumerate([*text.splitlines(), "## end"], 1):
            if line.startswith(("# ", "## ")):
                self._block(file, start, block)
                block, start = [line], number
            elif start:
                block.append(line)
            elif line.strip():
                self.refuse(file, number, "text before the first heading", "begin with '# 1 Heading of a section'")

    def _block(self, file: str, start: int, block: list[str]) -> None:
        if not block:
            return
        heading = _HEADING.fullmatch(block[0].strip())
        if heading is None:
            self.refuse(file, start, f"{block[0]!r} has no number", "write '## 3.4 Title'")
        elif heading[1] == "#":
            self._section(file, start, heading[2], heading[3], block[1:])
        else:
            self._clause(file, start, heading[2], heading[3], block[1:])

    def _section(self, file: str, start: int, number: str, title: str, rest: list[str]) -> None:
        if number in self.sections:
            self.refuse(file, start, f"section {number} stands twice")
        if any(line.strip() for line in rest):
            self.refuse(file, start, f"section {number} has text of its own", "put it into a clause, '## 3.1 Title'")
        self.sections[number] = title

    def _clause(self, file: str, start: int, number: str, title: str, rest: list[str]) -> None:
        if number in self.clauses:
            self.refuse(file, start, f"clause {number} stands twice")
        if number.partition(".")[0] not in self.sections:
            self.refuse(file, start, f"clause {number} stands in no section of its number")
        marks, body = _marks(rest)
        rows = tuple(row for row in re.split(r"[,\s]+", marks.get("Rows", "")) if row)
        for row in rows:
            if not _ROW.match(row):
                self.refuse(file, start, f"clause {number}: {row!r} is no requirement row", "write 'Rows: B5, B22'")
        if not marks.get("Plain"):
            self.refuse(file, start, f"clause {number} has no plain words", "add a line 'Plain: …'")
        if not body:
            self.refuse(file, start, f"clause {number} has no text")
        self.clauses[number] = Clause(number, title, body, marks.get("Plain", ""), rows, marks.get("Note", ""))


def _marks(lines: list[str]) -> tuple[dict[str, str], str]:
    """The marks that lead a clause, and its text. A mark runs to the end of its line."""
    marks: dict[str, str] = {}
    rest = [line.rstrip() for line in lines]
    while rest and (not rest[0] or _MARK.fullmatch(rest[0])):
        match = _MARK.fullmatch(rest.pop(0))
        if match:
            marks[match[1]] = match[2].strip()
    return marks, "\n".join(rest).strip()
