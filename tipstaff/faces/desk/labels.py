"""Names inside the outlines of a Hilbert picture: each within its own squares, never over a neighbour or a count. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from tipstaff.faces.desk.hilbert import Frame, rectangles

MARGIN = 0.2  # squares left free before and after a name
SHORTEST = 4  # letters of a name that still tell something
MOST = 40  # letters of a name that are looked at
NARROW, WIDE = frozenset("iljtfrI.,:;'|!()[]- "), frozenset("mwMW@%&")
Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """A name, or its beginning, and the square in which it starts."""

    text: str
    x: int
    y: int


def labels_of(frame: Frame, held: Sequence[tuple[IPv4Network, str]], counted: Collection[Cell], letters: float) -> list[Label]:
    """One label per outline that has room for one. ``letters``: size of the type in squares.

    What a more specific outline covers belongs to that one; a square with events keeps its shade and mark readable.
    """
    names = dict(held)  # an address space that two customers hold is named once
    squares: dict[IPv4Network, set[Cell]] = {network: set() for network in names}
    for cell, network in _owners(frame, names).items():
        if cell not in counted:
            squares[network].add(cell)
    labels = (_best(squares[network], name.strip(), letters) for network, name in names.items())
    return [label for label in labels if label]


def _owners(frame: Frame, networks: Iterable[IPv4Network]) -> dict[Cell, IPv4Network]:
    """Each square and the most specific network that covers it."""
    owners = {}
    for network in sorted(networks, key=lambda network: network.prefixlen):
        for x, y, wide, high in rectangles(frame, network):
            owners.update({(x + i, y + j): network for i in range(wide) for j in range(high)})
    return owners


def width(text: str, letters: float) -> float:
    """How wide a text is at most, in squares; by the widest of the usual sans-serif faces."""
    return letters * sum(0.42 if char in NARROW else 0.98 if char in WIDE else 0.72 if char.isupper() else 0.64 for char in text)


def _best(own: Collection[Cell], name: str, letters: float) -> Label | None:
    """The uppermost run that holds the whole name, else as much of it as the longest run holds."""
    runs = list(_runs(own))
    for x, y, length in runs:
        if width(name, letters) <= length - 2 * MARGIN:
            return Label(name, x, y)
    if not runs:
        return None
    x, y, length = max(runs, key=lambda run: (run[2], -run[1]))
    text = _shortened(name, length - 2 * MARGIN, letters)
    return Label(text, x, y) if text else None


def _runs(own: Collection[Cell]) -> Iterator[tuple[int, int, int]]:
    """(x, y, length) of the unbroken stretches of squares, from the top."""
    for y, x in sorted((y, x) for x, y in own):
        if (x - 1, y) in own:
            continue
        length = 1
        while (x + length, y) in own:
            length += 1
        yield x, y, length


def _shortened(name: str, room: float, letters: float) -> str:
    for end in range(min(len(name), MOST), SHORTEST - 1, -1):
        text = name[:end].rstrip(" .,-") + "…"
        if len(text) > SHORTEST and width(text, letters) <= room:
            return text
    return ""
