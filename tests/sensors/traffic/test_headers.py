"""Raw packet headers: tags, labels, sessions, tunnels, extension headers, fragments."""

import struct

import pytest

from tests.house.source import ROOT
from tests.sensors.traffic.exporting import Bench, ethernet, packet, raw_header, sample, sflow
from tests.unskipped import NOT_OURS
from tipstaff.sensors.traffic.decoders.decoder import Decoder

CORPUS = ROOT.parent / "shared" / "corpus" / "flows" / "akvorado" / "outlet" / "flow" / "decoder" / "testdata"
GRE, VXLAN, IN_IP = 2, 4, 1
INNER = packet("198.51.100.1", "203.0.113.1")
INNER_SIX = packet("2001:db8::1", "2001:db8::2")


def read(frame, protocol=1, tunnels=0):
    found = Bench(Decoder(tunnels=tunnels)).feed(sflow([sample([raw_header(frame, protocol=protocol)])]))
    assert len(found) == 1, frame.hex()
    return found[0]


def label(value, bottom):
    return struct.pack(">I", value << 12 | bottom << 8 | 64)


def tunnelled(content, protocol, head=b""):
    inside = head + content
    return packet("192.0.2.10", "192.0.2.20", protocol=protocol)[:20] + inside


@pytest.mark.parametrize(
    ("frame", "vlan"),
    [
        (ethernet(INNER), None),
        (ethernet(INNER, tags=[(0x8100, 5)]), 5),
        (ethernet(INNER, tags=[(0x88A8, 7), (0x8100, 5)]), 7),
        (ethernet(label(16, 1) + INNER, kind=0x8847), None),
        (ethernet(label(16, 0) + label(0, 1) + INNER, kind=0x8847), None),
        (ethernet(label(16, 1) + bytes(4) + ethernet(INNER), kind=0x8847), None),
        (ethernet(label(16, 1) + bytes(4) + ethernet(INNER, tags=[(0x8100, 9)]), kind=0x8847), 9),
        (ethernet(struct.pack(">BBHHH", 0x11, 0, 1, len(INNER) + 2, 0x21) + INNER, kind=0x8864), None),
    ],
)
def test_what_links_wrap_around_a_packet(frame, vlan) -> None:
    one = read(frame)
    assert (one["src"], one["dst"], one["src_port"], one["dst_port"], one["tcp_flags"]) == (
        "198.51.100.1",
        "203.0.113.1",
        40000,
        443,
        2,
    )
    assert one["vlan"] == vlan


@pytest.mark.parametrize(
    ("protocol", "frame"), [(11, INNER), (12, INNER_SIX), (13, label(3, 1) + INNER), (7, b"\xff\x03\x00\x21" + INNER)]
)
def test_headers_that_begin_elsewhere(protocol, frame) -> None:
    assert read(frame, protocol)["dst_port"] == 443


def test_ipv6_with_extension_headers() -> None:
    whole = bytearray(INNER_SIX)
    options = bytes([43, 0]) + bytes(6) + bytes([60, 0]) + bytes(6) + bytes([6, 0]) + bytes(6)
    whole[6] = 0
    one = read(ethernet(bytes(whole[:40]) + options + bytes(whole[40:]), kind=0x86DD))
    assert (one["src"], one["protocol"], one["dst_port"]) == ("2001:db8::1", 6, 443)


def test_a_later_fragment_has_no_ports() -> None:
    assert read(ethernet(packet(fragment=0x2000)))["dst_port"] == 443
    later = read(ethernet(packet(fragment=100)))
    assert (later["dst_port"], later["protocol"]) == (None, 6)
    six = bytearray(INNER_SIX)
    six[6] = 44
    fragment = bytes([6, 0]) + struct.pack(">HI", 100 << 3, 1)
    assert read(ethernet(bytes(six[:40]) + fragment + bytes(six[40:]), kind=0x86DD))["src_port"] is None


@pytest.mark.parametrize(
    ("frame", "allowed"),
    [
        (tunnelled(INNER, 47, struct.pack(">HH", 0, 0x0800)), GRE),
        (tunnelled(INNER, 47, struct.pack(">HHI", 0x2000, 0x0800, 7)), GRE),
        (tunnelled(ethernet(INNER), 47, struct.pack(">HH", 0, 0x6558)), GRE),
        (tunnelled(INNER, 4), IN_IP),
        (tunnelled(INNER_SIX, 41), IN_IP),
        (tunnelled(ethernet(INNER), 17, struct.pack(">HHHH", 5000, 4789, 0, 0) + bytes(8)), VXLAN),
    ],
)
def test_tunnels_are_read_from_outside_unless_asked(frame, allowed) -> None:
    """Anybody can write any address into a tunnel: the outer ones are those that were routed."""
    assert read(ethernet(frame))["src"] == "192.0.2.10"
    inside = read(ethernet(frame), tunnels=allowed)
    assert inside["src"] in ("198.51.100.1", "2001:db8::1") and inside["dst_port"] == 443
    assert read(ethernet(frame), tunnels=7 & ~allowed)["src"] == "192.0.2.10"


@pytest.mark.skipif(not CORPUS.exists(), reason=f"{NOT_OURS}the corpus of captured packets is not beside the project")
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.pcap")) if CORPUS.exists() else [], ids=lambda path: path.stem)
def test_captured_packets(path) -> None:
    """Real frames of other exporters: each shorter cut of them is read or refused, and the one that is no IP is refused."""
    raw = path.read_bytes()
    frame = raw[40 : 40 + int.from_bytes(raw[32:36], "little")]
    bench = Bench(Decoder(tunnels=7))
    for end in range(len(frame) + 1):
        bench.feed(sflow([sample([raw_header(frame[:end], protocol=1)])]))
    assert bench.balanced
    assert bool(bench.found) != (path.stem == "mpls-invalid-nibble")


def test_ieee_802_3_with_snap() -> None:
    frame = ethernet(b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + packet(), kind=64)
    assert Bench().feed(sflow([sample([raw_header(frame)])]))[0]["src"] == "198.51.100.7"
