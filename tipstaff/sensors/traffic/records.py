"""Flow records as plain objects, one per flow, with the exporter's own figures: bytes and packets are never scaled here."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.layout import Columns
from tipstaff.sensors.traffic.decoders.sessions import SFLOW, Sessions

FORMATS = {5: "netflow5", 9: "netflow9", 10: "ipfix", SFLOW: "sflow"}
NUMBERS = (
    ("src_port", L.SRC_PORT, L.HAS_SRC_PORT), ("dst_port", L.DST_PORT, L.HAS_DST_PORT), ("protocol", L.PROTOCOL, L.HAS_PROTOCOL),
    ("tcp_flags", L.TCP_FLAGS, L.HAS_TCP_FLAGS), ("input_if", L.INPUT, L.HAS_INPUT), ("output_if", L.OUTPUT, L.HAS_OUTPUT),
    ("vlan", L.VLAN, L.HAS_VLAN),
)  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows(columns: Columns, count: int, sessions: Sessions) -> Iterator[dict[str, Any]]:
    """The first ``count`` flows. What the exporter did not state is None; so is an unknown sampling rate."""
    narrow, wide = columns.narrow[:, :count].T.tolist(), columns.wide[:, :count].T.tolist()
    about: dict[int, dict[str, Any]] = {}
    for small, large in zip(narrow, wide, strict=True):
        session = small[L.SESSION]
        if session not in about:
            about[session] = _session(sessions, session)
        yield about[session] | flow_of(small, large)


def _session(sessions: Sessions, number: int) -> dict[str, Any]:
    row, address = sessions.state[number], sessions.address(number)
    kind = int(row[S.KIND])
    exporter = address_text(address) if any(address) else None
    return {"exporter": exporter, "format": FORMATS[kind], "version": 5 if kind == SFLOW else kind, "domain": int(row[S.DOMAIN])}


def address_text(packed: bytes) -> str:
    """An address of 16 bytes in words; IPv4 is mapped."""
    six = IPv6Address(packed)
    return str(six.ipv4_mapped or six)


def flow_of(small: list[int], large: list[int]) -> dict[str, Any]:
    """One flow of its columns; what it does not say itself (exporter, version) is not in it."""
    present = small[L.PRESENT]
    found: dict[str, Any] = {
        "src": _end(small, large, L.SRC, L.SRC_HI) if present & L.HAS_SRC else None,
        "dst": _end(small, large, L.DST, L.DST_HI) if present & L.HAS_DST else None,
    }
    found |= {name: small[row] if present & bit else None for name, row, bit in NUMBERS}
    found["bytes"] = large[L.BYTES] if present & L.HAS_BYTES else None
    found["packets"] = large[L.PACKETS] if present & L.HAS_PACKETS else None
    found["sampling_rate"] = small[L.RATE] or None
    found["start"] = moment(large[L.START]) if present & L.HAS_START else None
    found["end"] = moment(large[L.END]) if present & L.HAS_END else None
    found["next_hop"] = _next_hop(small, large) if present & L.HAS_NEXT_HOP else None
    if small[L.MARKS] & L.REVERSED:
        found["reverse"] = True
    return found


def _end(small: list[int], large: list[int], narrow: int, wide: int) -> str | None:
    if small[L.FAMILY] == 6:
        return str(IPv6Address(large[wide] << 64 | large[wide + 1]))
    return str(IPv4Address(small[narrow])) if small[L.FAMILY] == 4 else None


def _next_hop(small: list[int], large: list[int]) -> str | None:
    if small[L.NEXT_HOP]:
        return str(IPv4Address(small[L.NEXT_HOP]))
    six = large[L.NEXT_HI] << 64 | large[L.NEXT_LO] if small[L.FAMILY] == 6 else 0
    return str(IPv6Address(six)) if six else None


def moment(value: int) -> str | None:
    """ms since 1970 as RFC 3339 in UTC; None for 0 and for what no calendar has."""
    if not 0 < value < 250_000_000_000_000:
        return None
    return (EPOCH + timedelta(milliseconds=value)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
