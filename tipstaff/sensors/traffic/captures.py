"""Datagrams out of capture files: pcap and pcapng, or one raw export payload per file. Pure.

pcap: draft-ietf-opsawg-pcap; pcapng: draft-ietf-opsawg-pcapng. Reads Ethernet (with tags), Linux cooked, raw IP and
loopback, PPP and HDLC frames; UDP over IPv4 (fragments put together) and IPv6.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MAPPED = bytes(10) + b"\xff\xff"
MOST_FRAGMENTS = 1024
MOST_UNPACKED = 1 << 31  # bytes
_STEP = 1 << 14  # packed bytes at a time


class Datagram(NamedTuple):
    """A UDP payload, its sender's address as 16 bytes (all zero: unknown) and port, and when it was captured in ms (0: unknown)."""

    payload: bytes
    source: bytes
    port: int
    at: int


class Frame(NamedTuple):
    link: int
    at: int
    content: bytes


def read_capture(raw: bytes) -> Iterator[Datagram]:
    """The UDP payloads of a capture; a file that is none is one payload itself (IPFIX files: one per message).

    A capture packed with gzip is unpacked, every member of it, as far as it goes.
    """
    if raw[:2] == b"\x1f\x8b":
        raw = _unpacked(raw)
    if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        yield from _udp(_pcap(raw))
    elif raw[:4] == b"\x0a\x0d\x0d\x0a":
        yield from _udp(_pcapng(raw))
    else:
        yield from (Datagram(one, bytes(16), 0, 0) for one in _messages(raw))


def _unpacked(raw: bytes) -> bytes:
    """The members of a gzip file (RFC 1952) one after the other, up to where it is cut or damaged, at most MOST_UNPACKED bytes;
    ``raw`` itself where nothing of it can be unpacked."""
    whole, place, step = io.BytesIO(), 0, _STEP
    member = zlib.decompressobj(wbits=31)
    while place < len(raw) and (room := MOST_UNPACKED - whole.tell()) > 0:
        given, before = raw[place : place + step], member.copy()
        try:
            whole.write(member.decompress(given, room))
        except zlib.error:
            # What a failing step unpacked is lost: it is done again in ever smaller ones, up to the very byte.
            member, step = before, step // 2
            if not step:
                return whole.getvalue() or raw
            continue
        place += len(given) - len(member.unused_data)
        if member.eof:
            member = zlib.decompressobj(wbits=31)
    return whole.getvalue()


def _messages(raw: bytes) -> Iterator[bytes]:
    """An IPFIX file holds messages one after the other (RFC 5655); any other payload is one datagram."""
    while len(raw) >= 16 and raw[:2] == b"\x00\x0a":
        (length,) = struct.unpack_from(">H", raw, 2)
        if not 16 <= length < len(raw):
            break
        yield raw[:length]
        raw = raw[length:]
    if raw:
        yield raw


