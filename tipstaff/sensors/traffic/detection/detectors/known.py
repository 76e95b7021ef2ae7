"""The detectors, in the order in which they are asked: the specific before the general, so that one attack is one finding."""

from tipstaff.sensors.traffic.detection.detectors import (
    amplification,
    bit_flood,
    carpet_bombing,
    fragment_flood,
    icmp_flood,
    packet_flood,
    syn_flood,
    udp_flood,
)
from tipstaff.sensors.traffic.detection.detectors.rates import Rate

RATES: tuple[Rate, ...] = (
    *amplification.DETECTORS, syn_flood.DETECTOR, fragment_flood.DETECTOR, icmp_flood.DETECTOR, udp_flood.DETECTOR,
    bit_flood.DETECTOR, packet_flood.DETECTOR, *carpet_bombing.DETECTORS,
)  # fmt: skip
GENERAL = ("bit_flood", "packet_flood")  # these say nothing new where one of the others is open on the same subject
