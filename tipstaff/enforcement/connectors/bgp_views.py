"""Where it is read whether a route is in force: the router's own table, or at the least what the speaker tells it.

``routers`` in a connector's settings lists them, separated by commas; every one must hold the route::

    bird:/run/bird/bird.ctl     BIRD 2 on this machine, through its control socket
    gobgp:192.0.2.10:50051      a router or route reflector that is a GoBGP itself, its table read over gRPC
    adj-out                     no router can be asked: what GoBGP tells its established neighbours
"""

from typing import Protocol

from tipstaff.enforcement.connectors.bgp_routes import FAMILIES, Route, Seen
from tipstaff.enforcement.connectors.bird.control import Bird
from tipstaff.enforcement.connectors.gobgp.speaker import Speaker, speaker
from tipstaff.kernel.errors import InputError, Problem

ADJ_OUT = "adj-out"


class RouterView(Protocol):
    """One router's table. Every call raises a ConnectorError when the table cannot be read, never an empty guess."""

    name: str

    def find(self, route: Route) -> list[Seen]:
        """What the router uses for the net of ``route``, whoever announced it."""

    def refused(self, route: Route) -> bool:
        """Whether the router is known to have got the route and not to take it."""

    def held(self) -> list[Seen]:
        """Everything that the router uses."""


class AdjOut:
    """What the speaker tells its neighbours: in force when every established one that takes the family is told."""

    name = "what GoBGP tells its neighbours"

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker

    def find(self, route: Route) -> list[Seen]:
        told = [self.speaker.told(one, route.family, route.net) for one in self._neighbours(route.family)]
        return told[0] if told and all(told) else []

    def refused(self, route: Route) -> bool:
        return False

    def held(self) -> list[Seen]:
        found: dict[tuple[str, str], Seen] = {}
        for family in FAMILIES:
            for neighbour in self._neighbours(family):
                found |= {(one.family, one.net): one for one in self.speaker.told(neighbour, family)}
        return list(found.values())

    def _neighbours(self, family: str) -> list[str]:
        return [one.neighbour for one in self.speaker.sessions() if one.established and family in one.families]


class GoBgpTable:
    """A router that runs GoBGP: its own table."""

    def __init__(self, router: Speaker) -> None:
        self.router, self.name = router, f"GoBGP at {router.address}"

    def find(self, route: Route) -> list[Seen]:
        return self.router.held(route.family, route.net)

    def refused(self, route: Route) -> bool:
        return False

    def held(self) -> list[Seen]:
        return [seen for family in FAMILIES for seen in self.router.held(family)]


def views(text: str, own: Speaker, timeout: float) -> tuple[RouterView, ...]:
    """The routers that a setting names. Raises InputError."""
    return tuple(_view(one.strip(), own, timeout) for one in text.split(","))


def _view(text: str, own: Speaker, timeout: float) -> RouterView:
    kind, _, place = text.partition(":")
    if text == ADJ_OUT:
        return AdjOut(own)
    if kind == "bird" and place.startswith("/"):
        return Bird(place, timeout)
    if kind == "gobgp" and place.rpartition(":")[2].isdecimal():
        return GoBgpTable(speaker(place, timeout))
    raise InputError(Problem("routers", f"cannot read {text!r}", "write bird:/PATH, gobgp:HOST:PORT or adj-out"))
