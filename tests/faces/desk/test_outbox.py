"""The outbox, the composer and the wording: what waits shows, what is written goes to whom it says, a note goes nowhere."""

import itertools
from datetime import timedelta

import pytest

from tests.correspondence.given import promised
from tipstaff.audit.models import Entry
from tipstaff.cases import messages as letters
from tipstaff.cases.models import Case, CaseReport, JournalEntry, Statement
from tipstaff.correspondence.models import Macro, OutboxMessage, Suppression, Wording
from tipstaff.faces.desk.models import Draft
from tipstaff.kernel.errors import InputError
from tipstaff.reports.models import Report

pytestmark = pytest.mark.django_db


def main_of(answer):
    text = answer.content.decode()
    return text[text.index("<main") : text.index("</main>")]


def carols(desk):
    return next(case for case in desk.cases if case.customer.name == "Carol Hosting" or case.closed_at is None)


@pytest.fixture
def case(desk):
    return Case.objects.filter(closed_at=None, ticketed_at__isnull=False).order_by("pk").first()


# ----- the outbox -----
def test_the_outbox_shows_what_waits_is_held_failed_and_sent_with_the_reason(desk, alice, now):
    rows = {state: promised(state=state, at=now, subject=f"about {state}", error=f"because {state}") for state in
            ("waiting", "held", "failed", "sent", "withdrawn")}  # fmt: skip
    page = main_of(alice.get("/outbox/"))
    for state, row in rows.items():
        assert f"about {state}" in page and f"because {state}" in page and f"/outbox/{row.pk}/" in page
    held = main_of(alice.get("/outbox/?state=held"))
    assert "about held" in held and "about sent" not in held
    assert "Sending is off" in page


def test_it_is_searched_by_case_address_and_words(desk, alice, now):
    mine, other = promised(at=now, reference="case:777"), promised("dave@example.org", at=now, subject="other")
    for text in ("%23777", "carol@example.com", "Phishing at"):
        page = main_of(alice.get(f"/outbox/?q={text}"))
        assert f"/outbox/{mine.pk}/" in page and f"/outbox/{other.pk}/" not in page


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ("waiting", "hold", "held"),
        ("held", "release", "waiting"),
        ("failed", "retry", "waiting"),
        ("waiting", "withdraw", "withdrawn"),
    ],
)
def test_one_message_is_held_released_retried_and_withdrawn_on_the_record(desk, alice, now, before, action, after):
    row = promised(state=before, at=now)
    answer = alice.post(f"/outbox/{row.pk}/{action}/", {"reason": "asked by phone"}, follow=True)
    row.refresh_from_db()
    assert row.state == after and answer.status_code == 200
    entry = Entry.objects.get(subject=f"message:{row.pk}")
    assert (entry.actor, entry.reason) == ("alice", "asked by phone")


def test_what_was_sent_cannot_be_withdrawn(desk, alice, now):
    row = promised(state="sent", at=now)
    answer = alice.post(f"/outbox/{row.pk}/withdraw/")
    assert answer.status_code == 409 and b"was sent already" in answer.content


def test_many_at_once_each_with_its_own_error(desk, alice, now):
    rows = [promised(state=state, at=now) for state in ("failed", "sent", "failed")]
    answer = alice.post("/outbox/bulk/", {"message": [row.pk for row in rows], "action": "retry"}, follow=True)
    page = main_of(answer)
    assert "2 messages tried again" in page and f"message {rows[1].pk} was sent already" in page


def test_a_message_is_shown_as_it_looked_without_running_anything(desk, alice, now):
    row = promised(at=now, html="<p style='color:red'>Dear <b>Carol</b></p><script>alert(1)</script>")
    answer = alice.get(f"/outbox/{row.pk}/")
    page = main_of(answer)
    assert "it goes on." in page and "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert 'sandbox title="The message as HTML"' in page and "script-src 'self'" in answer["Content-Security-Policy"]


def test_a_reporter_is_named_only_on_asking_and_that_is_on_the_record(desk, alice, now):
    row = promised("rita@reports.example.org", at=now, audience="reporter", recipient_name="Rita", body="Dear Rita,")
    listing, page = main_of(alice.get("/outbox/")), main_of(alice.get(f"/outbox/{row.pk}/"))
    for text in (listing, page):
        assert "rita@" not in text and "Rita" not in text
    assert not Entry.objects.filter(action="reporter.reveal").exists()
    shown = main_of(alice.post(f"/outbox/{row.pk}/", {"reason": "she called"}))
    assert "rita@reports.example.org" in shown
    entry = Entry.objects.get(action="reporter.reveal")
    assert (entry.actor, entry.subject, entry.reason) == ("alice", f"message:{row.pk}", "she called")


def test_a_restricted_case_s_messages_are_nobody_s_to_see(desk, alice, case, now):
    row = promised(at=now, reference=f"case:{case.pk}")
    Case.objects.filter(pk=case.pk).update(state="RESTRICTED_CASE")
    assert alice.get(f"/outbox/{row.pk}/").status_code == 404
    assert f"/outbox/{row.pk}/" not in main_of(alice.get("/outbox/"))


