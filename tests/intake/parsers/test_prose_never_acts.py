"""A kind that was read from a letter is never called structure: such a case waits for a person (cases.opening)."""

from pathlib import Path

import pytest

from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.registry import PARSERS

PROSE = {parser.name.replace("_", "-") for parser in PARSERS if getattr(parser, "reads_prose", False)}
CORPUS = Path(__file__).parents[2] / "corpus"
LETTERS = sorted(CORPUS.rglob("*.eml"))


def test_there_are_letters_that_prose_readers_read() -> None:
    formats = {draft.format for path in LETTERS[::3] for draft in read_submission(path.read_bytes(), Hints())}
    assert len(LETTERS) > 300 and formats & PROSE >= {"free-text", "log-excerpt", "dmca-letter"}


@pytest.mark.parametrize("folder", sorted({path.parent for path in LETTERS}), ids=lambda one: str(one.relative_to(CORPUS)))
def test_no_letter_speaks_with_the_voice_of_structure(folder: Path) -> None:
    for path in sorted(folder.glob("*.eml")):
        for draft in read_submission(path.read_bytes(), Hints()):
            if draft.format in PROSE:
                assert not (draft.category_from or "").startswith(("structure", "person")), path.name
