"""HTTP requests that cannot be turned against our own network (server-side request forgery).

A name is resolved once, every address it has is judged, and the connection goes to the address that was judged; so
neither a second answer of the name server nor a redirect leads inside.
"""

import socket
import ssl
from collections.abc import Iterable
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx

from tipstaff.kernel.errors import Refused

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4 = IPv6Network("2002::/16")  # RFC 3056


def is_public(address: str) -> bool:
    """Whether an address is one of the public Internet, also after what is embedded in it was looked at."""
    found = ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in (found, *_embedded(found)))


def _embedded(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _6TO4:
        yield IPv4Address(int(address) >> 80 & 0xFFFFFFFF)
    if address.teredo:
        yield from address.teredo


class _Backend(httpcore.SyncBackend):
    """Connects to public addresses only."""

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Any = None
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise httpcore.ConnectError(f"{host} has no address: {error.strerror}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if inside := [address for address in addresses if not is_public(address)]:
            raise Refused(
                f"{host} leads to {inside[0]}, which is not a public address; allow_private in the source's settings opens it"
            )
        for address in addresses[:-1]:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificate authorities, read once: reading them takes longer than most requests."""
    return ssl.create_default_context()


class _Transport(httpx.HTTPTransport):
    """httpx's transport with the guarded backend below it."""

    def __init__(self) -> None:
        super().__init__(verify=_trusted())
        self._pool = httpcore.ConnectionPool(ssl_context=_trusted(), network_backend=_Backend())


def client(*, allow_private: bool = False, timeout: float = 60) -> httpx.Client:
    """A client without proxies, cookies of others or redirects of its own accord."""
    transport = httpx.HTTPTransport(verify=_trusted()) if allow_private else _Transport()
    headers = {"User-Agent": "Tipstaff"}
    return httpx.Client(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout, headers=headers)
