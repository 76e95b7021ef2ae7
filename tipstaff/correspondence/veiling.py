"""Links by which the recipient of a message acts, made unusable where somebody else reads it. Pure.

Whoever has such a link can answer as the customer. So the desk, which may read what was sent, does not get the links.
"""

import re2

_LINK = re2.compile(r"(/(?:c|my/sign-in|my/confirm|confirm|status)/)[A-Za-z0-9_:\-]{16,}")


def veiled(text: str) -> str:
    """'https://abuse.example.net/c/Zm9v…' with three dots in the place of the token."""
    return str(_LINK.sub(r"\1...", text))
