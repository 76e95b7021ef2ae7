"""Passwords and tokens of sources: named in the settings, kept in the environment."""

import re

from django.conf import settings

from tipstaff.kernel.errors import InputError, Problem

# Only such names: whoever may edit a source must not be able to send the instance's own keys to a server of theirs.
PREFIX = "TIPSTAFF_SECRET_"
NAME = re.compile(PREFIX + r"[A-Z0-9_]{1,60}")


def credential(name: str, *, where: str) -> str:
    """The value of the environment variable ``name``. Raises InputError where the name is not allowed or has no value."""
    if problem := wrong_name(name, where=where):
        raise InputError(problem)
    value: str = settings.CREDENTIAL(name)
    if not value:
        raise InputError(
            Problem(where, f"the environment variable {name} is not set", "set it for `tipstaff up`, and start it again")
        )
    return value


def wrong_name(name: str, *, where: str) -> Problem | None:
    """Why ``name`` may not name a credential."""
    if NAME.fullmatch(name):
        return None
    return Problem(
        where, f"{name[:80]!r} cannot name a credential", f"name a variable that begins with {PREFIX}, such as {PREFIX}MAIL"
    )
