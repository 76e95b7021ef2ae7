"""The case page, and every answer that a customer can give there: by the account and by the link from a mail."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.faces.portal import given
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import cooperation, measures, messages, statements
from tipstaff.cases.lifecycle import RULES
from tipstaff.cases.models import Appeal, Case, Measure, Statement
from tipstaff.cases.states import Event, State
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.models import Opening
from tipstaff.faces.portal import standing
from tipstaff.policy import queries as policy

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
EVENTS = {"acknowledge": Event.ACKNOWLEDGED, "plan": Event.ACKNOWLEDGED, "fix": Event.FIX_STATED, "dispute": Event.DISPUTED,
          "withdraw": Event.APPEAL_WITHDRAWN}  # fmt: skip


@pytest.fixture(params=["account", "link"])
def door(request, world):
    """(browser, where Carol's case begins), both ways in."""
    if request.param == "account":
        return world.signed_in("carol"), f"/my/cases/{world.cases['carol'].pk}/"
    return Client(), world.link("carol")


def restricted(world, **more):
    case = world.cases["carol"]
    return Measure.objects.create(
        case=case, kind="url_block", scope="url", target="http://192.0.2.7/login", clause="3.5",
        reason="It still collected passwords.", state="in_force", decided_by="alicia-needle",
        decided_at=world.now, in_force_at=world.now, **more,
    )  # fmt: skip


def test_acknowledging_is_no_admission_and_moves_the_case(world, door):
    client, base = door
    page = client.get(base).content.decode()
    assert "That is not an admission of anything." in page and f'action="{base}acknowledge/"' in page
    answer = client.post(f"{base}acknowledge/", follow=True)
    assert "that is not an admission" in answer.content.decode()
    assert world.fresh("carol").state == "ACKNOWLEDGED"
    said = Statement.objects.get(case=world.cases["carol"])
    assert (said.kind, said.via, said.author, said.contact) == ("acknowledgement", "portal", "Carol Meyer", world.contacts["carol"])


def test_once_the_time_is_over_the_page_says_so_and_still_takes_the_plan(world, door):
    client, base = door
    over = world.now - timedelta(hours=1)
    assert "Your time for a plan ended on" not in client.get(base).content.decode()
    Case.objects.filter(pk=world.cases["carol"].pk).update(ack_due_at=over, resolve_due_at=over, next_due_at=over)
    page = client.get(base).content.decode()
    assert "Your time for a plan ended on" in page and "You send a plan, or tell us that it is fixed, before" not in page
    assert f'action="{base}plan/"' in page


def test_a_plan_says_cause_fix_prevention_and_by_when_in_the_customers_zone(world, door):
    client, base = door
    empty = client.post(f"{base}plan/", {"cause": "An old plug-in."})
    text = empty.content.decode()
    assert empty.status_code == 422 and "An old plug-in.</textarea>" in text and text.count("Write something here.") == 3
    past = client.post(f"{base}plan/", {"cause": "a", "fix": "b", "prevention": "c", "promised_at": "2020-01-01T10:00"})
    assert "This has passed." in past.content.decode() and not Statement.objects.exists()
    client.post(f"{base}plan/", {"cause": "a", "fix": "b", "prevention": "c", "promised_at": "2031-07-01T10:00"})
    row = Statement.objects.get()
    assert (row.cause, row.fix, row.prevention) == ("a", "b", "c") and row.promised_at.isoformat() == "2031-07-01T08:00:00+00:00"
    assert world.fresh("carol").state == "ACKNOWLEDGED" and world.fresh("carol").promised_at == row.promised_at
    assert "You sent a plan" in client.get(base).content.decode()


@pytest.mark.parametrize(
    "moment", ["soon", "2031-02-30T10:00", "99999-01-01T00:00", "2031-01-01T10:00+99:00", "0001-01-01T00:00", "9999-12-31T23:59"]
)
def test_a_moment_that_is_none_is_said_so(world, moment):
    body = {"cause": "a", "fix": "b", "prevention": "c", "promised_at": moment}
    answer = Client().post(f"{world.link('carol')}plan/", body)
    assert answer.status_code in {302, 422}
    assert Statement.objects.count() == (answer.status_code == 302)


def test_a_fix_an_objection_more_time_and_a_word(world, door):
    client, base = door
    due = world.fresh("carol").resolve_due_at
    client.post(f"{base}acknowledge/")
    client.post(f"{base}extension/", {"until": f"{due + timedelta(days=2):%Y-%m-%dT%H:%M}", "reason": "a part is on its way"})
    client.post(f"{base}comment/", {"text": "Which page exactly?"})
    client.post(f"{base}fix/", {"text": "The page is gone."})
    assert world.fresh("carol").state == "FIX_CLAIMED"
    client.post(f"{base}dispute/", {"text": "It was our own test."})
    assert world.fresh("carol").state == "DISPUTED"
    kinds = ["acknowledgement", "extension", "comment", "fix", "dispute"]
    assert list(Statement.objects.order_by("pk").values_list("kind", flat=True)) == kinds
    page = client.get(base).content.decode()
    for words in (
        "a part is on its way",
        "Which page exactly?",
        "The page is gone.",
        "It was our own test.",
        "looking at it again",
    ):
        assert words in page


def test_an_appeal_against_one_measure_while_its_time_lasts(world, door):
    client, base = door
    measure = restricted(world)
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="DISCONNECTED")
    page = client.get(base).content.decode()
    assert f"{base}appeal/?measure={measure.pk}" in page and "It still collected passwords." in page
    assert client.get(f"{base}appeal/?measure={measure.pk}").status_code == 200
    client.post(f"{base}appeal/", {"grounds": "The page was clean.", "measure": measure.pk})
    row = Appeal.objects.get()
    assert (row.measure_id, row.grounds, row.by) == (measure.pk, "The page was clean.", f"contact:{world.contacts['carol'].pk}")
    after = client.get(base).content.decode()
    assert world.fresh("carol").state == "APPEAL" and "appeal/?measure" not in after and "An appeal is being decided." in after


