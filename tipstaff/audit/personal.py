"""No personal facts in the record: what cannot be left out of an append-only table must not go in.

Mail addresses, addresses of machines and telephone numbers in reasons and details are replaced by a keyed digest, the same
for the same text on this instance: two entries about one address can still be seen to be so. Names cannot be recognised;
callers give ids.
"""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

import re2
from django.utils.crypto import salted_hmac

LONGEST = 20_000  # characters of one text that are kept
_MAIL = re2.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_MACHINE = re2.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?")
_TELEPHONE = re2.compile(r"(?:\+|\b00)\d[\d ()/.-]{6,20}\d\b")


def without(value: Any) -> Any:
    """The same value with personal facts replaced, in every text of it, keys included."""
    if isinstance(value, str):
        return _cleaned(value[:LONGEST])[:LONGEST]
    if isinstance(value, dict):
        return {_cleaned(str(key)): without(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [without(one) for one in value]
    return value


def found(value: Any) -> Iterator[str]:
    """What in a value looks personal: the kinds, one for each place."""
    if isinstance(value, str):
        yield from (kind for pattern, kind in _KINDS for hit in pattern.finditer(value) if _is(kind, hit.group()))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from found(str(key))
            yield from found(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from found(one)


_KINDS = ((_MAIL, "mail"), (_MACHINE, "address"), (_TELEPHONE, "telephone"))


#: What each kind needs, far cheaper to look for than the pattern: most texts have none of it.
_NEEDED: dict[str, Callable[[str], bool]] = {
    "mail": lambda text: "@" in text,
    "address": lambda text: text.count(".") >= 3 or text.count(":") >= 2,
    "telephone": lambda text: "+" in text or "00" in text,
}


def _cleaned(text: str) -> str:
    for pattern, kind in _KINDS:
        if not _NEEDED[kind](text):
            continue
        text = pattern.sub(lambda hit, kind=kind: _digest(kind, hit.group()) if _is(kind, hit.group()) else hit.group(), text)
    return text


def _is(kind: str, text: str) -> bool:
    if kind != "address":
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return len(text) > 3  # "::" and "::1" name nobody


def _digest(kind: str, text: str) -> str:
    return f"[{kind} {salted_hmac('tipstaff.audit.personal', text.lower(), algorithm='sha256').hexdigest()[:12]}]"
