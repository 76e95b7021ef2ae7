"""Traffic from ours to addresses on the operator's list (command servers, sinkholes …). Pure.

What merely answers a scan by a listed address does not count: a refusal, or a SYN answered and nothing after it. Nor does what a
service of ours answers over UDP: a source is forged easily there, and anybody could have ours accused.
"""

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors import amplification
from tipstaff.sensors.traffic.detection.findings import Subject
from tipstaff.sensors.traffic.detection.sightings import Flows

NAME, LIMIT, SCALED = "listed_peer", "watch.listed_packets", False
PRIVILEGED = 1024  # below it, ports are those of services
CONFIDENCE, WHY = 0.9, "the addresses stand on the operator's list; whether rightly, the list's source knows"


def kind(direction: str) -> str:
    return "listed_peer"


def keep(flows: Flows, customers: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    """Outgoing flows that are more than an answer to somebody's scan."""
    flags, packets = flows.narrow[L.TCP_FLAGS], flows.wide[L.PACKETS]
    tcp = flows.narrow[L.PROTOCOL] == 6
    answer = (flags & 0x04 != 0) | ((flags & 0x12 == 0x12) & (flags & 0x08 == 0) & (packets <= 6))
    refused = np.isin(flows.narrow[L.PROTOCOL], (1, 58))
    port = flows.narrow[L.SRC_PORT]
    served = (flows.narrow[L.PROTOCOL] == 17) & ((port < PRIVILEGED) | np.isin(port, amplification.PORTS))
    return (customers[0] != 0) & ~(tcp & answer) & ~refused & ~served if end == 0 else np.zeros(len(flows), bool)


def words(subject: Subject, packets: int, peers: int, direction: str) -> str:
    return f"{subject.value} sent {packets} packets to {peers} addresses on the operator's list."
