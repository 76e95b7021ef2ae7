"""Errors that say where, what and what to do about it."""

from dataclasses import dataclass


class TipstaffError(Exception):
    """Base of every error that the product raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input: where it stands, what is wrong, what to do."""

    where: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.advice})" if self.advice else "")


class InputError(TipstaffError):
    """Bad input from a person or a machine; carries every problem that was found, not just the first."""

    def __init__(self, problems: "list[Problem] | Problem") -> None:
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__("; ".join(map(str, self.problems)))


class ParseError(TipstaffError):
    """A submission that a parser cannot read. ``where`` names the part, line or field inside the message."""

    def __init__(self, where: str, what: str, advice: str = "") -> None:
        self.problem = Problem(where, what, advice)
        super().__init__(str(self.problem))


class Refused(TipstaffError):
    """The action is not allowed for this actor or in this state; the text says why and what opens the way."""


class NotFound(TipstaffError):
    """Nothing by that name that this actor may see."""
