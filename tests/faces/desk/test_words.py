"""The desk's words for what the machinery writes in its own."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tipstaff.faces.desk import timeline, words


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


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("CLOSED_FALSE: overturned: undone", "Closed: false report: overturned: undone"),
        ("EMERGENCY_BLOCK: at once", "Emergency block: at once"),
        ("acknowledge, remind_resolve_80, resolve stand still", "acknowledge, reminder at 80 %, resolve stand still"),
        ("nobody acknowledged: 50 % is over", "nobody acknowledged: 50 % is over"),
    ],
)
def test_a_line_of_the_journal_is_told_without_codes(kept: str, shown: str) -> None:
    assert words.told(kept) == shown


def test_what_repeats_in_a_day_is_told_once_with_its_count() -> None:
    start = datetime(2026, 6, 15, 2, 40, tzinfo=UTC)
    lines = [("actions", "system:clock", "nobody is on call"), ("actions", "alice", "looked"), ("mail", "system:clock", "sent")] * 3
    rows = [
        {
            "kind": kind,
            "entry": SimpleNamespace(actor=actor, kind="state", text=text, detail={}, at=start - timedelta(minutes=place)),
        }
        for place, (kind, actor, text) in enumerate(lines)
    ]
    shown = timeline.folded(rows)
    assert [row["entry"].text for row in shown] == ["nobody is on call", "looked", "sent", "looked", "sent", "looked", "sent"]
    assert (shown[0]["times"], shown[0]["since"]) == (3, start - timedelta(minutes=6))
    assert timeline.folded(rows[:4]) == rows[:4], "two alike stay two"
