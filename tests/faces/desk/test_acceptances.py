"""Who has not accepted the policy in force, and that nobody is missed where the policy is accepted by use (A1, K16)."""

from dataclasses import replace

import pytest

from tests.faces.desk import factory
from tipstaff.accounts.models import Acceptance
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import queries as policy
from tipstaff.policy.models import StoredEdition
from tipstaff.policy.switches import AcceptanceBasis

pytestmark = pytest.mark.django_db
LIST = "/customers/?accepted=no"


def named(client, place: str = LIST) -> list[str]:
    return [row["customer"].name for row in client.get(place).context["rows"]]


def accepts(customer, wanted: str) -> None:
    Acceptance.objects.create(
        customer=customer, edition="default/1", content_hash=wanted, accepted_at=clock_now(), actor="Carol", method="portal"
    )


def test_those_who_have_not_accepted_the_edition_in_force_are_listed_until_they_do(desk, alice) -> None:
    every, wanted = named(alice, "/customers/"), StoredEdition.objects.get().content_hash
    assert "Policy not accepted" in alice.get("/customers/").content.decode()
    assert named(alice) == every, "what they accepted was another edition"
    accepts(desk.carol, wanted)
    assert named(alice) == [name for name in every if name != desk.carol.name]
    factory.Customer.objects.exclude(pk=desk.carol.pk).update(ended_at=clock_now())
    assert "Everybody has accepted the policy in force." in alice.get(LIST).content.decode()


def test_where_the_policy_is_accepted_by_use_nobody_is_missed(desk, alice, monkeypatch) -> None:
    page = f"/customers/{desk.carol.pk}/"
    Acceptance.objects.all().delete()
    assert "no acceptance on file" in alice.get(page).content.decode()
    stored, edition = policy.edition_in_force("", clock_now())
    by_use = replace(edition, switches=replace(edition.switches, acceptance=AcceptanceBasis.BY_USE))
    monkeypatch.setattr(policy, "edition_in_force", lambda brand, at: (stored, by_use))
    shown = alice.get(page).content.decode()
    assert "asks for no express acceptance" in shown and "no acceptance on file" not in shown
    assert not named(alice) and "Policy not accepted" not in alice.get("/customers/").content.decode()
