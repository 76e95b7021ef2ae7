"""Intake: one after the other, and cases opened by hand."""

import pytest

from tests.faces.desk import factory
from tipstaff.cases.models import Case
from tipstaff.evidence.models import Opening
from tipstaff.faces.desk import jobs
from tipstaff.faces.desk.models import BulkJob
from tipstaff.intake.models import Correction, Source
from tipstaff.reports.models import Event


def test_what_is_due_first_is_open(desk, alice) -> None:
    answer = alice.get("/intake/")
    text = answer.content.decode()
    assert answer.context["chosen"] == desk.waiting[0]
    assert "address changed hands near that time" in text and "line 5 of the text" in text
    assert "<mark>203.0.113.201</mark>" in text
    assert Opening.objects.get().grant == f"submission:{desk.waiting[0].pk} intake"


def test_both_holders_within_the_possible_times_are_offered(desk, alice) -> None:
    rows = alice.get("/intake/").context["candidates"]
    assert {row["assignment"].service.customer.name for row in rows} == {"Larkfield Web GmbH", "Ostrava Data"}


def test_assigning_makes_a_case_and_leads_to_the_next(desk, alice) -> None:
    first, second = desk.waiting[:2]
    dave = desk.dave
    holder = f"{dave.pk}~{dave.services.get().pk}~203.0.113.201"
    answer = alice.post(f"/intake/{first.pk}/assign/", {"holder": holder, "category": "intrusion"})
    assert answer["Location"] == f"/intake/{second.pk}/"
    first.refresh_from_db()
    case = Case.objects.get(pk=int(first.case_ref))
    assert first.state == "parsed" and first.decided_by == "alice"
    assert (case.customer, case.category) == (dave, "intrusion")
    event = Event.objects.get(report_id__in=first.reports.values("pk"))
    assert (event.case_id, event.customer_id, event.attribution) == (case.pk, dave.pk, 1)
    assert Correction.objects.get().after["customer"] == dave.pk
    assert case.events >= 1 and case.reporters >= 1


def test_what_could_not_be_read_can_still_be_assigned(desk, alice) -> None:
    failed = desk.waiting[3]
    alice.post(f"/intake/{failed.pk}/assign/", {"customer": "larkfield", "category": "spam"})
    failed.refresh_from_db()
    assert failed.state == "parsed"
    report = failed.reports.get()
    assert report.format == "by-hand" and Event.objects.filter(report_id=report.pk).count() == 1


def test_assigning_twice_is_refused(desk, alice) -> None:
    first = desk.waiting[0]
    wanted = {"customer": "C-1087", "category": "intrusion"}
    alice.post(f"/intake/{first.pk}/assign/", wanted)
    assert alice.post(f"/intake/{first.pk}/assign/", wanted).status_code == 409


@pytest.mark.parametrize("typed", ["", "web", "nobody at all", "192.0.2.200~x"])
def test_an_unclear_customer_is_asked_back(desk, alice, typed: str) -> None:
    factory.Customer.objects.create(name="Webhaus", created_at=desk.now)
    answer = alice.post(f"/intake/{desk.waiting[0].pk}/assign/", {"customer": typed, "category": "scan"})
    assert answer.status_code == 422
    desk.waiting[0].refresh_from_db()
    assert desk.waiting[0].state == "needs_person"


@pytest.mark.parametrize(
    ("typed", "owner"), [("203.0.113.7", "carol"), ("C-2044", "dave"), ("www.carol.example", "carol"), ("ostrava", "dave")]
)
def test_a_customer_is_found_by_number_name_address_or_host(desk, alice, typed: str, owner: str) -> None:
    alice.post(f"/intake/{desk.waiting[0].pk}/assign/", {"customer": typed, "category": "intrusion"})
    desk.waiting[0].refresh_from_db()
    assert Case.objects.get(pk=int(desk.waiting[0].case_ref)).customer == getattr(desk, owner)


@pytest.mark.parametrize(("action", "state"), [("retry", "received"), ("aside", "set_aside"), ("notours", "set_aside")])
def test_each_other_decision(desk, alice, action: str, state: str) -> None:
    alice.post(f"/intake/{desk.waiting[1].pk}/decide/", {"action": action})
    desk.waiting[1].refresh_from_db()
    assert desk.waiting[1].state == state


