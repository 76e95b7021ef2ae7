"""The queue: order, filters, pages, views, bulk actions, undo."""

from datetime import timedelta

import pytest
from django.core.cache import cache

from tests.faces.desk import factory
from tipstaff.cases.models import Case
from tipstaff.faces.desk import jobs
from tipstaff.faces.desk.models import BulkJob, SavedView
from tipstaff.kernel.ids import new_id


def numbers(answer) -> list[int]:
    return [case.pk for _, cases in answer.context["groups"] for case in cases]


def test_what_is_due_first_stands_first(desk, alice) -> None:
    found = numbers(alice.get("/queue/"))
    expected = Case.objects.filter(closed_at=None).order_by("next_due_at", "id").values_list("pk", flat=True)
    assert found == list(expected) and len(found) == 20


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("due=past", lambda case, now: case.next_due_at <= now),
        ("turn=us", lambda case, now: case.waiting_on == "us"),
        ("owner=me", lambda case, now: case.owner and case.owner.username == "alice"),
        ("owner=none", lambda case, now: case.owner is None),
        ("clause=4.*", lambda case, now: case.clause.startswith("4.")),
        ("category=scan", lambda case, now: case.category == "scan"),
        ("severity=critical", lambda case, now: case.severity == "critical"),
        ("person=1", lambda case, now: bool(case.needs_person)),
    ],
)
def test_each_filter(desk, alice, query: str, fits) -> None:
    found = set(numbers(alice.get(f"/queue/?{query}")))
    expected = {case.pk for case in Case.objects.filter(closed_at=None) if fits(case, desk.now)}
    assert found == expected and expected


@pytest.mark.parametrize("query", ["due=yesterday", "customer=x", "week=2026-W99", "sort=name", "after=nonsense"])
def test_a_filter_that_cannot_be_says_so(alice, query: str) -> None:
    answer = alice.get(f"/queue/?{query}")
    assert answer.status_code == 422 and b"Nothing was changed" in answer.content


@pytest.mark.parametrize("query", ["", "sort=opened", "sort=reports", "sort=fresh", "status=all", "status=closed"])
def test_pages_follow_one_another_without_gap_or_repeat(desk, alice, monkeypatch, query: str) -> None:
    monkeypatch.setattr("tipstaff.faces.desk.views.queue.ROWS", 7)
    Case.objects.filter(pk__in=[desk.cases[0].pk, desk.cases[1].pk]).update(next_due_at=None)
    seen, after = [], ""
    for _ in range(20):
        answer = alice.get(f"/queue/?{query}&after={after.replace('+', '%2B')}")
        seen += numbers(answer)
        after = answer.context["after"]
        if not after:
            break
    every = Case.objects.all() if query == "status=all" else Case.objects.filter(closed_at__isnull="closed" not in query)
    assert sorted(seen) == sorted(every.values_list("pk", flat=True))


