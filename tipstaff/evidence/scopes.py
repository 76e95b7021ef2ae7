"""What a hold can be on: the kinds of scope, each of which something that erases honours, and how a scope is written."""

from typing import Final, NamedTuple

from tipstaff.kernel.errors import InputError, Problem

#: Each kind with what a hold on it keeps. The first two stand alone; the others name one thing.
KINDS: Final = {
    "all": "everything: events, evidence, flows, content after a termination",
    "flows": "every flow record",
    "case": "a case with all that was merged with it and its clients' cases: events, evidence, content after a termination",
    "customer": "a customer and its clients: events, evidence, flows, content after a termination",
    "report": "one report: its events and its evidence",
    "blob": "one piece of evidence, named by its SHA-256",
}
ALONE: Final = frozenset({"all", "flows"})
WRITTEN: Final = "all, flows, case:4312, customer:12, report:881 or blob:SHA256"
DIGITS = 18  # of a number that the database can hold


class Scope(NamedTuple):
    """``value`` is empty for what stands alone, a decimal number without leading zeros, or 64 small hexadecimal digits."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind


def parse(text: str) -> Scope:
    """``text`` as people write it, in the one form that every reader of holds compares with. Raises InputError."""
    kind, colon, value = text.strip().partition(":")
    kind, value = kind.strip().lower(), value.strip()
    if kind not in KINDS:
        raise InputError(Problem("scope", f"{kind[:40]!r} is nothing that a hold can be on", f"write {WRITTEN}"))
    if kind in ALONE:
        if colon:
            raise InputError(Problem("scope", f"{kind!r} stands alone", f"write {kind}"))
        return Scope(kind, "")
    if kind == "blob":
        return Scope(kind, _digest(value))
    if not (value.isascii() and value.isdigit() and len(value) <= DIGITS):
        raise InputError(Problem("scope", f"{value[:40]!r} is no number of a {kind}", f"write {kind}:12"))
    return Scope(kind, str(int(value)))


def _digest(value: str) -> str:
    small = value.lower()
    if len(small) != 64 or not set(small) <= set("0123456789abcdef"):
        raise InputError(Problem("scope", f"{value[:70]!r} is no SHA-256", "write blob: and its 64 hexadecimal digits"))
    return small
