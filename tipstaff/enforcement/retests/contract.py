"""What every retest is: a pure judgement of what was seen, and a look that touches our own space alone. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from tipstaff.kernel.errors import Refused

OK, STILL, UNCLEAR = "ok", "still", "cannot tell"
PATIENCE = 5.0  # seconds for one exchange
MOST = 65_536  # bytes that are read of any answer


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of a look: 'ok', 'still' or 'cannot tell', in words, with the exchange as evidence."""

    outcome: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)
    evidence: bytes = b""


@dataclass(frozen=True, slots=True)
class Space:
    """Our own prefixes, and what is never touched even there."""

    own: tuple[IPv4Network | IPv6Network, ...]
    never: tuple[IPv4Network | IPv6Network, ...] = ()

    def check(self, address: str) -> IPv4Address | IPv6Address:
        """The address, when it lies in our own space. Raises Refused for anything else: nobody else's machine is tested."""
        try:
            found = ip_address(address)
        except ValueError:
            raise Refused(f"{address!r} is no address") from None
        if not _within(found, self.own):
            raise Refused(f"{found} is not ours: only our own address space is tested")
        if _within(found, self.never):
            raise Refused(f"{found} is on the never-touch list")
        return found

    def holds(self, address: str) -> bool:
        """Whether an address is ours, touched or not."""
        try:
            return _within(ip_address(address), self.own)
        except ValueError:
            return False


def _within(address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def host_port(target: str, default: int = 0) -> tuple[str, int]:
    """'192.0.2.7:25', '[2001:db8::7]:25' or a bare address. Raises Refused for anything else."""
    text = target.strip()
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.lstrip(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise Refused(f"{target!r} names no port")
    if not (port or default):
        raise Refused(f"{target!r} names no port")
    return host, int(port) if port else default
