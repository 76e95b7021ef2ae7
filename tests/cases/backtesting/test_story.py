"""Cases that were lived through, and what a draft of the policy would have made of them."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cases.resolving import HOUR, Desk
from tipstaff.accounts import contracts, staff
from tipstaff.accounts.models import Customer
from tipstaff.cases import resolution, restriction, retests, statements
from tipstaff.cases.backtesting.backtest import as_json, backtest
from tipstaff.cases.backtesting.comparing import Sort
from tipstaff.cases.backtesting.ranks import Ranks
from tipstaff.cases.models import Approval, Retest, Ruling
from tipstaff.faces.cli.backtesting import lines
from tipstaff.policy import loading
from tipstaff.policy.edition import Role
from tipstaff.policy.switches import CustomerTimers

pytestmark = pytest.mark.django_db
WILL, MAY = "dedicated-hosting", "managed-services"


def edition(pack):
    return loading.load_packaged(pack)


def run(desk, draft, **more):
    return backtest(edition=draft, since=desk.now - timedelta(days=60), now=desk.now, **more)


def only(desk, draft):
    result = run(desk, draft)
    assert result.cases == 1
    return result.differences[0] if result.differences else None


def lived(pack, how):
    desk = Desk(pack)
    how(desk)
    return desk


def silent(desk):
    desk.wait(60 * HOUR)


def fixes(desk):
    desk.on(statements.plan, by=desk.carol, cause="a weak password", fix="reset it")
    desk.on(statements.claim_fix, by=desk.carol, text="the password is reset")
    desk.do(retests.record, retest=Retest.objects.get(case=desk.number).pk, outcome="ok", text="nothing seen", by="system:retest")
    desk.wait(72 * HOUR)


def cut_by_people(desk):
    desk.wait(25 * HOUR)
    row = Approval.objects.filter(case=desk.number, what="restrict").first() or desk.on(
        restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="no answer, it goes on"
    )
    desk.do(restriction.approve, approval=row.pk, by="amy")
    desk.wait(13 * HOUR)
    desk.enforce()
    assert desk.state == "DISCONNECTED"
    desk.wait(5 * HOUR)


def restored(desk):
    cut_by_people(desk)
    desk.on(statements.comment, by=desk.carol, text="sorry, we were away")
    desk.on(statements.claim_fix, by=desk.carol, text="installed anew")
    desk.do(retests.record, retest=Retest.objects.get(case=desk.number).pk, outcome="ok", text="nothing", by="system:retest")
    desk.on(restriction.restore, reason="verified", by="bob")
    desk.enforce()
    assert desk.state == "RECONNECTED"
    desk.wait(timedelta(days=40))


def disputed(desk):
    desk.on(statements.dispute, by=desk.carol, text="that was not us")
    desk.on(resolution.decide_dispute, decision="rejected", reason="it was", by="amy")
    desk.wait(12 * HOUR)
    desk.on(resolution.accept_fix, reason="done after all", by="amy")


LIVES = [silent, fixes, cut_by_people, restored, disputed]


@pytest.mark.parametrize(("pack", "how"), [*((WILL, how) for how in LIVES), (MAY, cut_by_people)])
def test_replayed_under_its_own_edition_a_case_comes_out_as_it_did(pack, how):
    desk = lived(pack, how)
    with CaptureQueriesContext(connection) as asked:
        assert only(desk, edition(pack)) is None
    assert not [q["sql"] for q in asked if q["sql"].lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE", "COPY"))]


def changed(pack, category="intrusion", *, timers=None, ladder=None, targets=False, **fields):
    """A draft: the pack with another category, other timers, another ladder; times are targets only where that is said (K11)."""
    found = edition(pack)
    kinds = {**found.categories, category: replace(found.categories[category], **fields)}
    found = replace(found, version="draft", categories=kinds, timers=replace(found.timers, **(timers or {})))
    if ladder:
        clause = found.ladder.steps[-1].clause  # the other pack's numbers are not this one's
        steps = tuple(step if step.clause in found.clauses else replace(step, clause=clause) for step in ladder.steps)
        times = CustomerTimers.TARGETS if targets else CustomerTimers.ACK_AND_RESOLVE
        found = replace(found, ladder=replace(ladder, steps=steps), switches=replace(found.switches, customer_timers=times))
    return replace(found, content_hash=loading.hash_of(loading.canonical(found)))


def test_where_the_draft_says_will_silence_leads_to_a_restriction_that_a_person_would_have_to_approve():
    desk = lived(MAY, silent)
    assert desk.state == "TICKETED" and not Approval.objects.exists()
    found = only(desk, changed(MAY, ladder=edition(WILL).ladder))
    assert Sort.ASKED in found.sorts and Sort.OPEN in found.sorts and Sort.CUT not in found.sorts
    assert found.draft.asked_at and not found.draft.cut_at
    assert "waits for approval" in " ".join(found.open)
    assert any("the policy restricts" in words and "a person decides" in words for words in found.why)
    assert any(words.startswith("the draft: ladder") for words in found.why)
    assert any("customer_timers" in words for words in found.why), "times that were targets are deadlines now"


def test_where_the_drafts_times_stay_targets_its_ladder_alone_changes_nothing_by_silence():
    assert only(lived(MAY, silent), changed(MAY, ladder=edition(WILL).ladder, targets=True)) is None


def test_where_the_draft_lists_the_measure_as_automatic_the_service_would_have_been_cut():
    desk = lived(MAY, silent)
    found = only(desk, changed(MAY, ladder=edition(WILL).ladder, automatic=("block",)))
    assert found.sorts[0] is Sort.CUT and Sort.OPEN not in found.sorts
    assert found.draft.state == "DISCONNECTED" and found.then.state == "TICKETED"
    assert any("automatic" in words for words in found.why)


def test_where_the_draft_says_may_nobody_knows_whether_somebody_would_have_asked():
    desk = lived(WILL, cut_by_people)
    found = only(desk, changed(WILL, ladder=edition(MAY).ladder))
    assert Sort.NOT_ASKED in found.sorts and Sort.OPEN in found.sorts
    assert Sort.SPARED not in found.sorts, "nobody may say that no person would have cut it"
    assert any("amy" in words and "nothing waited for approval" in words for words in found.open)


def test_a_longer_time_spares_who_fixed_it_in_that_time():
    desk = Desk(WILL)
    cut_by_people(desk)
    desk.on(statements.claim_fix, by=desk.carol, text="installed anew")
    desk.wait(timedelta(days=6))
    found = only(desk, changed(WILL, resolve=timedelta(days=10), timers={"quiet_period": timedelta(days=2)}))
    assert found.then.cut_at and not found.draft.cut_at
    assert Sort.DEADLINE in found.sorts and any("10 d to resolve instead of 24 h" in words for words in found.why)
    assert any("amy" in words for words in found.open), "Amy's approval had no place any more, and that is said"


def test_a_shorter_quiet_period_ends_a_case_sooner_and_says_why():
    desk = Desk(WILL)
    desk.on(statements.claim_fix, by=desk.carol, text="reset")
    desk.do(retests.record, retest=Retest.objects.get(case=desk.number).pk, outcome="ok", text="nothing", by="system:retest")
    desk.wait(10 * HOUR)
    found = only(desk, changed(WILL, timers={"quiet_period": 5 * HOUR}))
    assert (found.then.state, found.draft.state) == ("FIX_CLAIMED", "RESOLVED")
    assert Sort.STATE in found.sorts and Sort.STRIKE in found.sorts
    assert "the draft: timers, quiet_period: 48 h → 5 h" in found.why


def test_sooner_and_later_keep_peoples_decisions_at_their_own_time():
    desk = lived(WILL, cut_by_people)
    found = only(desk, changed(WILL, timers={"final_warning": 2 * HOUR}))
    assert found.sorts == (Sort.SOONER,) and found.draft.cut_at < found.then.cut_at
    later = only(desk, changed(WILL, timers={"final_warning": 14 * HOUR}))
    assert later.sorts == (Sort.LATER,)


def test_totals_json_links_and_what_is_left_out(settings):
    settings.PUBLIC_URL = "https://desk.example.net/"
    desk = lived(MAY, silent)
    result = run(desk, changed(MAY, ladder=edition(WILL).ladder, automatic=("block",)))
    told = as_json(result)
    assert told["cases"] == 1 and told["same"] == 0 and told["totals"]["cut"] == 1 and told["totals"]["spared"] == 0
    assert told["differences"][0]["url"] == f"https://desk.example.net/cases/{desk.number}/"
    assert told["against"] == {edition(MAY).name: 1}
    type(desk.case).objects.update(state="RESTRICTED_CASE")
    sealed = run(desk, edition(MAY))
    assert (sealed.cases, sealed.sealed) == (0, 1)


def test_what_was_dealt_with_after_it_had_been_set_apart_is_left_out_too():
    desk = lived(MAY, silent)
    Ruling.objects.create(case=desk.case, kind="sealed", decision="sealed", reason="x", role="lead", by="amy", at=desk.now)
    type(desk.case).objects.update(state="RESOLVED")
    result = run(desk, edition(MAY))
    assert (result.cases, result.sealed, result.differences) == (0, 1, [])


def test_what_the_replay_does_not_reproduce_is_said_and_not_compared():
    desk = lived(WILL, silent)
    type(desk.case).objects.update(state="ACKNOWLEDGED")
    found = only(desk, edition(MAY))
    assert found.sorts == (Sort.UNLIKE,) and "stands at ACKNOWLEDGED" in found.unlike


def test_people_may_decide_what_they_could_decide_then() -> None:
    """Amy, who approved, is no analyst any more, and Otto became one later: neither changes the past."""
    desk = lived(WILL, cut_by_people)
    before = only(desk, edition(WILL))
    for name, roles in (("amy", ["billing"]), ("alice", ["auditor"])):
        staff.change(username=name, roles=roles, by="bob", now=desk.now + HOUR, reason="moved on")
    assert before is None and only(desk, edition(WILL)) is None
    ranks = Ranks()
    assert Role.ANALYST in ranks.at("amy", desk.now) and ranks.at("amy", desk.now + 2 * HOUR) == frozenset()
    staff.change(username="amy", active=False, by="bob", now=desk.now + 3 * HOUR, reason="left")
    staff.change(username="amy", roles=["lead"], active=True, by="bob", now=desk.now + 5 * HOUR, reason="back")
    held = [Role.LEAD in Ranks().at("amy", desk.now + hours * HOUR) for hours in (0, 2, 4, 6)]
    assert held == [False, False, False, True] and Ranks().at("contact:1", desk.now) == frozenset()


def test_what_is_taken_as_it_is_today_is_said() -> None:
    desk = lived(WILL, silent)
    assumed = as_json(run(desk, edition(WILL)))["assumed"]
    assert assumed[1] == "terms of contracts are those in force when a case was opened" and len(assumed) == 2
    Customer.objects.filter(pk=desk.case.customer_id).update(contract={"notice_hours": 96})
    said = next(line for line in lines(run(desk, edition(WILL))) if "contracts" in line)
    assert "roles are those that people held then" in said and "1 of these cases" in said


def test_a_contract_that_was_changed_since_changes_nothing_of_what_was() -> None:
    desk = lived(WILL, silent)
    contracts.change(customer=desk.case.customer_id, terms={"notice_hours": 96}, reason="a rider", by="bob", now=desk.now)
    result = run(desk, edition(WILL))
    assert (result.cases, result.differences, result.own_terms) == (1, [], 0)
