"""UDP packets from ports on which no bulk service answers (QUIC and VPN are left out). Pure."""

from tipstaff.sensors.traffic.counting import M_UDP
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.rates import Rate
from tipstaff.sensors.traffic.detection.sightings import Flows, Mask


def _keep(flows: Flows) -> Mask:
    return flows.narrow[L.PROTOCOL] == 17


DETECTOR = Rate("udp_flood", M_UDP, "udp_pps", ("host",), {"in": "receives a UDP flood", "out": "sends a UDP flood"}, keep=_keep)
