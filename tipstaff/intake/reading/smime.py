"""The content inside an opaque S/MIME signature (RFC 8551 section 3.5, CMS RFC 5652): unwrapped, not verified."""

MAX_STEPS = 2_000
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")


def signed_content(der: bytes) -> bytes | None:
    """The signed MIME entity, or None where ``der`` is not a readable SignedData (encrypted, damaged)."""
    try:
        return _content(der)
    except (IndexError, ValueError):
        return None


def _content(der: bytes) -> bytes | None:
    tag, start, _ = _element(der, 0)
    if tag != 0x30:
        return None
    tag, at, oid_end = _element(der, start)
    if tag != 0x06 or der[at:oid_end] != _SIGNED_DATA:
        return None
    _, start, _ = _element(der, oid_end)  # [0] EXPLICIT
    _, start, _ = _element(der, start)  # SignedData
    for _ in range(2):  # version, digestAlgorithms
        start = _skip(der, start)
    _, start, _ = _element(der, start)  # EncapsulatedContentInfo
    _, _, start = _element(der, start)  # eContentType
    if der[start] != 0xA0:
        return None
    _, start, _ = _element(der, start)
    return b"".join(_octets(der, start)) or None


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, content start and content end (-1: indefinite length) of the element at ``at``."""
    tag, length = der[at], der[at + 1]
    at += 2
    if length == 0x80:
        return tag, at, -1
    if length & 0x80:
        size = length & 0x7F
        if size > 5:
            raise ValueError("length")
        length = int.from_bytes(der[at : at + size], "big")
        at += size
    if at + length > len(der):
        raise ValueError("length beyond the end")
    return tag, at, at + length


def _skip(der: bytes, at: int) -> int:
    _, start, end = _element(der, at)
    if end >= 0:
        return end
    open_levels, at = 1, start
    for _ in range(MAX_STEPS):
        if der[at : at + 2] == b"\0\0":
            open_levels, at = open_levels - 1, at + 2
            if not open_levels:
                return at
            continue
        _, start, end = _element(der, at)
        if end < 0:
            open_levels, at = open_levels + 1, start
        else:
            at = end
    raise ValueError("too many elements")


def _octets(der: bytes, at: int) -> list[bytes]:
    """An OCTET STRING, in one piece or in pieces (BER constructed)."""
    tag, start, end = _element(der, at)
    if tag == 0x04:
        return [der[start:end]]
    if tag != 0x24:
        raise ValueError("no octet string")
    pieces: list[bytes] = []
    at = start
    for _ in range(100_000):
        if at == end or (der[at : at + 2] == b"\0\0" and end < 0):
            return pieces
        tag, start, stop = _element(der, at)
        if tag != 0x04 or stop < 0:
            raise ValueError("pieces of pieces")
        pieces.append(der[start:stop])
        at = stop
    raise ValueError("too many pieces")
