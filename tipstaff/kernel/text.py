"""Text from outside that PostgreSQL and UTF-8 take: no NUL, no lone surrogates, no endless nesting. Pure."""

from collections.abc import Mapping
from typing import Any

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), " ")
DEEPEST = 60  # levels of a document that are kept
_BIGGEST = 1 << 63


def storable(text: str) -> str:
    """``text`` without NUL, which PostgreSQL refuses; what UTF-8 cannot say becomes a replacement character."""
    if text.isascii():
        return text.replace("\0", "") if "\0" in text else text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8") if _is_odd(text) else text


def _is_odd(text: str) -> bool:
    if "\0" in text:
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def whole(text: str, digits: int = 15) -> int | None:
    """The number that ``text`` writes in ASCII digits alone, at most so many; None otherwise. Python's own ``isdigit`` takes '²'
    for a digit, its ``int`` raises on that, and on numbers of thousands of digits."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def port_of(text: str) -> int | None:
    """The port (1 to 65,535) that ``text`` writes; None where it writes none."""
    port = whole(text.strip(), 5)
    return port if port and port < 65_536 else None


def one_line(text: str, longest: int) -> str:
    """``text`` fit for a title or a header: no control characters or line breaks, at most so many characters."""
    return " ".join(storable(text[: longest * 4]).translate(_CONTROLS).split())[:longest]


def storable_document(value: Any, depth: int = 0) -> Any:
    """A JSON-like value whose texts are storable, whose integers fit 64 bits, nested no deeper than DEEPEST."""
    kind = type(value)
    if kind is str:
        return storable(value)
    if value is None or kind is bool or kind is float:  # asked by its type first: a batch holds tens of thousands of such values
        return value
    if kind is dict and depth < DEEPEST:
        return {storable(str(key)): storable_document(item, depth + 1) for key, item in value.items()}
    return _odd_document(value, depth)


def _odd_document(value: Any, depth: int) -> Any:
    """The same for what is neither text nor an ordinary mapping, or lies too deep."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int):
        return value if -_BIGGEST <= value < _BIGGEST else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth >= DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {storable(str(key)): storable_document(item, depth + 1) for key, item in value.items()}
        return [storable_document(item, depth + 1) for item in value]
    return value