def test_no_appeal_is_offered_or_taken_after_its_time(world):
    within = policy.compiled(world.cases["carol"].edition).timers.appeal_within
    measure = restricted(world)
    long_ago = world.now - within - timedelta(days=1)
    Measure.objects.update(decided_at=long_ago, in_force_at=long_ago)
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="DISCONNECTED")
    assert "appeal/?measure" not in Client().get(world.link("carol")).content.decode()
    assert Client().get(f"{world.link('carol')}appeal/?measure={measure.pk}").status_code == 409
    link = world.link("carol")
    assert Client().post(f"{link}appeal/", {"grounds": "x", "measure": measure.pk}).status_code == 409
    tried = Entry.objects.get(action="refused.rule")
    assert tried.subject == f"case:{measure.case_id}" and tried.actor.startswith("contact:")
    assert tried.detail == {"method": "portal", "path": "appeal"} and link not in str(vars(tried)), "a link is a key"
    assert not Appeal.objects.exists() and within >= timedelta(days=180) and measures is not None


def test_the_outcome_of_a_closed_case_can_be_appealed(world):
    by = f"contact:{world.contacts['carol'].pk}"
    statements.acknowledge(case=world.cases["carol"].pk, by=by, now=world.now)
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="RESOLVED", outcome="RESOLVED", closed_at=world.now)
    page = Client().get(world.link("carol")).content.decode()
    assert "Appeal against the outcome" in page and "Acknowledge</button>" not in page
    assert Client().post(f"{world.link('carol')}appeal/", {"grounds": "No breach."}).status_code == 302
    assert world.fresh("carol").state == "APPEAL"


