"""Content reviews at the desk: opened from a case, each look on the record, ended by themselves; and what was refused."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.faces.desk.test_browser import check
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import reviews
from tipstaff.cases.models import CaseReport, ContentReview, ContentView, JournalEntry

pytestmark = pytest.mark.django_db
H = timedelta(hours=1)


@pytest.fixture
def case(desk):
    return desk.cases[6]


def asked(case, **more) -> dict[str, str]:
    report = CaseReport.objects.filter(case=case).values_list("report_id", flat=True)[0]
    return {
        "because": str(report),
        "reviewer": "alice",
        "hours": "2",
        "scope": "/srv/www/kit",
        "reason": "the report names it",
        **more,
    }


def opened_by(client: Client, case, **more) -> ContentReview:
    answer = client.post(f"/cases/{case.pk}/reviews/", asked(case, **more))
    assert answer.status_code == 302, answer.content.decode()
    return ContentReview.objects.order_by("-pk")[0]


def test_it_is_opened_from_a_case_and_every_look_is_on_the_record_before_it_is_taken(desk, alice, case):
    assert f"/cases/{case.pk}/reviews/" in alice.get(f"/cases/{case.pk}/").content.decode()
    made = opened_by(alice, case)
    assert "None is running." not in alice.get("/reviews/").content.decode()
    page = alice.get(f"/reviews/{made.pk}/").content.decode()
    assert "Before you look" in page and "Nobody has looked." in page and "/srv/www/kit" in page
    assert alice.post(f"/reviews/{made.pk}/look/", {"what": " "}).status_code == 422
    assert alice.post(f"/reviews/{made.pk}/look/", {"what": "/srv/www/kit/index.php"}).status_code == 302
    assert "/srv/www/kit/index.php" in alice.get(f"/reviews/{made.pk}/").content.decode()
    assert list(Entry.objects.filter(action__startswith="content").order_by("pk").values_list("actor", "action")) == [
        ("alice", "content.review"), ("alice", "content.view"),
    ]  # fmt: skip
    assert "content review by alice" in alice.get(f"/cases/{case.pk}/?show=actions").content.decode()


def test_nobody_but_the_reviewer_looks_and_auditors_only_read(desk, alice, signed_in, case):
    made = opened_by(alice, case)
    for name, status in (("bob", 409), ("amir", 403)):
        assert signed_in(name).post(f"/reviews/{made.pk}/look/", {"what": "x"}).status_code == status
    assert "Before you look" not in signed_in("amir").get(f"/reviews/{made.pk}/").content.decode()
    assert signed_in("amir").post(f"/cases/{case.pk}/reviews/", asked(case)).status_code == 403
    assert not ContentView.objects.exists() and Client().get(f"/reviews/{made.pk}/").status_code == 302
    StaffMember.objects.create(username="nora", roles=["network"])
    assert alice.post(f"/cases/{case.pk}/reviews/", asked(case, reviewer="nora")).status_code == 422
    assert alice.post(f"/cases/{case.pk}/reviews/", asked(case, reviewer="dave")).status_code == 422


def test_own_initiative_follows_the_switch_and_is_a_leads(desk, alice, signed_in, case):
    allowed = "our own initiative" in alice.get(f"/cases/{case.pk}/reviews/").content.decode().replace("no review on our own", "")
    answer = signed_in("bob").post(f"/cases/{case.pk}/reviews/", asked(case, because="own", reviewer="bob"))
    assert answer.status_code == (302 if allowed else 409)
    assert alice.post(f"/cases/{case.pk}/reviews/", asked(case, because="own")).status_code == 409
    assert ContentReview.objects.filter(report_id__isnull=True).count() == (1 if allowed else 0)


@pytest.mark.parametrize(
    "more", [{"because": ""}, {"because": "x"}, {"hours": "25"}, {"hours": "soon"}, {"scope": " "}, {"reason": ""}]
)
def test_what_is_missing_opens_nothing(desk, alice, case, more):
    assert alice.post(f"/cases/{case.pk}/reviews/", asked(case, **more)).status_code == 422
    assert not ContentReview.objects.exists()


def test_it_ends_by_itself_at_the_end_of_its_box_once(desk, alice, case, now):
    made = opened_by(alice, case)
    alice.post(f"/reviews/{made.pk}/look/", {"what": "a"})
    assert reviews.end_over(now=now + H) == 0
    assert reviews.end_over(now=now + 5 * H) == 1 and reviews.end_over(now=now + 5 * H) == 0
    made.refresh_from_db()
    assert made.closed_at == made.until_at
    entry = JournalEntry.objects.filter(case=case, kind="review").order_by("-pk")[0]
    assert "ended by itself" in entry.text and "1 look" in entry.text and entry.actor == "system:clock"
    assert alice.post(f"/reviews/{made.pk}/look/", {"what": "b"}).status_code == 409
    page = alice.get(f"/reviews/{made.pk}/").content.decode()
    assert "Its time is over" in page and "Before you look" not in page
    assert "None is running." in alice.get("/reviews/").content.decode()


def test_it_is_ended_before_its_time_by_whoever_may(desk, alice, signed_in, case):
    made = opened_by(alice, case)
    StaffMember.objects.create(username="amy", roles=["analyst"])
    assert signed_in("amy").post(f"/reviews/{made.pk}/end/").status_code == 409
    assert signed_in("bob").post(f"/reviews/{made.pk}/end/").status_code == 302
    made.refresh_from_db()
    assert made.closed_at and Entry.objects.filter(action="content.end", actor="bob").count() == 1


def test_a_restricted_cases_review_is_not_seen(desk, alice, case):
    made = opened_by(alice, case)
    type(case).objects.filter(pk=case.pk).update(state="RESTRICTED_CASE")
    assert alice.get(f"/reviews/{made.pk}/").status_code == 404
    assert alice.get(f"/cases/{case.pk}/reviews/").status_code == 404
    assert "/srv/www/kit" not in alice.get("/reviews/").content.decode()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_are_accessible(opened, desk, alice, case, width, dark):
    made = opened_by(alice, case)
    alice.post(f"/reviews/{made.pk}/look/", {"what": "/srv/www/kit/index.php"})
    page = opened("alice", width=width, dark=dark)
    for address in ("/reviews/", f"/reviews/{made.pk}/", f"/cases/{case.pk}/reviews/"):
        assert check(page, address) == []
        if place := os.environ.get("TIPSTAFF_PICTURES"):
            name = "".join(c if c.isalpha() else "-" for c in address).strip("-")
            page.screenshot(path=Path(place) / f"review-{name}-{'d' if dark else 'l'}{width}.png", full_page=True)
