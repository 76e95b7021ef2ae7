"""Pictures of traffic: stacked lines and a Sankey diagram, as shapes for the template. Pure: numbers in, coordinates out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

WIDE, HIGH = 960, 240  # of the plot, in units of the picture
LEFT, TOP = 84, 8
STEPS = tuple(
    timedelta(seconds=s) for s in (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
)
MOST_STEPS = 96
UNITS = ("", "k", "M", "G", "T", "P", "E")
CEILINGS = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
#: Minutes between the moments named along an axis.
APART = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, *(1440 * days for days in (1, 2, 4, 7, 14, 28, 56, 112)))
MOST_TICKS = 8
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def step_for(length: timedelta) -> timedelta:
    """The width of a step that gives at most MOST_STEPS of them."""
    return next((step for step in STEPS if length / step <= MOST_STEPS), STEPS[-1])


def short(amount: float, unit: str = "") -> str:
    """A quantity in three digits: '1.24 Gbit/s', '812'."""
    power = 0
    while amount >= 999.5 and power < len(UNITS) - 1:
        amount, power = amount / 1000, power + 1
    digits = f"{amount:.0f}" if amount >= 99.5 or amount == int(amount) else f"{amount:.1f}" if amount >= 9.95 else f"{amount:.2f}"
    space = " " if unit or UNITS[power] else ""
    return f"{digits}{space}{UNITS[power]}{unit}"


def nice_ceiling(amount: float) -> float:
    """The least round amount that is no less, and whose quarters are round too."""
    if amount <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= amount:
        power *= 10
    while power > amount:
        power /= 10
    return next(power * factor for factor in CEILINGS if power * factor >= amount)


@dataclass(frozen=True)
class Layer:
    """One value's part of the stack: its outline, and its place among the values (-1: all others)."""

    place: int
    path: str


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Stack:
    """Everything that the template draws."""

    layers: tuple[Layer, ...]
    before: str  # the period before, as a line
    ups: tuple[Tick, ...]
    alongs: tuple[Tick, ...]
    columns: tuple[tuple[float, float], ...]  # left edge and width of each step
    top: float


def stack(amounts: Sequence[Sequence[float]], places: Sequence[int], before: Sequence[float] = (), known_from: int = 0) -> Stack:
    """Stacked areas of ``amounts[value][step]``, the first at the bottom.

    ``before``: the sums of the period before, drawn from the step ``known_from`` on.
    """
    count = max((len(row) for row in amounts), default=0)
    sums = [sum(row[i] for row in amounts) for i in range(count)]
    top = nice_ceiling(max([*sums, *before], default=0.0))
    width = WIDE / max(count, 1)
    base = [0.0] * count
    layers = []
    for place, row in zip(places, amounts, strict=True):
        over = [low + value for low, value in zip(base, row, strict=True)]
        layers.append(Layer(place, _area(over, base, width, top)))
        base = over
    columns = tuple((round(LEFT + i * width, 1), round(width, 1)) for i in range(count))
    ups = tuple(Tick(_y(top * part / 4, top), f"{part}/4") for part in range(5))
    return Stack(tuple(layers), _line(before, width, top, known_from), ups, (), columns, top)


def _y(amount: float, top: float) -> float:
    return round(TOP + HIGH * (1 - amount / top), 1)


def _area(over: Sequence[float], under: Sequence[float], width: float, top: float) -> str:
    """Steps, not slopes: what is known is a mean over each step."""
    there, back = [], []
    for i, (high, low) in enumerate(zip(over, under, strict=True)):
        first, last = round(LEFT + i * width, 1), round(LEFT + (i + 1) * width, 1)
        there += [f"{first} {_y(high, top)}", f"{last} {_y(high, top)}"]
        back += [f"{first} {_y(low, top)}", f"{last} {_y(low, top)}"]
    return "M" + "L".join([*there, *reversed(back)]) + "Z" if there else ""


def _line(values: Sequence[float], width: float, top: float, first: int) -> str:
    known = list(enumerate(values))[first:]
    points = [f"{round(LEFT + edge * width, 1)} {_y(value, top)}" for i, value in known for edge in (i, i + 1)]
    return "M" + "L".join(points) if points else ""


@dataclass(frozen=True)
class Cell:
    """A step of a value: its corner, and how warm it is, from 1 to WARMEST; what is nothing has no cell."""

    x: float
    y: float
    level: int
    place: int
    column: int


@dataclass(frozen=True)
class Heat:
    cells: tuple[Cell, ...]
    lines: tuple[float, ...]  # the middle of each value's row
    width: float
    high: float  # of a row
    bounds: tuple[float, ...]  # the amount from which on each level is meant


WARMEST, ROW_HIGH = 7, 20.0


