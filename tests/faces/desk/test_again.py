"""A step of the case page that is refused brings its form back: open, with what is wrong and with what was typed."""

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client

from tests.cases.resolving import HOUR, Desk
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import resolution, restriction, statements
from tipstaff.cases.models import Approval, AuthorityDuty, Case
from tipstaff.faces.desk import again
from tipstaff.kernel import clock

pytestmark = pytest.mark.django_db
EVIL = '"><script>alert(1)</script></textarea>'


class Forms(HTMLParser):
    """Each form of a page: its values as a browser shows them, whether it stands open, and whether the refusal is in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, object]] = {}
        self.folds: list[bool] = []
        self.form: dict[str, object] = {}
        self.field, self.marks, self.scripts = "", 0, 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = dict(attrs)
        name = at.get("name") or ""
        self.scripts += tag == "script" and "src" not in at
        if tag == "details":
            self.folds.append("open" in at)
        elif tag == "form":
            self.form = {"open": all(self.folds), "refused": False}
            self.found.setdefault(at.get("action") or "", self.form)
        elif tag == "input" and name and (at.get("type") != "checkbox" or "checked" in at):
            self.form[name] = at.get("value", "on")
        elif tag in {"textarea", "select"}:
            self.field = name
            self.form[name] = "" if tag == "textarea" else None
        elif tag == "option" and "selected" in at:
            self.form[self.field] = at.get("value")
            self.field = ""
        if at.get("id") == "step-refused":
            self.marks += 1
            self.form["refused"] = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "details":
            self.folds.pop()
        elif tag in {"textarea", "select"}:
            self.field = ""
        elif tag == "form":
            self.form = {}

    def handle_data(self, text: str) -> None:
        if self.field and isinstance(self.form.get(self.field), str):
            self.form[self.field] = f"{self.form[self.field]}{text}" if text.strip() else self.form[self.field]


def send(story: Desk, step: str, by: str = "alice", **words):
    client = Client()
    client.force_login(StaffMember.objects.get(username=by))
    story.now += timedelta(seconds=1)
    with clock.frozen(story.now):
        return client.post(f"/cases/{story.number}/{step}/", words)


def form(answer, path: str) -> dict[str, object]:
    page = Forms(answer.content.decode())
    assert page.marks == 1, "the refusal is said once"
    return page.found[path]


def test_a_step_of_the_lifecycle_comes_back_open_with_what_was_typed():
    story = Desk("default", "phishing", said=False).wait(49 * HOUR)
    assert story.state == "DISCONNECT_PENDING"
    words = {"kind": "block", "scope": "machine", "target": "192.0.2.7", "reason": f"it collects {EVIL}", "fact_actor": "customer",
             "fact_fault": "negligent", "subject": "0"}  # fmt: skip
    answer = send(story, "do/restrict", **words | {"target": ""})
    back = form(answer, f"/cases/{story.number}/do/restrict/")
    assert answer.status_code in {409, 422} and back["open"] and back["refused"]
    assert (back["kind"], back["scope"], back["target"], back["fact_actor"]) == ("block", "machine", "", "customer")
    assert back["reason"] == words["reason"]
    assert Forms(answer.content.decode()).scripts == 0 and b"<script>alert" not in answer.content
    assert Approval.objects.count() == 1 and story.case.actor == "", "nothing of it was kept"


def test_a_step_that_stands_under_more_steps_is_not_hidden():
    story = Desk("default", "phishing")
    answer = send(story, "do/ask", subject="0", text="which account was it?", due_at="2020-01-01T00:00")
    back = form(answer, f"/cases/{story.number}/do/ask/")
    assert answer.status_code == 422 and back["open"] and back["refused"], "and with it the fold around it"
    assert (back["text"], back["due_at"]) == ("which account was it?", "2020-01-01T00:00")


def test_a_typed_confirmation_is_typed_anew_each_time_and_other_links_keep_their_address():
    story = Desk("default", "phishing")
    story.on(restriction.propose, kind="block", scope="machine", target="192.0.2.7", reason="it goes on", by="alice")
    row = Approval.objects.get()
    answer = send(story, "do/approve", by="amy", subject=row.pk, typed="192.0.2.8")
    back = form(answer, f"/cases/{story.number}/do/approve/")
    text = answer.content.decode()
    assert answer.status_code == 422 and back["open"] and "192.0.2.7 exactly" in text
    assert back["typed"] == "on" and "192.0.2.8" not in text
    assert 'href="?' not in text and f'href="/cases/{story.number}/?' in text, "a link of the page leads to the page"


def test_the_desks_own_steps_come_back_as_well():
    story = Desk("default", "phishing")
    path = f"/cases/{story.number}/"
    closed = form(send(story, "close", outcome="RESOLVED", reason="  "), f"{path}close/")
    assert closed["open"] and closed["refused"] and closed["outcome"] == "RESOLVED"
    merged = send(story, "merge", other="#999999", reason="the same kit")
    back = form(merged, f"{path}merge/")
    assert merged.status_code == 404 and back["open"] and (back["other"], back["reason"]) == ("#999999", "the same kit")
    linked = form(send(story, "relate", other="twelve", reason="see there"), f"{path}merge/")
    assert linked["open"] and (linked["other"], linked["reason"]) == ("twelve", "see there")
    kind = form(send(story, "classify", category="nothing", reason="it is another thing", label=""), f"{path}classify/")
    assert kind["open"] and kind["refused"] and kind["reason"] == "it is another thing"
    facts = form(send(story, "facts", actor="nobody", fault="negligent"), f"{path}facts/")
    assert facts["open"] and facts["refused"] and facts["fault"] == "negligent"


def test_a_message_that_is_refused_stands_where_it_was_written():
    story = Desk("default", "phishing")
    answer = send(story, "write", to="internal", send="note", text="   ")
    assert answer.status_code == 422 and Forms(answer.content.decode()).marks == 1
    answer = send(story, "write", to="nobody", send="mail", text="lost to nobody")
    assert answer.status_code in {404, 409, 422} and "lost to nobody" in answer.content.decode()


def test_what_was_typed_is_shown_when_the_case_has_no_such_form_any_more():
    story = Desk("default", "phishing")
    story.on(resolution.leave_intact, reason="it is a parody")
    answer = send(story, "do/hand_back", subject="0", reason=f"an hour of words {EVIL}")
    text = answer.content.decode()
    assert answer.status_code == 409 and Forms(text).marks == 1
    assert "an hour of words" in text and "no form for it now" in text and b"<script>alert" not in answer.content
    assert Entry.objects.filter(action="refused.rule", subject=f"case:{story.number}").exists(), "and it is on the record"


def test_who_may_not_see_the_case_learns_no_more_of_it_by_a_refusal():
    story = Desk("default", "phishing")
    Case.objects.filter(pk=story.number).update(state="RESTRICTED_CASE")
    answer = send(story, "do/accept", subject="0", reason="words")
    assert answer.status_code == 404 and again.MARK not in answer.content.decode()
    assert story.case.headline not in answer.content.decode()


def test_what_became_of_a_duty_comes_back_at_the_case():
    story = Desk("default", "phishing")
    StaffMember.objects.filter(username="alice").update(roles=["analyst", "liaison"])
    assert send(story, "do/ordered", authority="Court of Example", reference="7/26").status_code == 302
    duty = AuthorityDuty.objects.get()
    client = Client()
    client.force_login(StaffMember.objects.get(username="alice"))
    said = {"case": story.number, "outcome": "not_owed", "authority": "Court of Example", "reference": "8/26", "reason": ""}
    with clock.frozen(story.now):
        answer = client.post(f"/authority/{duty.pk}/", said)
    back = form(answer, f"/authority/{duty.pk}/")
    assert answer.status_code == 422 and back["open"] and back["refused"]
    assert (back["outcome"], back["reference"]) == ("not_owed", "8/26")
    with clock.frozen(story.now):
        answer = client.post(f"/authority/{duty.pk}/", said | {"case": "9" * 5000, "reason": "withdrawn by the court"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/"), "what nobody typed breaks nothing"


def test_a_dispute_decided_by_a_colleague_meanwhile_loses_nobodys_words():
    story = Desk("default", "phishing").wait(HOUR)
    story.on(statements.dispute, by=story.carol, text="it was never ours")
    story.on(resolution.decide_dispute, decision="upheld", reason="it was not", by="amy")
    answer = send(story, "do/dispute", by="bob", decision="rejected", reason="the address was moved in March")
    assert answer.status_code == 409 and "the address was moved in March" in answer.content.decode()
