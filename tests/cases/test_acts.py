"""What people do beside the ladder: hand on, look at content, ask for cooperation, refuse new service, undo, retract."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, PACKS, Desk
from tests.pipeline.given import CAROL, NOW, deliver, event, report
from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases import (
    appeals,
    cooperation,
    extensions,
    forwarding,
    rearranging,
    refusals,
    resolution,
    restriction,
    reviews,
    services,
    statements,
    timing,
    wrong,
)
from tipstaff.cases.models import Approval, Case, CaseReport, Clock, ContentView, Measure, Notice, Proof, Retraction, Strike
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.policy import loading

pytestmark = pytest.mark.django_db
WILL, MAY = PACKS


# ---- handing on


def test_a_reseller_hands_a_case_on_and_the_childs_time_lies_inside_its_own():
    desk = Desk()
    child = desk.on(forwarding.forward_to_client, by=desk.carol, name="client 7", email="it@client.example")
    parent = desk.case
    assert (child.state, child.parent_id, child.customer.parent_id) == ("TICKETED", desk.number, desk.customer.pk)
    assert child.resolve_due_at < parent.resolve_due_at and child.ack_due_at <= child.resolve_due_at
    due = dict(Clock.objects.filter(case=child).values_list("kind", "due_at"))
    assert due["resolve"] == child.resolve_due_at and "remind_resolve_50" in due
    assert "child_opened" in desk.notices() and Notice.objects.filter(case=child, kind="opened").exists()
    assert Clock.objects.filter(case=desk.number, kind="resolve", fired_at=None, cancelled_at=None).exists()  # it stays liable
    with pytest.raises(Refused, match="already"):
        desk.on(forwarding.forward_to_client, by=desk.carol, name="client 7", email="it@client.example")


def test_a_case_is_not_handed_to_somebody_elses_client_nor_by_a_stranger():
    desk = Desk()
    dave = Customer.objects.exclude(pk=desk.customer.pk).order_by("pk").first()
    with pytest.raises(NotFound):
        desk.on(forwarding.forward_to_client, by=desk.carol, client=dave.pk)
    stranger = Contact.objects.create(customer=dave, name="Dave", email="abuse@dave.example")
    with pytest.raises(Refused, match="another customer"):
        desk.on(forwarding.forward_to_client, by=f"contact:{stranger.pk}", name="x", email="x@x.example")
    with pytest.raises(InputError):
        desk.on(forwarding.forward_to_client, by=desk.carol, name="", email="nowhere")
    desk.wait(25 * HOUR)
    with pytest.raises(Refused, match="no time is left"):
        desk.on(forwarding.forward_to_client, by=desk.carol, name="late", email="it@client.example")


def test_nobody_has_us_write_to_any_number_of_addresses(monkeypatch):
    monkeypatch.setattr(forwarding, "MOST", 2)
    desk = Desk()
    for number in range(2):
        desk.on(forwarding.forward_to_client, by=desk.carol, name=f"client {number}", email=f"it@client{number}.example")
    with pytest.raises(Refused, match="within a day"):
        desk.on(forwarding.forward_to_client, by=desk.carol, name="client 3", email="it@client3.example")
    assert Case.objects.filter(parent=desk.number).count() == 2


def test_a_stranger_says_nothing_in_a_case():
    desk = Desk()
    dave = Customer.objects.exclude(pk=desk.customer.pk).order_by("pk").first()
    stranger = f"contact:{Contact.objects.create(customer=dave, name='Dave', email='abuse@dave.example').pk}"
    for service, more in ((statements.acknowledge, {}), (statements.dispute, {"text": "no"}), (statements.claim_fix, {"text": "x"}),
                          (statements.comment, {"text": "x"})):  # fmt: skip
        with pytest.raises(Refused, match="another customer"):
            desk.on(service, by=stranger, **more)
    assert not desk.case.statements.exists() and desk.state == "TICKETED"


@pytest.mark.parametrize("service", [statements.claim_fix, statements.dispute, statements.comment])
def test_an_empty_or_endless_statement_is_refused_with_what_to_do(service):
    desk = Desk()
    for text in ("", "  ", "x" * 20_001):
        with pytest.raises(InputError):
            desk.on(service, by=desk.carol, text=text)


# ---- content


def test_content_is_looked_at_only_because_of_a_report_by_its_reviewer_for_its_time():
    desk = Desk(WILL)
    number = CaseReport.objects.get(case=desk.number).report_id
    with pytest.raises(NotFound):
        desk.on(reviews.open_review, reason="see", scope="/var/www", report=999)
    review = desk.on(reviews.open_review, reason="the report names a page", scope="the page", report=number, hours=2)
    desk.do(reviews.look, review=review.pk, what="https://carol.example/kit")
    with pytest.raises(Refused, match="alice"):
        desk.do(reviews.look, review=review.pk, what="more", by="bob")
    desk.now += 3 * HOUR
    with pytest.raises(Refused, match="time of this review"):
        desk.do(reviews.look, review=review.pk, what="more")
    view = ContentView.objects.get()
    assert (view.by, view.what) == ("alice", "https://carol.example/kit")
    from tipstaff.audit.models import Entry

    assert Entry.objects.filter(action="content.view").count() == 1


def test_own_initiative_is_a_leads_and_only_where_the_policy_allows_it():
    allowed = Desk(WILL)
    with pytest.raises(Refused, match="lead"):
        allowed.on(reviews.open_review, reason="a hunch", scope="the site")
    row = allowed.on(reviews.open_review, reason="a pattern over ten hosts", scope="the site", by="bob")
    assert row.report_id is None and allowed.case.journal.get(kind="review").detail["own_initiative"] is True


def test_own_initiative_is_refused_where_the_policy_has_none():
    with pytest.raises(Refused, match="no review of content"):
        Desk(MAY).on(reviews.open_review, reason="a hunch", scope="the site", by="bob")


# ---- cooperation


def test_cooperation_is_asked_for_with_a_due_time_and_a_person_looks_when_it_passes():
    desk = Desk(told=True)
    first = desk.on(cooperation.ask, text="the access log of Monday", due_at=desk.now + 5 * HOUR)
    second = desk.on(cooperation.ask, text="and of Tuesday", due_at=desk.now + 8 * HOUR)
    desk.do(cooperation.answer, cooperation=first.pk, text="attached", by=desk.carol)
    desk.wait(7 * HOUR)
    assert not desk.case.needs_person
    desk.wait(2 * HOUR)
    assert "has not answered" in desk.case.needs_person and desk.notices().count("cooperation") == 2
    desk.do(cooperation.answer, cooperation=second.pk, text="late, sorry", by=desk.carol)
    with pytest.raises(Refused):
        desk.do(cooperation.answer, cooperation=second.pk, text="again", by=desk.carol)


# ---- refusing new service


def test_a_new_order_of_a_terminated_party_is_caught_without_naming_it():
    desk = Desk()
    row = refusals.enter(case=desk.case, reason_code="fraud_site", by="bob", now=NOW)
    assert not any("carol" in one for one in row.identities)
    assert refusals.screen(identities=["  ABUSE@carol.example "], now=NOW) == [row]
    assert refusals.screen(identities=["dave@dave.example", ""], now=NOW) == []
    assert refusals.screen(identities=["abuse@carol.example"], now=NOW + timedelta(days=800)) == []
    with pytest.raises(Refused, match="lead"):
        refusals.lift(refusal=row.pk, note="appeal", by="alice", now=NOW)
    refusals.lift(refusal=row.pk, note="won the appeal", by="bob", now=NOW)
    assert refusals.screen(identities=["abuse@carol.example"], now=NOW) == []


# ---- undoing


def test_a_closing_is_undone_with_its_clocks_strike_and_untold_notices():
    desk = Desk()
    running = set(Clock.objects.filter(case=desk.number, cancelled_at=None, fired_at=None).values_list("kind", "due_at"))
    desk.on(services.close, outcome="RESOLVED", reason="done")
    assert Strike.objects.filter(removed_at=None).exists()
    assert not Clock.objects.filter(case=desk.number, cancelled_at=None, fired_at=None).exists()
    waiting = Notice.objects.filter(case=desk.number, kind="resolved", refused="")
    assert waiting.exists() and all(row.not_before > desk.now for row in waiting)
    desk.on(services.reopen)
    assert desk.state == "TICKETED" and desk.case.closed_at is None and not waiting.all().exists()
    assert not Strike.objects.filter(removed_at=None).exists()
    assert set(Clock.objects.filter(case=desk.number, cancelled_at=None, fired_at=None).values_list("kind", "due_at")) == running


def test_a_closing_is_not_undone_once_somebody_was_told():
    desk = Desk()
    desk.on(services.close, outcome="RESOLVED", reason="done")
    Notice.objects.filter(case=desk.number, kind="resolved").update(rendered_at=desk.now)
    with pytest.raises(Refused, match="told already"):
        desk.on(services.reopen)


def test_what_is_restricted_is_neither_closed_as_absent_nor_as_a_duplicate():
    desk = Desk(category="ddos_origin")
    desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="flood")
    for outcome in ("CLOSED_ABSENT", "CLOSED_DUPLICATE"):
        with pytest.raises(Refused, match="restriction stands"):
            desk.on(services.close, outcome=outcome, reason="gone")


# ---- when we were wrong


def test_events_that_belonged_to_somebody_else_take_the_accusation_back():
    desk = Desk()
    Measure.objects.create(case=desk.case, kind="block", scope="machine", target=CAROL, clause="4.5", reason="x",
         decided_by="system:clock",
                           decided_at=NOW, state="in_force", in_force_at=NOW)  # fmt: skip
    Strike.objects.create(customer=desk.customer, case=desk.case, weight=100, at=NOW)
    deliver(report(event("198.51.100.9"), category="intrusion", category_from="keyword x (en)"), kind="smtp")
    other = type(desk.case).objects.exclude(pk=desk.number).get()
    from tipstaff.reports.models import Event

    keys = list(Event.objects.filter(case_id=desk.number).values_list("key", flat=True))
    rearranging.move(event_keys=keys, to=other.pk, by="bob", now=desk.now, reason="the ledger was wrong")
    measure = Measure.objects.get()
    assert measure.state == "lifting" and measure.overturned_at and Strike.objects.get().removed_at
    retraction = Retraction.objects.get(case=desk.number)
    assert retraction.audience == "customer" and "notice" in retraction.told
    desk.do(wrong.decide, retraction=retraction.pk, decision="sent")
    assert desk.notices()[-1] == "retraction"
    with pytest.raises(Refused, match="sent by alice"):
        desk.do(wrong.decide, retraction=retraction.pk, decision="dropped")


def test_a_restored_case_in_probation_that_is_seen_again_is_a_repeat():
    desk = Desk(WILL)
    type(desk.case).objects.filter(pk=desk.number).update(state="RECONNECTED")
    Measure.objects.create(case=desk.case, kind="block", scope="machine", target=CAROL, clause="4.5", reason="x", decided_by="bob",
                           decided_at=NOW, state="lifted", lifted_at=desk.now)  # fmt: skip
    desk.now += 2 * HOUR
    deliver(report(event(CAROL, at=NOW - HOUR), category="intrusion", category_from="keyword intrusion (en)"), kind="smtp",
            now=desk.now)  # fmt: skip
    assert not desk.wait(timedelta(seconds=2)).case.needs_person  # that was before the service came back
    deliver(report(event(CAROL, at=desk.now - HOUR), category="intrusion", category_from="keyword intrusion (en)"), kind="smtp",
            now=desk.now)  # fmt: skip
    desk.wait(timedelta(seconds=2))
    assert desk.state == "DISCONNECT_PENDING" and Proof.objects.get().trigger == "repeated"


# ---- times


def test_a_time_is_not_moved_into_the_past_nor_without_a_reason():
    desk = Desk()
    with pytest.raises(InputError, match="reason"):
        desk.on(timing.change, resolve_due=desk.now + HOUR, reason=" ")
    with pytest.raises(InputError, match="past"):
        desk.on(timing.change, resolve_due=desk.now - HOUR, reason="hurry")
    desk.on(timing.change, resolve_due=desk.now + 2 * HOUR, reason="it spreads")
    case = desk.case
    assert case.ack_due_at == case.resolve_due_at == case.next_due_at and case.clock_changes.get().change == "shorten"
    desk.wait(3 * HOUR)
    assert desk.state == "DISCONNECT_PENDING"


def test_an_answer_after_the_time_was_over_waits_for_a_person_who_may_give_more():
    desk = Desk(MAY)
    desk.wait(desk.case.resolve_due_at - desk.now + HOUR)
    assert desk.state == "TICKETED" and desk.case.needs_person
    over = desk.case.resolve_due_at
    desk.on(statements.plan, by=desk.carol, cause="An old plugin.", fix="It goes.", promised_at=desk.now + 5 * HOUR)
    assert desk.state == "ACKNOWLEDGED" and "when the time was over" in desk.case.needs_person
    assert desk.case.next_due_at == over and desk.case.waiting_on == "us", "it stays among what is past due"
    desk.on(timing.change, resolve_due=desk.now + 6 * HOUR, reason="the plan is good")
    case = desk.case
    assert (case.needs_person, case.waiting_on) == ("", "customer") and case.next_due_at == case.resolve_due_at > desk.now
    with pytest.raises(Refused, match="still runs"):
        desk.on(restriction.propose, kind="block", scope="machine", target=CAROL, reason="it was late", by="alice")
    assert [change.old_due_at for change in case.clock_changes.all()] == [over] and "due_changed" in desk.notices()
    desk.wait(7 * HOUR)
    assert "not solved" in desk.case.needs_person and Proof.objects.filter(case=case, trigger="inadequate").exists()


def test_an_extension_asked_for_too_late_can_be_granted_and_is_not_forgotten():
    desk = Desk(MAY)
    desk.wait(desk.case.resolve_due_at - desk.now + HOUR)
    asked = desk.on(statements.ask_extension, by=desk.carol, until=desk.now + 9 * HOUR, reason="the shop is large")
    desk.on(timing.change, resolve_due=desk.now + 3 * HOUR, reason="meanwhile")
    assert desk.case.needs_person == "the customer asks for more time", "that waits for its answer still"
    desk.do(extensions.grant, statement=asked.pk, by="bob")
    assert (desk.case.needs_person, desk.case.resolve_due_at) == ("", asked.promised_at)


def test_no_time_is_given_anew_where_something_followed():
    desk = Desk(WILL)
    desk.wait(desk.case.resolve_due_at - desk.now + HOUR)
    assert desk.state == "DISCONNECT_PENDING"
    with pytest.raises(Refused, match="no time to resolve runs"):
        desk.on(timing.change, resolve_due=desk.now + HOUR, reason="please")


def test_a_pause_with_an_end_goes_on_by_itself():
    desk = Desk()
    due = desk.case.resolve_due_at
    desk.on(timing.pause, clocks=["resolve", "remind_resolve", "acknowledge"], reason="our outage", until=desk.now + 10 * HOUR)
    desk.wait(11 * HOUR)
    assert abs(desk.case.resolve_due_at - due - 10 * HOUR) < timedelta(seconds=3)
    with pytest.raises(Refused):
        desk.do(timing.resume, pause=desk.case.pauses.get().pk)


def test_a_ruling_needs_a_reason_and_a_role():
    desk = Desk()
    with pytest.raises(InputError, match="reason"):
        desk.on(resolution.leave_intact, reason="  ")
    with pytest.raises(Refused, match="roles"):
        desk.on(resolution.leave_intact, reason="fine", by="nobody")
    with pytest.raises(Refused, match="roles"):
        desk.on(resolution.leave_intact, reason="fine", by=desk.carol)


def test_a_fix_or_dispute_after_the_decision_does_not_hide_that_the_service_is_blocked():
    desk = Desk(WILL).wait(25 * HOUR)
    row = Approval.objects.get(case=desk.number)
    desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.wait(13 * HOUR)
    assert Measure.objects.get().state == "decided"
    desk.on(statements.claim_fix, by=desk.carol, text="just now")
    desk.on(statements.dispute, by=desk.carol, text="and wrong anyway")
    assert desk.state == "DISCONNECT_PENDING"
    desk.enforce()
    assert desk.state == "DISCONNECTED"


def test_what_came_into_force_during_an_appeal_is_known_after_it():
    desk = Desk(WILL).wait(25 * HOUR)
    row = Approval.objects.get(case=desk.number)
    desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.wait(13 * HOUR)
    appeal = desk.on(appeals.file, grounds="no", by=desk.carol)
    desk.enforce()
    assert desk.state == "APPEAL"
    desk.do(appeals.withdraw, appeal=appeal.pk, by=desk.carol)
    assert desk.state == "DISCONNECTED" and "statement_of_reasons" in desk.notices()


def test_a_narrow_measure_that_the_edition_lists_follows_without_a_person(monkeypatch):
    content = loading.canonical(loading.load_packaged(WILL))
    content["categories"]["intrusion"]["automatic"] = ["block"]
    edition = loading.from_content(content)
    monkeypatch.setattr(loading, "load_packaged", lambda pack: edition)
    desk = Desk(WILL)
    desk.wait(25 * HOUR)
    assert desk.state == "DISCONNECT_PENDING" and not Measure.objects.exists()
    desk.wait(13 * HOUR)
    measure = Measure.objects.get()
    assert measure.automatic and measure.decided_by == "system:clock" and measure.scope == "machine"
    desk.enforce()
    assert desk.state == "DISCONNECTED"
