"""Two more paths of section O under both packs: what must go unseen, and what a reseller hands on to its client."""

import pytest

from tests.cases.resolving import HOUR, PACKS, Desk
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import figures, forwarding, resolution, services, setting_apart, statements
from tipstaff.cases.access import set_apart, visible_to
from tipstaff.cases.models import Approval, Case, Clock, Measure, Notice, Proof, Strike
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.access import grant
from tipstaff.evidence.models import Blob, Hold
from tipstaff.kernel.errors import InputError, NotFound, Refused

pytestmark = pytest.mark.django_db
WILL, MAY = PACKS
both = pytest.mark.parametrize("pack", PACKS)


def see(name: str, number: int) -> bool:
    return visible_to(StaffMember.objects.get(username=name)).filter(pk=number).exists()


@both
def test_illegal_imagery_goes_unseen_to_two_named_roles_without_a_word_to_the_customer(pack: str) -> None:
    desk = Desk(pack, told=False)
    StaffMember.objects.create(username="lia", roles=["liaison"])
    letter = OutboxMessage.objects.create(
        reference=f"case:{desk.number}", audience="customer", kind="notice", recipient="a@carol.example", subject="ticket", body="",
        created_at=desk.now, not_before=desk.now,
    )  # fmt: skip
    blob = Blob.objects.get(submission__reports__in=desk.case.case_reports.values("report_id"))
    assert grant(blob=blob, actor="alice", basis="case") and see("alice", desk.number)
    with pytest.raises(InputError, match="reason"):
        desk.on(setting_apart.seal, reason=" ")
    desk.on(setting_apart.seal, reason="imagery of a child", by="alice")

    assert desk.state == "RESTRICTED_CASE" and not Clock.objects.filter(case=desk.number, fired_at=None, cancelled_at=None).exists()
    assert [see(name, desk.number) for name in ("alice", "bob", "colin")] == [False, False, True]
    assert [row.case_id for name in ("colin", "lia") for row in set_apart(StaffMember.objects.get(username=name))] == [
        desk.number
    ] * 2
    with pytest.raises(Refused):
        set_apart(StaffMember.objects.get(username="bob"))
    letter.refresh_from_db()
    assert letter.state == "withdrawn"
    assert not Notice.objects.filter(case=desk.number, audience__in=("customer", "reseller"), refused="", rendered_at=None).exists()
    blob.refresh_from_db()
    with pytest.raises(Refused, match="sealed"):
        grant(blob=blob, actor="colin", basis="case")
    assert Hold.objects.get(released_at=None).scope == f"case:{desk.number}" and blob.retain_until is None
    assert Entry.objects.filter(action="case.sealed", actor="alice", subject=f"case:{desk.number}").count() == 1
    desk.wait(100 * HOUR)
    assert desk.state == "RESTRICTED_CASE" and not Measure.objects.exists() and not Proof.objects.exists()
    before = Notice.objects.filter(audience="customer").count()
    desk.on(resolution.accept_fix, reason="taken down, told to the hotline", by="colin")
    assert desk.state == "RESOLVED" and Notice.objects.filter(audience="customer").count() == before and not Strike.objects.exists()
    assert [see(name, desk.number) for name in ("alice", "bob", "colin")] == [False, False, True], "dealt with, and still apart"
    desk.do(services.open_by_hand, customer=desk.customer.pk, category="spam", headline="a call", description="said", by="alice")
    assert Case.objects.filter(customer=desk.customer).count() == 2 and not figures.repeat_offenders(now=desk.now)


def test_what_was_set_apart_and_proved_to_be_no_breach_is_a_case_like_any_other_again() -> None:
    desk = Desk(WILL, told=False)
    desk.on(setting_apart.seal, reason="imagery of a child", by="alice")
    assert not see("alice", desk.number)
    desk.on(resolution.leave_intact, reason="a medical photograph, adults", by="colin")
    assert desk.state == "CLOSED_COMPLIANT" and see("alice", desk.number)


