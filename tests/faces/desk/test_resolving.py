"""The steps of resolution on the case page: what the table allows is open, what it does not says why, and each does its work."""

from datetime import timedelta

import pytest
from django.test import Client

from tests.cases.resolving import HOUR, PACKS, Desk
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import appeals, resolution, restriction, services, statements
from tipstaff.cases.models import Appeal, Approval, Case, Cooperation, Measure, Pause, Ruling, Statement
from tipstaff.faces.desk import nexts
from tipstaff.faces.desk.views.resolving import STEPS
from tipstaff.kernel import clock
from tipstaff.policy import queries as policy

pytestmark = pytest.mark.django_db


class Page:
    """The case page of one story, as one of the staff sees it at the story's moment."""

    def __init__(self, story: Desk) -> None:
        self.story = story

    def as_(self, name: str) -> Client:
        client = Client()
        client.force_login(StaffMember.objects.get(username=name))
        return client

    def open(self, name: str = "alice") -> dict[str, nexts.Next]:
        case = Case.objects.select_related("customer", "service").get(pk=self.story.number)
        first, rest = nexts.steps(case, policy.compiled(case.edition), name, self.story.now)
        with clock.frozen(self.story.now):
            text = self.as_(name).get(f"/cases/{case.pk}/").content.decode()
        found = {step.code: step for step in (*first, *rest)}
        assert all(step.title.replace("'", "&#x27;") in text for step in found.values()), "what may be done is on the page"
        return found

    def do(self, step: str, by: str = "alice", **words):
        self.story.now += timedelta(seconds=1)
        with clock.frozen(self.story.now):
            return self.as_(by).post(f"/cases/{self.story.number}/do/{step}/", words)


@pytest.fixture(params=PACKS)
def page(request) -> Page:
    return Page(Desk(request.param))


def test_a_claimed_fix_is_accepted_or_handed_back(page):
    story = page.story
    story.on(statements.claim_fix, by=story.carol, text="done")
    found = page.open()
    assert found["accept"].weight == "go" and "Resolved" in found["accept"].hint
    assert page.do("hand_back", reason="it is still there").status_code == 302
    assert story.state == "NOT_ADEQUATE"
    assert page.do("accept", reason="seen to be gone").status_code == 302
    assert story.state == "RESOLVED"


def test_a_restriction_is_asked_by_one_typed_and_approved_by_another(page):
    story = page.story.wait(25 * HOUR)
    row = Approval.objects.filter(case=story.number).first()
    if row is None:  # the policy says "may": a person asks
        found = page.open()
        assert found["restrict"].fields[2].value == "192.0.2.7", "the narrowest is proposed"
        words = {"kind": "block", "scope": "machine", "target": "192.0.2.7", "reason": "no answer, and it goes on"}
        assert page.do("restrict", **words).status_code == 302
        row = Approval.objects.get(case=story.number)
        assert page.open()["approve"].why == "nobody approves his own action"
        assert page.do("approve", subject=row.pk, typed="192.0.2.7").status_code == 409
    assert page.do("approve", by="amy", subject=row.pk, typed="192.0.2.8").status_code == 422
    assert page.do("approve", by="amy", subject=row.pk, typed="192.0.2.7").status_code == 302
    story.wait(13 * HOUR)
    story.enforce()
    assert story.state == "DISCONNECTED"
    measure = Measure.objects.get()
    assert page.do("lift", subject=measure.pk, reason="the machine is gone").status_code == 409, "a lead's act"
    assert page.do("lift", by="bob", subject=measure.pk, reason="the machine is gone").status_code == 302
    story.enforce()
    assert Measure.objects.get().state == "lifted"


def test_before_the_time_is_over_the_button_is_shut_and_says_why(page):
    found = page.open()
    assert found["restrict"].why and "accept" in found
    words = {"kind": "block", "scope": "machine", "target": "192.0.2.7", "reason": "now"}
    assert page.do("restrict", **words).status_code == 409
    assert not Approval.objects.exists()


def test_an_extension_is_granted_or_refused(page):
    story = page.story
    asked = story.on(statements.ask_extension, by=story.carol, until=story.now + 48 * HOUR, reason="parts are on their way")
    assert page.open()["extend"].subject == asked.pk
    due = story.case.resolve_due_at
    assert page.do("extend", by="bob", subject=asked.pk, until="").status_code == 302
    assert story.case.resolve_due_at > due and Statement.objects.get(pk=asked.pk).answered_at


