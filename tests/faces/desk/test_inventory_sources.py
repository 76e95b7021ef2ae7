"""How far behind the inventory is, on Settings and Home, and after which age it is late."""

from datetime import timedelta

import pytest

from tipstaff.accounts.models import InventorySource
from tipstaff.kernel.clock import now as clock_now


def late(client, page="/settings/"):
    return client.get(page).content.decode().count("late</span>")


pytestmark = pytest.mark.django_db


def test_a_lead_says_when_the_inventory_is_late_and_the_pages_show_it(desk, alice, signed_in):
    bob = signed_in("bob")
    ledger = InventorySource.objects.create(name="ledger", kind="netbox", last_word_at=clock_now() - timedelta(hours=30))
    given = {"inventory": "ledger", "hours": "26"}
    assert alice.post("/settings/", given).status_code == 409
    assert bob.post("/settings/", given | {"hours": "soon"}).status_code == 422
    assert bob.post("/settings/", given | {"inventory": "other"}).status_code == 422
    before = late(bob), late(alice, "/")
    assert bob.post("/settings/", given).status_code == 302
    ledger.refresh_from_db()
    assert ledger.max_lag == timedelta(hours=26) and (late(bob), late(alice, "/")) == (before[0] + 1, before[1] + 1)
