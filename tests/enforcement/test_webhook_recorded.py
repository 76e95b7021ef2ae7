"""The presets against exchanges of real systems, played back over real HTTP (tests/corpus/webhook/README.md)."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.enforcement import panels
from tests.enforcement.connector_contract import bounds, order
from tests.enforcement.replay import Replay, recorded
from tipstaff.enforcement.connectors.contract import (
    ConnectorError,
    InPlace,
    Misunderstood,
    OrderView,
    Receipt,
    Rejected,
    State,
    Unanswered,
)
from tipstaff.enforcement.connectors.webhook import Webhook
from tipstaff.enforcement.connectors.webhook_presets import _number

SERVER = "0985cc99-0000-4000-8000-000000000101"
SERVICES = {"whmcs": "101", "proxmox": "101", "openstack": SERVER, "cpanel": "carol1"}
TAG = "tipstaff:7f3a90c1:1"

# apply, verify, lift, verify: every request in its order, and what the system said to it
PLAYS: dict[str, tuple[str, ...]] = {
    "whmcs": (
        "service", "service", "note", "suspend",
        "service, suspended",
        "service, suspended", "service, suspended", "unsuspend", "note taken back",
        "service",
    ),
    "cpanel": (
        "listsuspended", "listsuspended", "suspendacct",
        "listsuspended, ours",
        "listsuspended, ours", "listsuspended, ours", "unsuspendacct",
        "listsuspended",
    ),
    "proxmox": (
        "resources", "config, running", "resources", "config", "links down",
        "resources, tagged", "config, down, running",
        "resources, tagged", "config, down, running", "resources, tagged", "config, down", "links up",
        "resources", "config, running",
    ),
    "openstack": (
        "token", "server", "server", "tag", "lock", "suspend",
        "server, suspended",
        "server, suspended", "server, suspended", "resume", "unlock", "untag",
        "server",
    ),
}  # fmt: skip

LAST_TAG = (
    "resources, tagged", "config, ours alone, running", "resources, tagged", "config, ours alone", "links up, no tags",
)  # fmt: skip

STRAYS = {
    "whmcs": ("services, as numbers",),
    "cpanel": ("listsuspended, ours",),
    "proxmox": ("resources, tagged",),
    "openstack": ("token", "servers"),
}

# what comes of a bad or older answer: the play, the kind of error, and the words of it that a person needs
TROUBLES: list[tuple[str, tuple[str, ...], type[ConnectorError], str]] = [
    ("whmcs", ("service", "service", "note", "no module"), Rejected, "the service has no module"),
    ("whmcs", ("address not allowed",), Rejected, "403 Forbidden.*address 203.0.113.9 is not allowed"),
    ("cpanel", ("listsuspended", "listsuspended", "no such user"), Rejected, "a user that is not there"),
    ("cpanel", ("listsuspended", "listsuspended", "older suspendacct"), Misunderstood, "without metadata"),
    ("cpanel", ("older listsuspended",), Misunderstood, "without metadata"),
    ("proxmox", ("resources", "config, running", "resources", "config", "refused with 200"), Rejected, "invalid tag of machine"),
    ("proxmox", ("resources", "moved away"), Unanswered, "500 machine 101 is not on node pve1"),
    ("proxmox", ("resources", "moved away, older"), Unanswered, "500 machine 101 is not on node pve1"),
    ("proxmox", ("resources", "node away"), Unanswered, "595 connection to node pve1 refused"),
    ("openstack", ("token refused",), Rejected, "401 Unauthorized.*this method is not offered"),
    ("openstack", ("token", "no such server"), Rejected, f"no server {SERVER}"),
    ("openstack", ("token", "server", "server", "tag", "lock", "conflict"), Unanswered, "409 Conflict.*vm_state stopped"),
]


def connector(preset: str, url: str) -> Webhook:
    settings = {"preset": preset, "url": url, "secret": "TIPSTAFF_SECRET_PANEL", "user": "desk", "private": "yes"}
    more: dict[str, dict[str, str]] = {"openstack": {"url": f"{url}/v2.1", "identity": url}, "cpanel": {"user": "root"}}
    known = frozenset(SERVICES.values())
    return Webhook(settings | more.get(preset, {}), bounds(services=known), lambda name: panels.SECRET)


def ours(preset: str) -> OrderView:
    return order(1, "suspend", "service", SERVICES[preset])


@pytest.mark.parametrize("preset", sorted(PLAYS))
def test_a_service_is_suspended_read_back_and_restored_as_recorded(preset: str) -> None:
    with Replay(preset, *PLAYS[preset]) as replay:
        made = connector(preset, replay.url)
        done = made.apply(ours(preset))
        stands = made.verify(done).state
        made.lift(done)
        gone = made.verify(done).state
    assert not replay.strange and not replay.left
    assert (stands, gone) == (State.IN_PLACE, State.ABSENT)


@pytest.mark.parametrize("preset", sorted(STRAYS))
def test_what_is_ours_is_found_among_everything_that_was_listed(preset: str) -> None:
    with Replay(preset, *STRAYS[preset]) as replay:
        found = connector(preset, replay.url).actual()
    assert not replay.strange and not replay.left
    assert found == {InPlace(TAG, SERVICES[preset])}


@pytest.mark.parametrize(("preset", "play", "kind", "words"), TROUBLES, ids=[f"{one[0]}: {one[1][-1]}" for one in TROUBLES])
def test_what_the_system_refused_with_is_understood(preset: str, play: tuple[str, ...], kind: Any, words: str) -> None:
    with Replay(preset, *play) as replay, pytest.raises(kind, match=words) as caught:
        connector(preset, replay.url).apply(ours(preset))
    assert not replay.strange and not replay.left
    assert caught.value.retry is (kind is Unanswered)


@pytest.mark.parametrize(
    ("preset", "play", "state"),
    [
        ("whmcs", ("service, as numbers",), State.ABSENT),
        ("cpanel", ("listsuspended, as number",), State.ABSENT),
        ("openstack", ("token", "server, shut off"), State.IN_PLACE),
    ],
)
def test_other_shapes_of_the_same_answer_are_read(preset: str, play: tuple[str, ...], state: State) -> None:
    with Replay(preset, *play) as replay:
        found = connector(preset, replay.url).verify(Receipt(ours(preset)))
    assert not replay.strange and not replay.left
    assert found.state is state


def test_after_a_conflict_the_server_is_read_again() -> None:
    """Its owner shut it down between reading and suspending: Nova answers 409, and locked it stands as ordered."""
    with Replay("openstack", "token", "server", "server", "tag", "lock", "conflict", "server, shut off") as replay:
        made = connector("openstack", replay.url)
        with pytest.raises(Unanswered):
            made.apply(ours("openstack"))
        again = made.apply(ours("openstack"))
    assert not replay.strange and not replay.left
    assert again.order.tag == TAG


@pytest.mark.parametrize("count", ["9" * 5000, "many", None, "-1"])
def test_a_count_that_is_none_is_not_understood(count: str | None) -> None:
    with pytest.raises(Misunderstood, match="counts"):
        _number(count)
    assert (_number("27"), _number(27)) == (27, 27)


def test_a_machine_that_had_no_tags_has_none_again() -> None:
    with Replay("proxmox", *LAST_TAG) as replay:
        connector("proxmox", replay.url).lift(Receipt(ours("proxmox")))
    assert not replay.strange and not replay.left


def test_a_request_that_was_not_recorded_is_refused_and_kept() -> None:
    with Replay("cpanel", "suspendacct") as replay:
        said = httpx.get(f"{replay.url}/json-api/suspendacct", params={"api.version": "1", "user": "dave1"})
        with pytest.raises(Rejected, match="Not recorded"):
            connector("cpanel", replay.url).actual()
    assert said.status_code == 400 and "dave1" in replay.strange[0]
    assert len(replay.strange) == 2 and len(replay.left) == 1


def test_the_documents_say_of_every_exchange_where_it_stems_from() -> None:
    text = (Path(__file__).parents[2] / "docs" / "connectors" / "webhook.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|$", text, re.MULTILINE)
    told = {(preset, name.strip()): origin for preset, origin, names in rows for name in names.split(";")}
    held = {(preset, name): one["origin"] for preset in PLAYS for name, one in recorded(preset).items()}
    assert told == held
    assert all(one["source"] for preset in PLAYS for one in recorded(preset).values())


def test_every_exchange_is_played() -> None:
    played = {(preset, name) for plays in (PLAYS, STRAYS) for preset, play in plays.items() for name in play}
    played |= {(preset, name) for preset, play, _, _ in TROUBLES for name in play}
    played |= {("proxmox", name) for name in LAST_TAG}
    other = {("whmcs", "service, as numbers"), ("cpanel", "listsuspended, as number"), ("openstack", "server, shut off")}
    assert played | other == {(preset, name) for preset in PLAYS for name in recorded(preset)}
