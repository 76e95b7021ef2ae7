"""From drafts to cases, through the real tables, as the application's role."""

from datetime import timedelta

import polars as pl
import pytest

from tests.pipeline.given import CAROL, DAVE, EMMA, NOW, colleagues, deliver, event, feed, provider, report, submission
from tipstaff.cases import arrivals
from tipstaff.cases.models import Case, CaseReport, JournalEntry, Notice
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import Refused
from tipstaff.pipeline import batch, sweeping
from tipstaff.pipeline.columns import Parsed
from tipstaff.reports.models import AcceptedRisk, Event, Report, Rule, Tally

pytestmark = pytest.mark.django_db


def test_a_report_becomes_a_ticket_for_who_held_the_address():
    provider()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    assert (case.customer.name, case.category, case.state, case.headline) == ("Carol", "phishing", "TICKETED", CAROL)
    assert case.resolve_due_at - case.ticketed_at == timedelta(hours=4)
    assert case.ack_due_at == case.resolve_due_at
    assert case.clause and case.edition.pack == "default"
    stored = Event.objects.get()
    assert (stored.case_id, stored.attribution, stored.customer_id) == (case.pk, 1, case.customer_id)
    assert JournalEntry.objects.get(case=case, kind="opened").detail["reports"] == [stored.report_id]


def test_a_redelivery_adds_nothing_however_it_is_packed():
    provider()
    first = feed([CAROL, DAVE], hostname=["a", "b"])
    deliver(first)
    again = feed([DAVE, CAROL], new_column=["x", "y"])
    outcome = deliver(again, now=NOW + timedelta(hours=1))
    assert (outcome.events, outcome.duplicates) == (0, 2)
    assert Event.objects.count() == 2
    assert Report.objects.order_by("id").last().duplicates == 2


def test_a_redelivery_in_a_later_month_adds_nothing():
    provider()
    deliver(report(event(CAROL)))
    outcome = deliver(report(event(CAROL)), now=NOW + timedelta(days=40))
    assert (outcome.events, Event.objects.count()) == (0, 1)


def test_two_reporters_make_two_events_in_one_case():
    provider()
    deliver(report(event(CAROL)))
    deliver(report(event(CAROL), by="robin@example.com"))
    case = Case.objects.get()
    assert (case.events, case.reports, case.reporters) == (2, 2, 2)
    assert CaseReport.objects.filter(case=case).count() == 2


def test_untimed_complaints_of_different_days_are_two():
    provider()
    deliver(report(event(CAROL, at=None), reported_at=NOW - timedelta(days=3)))
    deliver(report(event(CAROL, at=None), reported_at=NOW))
    assert Event.objects.count() == 2


def test_a_resellers_client_gets_a_child_inside_the_parents_deadline():
    provider()
    deliver(report(event(EMMA)), report(event("203.0.113.6")))
    parent, child = Case.objects.get(customer__name="Rory"), Case.objects.get(customer__name="Emma")
    assert child.parent == parent
    assert child.resolve_due_at < parent.resolve_due_at
    assert (parent.events, child.events) == (2, 2)
    assert set(Event.objects.values_list("case_id", flat=True)) == {child.pk}


def test_a_resellers_case_goes_on_when_the_client_is_reported_again():
    provider()
    deliver(report(event(EMMA)))
    deliver(report(event(EMMA, at=NOW - timedelta(hours=1))))
    assert {c.customer.name: c.events for c in Case.objects.all()} == {"Rory": 2, "Emma": 2}


def test_late_events_join_a_closed_case_and_newer_ones_open_a_linked_one():
    from tipstaff.cases.services import close

    provider()
    colleagues()
    deliver(report(event(CAROL)))
    case = Case.objects.get()
    close(case=case.pk, outcome="RESOLVED", reason="page removed", by="alice", now=NOW)
    deliver(report(event(CAROL, at=NOW - timedelta(hours=3)), by="robin@example.com"), now=NOW + timedelta(hours=1))
    case.refresh_from_db()
    assert (case.events, case.state, case.closed_at) == (2, "RESOLVED", NOW)
    deliver(report(event(CAROL, at=NOW + timedelta(hours=1))), now=NOW + timedelta(hours=2))
    newer = Case.objects.exclude(pk=case.pk).get()
    assert newer.links.get().other == case and newer.links.get().kind == "continues"


def test_what_leaves_a_doubt_opens_in_triage_and_says_why():
    provider()
    deliver(report(event(CAROL), category_from="keyword phishing (en)"), kind="smtp")
    case = Case.objects.get()
    assert case.state == "TRIAGE" and case.ticketed_at is None and case.resolve_due_at is None
    assert "words" in case.needs_person and "not known" in case.needs_person
    assert case.desk_due_at > NOW
    assert not Notice.objects.exists()