def test_a_suppressed_address_is_listed_and_lifted(desk, alice, now):
    Suppression.objects.create(address="carol@example.com", reason="mail came back", at=now, by="system")
    assert "mail came back" in main_of(alice.get("/outbox/"))
    alice.post("/outbox/lift/", {"address": "carol@example.com"})
    assert Suppression.objects.get().lifted_by == "alice"


def test_who_only_reads_changes_nothing(desk, signed_in, now):
    row = promised(at=now)
    from tipstaff.accounts.models import StaffMember

    StaffMember.objects.filter(username="alice").update(roles=["auditor"])
    reader = signed_in("alice")
    assert reader.get("/outbox/").status_code == 200
    assert reader.post(f"/outbox/{row.pk}/withdraw/").status_code == 403
    row.refresh_from_db()
    assert row.state == "waiting"


# ----- a note can never be sent -----
@pytest.mark.parametrize(
    ("to", "send"), list(itertools.product(["internal", "", "note", "staff", "INTERNAL", None], ["mail", "note", None]))
)
def test_whatever_is_posted_a_note_never_becomes_a_message(desk, alice, case, to, send):
    posted = {"text": "keep this inside"} | ({"to": to} if to is not None else {}) | ({"send": send} if send is not None else {})
    alice.post(f"/cases/{case.pk}/write/", posted)
    assert not OutboxMessage.objects.filter(body__contains="keep this inside").exists()
    assert not JournalEntry.objects.filter(case=case, text__contains="keep this inside", internal=False).exists()


@pytest.mark.parametrize("audience", ["internal", "note", "staff", "reseller", ""])
def test_the_service_itself_takes_no_audience_inside(desk, case, audience, now):
    with pytest.raises(InputError, match="cannot be written to"):
        letters.write(case=case.pk, audience=audience, text="keep this inside", by="alice", now=now)
    assert {str(one) for one in letters.To} == {"customer", "reporter"}


def test_the_database_takes_no_message_to_the_inside(desk, now):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="outbox_audience_is_outside"):
        promised(at=now, audience="internal")


# ----- the composer -----
def test_a_message_waits_ten_seconds_and_can_be_taken_back(desk, alice, case, now):
    page = main_of(alice.get(f"/cases/{case.pk}/"))
    assert "Send to" in page
    alice.post(f"/cases/{case.pk}/write/", {"text": "Please look again.", "to": "customer", "send": "mail"})
    row = OutboxMessage.objects.get(kind="message")
    assert timedelta(seconds=9) < row.not_before - row.created_at <= timedelta(seconds=10) and not row.automatic
    assert f"[#{case.pk}-" in row.subject and "Please look again." in row.body
    toast = alice.get(f"/cases/{case.pk}/").content.decode()
    assert "The message leaves in ten seconds" in toast
    alice.post("/undo/")
    row.refresh_from_db()
    assert row.state == "withdrawn" and "taken back" in row.error
    assert case.journal.filter(text__contains="taken back").count() == 1


def test_what_is_on_its_way_cannot_be_taken_back(desk, alice, case):
    alice.post(f"/cases/{case.pk}/write/", {"text": "Too late.", "to": "customer"})
    OutboxMessage.objects.filter(kind="message").update(state="sent")
    assert alice.post("/undo/").status_code == 409


def test_the_preview_is_the_letter_and_keeps_nothing(desk, alice, case):
    answer = alice.post(f"/cases/{case.pk}/preview/", {"text": "Look <b>here</b>", "to": "customer"})
    page = main_of(answer)
    assert "Look &lt;b&gt;here&lt;/b&gt;" in page and f"[#{case.pk}-" in page and "/c/…" in page and "sandbox" in page
    assert (
        not OutboxMessage.objects.filter(kind="message").exists()
        and not JournalEntry.objects.filter(text__contains="Look <b>").exists()
    )


def test_drafts_are_kept_apart_for_each_audience_and_shown_to_colleagues_as_writing(desk, alice, signed_in, case):
    for audience in ("customer", "internal"):
        alice.post(f"/cases/{case.pk}/draft/", {"text": f"draft for {audience}", "audience": audience})
    assert Draft.objects.filter(case_id=case.pk).count() == 2
    page = main_of(alice.get(f"/cases/{case.pk}/"))
    assert "draft for customer" in page and "draft for internal" in page
    bob = signed_in("bob")
    assert "is writing" in bob.get(f"/cases/{case.pk}/writing/").content.decode()
    assert "draft for" not in main_of(bob.get(f"/cases/{case.pk}/"))
    assert "is writing" not in alice.get(f"/cases/{case.pk}/writing/").content.decode()
    alice.post(f"/cases/{case.pk}/write/", {"text": "sent", "to": "customer"})
    assert Draft.objects.get(case_id=case.pk).audience == "internal", "the note is still there"
    assert alice.post(f"/cases/{case.pk}/draft/", {"text": "x", "audience": "everybody"}).status_code == 422


