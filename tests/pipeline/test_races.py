"""A person and a batch at the same moment: nothing is filed away unseen; and what borrowed trust may not do."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, NOW, colleagues, deliver, event, feed, provider, report, submission
from tests.pipeline.test_batch import again
from tipstaff.cases import refreshing as cases
from tipstaff.cases.models import Case
from tipstaff.cases.services import close
from tipstaff.intake.models import Submission
from tipstaff.pipeline import batch
from tipstaff.reports.models import Event, Report, Reporter

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


def test_a_case_closed_between_the_look_and_the_writing_does_not_swallow_new_events(monkeypatch):
    provider()
    colleagues()
    deliver(report(event(CAROL)))
    first, update, turns = Case.objects.get(), cases._update, []

    def overtaken(*args):
        turns.append(1)
        if len(turns) == 1:
            close(case=first.pk, outcome="RESOLVED", reason="done", by="alice", now=NOW)
        return update(*args)

    monkeypatch.setattr(cases, "_update", overtaken)
    # The closing happens inside the batch's own transaction here, so it is undone with it; what counts is that it looks again.
    deliver(report(event(CAROL, at=LATER)), now=LATER)
    assert len(turns) == 2 and Event.objects.count() == 2


def test_a_batch_that_is_always_overtaken_gives_up_loudly(monkeypatch):
    provider()
    deliver(report(event(CAROL)))
    monkeypatch.setattr(cases, "_update", lambda cases, *_: set(cases["case_id"].to_list()))
    with pytest.raises(cases.Overtaken):
        deliver(report(event(CAROL, at=NOW)))
    assert Event.objects.count() == 1


def test_late_events_join_the_closed_case_even_while_a_newer_one_is_open():
    provider()
    colleagues()
    deliver(report(event(CAROL)))
    old = Case.objects.get()
    close(case=old.pk, outcome="RESOLVED", reason="page removed", by="alice", now=NOW)
    deliver(report(event(CAROL, at=LATER)), now=LATER)
    deliver(report(event(CAROL, at=NOW - timedelta(hours=5)), by="robin@example.com"), now=LATER)
    assert {case.pk == old.pk: case.events for case in Case.objects.all()} == {True: 2, False: 1}


def test_no_report_borrows_anothers_trust():
    """A trusted reporter's words and an unknown one's structure do not make one report that acts by itself."""
    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=3, first_seen=NOW, last_seen=NOW)
    words = report(event(CAROL), category_from="keyword phishing (en)")
    words.reporter.authenticated_as = "example.org"
    forged = report(event("192.0.2.8"), by="mallory@example.net")
    deliver(words, forged, kind="smtp")
    assert Case.objects.get().state == "TRIAGE"


def test_one_good_report_suffices_beside_a_doubtful_one():
    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=2, first_seen=NOW, last_seen=NOW)
    good = report(event(CAROL))
    good.reporter.authenticated_as = "example.org"
    deliver(report(event("192.0.2.8"), by="mallory@example.net", category_from="keyword phishing (en)"), good, kind="smtp")
    assert Case.objects.get().state == "TICKETED"


def test_reading_an_ambiguous_report_again_does_not_make_it_vanish():
    provider()
    row = submission()
    again(row, report(event("192.0.2.9", at=NOW - timedelta(days=300)), event("8.8.8.8")))
    assert Submission.objects.get().state == "needs_person"
    again(row, report(event("192.0.2.9", at=NOW - timedelta(days=300)), event("8.8.8.8")), now=LATER)
    row.refresh_from_db()
    assert (row.state, row.reason) == ("needs_person", "1 event is not assigned then")
    assert Report.objects.get().unmatched == {"not assigned then": 1, "not ours": 1}


def test_what_is_not_ours_is_still_not_ours_when_read_again():
    provider()
    row = submission()
    for _ in range(2):
        again(row, report(event("8.8.8.8")))
    assert Report.objects.get().state == "not_ours"


def test_reports_of_one_message_keep_their_places():
    provider()
    row = submission()
    again(row, *[report(event(CAROL, at=NOW - timedelta(hours=n))) for n in range(5)])
    again(row, *[report(event(CAROL, at=NOW - timedelta(hours=n))) for n in range(5)], now=LATER)
    assert sorted(Report.objects.values_list("ordinal", flat=True)) == list(range(5)) and Event.objects.count() == 5


def test_a_rule_that_cannot_be_understood_stops_nothing():
    from tipstaff.reports.models import Rule

    provider()
    Rule.objects.create(position=1, name="old", conditions={"gone": 1}, action="hold", enabled=True, by="alice", at=NOW)
    assert deliver(report(event(CAROL))).events == 1


def test_a_future_edition_of_a_brand_does_not_leave_it_without_policy():
    from tipstaff.pipeline.context import Editions

    known = Editions({"": [(NOW, 1, "provider")], "brand": [(LATER, 2, "brand")]})  # type: ignore[list-item]
    assert known.at("brand", NOW) == (1, "provider") and known.at("brand", LATER) == (2, "brand")
    assert known.at("", NOW - timedelta(days=1)) is None and known.at("brand", None) is None


def test_a_feed_with_no_reporter_mail_is_known_by_its_name():
    provider()
    deliver(feed([CAROL]), kind="pull")
    deliver(feed([CAROL], at=NOW - timedelta(hours=2)), kind="smtp")
    assert Reporter.objects.get().key == "feed:shadowserver"
    assert batch.LOOKS > 1
