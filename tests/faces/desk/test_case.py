"""The case page and what can be done on it."""

import pytest

from tests.faces.desk import factory
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.evidence.models import Opening
from tipstaff.faces.desk.models import Draft
from tipstaff.policy.categories import CATEGORIES


def test_the_page_says_what_is_owed_to_whom_and_from_which_fact(desk, alice) -> None:
    case = desk.cases[6]
    text = alice.get(f"/cases/{case.pk}/").content.decode()
    for needed in (
        f"#{case.pk}",
        "Malware distribution",
        "203.0.113.7",
        "the customer owes an answer",
        "Larkfield Web GmbH",
        "abuse@carol.example",
        "203.0.113.0/25",
        "NetBox",
        "Disconnect…",
        "time still runs",
    ):
        assert needed in text, needed


def test_the_page_costs_few_queries(desk, alice, django_assert_max_num_queries) -> None:
    alice.get("/")
    with django_assert_max_num_queries(24):
        alice.get(f"/cases/{desk.cases[6].pk}/")


def test_parsed_evidence_opens_nothing_raw_and_customer_views_are_on_the_record(desk, alice) -> None:
    case = desk.cases[6]
    alice.get(f"/cases/{case.pk}/")
    assert not Opening.objects.exists()
    raw = alice.get(f"/cases/{case.pk}/?view=raw").content.decode()
    assert "rita@reports.example.org" in raw and "<mark>203.0.113.7</mark>" in raw
    customer = alice.get(f"/cases/{case.pk}/?view=customer").content.decode()
    shown = customer[customer.index('id="evidence"') : customer.index("Made on the server")]
    assert "removed: mail address" in shown and "203.0.113.7" in shown
    for secret in ("rita@", "Rita", "5550", "203.0.113.201", "99812"):
        assert secret not in shown, secret
    assert [(row.actor, row.view, row.grant) for row in Opening.objects.order_by("pk")] == [
        ("alice", "raw", f"case:{case.pk} desk"),
        ("alice", "customer", f"case:{case.pk} desk"),
    ]


@pytest.mark.parametrize("kind", [b"image/png", b"video/mp4", b"image/svg+xml", b"text/html"])
def test_no_attachment_is_ever_rendered(desk, alice, kind: bytes) -> None:
    case = desk.cases[6]
    body = b"<script>alert(1)</script><img src=x onerror=alert(1)>" * 4
    mail = (
        b"From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: "
        + kind
        + b'; name="x"\nContent-Disposition: attachment; filename="x"\n\n'
        + body
        + b"\n--b--\n"
    )
    received = factory.submission(desk, mail, subject="x", state="parsed", at=desk.now)
    found = factory.report(desk, received, factory.Reporter.objects.get(), "malware", 0)
    factory.CaseReport.objects.create(case=case, report_id=found.pk, reporter_id=found.reporter_id, events=0, at=desk.now)
    for view in ("raw", "parsed", "customer"):
        text = alice.get(f"/cases/{case.pk}/?evidence={found.pk}&view={view}").content.decode()
        main = text[text.index("<main") : text.index("</main>")]
        for tag in ("<img", "<video", "<iframe", "<object", "<embed", "<script", "data:"):
            assert tag not in main


def test_classify_starts_the_customers_clock_and_promises_the_notice(desk, alice) -> None:
    case = desk.cases[8]
    alice.post(f"/cases/{case.pk}/classify/", {"category": "phishing", "ticket": "on"})
    case.refresh_from_db()
    assert case.state == "TICKETED" and case.resolve_due_at and case.waiting_on == "customer"
    assert case.notices.get().kind == "opened"


def test_a_kind_that_is_not_in_the_edition_is_refused_with_what_there_is(desk, alice) -> None:
    answer = alice.post(f"/cases/{desk.cases[8].pk}/classify/", {"category": "boredom"})
    assert answer.status_code == 422 and b"phishing" in answer.content


def test_facts_are_kept_and_wrong_ones_refused(desk, alice) -> None:
    case = desk.cases[6]
    alice.post(f"/cases/{case.pk}/facts/", {"fault": "compromised", "actor": "end_user"})
    case.refresh_from_db()
    assert (case.fault, case.actor) == ("compromised", "end_user")
    assert alice.post(f"/cases/{case.pk}/facts/", {"fault": "boredom"}).status_code == 422


def test_a_note_stays_on_the_desk(desk, alice) -> None:
    case = desk.cases[6]
    alice.post(f"/cases/{case.pk}/write/", {"text": "Ask for the plugin list.", "to": "internal", "send": "note"})
    entry = JournalEntry.objects.get(case=case, kind="note", text="Ask for the plugin list.")
    assert entry.internal and not OutboxMessage.objects.exists()


