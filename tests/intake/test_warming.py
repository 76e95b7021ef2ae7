"""What a worker reads before its first letter comes."""

import pytest

from tipstaff.intake.drafts import Disposition
from tipstaff.intake.read import read_submission
from tipstaff.intake.warming import SPECIMENS


@pytest.mark.parametrize("form", SPECIMENS)
def test_each_specimen_takes_the_way_that_it_is_to_warm(form: str) -> None:
    (draft,) = read_submission(SPECIMENS[form])
    assert (draft.format, draft.disposition) == (form, Disposition.REPORT)
    assert [event.ip for event in draft.events] == ["192.0.2.1"]
