"""Search, customers, home: what is found, and at what cost."""

import csv
import io

import pytest
from django.db import connection

from tests.faces.desk import factory
from tipstaff.intake.models import Submission
from tipstaff.reports import queries
from tipstaff.reports.models import Report


def found(answer) -> set[int]:
    return {case.pk for case in answer.context.get("cases", [])}


def test_a_number_leads_to_the_case(desk, alice) -> None:
    case = desk.cases[0]
    assert alice.get(f"/search/?q=%23{case.pk}")["Location"] == f"/cases/{case.pk}/"
    assert "no such case" in alice.get("/search/?q=%23999999").content.decode()


@pytest.mark.parametrize(
    ("typed", "start"),
    [("203.0.113.", "203.0.113."), ("192.0.2.0/26", "192.0.2."), ("2001:db8:40:", "2001:db8:40:"), ("2001:db8::/32", "2001:db8:")],
)
def test_partial_addresses_find_their_range(desk, alice, typed: str, start: str) -> None:
    cases = found(alice.get("/search/", {"q": typed}))
    inside = {case.pk for case in desk.cases if case.headline.startswith(start)}
    if typed.endswith("/26"):
        inside = {case.pk for case in desk.cases if case.headline.startswith(start) and int(case.headline.split(".")[3]) < 64}
    assert cases == inside and inside


def test_an_address_shows_everybody_who_ever_held_it(desk, alice) -> None:
    answer = alice.get("/search/?q=203.0.113.201")
    assert [row.service.customer for row in answer.context["holders"]] == [desk.dave, desk.carol]


def test_a_host_finds_its_cases_and_whose_it_is(desk, alice) -> None:
    answer = alice.get("/search/?q=hxxp://shop[.]carol[.]example/x")
    assert {case.headline for case in answer.context["cases"]} == {"shop.carol.example"}
    assert answer.context["names"][0].service.customer == desk.carol


def test_a_host_finds_the_events_that_name_it_or_one_below(desk, alice) -> None:
    case, other, hidden = desk.cases[0], desk.cases[1], Submission.objects.get(pk=desk.sealed.pk)
    told = Report.objects.filter(pk__in=[event.report_id for event in queries.events_of_case(case.pk)]).first()
    at = desk.now - factory.H
    factory.event(case, told, "203.0.113.7", 901, at, domain="Login.Bank.Example.org")
    factory.event(case, told, "203.0.113.7", 902, at, url="https://rita@bank.example.org:8443/a?b=https://elsewhere.example.net")
    factory.event(other, told, "203.0.113.8", 903, at, domain="not-bank.example.org")
    factory.event(None, told, "203.0.113.9", 904, at, domain="www.bank.example.org", url="http://www.bank.example.org/pay")
    unseen = factory.report(desk, hidden, told.reporter, "phishing", 1)
    factory.event(None, unseen, "203.0.113.9", 905, at, url="http://secret.bank.example.org/")
    answer = alice.get("/search/?q=bank.example.org")
    assert [(row.pk, row.found_events) for row in answer.context["cases"]] == [(case.pk, 2)]
    assert [event.row for event in answer.context["loose"]] == [904]
    page = answer.content.decode()
    assert "named in 2 events" in page and "www[.]bank[.]example[.]org/pay" in page and "secret" not in page
    assert [row.pk for row in alice.get("/search/?q=hxxps://LOGIN.bank.example.org/x").context["cases"]] == [case.pk]
    assert not found(alice.get("/search/?q=elsewhere.example.net"))


def test_hosts_are_found_by_the_index(desk) -> None:
    statement, bounds = queries._naming("bank.example.org", "case_id")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN SELECT * FROM {statement} found", bounds)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "_host" in plan and "Seq Scan" not in plan


def test_customers_and_reporters_by_part_of_their_name(desk, alice) -> None:
    assert alice.get("/search/?q=larkf").context["customers"] == [desk.carol]
    answer = alice.get("/search/?q=rita")
    assert answer.context["reporters"][0].email == "rita@reports.example.org" and found(answer)


