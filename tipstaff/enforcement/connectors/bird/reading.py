"""What ``show route … all`` of BIRD 2 says, as routes. Pure."""

import re
from collections.abc import Iterable

from tipstaff.enforcement.connectors.bgp_routes import REDIRECT_AS2, REDIRECT_AS4, TRAFFIC_RATE, LargeCommunity, Seen

# 203.0.113.9/32       blackhole [desk 01:02:25.356 from 127.0.0.3] * (100) [i]
_ROUTE = re.compile(r"(?P<net>flow[46] \{[^}]*\}|[0-9a-fA-F.:]+/\d+)?\s+(?:\w+ )?\[(?P<from>\S+) [^\]]*\](?P<best> \*)? ")
_SIMPLE = re.compile(r"\((\d+),(\d+)\)")
_LARGE = re.compile(r"\((\d+), (\d+), (\d+)\)")
_GENERIC = re.compile(r"\(generic, (0x[0-9a-f]+), (0x[0-9a-f]+)\)")
_TRAFFIC = {TRAFFIC_RATE, REDIRECT_AS2, REDIRECT_AS4}


def routes(lines: Iterable[str]) -> list[tuple[Seen, bool]]:
    """Each route and whether BIRD uses it (the best of its net). Lines are without their codes."""
    found: list[tuple[list[str], bool]] = []
    net = ""
    for line in lines:
        if line.startswith("\t"):
            if found and line.startswith("\tBGP."):
                found[-1][0].append(line.strip())
        elif match := _ROUTE.match(line):
            net = match["net"] or net  # a second route of the same net leaves it away
            found.append(([net, line.strip()], match["best"] is not None))
    return [(_seen(words), best) for words, best in found if words[0]]


def _seen(words: list[str]) -> Seen:
    net, first, *attributes = words
    values = dict(line.partition(": ")[::2] for line in attributes)
    return Seen(
        net=net,
        family=net[:5] if net.startswith("flow") else "ipv6" if ":" in net else "ipv4",
        communities=frozenset((int(high) << 16) | int(low) for high, low in _SIMPLE.findall(values.get("BGP.community", ""))),
        large=frozenset(map(_large, _LARGE.findall(values.get("BGP.large_community", "")))),
        extended=frozenset(_traffic(values.get("BGP.ext_community", ""))),
        words=first,
    )


def _large(parts: tuple[str, str, str]) -> LargeCommunity:
    return (int(parts[0]), int(parts[1]), int(parts[2]))


def _traffic(text: str) -> Iterable[int]:
    """Traffic actions as the number on the wire; BIRD shows each as two halves."""
    for high, low in _GENERIC.findall(text):
        number = (int(high, 16) << 32) | int(low, 16)
        if number >> 48 in _TRAFFIC:
            yield number