def test_forwarding_opens_a_child_inside_ones_own_time(world, door):
    client, base = door
    assert "any name that you use" in client.get(f"{base}forward/").content.decode().lower()
    wrong = client.post(f"{base}forward/", {"name": "Client 7", "email": "nobody", "language": "de"})
    assert wrong.status_code == 422 and not Case.objects.filter(parent=world.cases["carol"]).exists()
    client.post(f"{base}forward/", {"name": "Client 7", "email": "seven@client.example", "language": "de"})
    child = Case.objects.get(parent=world.cases["carol"])
    assert child.resolve_due_at < world.fresh("carol").resolve_due_at and child.customer.name == "Client 7"
    assert "Client 7" in client.get(base).content.decode()


def test_each_opening_of_evidence_is_on_the_record_and_a_page_opens_none(world, door):
    client, base = door
    client.get(base)
    assert not Opening.objects.filter(view="customer").exists()
    client.get(f"{base}evidence/2/")
    row = Opening.objects.get(view="customer")
    assert row.actor == f"contact:{world.contacts['carol'].pk}" and row.grant == f"case:{world.cases['carol'].pk} portal"
    for number in ("0", "3", "99"):
        assert client.get(f"{base}evidence/{number}/").status_code == 404


def test_evidence_of_a_kind_that_nobody_must_see_stays_shut(world, door):
    client, base = door
    Case.objects.filter(pk=world.cases["carol"].pk).update(category="ncii_violence")
    assert "evidence/1/" not in client.get(base).content.decode()
    assert client.get(f"{base}evidence/1/").status_code == 404 and not Opening.objects.filter(view="customer").exists()


def test_the_timeline_has_what_was_sent_to_the_customer_and_nothing_that_waits(world, door):
    client, base = door
    for state, subject in (("sent", "We looked at it"), ("waiting", "Not yet sent"), ("withdrawn", "Withdrawn")):
        OutboxMessage.objects.create(
            reference=f"case:{world.cases['carol'].pk}", audience="customer", kind="message", recipient="abuse@carol.example",
            subject=subject, body=f"{subject}, wholly", state=state, created_at=world.now, sent_at=world.now, not_before=world.now,
        )  # fmt: skip
    page = client.get(base).content.decode()
    assert "We looked at it, wholly" in page and "Not yet sent" not in page and "Withdrawn" not in page


def test_the_link_that_was_written_to_one_contact_is_shown_to_none(world, door):
    client, base = door
    case = world.cases["carol"]
    StaffMember.objects.get_or_create(username="alice", defaults={"roles": ["analyst"]})
    (letter,) = messages.write(case=case.pk, audience="customer", text="Please take it down.", by="alice", now=world.now)
    OutboxMessage.objects.filter(pk=letter.pk).update(state="sent", sent_at=world.now)
    link = re.search(r"/c/[\w=-]{20,}", letter.body)
    assert link, "the letter has one"
    twin = letter.body.replace(link[0], "/c/" + "a" * 60)  # the same message to another contact
    OutboxMessage.objects.create(
        reference=letter.reference, audience="customer", kind="message", recipient="noc@carol.example", subject=letter.subject,
        body=twin, state="sent", created_at=world.now, sent_at=world.now, not_before=world.now,
    )  # fmt: skip
    page = client.get(base).content.decode()
    assert page.count("Please take it down.") == 1
    own = base if base.startswith("/c/") else "/c/none"
    assert [found for found in re.findall(r"/c/[\w=-]{20,}", page) if found not in own] == []


def test_what_the_desk_noted_for_the_customer_names_nobody_at_the_desk(world):
    statements.comment(
        case=world.cases["carol"].pk, text="Carol called: the page is gone.", by="alicia-needle", now=world.now, via="desk"
    )
    page = Client().get(world.link("carol")).content.decode()
    assert "Carol called" in page and "alicia-needle" not in page


