"""A small language for questions about flows, turned into SQL with parameters. Pure.

    local 192.0.2.0/24 and peer_port 22 and not protocol tcp
    customer 17 or (direction out and bytes > 1000000)

Conditions are ``NAME VALUE``, ``NAME VALUE,VALUE``, ``NAME LOW-HIGH``, ``NAME > VALUE`` (also <, >=, <=, =); they are joined
by ``and``, ``or``, ``not`` and parentheses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import re2

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
    """The condition that a filter means; an empty one is always true. Raises InputError with what is wrong, and where."""
    if len(text) > LONGEST:
        raise InputError(Problem("filter", f"longer than {LONGEST} characters", "ask for less at once"))
    words = [(found.group().lower(), found.start() + 1) for found in _WORD.finditer(text)]
    if not words:
        return Condition("true")
    parser = _Parser(words, len(text) + 1)
    found = parser.either()
    if parser.place < len(words):
        raise parser.wrong(
            f"{words[parser.place][0]!r} stands where `and`, `or` or the end should be", "join conditions with `and`"
        )
    return found


_WORD = re2.compile(r"[()]|>=|<=|[<>=]|[^\s()<>=]+")


def names() -> Sequence[str]:
    """Every name that a filter knows."""
    return (*ADDRESSES, *SHORT, *NUMBERS)


def names_in(text: str) -> frozenset[str]:
    """The names that a filter speaks of, the short ones written out."""
    words = {found.group().lower() for found in _WORD.finditer(text)}
    written = {name for short, meant in (*SHORT.items(), ("host", ("local", "peer"))) if short in words for name in meant}
    return frozenset((words & {*ADDRESSES, *NUMBERS} - {"host"}) | written)


@dataclass
class _Parser:
    """Recursive descent, with a limit to the recursion."""

    words: list[tuple[str, int]]
    end: int
    place: int = 0
    depth: int = 0

    def wrong(self, what: str, advice: str, back: int = 0) -> InputError:
        """What is wrong with the word at (or ``back`` before) the place that was reached."""
        at = self.place - back
        where = self.words[at][1] if 0 <= at < len(self.words) else self.end
        return InputError(Problem(f"filter, character {where}", what, advice))

    def _next(self, wanted: str) -> str:
        if self.place >= len(self.words):
            raise self.wrong("ends too early", f"add {wanted}")
        self.place += 1
        return self.words[self.place - 1][0]

    def _is(self, word: str) -> bool:
        if self.place < len(self.words) and self.words[self.place][0] == word:
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
            raise self.wrong("is nested too deeply", "take parentheses away")
        if self._is("not"):
            inner = self.one()
            return Condition(f"NOT ({inner.sql})", inner.parameters)
        if self._is("("):
            inner = self.either()
            if not self._is(")"):
                raise self.wrong("a parenthesis is not closed", "add `)`")
            return Condition(f"({inner.sql})", inner.parameters)
        return self.comparison()

    def comparison(self) -> Condition:
        name = self._next("a condition such as `peer_port 22`")
        if name not in (*SHORT, *ADDRESSES, *NUMBERS):
            near = get_close_matches(name, names(), 1)
            advice = f"did you mean {near[0]}?" if near else f"names are {', '.join(names())}"
            raise self.wrong(f"{name!r} is not a name", advice, back=1)
        sign = next((sign for sign in COMPARISONS if self._is(sign)), "")
        value = self._next(f"a value of {name}")
        if name in SHORT:
            return _joined([self.number(each, sign, value) for each in SHORT[name]], " OR ", "({})")
        if name in ADDRESSES:
            if sign not in ("", "="):
                raise self.wrong(f"addresses have no {sign!r}", "give a prefix such as 192.0.2.0/24", back=2)
            return self.addresses(name, value)
        return self.number(name, sign, value)

    def value(self, name: str, text: str) -> int:
        known = WORDS.get(name, {})
        if text in known:
            return known[text]
        digits = text.removeprefix("-")
        if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
            words = f"one of {', '.join(known)}, or " if known else ""
            raise self.wrong(
                f"{text!r} is no value of {name}", f"give {words}a number, several with commas, or a range 1-9", back=1
            )
        return int(text)

    def number(self, name: str, sign: str, text: str) -> Condition:
        if sign:
            return Condition(f"{name} {sign} ?", (self.value(name, text),))
        parts = []
        for piece in text.split(","):
            low, dash, high = piece[1:].partition("-")
            low = piece[:1] + low
            if dash and high:
                parts.append(Condition(f"{name} BETWEEN ? AND ?", (self.value(name, low), self.value(name, high))))
            else:
                parts.append(Condition(f"{name} = ?", (self.value(name, piece),)))
        return _joined(parts, " OR ", "({})")

    def addresses(self, name: str, text: str) -> Condition:
        ends = ("local", "peer") if name == "host" else (name,)
        parts = []
        for piece in text.split(","):
            try:
                network = ip_network(piece, strict=False)
            except ValueError as error:
                advice = "write it like 192.0.2.1 or 2001:db8::/48"
                raise self.wrong(f"{piece!r} is neither an address nor a prefix", advice, back=1) from error
            for end in ends:
                sql, parameters = inside(end, network)
                parts.append(Condition(sql, tuple(parameters)))
        return _joined(parts, " OR ", "({})")


def _joined(parts: list[Condition], word: str, form: str = "{}") -> Condition:
    if len(parts) == 1:
        return parts[0]
    sql = word.join(f"({part.sql})" for part in parts)
    return Condition(form.format(sql), tuple(value for part in parts for value in part.parameters))


def inside(end: str, network: IPv4Network | IPv6Network) -> tuple[str, list[Any]]:
    """SQL and parameters for an end ("local" or "peer") inside a network."""
    first, last = int(network.network_address), int(network.broadcast_address)
    if isinstance(network, IPv4Network):
        return f"(family = 4 AND {end} BETWEEN ? AND ?)", [first, last]
    if network.prefixlen <= 64:
        return f"(family = 6 AND {end}_hi BETWEEN ? AND ?)", [first >> 64, last >> 64]
    return f"(family = 6 AND {end}_hi = ? AND {end}_lo BETWEEN ? AND ?)", [first >> 64, first & HALF, last & HALF]