def test_an_experimental_format_never_acts_by_itself():
    provider()
    deliver(report(event(CAROL), experimental=True))
    assert Case.objects.get().state == "TRIAGE"


def test_addresses_nobody_held_then_go_to_a_person():
    provider()
    deliver(report(event("192.0.2.9", at=NOW - timedelta(days=300))))
    row = Submission.objects.get()
    assert (row.state, row.reason) == ("needs_person", "1 event is not assigned then")
    assert not Case.objects.exists() and Event.objects.get().attribution == 2


def test_addresses_that_are_not_ours_are_recorded_and_told_apart():
    provider()
    deliver(report(event("8.8.8.8")))
    assert Report.objects.get().state == "not_ours"
    assert Submission.objects.get().state == "parsed" and not Case.objects.exists()


def test_what_a_person_must_decide_makes_no_event_yet():
    provider()
    deliver(report(event(CAROL), disposition=Disposition.NEEDS_A_PERSON, needs=["two addresses could be meant"]))
    row = Submission.objects.get()
    assert (row.state, row.reason) == ("needs_person", "two addresses could be meant")
    assert row.trace[0]["events"][0]["ip"] == CAROL and row.due_at > NOW
    assert not Event.objects.exists()


def test_a_sealed_report_leaves_nothing_to_read():
    provider()
    deliver(report(event(CAROL), category="csam", sealed=True, subject="placeholder subject"))
    row, filed = Submission.objects.get(), Report.objects.get()
    assert (row.state, row.subject, row.sender, row.trace) == ("sealed", "", "", [])
    assert (filed.subject, filed.description) == ("", "")
    assert row.blob.evidence_class == "sealed" and row.blob.retain_until is None
    assert not Event.objects.exists() and not Case.objects.exists()


def test_a_feed_below_the_policys_threshold_opens_nothing_until_it_is_reached():
    provider()
    for hour in range(4):
        deliver(feed([CAROL], at=NOW - timedelta(hours=10 - hour), report_type="event4_scan", category="scan"))
    assert Event.objects.count() == 4 and not Case.objects.exists()
    deliver(feed([CAROL], at=NOW - timedelta(hours=1), report_type="event4_scan", category="scan"))
    assert Case.objects.get().events == 1


def test_thirty_daily_deliveries_of_one_open_resolver_make_one_case_and_few_notices():
    from tipstaff.accounts.models import Contact, Customer

    provider()
    Contact.objects.create(customer=Customer.objects.get(name="Carol"), name="Carol", email="abuse@carol.example")
    for day in range(30):
        moment = NOW + timedelta(days=day)
        deliver(feed([CAROL], at=moment - timedelta(hours=3)), now=moment, kind="pull")
    assert Case.objects.get().events == 30
    assert 1 <= Notice.objects.count() <= 5
    assert CaseReport.objects.latest("report_id").at == NOW + timedelta(days=29)
    said = arrivals.told(Case.objects.get(), 50)
    assert [entry.text for entry in said if entry.kind == "events"] == ["1 more event from 1 report (shadowserver scan_ntp)"] * 29
    assert said[0].at == NOW + timedelta(days=29) and said[-1].kind in {"opened", "mail"}


def test_a_finding_absent_from_fresh_deliveries_closes_itself():
    provider()
    deliver(feed([CAROL, DAVE]), kind="pull")
    for day in range(1, 4):
        moment = NOW + timedelta(days=day)
        deliver(feed([DAVE], at=moment - timedelta(hours=3)), now=moment, kind="pull")
        assert sweeping.close_absent_findings(now=moment) == (1 if day == 3 else 0)
    gone, open_ = Case.objects.get(customer__name="Carol"), Case.objects.get(customer__name="Dave")
    assert (gone.state, open_.closed_at) == ("CLOSED_ABSENT", None)


def test_a_stale_feed_that_is_sent_again_closes_nothing():
    provider()
    deliver(feed([CAROL]), kind="pull")
    deliver(feed([DAVE], at=NOW + timedelta(hours=1)), now=NOW + timedelta(days=1), kind="pull")
    for day in range(2, 6):
        deliver(feed([DAVE], at=NOW + timedelta(hours=1)), now=NOW + timedelta(days=day), kind="pull")
    assert sweeping.close_absent_findings(now=NOW + timedelta(days=6)) == 0


def rule(action, **conditions):
    return Rule.objects.create(position=1, name="test", conditions=conditions, action=action, enabled=True, by="alice", at=NOW)


def test_the_first_rule_that_fits_decides():
    provider()
    rule("record_only", category=["vulnerable"], prefix=["192.0.2.0/25"])
    deliver(feed([CAROL, DAVE]))
    assert [case.customer.name for case in Case.objects.all()] == ["Dave"]
    assert Event.objects.get(ip=CAROL).action == 1


