"""A small language for questions about flows, turned into SQL with parameters. Pure.

    local 192.0.2.0/24 and peer_port 22 and not protocol tcp
    customer 17 or (direction out and bytes > 1000000)

Conditions are ``NAME VALUE``, ``NAME VALUE,VALUE``, ``NAME LOW-HIGH``, ``NAME > VALUE`` (also <, >=, <=, =); they are joined
by ``and``, ``or``, ``not`` and parentheses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from tipstaff.kernel.errors import InputError, Problem

NUMBERS = (
    "protocol", "local_port", "peer_port", "customer", "peer_customer", "direction", "exporter", "input", "output", "src_as",
    "dst_as", "tcp_flags", "tos", "vlan", "bytes", "packets", "rate", "family", "lasted",
)  # fmt: skip
ADDRESSES = ("local", "peer", "host")
WORDS = {
    "protocol": {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "icmp6": 58, "sctp": 132},
    "direction": {"out": 0, "in": 1, "through": 2},
}
SHORT = {"port": ("local_port", "peer_port")}
COMPARISONS = (">=", "<=", ">", "<", "=")
LONGEST, DEEPEST = 2000, 30
HALF = (1 << 64) - 1


@dataclass(frozen=True)
class Condition:
    """SQL and its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def parse_filter(text: str) -> Condition:
    """The condition that a filter means; an empty one is always true. Raises InputError with what is wrong."""
    if len(text) > LONGEST:
        raise InputError(Problem("filter", f"longer than {LONGEST} characters", "ask for less at once"))
    words = _words(text)
    if not words:
        return Condition("true")
    parser = _Parser(words)
    found = parser.either()
    if parser.place < len(words):
        raise _wrong(f"{words[parser.place]!r} stands where `and`, `or` or the end should be")
    return found


def _words(text: str) -> list[str]:
    for mark in ("(", ")"):
        text = text.replace(mark, f" {mark} ")
    for mark in (">=", "<="):
        text = text.replace(mark, f" {mark[0]}\0 ")
    for mark in (">", "<", "="):
        text = text.replace(mark, f" {mark} ")
    return text.lower().replace(" >  \0", " >=").replace(" <  \0", " <=").replace("> \0", ">=").replace("< \0", "<=").split()


def _wrong(what: str) -> InputError:
    return InputError(Problem("filter", what, f"names are {', '.join((*ADDRESSES, *SHORT, *NUMBERS))}"))


@dataclass
class _Parser:
    """Recursive descent, with a limit to the recursion."""

    words: list[str]
    place: int = 0
    depth: int = 0

    def _next(self) -> str:
        if self.place >= len(self.words):
            raise _wrong("ends too early")
        self.place += 1
        return self.words[self.place - 1]

    def _is(self, word: str) -> bool:
        if self.place < len(self.words) and self.words[self.place] == word:
            self.place += 1
            return True
        return False

    def either(self) -> Condition:
        parts = [self.both()]
        while self._is("or"):
            parts.append(self.both())
        return _joined(parts, " OR ")

    def both(self) -> Condition:
        parts = [self.one()]
        while self._is("and"):
            parts.append(self.one())
        return _joined(parts, " AND ")

    def one(self) -> Condition:
        self.depth += 1
        if self.depth > DEEPEST * 10:
            raise _wrong("is nested too deeply")
        if self._is("not"):
            inner = self.one()
            return Condition(f"NOT ({inner.sql})", inner.parameters)
        if self._is("("):
            inner = self.either()
            if not self._is(")"):
                raise _wrong("a parenthesis is not closed")
            return Condition(f"({inner.sql})", inner.parameters)
        return self.comparison()

    def comparison(self) -> Condition:
        name = self._next()
        sign = next((sign for sign in COMPARISONS if self._is(sign)), "")
        if name in SHORT:
            value = self._next()
            return _joined([_number(each, sign, value) for each in SHORT[name]], " OR ", "({})")
        if name in ADDRESSES:
            return _addresses(name, self._next())
        if name not in NUMBERS:
            raise _wrong(f"{name!r} is not a name")
        return _number(name, sign, self._next())


def _joined(parts: list[Condition], word: str, form: str = "{}") -> Condition:
    if len(parts) == 1:
        return parts[0]
    sql = word.join(f"({part.sql})" for part in parts)
    return Condition(form.format(sql), tuple(value for part in parts for value in part.parameters))


def _value(name: str, text: str) -> int:
    known = WORDS.get(name, {})
    if text in known:
        return known[text]
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
        raise _wrong(f"{text!r} is no value of {name}")
    return int(text)


def _number(name: str, sign: str, text: str) -> Condition:
    if sign:
        return Condition(f"{name} {sign} ?", (_value(name, text),))
    parts = []
    for piece in text.split(","):
        low, dash, high = piece[1:].partition("-")
        low = piece[:1] + low
        if dash and high:
            parts.append(Condition(f"{name} BETWEEN ? AND ?", (_value(name, low), _value(name, high))))
        else:
            parts.append(Condition(f"{name} = ?", (_value(name, piece),)))
    return _joined(parts, " OR ", "({})")


def _addresses(name: str, text: str) -> Condition:
    ends = ("local", "peer") if name == "host" else (name,)
    parts = []
    for piece in text.split(","):
        try:
            network = ip_network(piece, strict=False)
        except ValueError as error:
            raise _wrong(f"{piece!r} is neither an address nor a prefix") from error
        for end in ends:
            sql, parameters = inside(end, network)
            parts.append(Condition(sql, tuple(parameters)))
    return _joined(parts, " OR ", "({})")


def inside(end: str, network: IPv4Network | IPv6Network) -> tuple[str, list[Any]]:
    """SQL and parameters for an end ("local" or "peer") inside a network."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if isinstance(network, IPv4Network):
        return f"(family = 4 AND {end} BETWEEN ? AND ?)", [first, last]
    if network.prefixlen <= 64:
        return f"(family = 6 AND {end}_hi BETWEEN ? AND ?)", [first >> 64, last >> 64]
    return f"(family = 6 AND {end}_hi = ? AND {end}_lo BETWEEN ? AND ?)", [first >> 64, first & HALF, last & HALF]


def names() -> Sequence[str]:
    """Every name that a filter knows."""
    return (*ADDRESSES, *SHORT, *NUMBERS)
