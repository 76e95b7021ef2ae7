"""Packets from a customer's interface with sources that are not assigned to that customer: spoofed, or squatted. Pure.

Only what comes in by an interface that the operator named counts; see ``watching.foreign`` for leaks that do not.
Whoever holds such a source did not send it: other detectors accuse nobody of what came in from somebody else's interface.
"""

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.findings import Subject
from tipstaff.sensors.traffic.detection.sightings import Flows
from tipstaff.sensors.traffic.detection.watching import Interfaces, behind_all

NAME, LIMIT, SCALED = "foreign_source", "watch.foreign_packets", False
CONFIDENCE, WHY = 0.9, "as sure as the operator's table of interfaces, and the inventory's of assignments"


def kind(direction: str) -> str:
    return "foreign_source"


def keep(flows: Flows, customers: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    return np.ones(len(flows), bool)


def words(subject: Subject, packets: int, peers: int, direction: str) -> str:
    return f"customer {subject.value} sent {packets} packets from {peers} source addresses that are not assigned to it."


def came_from_others(flows: Flows, customer: int, interfaces: Interfaces) -> bool:
    """Whether most packets that bear a customer's source came in from an interface of other customers."""
    if customer <= 0 or not len(flows) or not interfaces.keys.any():
        return False
    pairs, which = np.unique(flows.narrow[[L.SESSION, L.INPUT]], axis=1, return_inverse=True)
    owners = [behind_all(interfaces, int(exporter), int(number)) for exporter, number in pairs.T]
    others = np.array([bool(owner) and customer not in owner for owner in owners])
    told = (flows.narrow[L.PRESENT] & L.HAS_INPUT != 0) & others[which.reshape(-1)]
    packets = flows.wide[L.PACKETS].astype(float)
    return bool(2 * packets[told].sum() > packets.sum())
