"""A reporter who goes on after the warning: whom a lead may limit, what counts meanwhile, and that it ends."""

from datetime import timedelta

import pytest

from tests.pipeline.given import NOW, colleagues, deliver, event, provider, report
from tests.pipeline.test_warning import LATER, WHY, rita, wrong
from tests.pipeline.test_warning import send as sent
from tipstaff.audit.models import Entry
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.pipeline import limiting, warning
from tipstaff.reports import bulk
from tipstaff.reports.models import LIMITED, Report, Reporter, Rule

pytestmark = pytest.mark.django_db
AFTER = LATER + timedelta(days=1)  # when what came after the warning was judged
UNTIL = AFTER + timedelta(days=30)


@pytest.fixture
def warned():
    """Rita, known and warned, five more of whose reports were wrong."""
    provider()
    colleagues(alice="analyst", bob="lead", colin="counsel")
    wrong(5)
    Reporter.objects.filter(key="rita@example.org").update(trust=1)
    warning.warn(reporter=rita().pk, reason=WHY, by="bob", now=LATER)
    wrong(5, first=20, category="malware", now=LATER + timedelta(hours=1), judged=AFTER)
    OutboxMessage.objects.all().delete()


def limit(by="bob", until=UNTIL, now=AFTER, reason=WHY):
    limiting.limit(reporter=rita().pk, reason=reason, until=until, by=by, now=now)


def again(place, now, category="phishing"):
    """One more report of hers, structured and whole: what would open a ticket by itself."""
    case = sent(place, now=now, category=category)
    return case, Report.objects.latest("pk")


def test_a_limit_makes_nothing_act_by_itself_and_rules_see_it(warned):
    before, told = again(40, AFTER - timedelta(minutes=1))
    assert told.trust == 1 and "not known well enough" not in before.needs_person
    limit()
    after, told = again(41, AFTER + timedelta(hours=1), "spam")
    assert told.trust == LIMITED and after.state == "TRIAGE" and "the reporter is not known well enough" in after.needs_person
    given = {"conditions": {"trust_below": 0}, "action": "ask_person", "enabled": True}
    Rule.objects.create(name="limited", position=1, by="bob", at=NOW, **given)
    many = Case.objects.count()
    _, told = again(42, AFTER + timedelta(hours=2), "spam")
    assert Case.objects.count() == many and told.submission.state == "needs_person"
    assert "a rule asks a person" in told.submission.reason


def test_each_report_still_gets_its_receipt(warned, settings):
    settings.REPORTER_DUTIES = frozenset({"dsa"})
    limit()
    draft = report(event("192.0.2.50", AFTER), by="rita@example.org", format="free-text", category="scan")
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp", now=AFTER + timedelta(hours=1))
    assert [(m.kind, m.recipient) for m in OutboxMessage.objects.all()] == [("receipt", "rita@example.org")]


def test_it_ends_by_itself(warned):
    limit(until=AFTER + timedelta(days=1))
    assert again(43, AFTER + timedelta(hours=23))[1].trust == LIMITED
    assert again(44, AFTER + timedelta(days=1))[1].trust == 1 and not limiting.stands(rita(), AFTER + timedelta(days=1))
    assert rita().trust == 1


def test_a_lead_lifts_it_and_both_are_on_the_record(warned):
    limit()
    soon = AFTER + timedelta(days=2)
    for by, error in (("alice", Refused), ("colin", Refused), ("system:clock", Refused), ("nobody", Refused)):
        with pytest.raises(error):
            limiting.lift(reporter=rita().pk, reason="spoke with her", by=by, now=soon)
    with pytest.raises(InputError):
        limiting.lift(reporter=rita().pk, reason=" ", by="bob", now=soon)
    limiting.lift(reporter=rita().pk, reason="spoke with her", by="bob", now=soon)
    assert again(45, soon + timedelta(hours=1))[1].trust == 1
    with pytest.raises(Refused, match="not limited"):
        limiting.lift(reporter=rita().pk, reason="again", by="bob", now=soon + timedelta(hours=2))
    entries = list(Entry.objects.filter(action__in=("reporter.limit", "reporter.lift")).order_by("id"))
    assert [(e.action, e.actor, e.reason) for e in entries] == [
        ("reporter.limit", "bob", WHY),
        ("reporter.lift", "bob", "spoke with her"),
    ]
    assert all(e.subject == f"reporter:{rita().pk}" for e in entries)


@pytest.mark.parametrize("by", ["alice", "colin", "system:clock", "nobody", "rita@example.org"])
def test_only_a_lead_limits(warned, by):
    with pytest.raises(Refused):
        limit(by=by)
    assert rita().limited_until is None and not Entry.objects.filter(action="reporter.limit").exists()


@pytest.mark.parametrize("until", [AFTER, AFTER - timedelta(days=1), AFTER + limiting.LONGEST + timedelta(seconds=1)])
def test_a_limit_has_an_end_that_is_near(warned, until):
    with pytest.raises(InputError):
        limit(until=until)


def test_it_needs_a_reason_a_reporter_a_warning_and_new_wrong_reports(warned):
    with pytest.raises(InputError):
        limit(reason="  ")
    with pytest.raises(NotFound):
        limiting.limit(reporter=999_999, reason=WHY, until=UNTIL, by="bob", now=AFTER)
    limit()
    with pytest.raises(Refused, match="too few"):
        limit()
    Reporter.objects.update(warned_at=None, limited_at=None)
    with pytest.raises(Refused, match="not warned"):
        limit()


def test_who_goes_on_while_limited_is_proposed_again_and_prolonged(warned):
    limit()
    assert warning.proposed(AFTER) == []
    later = AFTER + timedelta(days=3)
    wrong(5, first=70, category="spam", now=later - timedelta(hours=5), judged=later)
    assert [one.reporter for one in warning.proposed(later)] == [rita().pk]
    limit(until=later + timedelta(days=60), now=later)
    assert rita().limited_until == later + timedelta(days=60)


def test_others_are_trusted_as_before(warned):
    limit()
    Reporter.objects.create(key="emma@example.org", trust=2, first_seen=NOW, last_seen=NOW)
    row = ("", "", "", 0, 1, "")
    found = bulk.reporters(rows=[(key, *row) for key in ("emma@example.org", "rita@example.org")], now=AFTER)
    assert {key: trust for key, (_, trust) in found.items()} == {"emma@example.org": 2, "rita@example.org": LIMITED}
    Reporter.objects.filter(key="rita@example.org").update(trust=-2)
    found = bulk.reporters(rows=[("rita@example.org", *row)], now=AFTER)
    assert found["rita@example.org"][1] == -2


def test_a_limited_report_joins_an_open_case_and_reminds_nobody(warned):
    limit()
    case, _ = again(46, AFTER - timedelta(minutes=1))
    old = AFTER - timedelta(days=60)
    Case.objects.filter(pk=case.pk).update(state="TICKETED", ticketed_at=old, noticed_at=old)
    told = JournalEntry.objects.filter(case=case).count()
    again(46, AFTER + timedelta(hours=1))
    case.refresh_from_db()
    assert case.noticed_at == old and JournalEntry.objects.filter(case=case).count() == told
    Reporter.objects.update(limited_until=None)
    again(46, AFTER + timedelta(hours=2))
    case.refresh_from_db()
    assert case.noticed_at != old
