"""JSON in which an object says one thing twice: readers disagree about which counts (RFC 8259 section 4), so no accusation may rest
on it. Looking closely costs much more than reading, so only a text that may hold such a thing is looked at. Pure."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

MOST = 20  # names that are kept
_APART = re.compile(rb'"[ \t\r\n]+:')  # a key whose colon stands apart


class Repeating(dict[str, Any]):
    """An object of JSON in which, or below which, keys stand twice: ``twice`` has their paths, as in ``evidence[0].hash``."""

    twice: tuple[str, ...] = ()


def may_repeat(content: bytes, keys: Iterable[bytes], objects: int) -> bool:
    """Whether one of ``keys`` may stand in the text more often than once for each of ``objects``."""
    if b"\\u00" in content:  # a key may be written so
        return True
    return any(content.count(b'"%b":' % key) + content.count(b'"%b" ' % key) > objects for key in keys)


def may_say_more(content: bytes, value: Any) -> bool:
    """Whether the text may hold more keys than ``value``, which was read from it, has. Sees every key; for single documents."""
    return content.count(b'":') != _keys_in(value) or _APART.search(content) is not None


def _keys_in(value: Any) -> int:
    total = 0
    if value.__class__ is dict:
        total, value = len(value), value.values()
    elif value.__class__ is not list:
        return 0
    for one in value:
        if one.__class__ is dict or one.__class__ is list:
            total += _keys_in(one)
    return total


def with_repeats(content: bytes) -> Any:
    """The JSON value; an object that repeats a key, or holds one that does, as ``Repeating``. ValueError where that fails."""
    try:
        return json.loads(content, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    twice: list[str] = []
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen and name not in twice:
                twice.append(name)
            seen.add(name)
    for name, value in found.items():
        twice += _below(name, value)
    if not twice:
        return found
    marked = Repeating(found)
    marked.twice = tuple(twice[:MOST])
    return marked


def _below(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Repeating):
        yield from (f"{name}.{inner}" for inner in value.twice)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _below(f"{name}[{number}]", one)
