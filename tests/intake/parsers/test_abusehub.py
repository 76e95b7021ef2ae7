"""AbuseHUB: local times by the letter's offset, and one incident in two files is one event."""

from datetime import UTC, datetime

import pytest

from tests.intake.samples import OWN
from tipstaff.intake.drafts import Confidence, ReportDraft
from tipstaff.intake.parsers import abusehub, shadowserver
from tipstaff.intake.reading.open import open_message

FOLDER = OWN / "parsers" / "abusehub"
MAIL = (FOLDER / "one_incident_in_two_files.eml").read_bytes()


def parsed(raw: bytes) -> ReportDraft:
    (draft,) = abusehub.parse(open_message(raw)[0])
    return draft


def test_both_files_are_one_event_with_the_facts_of_both() -> None:
    (event,) = parsed(MAIL).events
    assert event.occurred_at == datetime(2026, 3, 2, 0, 45, 59, tzinfo=UTC)
    assert event.details["c2_ip"] == "203.0.113.40" and event.details["correlation_score4"] == "200"
    assert "letter" in event.found_in["occurred_at"]


def test_its_own_claim_is_above_that_of_the_original() -> None:
    message = open_message(MAIL)[0]
    assert abusehub.claims(message) is Confidence.CERTAIN
    assert shadowserver.claims(message) < Confidence.CERTAIN


def test_the_offset_of_the_very_time_wins_over_that_of_the_mail() -> None:
    """The clocks changed between the incident and the mail."""
    raw = MAIL.replace(b"2026-03-03 16:56:01 +01:00", b"2026-03-03 16:56:01 +02:00")
    assert parsed(raw).events[0].occurred_at == datetime(2026, 3, 2, 0, 45, 59, tzinfo=UTC)


def test_offsets_that_disagree_decide_nothing() -> None:
    raw = MAIL.replace(b" (event time 2026-03-02 01:45:59 +01:00)", b" (seen 2026-03-02 05:00:00 +03:00)")
    raw = (
        raw[: raw.index(b'--inner\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="original')]
        + b"--inner--\r\n--outer--\r\n"
    )
    (event,) = parsed(raw).events
    assert event.occurred_at is None and event.earliest is not None and event.latest is not None
    assert event.earliest < datetime(2026, 3, 2, 1, 45, 59, tzinfo=UTC) < event.latest


def test_without_an_offset_the_original_fixes_the_moment() -> None:
    draft = parsed((FOLDER / "zone_from_the_other_file.eml").read_bytes())
    assert [event.occurred_at for event in draft.events] == [
        datetime(2026, 7, 2, 0, 45, 59, tzinfo=UTC),
        datetime(2026, 7, 2, 0, 50, tzinfo=UTC),
    ]


def test_impossible_rows_are_told() -> None:
    draft = parsed((FOLDER / "no_zone_stated.eml").read_bytes())
    assert len(draft.events) == 1 and any("row 2" in warning and "192.0.2.500" in warning for warning in draft.warnings)


@pytest.mark.parametrize(
    ("notifier", "infection", "category"),
    [
        ("Shadowserver Botnet Drone", "", "compromised"), ("Hotmail junk", "", "spam"), ("Open resolver", "", "vulnerable"),
        ("Something new", "ExampleBot", "compromised"), ("Something new", "", None), ("Phishing site", "", "phishing"),
    ],
)  # fmt: skip
def test_kinds(notifier: str, infection: str, category: str | None) -> None:
    assert abusehub._kind_of(notifier, infection) == category
