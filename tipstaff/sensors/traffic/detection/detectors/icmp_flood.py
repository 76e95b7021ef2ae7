"""ICMP and ICMPv6 packets. Pure."""

from tipstaff.sensors.traffic.counting import M_ICMP
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.rates import Rate
from tipstaff.sensors.traffic.detection.sightings import Flows, Mask


def _keep(flows: Flows) -> Mask:
    return (flows.narrow[L.PROTOCOL] == 1) | (flows.narrow[L.PROTOCOL] == 58)


DETECTOR = Rate(
    "icmp_flood", M_ICMP, "icmp_pps", ("host",), {"in": "receives an ICMP flood", "out": "sends an ICMP flood"}, keep=_keep
)
