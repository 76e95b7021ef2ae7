"""Customers who were attacked: the policy's word decides who hears of it; nobody hears who attacked, or twice a day."""

from datetime import timedelta

import pytest
from django.test import override_settings

from tests.accounts.given import held
from tests.pipeline.given import CAROL, DAVE, NOW, provider
from tests.pipeline.test_findings import carol, deliver, finding
from tipstaff.accounts.models import Contact, Customer, StaffMember
from tipstaff.correspondence.models import OutboxMessage, Wording
from tipstaff.pipeline import victims_telling
from tipstaff.pipeline.models import VictimNotice

pytestmark = pytest.mark.django_db
SOON = {"opened_at": NOW - timedelta(minutes=9), "last_at": NOW - timedelta(minutes=1)}


def furnished(*more, pack: str = "default") -> None:
    """Carol and Dave can be written to; ``more`` assignments."""
    provider(*more, pack=pack)
    for name in ("carol", "dave"):
        customer = Customer.objects.get(external_id=name)
        Contact.objects.update_or_create(customer=customer, role="abuse", defaults={"name": name, "email": f"abuse@{name}.example"})


def attacked(pack: str = "default", **changes) -> VictimNotice:
    furnished(pack=pack)
    deliver(finding("victim", **{**SOON, **changes}))
    return VictimNotice.objects.get()


def test_under_the_default_policy_the_customer_is_written_to_once_a_day_for_each_target() -> None:
    attacked()
    assert victims_telling.tell(now=NOW) == 1 and victims_telling.tell(now=NOW) == 0
    letter = OutboxMessage.objects.get()
    assert (letter.audience, letter.reference, letter.kind) == ("customer", f"customer:{carol().pk}", "attacked")
    assert (
        CAROL in letter.subject
        and "peak packets per second: 400,000" in letter.body
        and "Nothing of it is held against you" in letter.body
    )
    assert "203.0.113.9" not in letter.body, "who attacked is not named"
    assert VictimNotice.objects.get().told_at == NOW
    deliver(finding("victim", id="another", **SOON), now=NOW + timedelta(minutes=2))
    assert victims_telling.tell(now=NOW + timedelta(minutes=2)) == 1 and OutboxMessage.objects.count() == 1


def test_where_the_policy_says_desk_leads_and_network_are_told_and_the_customer_is_not() -> None:
    attacked(pack="dedicated-hosting")
    for name, role in (("bob", "lead"), ("nora", "network"), ("alice", "analyst")):
        StaffMember.objects.create(username=name, roles=[role], email=f"{name}@provider.example.net")
    with override_settings(PUBLIC_URL="https://abuse.provider.example.net"):
        victims_telling.tell(now=NOW)
    letters = list(OutboxMessage.objects.order_by("recipient"))
    assert [row.recipient for row in letters] == ["bob@provider.example.net", "nora@provider.example.net"]
    assert {row.audience for row in letters} == {"staff"}
    assert f"/attacks/?customer={carol().pk}" in letters[0].body and "Carol" in letters[0].body


def test_a_customer_without_an_address_leaves_it_to_the_desk() -> None:
    row = attacked()
    row.customer.contacts.update(email="")
    StaffMember.objects.create(username="bob", roles=["lead"], email="bob@provider.example.net")
    victims_telling.tell(now=NOW)
    assert OutboxMessage.objects.get().audience == "staff"


def test_what_is_long_over_is_listed_and_not_told() -> None:
    attacked(opened_at=NOW - timedelta(days=3), last_at=NOW - timedelta(days=2))
    assert victims_telling.tell(now=NOW) == 1
    assert not OutboxMessage.objects.exists() and VictimNotice.objects.get().told_at == NOW


def test_a_customer_whom_another_attacks_hears_of_it_and_never_by_whom() -> None:
    furnished()
    peers = (
        {"address": DAVE, "bytes": 900, "packets": 7, "flows": 3},
        {"address": "2001:db8:ffff::1", "bytes": 1, "packets": 1, "flows": 1},
    )
    deliver(finding("carpet", customer_id=carol().pk, top_peers=peers, **SOON))
    row = VictimNotice.objects.get()
    assert (row.customer, row.subject, row.words) == (Customer.objects.get(external_id="dave"), DAVE, "")
    assert row.detail == {"figures": {"packets": 7, "bytes": 900, "flows": 3}}
    victims_telling.tell(now=NOW)
    letter = OutboxMessage.objects.get(kind="attacked")
    assert letter.reference == f"customer:{row.customer_id}" and DAVE in letter.body
    assert "arol" not in letter.body and "192.0.2." not in letter.body


def test_an_attacked_address_that_changed_hands_or_has_many_holders_is_nobodys_in_particular() -> None:
    furnished(
        held("203.0.113.99/32", "emma-1", "2026-01-01", "2026-06-15T11:55"),
        *(held("203.0.113.98/32", name, "2026-01-01", shared=True, external_id=name) for name in ("emma-1", "rory-1")),
    )
    peers = tuple({"address": address, "packets": 7} for address in ("203.0.113.99", "203.0.113.98"))
    deliver(finding("carpet", customer_id=carol().pk, top_peers=peers, **SOON))
    assert not VictimNotice.objects.exists(), "it was Emma's and Rory's while it was attacked"
    earlier = {"opened_at": NOW - timedelta(minutes=20), "last_at": NOW - timedelta(minutes=9)}
    deliver(finding("carpet", id="earlier", customer_id=carol().pk, top_peers=peers, **earlier))
    assert [row.customer.external_id for row in VictimNotice.objects.all()] == ["emma"], "whose it was then, not now"


def test_words_of_the_operator_that_no_longer_fit_leave_it_to_the_desk(caplog) -> None:
    attacked()
    StaffMember.objects.create(username="bob", roles=["lead"], email="bob@provider.example.net")
    ours = {"language": "en", "subject": "An attack", "body": "{% if contact %} never closed", "at": NOW, "by": "bob"}
    Wording.objects.create(kind="attacked", **ours)
    assert victims_telling.tell(now=NOW) == 1
    assert OutboxMessage.objects.get().audience == "staff" and "told to the desk" in caplog.text
    Wording.objects.create(kind="attacked.staff", **ours)
    deliver(finding("victim", id="tomorrow", opened_at=NOW + timedelta(days=1), last_at=NOW + timedelta(days=1, minutes=5)),
            now=NOW + timedelta(days=1, minutes=6))  # fmt: skip
    assert victims_telling.tell(now=NOW + timedelta(days=1, minutes=6)) == 1 and OutboxMessage.objects.count() == 1
    assert "was not told" in caplog.text


def test_a_scan_of_many_tells_none_of_them_and_an_attack_on_oneself_is_no_attack_by_another() -> None:
    furnished()
    deliver(finding("scan", top_peers=({"address": DAVE, "packets": 1},), **SOON))
    deliver(finding("carpet", customer_id=carol().pk, top_peers=({"address": CAROL, "packets": 1},), **SOON))
    assert not VictimNotice.objects.exists()