def _pcap(raw: bytes) -> Iterator[Frame]:
    order = "<" if raw[0] in (0xD4, 0x4D) else ">"
    nanoseconds = (b"\x3c" in raw[:4] and b"\x4d" in raw[:4]) or raw[:4] == b"\xa1\xb2\x3c\x4d"
    if len(raw) < 24:
        return
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0x0FFFFFFF
    place = 24
    while place + 16 <= len(raw):
        seconds, fraction, captured, _ = struct.unpack_from(order + "IIII", raw, place)
        place += 16
        yield Frame(link, seconds * 1000 + fraction // (1_000_000 if nanoseconds else 1000), raw[place : place + captured])
        place += captured


class _Interface(NamedTuple):
    link: int
    ticks: int  # a second


def _pcapng(raw: bytes) -> Iterator[Frame]:
    place, order, interfaces = 0, "<", list[_Interface]()
    while place + 12 <= len(raw):
        if raw[place : place + 4] == b"\x0a\x0d\x0d\x0a":
            order, interfaces = "<" if raw[place + 8 : place + 12] == b"\x4d\x3c\x2b\x1a" else ">", []
        kind, length = struct.unpack_from(order + "II", raw, place)
        if length < 12 or place + length > len(raw):
            return
        body = raw[place + 8 : place + length - 4]
        place += length
        if kind == 1 and len(body) >= 8:
            interfaces.append(_Interface(struct.unpack_from(order + "H", body)[0], _ticks(body[8:], order)))
        elif kind in (6, 2) and len(body) >= 20 and interfaces:
            yield from _enhanced(body, order, interfaces, kind)
        elif kind == 3 and len(body) >= 4 and interfaces:
            yield Frame(interfaces[0].link, 0, body[4 : 4 + struct.unpack_from(order + "I", body)[0]])


def _enhanced(body: bytes, order: str, interfaces: list[_Interface], kind: int) -> Iterator[Frame]:
    number = struct.unpack_from(order + ("I" if kind == 6 else "H"), body)[0]
    high, low, captured = struct.unpack_from(order + "III", body, 4)
    if number < len(interfaces):
        one = interfaces[number]
        yield Frame(one.link, (high << 32 | low) * 1000 // one.ticks, body[20 : 20 + captured])


def _ticks(options: bytes, order: str) -> int:
    """Ticks a second by the interface's option if_tsresol, else a million."""
    place = 0
    while place + 4 <= len(options):
        code, length = struct.unpack_from(order + "HH", options, place)
        if code == 9 and length == 1 and place + 4 < len(options):
            value = options[place + 4]
            return int(2 ** (value & 127) if value & 128 else 10 ** min(value, 18))
        if code == 0:
            break
        place += 4 + (length + 3) // 4 * 4
    return 1_000_000


def _udp(frames: Iterator[Frame]) -> Iterator[Datagram]:
    fragments: dict[tuple[bytes, ...], dict[int, bytes]] = {}
    for frame in frames:
        packet = _network(frame.link, frame.content)
        found = _four(packet, fragments) if packet[:1] and packet[0] >> 4 == 4 else _six(packet, fragments)
        if found is None:
            continue
        source, segment = found
        if len(segment) >= 8:
            port, _, length = struct.unpack_from(">HHH", segment)
            yield Datagram(segment[8:length] if length >= 8 else segment[8:], source, port, frame.at)


def _network(link: int, frame: bytes) -> bytes:
    """The IP packet of a frame; empty where there is none."""
    if link in (12, 14, 101, 228, 229):
        return frame
    if link in (0, 108):
        return frame[4:]
    if link == 1:
        return _tagged(frame[12:])
    if link == 113:
        return _tagged(frame[14:])
    if link == 276:
        return _tagged(frame[:2] + frame[20:])
    if link in (9, 50):
        return _ppp(frame)
    if link == 104:
        return _tagged(frame[2:])
    return b""


def _tagged(rest: bytes) -> bytes:
    """From the Ethernet type on: the packet behind any number of tags and MPLS labels."""
    while rest[:2] in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        rest = rest[4:]
    if rest[:2] == b"\x88\x47":
        rest = rest[2:]
        while len(rest) >= 4 and not rest[2] & 1:
            rest = rest[4:]
        return rest[4:]
    if rest[:2] == b"\x88\x64":
        return _ppp(rest[8:])
    if rest[2:8] == b"\xaa\xaa\x03\x00\x00\x00" and int.from_bytes(rest[:2], "big") < 1536:  # IEEE 802.3 with SNAP
        rest = rest[8:]
    return rest[2:] if rest[:2] in (b"\x08\x00", b"\x86\xdd") else b""


def _ppp(rest: bytes) -> bytes:
    """The IP packet of a PPP frame (RFC 1661), with the address and control of HDLC before it or not."""
    rest = rest.removeprefix(b"\xff\x03")
    if rest[:1] in (b"\x21", b"\x57"):  # the protocol in one byte
        return rest[1:]
    return rest[2:] if rest[:2] in (b"\x00\x21", b"\x00\x57") else b""


def _four(packet: bytes, fragments: dict[tuple[bytes, ...], dict[int, bytes]]) -> tuple[bytes, bytes] | None:
    if len(packet) < 20 or packet[9] != 17:
        return None
    length, flags = struct.unpack_from(">H2xH", packet, 2)
    source, payload = MAPPED + packet[12:16], packet[(packet[0] & 15) * 4 : length or None]
    if not flags & 0x3FFF:
        return source, payload
    key = (packet[4:6], packet[12:20])
    whole = _joined(fragments, key, (flags & 0x1FFF) * 8, bool(flags & 0x2000), payload)
    return None if whole is None else (source, whole)


def _joined(
    fragments: dict[tuple[bytes, ...], dict[int, bytes]], key: tuple[bytes, ...], place: int, more: bool, payload: bytes
) -> bytes | None:
    """The whole datagram once its last missing fragment is there."""
    if len(fragments) >= MOST_FRAGMENTS:
        fragments.pop(next(iter(fragments)))
    parts = fragments.setdefault(key, {})
    parts[place] = payload
    if not more:
        parts[-1] = struct.pack(">I", place + len(payload))
    if -1 not in parts:
        return None
    (wanted,), whole = struct.unpack(">I", parts[-1]), b""
    for start in sorted(one for one in parts if one >= 0):
        if start > len(whole):
            return None
        whole = whole[:start] + parts[start]
    if len(whole) < wanted:
        return None
    del fragments[key]
    return whole


def _six(packet: bytes, fragments: dict[tuple[bytes, ...], dict[int, bytes]]) -> tuple[bytes, bytes] | None:
    if len(packet) < 40 or packet[0] >> 4 != 6:
        return None
    source, following, place = packet[8:24], packet[6], 40
    end = min(len(packet), 40 + struct.unpack_from(">H", packet, 4)[0] or len(packet))
    while following in (0, 43, 44, 60) and place + 8 <= end:
        kind = following
        following = packet[place]
        if kind == 44:
            offset = struct.unpack_from(">H", packet, place + 2)[0]
            key = (packet[place + 4 : place + 8], packet[8:40])
            whole = _joined(fragments, key, offset & 0xFFF8, bool(offset & 1), packet[place + 8 : end])
            return None if whole is None or following != 17 else (source, whole)
        place += (packet[place + 1] + 1) * 8
    return (source, packet[place:end]) if following == 17 else None
