"""Text in which everything that would name somebody or betray another customer is marked as removed. Pure.

What is not known to be harmless goes: a mail address stays only under a domain of the accused, a link only to a host of
the accused. The marks are two private use characters around the kind of what stood there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import unquote

import re2

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
OPEN, SHUT = "\ue000", "\ue001"  # private use characters: mark what was removed until the text is cut into pieces
MOST_CHARACTERS = 200_000
MOST_LINES = 2_000

MAIL = "mail address"
MESSAGE_ID = "message id"
LINK = "link to another host"
TOKEN = "tracking token"  # noqa: S105 - a word for what was removed
NEIGHBOUR = "another customer's address"
CARD = "card number"
PHONE = "telephone number"
NAME = "reporter"
SIGNATURE = "signature"
HEADER = "header"
RECEIVER = "receiving server"
ROWS = "rows about others"
SECRET_KEYS = "reporter's details"  # noqa: S105

_MAIL = re2.compile(
    r"(?i)[^\s<>\"(),;:@\[\]\x{E000}\x{E001}]+\s?(?:@|%40|\[at\]|\(at\)|\{at\}|＠)\s?"
    r"[\pL\pN](?:[\pL\pN.\-]|\[\.\]|\[dot\]|\(dot\))*(?:\.|\[\.\]|\s?\[dot\]\s?|\s?\(dot\)\s?)\pL[\pL\pN\-]+"
)
_MESSAGE_ID = re2.compile(r"<[^<>@\s]+@[^<>@\s]+>")
_URL = re2.compile(r"(?i)(?:(?:https?|hxxps?|h\*\*ps?|ftp)(?:://|\[:\]//|\[://\])|www\.)[^\s<>\"']+")
_V4 = re2.compile(r"\d{1,3}(?:\.|\[\.\]|-|\(\.\))\d{1,3}(?:\.|\[\.\]|-|\(\.\))\d{1,3}(?:\.|\[\.\]|-|\(\.\))\d{1,3}")
_V6 = re2.compile(r"(?i)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d{0,3}(?:\.\d{1,3}){3})?")
_REVERSED = re2.compile(r"(?i)((?:\d{1,3}\.){4})in-addr\.arpa")
_CARD = re2.compile(r"\d(?:[ \-]?\d){12,18}")
_PHONE = re2.compile(
    r"(?i)(?:\+|\b00)\d[\d ()./\-]{6,20}\d"
    r"|\b(?:tel|telephone|telefon|telefono|teléfono|téléphone|phone|fax|mobile|mobil|handy|cell|тел|電話|电话)\b[^\d+\n]{0,6}"
    r"[+(]?\d[\d ()./\-]{4,20}\d"
)
_POSTAL = re2.compile(
    r"(?i)^\s*(?:postal |street |mailing )?(?:address|anschrift|adresse|direcci[oó]n|indirizzo|adres|endereço)"
    r"\s*:\s*(\D|\d+ \pL).*$"
)
_HEADER = re2.compile(r"^[>\s]*([A-Za-z][A-Za-z0-9\-]+):(?:\s|$)")
_TOKEN = re2.compile(r"[A-Za-z0-9_\-+%=]{20}[A-Za-z0-9_\-+%=]*")
_CLOSING = re2.compile(
    r"(?i)^\s*(?:--\s?|(?:best |kind |warm )?regards\b.*|sincerely.*|cheers\b.*|thank you,?|many thanks,?|"
    r"mit freundlichen gr(?:ü|ue)(?:ß|ss)en.*|freundliche gr(?:ü|ue)(?:ß|ss)e.*|viele gr(?:ü|ue)(?:ß|ss)e.*|"
    r"cordialement.*|bien à vous.*|saludos.*|atentamente.*|cordiali saluti.*|distinti saluti.*|met vriendelijke groet.*|"
    r"z poważaniem.*|pozdrawiam.*|atenciosamente.*|com os melhores cumprimentos.*|с уважением.*|此致.*|敬具.*|よろしくお願い.*)\s*$"
)
#: Header lines that name recipients, routes and identities, wherever they are quoted.
_HIDDEN_HEADERS = frozenset(
    [
        "to",
        "cc",
        "bcc",
        "delivered-to",
        "envelope-to",
        "original-rcpt-to",
        "final-recipient",
        "original-recipient",
        "removal-recipient",
        "reply-to",
        "sender",
        "message-id",
        "references",
        "in-reply-to",
        "resent-to",
        "resent-from",
        "resent-message-id",
        "list-unsubscribe",
        "list-id",
        "list-post",
        "feedback-id",
        "dkim-signature",
        "arc-seal",
        "arc-message-signature",
        "arc-authentication-results",
        "authentication-results",
        "received-spf",
        "return-receipt-to",
        "disposition-notification-to",
        "errors-to",
        "apparently-to",
        "reporter",
        "reporter-contact",
        "reported-from",
        "schema-url",
        "original-envelope-id",
        "redacted-address",
        "user-agent",
        "thread-index",
        "thread-topic",
        "organization",
        "abuse-reports-to",
    ]
)
_FANGS = (("[at]", "@"), ("(at)", "@"), ("{at}", "@"), ("＠", "@"), ("[dot]", "."), ("(dot)", "."), ("[.]", "."), ("(.)", "."))


@dataclass(frozen=True)
class Scope:
    """Whose eyes: what belongs to this customer in this case, and who must stay unnamed.

    ``networks`` and ``domains`` are the customer's; ``own_networks`` all of the provider's. ``names`` are those of the
    reporters and their organisations, ``mail_domains`` theirs.
    """

    networks: tuple[Network, ...] = ()
    domains: tuple[str, ...] = ()
    own_networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    mail_domains: tuple[str, ...] = ()

    def holds(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)

    def is_neighbour(self, address: Address) -> bool:
        """An address of ours that is not this customer's."""
        ours = any(address.version == network.version and address in network for network in self.own_networks)
        return ours and not self.holds(address)

    def is_theirs(self, host: str) -> bool:
        """Whether a host name or address is the customer's."""
        host = host.lower().strip("[]").rstrip(".")
        address = _address(host)
        if address is not None:
            return self.holds(address)
        return any(host == domain or host.endswith("." + domain) for domain in self.domains)

    def speaks_of(self, line: str) -> bool:
        """Whether a line (of a feed, of a list) is about this customer."""
        if any(self.holds(address) for address in addresses_in(line)):
            return True
        low = line.lower()
        return any(domain in low for domain in self.domains)

    @cached_property
    def _names(self) -> tuple[Any, ...]:
        words: set[str] = set()
        for name in filter(None, self.names):
            words.add(name.strip())
            words |= {word for word in name.replace(",", " ").split() if len(word) >= 4 and word[0].isupper()}
        words |= {domain for domain in self.mail_domains if domain and not self.is_theirs(domain)}
        return tuple(
            re2.compile(rf"(?i)(^|[^\pL\pN]){re2.escape(word)}($|[^\pL\pN])")
            for word in sorted(words, key=len, reverse=True)
            if len(word) >= 3
        )