def test_a_merged_case_leads_on(world):
    into = world.cases["dave"]
    Case.objects.filter(pk=world.cases["carol"].pk).update(merged_into=into, state="MERGED", closed_at=world.now)
    page = Client().get(world.link("carol"))
    assert page.status_code == 200 and f"#{into.pk}" in page.content.decode() and given.DAVE not in page.content.decode()


@pytest.mark.parametrize("answer", sorted(EVENTS))
def test_what_is_offered_the_lifecycle_takes(answer):
    for state in standing.OPEN_IN[answer]:
        rules = [rule for rule in RULES if state in rule.when and rule.event is EVENTS[answer]]
        assert any(not rule.refused for rule in rules), f"{answer} in {state}"


@pytest.mark.parametrize("state", [state for state in State if state not in {"TRIAGE", "RESTRICTED_CASE"}])
def test_every_state_has_its_page_in_every_language(world, state):
    closed = world.now if state.startswith("CLOSED") or state in {"RESOLVED", "TERMINATED", "MERGED"} else None
    Case.objects.filter(pk=world.cases["carol"].pk).update(state=state, closed_at=closed, outcome=state if closed else "")
    restricted(world)
    for code in ("en", "de"):
        answer = Client(headers={"accept-language": code}).get(world.link("carol"))
        assert (answer.status_code == 200 and "What happens next" not in answer.content.decode()) or code == "en"
    client = world.signed_in("carol")
    assert client.get("/my/").status_code == 200 and client.get("/my/?show=closed").status_code == 200


def columns(case):
    return {
        field.attname: getattr(case, field.attname) for field in Case._meta.concrete_fields if field.name not in {"id", "accepting"}
    }


def test_my_cases_asks_a_fixed_number_of_questions_however_many_there_are(world):
    client = world.signed_in("carol")

    def asked():
        with CaptureQueriesContext(connection) as seen:
            assert client.get("/my/").status_code == 200
        return len(seen)

    client.get("/my/")
    few = asked()
    fields = columns(world.fresh("carol"))
    for number in range(40):
        Case.objects.create(**fields | {"group_key": f"00000000-0000-0000-0000-{number:012}"}, accepting=False)
    assert asked() == few == 8


def test_the_first_due_stands_first_and_pages_follow(world):
    client = world.signed_in("carol")
    fields = columns(world.fresh("carol"))
    for number in range(60):
        own = {"group_key": f"00000000-0000-0000-0000-{number:012}", "next_due_at": world.now + timedelta(hours=70 - number)}
        Case.objects.create(**fields | own, accepting=False)
    page = client.get("/my/").content.decode()
    numbers = [int(part.split("/")[0]) for part in page.split('href="/my/cases/')[1:]]
    dues = list(Case.objects.filter(pk__in=numbers).order_by("next_due_at").values_list("pk", flat=True))
    assert numbers == dues and len(numbers) == 50 and "from=50" in page
    assert client.get("/my/?from=50").content.decode().count('href="/my/cases/') == 11
    assert client.get("/my/?from=x").status_code == client.get("/my/?from=99999999999").status_code == 200


def test_a_case_asks_a_bounded_number_of_questions(world):
    client = world.signed_in("carol")
    client.get(f"/my/cases/{world.cases['carol'].pk}/")
    with CaptureQueriesContext(connection) as seen:
        client.get(f"/my/cases/{world.cases['carol'].pk}/")
    assert len(seen) <= 45


@pytest.mark.parametrize("pack", ["dedicated-hosting", "managed-services"])
def test_the_portal_speaks_for_either_policy(db, now, pack):
    made = given.world(now, pack=pack)
    page = Client().get(made.link("carol")).content.decode()
    edition = policy.compiled(made.cases["carol"].edition)
    assert edition.clauses[made.cases["carol"].clause].title in page
    will = "we restrict the smallest part" in page
    assert will == (edition.ladder.mode == "mandatory")
    Client().post(f"{made.link('carol')}acknowledge/")
    assert made.fresh("carol").state == "ACKNOWLEDGED"


