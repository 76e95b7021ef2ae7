"""Who really asks, where a proxy stands before the web server: else all the world is one address, and one guesser stops everybody.

X-Forwarded-For is believed from the proxies that the operator names, read from its right end: each proxy adds the address that it
saw, and what stands left of the first stranger is the stranger's own word. Pure.
"""

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

Network = IPv4Network | IPv6Network
MOST = 20  # hops that are read


def client_of(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """The first address, from the peer leftwards, that is no trusted proxy's; the last readable one where all are."""
    at = peer
    for text in reversed(["", *forwarded.split(",")[-MOST:]]):
        if not _is_trusted(at, trusted):
            return at
        hop = _address(text)
        if not hop:
            return at
        at = hop
    return at


def _address(text: str) -> str:
    """An address of the header in its normal text, without brackets and port; empty where it is none."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare.partition("%")[0]))
    except ValueError:
        return ""


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        one = ip_address(address)
    except ValueError:
        return False
    one = getattr(one, "ipv4_mapped", None) or one
    return any(one.version == network.version and one in network for network in trusted)


class Believing:
    """A WSGI application whose REMOTE_ADDR is the client's, as trusted proxies say."""

    def __init__(self, application: Callable[..., Iterable[bytes]], trusted: Sequence[Network]) -> None:
        self.application, self.trusted = application, tuple(trusted)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
        if self.trusted and forwarded:
            environ["REMOTE_ADDR"] = client_of(environ.get("REMOTE_ADDR", ""), forwarded, self.trusted)
        return self.application(environ, start_response)
