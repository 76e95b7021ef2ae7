"""Rail 12 in masses: what is asked back at once goes at the peer together, and is settled one by one behind it."""

from pathlib import Path

import pytest

from tests.enforcement import given
from tipstaff.audit.models import Entry
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import lifting, switches
from tipstaff.enforcement.connectors.journal import Journal
from tipstaff.enforcement.models import Interruption, Order
from tipstaff.kernel.clock import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


def test_what_is_lifted_in_masses_goes_at_the_peer_together_and_each_is_settled(carol, peer, monkeypatch) -> None:
    """A dozen of ours at once; one of them was changed by somebody else meanwhile, and is left as it is."""
    service = carol.services.first()
    addresses = [f"203.0.113.{100 + number}" for number in range(12)]
    for address in addresses:
        service.assignments.create(prefix=f"{address}/32", period=given.EVER, recorded_at=now())
        given.measure(given.case(carol), target=address)
    given.work()
    assert len(given.standing(peer)) == 12
    path = Path(peer.settings["path"])
    with path.open("a") as handle:
        handle.write('{"act": "apply", "place": "block both 203.0.113.105/32", "tag": "noc"}\n')
    together: list[frozenset[str]] = []
    whole = Journal.lift_together

    def counted(self, receipts):
        together.append(whole(self, receipts))
        return together[-1]

    monkeypatch.setattr(Journal, "lift_together", counted)
    assert switches.lift_all(by="bob", reason="gone wrong", now=now()) == 12
    given.work()
    assert [len(gone) for gone in together] == [11], "in one go, but for what is not ours any more"
    states = dict(Order.objects.values_list("target", "state"))
    assert states.pop("203.0.113.105/32") == "drifted" and set(states.values()) == {"reverted"}
    for order in Order.objects.filter(state="reverted"):
        kinds = list(order.entries.order_by("pk").values_list("kind", flat=True))
        assert kinds[-3:] == ["revert_asked", "reverting", "reverted"] and order.lifted_at and order.ended_at
        assert order.entries.get(kind="reverting").actor == "bob"
    assert Entry.objects.filter(action="order.reverting", actor="bob").count() == 12 and given.standing(peer) == set()
    assert Interruption.objects.filter(ended_at__isnull=False).count() == 11
    assert '"tag": "noc"' in path.read_text().splitlines()[12]


def test_killed_after_the_peer_was_cleared_the_next_look_settles_them(carol, peer) -> None:
    service = carol.services.first()
    for number in range(10):
        service.assignments.create(prefix=f"203.0.113.{100 + number}/32", period=given.EVER, recorded_at=now())
        given.measure(given.case(carol), target=f"203.0.113.{100 + number}")
    given.work()
    switches.lift_all(by="bob", reason="gone wrong", now=now())
    assert lifting.together(peer, switches.current()) == 10
    assert given.standing(peer) == set() and set(Order.objects.values_list("state", flat=True)) == {"reverting"}
    given.work()  # whoever comes next
    assert set(Order.objects.values_list("state", flat=True)) == {"reverted"}
    assert Measure.objects.exclude(state="lifted").count() == 0
