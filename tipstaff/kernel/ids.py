"""Identifiers that sort by the time they were made."""

import hashlib
import os
from datetime import datetime
from uuid import UUID


def new_id(now: datetime) -> UUID:
    """A version 7 UUID (RFC 9562): 48 bits of milliseconds since 1970, then 74 random bits."""
    milliseconds = int(now.timestamp() * 1000)
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def derived_id(*parts: str) -> UUID:
    """The version 8 UUID (RFC 9562) that belongs to ``parts``: the same parts give the same id everywhere."""
    digest = hashlib.blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
    value = int.from_bytes(digest, "big")
    value = value & ~(0xF << 76) | 0x8 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
