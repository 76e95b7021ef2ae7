"""Figures for everybody: what was reported and what became of it, by month and by kind. Small counts are suppressed.

A count of one to four could name somebody, so it is not shown; where a single count of a column would be hidden, and could be
worked out from the sum, the next smallest is hidden as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import connection

from tipstaff.cases.access import unrestricted_sql

SMALL = 5  # counts below this, except none at all, are not shown
MONTHS = 12
KEPT_FOR = 600
COLUMNS = ("Cases opened", "Customer told", "Resolved", "No breach found", "Decided otherwise", "Still open")
HIDDEN = -1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of counts with their names, and the sums of what is shown; HIDDEN where suppressed."""

    name: str
    first: str
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    sums: tuple[int, ...]


_DONE = "('RESOLVED', 'CLOSED_ABSENT')"
_NO_BREACH = "('CLOSED_COMPLIANT', 'CLOSED_FALSE', 'CLOSED_SPEECH', 'CLOSED_EXCEPTION')"
_COUNTS = f"""
SELECT {{name}}, count(*), count(*) FILTER (WHERE ticketed_at IS NOT NULL), count(*) FILTER (WHERE outcome IN {_DONE}),
       count(*) FILTER (WHERE outcome IN {_NO_BREACH}),
       count(*) FILTER (WHERE closed_at IS NOT NULL AND outcome NOT IN {_DONE} AND outcome NOT IN {_NO_BREACH}),
       count(*) FILTER (WHERE closed_at IS NULL)
FROM cases_case WHERE opened_at >= %s AND opened_at < %s AND parent_id IS NULL AND merged_into_id IS NULL
    AND {unrestricted_sql("cases_case")}
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - made of constants
_BY = {"months": ("Month", "to_char(opened_at AT TIME ZONE 'UTC', 'YYYY-MM')"), "kinds": ("Kind", "category")}


def tables(titles: dict[str, str], now: datetime) -> list[Table]:
    """Both tables over the last twelve months; kept for some minutes. ``titles`` names the categories."""
    known = cache.get("public:figures")
    if known is None:
        known = {name: _counted(name, now) for name in _BY}
        cache.set("public:figures", known, KEPT_FOR)
    kinds = [(titles.get(name, name), counts) for name, counts in known["kinds"]]
    return [_table("months", known["months"]), _table("kinds", sorted(kinds, key=lambda row: (-row[1][0], row[0])))]


def _table(name: str, rows: Sequence[tuple[str, tuple[int, ...]]]) -> Table:
    shown = suppressed(rows)
    sums = tuple(summed([counts[place] for _, counts in shown]) for place in range(len(COLUMNS)))
    return Table(name, _BY[name][0], tuple(shown), sums)


def summed(column: Sequence[int]) -> int:
    """Of what is shown; HIDDEN where all that there was is hidden: no sum may say that there was nothing."""
    seen = sum(count for count in column if count != HIDDEN)
    return HIDDEN if not seen and HIDDEN in column else seen


def _counted(name: str, now: datetime) -> list[tuple[str, tuple[int, ...]]]:
    start = (now.replace(day=1) - timedelta(days=30 * (MONTHS - 1))).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS.format(name=_BY[name][1]), [start, now])
        return [(row[0], tuple(row[1:])) for row in cursor.fetchall()]


def suppressed(rows: Sequence[tuple[str, tuple[int, ...]]], small: int = SMALL) -> list[tuple[str, tuple[int, ...]]]:
    """The rows with HIDDEN for every count of 1 to ``small`` - 1, and never a single HIDDEN in a row or column that has others."""
    grid = [list(counts) for _, counts in rows]
    for counts in grid:
        for place, count in enumerate(counts):
            if 0 < count < small:
                counts[place] = HIDDEN
    while _hide_companions(grid):
        pass
    return [(name, tuple(counts)) for (name, _), counts in zip(rows, grid, strict=True)]


def _hide_companions(grid: list[list[int]]) -> bool:
    """Hide the smallest companion of each hidden count that stands alone in its line; whether anything was hidden."""
    lines = [[(r, c) for c in range(len(COLUMNS))] for r in range(len(grid))]
    lines += [[(r, c) for r in range(len(grid))] for c in range(len(COLUMNS))]
    changed = False
    for line in lines:
        gone = [spot for spot in line if grid[spot[0]][spot[1]] == HIDDEN]
        left = sorted((grid[r][c], r, c) for r, c in line if grid[r][c] > 0)
        if len(gone) == 1 and left:
            _, r, c = left[0]
            grid[r][c], changed = HIDDEN, True
    return changed


def written(count: int) -> str:
    """As shown: the number, or that it is small."""
    return "not shown" if count == HIDDEN else str(count)