def free_text(text: str, scope: Scope) -> str:
    """Text with marks where something was removed; ``pieces`` cuts it up. Line structure is kept."""
    text = text[:MOST_CHARACTERS].replace(OPEN, "").replace(SHUT, "").replace("\r\n", "\n").replace("\r", "\n")
    out: list[str] = []
    hiding = False
    lines = text.split("\n")[:MOST_LINES]
    for place, line in enumerate(lines):
        if _CLOSING.match(line) and place and _ends(lines, place):
            out.append(gone(SIGNATURE))
            break
        if hiding and line[:1] in " \t" and line.strip():
            continue
        found = _HEADER.match(line)
        name = found.group(1).lower() if found else ""
        hiding = bool(name) and (name in _HIDDEN_HEADERS or name.startswith(("x-", "list-", "arc-")))
        out.append(f"{found.group(0).rstrip()} {gone(HEADER)}" if hiding and found else _line(line, name, scope))
    return "\n".join(out)


def _ends(lines: Sequence[str], place: int) -> bool:
    """Whether a closing phrase stands near the end; only then what follows is a signature."""
    return lines[place].strip() == "--" or len([line for line in lines[place:] if line.strip()]) <= 14


def received(value: str, scope: Scope) -> str:
    """Of a route only the step that left the customer's network, and its time."""
    if not scope.speaks_of(value):
        return f"Received: {gone(RECEIVER)}"
    start, _, rest = " ".join(value.split()).partition(" by ")
    moment = rest.rpartition(";")[2].strip() if ";" in rest else ""
    return f"Received: {inline(start, scope)} by {gone(RECEIVER)}" + (f"; {moment}" if moment else "")


def _line(line: str, header: str, scope: Scope) -> str:
    if header == "received":
        return received(line.partition(":")[2], scope)
    if _POSTAL.match(line) and not list(addresses_in(line)):
        return gone("postal address")
    return inline(line, scope)


