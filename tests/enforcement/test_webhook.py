"""The provider's own system as a connector: the contract for each preset, what is sent, and what bad answers come to."""

import socket
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from tests.enforcement import panels
from tests.enforcement.connector_contract import ConnectorContract, bounds, order
from tipstaff.enforcement.connectors.contract import ConnectorError, Misunderstood, Receipt, Rejected, State, Unanswered
from tipstaff.enforcement.connectors.webhook import Webhook, signature
from tipstaff.kernel.errors import InputError


def webhook(panel: panels.Panel, **changes: str) -> Webhook:
    settings = {name: value for name, value in {**panel.settings, **changes}.items() if value}
    return Webhook(settings, bounds(), lambda name: panels.SECRET)


class PanelContract(ConnectorContract):
    kind, scope = "suspend", "service"
    outside, protected = "999", "ours"
    made: ClassVar[type[panels.Panel]]

    @pytest.fixture
    def connector(self) -> Iterator[Webhook]:
        self.panel = self.made()
        yield webhook(self.panel)
        self.panel.stop()

    def standing(self) -> object:
        return self.panel.standing()

    def plant(self, target: str) -> None:
        self.panel.plant(target)

    def tamper(self, done) -> None:
        self.panel.tamper(done.target.text)

    def break_peer(self) -> None:
        self.panel.stop()

    def mend_peer(self) -> None:
        self.panel.start(self.panel.port)

    def test_secrets_are_in_no_plan(self, connector: Webhook) -> None:
        plan = connector.plan(self.order())
        assert panels.SECRET not in " ".join([*plan.commands, *plan.undo, plan.summary])

    @pytest.mark.parametrize(
        ("status", "content", "kind"),
        [
            (200, b"<html>", Misunderstood),
            (200, b"[]", Misunderstood),
            (200, b"{}", Misunderstood),
            (200, b"{" * 100_000, Misunderstood),
            (200, b" " * 5_000_000, Misunderstood),
            (401, b"{}", Rejected),
            (302, b"{}", Rejected),
            (429, b"{}", Unanswered),
            (500, b"{}", Unanswered),
            (503, b"", Unanswered),
        ],
    )
    def test_a_wrong_answer_is_said_and_changes_nothing(self, connector: Webhook, status, content, kind) -> None:
        before = self.standing()
        self.panel.broken = (status, content)
        for call in (lambda: connector.apply(self.order()), lambda: connector.verify(Receipt(self.order())), connector.actual):
            with pytest.raises(ConnectorError) as caught:
                call()
            assert isinstance(caught.value, kind | Rejected), caught.value
        self.panel.broken = None
        assert self.standing() == before


class TestStandard(PanelContract):
    made, targets = panels.Standard, panels.Standard.refs


class TestWhmcs(PanelContract):
    made, targets = panels.Whmcs, panels.Whmcs.refs


class TestCpanel(PanelContract):
    made, targets = panels.Cpanel, panels.Cpanel.refs


class TestProxmox(PanelContract):
    made, targets = panels.Proxmox, panels.Proxmox.refs

    def test_links_that_were_down_before_stay_down(self, connector: Webhook) -> None:
        before = self.standing()["101"]
        self.take_away(connector, self.carry_out(connector, self.order()))
        assert self.standing()["101"] == before and "link_down=1" in before["net1"]

    def test_a_machine_without_tags_has_none_again(self, connector: Webhook) -> None:
        del self.panel.accounts["101"]["tags"]
        before = self.standing()["101"]
        self.take_away(connector, self.carry_out(connector, self.order()))
        assert self.standing()["101"] == before and "tags" not in before

    def test_only_our_own_strays_are_removed(self, connector):
        """A stray has no order, so nobody knows which links were down before: all come up, and the tag goes."""
        self.carry_out(connector, self.order())
        connector.remove(next(iter(connector.actual())))
        assert self.tags(connector) == set() and "tipstaff" not in self.standing()["101"]["tags"]

    def test_a_change_that_waits_for_a_restart_is_not_said_to_stand(self, connector: Webhook) -> None:
        self.panel.hotplug = False
        done = connector.apply(self.order())
        found = connector.verify(done)
        assert found.state is State.ABSENT and "waits for a restart" in found.detail
        self.panel.running.clear()  # the machine was restarted
        assert connector.verify(done).state is State.IN_PLACE


