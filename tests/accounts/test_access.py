"""Who sees which customers, and who may change them."""

from importlib import import_module

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from tests.accounts.given import NOW
from tipstaff.accounts import access, roles
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.kernel.errors import NotFound, Refused


def person(*roles, **more):
    return StaffMember(username="p", roles=list(roles), **more)


ALICE, BOB, ROOT = person("analyst"), person("lead"), person("admin")
NOBODY = [AnonymousUser(), person(), person("gardener"), person("liaison"), person("sealed"), person("lead", is_active=False)]


@pytest.mark.django_db
class TestCustomers:
    @pytest.fixture(autouse=True)
    def _carol(self):
        self.carol = Customer.objects.create(name="Carol", created_at=NOW)

    @pytest.mark.parametrize("who", [ALICE, BOB, ROOT, person("auditor"), person("counsel"), person("analyst", "liaison")])
    def test_the_desk_sees_all_customers(self, who):
        assert list(access.customers(who)) == [self.carol]
        assert access.customer(who, self.carol.pk) == self.carol

    @pytest.mark.parametrize("who", NOBODY)
    def test_nobody_else_sees_any_and_cannot_tell_that_there_are(self, who):
        assert list(access.customers(who)) == []
        with pytest.raises(NotFound) as unseen:
            access.customer(who, self.carol.pk)
        with pytest.raises(NotFound) as absent:
            access.customer(ALICE, self.carol.pk + 1)
        assert str(unseen.value).rstrip("0123456789") == str(absent.value).rstrip("0123456789")


EXPECTED = {
    "see customers": "analyst lead counsel billing network auditor admin",
    "confirm a contact": "analyst lead admin",
    "edit a customer": "lead admin",
    "correct an assignment": "lead admin",
    "import the inventory": "lead admin",
    "export the inventory": "lead auditor admin",
    "read the desk": "analyst lead counsel network auditor admin",
    "see submissions": "analyst lead counsel auditor admin",
    "see cases": "analyst lead counsel network auditor admin",
    "open evidence": "analyst lead counsel auditor admin",
    "see the sealed queue": "counsel liaison",
    "see restricted cases": "counsel liaison",
    "answer to an authority": "lead counsel liaison admin",
    "work cases": "analyst lead counsel admin",
    "decide as a lead": "lead admin",
    "decide an appeal": "analyst lead counsel",
    "terminate a customer": "lead counsel",
    "see orders": "analyst lead counsel billing network auditor admin",
    "approve an order": "analyst lead",
    "approve a wide order": "lead",
    "carry out an order": "lead network",
    "see interruptions and credits": "analyst lead counsel billing network auditor admin",
    "grant a credit": "lead billing",
    "change settings": "lead admin",
    "publish policy": "lead counsel admin",
    "see figures": "analyst lead counsel liaison billing network auditor admin",
    "see holds": "lead counsel auditor admin",
    "place a hold": "lead counsel admin",
    "release a hold": "counsel",
    "see the record": "counsel auditor admin",
    "manage staff": "admin",
    "erase the sample": "lead admin",
}


@pytest.mark.parametrize("act", EXPECTED)
def test_acts(act):
    assert {role for role in access.ROLES if access.may(person(role), act)} == set(EXPECTED[act].split())
    assert not any(access.may(who, act) for who in (AnonymousUser(), person(), person("gardener"), person("sealed")))
    assert not access.may(person(*access.ROLES, is_active=False), act)
    assert not access.may(person("reporter", "customer", "reseller"), act)


def test_every_act_is_tested_above():
    assert set(EXPECTED) == set(access.ACTS)


def test_the_roles_are_those_of_the_requirements():
    names = [role.title for role in roles.TABLE]
    assert names == [
        "reporter", "customer", "reseller", "analyst", "lead", "counsel", "authority liaison", "billing", "network operator",
        "auditor", "admin",
    ]  # fmt: skip
    assert {"reporter", "customer", "reseller"}.isdisjoint(roles.STAFF)
    assert all(role.purpose for role in roles.TABLE)


def test_who_only_reads_is_in_no_act_that_changes():
    changing = [act for act in access.ACTS if not act.startswith(("see ", "open ", "read ", "export "))]
    assert len(changing) > 10
    assert not [act for act in changing if "auditor" in access.ACTS[act]]


def test_the_sealed_queue_has_two_roles_and_they_are_no_default_of_others():
    assert len(roles.SEALED_QUEUE) == 2
    assert not access.may(person("admin", "lead", "analyst", "auditor"), "see the sealed queue")


def test_a_refusal_says_who_could():
    access.require(BOB, "correct an assignment")
    with pytest.raises(Refused, match="admin, lead"):
        access.require(ALICE, "correct an assignment")


@pytest.mark.django_db
def test_who_held_the_former_role_of_the_sealed_queue_is_a_liaison_now():
    migration = import_module("tipstaff.accounts.migrations.0003_two_roles_for_the_sealed_queue")
    for name, held in {"a": ["analyst", "sealed"], "b": ["sealed"], "c": ["sealed", "liaison"], "d": ["lead"], "e": []}.items():
        StaffMember.objects.create(username=name, roles=held)
    with connection.cursor() as cursor:
        cursor.execute(migration.FORWARD)
    now = {row.username: sorted(row.roles) for row in StaffMember.objects.all()}
    assert now == {"a": ["analyst", "liaison"], "b": ["liaison"], "c": ["liaison"], "d": ["lead"], "e": []}
    assert not any("sealed" in held for held in now.values())