def test_what_we_ask_for_is_seen_and_answered_until_it_is(world, door):
    client, base = door
    case = world.cases["carol"]
    StaffMember.objects.get_or_create(username="alice", defaults={"roles": ["analyst"]})
    due = world.now + 9 * HOUR
    asked = cooperation.ask(case=case.pk, text="the access log of Monday", due_at=due, by="alice", now=world.now)
    page = client.get(base).content.decode()
    assert "What we ask you for" in page and "the access log of Monday" in page
    where = f"answer/?request={asked.pk}"
    assert where in page and "the access log of Monday" in client.get(f"{base}{where}").content.decode()
    assert client.post(f"{base}answer/", {"request": asked.pk, "text": ""}).status_code == 422
    assert client.post(f"{base}answer/", {"request": 999999, "text": "x"}).status_code == 404
    assert client.post(f"{base}answer/", {"request": asked.pk, "text": "it lies in the share"}).status_code == 302
    page = client.get(base).content.decode()
    assert "What we ask you for" not in page and "it lies in the share" in page and "alice" not in page
    assert client.get(f"{base}{where}").status_code == 409


def test_an_appeal_is_withdrawn_by_whoever_brought_it(world, door):
    client, base = door
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="DISCONNECTED")
    row = restricted(world)
    assert client.get(f"{base}withdraw/").status_code == 409
    assert client.post(f"{base}appeal/", {"measure": row.pk, "grounds": "not ours"}).status_code == 302
    assert "Withdraw the appeal" in client.get(base).content.decode() and client.get(f"{base}withdraw/").status_code == 200
    assert client.post(f"{base}withdraw/").status_code == 302
    assert world.fresh("carol").state == "DISCONNECTED" and "withdrew the appeal" in client.get(base).content.decode()


def test_more_time_is_asked_for_once_and_what_was_written_too_late_stays_on_the_page(world, door):
    client, base = door
    asked = {"until": (world.now + 90 * HOUR).isoformat(), "reason": "the panel’s maker must help"}
    assert client.post(f"{base}extension/", asked).status_code == 302
    page = client.get(base).content.decode()
    assert "You asked for more time" in page and f"{base}extension/" not in page
    again = client.post(f"{base}extension/", asked | {"reason": "many words that took an hour"})
    assert again.status_code == 409 and "many words that took an hour" in again.content.decode()
    assert Client(headers={"accept-language": "de"}).get(world.link("carol")).status_code == 200


def test_no_sentence_of_the_services_reaches_a_page_in_another_language(world):
    client = Client(headers={"accept-language": "de"})
    early = {"until": (world.now + HOUR / 2).isoformat(), "reason": "bitte"}
    page = client.post(f"{world.link('carol')}extension/", early)
    assert page.status_code == 422 and "is not later than" not in page.content.decode()
    Case.objects.filter(pk=world.cases["carol"].pk).update(state="RESOLVED", closed_at=world.now, outcome="RESOLVED")
    shut = client.post(f"{world.link('carol')}acknowledge/").content.decode()
    assert "Das ist jetzt nicht möglich." in shut and "closed" not in shut.split("<main", 1)[1]


@pytest.mark.parametrize("how", ["late", "contract", "class"])
def test_no_restriction_is_announced_as_certain_where_a_person_decides(world, how):
    case = world.cases["carol"]
    sure = "we restrict the smallest part"
    assert sure in Client().get(world.link("carol")).content.decode()
    if how == "late":
        Case.objects.filter(pk=case.pk).update(ack_due_at=world.now - HOUR, resolve_due_at=world.now - HOUR)
    elif how == "contract":
        type(case.customer).objects.filter(pk=case.customer_id).update(contract={"no_automation": True})
    else:
        type(case.customer).objects.filter(pk=case.customer_id).update(protected_class="hospital")
    page = Client().get(world.link("carol")).content.decode()
    assert sure not in page and "a person looks at it" in page