def test_time_is_changed_and_paused_with_a_reason(page):
    story = page.story
    later = story.case.resolve_due_at + 5 * HOUR
    assert page.do("time", by="bob", resolve_due=f"{later:%Y-%m-%dT%H:%M}", reason="a holiday there").status_code == 302
    assert page.do("time", by="bob", resolve_due="tomorrow", reason="x").status_code == 422
    assert page.do("pause", by="bob", clock="resolve", reason="we owe them a log").status_code == 302
    paused = Pause.objects.get(case=story.number)
    assert page.open()["resume"].subject == paused.pk
    assert page.do("resume", by="bob", subject=paused.pk).status_code == 302
    assert Pause.objects.get().ended_at


def test_more_time_is_given_when_the_answer_came_late():
    page = Page(Desk(PACKS[1]))
    story = page.story
    story.wait(story.case.resolve_due_at - story.now + HOUR)
    story.on(statements.ask_extension, by=story.carol, until=story.now + 9 * HOUR, reason="the shop is large")
    story.on(statements.plan, by=story.carol, cause="an old plugin", fix="it goes", promised_at=story.now + 4 * HOUR)
    assert page.open()["time"].title == "Give more time…"
    until = story.now + 5 * HOUR
    assert page.do("time", resolve_due=f"{until:%Y-%m-%dT%H:%M}", reason="the plan is good").status_code == 302
    assert story.case.resolve_due_at == until.replace(second=0, microsecond=0) and "asks for more time" in story.case.needs_person
    assert page.open()["time"].title == "Extend or shorten…"


def test_an_appeal_is_decided_by_somebody_who_had_no_part_in_it(page):
    story = page.story
    page.do("accept", reason="gone")
    appeal = story.on(appeals.file, grounds="it was never ours", by=story.carol)
    found = page.open()["appeal"]
    assert found.subject == appeal.pk and "no part" in found.why
    assert page.do("appeal", subject=appeal.pk, decision="overturned", reason="so it was").status_code == 409
    assert page.do("appeal", by="bea", subject=appeal.pk, decision="overturned", reason="so it was").status_code == 302
    assert Appeal.objects.get().decision == "overturned"


def test_compliant_content_is_left_intact(page):
    assert page.do("intact", reason="lawful").status_code == 302
    assert page.story.state == "CLOSED_COMPLIANT"


def test_rows_of_another_case_cannot_be_acted_on(page):
    story = page.story
    asked = story.on(statements.ask_extension, by=story.carol, until=story.now + 48 * HOUR, reason="parts")
    other = Case.objects.get(pk=story.number)
    other.pk, other.group_key = None, "0" * 32
    other.save()
    with clock.frozen(story.now):
        answer = page.as_("bob").post(f"/cases/{other.pk}/do/extend/", {"subject": asked.pk})
    assert answer.status_code == 404


@pytest.mark.parametrize("step", sorted(STEPS))
def test_every_step_refuses_an_empty_form_and_strangers(step):
    page = Page(Desk())
    before = page.story.state
    assert page.do(step).status_code in (404, 409, 422)
    assert page.story.state == before
    StaffMember.objects.create(username="otto", roles=["auditor"])
    assert page.do(step, by="otto", reason="I should not").status_code == 403
    with clock.frozen(page.story.now):
        assert Client().post(f"/cases/{page.story.number}/do/{step}/").status_code == 302
        assert page.as_("alice").get(f"/cases/{page.story.number}/do/{step}/").status_code == 405
    assert page.story.state == before


def test_a_step_that_does_not_exist_is_not_found():
    assert Page(Desk()).do("explode").status_code == 404


def test_what_must_go_unseen_is_set_apart_and_gone_from_whoever_did_it(page):
    found = page.open()
    assert found["seal"].weight == "danger" and "no word to the customer" in found["seal"].hint
    assert page.do("seal", reason="").status_code == 422 and page.story.state == "TICKETED"
    answer = page.do("seal", reason="imagery of a child")
    assert (answer.status_code, answer["Location"], page.story.state) == (302, "/queue/", "RESTRICTED_CASE")
    with clock.frozen(page.story.now):
        assert page.as_("alice").get(f"/cases/{page.story.number}/").status_code == 404
        assert page.as_("colin").get(f"/cases/{page.story.number}/").status_code == 200
        listed = page.as_("colin").get("/sealed/").content.decode()
        assert "imagery of a child" in listed and f'href="/cases/{page.story.number}/"' in listed
    page.do("accept", by="colin", reason="taken down and reported")
    assert page.story.state == "RESOLVED"


