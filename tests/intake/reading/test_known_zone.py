"""A reporter's usual zone completes times that state none, and only those."""

from datetime import UTC, datetime

import pytest

from tipstaff.intake.drafts import EventDraft, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.known_zone import use_known_zone

REPORT = (
    b"From: desk@watch.example.net\nTo: abuse@example.com\nSubject: x\nDate: Mon, 10 Mar 2025 12:00:00 +0000\nMessage-ID: <1@x>\n"
    b"MIME-Version: 1.0\nContent-Type: text/plain\n\n---\nReported-From: desk@watch.example.net\nReport-Type: login-attack\n"
    b"Category: abuse\nReport-ID: 1\nDate: 2025-07-10 10:00:00\nSource: 192.0.2.1\n"
)


@pytest.mark.parametrize(
    ("zone", "at"),
    [
        (None, None),
        ("Europe/Berlin", datetime(2025, 7, 10, 8, tzinfo=UTC)),
        ("America/Lima", datetime(2025, 7, 10, 15, tzinfo=UTC)),
    ],
)
def test_the_reporters_zone_is_used_where_it_is_known(zone, at):
    (draft,) = read_submission(REPORT, Hints(zone=zone))
    (event,) = draft.events
    assert event.occurred_at == at
    assert (zone in " ".join(draft.warnings)) if zone else event.earliest < datetime(2025, 7, 10, 10, tzinfo=UTC) < event.latest


@pytest.mark.parametrize("written", ["2025-07-10", "03/04/2025 10:00:00", "soon", None])
def test_a_zone_makes_no_time_of_what_is_open_for_another_reason(written):
    draft = ReportDraft("x", events=[EventDraft(ip="192.0.2.1", time_as_written=written)])
    use_known_zone(draft, "Europe/Berlin")
    assert draft.events[0].occurred_at is None


def test_an_exact_time_stays():
    at = datetime(2025, 1, 1, tzinfo=UTC)
    draft = ReportDraft("x", events=[EventDraft(occurred_at=at, time_as_written="2025-01-01 05:00:00 +0500")])
    use_known_zone(draft, "Asia/Tokyo")
    assert draft.events[0].occurred_at == at and draft.warnings == []
