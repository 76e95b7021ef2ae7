"""What a policy wants to be known before a decision is asked for, refused by name without it, and given as a person gives it."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, PACKS, Desk
from tipstaff.cases import asked_for, measures, resolution, restriction, services, stating, termination
from tipstaff.cases.models import Approval, Measure, Strike
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.policy import loading
from tipstaff.policy.edition import Handling

pytestmark = pytest.mark.django_db
WILL, MAY = PACKS
both = pytest.mark.parametrize("pack", PACKS)
BLOCK = {"kind": "block", "scope": "machine", "target": "192.0.2.7"}
DEFAULT = loading.load_packaged("default")


@both
def test_a_restriction_without_the_facts_is_refused_by_their_names_and_open_with_them(pack):
    desk = Desk(pack, said=False).wait(25 * HOUR)
    if pack == WILL:
        row = Approval.objects.get(case=desk.number)
        with pytest.raises(Refused, match=r"Who acted; Fault.*State it with this step"):
            desk.do(restriction.approve, approval=row.pk, by="amy")
    else:
        with pytest.raises(Refused, match=r"Who acted; Fault.*State it with this step"):
            desk.on(restriction.propose, reason="it goes on", **BLOCK)
    assert not Measure.objects.exists()
    desk.on(services.set_facts, facts={"actor": "customer", "fault": "negligent"})
    if pack == MAY:
        row = desk.on(restriction.propose, reason="it goes on", **BLOCK)
    desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.wait(13 * HOUR)
    assert Measure.objects.get().target


@both
def test_a_breach_is_not_found_without_the_facts(pack):
    desk = Desk(pack, "other", said=False)
    ruling = desk.on(resolution.judge_other, reason="it harms the neighbours", by="alice")
    with pytest.raises(Refused, match="Who acted"):
        desk.do(resolution.agree, ruling=ruling.pk, by="amy")
    desk.say()
    assert desk.do(resolution.agree, ruling=ruling.pk, by="amy").second_by == "amy"


def test_a_rejected_dispute_takes_them_and_an_upheld_one_does_not():
    from tipstaff.cases import statements

    desk = Desk(WILL, said=False)
    desk.on(statements.dispute, text="not ours", by=desk.carol)
    with pytest.raises(Refused, match="Fault"):
        desk.on(resolution.decide_dispute, decision="rejected", reason="it is", by="amy")
    desk.on(resolution.decide_dispute, decision="upheld", reason="it was not", by="amy")
    assert desk.state == "CLOSED_FALSE"


def test_an_end_without_notice_waits_for_them_as_well():
    desk = Desk(WILL, said=False)
    with pytest.raises(Refused, match="Who acted"):
        desk.on(termination.immediate, reason="forged", by="bob")
    desk.say()
    assert desk.on(termination.immediate, reason="forged", by="bob").pk


def test_a_live_attack_is_blocked_at_once_and_what_is_asked_for_is_owed_in_sight_afterwards():
    desk = Desk(WILL, "ddos_origin", ticket=False, told=False, said=False)
    made = desk.on(restriction.emergency, reason="40 Gbit/s out", **BLOCK)
    desk.do(measures.in_force, measure=made.pk, by="system:enforcement")
    owed = desk.case.needs_person
    assert owed.startswith("blocked at once") and "Who acted" in owed and "What the flows show" in owed
    with pytest.raises(Refused, match="What the flows show"):
        desk.do(restriction.confirm_emergency, measure=made.pk, reason="it goes on", by="amy")
    desk.on(services.set_facts, facts={"actor": "end_user", "fault": "intentional"})
    assert "Who acted" not in desk.case.needs_person and "What the flows show" in desk.case.needs_person
    desk.on(stating.state, points={"flow_proof": "300 kpps from the port, source validated"})
    assert desk.case.needs_person == ""
    desk.do(restriction.confirm_emergency, measure=made.pk, reason="it goes on", by="amy")
    assert desk.state == "DISCONNECTED"


def test_what_time_would_do_by_itself_goes_to_a_person_who_can_give_them(monkeypatch):
    content = loading.canonical(loading.load_packaged(WILL))
    content["categories"]["intrusion"]["automatic"] = ["block"]
    edition = loading.from_content(content)
    monkeypatch.setattr(loading, "load_packaged", lambda pack: edition)
    desk = Desk(WILL, said=False).wait(25 * HOUR).wait(13 * HOUR)
    assert desk.state == "DISCONNECT_PENDING" and not Measure.objects.exists()
    assert "Who acted; Fault" in desk.case.needs_person
    desk.say()
    desk.do(restriction.approve, approval=Approval.objects.get(case=desk.number).pk, by="amy")
    assert Measure.objects.get().confirmed_by == "amy"


def test_what_the_edition_presumes_is_given_until_a_person_says_otherwise():
    kind = DEFAULT.categories["open_relay"]
    given = asked_for.facts_of(kind, {})
    assert (given["fault"].value, given["fault"].presumed) == ("negligent", True)
    said = asked_for.facts_of(kind, {"fault": "compromised"})["fault"]
    assert (said.value, said.presumed) == ("compromised", False)
    missing = [one.code for one in asked_for.before_restricting(DEFAULT, "open_relay", {}, ())]
    assert missing == ["actor"]


@pytest.mark.parametrize(("stated", "weight"), [({}, 100), ({"fault": "compromised"}, 50)])
def test_a_presumed_fault_weighs_a_strike_and_a_stated_one_goes_before_it(stated, weight):
    desk = Desk("default", "open_relay", said=False)
    desk.on(services.set_facts, facts=stated)
    desk.on(resolution.accept_fix, reason="closed")
    assert Strike.objects.get().weight == weight


@pytest.mark.parametrize("handling", sorted(asked_for.BEFORE_RESTRICTING))
def test_each_special_handling_asks_before_a_restriction_until_it_is_stated(handling):
    found = [code for code, kind in DEFAULT.categories.items() if handling in kind.handling]
    assert found
    for code in found:
        titles = asked_for.titles(asked_for.before_restricting(DEFAULT, code, {}, ()))
        assert asked_for.BEFORE_RESTRICTING[handling] in titles
        assert asked_for.BEFORE_RESTRICTING[handling] not in asked_for.titles(
            asked_for.before_restricting(DEFAULT, code, {}, {str(handling)})
        )


@pytest.mark.parametrize(("category", "words"), [("compromised", "safeguards"), ("blocklisted", "delisting")])
def test_a_fix_counts_when_what_proves_it_is_on_record(category, words):
    desk = Desk(WILL if category == "compromised" else "default", category, said=False)
    with pytest.raises(Refused, match=words):
        desk.on(resolution.accept_fix, reason="it looks clean")
    handling = Handling.FIX_PLAN if category == "compromised" else Handling.DELISTING_PROOF
    desk.on(stating.state, points={str(handling): "seen on the list's page at noon"})
    desk.on(resolution.accept_fix, reason="it is")
    assert desk.state == "RESOLVED"


def test_the_customers_own_plan_against_a_next_time_is_the_plan_that_is_asked_for():
    from tipstaff.cases import statements

    desk = Desk(WILL, "compromised", said=False)
    desk.on(statements.claim_fix, text="cleaned", by=desk.carol)
    desk.wait(timedelta(days=3))
    assert desk.state == "FIX_CLAIMED" and "safeguards" in desk.case.needs_person
    desk.on(statements.plan, cause="an old plugin", fix="removed", prevention="updates by night", by=desk.carol)
    desk.on(resolution.accept_fix, reason="done")
    assert desk.state == "RESOLVED"


def test_whoever_names_anothers_rule_is_asked_for_it_before_a_ticket_even_where_the_facts_do_not_list_it():
    kind = DEFAULT.categories["third_party_rules"]
    content = loading.canonical(DEFAULT)
    content["categories"]["third_party_rules"]["required_facts"] = []
    loose = loading.from_content(content)
    assert Handling.RULE_LOCATION in kind.handling
    assert [one.code for one in asked_for.before_ticket(loose, "third_party_rules", {})] == ["third_party_rule"]
    assert asked_for.before_ticket(loose, "third_party_rules", {"third_party_rule": "forum.example/rules#3"}) == ()


def test_what_nobody_asks_for_is_not_stated_and_empty_words_state_nothing():
    desk = Desk(WILL, said=False)
    with pytest.raises(InputError, match="nothing that a policy asks for"):
        desk.on(stating.state, points={"colour": "red"})
    assert desk.on(stating.state, points={"flow_proof": "  "}) == []


def test_a_matter_for_termination_goes_there_without_a_restriction_first():
    desk = Desk("default", "billing_fraud")
    row = desk.on(termination.propose, reason="stolen cards", by="bob")
    assert desk.state == "TERMINATION_PENDING" and row.role == "two_persons"