@both
def test_that_a_case_stays_apart_takes_a_second_person_of_the_sealed_queue(pack: str) -> None:
    desk = Desk(pack, told=False)
    StaffMember.objects.create(username="lia", roles=["liaison"])
    with pytest.raises(NotFound):
        setting_apart.agree(ruling=0, by="lia", now=desk.now)
    desk.on(setting_apart.seal, reason="imagery of a child", by="colin")
    ruling = set_apart(StaffMember.objects.get(username="lia")).get()
    for by in ("alice", "bob", "colin", "system:clock", "nobody"):
        with pytest.raises(Refused):
            setting_apart.agree(ruling=ruling.pk, by=by, now=desk.now)
    with pytest.raises(NotFound):
        resolution.agree(ruling=ruling.pk, by="alice", now=desk.now)
    setting_apart.agree(ruling=ruling.pk, reference=" A-2026-17 ", by="lia", now=desk.now)
    ruling.refresh_from_db()
    assert (ruling.by, ruling.second_by, ruling.second_at) == ("colin", "lia", desk.now)
    assert "reported to the authority as A-2026-17" in desk.case.journal.filter(kind="ruling").latest("pk").text
    assert Entry.objects.filter(action="case.sealed_agreed", actor="lia", subject=f"case:{desk.number}").count() == 1
    with pytest.raises(Refused, match="already"):
        setting_apart.agree(ruling=ruling.pk, by="lia", now=desk.now)


@both
def test_what_another_case_rests_on_too_stays_open_there(pack: str) -> None:
    desk = Desk(pack)
    other = services.open_by_hand(
        customer=desk.customer.pk, service=None, category="scan", headline="192.0.2.7", description="seen beside it", by="alice",
        now=desk.now,
    )  # fmt: skip
    shared = desk.case.case_reports.get()
    other.case_reports.create(report_id=shared.report_id, reporter_id=shared.reporter_id, events=1, at=desk.now)
    desk.on(setting_apart.seal, reason="a threat to a life")
    assert desk.state == "RESTRICTED_CASE" and Blob.objects.exclude(evidence_class="sealed").exists()
    assert "stays open there" in desk.case.journal.get(kind="evidence").text


@both
def test_a_client_has_its_own_time_inside_the_resellers_who_stays_liable(pack: str) -> None:
    desk = Desk(pack)
    child = desk.on(forwarding.forward_to_client, by=desk.carol, name="client 7", email="it@client.example")
    parent = desk.case
    assert child.parent_id == parent.pk and child.resolve_due_at < parent.resolve_due_at
    assert (child.ack_due_at is None) is (pack == MAY), "an acknowledgement is timed only where the policy asks for one"
    assert child.ack_due_at is None or child.ack_due_at <= child.resolve_due_at
    said = desk.do(statements.claim_fix, case=child.pk, by=f"contact:{child.customer.contacts.get().pk}", text="gone")
    assert said and Case.objects.get(pk=child.pk).state == "FIX_CLAIMED" and desk.state == "TICKETED"
    desk.wait(25 * HOUR)
    asked = Approval.objects.filter(case=parent.pk, requested_by="system:clock").exists()
    assert asked is (pack == WILL) and (desk.state == "DISCONNECT_PENDING") is (pack == WILL)
    assert pack == WILL or "leaves the next step to a person" in desk.case.needs_person


@both
def test_what_was_handed_on_is_set_apart_with_it(pack: str) -> None:
    desk = Desk(pack)
    child = desk.on(forwarding.forward_to_client, by=desk.carol, name="client 7", email="it@client.example")
    desk.on(setting_apart.seal, reason="imagery of a child")
    child.refresh_from_db()
    assert (desk.state, child.state) == ("RESTRICTED_CASE", "RESTRICTED_CASE")
    assert {hold.scope for hold in Hold.objects.all()} == {f"case:{desk.number}", f"case:{child.pk}"}
