"""Single cells of a spreadsheet: prefixes and ranges, moments, ports, yes and no. Pure; each raises CellError."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from ipaddress import ip_address, ip_interface, ip_network, summarize_address_range
from typing import Any

import re2 as re

from tipstaff.accounts.inventory import PORTS, Network

ALWAYS = "always"  # a period without a beginning, in writing
OPEN = {"", "-", "–", "now", "open", "null", "none", "n/a", "∞", "infinity", "heute", "offen", "unbefristet", "present"}
YES = {"1", "true", "yes", "y", "x", "t", "ja", "j", "oui", "o", "si", "sí", "s", "tak", "sim", "да", "是", "はい", "wahr", "vrai"}
NO = {"", "0", "false", "no", "n", "f", "-", "nein", "non", "nee", "nie", "não", "nao", "нет", "否", "いいえ", "falsch", "faux"}
FAR = 2200  # years from here on mean "no end" in many inventories (2999-12-31, 9999-12-31)
DAY_FIRST, MONTH_FIRST = "dmy", "mdy"
_NUMERIC = re.compile(r"^(\d{1,2})([./-])(\d{1,2})[./-](\d{4})(?:[ T,]+(.+))?$")
_FIRST = re.compile(r"^\d{4}[/.]\d{1,2}[/.]\d{1,2}")


class CellError(ValueError):
    """What is wrong with a cell, and what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what, self.advice = what, advice


def prefixes(text: str, last: str = "", mask: str = "") -> list[Network]:
    """The prefixes that a cell means: CIDR, one address, "address mask", or a range, which may take several."""
    first, dash, end = (part.strip() for part in text.partition("-"))
    last = last.strip() or (end if dash else "")
    if last:
        return _range(first, last)
    address, _, given = first.replace(" ", "/", 1).partition("/")
    length = (given or mask).strip().lstrip("/")
    try:
        return [ip_network(f"{address}/{length}" if length else address)]
    except ValueError as error:
        raise CellError(f"{text!r} is no prefix: {_said(error)}", _network_advice(address, length)) from None


def _range(first: str, last: str) -> list[Network]:
    try:
        return list(summarize_address_range(ip_address(first), ip_address(last)))  # type: ignore[type-var]
    except (ValueError, TypeError) as error:
        raise CellError(f"{first} to {last} is no range: {_said(error)}", "give the first and the last address") from None


def _network_advice(address: str, length: str) -> str:
    try:
        return f"did you mean {ip_interface(f'{address}/{length}' if length else address).network}?"
    except ValueError:
        return "write it like 192.0.2.0/24 or 2001:db8::/48"


def _said(error: Exception) -> str:
    return str(error).partition(" (")[0]


def port_range(ports: str, first: str, last: str) -> tuple[int, int]:
    """[from, to) of "1024-2047", or of a first and a last port; all ports where nothing is said."""
    if not (ports or first or last):
        return 0, PORTS
    for sign in ("–", ":", "..", " "):
        ports = ports.replace(sign, "-")
    low, _, high = ports.partition("-") if ports else (first, "", last)
    try:
        begin, end = int(low), int(high.strip("-") or low)
    except ValueError:
        raise CellError(f"{ports or f'{first} to {last}'!r} is no range of ports", "write it like 1024-2047") from None
    if not 0 <= begin <= end < PORTS:
        raise CellError(f"ports {begin} to {end} are no range", "give first and last port, 0 to 65535")
    return begin, end + 1


def flag(text: str) -> bool:
    word = text.strip().casefold()
    if word in YES:
        return True
    if word in NO:
        return False
    raise CellError(f"{text!r} is neither yes nor no", "write yes or no")


def order_of_dates(texts: Iterable[str]) -> str | None:
    """DAY_FIRST or MONTH_FIRST, where a column of dates gives it away; None where it does not, or contradicts itself."""
    found = set()
    for text in texts:
        if match := _NUMERIC.match(text.strip()):
            one, sign, two = int(match[1]), match[2], int(match[3])
            if sign == "." or one > 12:
                found.add(DAY_FIRST)
            elif two > 12:
                found.add(MONTH_FIRST)
    return found.pop() if len(found) == 1 else None


def moment(text: str, order: str | None, zone: tzinfo = UTC) -> datetime | None:
    """An aware moment; None for an open end or a year far away. A date alone is its midnight in ``zone``."""
    text = text.strip()
    if text.casefold() in OPEN or text.casefold() == ALWAYS:
        return None
    if match := _NUMERIC.match(text):
        text = _iso(match, order)
    elif _FIRST.match(text):
        text = text.replace("/", "-", 2).replace(".", "-", 2)
    try:
        found = datetime.fromisoformat(text.replace(" UTC", "Z").replace(" Z", "Z"))
    except ValueError:
        raise CellError(f"{text!r} is no date", "write it like 2026-03-31 or 2026-03-31T14:00:00Z") from None
    if found.year >= FAR:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=zone).astimezone(UTC)


def _iso(match: Any, order: str | None) -> str:
    one, sign, two, year, rest = match[1], match[2], match[3], match[4], match[5]
    order = DAY_FIRST if sign == "." or int(one) > 12 else MONTH_FIRST if int(two) > 12 else order
    if order is None and one != two:
        advice = f"write {year}-{int(two):02}-{int(one):02} or the like, or say which comes first with --dates dmy or mdy"
        raise CellError(f"{match[0]!r} can be read in two ways", advice)
    day, month = (one, two) if order == DAY_FIRST else (two, one)
    return f"{year}-{int(month):02}-{int(day):02}" + (f" {rest}" if rest else "")