def test_a_rule_can_ask_a_person():
    provider()
    rule("ask_person", trust_below=3)
    deliver(report(event(CAROL)))
    row = Submission.objects.get()
    assert (row.state, row.reason) == ("needs_person", "a rule asks a person") and not Case.objects.exists()


def test_a_rule_counts_over_days():
    provider()
    rule("record_only", fewer_than=3, days=7)
    for hour in range(3):
        deliver(report(event(CAROL, at=NOW - timedelta(hours=hour + 1))))
    assert Case.objects.get().events == 1
    assert sum(Tally.objects.values_list("events", flat=True)) == 3


def test_an_accepted_risk_is_recorded_and_opens_nothing_until_it_expires():
    provider()
    AcceptedRisk.objects.create(
        prefix="192.0.2.0/24", category="vulnerable", reason="honeypot", by="bob", at=NOW, expires_at=NOW + timedelta(days=30)
    )
    deliver(feed([CAROL, DAVE]))
    assert [case.customer.name for case in Case.objects.all()] == ["Dave"]
    later = NOW + timedelta(days=31)
    deliver(feed([CAROL], at=later - timedelta(hours=1)), now=later)
    assert Case.objects.filter(customer__name="Carol").count() == 1


def test_a_million_rows_never_become_objects():
    provider()
    addresses = [f"192.0.2.{n % 250}" for n in range(5000)]
    draft = feed(addresses)
    draft.table = draft.table.with_columns((pl.col("occurred_at") + pl.duration(seconds=pl.col("row"))).alias("occurred_at"))
    outcome = deliver(draft)
    assert (outcome.events, Case.objects.get().events) == (5000, 5000)


def test_nothing_is_half_written_when_the_batch_fails(monkeypatch):
    from tipstaff.pipeline import tallies

    provider()

    def fail(*_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(tallies, "add", fail)
    with pytest.raises(RuntimeError):
        deliver(report(event(CAROL)))
    assert not Event.objects.exists() and not Case.objects.exists() and not Report.objects.exists()
    assert Submission.objects.get().state == "received"


def test_a_forged_sender_does_not_borrow_the_trust_of_a_known_reporter():
    from tipstaff.reports.models import Reporter

    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=3, first_seen=NOW, last_seen=NOW)
    deliver(report(event(CAROL)), kind="smtp")
    assert Case.objects.get().state == "TRIAGE"


def test_whoever_may_post_does_not_borrow_the_trust_of_the_address_they_state():
    """A connected source is known; what it passes on for somebody else is no more than that, and raises nobody."""
    from tipstaff.reports.models import Report, Reporter

    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=3, first_seen=NOW, last_seen=NOW)
    deliver(report(event(CAROL)), kind="api")
    assert Report.objects.get().trust == 1
    deliver(report(event(CAROL), by="stranger@example.com"), kind="api")
    assert Reporter.objects.get(key="stranger@example.com").trust == 0, "a mail in that name is not known for it"
    Reporter.objects.filter(key="rita@example.org").update(trust=-1)
    deliver(report(event("192.0.2.8")), kind="api")
    assert Report.objects.order_by("pk").last().trust == -1


def test_an_authenticated_known_reporter_suffices():
    from tipstaff.reports.models import Reporter

    provider()
    Reporter.objects.create(key="rita@example.org", email="rita@example.org", trust=2, first_seen=NOW, last_seen=NOW)
    draft = report(event(CAROL))
    draft.reporter.authenticated_as = "example.org"
    deliver(draft, kind="smtp")
    assert Case.objects.get().state == "TICKETED"
    assert Reporter.objects.get().authenticated_as == "example.org"


@pytest.mark.parametrize("held", [False, True])
def test_mailed_media_of_a_sealed_report_are_reduced_to_digests_where_counsel_says_so(monkeypatch, held):
    """A preservation duty on whoever the mail speaks of keeps the mail itself, sealed."""
    import hashlib

    from tipstaff.evidence.models import Blob, Hold
    from tipstaff.evidence.services import read_many
    from tipstaff.pipeline import context as contexts
    from tipstaff.policy.switches import MailedMedia

    provider()
    known = contexts.load(NOW)
    number, edition = known.editions.at("", NOW)
    object.__setattr__(edition.switches, "mailed_media", MailedMedia.DIGEST_ONLY)
    placeholder = b"a harmless placeholder, not an image"
    mail = (
        b"From: hotline@example.org\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nletter\r\n--b\r\nContent-Type: image/png; name=x.png\r\n\r\n"
        + placeholder
        + b"\r\n--b--\r\n"
    )
    try:
        row = submission(mail)
        first = row.blob
        parsed = Parsed(
            submission=row.pk,
            received_at=NOW,
            source="desk",
            sha256="0",
            drafts=[report(sealed=True, category="csam")],
            kind="smtp",
        )
        if held:
            hold_what_is_filed(monkeypatch)
        batch.commit([parsed], known, NOW)
    finally:
        object.__setattr__(edition.switches, "mailed_media", MailedMedia.SEALED_ENCRYPTED)
    first.refresh_from_db()
    row.refresh_from_db()
    if held:
        assert (row.blob_id, first.evidence_class, first.retain_until) == (first.pk, "sealed", None)
        assert first.wrapped_key is not None and Blob.objects.count() == 1
        return
    assert first.wrapped_key is None and first.evidence_class == "sealed"
    kept = b"".join(content for _, content in read_many(blobs=[row.blob], actor="test", now=NOW))
    assert placeholder not in kept and hashlib.sha256(placeholder).hexdigest().encode() in kept and b"letter" in kept
    assert row.blob.evidence_class == "sealed" and not Hold.objects.exists() and Blob.objects.count() == 2


