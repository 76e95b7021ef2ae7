"""Special handling that acts by itself: holds, duties to authorities, masked card numbers, who merely received, urgent first."""

from datetime import timedelta

import pytest
from django.test import Client

from tests.cases.resolving import HOUR, Desk
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import authority, keeping, messages, queries, resolution, restriction, services, setting_apart, termination
from tipstaff.cases.access import open_evidence
from tipstaff.cases.models import AuthorityDuty, Case, Clock, Measure, Strike
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.models import Blob, Hold
from tipstaff.faces.desk import nexts, showing
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.policy import loading
from tipstaff.policy import queries as policy
from tipstaff.reports.scrubbing import masked_cards

pytestmark = pytest.mark.django_db
DEFAULT = loading.load_packaged("default")
DAY = timedelta(days=1)


def holds(desk):
    return list(Hold.objects.filter(scope=f"case:{desk.number}", released_at=None).values_list("placed_by", flat=True))


def liaison():
    return StaffMember.objects.create(username="lia", roles=["liaison"])


# ---- holds


def test_what_the_law_wants_kept_is_held_from_the_first_day_and_set_free_when_its_time_and_the_appeals_are_over():
    desk = Desk("default", "terror", ticket=False, told=False)
    assert holds(desk) == [keeping.BY] and "until" in Hold.objects.get().reason
    desk.on(services.classify, category="terror", ticket=False)
    assert holds(desk) == [keeping.BY], "once for a case"
    desk.on(resolution.leave_intact, reason="a newspaper", by="bob")
    assert keeping.release_over(now=desk.now + 183 * DAY) == 0 and holds(desk)
    assert keeping.release_over(now=desk.now + 186 * DAY) == 1 and holds(desk) == []


def test_a_hold_without_an_end_of_its_own_and_a_persons_hold_wait_for_counsel():
    desk = Desk("default", "threat_life", ticket=False, told=False)
    assert holds(desk) == [keeping.BY]
    desk.on(resolution.leave_intact, reason="a joke among friends", by="bob")
    Hold.objects.create(scope="case:999999", reason="a court", placed_by="colin", placed_at=desk.now)
    assert keeping.release_over(now=desk.now + 4000 * DAY) == 0
    assert Hold.objects.filter(released_at=None).count() == 2


def test_a_persons_hold_stands_beside_the_policys_and_in_no_ones_place():
    desk = Desk("default", "intrusion", ticket=False, told=False)
    Hold.objects.create(scope=f"case:{desk.number}", reason="a court", placed_by="colin", placed_at=desk.now)
    desk.on(services.classify, category="terror", ticket=False)
    assert sorted(holds(desk)) == ["colin", keeping.BY]


def test_holds_that_wait_for_counsel_keep_none_behind_them_that_is_over():
    desk = Desk("default", "terror", ticket=False, told=False)
    first = Hold.objects.get().pk
    Hold.objects.update(id=first + 10)
    for number in range(3):
        more = {"reason": "kept", "placed_by": keeping.BY, "placed_at": desk.now}
        Hold.objects.create(pk=first + number, scope=f"case:{900_000 + number}", **more)
    desk.on(resolution.leave_intact, reason="a newspaper", by="bob")
    assert keeping.release_over(now=desk.now + 186 * DAY, page=2) == 1 and holds(desk) == []


def test_a_case_that_was_merged_into_an_open_one_is_not_over():
    desk = Desk("default", "terror", ticket=False, told=False)
    other = services.open_by_hand(
        customer=desk.customer.pk, service=None, category="intrusion", headline="192.0.2.7", description="the same", by="alice",
        now=desk.now,
    )  # fmt: skip
    Case.objects.filter(pk=desk.number).update(merged_into=other.pk, closed_at=desk.now)
    assert keeping.release_over(now=desk.now + 400 * DAY) == 0
    Case.objects.filter(pk=other.pk).update(closed_at=desk.now)
    assert keeping.release_over(now=desk.now + 400 * DAY) == 1


def test_a_case_that_becomes_such_a_case_is_held_then():
    desk = Desk("default", "intrusion", ticket=False, told=False)
    assert holds(desk) == []
    desk.on(services.classify, category="terror", ticket=False)
    assert holds(desk) == [keeping.BY] and AuthorityDuty.objects.get().case_id == desk.number


