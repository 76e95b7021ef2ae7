"""Capture files: both formats, every link, tags, fragments; a file that is none is one payload."""

import gzip
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sensors.traffic.exporting import ROUTER, WALL, a_set, body, ethernet, flow, fragments, ipfix, pcap, template, udp, v5
from tipstaff.sensors.traffic import captures
from tipstaff.sensors.traffic.captures import read_capture

AT = WALL * 1000 + 250


def payloads(raw):
    return [one.payload for one in read_capture(raw)]


@pytest.mark.parametrize("nanoseconds", [False, True])
def test_pcap(nanoseconds) -> None:
    (one,) = read_capture(pcap([(AT, ethernet(udp(b"hello"), tags=[(0x8100, 9)]))], nanoseconds=nanoseconds))
    assert (one.payload, one.source, one.port, one.at) == (b"hello", ROUTER, 2055, AT)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (1, ethernet(udp(b"x"))),
        (101, udp(b"x")),
        (0, bytes(4) + udp(b"x")),
        (113, bytes(14) + b"\x08\x00" + udp(b"x")),
        (276, b"\x08\x00" + bytes(18) + udp(b"x")),
        (1, ethernet(udp(b"x", "2001:db8::1", "2001:db8::2"), kind=0x86DD)),
        (276, b"\x81\x00" + bytes(18) + b"\x00\x05\x08\x00" + udp(b"x")),
        (9, b"\xff\x03\x00\x21" + udp(b"x")),
        (9, b"\x21" + udp(b"x")),
        (104, b"\x0f\x00\x08\x00" + udp(b"x")),
        (1, ethernet(b"\x11\x00\x00\x01\x00\x1f\x00\x21" + udp(b"x"), kind=0x8864)),
        (1, ethernet(b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + udp(b"x"), kind=37)),
        (1, ethernet(struct.pack(">I", 16 << 12 | 1 << 8) + udp(b"x"), kind=0x8847)),
    ],
)
def test_links(link, frame) -> None:
    assert payloads(pcap([(AT, frame)], link)) == [b"x"]


def test_packed_with_gzip() -> None:
    raw = gzip.compress(pcap([(AT, ethernet(udp(b"x")))]))
    assert payloads(raw) == [b"x"]
    assert payloads(raw + bytes(512)) == [b"x"], "padding behind it is nothing"
    assert payloads(raw[:20]) == [], "cut before the first packet ends"
    assert payloads(b"\x1f\x8bno gzip") == [b"\x1f\x8bno gzip"]


def test_every_member_of_a_gzip_file_is_read() -> None:
    whole = pcap([(AT, ethernet(udp(b"one"))), (AT, ethernet(udp(b"two")))])
    members = b"".join(gzip.compress(whole[place : place + 30]) for place in range(0, len(whole), 30))
    assert payloads(members) == [b"one", b"two"]


def test_a_damaged_gzip_file_is_read_up_to_the_damage() -> None:
    rng = random.Random(5)
    sent = [rng.randbytes(500) for _ in range(100)]
    packed = gzip.compress(pcap([(AT, ethernet(udp(one))) for one in sent]))
    assert payloads(packed[:-8] + bytes(8)) == sent, "a wrong checksum loses no packet"
    cut = payloads(packed[: len(packed) // 2])
    assert cut[:-1] == sent[: len(cut) - 1] and 45 <= len(cut) <= 55
    second = gzip.compress(b"lost")
    assert payloads(packed + second[:10] + b"\xff" * 20) == sent


def test_what_a_gzip_file_unpacks_to_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(captures, "MOST_UNPACKED", 100_000)
    packed = gzip.compress(bytes(90_000))
    assert [len(one) for one in payloads(packed * 3)] == [100_000]


def test_pcapng() -> None:
    def block(kind, content):
        padded = content + bytes(-len(content) % 4)
        return struct.pack("<II", kind, 12 + len(padded)) + padded + struct.pack("<I", 12 + len(padded))

    frame, ticks = ethernet(udp(b"hello")), AT * 1_000_000
    raw = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    raw += block(1, struct.pack("<HHI", 1, 0, 65535) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0))
    raw += block(6, struct.pack("<IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    (one,) = read_capture(raw)
    assert (one.payload, one.source, one.at) == (b"hello", ROUTER, AT)


@given(st.permutations(range(4)))
@settings(deadline=None, max_examples=24)
def test_fragments_in_any_order(order) -> None:
    whole = v5([flow()] * 3)
    parts = list(fragments(udp(whole)))
    assert len(parts) == 4
    assert payloads(pcap([(AT, ethernet(parts[n])) for n in order])) == [whole]


def test_a_missing_fragment_makes_no_datagram() -> None:
    parts = list(fragments(udp(v5([flow()] * 3))))
    assert payloads(pcap([(AT, ethernet(one)) for one in parts[1:]])) == []


def test_raw_payloads_and_files_of_ipfix_messages() -> None:
    one = ipfix([template(300, ((1, 4),), 10)])
    two = ipfix([a_set(300, body(((1, 4),), [flow()]), pad=False)], sequence=1)
    assert payloads(v5([flow()])) == [v5([flow()])]
    assert payloads(one + two) == [one, two]


@given(st.binary(max_size=400), st.integers(0, 300))
@settings(deadline=None)
def test_any_bytes_are_read_or_not_but_never_fail(raw, cut) -> None:
    whole = pcap([(AT, ethernet(udp(b"hello"))), (AT, ethernet(packet_of(raw)))])
    for one in (raw, whole[:cut], b"\x0a\x0d\x0d\x0a" + raw):
        assert all(isinstance(found.payload, bytes) for found in read_capture(one))


def packet_of(raw):
    return b"\x60" + raw
