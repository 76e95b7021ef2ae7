"""The record's page: who sees it, what it finds, and that it reads well."""

import pytest

from tests.faces.desk import factory
from tests.faces.desk.test_browser import check
from tipstaff.audit.models import Entry
from tipstaff.audit.sealer import seal_all
from tipstaff.audit.services import record_many
from tipstaff.kernel.clock import now as clock_now


def entries(many: int = 120) -> None:
    now = clock_now()
    rows = [(f"case:{number}", {"state": "RESOLVED", "n": number}) for number in range(many)]
    record_many(by="alice", action="case.decide", rows=rows, now=now)
    seal_all(now=now)


@pytest.mark.parametrize(
    ("role", "status"),
    [("auditor", 200), ("admin", 200), ("counsel", 200), ("analyst", 403), ("lead", 403), ("network", 403), ("billing", 403)],
)
def test_who_sees_it(of_role, role, status) -> None:
    client = of_role(role)
    assert client.get("/settings/record/").status_code == status
    assert (b"/settings/record/" in client.get("/settings/").content) is (status == 200)


def test_it_finds_by_person_act_and_subject_and_goes_on(of_role) -> None:
    entries()
    amir = of_role("auditor")
    page = amir.get("/settings/record/", {"action": "case."})
    rows = page.context["rows"]
    assert len(rows) == 100 and rows[0].seal.number == 120 and "case:119" in page.content.decode()
    older = amir.get("/settings/record/", {"action": "case.", "before": page.context["older"]}).context["rows"]
    assert [row.subject for row in older][-1] == "case:0" and len(older) == 20
    found = amir.get("/settings/record/", {"actor": "alice", "subject": "case:11"}).context["rows"]
    assert {row.subject for row in found} == {"case:11", *(f"case:11{digit}" for digit in range(10))}
    assert amir.get("/settings/record/?before=x&actor=%").context["rows"] == []


def test_each_look_is_on_the_record_and_a_new_entry_waits_for_its_number(of_role) -> None:
    amir = of_role("auditor")
    amir.get("/settings/record/", {"subject": "case:7"})
    entry = Entry.objects.get(action="record.look")
    assert (entry.actor, entry.detail) == ("x-auditor", {"sought": {"subject": "case:7"}})
    assert "not yet" in amir.get("/settings/record/").content.decode()


def test_the_cost_of_the_page(of_role, django_assert_max_num_queries) -> None:
    entries()
    amir = of_role("auditor")
    amir.get("/settings/record/")
    with django_assert_max_num_queries(10):
        amir.get("/settings/record/")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_it_is_accessible(opened, width: int, dark: bool) -> None:
    factory.sample(clock_now(), filler=0)
    entries(20)
    page = opened("amir", width=width, dark=dark)
    assert check(page, "/settings/record/") == []
    assert check(page, "/settings/record/?actor=nobody") == []