def test_evidence_is_kept_before_a_service_is_cut():
    desk = Desk("default", "c2", ticket=False, told=False)
    assert holds(desk) == []
    desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="it steers others")
    assert holds(desk) == [keeping.BY] and Hold.objects.get().reason == keeping.SNAPSHOT


# ---- authorities


def test_a_report_is_owed_with_a_time_until_somebody_says_its_number():
    desk, lia = Desk("default", "threat_life", ticket=False, told=False), liaison()
    row = AuthorityDuty.objects.get()
    assert (row.case_id, row.kind, row.due_at - row.owed_at) == (desk.number, "report", DEFAULT.categories["threat_life"].desk)
    assert list(authority.owed_to(lia)) == [row]
    words = {"duty": row.pk, "authority": "the police of X", "reference": "", "reason": "", "by": "lia", "now": desk.now}
    with pytest.raises(InputError, match="number that it gave"):
        authority.settle(outcome="made", **words)
    with pytest.raises(Refused):
        authority.settle(outcome="made", **{**words, "reference": "7/26", "by": "alice"})
    settled = authority.settle(outcome="made", **{**words, "reference": "7/26"})
    assert (settled.reference, settled.settled_by) == ("7/26", "lia") and not authority.owed_to(lia).exists()
    assert "7/26" in desk.case.journal.filter(kind="authority").get().text
    with pytest.raises(NotFound):
        authority.settle(outcome="made", **{**words, "reference": "8/26"})


def test_that_nothing_is_owed_takes_a_reason():
    desk = Desk("default", "terror", ticket=False, told=False)
    words = {"duty": AuthorityDuty.objects.get().pk, "authority": "", "reference": "", "by": "bob", "now": desk.now}
    with pytest.raises(InputError, match="why nothing is owed"):
        authority.settle(outcome="not_owed", reason=" ", **words)
    assert authority.settle(outcome="not_owed", reason="they sent it to us themselves", **words).outcome == "not_owed"


def test_an_order_of_an_authority_is_followed_in_the_editions_time():
    desk = Desk("default", "terror", ticket=False, told=False)
    row = desk.on(authority.ordered, authority="the office of X", reference="R 5", by="bob")
    assert row.due_at - row.owed_at == timedelta(hours=1) == DEFAULT.categories["terror"].authority_order
    assert desk.case.needs_person.startswith("an authority") and desk.case.next_due_at <= row.due_at
    with pytest.raises(Refused):
        desk.on(authority.ordered, authority="the office of X", reference="R 6", by="alice")
    with pytest.raises(InputError, match="say who gave it"):
        desk.on(authority.ordered, authority="", reference="R 6", by="bob")


def test_what_is_set_apart_is_owed_before_the_two_roles_alone():
    desk, lia = Desk("default", "threat_life", ticket=False, told=False), liaison()
    desk.on(setting_apart.seal, reason="a life", by="colin")
    assert authority.owed_to(lia).exists()
    bob = StaffMember.objects.get(username="bob")
    assert not authority.owed_to(bob).exists()
    desk.on(resolution.accept_fix, reason="told to the hotline", by="colin")
    assert desk.state == "RESOLVED" and authority.owed_to(lia).exists() and not authority.owed_to(bob).exists()
    assert queries.customer_line(desk.customer.pk, now=desk.now)["recent"] == 0
    assert queries.by_customer([desk.customer.pk]) == {}
    blob = Blob.objects.get(submission__reports__in=desk.case.case_reports.values("report_id"))
    with pytest.raises(Refused, match="restricted"):
        open_evidence(StaffMember.objects.get(username="colin"), desk.case, blob)


def test_home_the_case_and_the_sealed_queue_show_it_and_take_the_answer():
    desk, lia = Desk("default", "threat_life", ticket=False, told=False), liaison()
    row = AuthorityDuty.objects.get()
    bob, out = Client(), Client()
    bob.force_login(StaffMember.objects.get(username="bob"))
    out.force_login(lia)
    with clock.frozen(desk.now):
        for client, address in ((bob, "/"), (bob, f"/cases/{desk.number}/"), (out, "/sealed/")):
            assert "Owed to authorities" in client.get(address).content.decode(), address
        said = {"outcome": "made", "authority": "the police of X", "reference": "7/26", "sealed": "1"}
        answer = out.post(f"/authority/{row.pk}/", said)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/sealed/")
        assert "Owed to authorities" not in bob.get("/").content.decode()


