"""The form of a decision asks for what the policy wants to be known first, and takes it with the decision or not at all."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.cases.resolving import Desk
from tests.faces.desk.test_browser import check
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import restriction
from tipstaff.cases.models import Approval, AuthorityDuty, Case, Measure
from tipstaff.faces.desk import nexts
from tipstaff.kernel import clock
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy

pytestmark = pytest.mark.django_db
BLOCK = {"kind": "block", "scope": "machine", "target": "192.0.2.7"}


def as_(name: str) -> Client:
    client = Client()
    client.force_login(StaffMember.objects.get(username=name))
    return client


def blocked() -> Desk:
    story = Desk("default", "ddos_origin", told=False, said=False)
    story.on(restriction.emergency, reason="40 Gbit/s out", by="bob", **BLOCK)
    return story


def test_the_form_asks_for_what_is_missing_and_nothing_is_kept_of_a_refused_decision():
    story = blocked()
    case = Case.objects.select_related("customer", "service").get(pk=story.number)
    first, _ = nexts.steps(case, policy.compiled(case.edition), "amy", story.now)
    step = next(step for step in first if step.code == "confirm_block")
    assert [field.name for field in step.fields] == ["fact_actor", "fact_fault", "point_flow_proof", "reason"]
    words = {"subject": Measure.objects.get().pk, "reason": "it goes on", "fact_actor": "customer", "fact_fault": "intentional"}
    with clock.frozen(story.now + timedelta(minutes=1)):
        answer = as_("amy").post(f"/cases/{story.number}/do/confirm_block/", words)
        assert answer.status_code == 409 and "What the flows show" in answer.content.decode()
        assert story.case.actor == "" and not story.case.rulings.exists(), "refused with the decision"
        said = {**words, "point_flow_proof": "300 kpps, the source is validated at the port"}
        assert as_("amy").post(f"/cases/{story.number}/do/confirm_block/", said).status_code == 302
    assert (story.case.actor, story.state) == ("customer", "DISCONNECTED")
    with clock.frozen(story.now + timedelta(minutes=2)):
        text = as_("alice").get(f"/cases/{story.number}/").content.decode()
    assert "300 kpps" in text and "presumed" in text


def test_what_is_not_of_this_policy_is_refused_by_name_and_nothing_is_asked_twice():
    story = Desk("default", "phishing", said=False)
    with clock.frozen(story.now + timedelta(minutes=1)):
        words = {**BLOCK, "reason": "it collects passwords", "fact_actor": "nobody", "fact_fault": "negligent"}
        answer = as_("alice").post(f"/cases/{story.number}/do/restrict/", words)
        assert answer.status_code == 422 and "is not a value" in answer.content.decode() and not Approval.objects.exists()
        answer = as_("alice").post(f"/cases/{story.number}/do/restrict/", {**words, "fact_actor": "end_user"})
        assert answer.status_code == 302
    case = Case.objects.select_related("customer", "service").get(pk=story.number)
    first, _ = nexts.steps(case, policy.compiled(case.edition), "amy", story.now)
    assert [field.name for step in first if step.code == "approve" for field in step.fields] == ["typed"]


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_what_is_asked_and_what_is_owed_can_be_read_and_filled_in(opened, width, dark):
    story = Desk("default", "ddos_origin", told=False, said=False, now=clock_now())
    story.on(restriction.emergency, reason="40 Gbit/s out", by="bob", **BLOCK)
    AuthorityDuty.objects.create(
        case_id=story.number, kind="report", owed_at=story.now, due_at=story.now + timedelta(hours=1), by="system:policy"
    )
    Case.objects.get(pk=story.number).journal.create(at=story.now, actor="bob", kind="authority", text="a report is owed")
    page = opened("bob" if width > 1000 else "amy", width=width, dark=dark)
    for name, address in (("home", "/"), ("case", f"/cases/{story.number}/")):
        assert check(page, address) == []
        fold = page.locator("details", has=page.locator("summary", has_text="What became" if width > 1000 else "Confirm the emerg"))
        if fold.count():
            fold.last.locator("summary").click()
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), "an open form stays on the page"
        if place := os.environ.get("TIPSTAFF_PICTURES"):
            page.screenshot(path=Path(place) / f"asked-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
