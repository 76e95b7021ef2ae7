"""Floods spread over many hosts of a /24, a /48 or a customer, each below its own limit. Pure.

What findings about single hosts explain is taken away first, so that one flood is one finding.
"""

from tipstaff.sensors.traffic.counting import M_AMP_BYTES, M_BYTES, M_PACKETS, M_SYN, M_UDP
from tipstaff.sensors.traffic.detection.detectors.rates import Rate

_SUMS = ("prefix", "customer")
_WORDS = {"in": "receives a flood over many addresses", "out": "sends a flood from many addresses"}
DETECTORS = (
    Rate("carpet_bombing", M_AMP_BYTES, "amplified_bps", _SUMS, _WORDS, "bit/s", "bps", 8.0, port_end=0),
    Rate("carpet_bombing", M_SYN, "syn_pps", _SUMS, _WORDS),
    Rate("carpet_bombing", M_UDP, "udp_pps", _SUMS, _WORDS),
    Rate("carpet_bombing", M_BYTES, "bps", _SUMS, _WORDS, "bit/s", "bps", 8.0),
    Rate("carpet_bombing", M_PACKETS, "pps", _SUMS, _WORDS),
)