# ---- card numbers


CARD, OTHER = "4111 1111 1111 1111", "4111 1111 1111 1112"


def test_card_numbers_that_pass_the_check_are_masked_and_nothing_else():
    assert masked_cards(f"paid with {CARD}, order {OTHER}") == f"paid with [card number ending 1111], order {OTHER}"


def test_where_the_policy_wants_it_they_are_masked_for_us_and_in_what_we_write():
    kind = DEFAULT.categories["billing_fraud"]
    assert showing.masked(CARD, kind) == "[card number ending 1111]" and showing.masked(CARD, DEFAULT.categories["spam"]) == CARD
    desk = Desk("default", "billing_fraud")
    desk.on(messages.write, audience="customer", text=f"You paid with {CARD}.")
    sent = OutboxMessage.objects.order_by("-pk").first()
    assert "ending 1111" in sent.body and CARD not in sent.body and CARD not in desk.case.journal.filter(kind="mail").get().text


# ---- what leaves, what is urgent, who received


def test_a_sample_of_malware_does_not_leave_by_the_browser():
    desk = Desk("default", "malware")
    report = desk.case.case_reports.get().report_id
    client = Client()
    client.force_login(StaffMember.objects.get(username="alice"))
    with clock.frozen(desk.now):
        answer = client.get(f"/cases/{desk.number}/evidence/{report}/")
    assert answer.status_code == 409 and "does not leave by the browser" in answer.content.decode()


def test_an_emergency_alerts_whatever_its_severity():
    desk = Desk("default", "intrusion", ticket=False, told=False)
    assert not Clock.objects.filter(case=desk.number, kind="alert").exists()
    made = desk.do(services.open_by_hand, customer=desk.customer.pk, category="threat_life", headline="a call", description="said")
    Clock.objects.filter(case=made).delete()
    Case.objects.filter(pk=made.pk).update(severity="low")
    from tipstaff.cases import openings

    openings.alert_at_once(Case.objects.get(pk=made.pk), desk.now)
    assert Clock.objects.filter(case=made, kind="alert").exists()


def test_a_live_attack_is_offered_to_be_stopped_before_all_else():
    desk = Desk("default", "ddos_origin")
    case = Case.objects.select_related("customer", "service").get(pk=desk.number)
    called_for, others = nexts.steps(case, policy.compiled(case.edition), "alice", desk.now)
    assert called_for[0].code == "emergency" and "emergency" not in [step.code for step in others]


def test_who_merely_received_is_not_restricted_by_itself_and_struck_never():
    desk = Desk("default", "spam")
    with pytest.raises(InputError, match="'kit' is not in spam"):
        desk.on(services.classify, category="spam", label="kit")
    desk.on(services.classify, category="spam", label="receiver")
    desk.wait(30 * HOUR)
    assert desk.state == "TICKETED" and "merely received" in desk.case.needs_person
    desk.on(resolution.accept_fix, reason="closed")
    assert desk.state == "RESOLVED" and not Strike.objects.exists()


def test_a_policy_that_does_not_speak_of_receivers_restricts_none():
    desk = Desk("managed-services", "spam")
    Case.objects.filter(pk=desk.number).update(label="receiver")
    desk.wait(30 * HOUR)
    with pytest.raises(Refused, match="merely received"):
        desk.on(restriction.propose, kind="port_block", scope="port", target="192.0.2.7 tcp/25", reason="spam", by="bob")
    assert not Measure.objects.exists()


def test_where_times_are_targets_silence_never_restricts_by_itself(monkeypatch):
    content = loading.canonical(loading.load_packaged("dedicated-hosting"))
    content["switches"]["customer_timers"] = "targets"
    edition = loading.from_content(content)
    monkeypatch.setattr(loading, "load_packaged", lambda pack: edition)
    desk = Desk().wait(30 * HOUR)
    assert desk.state == "TICKETED" and "leaves the next step to a person" in desk.case.needs_person


def test_an_end_with_an_order_of_rungs_still_takes_a_restriction_first_in_other_matters():
    desk = Desk("default", "phishing")
    with pytest.raises(Refused, match="only after a restriction"):
        desk.on(termination.propose, reason="a month of fraud", by="bob")