def test_a_page_costs_the_same_few_queries_however_many_cases(desk, alice, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(10):
        alice.get("/queue/")
    cache.clear()
    for number in range(60):
        case = Case.objects.get(pk=desk.cases[number % 20].pk)
        case.pk, case.group_key = None, new_id(desk.now)
        case.save(force_insert=True)
    with django_assert_max_num_queries(10):
        answer = alice.get("/queue/")
    assert len(numbers(answer)) == 50
    assert len(answer.content) < 150_000


def test_a_view_is_kept_shared_and_counted(desk, alice, signed_in) -> None:
    alice.post("/queue/views/", {"name": "Mail", "query": "clause=5.*", "shared": "on"})
    view = SavedView.objects.get()
    text = signed_in("bob").get("/queue/").content.decode()
    assert "Mail <b>4</b>" in text.replace("\n", "")
    assert signed_in("bob").post(f"/queue/views/{view.pk}/delete/").status_code == 404
    assert alice.post(f"/queue/views/{view.pk}/delete/").status_code == 302


def test_a_private_view_is_ones_own(desk, alice, signed_in) -> None:
    alice.post("/queue/views/", {"name": "Only mine", "query": "turn=us"})
    assert b"Only mine" in alice.get("/queue/").content
    assert b"Only mine" not in signed_in("bob").get("/queue/").content


def test_take_and_undo(desk, alice) -> None:
    free = [case.pk for case in desk.cases[:20] if case.owner is None][:2]
    answer = alice.post("/queue/bulk/", {"case": free, "action": "take", "next": "/queue/"}, follow=True)
    assert "Undo" in answer.content.decode()
    assert Case.objects.filter(pk__in=free, owner__username="alice").count() == 2
    alice.post("/undo/")
    assert Case.objects.filter(pk__in=free, owner=None).count() == 2


def test_close_and_undo(desk, alice) -> None:
    case = desk.cases[1]
    alice.post(f"/cases/{case.pk}/close/", {"outcome": "CLOSED_FALSE", "reason": "the log is from another network"})
    case.refresh_from_db()
    assert case.state == "CLOSED_FALSE"
    alice.post("/undo/")
    case.refresh_from_db()
    assert case.state == "TICKETED" and case.closed_at is None


def test_merge_and_undo(desk, alice) -> None:
    mine = [case for case in desk.cases[:20] if case.customer_id == desk.carol.pk][:2]
    alice.post("/queue/bulk/", {"case": [case.pk for case in mine], "action": "merge"})
    mine[1].refresh_from_db()
    assert mine[1].merged_into_id == mine[0].pk
    assert alice.get(f"/cases/{mine[1].pk}/")["Location"] == f"/cases/{mine[0].pk}/"
    alice.post("/undo/")
    mine[1].refresh_from_db()
    assert mine[1].merged_into_id is None


def test_an_undo_that_comes_too_late_is_refused(desk, alice) -> None:
    case = next(case for case in desk.cases[:20] if case.owner is None)
    alice.post(f"/cases/{case.pk}/take/")
    session = alice.session
    session["undo"] = session["undo"] | {"until": (desk.now - timedelta(minutes=1)).isoformat()}
    session.save()
    assert alice.post("/undo/").status_code == 409
    case.refresh_from_db()
    assert case.owner.username == "alice"


def test_a_failing_row_says_why_and_the_others_are_done(desk, alice) -> None:
    rows = [desk.cases[0].pk, desk.cases[25].pk]  # the second is closed already
    answer = alice.post("/queue/bulk/", {"case": rows, "action": "close", "outcome": "RESOLVED", "reason": "gone"}, follow=True)
    job = BulkJob.objects.get()
    assert job.done == 1 and list(job.errors) == [str(rows[1])]
    assert "is closed" in answer.content.decode()
    assert Case.objects.get(pk=rows[0]).state == "RESOLVED"


def test_many_rows_run_as_a_job_by_the_worker(desk, alice, now, monkeypatch) -> None:
    monkeypatch.setattr("tipstaff.faces.desk.views.queue.MOST_AT_ONCE", 3)
    rows = [case.pk for case in desk.cases[:10]]
    answer = alice.post("/queue/bulk/", {"case": rows, "action": "note", "text": "checked together"})
    job = BulkJob.objects.get()
    assert answer["Location"] == f"/jobs/{job.pk}/" and job.started_at is None
    assert jobs.run_waiting(now=now) == 1
    job.refresh_from_db()
    assert job.done == 10 and not job.errors and job.finished_at
    assert jobs.run_waiting(now=now) == 0
    assert alice.get(f"/jobs/{job.pk}/").status_code == 200 and alice.get("/jobs/").status_code == 200


def test_an_action_without_what_it_needs_is_refused_before_anything(desk, alice) -> None:
    answer = alice.post("/queue/bulk/", {"case": desk.cases[0].pk, "action": "close"})
    assert answer.status_code == 422 and not BulkJob.objects.exists()


def test_the_csv_has_every_row_and_starts_no_formula(desk, alice) -> None:
    factory.Customer.objects.filter(pk=desk.carol.pk).update(name="=cmd|x")
    text = b"".join(alice.get("/queue/cases.csv?status=all").streaming_content).decode()
    assert len(text.splitlines()) == 1 + len(desk.cases)
    assert ",'=cmd|x," in text


def test_with_nothing_to_do_it_says_what_comes(db, signed_in, now) -> None:
    factory.staff(now)
    answer = signed_in("alice").get("/queue/")
    assert b"Nothing due." in answer.content
