"""Every service that moves an order, a switch, a connector or the never-touch list asks who it is, whichever face calls it."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from tests.enforcement import given
from tipstaff.accounts import roles
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.enforcement import access, approving, by_hand, endpoints, interruptions, protecting, reconciler, switches, worker
from tipstaff.enforcement.models import Endpoint, Order
from tipstaff.faces.cli.connector import connector
from tipstaff.faces.cli.enforce import enforce
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import Refused

pytestmark = pytest.mark.django_db
WHY = {"reason": "because"}
#: Service → what it is called with beside ``by`` and ``now``, and the act of roles.py that it takes.
SERVICES: dict[Callable[..., Any], tuple[dict[str, Any], str]] = {
    approving.approve: ({"number": 0}, access.APPROVE),
    approving.decline: ({"number": 0, **WHY}, access.APPROVE),
    approving.lift: ({"number": 0, **WHY}, access.APPROVE),
    approving.settle: ({"number": 0, **WHY}, access.APPROVE),
    approving.move_end: ({"number": 0, "until": None, **WHY}, access.APPROVE),
    switches.stop: (WHY, access.SWITCH),
    switches.resume: (WHY, access.SWITCH),
    switches.lift_all: (WHY, access.SWITCH),
    switches.go_live: ({"live": True, **WHY}, access.SETTINGS),
    switches.set_limits: ({"cap_hour": 7, **WHY}, access.SETTINGS),
    endpoints.add: ({"name": "new", "connector": "journal", "settings": {"path": "x"}}, access.SETTINGS),
    endpoints.configure: ({"endpoint": None, "settings": {}}, access.SETTINGS),
    endpoints.set_live: ({"endpoint": None, "live": True, **WHY}, access.SETTINGS),
    endpoints.retire: ({"endpoint": None, **WHY}, access.SETTINGS),
    protecting.protect: ({"what": "203.0.113.53", "why": "our resolver"}, access.SWITCH),
    protecting.unprotect: ({"number": 1, **WHY}, access.SWITCH),
    reconciler.go_on: ({"endpoint": None, "changes": 5, **WHY}, access.SWITCH),
    by_hand.confirm: ({"number": 1}, by_hand.ACT),
    by_hand.refuse: ({"number": 1, **WHY}, by_hand.ACT),
    interruptions.grant: ({"number": 1, **WHY}, interruptions.ACT),
}


@pytest.fixture
def proposed(tmp_path, monkeypatch) -> Order:
    """An order that Alice asked for and that nobody has agreed to."""
    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)
    carol, _ = given.inventory()
    given.journal(tmp_path)
    given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work(1)
    return given.only()


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: f"{one.__module__.rpartition('.')[2]}.{one.__name__}")
def test_a_service_refuses_whoever_lacks_the_role_and_changes_nothing(service, proposed) -> None:
    words, act = SERVICES[service]
    endpoint = Endpoint.objects.get(name="paper")
    words = {**words, **({"number": proposed.pk} if words.get("number") == 0 else {})}
    words = {name: endpoint if name == "endpoint" else value for name, value in words.items()}
    StaffMember.objects.create(username="gone", roles=["lead", "network", "admin", "billing"], is_active=False)
    given.staff(**{f"x{role}": role for role in roles.STAFF})
    before = state_of_things()
    lacking = [f"x{role}" for role in roles.STAFF if role not in roles.ACTS[act]]
    for by in (*lacking, "gone", "nobody", "", "contact:1", "token:noc"):
        with pytest.raises(Refused):
            service(by=by, now=now(), **words)
    assert len(lacking) >= 5 and state_of_things() == before


def state_of_things() -> list[Any]:
    return [list(Order.objects.values()), list(Endpoint.objects.values()), switches.current().__dict__ | {"_state": None}]


def test_every_service_that_takes_a_person_is_in_the_table() -> None:
    """A new one is not forgotten: whatever says ``by`` and ``reason`` in these modules is asked above."""
    modules = (approving, switches, endpoints, protecting, reconciler, by_hand, interruptions)
    found = {
        one
        for module in modules
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__ and name[0] != "_" and {"by", "now"} <= set(inspect.signature(one).parameters)
    }
    assert found == set(SERVICES)


def test_programs_approve_lift_and_switch_nothing(proposed) -> None:
    for service in (approving.approve, approving.lift, switches.stop, switches.lift_all, protecting.protect, reconciler.go_on):
        words, _ = SERVICES[service]
        words = {**words, **({"number": proposed.pk} if words.get("number") == 0 else {})}
        words = {name: Endpoint.objects.get(name="paper") if name == "endpoint" else value for name, value in words.items()}
        with pytest.raises(Refused):
            service(by="system:clock", now=now(), **words)
    assert given.only().state == "proposed"


def test_two_analysts_are_not_enough_for_what_takes_two(proposed) -> None:
    """Rail 8: of the two, one is a lead."""
    given.staff(amy="analyst")
    Order.objects.filter(pk=proposed.pk).update(needs_two="termination")
    with pytest.raises(Refused, match="one of the two has to be a lead"):
        approving.approve(number=proposed.pk, by="amy", now=now())
    approving.approve(number=proposed.pk, by="bob", now=now())
    assert given.only().state == "approved"


def test_a_shell_skips_no_role_and_what_it_tried_is_on_the_record(proposed) -> None:
    run = CliRunner()
    given.staff(bill="billing")
    for words in (
        ["approve", str(proposed.pk), "--by", "bill"],
        ["approve", str(proposed.pk), "--by", "alice"],
        ["lift-all", "--yes", "--reason", "all wrong", "--by", "alice"],
        ["live", "--reason", "ready", "--by", "alice"],
        ["protect", "203.0.113.53", "--why", "our resolver", "--by", "bill"],
        ["approve", str(proposed.pk), "--by", "mallory"],
    ):
        assert isinstance(run.invoke(enforce, words).exception, Refused), words
    add = ["add", "new", "journal", "path=x", "--by", "alice"]
    assert isinstance(run.invoke(connector, add).exception, Refused)
    tries = list(Entry.objects.filter(action="refused.rule").order_by("pk"))
    assert [one.actor for one in tries] == ["bill", "alice", "alice", "alice", "bill", "mallory", "alice"]
    assert [tries[0].subject, tries[2].subject] == [f"order:{proposed.pk}", "command:tipstaff lift-all"]
    assert "somebody else has to" in tries[1].reason and "roles" in tries[0].reason
    assert all(one.detail["shell"].startswith("cli:") and one.detail["method"] == "shell" for one in tries)
    assert given.only().state == "proposed" and not Entry.objects.filter(action="shell.act").exists()


def test_a_shell_that_acts_in_somebodys_name_is_named_too_and_names_no_program(proposed) -> None:
    run = CliRunner()
    assert run.invoke(enforce, ["approve", str(proposed.pk), "--by", "bob", "--reason", "agreed"]).exit_code == 0
    made = Entry.objects.get(action="shell.act")
    assert made.actor.startswith("cli:") and made.subject == f"order:{proposed.pk}" and made.detail["acted_as"] == "bob"
    for name in ("system:clock", "contact:1"):
        result = run.invoke(enforce, ["stop", "--reason", "x", "--by", name])
        assert result.exit_code == 2 and "name a member of staff" in result.output
    assert not switches.current().stopped
