"""What a measure acts on, read strictly from its text. Pure.

Rail 1: an address is four decimal octets or RFC 4291 text; a mask must not cut host bits; the unspecified address, the
default route and martians are refused by name. Text forms, which are also the canonical ones::

    url      https://shop.example.net/login          http or https, no user name, no control characters
    site     shop.example.net                        a host or zone in A-labels, lower case
    port     203.0.113.7/32 tcp/25                   [2001:db8::7]:25 is not taken: an address may hold colons
    machine  203.0.113.7/32                          an address without a mask is one machine
    service  vps-1042                                the provider's own identifier
"""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit, urlunsplit

from tipstaff.enforcement.connectors.contract import SCOPES, Target
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.kernel.text import port_of

Network = IPv4Network | IPv6Network
LONGEST = 2048
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_REFERENCE = re.compile(r"[\w.:@/+-]{1,200}")
#: Space that no customer ever holds: RFC 6890 and its updates, without private, shared and documentation space, which
#: counts as ours only where the operator lists it (rail 2).
MARTIANS: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), why)
    for text, why in (
        ("0.0.0.0/8", "this network"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.88.99.0/24", "former 6to4 relays"),
        ("198.18.0.0/15", "benchmarking"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/127", "unspecified and loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discard"),
        ("2001::/32", "Teredo"),
        ("2002::/16", "6to4"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "former site-local"),
        ("ff00::/8", "multicast"),
    )
)


def parse(scope: str, text: str) -> Target:
    """The target that ``text`` names within ``scope``. Raises InputError saying what is wrong and what to write."""
    text = text.strip()
    if scope not in SCOPES:
        raise _wrong("scope", f"{scope[:40]!r} is none of {', '.join(SCOPES)}", "name one of them")
    if not text or len(text) > LONGEST or not text.isprintable():
        raise _wrong("target", "is empty, too long or holds control characters", f"give at most {LONGEST} printable characters")
    return _READERS[scope](text)


def network(text: str) -> Network:
    """A prefix by rail 1: strict text, no host bits, no default route, nothing that touches a martian."""
    try:
        mask = text.partition("/")[2]
        if mask and not (mask.isascii() and mask.isdecimal()):
            raise ValueError("the mask is not a length")
        found = ip_network(text)
    except ValueError as error:
        raise _wrong("target", f"{text[:80]!r} is no prefix: {error}", "write ADDRESS or ADDRESS/LENGTH") from None
    if getattr(found.network_address, "scope_id", None):
        raise _wrong("target", f"{text[:80]!r} has a zone index", "leave the % part away")
    if found.prefixlen == 0:
        raise _wrong("target", f"{found} is the default route", "name the address to act on")
    for martian, why in MARTIANS:
        if martian.version == found.version and martian.overlaps(found):  # type: ignore[arg-type]
            raise _wrong("target", f"{found} touches {martian} ({why})", "name an address that a customer holds")
    return found


def loose_network(text: str) -> Network:
    """A prefix for lists of what is protected or ours, where private and loopback space may stand; ValueError if none."""
    found = ip_network(text.strip())
    if found.prefixlen == 0:
        raise _wrong("prefix", f"{found} is everything", "name prefixes")
    return found


def host_name(text: str) -> str:
    """A host or zone name in A-labels, lower case, without the root's dot; at least two labels."""
    name = text.rstrip(".").lower()
    try:
        name = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError as error:
        raise _wrong("target", f"{text[:80]!r} is no host name: {error}", "write it in A-labels (xn--…)") from None
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdecimal():
        raise _wrong("target", f"{text[:80]!r} is no host name", "write a full name such as shop.example.net")
    return name


def name_or_service(text: str) -> str:
    """A host or zone name in its canonical form, else a service's identifier as it is."""
    try:
        return host_name(text)
    except InputError:
        return _service(text).text


def _url(text: str) -> Target:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _wrong("target", f"{text[:80]!r} is no URL: {error}", "write https://HOST/PATH") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "\\" in text or " " in text:
        raise _wrong("target", f"{text[:80]!r} is no web address", "write http:// or https://, without user name or spaces")
    prefixes: tuple[Network, ...] = ()
    try:
        prefixes = (network(str(ip_address(parts.hostname))),)
        host = str(prefixes[0].network_address)
    except InputError:
        raise
    except ValueError:
        host = host_name(parts.hostname)
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in {None, 80 if parts.scheme == "http" else 443} else f"{shown}:{port}"
    url = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    return Target("url", url, host=host, url=url, host_prefixes=prefixes)


def _site(text: str) -> Target:
    name = host_name(text)
    return Target("site", name, host=name)


def _port(text: str) -> Target:
    address, _, rest = text.partition(" ")
    protocol, slash, number = rest.partition("/")
    port = port_of(number) if slash and protocol in {"tcp", "udp"} else None
    if port is None:
        raise _wrong("target", f"{text[:80]!r} names no port", "write ADDRESS tcp/25 or ADDRESS udp/53")
    prefix = network(address)
    return Target("port", f"{prefix} {protocol}/{port}", prefix=prefix, protocol=protocol, port=port)


def _machine(text: str) -> Target:
    prefix = network(text)
    return Target("machine", str(prefix), prefix=prefix)


def _service(text: str) -> Target:
    if not _REFERENCE.fullmatch(text):
        raise _wrong("target", f"{text[:80]!r} is no identifier", "letters, digits and . : @ / + - _, at most 200")
    return Target("service", text, reference=text)


_READERS = {"url": _url, "site": _site, "port": _port, "machine": _machine, "service": _service}


def _wrong(where: str, what: str, advice: str) -> InputError:
    return InputError(Problem(where, what, advice))
