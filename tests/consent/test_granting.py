"""Requests, grants, refusals, revocations: two people, a window ahead, a paper, and the record."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from tipstaff.accounts.models import Customer, OwnPrefix, Service, StaffMember
from tipstaff.audit.models import Entry
from tipstaff.consent import granting, queries
from tipstaff.consent.granting import Asked
from tipstaff.consent.models import Permit, PermitUse
from tipstaff.kernel.errors import InputError, Refused

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ASKED = Asked(
    kind="test", title="Quarterly test of Carol's shop", direction="out", hosts=["192.0.2.7"], starts_at=NOW,
    ends_at=NOW + HOUR, signatory="C. Arol", document=b"signed paper", document_name="consent.pdf",
)  # fmt: skip


@pytest.fixture(autouse=True)
def people(db) -> None:
    StaffMember.objects.create(username="alice", roles=["analyst"])
    StaffMember.objects.create(username="bob", roles=["lead"])
    StaffMember.objects.create(username="erin", roles=["lead"])


def asked(by: str = "alice", **changes) -> Permit:
    return granting.ask(asked=replace(ASKED, **changes), by=by, now=NOW)


def test_a_request_covers_nothing_until_another_person_of_weight_grants_it() -> None:
    permit = asked(by="bob")
    assert queries.scopes(now=NOW) == []
    with pytest.raises(Refused, match="another person"):
        granting.grant(permit=permit.pk, by="bob", now=NOW)
    with pytest.raises(Refused, match="lead"):
        granting.grant(permit=permit.pk, by="alice", now=NOW)
    with pytest.raises(Refused, match="signed in"):
        granting.grant(permit=permit.pk, by="cli:root", now=NOW)
    granting.grant(permit=permit.pk, by="erin", now=NOW)
    assert [scope.id for scope in queries.scopes(now=NOW)] == [permit.pk]
    assert list(Entry.objects.order_by("id").values_list("action", "actor")) == [("permit.ask", "bob"), ("permit.grant", "erin")]


def test_the_database_itself_refuses_one_person_twice() -> None:
    permit = asked()
    with pytest.raises(IntegrityError), transaction.atomic():
        Permit.objects.filter(pk=permit.pk).update(approved_by="alice", approved_at=NOW)


def test_consent_is_prior_a_late_grant_covers_only_what_comes_after() -> None:
    permit = asked()
    granting.grant(permit=permit.pk, by="bob", now=NOW + HOUR / 2)
    scope = queries.scopes(now=NOW + HOUR)[0]
    assert (scope.starts_at, scope.ends_at) == (NOW + HOUR / 2, NOW + HOUR)
    late = asked()
    with pytest.raises(Refused, match="beforehand"):
        granting.grant(permit=late.pk, by="bob", now=NOW + HOUR)


def test_a_revocation_ends_the_window_at_once_and_keeps_what_was() -> None:
    permit = asked()
    granting.grant(permit=permit.pk, by="bob", now=NOW)
    with pytest.raises(InputError, match="reason"):
        granting.revoke(permit=permit.pk, reason=" ", by="alice", now=NOW)
    granting.revoke(permit=permit.pk, reason="the tester lost a key", by="alice", now=NOW + HOUR / 4)
    granting.revoke(permit=permit.pk, reason="again", by="alice", now=NOW + HOUR / 2)
    permit.refresh_from_db()
    assert queries.scope_of(permit).ends_at == NOW + HOUR / 4 and queries.state_of(permit, NOW + HOUR / 2) == "revoked"
    unbegun = asked(starts_at=NOW + HOUR / 2)
    granting.grant(permit=unbegun.pk, by="bob", now=NOW)
    granting.revoke(permit=unbegun.pk, reason="called off", by="alice", now=NOW)
    unbegun.refresh_from_db()
    assert queries.scope_of(unbegun) is None


def test_a_refused_request_stays_refused() -> None:
    permit = asked()
    granting.refuse(permit=permit.pk, reason="no signature", by="bob", now=NOW)
    with pytest.raises(Refused, match="refused already"):
        granting.grant(permit=permit.pk, by="erin", now=NOW)
    permit.refresh_from_db()
    assert queries.state_of(permit, NOW) == "refused"


def test_everything_that_is_wrong_is_named_at_once() -> None:
    wrong = {
        "kind": "war", "direction": "up", "title": "", "signatory": "", "hosts": ["192.0.2.7/24", "::/0"], "document": b"",
        "starts_at": NOW + HOUR,
    }  # fmt: skip
    with pytest.raises(InputError) as error:
        asked(**wrong)
    assert {problem.where for problem in error.value.problems} == {
        "kind", "direction", "title", "signatory", "hosts", "document", "until"
    }  # fmt: skip
    with pytest.raises(InputError, match="zone"):
        asked(starts_at=NOW.replace(tzinfo=None))
    with pytest.raises(InputError, match="no service"):
        asked(services=[99])


def test_uses_are_only_ever_added() -> None:
    permit = asked()
    use = PermitUse.objects.create(permit=permit, report_id=1, from_at=NOW, until_at=NOW, text="x", at=NOW)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        PermitUse.objects.filter(pk=use.pk).update(text="y")


@pytest.mark.parametrize("written", ["fe80::1%eth0", "2001:db8::7%25<b>", "192.0.2.0%24", "%", "2001:db8::/64%x"])
def test_an_address_with_a_zone_index_is_a_problem_of_its_field(written) -> None:
    for field in ("hosts", "targets"):
        with pytest.raises(InputError, match="is no address or prefix") as raised:
            asked(**{field: [written]})
        assert raised.value.problems[0].where == field


def test_nobody_permits_what_is_not_ours_or_is_another_customers() -> None:
    OwnPrefix.objects.create(prefix="192.0.2.0/24")
    for hosts in (["0.0.0.0/1"], ["192.0.2.7", "198.51.100.1"], ["2001:db8::/48"], ["192.0.0.0/16"]):
        with pytest.raises(InputError, match="is not ours"):
            asked(hosts=hosts)
    carol, dave = (Customer.objects.create(name=name, external_id=name, created_at=NOW) for name in ("carol", "dave"))
    daves = Service.objects.create(customer=dave, external_id="dave-1", name="web")
    with pytest.raises(InputError, match="another customer's"):
        asked(customer=carol.pk, services=[daves.pk])
    permit = asked(customer=dave.pk, services=[daves.pk])
    granting.grant(permit=permit.pk, by="bob", now=NOW)
    assert queries.scopes(now=NOW)[0].customer == dave.pk
