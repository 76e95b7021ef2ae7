"""What somebody typed into the search field: a case, an address, a range of them, a host, or words. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

MOST = 200  # characters that are looked at


@dataclass(frozen=True, slots=True)
class Asked:
    """``kind``: case, addresses, host, words, nothing. ``first`` and ``last`` bound a range of addresses."""

    kind: str
    text: str
    number: int = 0
    first: IPv4Address | IPv6Address | None = None
    last: IPv4Address | IPv6Address | None = None

    @property
    def single(self) -> bool:
        return self.first is not None and self.first == self.last


def understand(typed: str) -> Asked:
    """Read a search: '#4312', '4312', '203.0.113.7', '203.0.113.', '203.0.113.0/28', '2001:db8:', a host, a URL, words."""
    text = " ".join(typed[:MOST].split()).replace("[.]", ".").replace("hxxp", "http")
    if not text:
        return Asked("nothing", "")
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 16 and (text[0] == "#" or len(number) < 10):
        return Asked("case", text, number=int(number))
    bounds = _bounds(_host(text))
    if bounds:
        return Asked("addresses", text, first=bounds[0], last=bounds[1])
    host = _host(text).lower().rstrip(".")
    if "." in host and " " not in host and "@" not in host:
        return Asked("host", host)
    return Asked("words", text)


def _host(text: str) -> str:
    if "://" in text:
        try:
            return urlsplit(text).hostname or text
        except ValueError:
            return text
    return text.strip("[]")


def _bounds(text: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address] | None:
    try:
        one = ip_address(text.partition("%")[0])  # PostgreSQL knows no zone index
        mapped = getattr(one, "ipv4_mapped", None)
        return mapped or one, mapped or one
    except ValueError:
        pass
    if "/" in text:
        return _network(text)
    return _partial_v6(text) if ":" in text else _partial_v4(text)


def _network(text: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address] | None:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network[0], network[-1]


def _partial_v4(text: str) -> tuple[IPv4Address, IPv4Address] | None:
    """'203.0.113.' or '203.0.113' or '203.0': whole octets, at least two of them."""
    parts = text.rstrip(".").split(".")
    if not (2 <= len(parts) <= 3 and all(part.isascii() and part.isdigit() and int(part) < 256 for part in parts)):
        return None
    if len(parts) == 2 and not text.endswith(".") and any(len(part) > 3 for part in parts):
        return None
    low, high = [*parts, "0", "0"][:4], [*parts, "255", "255"][:4]
    return IPv4Address(".".join(str(int(part)) for part in low)), IPv4Address(".".join(str(int(part)) for part in high))


def _partial_v6(text: str) -> tuple[IPv6Address, IPv6Address] | None:
    """'2001:db8:' or '2001:db8:40': whole groups of 16 bits, at least one and a colon."""
    groups = text.rstrip(":").split(":")
    hexadecimal = all(0 < len(group) <= 4 and set(group.lower()) <= set("0123456789abcdef") for group in groups)
    if not (1 <= len(groups) <= 7 and hexadecimal):
        return None
    low = [*groups, *["0"] * (8 - len(groups))]
    high = [*groups, *["ffff"] * (8 - len(groups))]
    return IPv6Address(":".join(low)), IPv6Address(":".join(high))