def heat(amounts: Sequence[Sequence[float]], places: Sequence[int]) -> Heat:
    """A row for each value, a cell for each step; every level begins at half of the next, so that small ones are seen too."""
    count = max((len(row) for row in amounts), default=0)
    top = max((value for row in amounts for value in row), default=0.0)
    width = WIDE / max(count, 1)
    bounds = tuple(top / 2 ** (WARMEST - level) if level > 1 else 0.0 for level in range(1, WARMEST + 1))
    cells = tuple(
        Cell(round(LEFT + i * width, 1), TOP + number * ROW_HIGH, sum(value >= bound for bound in bounds), place, i)
        for number, (place, row) in enumerate(zip(places, amounts, strict=True))
        for i, value in enumerate(row)
        if value > 0
    )
    lines = tuple(TOP + (number + 0.5) * ROW_HIGH for number in range(len(amounts)))
    return Heat(cells, lines, round(width, 1), ROW_HIGH, bounds)


def ticks_along(start: datetime, end: datetime, zone: tzinfo) -> tuple[Tick, ...]:
    """Round moments along the axis from ``start`` to ``end``, as the viewer's clock shows them; midnight is named by its day."""
    length = end - start
    apart = next((step for step in APART if length / timedelta(minutes=step) <= MOST_TICKS), APART[-1])
    first = start.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if apart > 1440:
        first -= timedelta(days=first.toordinal() % (apart // 1440))
    shown = []
    # Added up on the viewer's clock, so that moments stay round where summer time begins or ends.
    # The first of them lies up to ``apart`` before the start, or up to a day where they are less than a day apart.
    for number in range((int(length.total_seconds() // 60) + apart + 2 * 1440) // apart + 1):
        here = first + number * timedelta(minutes=apart)
        at = here.replace(tzinfo=zone)
        if start <= at <= end:
            text = f"{here:%H:%M}" if here.hour or here.minute else f"{here.day} {MONTHS[here.month - 1]}"
            shown.append(Tick(round(LEFT + WIDE * ((at - start) / length), 1), text))
    return tuple(shown)


@dataclass(frozen=True)
class Node:
    """A value of one side: its place, upper edge and height."""

    place: int
    y: float
    height: float


@dataclass(frozen=True)
class Band:
    one: int
    two: int
    path: str
    amount: int


@dataclass(frozen=True)
class Sankey:
    left: tuple[Node, ...]
    right: tuple[Node, ...]
    bands: tuple[Band, ...]
    height: float


SANKEY_HIGH, GAP, BAR = 320.0, 10.0, 12.0
SIDE, LINE = 200.0, 17.0  # room for the words of each side, and for one line of them


def sankey(pairs: Sequence[tuple[int, int, int]], left: Sequence[int], right: Sequence[int]) -> Sankey:
    """Bands between places of two dimensions, each side in the order given; heights are shares of the whole."""
    whole = sum(amount for _, _, amount in pairs) or 1
    sums = [
        {place: sum(pair[2] for pair in pairs if pair[side] == place) for place in order} for side, order in ((0, left), (1, right))
    ]
    nodes = [_nodes(order, known, whole) for order, known in zip((left, right), sums, strict=True)]
    at = [{node.place: node.y for node in side} for side in nodes]
    bands = []
    for one in left:
        for two in right:
            amount = sum(pair[2] for pair in pairs if pair[:2] == (one, two))
            thick = SANKEY_HIGH * amount / whole
            if amount:
                bands.append(Band(one, two, _band(at[0][one], at[1][two], max(thick, 0.6)), amount))
            at[0][one] += thick
            at[1][two] += thick
    return Sankey(
        nodes[0], nodes[1], tuple(bands), max(SANKEY_HIGH, *(side[-1].y + side[-1].height for side in nodes if side)) + LINE
    )


def _nodes(order: Sequence[int], sums: dict[int, int], whole: int) -> tuple[Node, ...]:
    found, y = [], 4.0
    for place in order:
        height = SANKEY_HIGH * sums[place] / whole
        found.append(Node(place, round(y, 1), round(max(height, 1.0), 1)))
        y += max(height + GAP, LINE)
    return tuple(found)


def _band(one: float, two: float, thick: float) -> str:
    first, last = SIDE + BAR, LEFT + WIDE - SIDE - BAR
    middle = (first + last) / 2
    return (
        f"M{first:.1f} {one:.1f}C{middle:.1f} {one:.1f} {middle:.1f} {two:.1f} {last:.1f} {two:.1f}"
        f"V{two + thick:.1f}C{middle:.1f} {two + thick:.1f} {middle:.1f} {one + thick:.1f} {first:.1f} {one + thick:.1f}Z"
    )
