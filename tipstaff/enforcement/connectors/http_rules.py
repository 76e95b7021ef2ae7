"""What nginx is told: which hosts and URLs it answers with the blocked page, as configuration that nobody can break out of. Pure.

A request is looked at as nginx sees it after taking it apart: ``$host`` in lower case, ``$uri`` with escapes decoded, dot
segments and double slashes resolved, ``$args`` as sent. So ``/%6Cogin`` and ``//x/../login`` do not slip past ``/login``::

    site   shop.example.net                  every request for that host
    url    https://shop.example.net/login    that path with any query; case counts
           https://shop.example.net/p?id=7   that path with exactly that query
           https://shop.example.net/kit/*    everything below /kit/

Whatever of a URL stands in the configuration is letters, digits, ``-_/=&%,:~`` and ``\\xHH``: the file cannot say anything else.
"""

import html
import json
import re
import string
from collections.abc import Iterable
from dataclasses import dataclass

from tipstaff.enforcement import targets
from tipstaff.enforcement.connectors.contract import NotOurs, Rejected, Target
from tipstaff.kernel.errors import InputError

HEADER = "# Written by Tipstaff, which checks it before each change: not to be edited. One line for each block that is in force:"
MARK = "# block "
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|\[[0-9a-f:.]+\]")
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/=&%,:~")
LONGEST = 4000  # characters of a line: nginx reads its configuration through a buffer of 4096
_IN_A_QUERY = re.compile(r"[^\x21-\x7e]")
BELOW = "/*"
IN_A_LINK = frozenset(string.ascii_letters + string.digits + ":/.-_~?=&%")


@dataclass(frozen=True)
class Page:
    """The blocked page: its status (451 or 403), the operator's words, and who blocks (RFC 7725 4), empty for nobody."""

    status: int
    title: str
    text: str
    blocked_by: str = ""


@dataclass(frozen=True)
class Block:
    """One order's: its tag, the case whose number the page shows, and what is blocked in its canonical text."""

    tag: str
    case: int
    scope: str
    text: str

    def target(self) -> Target:
        return targets.parse(self.scope, self.text)


@dataclass(frozen=True)
class Asked:
    """The request that a block is about: ``host`` as in a Host header, ``path`` decoded and resolved, ``args`` as sent."""

    host: str
    path: bytes = b""
    args: str | None = None  # None: whatever they are
    below: bool = False


def asked(target: Target) -> Asked:
    """What nginx sees of a request for the target. Raises Rejected for a URL that can never be asked of nginx."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if not _HOST.fullmatch(host):
        raise Rejected(f"{target.host[:80]!r} is no host that nginx could be asked for")
    if target.scope == "site":
        return Asked(host)
    rest = target.url.partition("://")[2]
    path, mark, query = ("/" + rest.partition("/")[2]).partition("?")
    below = path.endswith(BELOW) and not mark
    args = _IN_A_QUERY.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), query) if mark else None
    return Asked(host, resolved(path[:-1] if below else path), args, below)


def resolved(path: str) -> bytes:
    """The path as nginx's ``$uri`` has it: escapes decoded once, empty and dot segments resolved. Raises Rejected."""
    raw = _decoded(path.encode())
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        raise Rejected(f"the path {path[:80]!r} holds control characters; block the site instead")
    kept: list[bytes] = []
    *middle, last = raw.split(b"/")[1:]
    for segment in (*middle, last):
        if segment == b"..":
            if not kept:
                raise Rejected(f"the path {path[:80]!r} leads out of the site; nginx never takes such a request")
            kept.pop()
        elif segment not in {b"", b"."}:
            kept.append(segment)
    directory = last in {b"", b".", b".."}
    return b"/" + b"/".join(kept) + (b"/" if directory and kept else b"")


def _decoded(raw: bytes) -> bytes:
    if re.search(rb"%(?![0-9A-Fa-f]{2})", raw):
        raise Rejected("the path has an escape that is none; nginx never takes such a request")
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), raw)


