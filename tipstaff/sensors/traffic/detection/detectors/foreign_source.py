"""Packets from a customer's interface with sources that are not assigned to that customer: spoofed, or squatted. Pure.

Only what comes in by an interface that the operator named counts; see ``watching.foreign`` for leaks that do not.
"""

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.detection.findings import Subject
from tipstaff.sensors.traffic.detection.sightings import Flows

NAME, LIMIT, SCALED = "foreign_source", "watch.foreign_packets", False
CONFIDENCE, WHY = 0.9, "as sure as the operator's table of interfaces, and the inventory's of assignments"


def kind(direction: str) -> str:
    return "foreign_source"


def keep(flows: Flows, customers: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    return np.ones(len(flows), bool)


def words(subject: Subject, packets: int, peers: int, direction: str) -> str:
    return f"customer {subject.value} sent {packets} packets from {peers} source addresses that are not assigned to it."