def test_a_macro_fills_in_the_case_s_values_and_keeps_what_was_written(desk, alice, case, now):
    macro = Macro.objects.create(
        name="Ask for the plan", audience="customer", text="Please send the plan for case {{ case_number }}.", at=now, by="bob"
    )
    alice.post(f"/cases/{case.pk}/draft/", {"text": "Hello Carol,", "audience": "customer"})
    page = main_of(alice.get(f"/cases/{case.pk}/?macro={macro.pk}"))
    assert f"Hello Carol,\n\nPlease send the plan for case {case.pk}." in page


def test_a_macro_with_a_mistake_is_refused_with_line_and_variable(desk, alice):
    posted = {"name": "x", "audience": "reporter", "language": "en", "text": "one\nof {{ customer }}"}
    answer = alice.post("/settings/macros/", posted)
    assert answer.status_code == 422 and b"macro x, line 2" in answer.content and b"customer" in answer.content
    assert not Macro.objects.exists()


def test_an_answer_nobody_vouches_for_is_taken_only_by_a_person(desk, alice, case, now):
    detail = {"verified": False, "from": "carol@elsewhere.example", "disposition": "reply", "quoted": "Dear Carol,", "to": "us"}
    entry = JournalEntry.objects.create(case=case, at=now, actor="somebody who says they are carol@elsewhere.example", kind="reply",
                                        text="We fixed it.", detail=detail)  # fmt: skip
    page = main_of(alice.get(f"/cases/{case.pk}/"))
    assert "not verified" in page and "Quoted text" in page and "Take as the customer" in page
    assert alice.post(f"/cases/{case.pk}/answered/", {"entry": entry.pk, "as": "confession"}).status_code == 422
    alice.post(f"/cases/{case.pk}/answered/", {"entry": entry.pk, "as": "comment"})
    said = Statement.objects.get(case=case, via="mail")
    assert (said.kind, said.author, said.contact) == ("comment", "carol@elsewhere.example", None)
    assert Entry.objects.filter(action="reply.taken", actor="alice").count() == 1


# ----- wording -----
def test_every_message_can_be_worded_anew_and_going_back_is_possible(desk, signed_in):
    bob = signed_in("bob")
    assert b"Final warning" in bob.get("/settings/wording/").content
    posted = {"subject": "Closed now", "body": "Dear {{ contact }},\n\nit is over.", "html": "", "keep": "1"}
    assert bob.post("/settings/wording/closed/en/", posted).status_code == 302
    assert Wording.objects.get().subject == "Closed now"
    assert "it is over." in main_of(bob.get("/settings/wording/closed/en/"))
    bob.post("/settings/wording/closed/en/", {"go_back": "1"})
    assert Wording.objects.filter(retired_at=None).count() == 0 and Wording.objects.count() == 1


def test_a_mistake_is_named_with_file_line_and_variable_and_nothing_is_kept(desk, signed_in):
    posted = {"subject": "Closed", "body": "Dear {{ contact }},\n\n{% if reason %}x\n{{ clause_numbr }}", "html": "", "keep": "1"}
    answer = signed_in("bob").post("/settings/wording/closed/en/", posted)
    page = answer.content.decode()
    assert answer.status_code == 422 and "closed (en), body, line 4" in page and "endif" in page
    posted["body"] = "Dear {{ contact }},\n\n{{ clause_numbr }}"
    page = signed_in("bob").post("/settings/wording/closed/en/", posted).content.decode()
    assert "closed (en), body, line 3" in page and "clause_number" in page
    assert not Wording.objects.exists()


def test_only_leads_change_what_customers_read(desk, alice):
    posted = {"subject": "x", "body": "y", "html": "", "keep": "1"}
    assert alice.post("/settings/wording/closed/en/", posted).status_code == 409
    assert not Wording.objects.exists()


# ----- who reported -----
def test_who_reported_is_shown_only_on_asking_and_that_is_on_the_record(desk, alice):
    told = CaseReport.objects.filter(case__closed_at=None).first()
    report = Report.objects.select_related("reporter").get(pk=told.report_id)
    page = main_of(alice.get(f"/cases/{told.case_id}/?evidence={report.pk}&view=parsed"))
    assert report.reporter.email not in page and f"reporter {report.reporter_id}" in page
    assert not Entry.objects.filter(action="reporter.reveal").exists()
    shown = main_of(alice.post(f"/cases/{told.case_id}/reveal/", {"report": report.pk, "reason": "to call back"}))
    assert report.reporter.email in shown
    entry = Entry.objects.get(action="reporter.reveal")
    assert (entry.actor, entry.subject, entry.reason) == ("alice", f"report:{report.pk}", "to call back")
    other = CaseReport.objects.exclude(case_id=told.case_id).first()
    assert alice.post(f"/cases/{told.case_id}/reveal/", {"report": other.report_id}).status_code == 404