def hold_what_is_filed(monkeypatch):
    """Somebody's hold on the report stands when its evidence is about to be reduced."""
    from tipstaff.evidence.services import place_hold
    from tipstaff.pipeline import sealed
    from tipstaff.reports.models import Report

    reduce = sealed._reduce

    def held_first(filed, now):
        place_hold(scope=f"report:{Report.objects.get(submission=filed.pk).pk}", reason="court order", by="bob", now=now)
        reduce(filed, now)

    monkeypatch.setattr(sealed, "_reduce", held_first)


def again(row, *drafts, now=NOW):
    parsed = Parsed(submission=row.pk, received_at=row.received_at, source="desk", sha256="0", drafts=list(drafts), kind="api")
    from tipstaff.pipeline import context as contexts

    return batch.commit([parsed], contexts.load(now), now)


def test_reading_a_submission_again_changes_nothing():
    provider()
    row = submission()
    again(row, report(event(CAROL), event(DAVE)))
    before = list(Event.objects.order_by("key").values())
    outcome = again(row, report(event(CAROL), event(DAVE)), now=NOW + timedelta(hours=1))
    assert outcome.events == 0
    assert list(Event.objects.order_by("key").values()) == before
    filed = Report.objects.get()
    assert (filed.revision, filed.events) == (1, 2)


def test_a_better_reading_takes_back_what_the_first_one_said():
    provider()
    row = submission()
    again(row, report(event(CAROL)), report(event(DAVE)))
    again(row, report(event("192.0.2.8")), now=NOW + timedelta(hours=1))
    assert [str(e.ip) for e in Event.objects.all()] == ["192.0.2.8"]
    assert Report.objects.get(ordinal=1).state == "withdrawn"
    dave = Case.objects.get(customer__name="Dave")
    assert dave.events == 0 and dave.journal.filter(text__contains="taken back").exists()


def test_a_report_of_unknown_kind_goes_to_a_person():
    provider()
    deliver(report(event(CAROL), category=None, category_from=None))
    row = Submission.objects.get()
    assert (row.state, row.reason) == ("needs_person", "its kind is not known")
    assert Event.objects.get().case_id is None and not Case.objects.exists()


def test_held_events_wait_until_somebody_releases_them():
    from tipstaff.audit.models import Entry
    from tipstaff.pipeline import context as contexts
    from tipstaff.pipeline import held

    provider()
    rule("hold", category=["phishing"])
    deliver(report(event(CAROL), event(CAROL, at=NOW - timedelta(hours=1))))
    assert not Case.objects.exists()
    (row,) = held.waiting()
    assert (row.category, row.events) == ("phishing", 2)
    known = contexts.load(NOW)
    colleagues(alice="analyst", amir="auditor")
    for stranger in ("amir", "nobody", "contact:1"):
        with pytest.raises(Refused):
            held.release(customer=row.customer, category="phishing", context=known, by=stranger, now=NOW)
    assert held.release(customer=row.customer, category="phishing", context=known, by="alice", now=NOW) == 2
    assert held.release(customer=row.customer, category="phishing", context=known, by="alice", now=NOW) == 0
    case = Case.objects.get()
    assert case.events == 2 and set(Event.objects.values_list("case_id", "action")) == {(case.pk, 0)}
    assert Entry.objects.filter(action="reports.release", actor="alice").count() == 1


def test_held_events_can_be_set_aside_with_a_reason():
    from tipstaff.pipeline import held

    provider()
    rule("hold", category=["phishing"])
    deliver(report(event(CAROL)))
    (row,) = held.waiting()
    colleagues(alice="analyst", amir="auditor")
    with pytest.raises(Refused):
        held.set_aside(customer=row.customer, category="phishing", by="amir", reason="a drill", now=NOW)
    assert held.set_aside(customer=row.customer, category="phishing", by="alice", reason="a drill", now=NOW) == 1
    assert not held.waiting() and not Case.objects.exists()
