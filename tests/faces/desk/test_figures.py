"""The screen of figures: who sees it, that page and CSV say the same, and that it reads well in every light and width."""

import csv
import io
from datetime import timedelta

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from tests.faces.desk import factory
from tests.faces.desk.test_browser import check
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.intake.models import Correction, Submission
from tipstaff.kernel.clock import now as clock_now
from tipstaff.reports.models import Report


def rows_of(client, what: str, **asked) -> list[dict[str, str]]:
    answer = client.get(f"/figures/{what}.csv", asked)
    assert answer.status_code == 200 and answer["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


@pytest.mark.parametrize(
    "roles", [["analyst"], ["lead"], ["counsel"], ["liaison"], ["billing"], ["network"], ["auditor"], ["admin"]]
)
def test_every_role_of_the_desk_sees_them(desk, signed_in, roles) -> None:
    factory.StaffMember.objects.create(username="x", roles=roles)
    assert signed_in("x").get("/figures/").status_code == 200


def test_nobody_else_does(desk, signed_in, client) -> None:
    factory.StaffMember.objects.create(username="x", roles=[])
    assert signed_in("x").get("/figures/").status_code == 403
    assert client.get("/figures/times.csv").status_code == 302


def test_page_and_csv_say_the_same(desk, alice) -> None:
    for by in ("clause", "customer"):
        page = alice.get("/figures/", {"days": 30, "by": by})
        shown = {
            (one["row"].key, one["row"].group or "all", one["row"].cases) for m in page.context["measures"] for one in m["rows"]
        }
        filed = {(row["measure"], row[by], int(row["cases"])) for row in rows_of(alice, "times", days=30, by=by)}
        assert shown and shown <= filed
        work = {(row.group, row.cases, row.untouched) for row in page.context["work"]}
        assert work <= {(row[by], int(row["closed"]), int(row["untouched"])) for row in rows_of(alice, "work", days=30, by=by)}


def test_the_two_promises_are_counted_and_shown(desk, alice) -> None:
    before = alice.get("/figures/").context["reading"]
    assert before.decidable and before.person == Submission.objects.filter(state__in=("needs_person", "failed")).count()
    said = {"submission": desk.waiting[0], "field": "accused", "after": {}, "by": "alice", "at": clock_now(), "sender": ""}
    Correction.objects.create(before={"ip": "203.0.113.7"}, **said)
    Correction.objects.create(before={"ip": "203.0.113.8"}, **said)  # of the same report
    Correction.objects.create(before={"reason": "none was named"}, **said)  # nothing had been named
    summary = {row["figure"]: row["value"] for row in rows_of(alice, "summary")}
    assert summary["wrong_address"] == "1"
    assert float(summary["wrong_address_share"]) == pytest.approx(1 / before.decidable, abs=1e-5)
    assert float(summary["person_share"]) == pytest.approx(before.person_share, abs=1e-5)


def test_verified_reports_without_a_decision_in_time_are_counted_and_lead_to_their_cases(desk, alice) -> None:
    Case.objects.filter(state="TRIAGE").update(desk_due_at=clock_now() + timedelta(days=1))
    assert alice.get("/figures/").context["undecided"] == 0
    case = next(case for case in desk.cases if case.state == "TRIAGE")
    late = clock_now() - timedelta(hours=1)
    Case.objects.filter(pk=case.pk).update(desk_due_at=late, next_due_at=late)
    reports = Report.objects.filter(pk__in=case.case_reports.values("report_id"))
    assert reports.update(state="verified")
    cache.clear()
    page = alice.get("/figures/")
    assert page.context["undecided"] == reports.count() and "verified, not decided in time" in page.content.decode()
    assert "/queue/?due=past&amp;state=TRIAGE" in page.content.decode()
    assert f'/cases/{case.pk}/"' in alice.get("/queue/?due=past&state=TRIAGE").content.decode()
    assert {row["figure"]: row["value"] for row in rows_of(alice, "summary")}["verified_undecided"] == str(reports.count())
    reports.update(state="incomplete")
    cache.clear()
    assert alice.get("/figures/").context["undecided"] == 0


def test_what_is_not_known_in_the_address_is_the_customary(desk, alice) -> None:
    for query in ("days=7", "days=x", "by=password", "days=-1&by="):
        page = alice.get(f"/figures/?{query}")
        assert (page.context["days"], page.context["by"]) == (90, "clause")
    assert alice.get("/figures/secrets.csv").status_code == 404


def test_a_name_that_looks_like_a_formula_is_harmless_in_a_spreadsheet(desk, alice) -> None:
    desk.carol.name = "=HYPERLINK(1)"
    desk.carol.save()
    names = {row["name"] for row in rows_of(alice, "times", by="customer")}
    assert "'=HYPERLINK(1)" in names and "=HYPERLINK(1)" not in names


def test_the_cost_of_the_page(desk, alice, django_assert_max_num_queries) -> None:
    alice.get("/queue/")
    with django_assert_max_num_queries(22):
        alice.get("/figures/")
    with django_assert_max_num_queries(8):
        alice.get("/figures/")  # kept for a minute


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_accessible(opened, width: int, dark: bool) -> None:
    factory.sample(clock_now(), filler=8)
    late = Case.objects.filter(ticketed_at__isnull=False).first()
    JournalEntry.objects.create(case=late, at=clock_now() - timedelta(hours=1), actor="alice", kind="note", text="x")
    page = opened("alice", width=width, dark=dark)
    assert check(page, "/figures/") == []
    assert check(page, "/figures/?days=365&by=customer") == []
    expect(page.get_by_role("heading", name="Repeat offenders")).to_be_visible()
    page.get_by_role("link", name="by clause").click()
    expect(page.get_by_role("columnheader", name="Clause").first).to_be_visible()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_empty_it_is_accessible_too(opened) -> None:
    factory.staff(clock_now())
    assert check(opened("alice"), "/figures/") == []
