"""What is usual for a subject at this hour, learned from minutes that no finding covered. Pure.

Medians and typical deviations of a minute's mean, in powers of two, by hour of working day or weekend, each followed by small
steps towards every new minute (stochastic approximation; Tierney 1983). A step is bounded, so a burst moves them little, and
minutes with an open finding, or above the learned limit, are not learned from at all.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CELLS = 48
DAY = 86400
MEDIAN, DEVIATION, MINUTES = range(3)
LEAST_MINUTES = 30  # in the cell, before a limit is drawn from it
FLOOR_DEVIATION = 0.25  # powers of two
SPREAD = 6.0  # deviations
METRICS = ("bps", "pps")


class Baselines:
    """Room for ``room`` subjects; one that was not seen for four weeks, or hardly ever, makes room for a new one."""

    def __init__(self, room: int = 8192) -> None:
        self.cells: NDArray[np.float32] = np.zeros((room, CELLS, len(METRICS), 3), np.float32)
        self.known: dict[str, int] = {}
        self.first: NDArray[np.int64] = np.zeros(room, np.int64)
        self.last: NDArray[np.int64] = np.zeros(room, np.int64)
        self.asked = 0

    def place(self, name: str, second: int) -> int:
        """The subject's number; -1 when there is no room."""
        at = self.known.get(name, -1)
        if at < 0:
            if len(self.known) < len(self.first):
                at = len(self.known)
            else:
                at = self._leaving(second)
                if at < 0:
                    return -1
                self.known = {other: number for other, number in self.known.items() if number != at}
            self.known[name] = at
            self.cells[at] = 0
            self.first[at] = self.last[at] = second
        return at

    def _leaving(self, second: int) -> int:
        """Who makes room: one that was not seen for four weeks; else one of which next to nothing was learned, for a day; -1."""
        at = int(np.argmin(self.last))
        if second - self.last[at] >= 28 * DAY:
            return at
        if second == self.asked or second - self.last[at] < DAY:
            return -1
        self.asked = second
        old = np.flatnonzero(self.last <= second - DAY)
        passing = old[self.cells[old, :, 0, MINUTES].sum(1) < LEAST_MINUTES]
        return int(passing[np.argmin(self.last[passing])]) if len(passing) else -1

    def limit(self, at: int, metric: int, second: int, factor: float, days: float) -> tuple[float, float] | None:
        """(median, limit) for this hour; None where too little is known."""
        cell = self.cells[at, cell_of(second), metric]
        if second - self.first[at] < days * 86400 or cell[MINUTES] < LEAST_MINUTES:
            return None
        usual = 2.0 ** float(cell[MEDIAN])
        return usual, max(usual * factor, 2.0 ** float(cell[MEDIAN] + SPREAD * max(cell[DEVIATION], FLOOR_DEVIATION)))

    def learn(self, at: int, values: tuple[float, float], second: int) -> None:
        """One minute's means, in bits and packets a second."""
        self.last[at] = second
        for metric, value in enumerate(values):
            cell = self.cells[at, cell_of(second), metric]
            place = np.log2(max(value, 1.0))
            if cell[MINUTES] == 0:
                cell[MEDIAN] = place
            step = max(0.02, 1 / (1 + cell[MINUTES]))
            off = place - cell[MEDIAN]
            cell[MEDIAN] += np.clip(off, -step, step)
            cell[DEVIATION] += np.clip(abs(off) - cell[DEVIATION], -step / 4, step / 4)
            cell[MINUTES] += 1

    def save(self) -> bytes:
        """What was learned, as it is kept between starts."""
        held = io.BytesIO()
        count = len(self.known)
        names = np.array(sorted(self.known, key=self.known.__getitem__), dtype=np.str_) if count else np.zeros(0, np.str_)
        np.savez(held, allow_pickle=False, names=names, cells=self.cells[:count], first=self.first[:count], last=self.last[:count])
        return held.getvalue()

    def load(self, path: Path) -> None:
        """Take up what was kept; raises ValueError, KeyError or OSError where it cannot be read."""
        with np.load(path, allow_pickle=False) as kept:
            count = min(len(kept["names"]), len(self.first))
            if kept["cells"].shape[1:] != self.cells.shape[1:]:
                raise ValueError(f"{path}: of another shape")
            self.cells[:count], self.first[:count], self.last[:count] = (kept[name][:count] for name in ("cells", "first", "last"))
            self.known = {str(name): number for number, name in enumerate(kept["names"][:count])}


def cell_of(second: int) -> int:
    """Hour of the day (UTC), 24 more on Saturday and Sunday; 1 January 1970 was a Thursday."""
    return second // 3600 % 24 + (24 if (second // 86400 + 3) % 7 >= 5 else 0)


def explain(usual: float, limit: float, factor: float) -> str:
    """The learned limit in words."""
    greater = f"the greater of {factor:g} times that and {SPREAD:g} typical deviations above"
    return f"usual at this hour is {usual:.3g}; the limit is {limit:.3g}: {greater}, or the floor"
