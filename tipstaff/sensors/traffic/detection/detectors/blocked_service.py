"""Traffic of what is blocked: ours still sends (the block leaks), or is still attacked behind it (the block hides it). Pure."""

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.detection.findings import Subject
from tipstaff.sensors.traffic.detection.sightings import Flows

NAME, LIMIT, SCALED = "blocked_service", "watch.blocked_packets", True
CONFIDENCE, WHY = 0.9, "the address is blocked by order of the desk; exporters before the block still see what is thrown away"


def kind(direction: str) -> str:
    return "blocked_traffic" if direction == "out" else "blocked_traffic_victim"


def keep(flows: Flows, customers: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    """Those of our end."""
    return customers[end] != 0


def words(subject: Subject, packets: int, peers: int, direction: str) -> str:
    way = "sent" if direction == "out" else "was sent"
    return f"{subject.value} is blocked, and still {way} {packets} packets; other ends: {peers}."
