"""Fragments of IP packets. Pure."""

from tipstaff.sensors.traffic.counting import M_FRAGMENTS
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.rates import Rate
from tipstaff.sensors.traffic.detection.sightings import Flows, Mask


def _keep(flows: Flows) -> Mask:
    return flows.narrow[L.MARKS] & L.FRAGMENT != 0


DETECTOR = Rate(
    "fragment_flood", M_FRAGMENTS, "fragment_pps", ("host",),
    {"in": "receives a flood of fragments", "out": "sends a flood of fragments"}, keep=_keep,
)  # fmt: skip