def pattern(wanted: Asked) -> str:
    """For ``$host $args $uri``, in which the first two hold no space: a regular expression of harmless characters only."""
    args = "[^\\x20]*" if wanted.args is None else _escaped(wanted.args.encode())
    end = "" if wanted.below else "\\z"
    return f"^{_escaped(wanted.host.encode())}\\x20{args}\\x20{_escaped(wanted.path)}{end}"


def _escaped(raw: bytes) -> str:
    return "".join(chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in raw)


def render(blocks: Iterable[Block]) -> str:
    """The file for the ``http`` part of nginx's configuration. The same blocks give the same text."""
    listed = sorted(set(blocks), key=lambda block: (block.scope, block.text, block.tag))
    requests = [(block, asked(block.target())) for block in listed]
    sites = {wanted.host: block.case for block, wanted in requests if block.scope == "site"}
    urls = {pattern(wanted): block.case for block, wanted in requests if block.scope == "url"}
    hosts = sorted({wanted.host for block, wanted in requests if block.scope == "url"})
    lines = [
        HEADER,
        *(MARK + _line(block) for block in listed),
        *_map("$host", "$tipstaff_site", sites.items()),
        *_map("$host", "$tipstaff_listed", ((host, 1) for host in hosts)),
        *_map("$tipstaff_listed", "$tipstaff_asked", [("1", "$host $args $uri")], default="-"),
        *_map("$tipstaff_asked", "$tipstaff_url", [("-", ""), *(("~" + one, case) for one, case in urls.items())]),
        *_map("$tipstaff_site", "$tipstaff_case", [("", "$tipstaff_url")], default="$tipstaff_site"),
    ]
    if long := next((line for line in lines if len(line) > LONGEST), None):
        raise Rejected(f"{long[:120]!r}… is longer than nginx can read; block the path or the site instead")
    return "\n".join(lines) + "\n"


def _map(source: str, variable: str, rows: Iterable[tuple[str, object]], default: str = "") -> list[str]:
    return [f"map {source} {variable} {{", f'    default "{default}";', *(f'    "{key}" "{value}";' for key, value in rows), "}"]


def _line(block: Block) -> str:
    return json.dumps({"tag": block.tag, "case": block.case, "scope": block.scope, "text": block.text})


def read(text: str) -> tuple[Block, ...]:
    """The blocks of a file that ``render`` made. Raises NotOurs when somebody changed it since."""
    try:
        lines = [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]
        blocks = tuple(Block(**json.loads(line)) for line in lines)
        whole = render(blocks)
    except (ValueError, TypeError, Rejected, InputError) as error:
        raise NotOurs(f"the file of blocks is not as we wrote it: {error}") from error
    if whole != text:
        raise NotOurs("the file of blocks was changed since we wrote it; put it back, or move it away")
    return blocks


def server_part(page: Page) -> str:
    """What every ``server`` of the front includes: the answer to a blocked request. It names the case and nobody."""
    link = f'    add_header Link "<{page.blocked_by}>; rel=\\"blocked-by\\"" always;\n' if page.blocked_by else ""
    body = (
        f"<!doctype html><meta charset=utf-8><title>{_words(page.title)}</title><h1>{_words(page.title)}</h1>"
        f"<p>{_words(page.text)}</p><p>Reference: $tipstaff_case</p>"
    )
    return (
        f"{HEADER.partition(':')[0]}.\n"
        "if ($tipstaff_case) { return 451; }\n"
        "error_page 451 = @tipstaff;\n"
        "location @tipstaff {\n"
        "    internal;\n"
        "    default_type text/html;\n"
        "    add_header X-Blocked-Reference $tipstaff_case always;\n"
        "    add_header Cache-Control no-store always;\n"
        f"{link}"
        f'    return {page.status} "{body}";\n'
        "}\n"
    )


def _words(text: str) -> str:
    """Text of the operator's for HTML within a quoted string of nginx's: its own signs as character references."""
    signs = {"\\": "&#92;", "$": "&#36;"}
    return "".join(signs.get(sign, sign) for sign in html.escape(" ".join(text.split())))
