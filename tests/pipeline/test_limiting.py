"""A reporter who goes on after the warning: whom a lead may limit, what counts meanwhile, and that it ends."""

from datetime import timedelta

import pytest

from tests.cases.resolving import PACKS, Desk
from tests.pipeline.given import CAROL, NOW, colleagues, deliver, event, provider, report
from tests.pipeline.test_warning import LATER, WHY, rita, wrong
from tests.pipeline.test_warning import send as sent
from tipstaff.audit.models import Entry
from tipstaff.cases import retests, statements
from tipstaff.cases.models import Case, CaseReport, JournalEntry, Measure
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.enforcement.retests import running
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.pipeline import limiting, rehearsal, warning
from tipstaff.reports import bulk
from tipstaff.reports.models import LIMITED, Event, Report, Reporter, Rule

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


def test_an_operators_own_distrust_is_no_limit_and_still_asks_to_confirm(warned):
    Reporter.objects.filter(key="rita@example.org").update(trust=LIMITED)
    draft = report(event("192.0.2.51", AFTER), by="rita@example.org", format="free-text", category="scan")
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp", now=AFTER + timedelta(hours=1))
    assert [m.kind for m in OutboxMessage.objects.all()] == ["confirm"]


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
    wrong(5, first=80, category="malware", now=later + timedelta(hours=5), judged=later + timedelta(days=1))
    limit(until=later + timedelta(days=31), now=later + timedelta(days=1))
    assert rita().limited_until == later + timedelta(days=60), "what is said again never shortens it"
    assert Entry.objects.filter(action="reporter.limit").latest("id").detail["until"] == rita().limited_until.isoformat()


def test_others_are_trusted_as_before(warned):
    limit()
    Reporter.objects.create(key="emma@example.org", trust=2, first_seen=NOW, last_seen=NOW)
    row = ("", "", "", 0, 1, "")
    found = bulk.reporters(rows=[(key, *row) for key in ("emma@example.org", "rita@example.org")], now=AFTER)
    assert {key: one.trust for key, one in found.items()} == {"emma@example.org": 2, "rita@example.org": LIMITED}
    Reporter.objects.filter(key="rita@example.org").update(trust=-2)
    found = bulk.reporters(rows=[("rita@example.org", *row)], now=AFTER)
    assert found["rita@example.org"].trust == -2 and found["rita@example.org"].limited


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


def seen_again(desk, trusted, category="intrusion"):
    """One more report of hers on the desk's case, of something that happened just now; she is limited unless ``trusted``."""
    until = None if trusted else desk.now + timedelta(days=30)
    Reporter.objects.update(limited_at=None if trusted else desk.now, limited_until=until)
    desk.now += timedelta(hours=2)
    draft = report(event(CAROL, desk.now - timedelta(hours=1)), category=category, category_from="keyword x (en)")
    deliver(draft, kind="smtp", now=desk.now)
    kept = CaseReport.objects.filter(case=desk.number).latest("report_id")
    assert Report.objects.get(pk=kept.report_id).received_at == desk.now
    assert Event.objects.get(report_id=kept.report_id).case_id == desk.number


@pytest.mark.parametrize(("trusted", "state"), [(False, "RESOLVED"), (True, "NOT_ADEQUATE")])
def test_a_limited_report_hands_no_fix_back(trusted, state):
    desk = Desk()
    desk.on(statements.claim_fix, by=desk.carol, text="it is gone")
    before = desk.case
    seen_again(desk, trusted)
    case = desk.case
    assert case.reports == before.reports + 1 and case.state == "FIX_CLAIMED" and case.next_due_at == before.next_due_at
    assert (case.last_event_at == before.last_event_at) is not trusted
    desk.wait(timedelta(days=8))
    assert [entry.detail["state"] for entry in desk.case.journal.filter(kind="state", detail__event="QUIET_OVER")] == [state]


@pytest.mark.parametrize("trusted", [False, True])
def test_a_retest_does_not_find_it_again_by_a_limited_report(trusted):
    desk = Desk()
    desk.on(statements.claim_fix, by=desk.carol, text="it is gone")
    seen_again(desk, trusted)
    asked = desk.on(retests.want, kind="reporter_recheck", target=CAROL)
    running.run_waiting(now=desk.now)
    asked.refresh_from_db()
    assert (asked.outcome == "still") is trusted


@pytest.mark.parametrize("trusted", [False, True])
def test_a_limited_report_repeats_no_breach_in_probation(trusted):
    desk = Desk(PACKS[0])
    Case.objects.filter(pk=desk.number).update(state="RECONNECTED")
    Measure.objects.create(case=desk.case, kind="block", scope="machine", target=CAROL, clause="4.5", reason="x", decided_by="bob",
                           decided_at=NOW, state="lifted", lifted_at=desk.now)  # fmt: skip
    seen_again(desk, trusted)
    assert desk.case.clocks.filter(kind="repeat").exists() is trusted
    desk.wait(timedelta(seconds=2))
    assert desk.state == ("DISCONNECT_PENDING" if trusted else "RECONNECTED")


def test_what_an_ordinary_reporter_saw_counts_beside_a_limited_report(warned):
    limit()
    case, _ = again(46, AFTER - timedelta(minutes=1))
    hers, others = (report(event(f"192.0.2.{place}", AFTER + at), by=by) for place, at, by in (
        (46, timedelta(hours=2), "rita@example.org"), (47, timedelta(hours=1), "emma@example.org")))  # fmt: skip
    deliver(hers, others, now=AFTER + timedelta(hours=3))
    case.refresh_from_db()
    assert case.reports == 3 and case.last_event_at == AFTER + timedelta(hours=1)


def test_a_clients_case_and_the_resellers_above_it_are_refreshed_alike():
    provider()
    client = report(event("203.0.113.5"), category="scan")
    deliver(client)
    before = dict(Case.objects.values_list("pk", "last_event_at"))
    assert len(before) == 2
    Reporter.objects.update(limited_at=NOW, limited_until=NOW + timedelta(days=9))
    for at in (timedelta(hours=1), timedelta(hours=2)):
        deliver(report(event("203.0.113.5", NOW + at), category="scan"), now=NOW + at)
    assert dict(Case.objects.values_list("pk", "last_event_at")) == before
    assert set(Case.objects.values_list("reports", flat=True)) == {3}
    Reporter.objects.update(limited_until=None)
    deliver(report(event("203.0.113.5", NOW + timedelta(hours=3)), category="scan"), now=NOW + timedelta(hours=3))
    assert set(Case.objects.values_list("last_event_at", flat=True)) == {NOW + timedelta(hours=3)}


def test_a_replayed_rule_sees_the_trust_that_counted(warned):
    limit()
    again(48, AFTER + timedelta(hours=1), "spam")
    given = {"conditions": {"trust_below": 0}, "action": "record_only", "enabled": True}
    row = Rule.objects.create(name="limited", position=1, by="bob", at=NOW, **given)
    assert rehearsal.replay(rule=row, now=AFTER + timedelta(hours=2))["decided"] == 1
