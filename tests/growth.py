"""How much more work four times the input is: a figure that a slow or busy machine does not change.

A bound in seconds fails on a slow machine and passes on a fast one; the absolute figures are those of ``tipstaff bench``.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Input = TypeVar("Input")

#: For four times the input: what is linear takes 4 times as long, what sorts a little more, what is quadratic 16 times.
BELOW_QUADRATIC = 10.0

#: CPU seconds below which a reading says nothing; less is taken as this much.
FLOOR = 0.02

#: Readings until the verdict holds: a neighbour on the same core may spoil some, never all of them.
ROUNDS = 7


def growth(act: Callable[[Input], object], small: Input, large: Input) -> float:
    """How often the CPU time of ``act(small)`` goes into that of ``act(large)``, which is four times as long.

    The least of several readings of each, taken in turn; no further ones once the verdict is a good one.
    """
    least_small = least_large = float("inf")
    for _ in range(ROUNDS):
        least_small = min(least_small, _seconds(act, small))
        least_large = min(least_large, _seconds(act, large))
        if least_large < BELOW_QUADRATIC * max(least_small, FLOOR):
            break
    return least_large / max(least_small, FLOOR)


def _seconds(act: Callable[[Input], object], given: Input) -> float:
    began = time.process_time()
    act(given)
    return time.process_time() - began


def calls(act: Callable[[], object]) -> int:
    """How many functions ``act`` calls, ours and built-in ones: the same number on every machine."""
    made = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return made


@contextmanager
def ends(seconds: int = 120) -> Iterator[None]:
    """Against what would never end: the block is interrupted after so many seconds, a hundred times what it takes."""

    def over(number: int, frame: object) -> None:
        raise TimeoutError(f"still at it after {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