@pytest.mark.parametrize("typed", [":", "'", "%", "<script>", "203.0.113.7; DROP", "\x00a", "x" * 5000, "::", "1.2.3.4.5"])
def test_nothing_typed_breaks_it(desk, alice, typed: str) -> None:
    answer = alice.get("/search/", {"q": typed})
    assert answer.status_code == (400 if "\x00" in typed else 200)
    assert b"<script>alert" not in answer.content


def test_the_cost_of_a_search(desk, alice, django_assert_max_num_queries) -> None:
    alice.get("/")
    for typed in ("203.0.113.", "203.0.113.7", "shop.carol.example", "rita"):
        with django_assert_max_num_queries(9):
            alice.get("/search/", {"q": typed})


def test_a_customer_at_a_chosen_date(desk, alice) -> None:
    today = alice.get(f"/customers/{desk.carol.pk}/").context["assignments"]
    assert "203.0.113.192/26" not in {str(row.prefix) for row in today}
    day = f"{desk.now - factory.H * 48:%Y-%m-%d}"
    then = alice.get(f"/customers/{desk.carol.pk}/?at={day}").context["assignments"]
    assert "203.0.113.192/26" in {str(row.prefix) for row in then}
    assert alice.get(f"/customers/{desk.carol.pk}/?at=soon").status_code == 422


def test_customers_by_page_and_by_name(desk, alice) -> None:
    factory.Customer.objects.bulk_create(
        [factory.Customer(name=f"Client {number:03}", created_at=desk.now) for number in range(120)]
    )
    seen, after = [], ""
    for _ in range(5):
        answer = alice.get("/customers/", {"after": after})
        seen += [row["customer"].name for row in answer.context["rows"]]
        after = answer.context["after"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 122
    assert [row["customer"].name for row in alice.get("/customers/?name=ostra").context["rows"]] == ["Ostrava Data"]


def test_home_counts_what_the_queue_lists(desk, alice) -> None:
    counts = alice.get("/").context["counts"]
    for key, query in (("past", "due=past"), ("soon", "due=soon"), ("us", "turn=us"), ("us_unowned", "turn=us&owner=none"),
                       ("reporter", "turn=reporter")):  # fmt: skip
        listed = sum(len(cases) for _, cases in alice.get(f"/queue/?{query}").context["groups"])
        assert counts[key] == listed, key


def test_the_picture_and_its_table_and_csv_agree(desk, alice) -> None:
    answer = alice.get("/addresses/203.0.113.0/24/")
    squares = {square.block: square.events for square in answer.context["pictures"][0].squares}
    rows = list(csv.DictReader(io.StringIO(alice.get("/addresses/203.0.113.0/24.csv").content.decode())))
    assert {row["block"]: int(row["events_30_days"]) for row in rows} == squares
    assert squares["203.0.113.7"] >= 6
    assert next(row for row in rows if row["block"] == "203.0.113.162")["past_due"] == "True"


def test_a_16_is_drawn_by_24s_that_lead_further(desk, alice) -> None:
    answer = alice.get("/addresses/203.0.0.0/16/")
    assert [square.link for square in answer.context["pictures"][0].squares] == ["/addresses/203.0.113.0/24/"]
    assert alice.get("/addresses/nonsense/").status_code == 422


def test_every_number_of_the_heat_table_opens_its_list(desk, alice) -> None:
    row = alice.get("/").context["heat"]["rows"][0]
    week, count, _ = next(cell for cell in row["cells"] if cell[1])
    listed = alice.get(f"/queue/?status=all&clause={row['clause']}&week={week}").context["groups"]
    assert sum(len(cases) for _, cases in listed) == count


def test_home_before_the_first_report(db, signed_in, now) -> None:
    factory.staff(now)
    text = signed_in("alice").get("/").content.decode()
    assert "Before the first report" in text and "No prefixes yet" in text
