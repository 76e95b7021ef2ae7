"""What was refused stands in one place, with the reason and what opens the way: orders, letters, what somebody may not do."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client

from tests.faces.desk.test_browser import check
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import measures
from tipstaff.cases.models import Case, JournalEntry, Measure, Notice
from tipstaff.faces.desk import refused
from tipstaff.pipeline.telling import BY_DESIGN, NOBODY

pytestmark = pytest.mark.django_db
RAIL = "rail 1: 198.18.0.1 is not within the customer's prefixes (block the customer's own address)"


@pytest.fixture
def case(desk) -> Case:
    return desk.cases[6]


@pytest.fixture
def stopped(desk, case, now) -> Measure:
    """A block that a rail refused."""
    made = Measure.objects.create(
        case=case,
        kind="block",
        scope="machine",
        target="198.18.0.1",
        clause="4.3",
        reason="spreads malware",
        decided_by="alice",
        decided_at=now,
    )
    return measures.refused(measure=made.pk, problem=RAIL, by="system:enforcement", now=now)


def notice(case: Case, now, why: str, audience: str = "customer") -> Notice:
    return Notice.objects.create(
        case=case, kind="opened", audience=audience, detail={}, created_at=now, not_before=now, refused=why
    )


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_an_order_that_a_rail_refused_is_shown_with_why_and_what_to_do(desk, alice, case, stopped):
    assert "Nothing was refused." in text(alice, "/refused/?kind=letters")
    page = text(alice, "/refused/")
    assert "198.18.0.1" in page and "not within the customer" in page and "Decide it anew on the case" in page
    assert f"/cases/{case.pk}/" in page and "Something was refused here" in text(alice, f"/cases/{case.pk}/")
    assert "198.18.0.1" in text(alice, f"/refused/?case={case.pk}")
    assert "198.18.0.1" not in text(alice, f"/refused/?case={desk.cases[5].pk}")
    assert alice.get("/refused/?kind=nonsense").status_code == 404 and alice.get("/refused/?case=999999").status_code == 404


def test_a_letter_that_was_refused_is_told_again_after_it_was_put_right(desk, alice, signed_in, case, now):
    row = notice(case, now, "its wording cannot be used: opened (de), body: {{ wherre }} is unknown")
    notice(case, now, NOBODY)
    notice(case, now, BY_DESIGN[1], "reporter")
    page = text(alice, "/refused/?kind=letters")
    assert "wherre" in page and "Correct the wording" in page and "/settings/wording/" in page
    assert f"/customers/{case.customer_id}/" in page and BY_DESIGN[1] not in page
    assert signed_in("amir").post(f"/refused/{row.pk}/tell/").status_code == 403
    assert alice.post(f"/refused/{row.pk}/tell/").status_code == 302
    row.refresh_from_db()
    assert row.refused == "" and "wherre" not in text(alice, "/refused/?kind=letters")
    assert "told again" in JournalEntry.objects.filter(case=case, kind="mail").order_by("-pk")[0].text
    assert alice.post(f"/refused/{row.pk}/tell/").status_code == 409 and alice.post("/refused/999999/tell/").status_code == 404


def test_what_somebody_may_not_do_is_on_the_record_and_shown_to_him_and_to_leads(desk, alice, signed_in, case):
    amir = signed_in("amir")
    assert amir.post(f"/cases/{case.pk}/take/").status_code == 403
    assert alice.get("/sealed/").status_code == 403
    assert alice.post("/settings/on-call/", {"name": "mine"}).status_code == 409
    tried = list(Entry.objects.filter(action__startswith="refused").order_by("pk").values_list("actor", "action", "subject"))
    assert tried == [
        ("amir", "refused.role", f"case:{case.pk}"), ("alice", "refused.role", "page:/sealed/"),
        ("alice", "refused.rule", "page:/settings/on-call/"),
    ]  # fmt: skip
    own = text(alice, "/refused/?kind=tries")
    assert "/sealed/" in own and "Ask somebody who has the role." in own and f"/cases/{case.pk}/take/" not in own
    for name in ("bob", "amir"):
        page = text(signed_in(name), "/refused/?kind=tries")
        assert f"/cases/{case.pk}/take/" in page and "/sealed/" in page
    case.refresh_from_db()
    assert case.owner.username == "bob"  # and nothing was changed by trying


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("alice asked for this order or approved it already; somebody else has to", "Nobody approves his own action"),
        ("you asked for this yourself; another person confirms it", "Nobody approves his own action"),
        ("this takes one of these roles: admin, lead", "one of these roles"),
        ("case 7 has ended", "Do first what the reason names"),
    ],
)
def test_each_refusal_says_what_opens_the_way(desk, signed_in, now, reason, said):
    Entry.objects.create(at=now, actor="alice", action="refused.rule", subject="order:7", reason=reason)
    assert said in text(signed_in("bob"), "/refused/")


def test_home_counts_what_was_refused_lately_and_nothing_of_a_restricted_case(desk, alice, case, stopped, now):
    notice(case, now - timedelta(days=9), NOBODY)
    cache.clear()
    assert refused.recent(now) == 1 and 'href="/refused/"' in text(alice, "/")
    Case.objects.filter(pk=case.pk).update(state="RESTRICTED_CASE")
    cache.clear()
    assert refused.recent(now) == 0 and 'href="/refused/"' not in text(alice, "/")
    assert "198.18.0.1" not in text(alice, "/refused/")


def test_strangers_see_nothing(desk, signed_in):
    assert Client().get("/refused/").status_code == 302
    StaffMember.objects.create(username="bill", roles=["billing"])
    assert signed_in("bill").get("/refused/").status_code == 403


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_page_is_accessible(opened, alice, case, stopped, now, width, dark):
    notice(case, now, "its wording cannot be used: opened (de), body: {{ wherre }} is unknown")
    alice.get("/sealed/")
    page = opened("alice", width=width, dark=dark)
    assert check(page, "/refused/") == []
    if place := os.environ.get("TIPSTAFF_PICTURES"):
        page.screenshot(path=Path(place) / f"refused-{'d' if dark else 'l'}{width}.png", full_page=True)
