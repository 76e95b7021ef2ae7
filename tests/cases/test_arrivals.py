"""The timeline of a case tells what came later, from the case's own reports."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, NOW, deliver, event, feed, provider, report
from tipstaff.cases import arrivals
from tipstaff.cases.models import Case, CaseReport, JournalEntry

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def told():
    return [(entry.kind, entry.text) for entry in arrivals.told(Case.objects.get(), 50)]


def test_what_came_together_is_told_together_and_the_opening_is_not_told_twice():
    provider()
    deliver(report(event(CAROL)))
    assert "events" not in [kind for kind, _ in told()]
    deliver(report(event(CAROL, at=NOW + DAY)), report(event(CAROL, at=NOW + 2 * DAY)), now=NOW + 3 * DAY)
    newest, *others = arrivals.told(Case.objects.get(), 50)
    assert (newest.kind, newest.at, newest.internal) == ("events", NOW + 3 * DAY, True)
    assert newest.text.startswith("2 more events from 2 reports (")
    assert newest.detail["reports"] == sorted(CaseReport.objects.filter(at=newest.at).values_list("report_id", flat=True))
    assert all(entry.kind != "events" for entry in others) and Case.objects.get().events == 3


def test_what_a_journal_of_before_says_already_is_not_said_again():
    provider()
    deliver(feed([CAROL]), kind="pull")
    deliver(feed([CAROL], at=NOW + DAY), now=NOW + DAY, kind="pull")
    assert [kind for kind, _ in told()].count("events") == 1
    JournalEntry.objects.create(case=Case.objects.get(), at=NOW + DAY, actor="system", kind="events", text="as it was written")
    assert [text for kind, text in told() if kind == "events"] == ["as it was written"]


def test_the_newest_are_told_where_there_are_many():
    provider()
    for day in range(4):
        deliver(feed([CAROL], at=NOW + day * DAY), now=NOW + day * DAY, kind="pull")
    assert [entry.at for entry in arrivals.told(Case.objects.get(), 2)] == [NOW + 3 * DAY, NOW + 2 * DAY]
