"""Is what was reported at a URL still there? One request to our own address, no redirect followed, nothing rendered.

The answer is compared by status (RFC 9110) and by the hash of what was there when it was reported, where that is known.
"""

import hashlib
import http.client
import socket
import ssl
from urllib.parse import quote, urlsplit

from tipstaff.enforcement.retests.bounded import connected
from tipstaff.enforcement.retests.contract import MOST, OK, PATIENCE, STILL, UNCLEAR, Seen, Space
from tipstaff.kernel.errors import Refused

AGENT = "Tipstaff-retest/1"
GONE = frozenset({404, 410, 451})
KEPT_BYTES = 4 * MOST
SAFE = "!#$%&'()*+,/:;=?@[]~"  # of a path and query; anything else is percent-encoded (RFC 3986)


def look(url: str, space: Space, *, address: str = "", known_hash: str = "") -> Seen:
    """Ask ``address`` (else what the name resolves to) for the URL. Raises Refused when that is not our own space."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Refused(f"{url!r} is no web address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if address:
        checked = str(space.check(address))
    else:
        named = _resolve(parts.hostname, port)
        if not named:
            return Seen(OK, "the name resolves to no address any more")
        # Of several addresses ours is asked: one that is elsewhere, named beside it, is no way round the look.
        ours = [one for one in named if space.holds(one)]
        if not ours:
            return Seen(OK, "the name leads to an address that is not ours any more", {"address": named[0]})
        checked = str(space.check(ours[0]))
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=SAFE)
    try:
        status, location, body = _get(parts.scheme, checked, port, parts.hostname, path)
    except ConnectionRefusedError:
        return Seen(OK, "nothing answers at that port", {"address": checked})
    except (TimeoutError, http.client.HTTPException, OSError) as error:
        return Seen(UNCLEAR, f"the page could not be asked for: {type(error).__name__}", {"address": checked})
    return judge(status, location, body, known_hash)


def judge(status: int, location: str, body: bytes, known_hash: str) -> Seen:
    """What status and content say. A page that changed is for a person: the harm may have moved within it."""
    digest = hashlib.sha256(body).hexdigest()
    detail = {"status": status, "sha256": digest, "bytes": len(body)} | ({"location": location[:500]} if location else {})
    if status in GONE:
        return Seen(OK, f"gone: the server answers {status}", detail, body[:MOST])
    if known_hash and digest == known_hash:
        return Seen(STILL, "the very same content is still there", detail, body[:MOST])
    if status in {401, 403}:
        return Seen(UNCLEAR, f"the server answers {status}: it may be hidden from us alone", detail, body[:MOST])
    if 300 <= status < 400:
        return Seen(UNCLEAR, "it redirects elsewhere, and redirects are not followed", detail, body[:MOST])
    if status >= 500:
        return Seen(UNCLEAR, f"the server has trouble of its own: {status}", detail, body[:MOST])
    if known_hash:
        return Seen(UNCLEAR, "something else is there now: a person compares", detail, body[:MOST])
    return Seen(STILL, f"the page still answers {status}", detail, body[:MOST])


def _resolve(host: str, port: int) -> list[str]:
    try:
        return list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError):
        return []


def _get(scheme: str, address: str, port: int, host: str, path: str) -> tuple[int, str, bytes]:
    """Status, Location and content of one GET to ``address`` in the name of ``host``."""
    connection = http.client.HTTPConnection(address, port, timeout=PATIENCE)
    with connected(address, port) as channel:
        try:
            connection.sock = channel
            if scheme == "https":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # a bad certificate is no reason not to look
                connection.sock = context.wrap_socket(channel, server_hostname=host)
            named = host if port in {80, 443} else f"{host}:{port}"
            connection.request("GET", path, headers={"Host": named, "User-Agent": AGENT, "Accept": "*/*", "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.getheader("Location") or "", response.read(KEPT_BYTES)
        finally:
            connection.close()
