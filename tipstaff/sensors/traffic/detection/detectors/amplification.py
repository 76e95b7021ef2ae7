"""Answers of services that are abused as amplifiers: towards one of ours (victim), or sent by one of ours (reflector). Pure.

Ports: CISA alert TA14-017A and Rossow, Amplification Hell (NDSS 2014), with those found since.
"""

import numpy as np

from tipstaff.sensors.traffic.counting import M_AMP_BYTES, M_AMP_PACKETS
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.detectors.rates import Rate
from tipstaff.sensors.traffic.detection.sightings import Flows, Mask

#: UDP source port → name: chargen, DNS, TFTP, portmapper, NTP, NetBIOS, SNMP, CLDAP, RIP, QOTD, SSDP, ARMS, WS-Discovery, CoAP …
PORTS = (
    17,
    19,
    53,
    69,
    111,
    123,
    137,
    161,
    177,
    389,
    427,
    520,
    1434,
    1604,
    1900,
    3283,
    3702,
    5353,
    5683,
    10001,
    11211,
    27960,
    37810,
)
LARGE, LARGE_DNS = 250, 900  # mean bytes of a packet: NTP's answer has 76, a busy name server's some 200, a signed zone's 500


def _keep(flows: Flows) -> Mask:
    return (flows.narrow[L.PROTOCOL] == 17) & np.isin(flows.narrow[L.SRC_PORT], PORTS)


def reflects(flows: Flows, size: float) -> bool:
    """Whether what a server of ours answers is larger than such services answer in earnest; ``size``: mean bytes of a packet."""
    if not len(flows):
        return size >= LARGE_DNS
    packets = flows.wide[L.PACKETS].astype(float)
    dns = packets[flows.narrow[L.SRC_PORT] == 53].sum() / packets.sum()
    return size >= (LARGE_DNS if dns > 0.5 else LARGE)


_WORDS = {"in": "receives amplified answers", "out": "sends amplified answers"}
_KINDS = {"in": "ddos_victim", "out": "amplifier"}
DETECTORS = (
    Rate("amplification", M_AMP_BYTES, "amplified_bps", ("host",), _WORDS, "bit/s", "bps", 8.0, _keep, 0, reflects, kinds=_KINDS),
    Rate(
        "amplification", M_AMP_PACKETS, "amplified_pps", ("host",), _WORDS, keep=_keep, port_end=0, confirm=reflects, kinds=_KINDS
    ),
)
