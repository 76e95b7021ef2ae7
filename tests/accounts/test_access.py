"""Who sees which customers, and who may change them."""

import pytest
from django.contrib.auth.models import AnonymousUser

from tests.accounts.given import NOW
from tipstaff.accounts import access
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.kernel.errors import NotFound, Refused


def person(*roles, **more):
    return StaffMember(username="p", roles=list(roles), **more)


ALICE, BOB, ROOT = person("analyst"), person("lead"), person("admin")
NOBODY = [AnonymousUser(), person(), person("gardener"), person("sealed"), person("lead", is_active=False)]


@pytest.mark.django_db
class TestCustomers:
    @pytest.fixture(autouse=True)
    def carol(self):
        self.carol = Customer.objects.create(name="Carol", created_at=NOW)

    @pytest.mark.parametrize("who", [ALICE, BOB, ROOT, person("auditor"), person("counsel"), person("analyst", "sealed")])
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


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        ("see customers", {"analyst", "lead", "counsel", "auditor", "admin"}),
        ("confirm a contact", {"analyst", "lead", "admin"}),
        ("edit a customer", {"lead", "admin"}),
        ("correct an assignment", {"lead", "admin"}),
        ("import the inventory", {"lead", "admin"}),
        ("export the inventory", {"lead", "admin", "auditor"}),
        ("manage staff", {"admin"}),
    ],
)
def test_acts(act, allowed):
    assert {role for role in access.ROLES if access.may(person(role), act)} == allowed
    assert not any(access.may(who, act) for who in NOBODY)


def test_every_act_is_tested_above():
    assert len(access.ACTS) == 7


def test_a_refusal_says_who_could():
    access.require(BOB, "correct an assignment")
    with pytest.raises(Refused, match="admin, lead"):
        access.require(ALICE, "correct an assignment")
