"""'On … wrote:' above a quotation says when somebody wrote, never when it happened."""

import pytest

from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

HEAD = (
    "From: a@example.org\nTo: abuse@example.net\nSubject: ssh\nDate: Sun, 01 Mar 2026 10:00:00 +0000\nMessage-ID: <a@example.org>\n"
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
)
COMPLAINT = "> Your 203.0.113.7 does ssh brute force against our server.\n> All times are in UTC.\n"
OPENINGS = (
    "On Sat, 28 Feb 2026 at 23:30, Bob Example wrote:",
    "On Sat, 28 Feb 2026 at 23:30, Bob Example of the Example Company\n<bob@example.org> wrote:",
    "Am Samstag, 28.02.2026 um 23:30 Uhr schrieb Bob Beispiel:",
    "Am Samstag, 28.02.2026 um 23:30 Uhr schrieb Bob Beispiel von der Beispiel AG\n<bob@example.org>:",
    "Le sam. 28 févr. 2026 à 23:30, Bob Exemple\n<bob@example.org> a écrit :",
    "> On Sat, 28 Feb 2026 at 23:30, Bob Example wrote:",
)


def event_of(body: str):
    (event,) = read_submission(f"{HEAD}{body}".encode(), Hints())[0].events
    assert event.ip == "203.0.113.7"
    return event


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("own", ["", "Please look into this.\n\n"])
def test_when_somebody_wrote_is_not_when_it_happened(opening: str, own: str) -> None:
    event = event_of(f"{own}{opening}\n{COMPLAINT}")
    assert (event.occurred_at, event.time_as_written) == (None, None)


def test_the_quoted_time_of_what_happened_is_taken() -> None:
    event = event_of(f"See below.\n\n{OPENINGS[0]}\n{COMPLAINT}> It was on 2026-02-28 21:14:03 UTC.\n")
    assert event.time_as_written == "2026-02-28 21:14:03 UTC" and event.occurred_at is not None


def test_a_line_that_ends_in_a_colon_and_names_a_day_opens_no_quotation() -> None:
    event = event_of(
        "On 28 Feb 2026 at 21:14:03 UTC we saw this ssh brute force\nfrom 203.0.113.7 against our server:\n\nfailed logins\n"
    )
    assert event.time_as_written == "28 Feb 2026 at 21:14:03 UTC"
