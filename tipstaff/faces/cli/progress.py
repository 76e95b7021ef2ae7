"""One line on the terminal that says how far the work is; nothing where stderr is no terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tipstaff.kernel.progress import Progress, unseen

BAR = 24  # characters


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """Draws on ``stream`` (stderr) while the block runs, and wipes the line at its end."""
    out = stream or sys.stderr
    if not out.isatty():
        yield unseen
        return
    drawn = ""

    def draw(what: str, done: int, of: int = 0) -> None:
        nonlocal drawn
        line = drawing(what, done, of)
        if line != drawn:
            out.write("\r\x1b[K" + line)
            out.flush()
            drawn = line

    try:
        yield draw
    finally:
        if drawn:
            out.write("\r\x1b[K")
            out.flush()


def drawing(what: str, done: int, of: int) -> str:
    """The line: a bar and a percentage where the whole is known, else how much was done."""
    if not of:
        return f"{what}  {done:,}" if done else f"{what} …"
    share = min(1.0, done / of)
    full = int(BAR * share)
    return f"{what}  [{'#' * full}{'-' * (BAR - full)}]  {share:4.0%}"
