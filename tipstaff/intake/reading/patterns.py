"""RE2 patterns that neither write to standard error nor fall back to a slow engine on ordinary input."""

import re2


def pattern(text: str | bytes):
    """``text`` compiled by RE2 with room for its automaton; its failures are silent (they only cost speed)."""
    options = re2.Options()
    options.max_mem = 64 << 20
    options.log_errors = False
    if isinstance(text, bytes):
        options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(text, options)
