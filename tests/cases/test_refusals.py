"""Whom the provider does not serve again (A14): entered, caught by whatever way they order again, decided by a lead, lifted."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django.test import Client

from tests.cases.resolving import NOW, Desk
from tipstaff.accounts.inventory import Inventory, ServiceFact
from tipstaff.accounts.models import Assignment, Contact, Customer, InventoryVersion, Service
from tipstaff.accounts.services import load, source_named
from tipstaff.audit.models import Entry
from tipstaff.cases import catching, refusals
from tipstaff.cases.models import Notice, Refusal, RefusalMatch
from tipstaff.faces.api import services as api
from tipstaff.faces.cli.inventory import import_
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, Refused

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=10)
HOUR = timedelta(hours=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def entry(desk: Desk) -> Refusal:
    """Carol was terminated for fraud and stands on the list."""
    return refusals.enter(case=desk.case, reason_code="fraud_site", by="bob", now=NOW)


def customer(name: str, number: str, *mails: str, living: bool = True) -> Customer:
    made = Customer.objects.create(name=name, external_id=number, created_at=LATER)
    for mail in mails:
        Contact.objects.create(customer=made, email=mail, role="abuse", name=name)
    ended = None if living else LATER - timedelta(days=1)
    Service.objects.create(customer=made, name="a server", external_id=f"s-{number}", started_at=LATER, ended_at=ended)
    return made


def test_a_new_customer_with_her_mail_address_is_caught_once_and_the_leads_are_told(entry: Refusal) -> None:
    again = customer("Another Name", "c-900", "ABUSE@carol.example")
    customer("Dave", "c-901", "abuse@dave.example")
    customer("Carol Too", "c-902", "abuse@carol.example", living=False)
    made = catching.catch(now=LATER)
    assert [(row.customer_id, row.by_what, row.refusal_id) for row in made] == [(again.pk, ["mail"], entry.pk)]
    assert catching.catch(now=LATER) == [], "said once"
    said = catching.warnings(made)[0]
    assert "c-900: not to be served again" in said and "same mail" in said and "fraud_site" in said
    assert Entry.objects.get(action="refusal.caught").subject == f"customer:{again.pk}"
    assert "not served again" in Notice.objects.get(kind="alert", case=entry.case).detail["text"]


def test_she_herself_is_caught_by_a_service_that_began_afterwards_and_not_by_what_she_had(desk: Desk, entry: Refusal) -> None:
    assert catching.catch(now=LATER) == []
    Service.objects.create(customer=desk.case.customer, name="new", external_id="new", started_at=NOW + timedelta(days=1))
    assert [row.customer_id for row in catching.catch(now=LATER)] == [desk.case.customer_id]


def from_billing(number: str, owner: Customer, at: datetime, **stated: Any) -> None:
    """The billing system states a service, as it does every night."""
    fact = ServiceFact(number, owner.external_id or "", **stated)
    load(inventory=Inventory(services=[fact]), source=source_named(name="billing", kind="api"), by="system:test", now=at)


def number_of(owner: Customer) -> Customer:
    Customer.objects.filter(pk=owner.pk).update(external_id="c-800")
    owner.refresh_from_db()
    return owner


def test_a_service_without_a_start_counts_from_when_we_heard_of_it(desk: Desk) -> None:
    carol = number_of(desk.case.customer)
    from_billing("s-old", carol, NOW - timedelta(days=1))
    refusals.enter(case=desk.case, reason_code="fraud_site", by="bob", now=NOW)
    from_billing("s-old", carol, LATER, name="renamed")
    assert catching.catch(now=LATER) == [], "she had that before"
    from_billing("s-new", carol, LATER)
    assert [row.customer_id for row in catching.catch(now=LATER)] == [carol.pk]


def test_an_old_service_that_we_hear_of_late_is_no_order(desk: Desk, entry: Refusal) -> None:
    from_billing("s-late", number_of(desk.case.customer), LATER, started_at=NOW - timedelta(days=400))
    assert catching.catch(now=LATER) == []


def test_an_address_said_before_any_service_was_dated_tells_since_when(desk: Desk, entry: Refusal) -> None:
    service = Service.objects.create(customer=desk.case.customer, name="undated", external_id="undated")
    assert catching.catch(now=LATER) == [], "nobody knows since when she has it: no accusation"
    Assignment.objects.create(prefix="192.0.2.77/32", period=(LATER, None), service=service, recorded_at=LATER)
    assert [row.customer_id for row in catching.catch(now=LATER)] == [desk.case.customer_id]


@pytest.mark.parametrize("herself", [True, False])
@pytest.mark.parametrize("decision", ["refused", "served"])
def test_who_orders_again_after_a_decision_is_caught_anew_and_only_once(entry: Refusal, herself: bool, decision: str) -> None:
    who = number_of(entry.customer) if herself else customer("Another Name", "c-900", "abuse@carol.example")
    from_billing("s-1", who, LATER)
    (first,) = catching.catch(now=LATER)
    from_billing("s-2", who, LATER + HOUR)
    assert catching.catch(now=LATER + HOUR) == [], "the first one still waits for a lead"
    refusals.settle(match=first.pk, decision=decision, reason="as we said", by="bob", now=LATER + 2 * HOUR)
    from_billing("s-1", who, LATER + 3 * HOUR, name="renamed")
    assert catching.catch(now=LATER + 3 * HOUR) == [], "the same services"
    from_billing("s-3", who, LATER + 4 * HOUR)
    (again,) = catching.catch(now=LATER + 4 * HOUR)
    assert again.pk != first.pk and again.decision == "" and "not to be served again" in catching.warnings([again])[0]
    assert catching.catch(now=LATER + 5 * HOUR) == [] and Notice.objects.filter(kind="alert", case=entry.case).count() == 2
    refusals.settle(match=again.pk, decision=decision, reason="still", by="bob", now=LATER + 6 * HOUR)
    assert catching.catch(now=LATER + 7 * HOUR) == []
    from_billing("s-1", who, LATER + 9 * HOUR, started_at=LATER + 8 * HOUR)
    assert len(catching.catch(now=LATER + 9 * HOUR)) == 1, "the same number, ordered anew"


def test_who_is_somebody_else_is_left_alone_until_more_of_him_is_the_same(entry: Refusal) -> None:
    sister = customer("Carol’s sister", "c-900", "abuse@carol.example")
    (row,) = catching.catch(now=LATER)
    refusals.settle(match=row.pk, decision="another", reason="she is not", by="bob", now=LATER)
    from_billing("s-2", sister, LATER + HOUR)
    assert catching.catch(now=LATER + HOUR) == []
    entry.identities.append(refusals.digest("c-900"))
    entry.save()
    assert [again.by_what for again in catching.catch(now=LATER + 2 * HOUR)] == [["number", "mail"]]


@pytest.mark.parametrize("kept", [True, False])
def test_who_is_somebody_else_is_caught_by_a_second_address_of_the_same_kind(entry: Refusal, kept: bool) -> None:
    entry.identities.append(refusals.digest("carol@home.example"))
    entry.save()
    sister = customer("Carol’s sister", "c-900", "abuse@carol.example")
    (row,) = catching.catch(now=LATER)
    refusals.settle(match=row.pk, decision="another", reason="they share a mailbox", by="bob", now=LATER)
    from_billing("s-2", sister, LATER + HOUR)
    assert catching.catch(now=LATER + HOUR) == [], "an order more says nothing more of who it is"
    if not kept:  # caught before the digests were kept: the kinds tell
        RefusalMatch.objects.update(identities=[])
    Contact.objects.create(customer=sister, email="Carol@home.example")
    assert [again.by_what for again in catching.catch(now=LATER + 2 * HOUR)] == ([["mail"]] if kept else [])
    assert "carol" not in " ".join(RefusalMatch.objects.latest("pk").identities), "no name is kept, only digests"


def test_a_lifted_or_ended_entry_catches_nobody(entry: Refusal) -> None:
    customer("Another Name", "c-900", "abuse@carol.example")
    assert catching.catch(now=NOW + refusals.LASTS) == []
    refusals.lift(refusal=entry.pk, note="won the appeal", by="bob", now=NOW)
    assert catching.catch(now=LATER) == []


def test_a_lead_enters_somebody_by_hand_and_the_names_are_nowhere(desk: Desk) -> None:
    words = {"identities": ["Mallory Ltd", "m@mallory.example"], "reason_code": "billing_fraud", "now": NOW}
    with pytest.raises(Refused, match="roles"):
        refusals.add(**words, note="false card", by="alice")
    for wrong in ({"identities": []}, {"note": " "}, {"lasts": timedelta(0)}):
        with pytest.raises(InputError):
            refusals.add(**{**words, "note": "false card", **wrong}, by="bob")
    row = refusals.add(**words, note="false card", by="bob")
    assert "allory" not in str(vars(row)) and Entry.objects.filter(action="refusal.enter", actor="bob").count() == 1
    again = customer("mallory  ltd", "c-905")
    assert [(one.customer_id, one.by_what) for one in catching.catch(now=LATER)] == [(again.pk, ["name"])]


def test_a_lead_decides_once_with_a_reason(entry: Refusal) -> None:
    customer("Carol’s sister", "c-900", "abuse@carol.example")
    row = catching.catch(now=LATER)[0]
    for wrong in ({"decision": "perhaps"}, {"reason": " "}):
        with pytest.raises(InputError):
            refusals.settle(**{"match": row.pk, "decision": "another", "reason": "she is not", "by": "bob", "now": LATER, **wrong})
    with pytest.raises(Refused, match="roles"):
        refusals.settle(match=row.pk, decision="another", reason="she is not", by="alice", now=LATER)
    refusals.settle(match=row.pk, decision="another", reason="she is not", by="bob", now=LATER)
    assert Entry.objects.get(action="refusal.another").reason == "she is not"
    with pytest.raises(Refused, match="decided that already"):
        refusals.settle(match=row.pk, decision="served", reason="after all", by="bob", now=LATER)


def test_the_watcher_looks_when_the_inventory_changed_and_seldom(entry: Refusal, monkeypatch) -> None:
    watcher = catching.Watcher()
    assert watcher.step(LATER) == 0
    customer("Another Name", "c-900", "abuse@carol.example")
    assert watcher.step(LATER + timedelta(minutes=1)) == 0, "nobody said that anything changed"
    InventoryVersion.objects.update_or_create(pk=1, defaults={"number": 7})
    assert watcher.step(LATER + timedelta(minutes=1, seconds=1)) == 0, "not again so soon"
    assert watcher.step(LATER + timedelta(minutes=2)) == 1 and watcher.step(LATER + timedelta(minutes=3)) == 0


def test_an_import_warns_at_once(entry: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "customers.csv"
    path.write_text("customer,name,email\nc-910,Another Name,abuse@carol.example\n")
    services = tmp_path / "services.csv"
    services.write_text("prefix,customer,service,from\n192.168.9.9,c-910,s-910,2026-01-01\n")
    with clock.frozen(LATER):
        result = CliRunner().invoke(import_, ["csv", str(path), str(services)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "warning: c-910: not to be served again" in result.stderr
    assert RefusalMatch.objects.get().customer.external_id == "c-910"


def test_the_api_warns_at_once(entry: Refusal) -> None:
    _, token = api.create_token(name="billing", scopes=("inventory:write",), lasts=timedelta(days=30), by="bob", now=LATER)
    body = {
        "customers": [{"external_id": "c-920", "name": "Another Name"}],
        "contacts": [{"customer": "c-920", "external_id": "k", "role": "abuse", "email": "abuse@carol.example"}],
        "services": [{"external_id": "s-920", "customer": "c-920", "name": "vps"}],
    }
    with clock.frozen(LATER):
        for dry, count in (("?dry_run=true", 0), ("", 1), ("", 0)):
            headers = {"authorization": f"Bearer {token}"}
            answer = Client().put(f"/api/v1/inventory{dry}", json.dumps(body), content_type="application/json", headers=headers)
            assert answer.status_code == 200, answer.content
            assert len(answer.json()["warnings"]) == count
    assert "c-920: not to be served again" in catching.warnings(RefusalMatch.objects.all())[0]
