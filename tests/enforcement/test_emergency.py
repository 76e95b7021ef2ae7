"""An emergency block: the smallest scope, an end of its own, the customer told at once; a second person makes it last."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.cases.resolving import say
from tests.enforcement import given
from tipstaff.accounts.models import StaffMember
from tipstaff.cases import restriction
from tipstaff.cases.models_words import Notice
from tipstaff.enforcement.models import Order
from tipstaff.kernel.clock import frozen, now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


@pytest.fixture
def attack(tmp_path: Path):
    for name, roles in (("alice", ["analyst"]), ("bob", ["lead"])):
        StaffMember.objects.update_or_create(username=name, defaults={"roles": roles})
    given.journal(tmp_path)
    carol, _ = given.inventory()
    return given.case(carol, "ddos_origin", state="TRIAGE")


def block(attack, **columns):
    words = {"kind": "block", "scope": "machine", "target": given.CAROL, "reason": "it floods others", "by": "bob", "now": now()}
    return restriction.emergency(case=attack.pk, **{**words, **columns})


def test_it_is_in_force_at_once_and_the_customer_is_told_why(attack) -> None:
    made = block(attack)
    given.work()
    order = given.only()
    assert order.state == "verified" and order.emergency and order.approved_by == "system:emergency"
    assert order.expires_at - order.created_at <= timedelta(hours=24)
    told = Notice.objects.filter(case=attack, audience="customer").values_list("kind", flat=True)
    assert "emergency" in told
    made.refresh_from_db()
    assert made.state == "in_force"


def test_unconfirmed_it_ends_by_itself(attack) -> None:
    made = block(attack)
    given.work()
    with frozen(made.expires_at + timedelta(seconds=1)):
        given.work()
    assert given.only().state == "reverted"


def test_confirmed_by_a_second_person_it_lasts(attack) -> None:
    made = block(attack)
    given.work()
    say(attack.pk, by="alice", now=now())
    restriction.confirm_emergency(measure=made.pk, reason="still floods", by="alice", now=now())
    given.work()
    order = given.only()
    assert order.expires_at > now() + timedelta(days=30) and order.state == "verified" and not order.refresh
    with frozen(now() + timedelta(days=2)):
        given.work()
        assert given.only().state == "verified"


def test_of_an_emergency_the_smallest_scope_that_the_case_names_is_blocked(attack, monkeypatch) -> None:
    from tipstaff.enforcement import views

    monkeypatch.setattr(views, "named_by", lambda case: {"port": "203.0.113.7/32 udp/123", "machine": "203.0.113.7/32"})
    block(attack)
    given.work()
    order = Order.objects.get()
    assert (order.kind, order.scope, order.target, order.direction) == ("port_block", "port", "203.0.113.7/32 udp/123", "in")
    assert "smaller than" in order.choice