class TestOpenstack(PanelContract):
    made, targets = panels.Openstack, panels.Openstack.refs

    def test_its_owner_cannot_resume_it(self, connector: Webhook) -> None:
        """Only administrators act on a locked server; one that was unlocked by hand no longer stands as ordered."""
        done = self.carry_out(connector, self.order())
        assert self.standing()["101"]["locked"]
        self.panel.accounts["101"]["locked"] = False
        assert connector.verify(done).state is State.ABSENT
        assert connector.verify(self.carry_out(connector, self.order())).state is State.IN_PLACE
        self.take_away(connector, done)
        assert not self.standing()["101"]["locked"] and not self.standing()["101"]["suspended"]

    def test_a_stopped_server_is_locked_and_nothing_more(self, connector: Webhook) -> None:
        self.panel.accounts["101"]["stopped"] = True
        done = self.carry_out(connector, self.order())
        assert connector.verify(done).state is State.IN_PLACE and not self.standing()["101"]["suspended"]
        self.take_away(connector, done)
        assert self.standing()["101"] == {"suspended": False, "note": "", "locked": False, "stopped": True}

    def test_a_server_that_nova_is_busy_with_is_tried_again_and_left_as_it_is(self, connector: Webhook) -> None:
        self.panel.accounts["101"]["task"] = "rebooting"
        before = self.standing()
        with pytest.raises(Unanswered, match="rebooting") as caught:
            connector.apply(self.order())
        assert caught.value.retry and self.standing() == before
        self.panel.accounts["101"]["task"] = None
        assert connector.verify(self.carry_out(connector, self.order())).state is State.IN_PLACE

    def test_what_was_locked_before_stays_locked(self, connector: Webhook) -> None:
        self.panel.accounts["101"]["locked"] = True
        self.take_away(connector, self.carry_out(connector, self.order()))
        assert self.standing()["101"]["locked"] and not self.standing()["101"]["suspended"]


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the scheme's own document: id, time and body joined by full stops."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}') == wanted
    with pytest.raises(InputError):
        signature("not base64!", "x", 1, b"")


def test_the_same_order_is_told_under_the_same_id_when_it_is_repeated() -> None:
    panel = panels.Standard()
    try:
        made = webhook(panel)
        for _ in (1, 2):
            made.preset.suspend(order(1, "suspend", "service", "101"))
        assert {one["headers"]["webhook-id"] for one in panel.exchanges} == {"tipstaff:7f3a90c1:1:apply"}
    finally:
        panel.stop()


def test_addresses_inside_are_refused_unless_the_settings_say_so() -> None:
    panel = panels.Standard()
    try:
        with pytest.raises(Rejected, match="not a public address"):
            webhook(panel, private="").actual()
    finally:
        panel.stop()


def test_wrong_credentials_are_not_tried_again() -> None:
    panel = panels.Whmcs()
    try:
        made = Webhook(panel.settings, bounds(), lambda name: "wrong")
        with pytest.raises(Rejected) as caught:
            made.actual()
        assert not caught.value.retry
    finally:
        panel.stop()


def test_a_peer_that_never_answers_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []
        threading.Thread(target=lambda: held.append(server.accept()[0]), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        made = Webhook(
            {"url": url, "secret": "TIPSTAFF_SECRET_X", "private": "yes", "timeout": "0.3"}, bounds(), lambda name: panels.SECRET
        )
        with pytest.raises(Unanswered) as caught:
            made.verify(Receipt(order(1, "suspend", "service", "101")))
        assert caught.value.retry


@pytest.mark.parametrize(
    "settings",
    [
        {"preset": "telepathy"}, {"url": "ftp://example.net"}, {"url": "https://user:pw@example.net"}, {"url": "nonsense"},
        {"identity": "x"}, {"authority": "/tmp/ca.pem"},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings) -> None:
    usual = {"url": "https://panel.example.net", "secret": "TIPSTAFF_SECRET_X"}
    with pytest.raises(InputError):
        Webhook({**usual, **settings}, bounds(), lambda name: "x")


def test_what_was_sent_to_whmcs_is_what_its_documents_ask_for() -> None:
    panel = panels.Whmcs()
    try:
        webhook(panel).apply(order(1, "suspend", "service", "101"))
        forms = [one["form"] for one in panel.exchanges]
        assert [form["action"] for form in forms] == [
            "GetClientsProducts",
            "GetClientsProducts",
            "UpdateClientProduct",
            "ModuleSuspend",
        ]
        assert forms[-1].keys() == {"action", "responsetype", "identifier", "secret", "serviceid", "suspendreason"}
        assert forms[-1]["serviceid"] == "101" and forms[-1]["suspendreason"] == "Policy clause 4.2, case 4312"
        assert State.IN_PLACE is webhook(panel).verify(Receipt(order(1, "suspend", "service", "101"))).state
    finally:
        panel.stop()


@pytest.mark.parametrize(("user", "locked"), [("root", {"disallowun": "1"}), ("desk", {})])
def test_what_was_sent_to_cpanel_is_what_its_documents_ask_for(user: str, locked: dict[str, str]) -> None:
    """Only root may lock a suspension; a reseller whose token it is asks for what resellers may."""
    panel = panels.Cpanel()
    panel.user = user
    try:
        connector = webhook(panel, user=user)
        done = connector.apply(order(1, "suspend", "service", "carol1"))
        connector.lift(done)
        sent = [(one["method"], one["path"].removeprefix("/json-api/"), one["query"]) for one in panel.exchanges]
        assert [path for _, path, _ in sent] == [
            "listsuspended", "listsuspended", "suspendacct", "listsuspended", "listsuspended", "unsuspendacct",
        ]  # fmt: skip
        reason = f"{done.order.tag} Policy clause 4.2, case 4312"
        assert sent[2] == ("GET", "suspendacct", {"api.version": "1", "user": "carol1", "reason": reason, **locked})
        assert sent[5] == ("GET", "unsuspendacct", {"api.version": "1", "user": "carol1"})
        assert connector.verify(done).state is State.ABSENT
    finally:
        panel.stop()