def inline(text: str, scope: Scope) -> str:
    text = _URL.sub(lambda found: _url(found.group(0), scope), text)
    text = _MESSAGE_ID.sub(lambda found: _mail(found.group(0), scope, MESSAGE_ID), text)
    text = _MAIL.sub(lambda found: _mail(found.group(0), scope, MAIL), text)
    text = _REVERSED.sub(lambda found: _reversed(found.group(0), found.group(1), scope), text)
    text = _V4.sub(lambda found: _neighbour(found.group(0), scope), text)
    text = _V6.sub(lambda found: _neighbour(found.group(0), scope), text)
    text = _CARD.sub(lambda found: gone(CARD) if luhn(found.group(0)) else found.group(0), text)
    text = _PHONE.sub(lambda found: _phone(found.group(0)), text)
    for name in scope._names:
        for _ in range(2):  # neighbours share the letter between them
            text = name.sub(lambda found: found.group(1) + gone(NAME) + found.group(2), text)
    return text


def _mail(text: str, scope: Scope, kind: str) -> str:
    local, _, domain = _refanged(text).strip("<>").replace("%40", "@").rpartition("@")
    plain = "=" not in local and "+" not in local and (kind == MAIL or not _opaque(local))
    return text if plain and scope.is_theirs(domain.strip()) else gone(kind)


def _refanged(text: str) -> str:
    low = text.lower()
    for written, meant in _FANGS:
        low = low.replace(written, meant)
    return low.replace(" ", "")


def _url(text: str, scope: Scope) -> str:
    tail = ""
    while text and text[-1] in ".,;:)]}!?":
        text, tail = text[:-1], text[-1] + tail
    plain = _refanged(text).replace("[:]", ":").replace("[://]", "://")
    rest = plain.partition("://")[2] or plain
    authority = rest.split("/", 1)[0].split("?", 1)[0]
    host = authority.rpartition("@")[2]
    host = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if "@" in authority or not scope.is_theirs(host):
        return gone(LINK) + tail
    if "@" in unquote(unquote(plain)):
        head = text[: text.lower().replace("%40", "@").find("@") + 1].rpartition("/")[0]
        return f"{head}/{gone(TOKEN)}{tail}"
    before, slash, path = text.partition(host.split(".")[-1])
    return before + slash + _TOKEN.sub(lambda found: gone(TOKEN) if _opaque(found.group(0)) else found.group(0), path) + tail


def _opaque(text: str) -> bool:
    """A token that stands for somebody: long, with digits and letters, no words."""
    digits = sum(letter.isdigit() for letter in text)
    mixed = text.lower() != text and text.upper() != text
    return digits >= 4 or (mixed and digits >= 1) or len(text) >= 40


def _neighbour(text: str, scope: Scope) -> str:
    address = _address(text.replace("[.]", ".").replace("(.)", ".").replace("-", "."))
    return gone(NEIGHBOUR) if address is not None and scope.is_neighbour(address) else text


def _reversed(text: str, octets: str, scope: Scope) -> str:
    address = _address(".".join(reversed(octets.strip(".").split("."))))
    return gone(NEIGHBOUR) if address is not None and scope.is_neighbour(address) else text


def _phone(text: str) -> str:
    return gone(PHONE) if sum(letter.isdigit() for letter in text) >= 7 else text


def masked_cards(text: str) -> str:
    """Text in which of each card number only the last four digits stand; nothing else is touched."""
    return str(
        _CARD.sub(lambda found: f"[card number ending {_tail(found.group(0))}]" if luhn(found.group(0)) else found.group(0), text)
    )


def _tail(number: str) -> str:
    return "".join(letter for letter in number if letter.isdecimal())[-4:]


def luhn(text: str) -> bool:
    """Whether 13 to 19 digits pass the check of ISO/IEC 7812-1, as card numbers do."""
    digits = [int(letter) for letter in text if letter.isdecimal()]
    if len(set(digits)) < 2:
        return False
    doubled = [digit if place % 2 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(reversed(digits), 1)]
    return sum(doubled) % 10 == 0


def addresses_in(text: str) -> Iterator[Address]:
    """Every address written in a line, also defanged."""
    for pattern in (_V4, _V6):
        for found in pattern.finditer(text):
            address = _address(found.group(0).replace("[.]", ".").replace("(.)", ".").replace("-", "."))
            if address is not None:
                yield address


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from text, for a scope."""
    return tuple(ip_network(text, strict=False) for text in texts)


def gone(what: str) -> str:
    return f"{OPEN}{what}{SHUT}"
