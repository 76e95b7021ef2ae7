"""More packets a second from or to one of our hosts than its limit. Pure."""

from tipstaff.sensors.traffic.counting import M_PACKETS
from tipstaff.sensors.traffic.detection.detectors.rates import Rate

DETECTOR = Rate("packet_flood", M_PACKETS, "pps", ("host",), {"in": "receives a flood", "out": "sends a flood"})
