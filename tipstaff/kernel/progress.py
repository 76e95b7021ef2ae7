"""How far long work is: the work says it, a face shows it or not."""

from typing import Protocol


class Progress(Protocol):
    """``what`` is being done, ``done`` of ``of`` (any unit; ``of`` is 0 where nobody knows how much there is)."""

    def __call__(self, what: str, done: int, of: int = 0) -> None: ...


def unseen(what: str, done: int, of: int = 0) -> None:
    """Nobody looks."""
