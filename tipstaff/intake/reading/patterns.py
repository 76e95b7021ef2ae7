"""RE2 patterns that neither write to standard error nor fall back to a slow engine on ordinary input."""

from collections.abc import Iterator

import re2


def pattern(text: str | bytes, *, utf8: bool = False):
    """``text`` compiled by RE2 with room for its automaton; its failures are silent (they only cost speed).

    A bytes pattern reads bytes one by one (Latin-1), or UTF-8 with ``utf8``.
    """
    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    if isinstance(text, bytes) and not utf8:
        options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(text, options)


def spans(form, text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Character positions of the first ``limit`` matches in ``text`` of a bytes pattern compiled with ``utf8``.

    Searching bytes and counting along is many times faster than RE2's own search in non-ASCII text.
    """
    ascii_only = text.isascii()
    encoded = text.encode("utf-8", "replace")
    at_byte = at_char = 0
    for number, match in enumerate(form.finditer(encoded)):
        if number >= limit:
            return
        start, end = match.span()
        if ascii_only:
            yield start, end
            continue
        first = at_char + len(encoded[at_byte:start].decode("utf-8", "replace"))
        at_char = first + len(encoded[start:end].decode("utf-8", "replace"))
        at_byte = end
        yield first, at_char
