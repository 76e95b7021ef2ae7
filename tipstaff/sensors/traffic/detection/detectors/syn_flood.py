"""Connection openings that nobody answers: TCP packets with SYN and without ACK. Pure."""

from tipstaff.sensors.traffic.counting import M_SYN
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.rates import Rate
from tipstaff.sensors.traffic.detection.sightings import Flows, Mask


def _keep(flows: Flows) -> Mask:
    return (flows.narrow[L.PROTOCOL] == 6) & (flows.narrow[L.TCP_FLAGS] & 0x12 == 2)


DETECTOR = Rate("syn_flood", M_SYN, "syn_pps", ("host",), {"in": "receives a SYN flood", "out": "sends a SYN flood"}, keep=_keep)