def test_of_two_obvious_steps_one_is_filled_and_no_button_stands_that_is_refused(page):
    story = page.story
    story.on(services.classify, category="ddos_origin", reason="it is a flood")
    story.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="a flood", hours=4)
    story.enforce()
    assert page.open("alice")["confirm_block"].why == "nobody confirms his own emergency block"
    assert page.open("bob")["confirm_block"].weight == "go"
    story.on(appeals.file, grounds="our own test", by=story.carol)
    found = page.open("bea")
    assert [code for code, step in found.items() if step.weight == "go" and not step.why] == ["appeal"]
    assert "appeal" in found["confirm_block"].why and "appeal" in found["resume"].why and "pause" not in found
    assert page.do("resume", "bea", subject=Pause.objects.get(ended_at=None).pk).status_code == 409


def test_what_an_investigation_needs_is_asked_for_and_its_answer_noted(page):
    story = page.story
    story.on(statements.acknowledge, by=story.carol)
    due = story.now + 5 * HOUR
    assert page.do("ask", text="the access log of Monday", due_at=f"{due:%Y-%m-%dT%H:%M}").status_code == 302
    row = Cooperation.objects.get()
    assert "cooperation" in story.notices() and page.open()["answered"].subject == row.pk
    assert page.do("answered", text="came by mail", subject=row.pk).status_code == 302
    row.refresh_from_db()
    assert row.answer == "came by mail" and "answered" not in page.open()


def test_an_end_without_notice_is_a_leads_with_its_reason_and_a_second_person(page):
    assert "second person" in page.open("bob")["end_now"].hint
    assert page.do("end_now", "alice", reason="false from the start").status_code == 409
    assert page.do("end_now", "bob", reason="false from the start").status_code == 302
    assert page.story.state == "TERMINATION_PENDING" and Ruling.objects.get().kind == "immediate_termination"
    row = Approval.objects.get(what="terminate")
    assert page.open("bob")["confirm_end"].why and not page.open("bea")["confirm_end"].why
    name = page.story.customer.name
    assert page.do("confirm_end", "bea", subject=row.pk, typed=name).status_code == 302
    assert page.story.state == "TERMINATED"


def test_where_the_ladder_is_shut_a_lead_may_restrict_in_discretion():
    page = Page(Desk(PACKS[0]))
    story = page.story
    story.on(statements.acknowledge, by=story.carol)
    story.on(statements.claim_fix, text="done", by=story.carol)
    Case.objects.filter(pk=story.number).update(resolve_due_at=story.now - HOUR)
    found = page.open("bob")
    assert found["restrict"].why and found["discretion"].weight == "danger"
    form = {field.name: field.value for field in found["discretion"].fields} | {"reason": "against the spirit of the policy"}
    assert page.do("discretion", "alice", **form).status_code == 409
    assert page.do("discretion", "bob", **form).status_code == 302
    assert Ruling.objects.get().kind == "discretion" and Approval.objects.get().detail["discretion"]


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("acknowledgement", "ACKNOWLEDGED"),
        ("plan", "ACKNOWLEDGED"),
        ("fix", "FIX_CLAIMED"),
        ("dispute", "DISPUTED"),
        ("comment", "TICKETED"),
    ],
)
def test_what_a_customer_says_by_mail_or_telephone_is_taken_as_what_it_is(page, kind, state):
    story = page.story
    letter = story.case.journal.create(at=story.now, actor="a@b.example", kind="reply", text="It is so.", internal=True,
                                       detail={"disposition": "reply", "from": "a@b.example", "to": "us"})  # fmt: skip
    offered = dict(page.open()["contacted"].fields[0].options)
    assert kind in offered and "appeal" not in offered
    if page.story.pack == PACKS[0]:
        assert page.do("contacted", **{"as": kind, "text": "It is so."}).status_code == 302
    else:
        with clock.frozen(story.now):
            taken = page.as_("alice").post(f"/cases/{story.number}/answered/", {"entry": letter.pk, "as": kind})
        assert taken.status_code == 302
    assert story.state == state and Statement.objects.get().kind == kind


def test_an_appeal_that_came_by_mail_is_filed_and_not_decided_by_whoever_filed_it(page):
    story = page.story
    story.on(resolution.accept_fix, reason="gone")
    letter = story.case.journal.create(at=story.now, actor="a@b.example", kind="reply", text="We object.", internal=True,
                                       detail={"disposition": "reply", "from": "a@b.example", "to": "us"})  # fmt: skip
    with clock.frozen(story.now + HOUR):
        taken = page.as_("amy").post(f"/cases/{story.number}/answered/", {"entry": letter.pk, "as": "appeal"})
    row = Appeal.objects.get()
    assert taken.status_code == 302 and story.state == "APPEAL" and row.grounds == "We object."
    story.now += HOUR
    assert page.do("appeal", "amy", subject=row.pk, decision="overturned", reason="x").status_code == 409