def test_many_at_once_with_an_error_per_row(desk, alice, now) -> None:
    rows = [str(row.pk) for row in desk.waiting]
    desk.waiting[2].state = "parsed"
    desk.waiting[2].save()
    alice.post("/intake/bulk/", {"case": rows, "action": "assign", "customer": "C-1087", "category": "intrusion"})
    job = BulkJob.objects.get()
    assert job.done == 3 and list(job.errors) == [rows[2]]
    assert jobs.run_waiting(now=now) == 0


def test_read_all_again(desk, alice) -> None:
    alice.post("/intake/bulk/", {"action": "retry_all"})
    assert {row.state for row in factory.Submission.objects.filter(pk__in=[row.pk for row in desk.waiting])} == {"received"}
    assert "Nothing waits for a person" in alice.get("/intake/").content.decode()


def test_the_page_costs_few_queries(desk, alice, django_assert_max_num_queries) -> None:
    alice.get("/")
    with django_assert_max_num_queries(18):
        alice.get("/intake/")


def test_a_pasted_list_goes_to_who_held_it_then(desk, alice) -> None:
    before = f"{desk.now - factory.H * 10:%Y-%m-%d %H:%M}Z"
    text = f"203.0.113.201 {before}\n203.0.113.201\nshop.carol.example"
    alice.post("/cases/new/", {"category": "phishing", "description": "Rita rang.", "list": text})
    cases = Case.objects.filter(opened_by="alice")
    assert {case.customer for case in cases} == {desk.carol, desk.dave}


def test_one_wrong_line_and_nothing_is_opened(desk, alice) -> None:
    answer = alice.post(
        "/cases/new/",
        {"category": "phishing", "description": "x", "list": "203.0.113.7\nnonsense\n198.18.0.1\n203.0.113.8 2026-06-14 10:00"},
    )
    text = answer.content.decode()
    assert answer.status_code == 422 and not Case.objects.filter(opened_by="alice").exists()
    assert "line 2" in text and "line 3" in text and "line 4" in text and "no zone" in text
    assert "nonsense" in text  # what was typed is still there


def test_nothing_that_a_sender_wrote_is_shown_before_it_is_judged(desk, alice) -> None:
    """Neither of what waits to be read, nor of what reading failed on: whether it must go unseen is not known."""
    rows = [
        factory.submission(
            desk, b"Subject: hidden-subject\n\nhidden-text", subject=subject, sender=sender, state=state,
            at=desk.now, reason="handling it failed: KeyError: 'hidden-file.jpg'", trace=[],
        )
        for state, subject, sender in (("received", "hidden-subject", "hidden@sender.example"), ("failed", "", ""))
    ]  # fmt: skip
    factory.Submission.objects.filter(pk__in=[row.pk for row in rows]).update(filename="hidden-file.jpg")
    addresses = ["/", "/intake/?view=received", "/intake/?view=unparsed", "/intake/?view=all", "/search/?q=hidden"]
    pages = {address: alice.get(address).content.decode() for address in [*addresses, *(f"/intake/{row.pk}/" for row in rows)]}
    assert "(not read yet)" in pages["/intake/?view=received"] and "handling it failed" in pages["/intake/?view=unparsed"]
    assert not [address for address, text in pages.items() if "hidden-" in text or "hidden@" in text]
    answer = alice.post(f"/intake/{rows[1].pk}/assign/", {"customer": "larkfield", "category": "spam"})
    assert answer.status_code == 409 and "never read to its end" in answer.content.decode()
    alice.post(f"/intake/{rows[1].pk}/decide/", {"action": "aside"})
    rows[1].refresh_from_db()
    text = alice.get(f"/intake/{rows[1].pk}/").content.decode()
    assert rows[1].state == "set_aside" and "not read yet" in text and "hidden-" not in text
    assert alice.get(f"/intake/{rows[1].pk}/raw/").status_code == 409


def test_the_sources_page_names_mail_that_a_server_does_not_hand_out(desk, alice) -> None:
    owed = {"7": {"since": "2026-11-02T12:00:00+00:00", "tries": 3, "again": "2026-11-02T12:05:00+00:00", "why": "SERVERBUG"}}
    Source.objects.create(name="box", kind="imap", cursor={"INBOX": {"validity": 1, "uid": 9, "owed": owed}}, created_at=desk.now)
    text = alice.get("/settings/").content.decode()
    assert "1 mail not handed out by the server since 2026-11-02 12:00 UTC (UID 7: SERVERBUG)" in text
    assert "mail not handed out" in alice.get("/").content.decode()
