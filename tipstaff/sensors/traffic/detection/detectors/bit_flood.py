"""More bits a second from or to one of our hosts than its limit. Pure."""

from tipstaff.sensors.traffic.counting import M_BYTES
from tipstaff.sensors.traffic.detection.detectors.rates import Rate

DETECTOR = Rate(
    "bit_flood", M_BYTES, "bps", ("host",), {"in": "receives a flood", "out": "sends a flood"}, "bit/s", "bps", 8.0,
)  # fmt: skip
