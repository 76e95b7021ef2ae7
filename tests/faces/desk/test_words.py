"""The desk's words for what the machinery writes in its own."""

import pytest

from tipstaff.faces.desk import words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("alice", "alice"),
        ("system", "system"),
        ("system:clock", "system · clock"),
        ("system:telling", "system · letters"),
        ("portal:carol@example.net", "portal:carol@example.net"),
    ],
)
def test_parts_of_the_machinery_have_names_that_people_read(written: str, shown: str) -> None:
    assert words.actor(written) == shown


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("1 event is not assigned then", "nobody on record held the address of 1 event then"),
        ("2 events are ambiguous; no time", "2 events could be of more than one customer; no time"),
        ("1 event is nothing to attribute", "1 event names nothing that a customer could hold"),
        ("21 events are nothing to attribute", "21 events name nothing that a customer could hold"),
        ("no address, domain or URL is named", "no address, domain or URL is named"),
    ],
)
def test_why_something_waits_is_said_plainly(kept: str, shown: str) -> None:
    assert words.waits_for(kept) == shown