def test_a_note_button_beats_the_audience(desk, alice) -> None:
    """Pressing 'keep as internal note' keeps a note, whatever else the form says."""
    case = desk.cases[6]
    alice.post(f"/cases/{case.pk}/write/", {"text": "not for Carol", "to": "customer", "send": "note"})
    assert not OutboxMessage.objects.exists()


def test_a_message_to_the_customer_waits_in_the_outbox(desk, alice) -> None:
    case = desk.cases[6]
    alice.post(f"/cases/{case.pk}/write/", {"text": "Please send a plan.", "to": "customer", "send": "mail"})
    message = OutboxMessage.objects.get()
    assert (message.recipient, message.audience, message.state) == ("abuse@carol.example", "customer", "waiting")
    case.refresh_from_db()
    assert case.last_word_by == "us"


def test_reporters_are_written_to_one_by_one(desk, alice) -> None:
    case = desk.cases[6]
    second = factory.Reporter.objects.create(
        key="ron@x.example", email="ron@x.example", authenticated_as="x.example", first_seen=desk.now, last_seen=desk.now
    )
    found = factory.report(desk, desk.waiting[1], second, "malware", 0)
    factory.CaseReport.objects.create(case=case, report_id=found.pk, reporter_id=second.pk, events=0, at=desk.now)
    alice.post(f"/cases/{case.pk}/write/", {"text": "Is it still live?", "to": "reporter", "send": "mail"})
    assert sorted(OutboxMessage.objects.values_list("recipient", flat=True)) == ["rita@reports.example.org", "ron@x.example"]


def test_a_draft_is_kept_and_colleagues_see_who_writes(desk, alice, signed_in) -> None:
    case = desk.cases[6]
    assert alice.post(f"/cases/{case.pk}/draft/", {"text": "Hello Car"}).status_code == 204
    assert "Hello Car" in alice.get(f"/cases/{case.pk}/").content.decode()
    bobs = signed_in("bob").get(f"/cases/{case.pk}/").content.decode()
    assert "Alice is writing" in bobs and "Hello Car" not in bobs
    alice.post(f"/cases/{case.pk}/draft/", {"text": " "})
    assert not Draft.objects.exists()


def test_split_moves_events_and_can_be_undone(desk, alice) -> None:
    case = desk.cases[6]
    event = factory.Event.objects.filter(case_id=case.pk).first()
    alice.post(f"/cases/{case.pk}/split/", {"event": str(event.key), "reason": "another host"})
    event.refresh_from_db()
    assert event.case_id != case.pk
    alice.post("/undo/")
    event.refresh_from_db()
    assert event.case_id == case.pk


def test_a_case_that_is_not_there_says_so(desk, alice) -> None:
    answer = alice.get("/cases/999999/")
    assert answer.status_code == 404 and b"no case #999999" in answer.content


def test_times_are_shown_in_the_viewers_zone_with_utc_on_hover(desk, alice) -> None:
    case = desk.cases[6]
    opened = case.opened_at
    text = alice.get(f"/cases/{case.pk}/").content.decode()
    assert f'title="{opened:%Y-%m-%d %H:%M:%S} UTC"' in text


def test_a_browser_in_german_gets_the_same_page(desk, alice) -> None:
    """Numbers inside the pictures must stay numbers."""
    text = alice.get(f"/cases/{desk.cases[6].pk}/", headers={"accept-language": "de"}).content.decode()
    ribbon = text[text.index('<svg class="rib" width="100%"') :]
    assert "," not in ribbon[: ribbon.index("<text")].replace("</svg>,", "")


def test_every_category_can_open_a_case_by_hand(desk, alice) -> None:
    for code in ("phishing", "other", "copyright"):
        assert code in CATEGORIES
        answer = alice.post(
            "/cases/new/", {"category": code, "description": "A call from Rita.", "customer": "C-1087", "headline": "her shop"}
        )
        assert answer.status_code == 302
    assert Case.objects.filter(opened_by="alice").count() == 3


def test_evidence_too_large_for_a_page_is_not_opened(desk, alice, monkeypatch) -> None:
    monkeypatch.setattr("tipstaff.cases.redacted.MOST_BYTES", 100)
    assert alice.get(f"/cases/{desk.cases[6].pk}/?view=raw").status_code == 409
    assert b"too much for a page" in alice.get("/intake/").content
    assert not Opening.objects.exists()
