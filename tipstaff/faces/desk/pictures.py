"""The picture of our addresses: which blocks, what is in each square, its table. Drawn by the template."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.core.cache import cache

from tipstaff.accounts import lookups as accounts
from tipstaff.cases import figures
from tipstaff.faces.desk.hilbert import Frame, border, frame_for, frames, place
from tipstaff.faces.desk.labels import Label, labels_of
from tipstaff.reports import queries as reports

SINCE = timedelta(days=30)
KEPT = 60  # seconds
SHADES = ((30, "a4"), (10, "a3"), (3, "a2"), (1, "a1"))
MOST_ON_HOME = 6
FEW = 2  # so many pictures are drawn larger
#: Size of the letters in squares, so that they come out at 12 px: many pictures, a few, a single one (see the style sheet).
LETTERS = {"many": 0.79, "few": 0.52, "one": 0.31}


@dataclass(frozen=True, slots=True)
class Square:
    """One square: an address or a block with reports."""

    block: str
    x: int
    y: int
    shade: str
    events: int
    open: int
    late: bool
    oldest: datetime | None
    link: str

    @property
    def words(self) -> str:
        said = f"{self.block}: {self.events} event{'' if self.events == 1 else 's'}"
        return said + (", case past due" if self.late else f", {self.open} open" if self.open else "")


@dataclass(frozen=True)
class Picture:
    """One block as a picture and as a table."""

    frame: Frame
    squares: list[Square]
    outlines: list[tuple[str, str]]  # path, what it is in words
    labels: list[Label]
    free: list[str]  # paths that are ours and assigned to nobody
    events: int = 0
    holders: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table twin."""

    block: str
    holder: str
    events: int
    open: int
    oldest: datetime | None
    late: bool
    link: str


def own() -> tuple[list[IPv4Network], list[IPv6Network]]:
    """Our prefixes, by family."""
    prefixes = accounts.own_prefixes()
    return [p for p in prefixes if isinstance(p, IPv4Network)], [p for p in prefixes if isinstance(p, IPv6Network)]


def for_home(now: datetime) -> tuple[list[Picture], list[Row], int]:
    """The first pictures, the busiest rows of the table, and how many pictures there are."""
    return cache.get_or_set("desk:pictures", lambda: _for_home(now), KEPT)  # type: ignore[return-value]


def _for_home(now: datetime) -> tuple[list[Picture], list[Row], int]:
    four, six = own()
    wanted = frames(four)
    letters = LETTERS["few" if len(wanted) <= FEW else "many"]
    pictures = [picture(frame, four, now, letters=letters) for frame in wanted[:MOST_ON_HOME]]
    rows = [row for drawn in pictures for row in table(drawn)] + sixes(six, now)
    rows.sort(key=lambda row: -row.events)
    return pictures, rows, len(wanted)


def of_block(text: IPv4Network, now: datetime) -> Picture:
    """The picture of one block, for drilling down."""
    four, _ = own()
    return picture(frame_for(text), four, now, letters=LETTERS["one"])


def picture(frame: Frame, ours: Sequence[IPv4Network], now: datetime, *, letters: float) -> Picture:
    """One block with its squares, outlines and free stretches; ``letters`` is the size of a label's letters in squares."""
    counted = reports.counted_in(frame.network, cell=frame.cell, since=now - SINCE)
    standing = figures.standing_of([number for row in counted for number in row.cases])
    squares = [_square(frame, row, standing, now) for row in counted]
    held = [(row.prefix, row.service.customer.name) for row in accounts.within(frame.network, now)]
    four = [(network, name) for network, name in held if isinstance(network, IPv4Network)]
    drawn = [(network, name) for network, name in four if network.prefixlen < frame.cell]
    inside = [network for network in ours if network.overlaps(frame.network)]
    return Picture(
        frame=frame,
        squares=squares,
        outlines=[(border(frame, network), f"{network} {name}") for network, name in drawn],
        labels=labels_of(frame, drawn, {(square.x, square.y) for square in squares}, letters),
        free=_free(frame, inside, [network for network, _ in four]),
        events=sum(row.events for row in counted),
        holders={str(network): name for network, name in four},
    )


def _square(frame: Frame, row: reports.AddressCount, standing: dict[int, Any], now: datetime) -> Square:
    number = frame.number_of(row.address)
    x, y = place(number)
    mine = [standing[number] for number in row.cases if number in standing]
    block = str(frame.block(number))
    shown = row.address if frame.cell == 32 else block
    shade = next(name for least, name in SHADES if row.events >= least)
    late = any(due is not None and due <= now for due, _ in mine)
    link = f"/search/?q={row.address}" if frame.cell == 32 else f"/addresses/{block}/"
    return Square(shown, x, y, shade, row.events, len(mine), late, min((opened for _, opened in mine), default=None), link)


def _free(frame: Frame, ours: Sequence[IPv4Network], covered: Sequence[IPv4Network]) -> list[str]:
    """Sixteenths of the picture that are not ours at all, or ours and held by nobody."""
    if frame.network.prefixlen + 4 > 32:
        return []
    blocks = list(frame.network.subnets(prefixlen_diff=4))
    taken = [network for network in covered if any(network.overlaps(own) for own in ours)]
    return [border(frame, block) for block in blocks if not any(block.overlaps(network) for network in taken)]


def table(drawn: Picture) -> list[Row]:
    """The picture's twin."""
    return [
        Row(square.block, _holder(drawn, square.block), square.events, square.open, square.oldest, square.late, square.link)
        for square in drawn.squares
    ]


def _holder(drawn: Picture, block: str) -> str:
    network = IPv4Network(block)
    fits = [(IPv4Network(prefix), name) for prefix, name in drawn.holders.items()]
    inside = [(prefix.prefixlen, name) for prefix, name in fits if network.subnet_of(prefix)]
    if inside:
        return max(inside)[1]
    several = {name for prefix, name in fits if prefix.subnet_of(network)}
    return several.pop() if len(several) == 1 else f"{len(several)} holders" if several else "nobody"


def sixes(ours: Sequence[IPv6Network], now: datetime) -> list[Row]:
    """IPv6 by assigned prefix: what has events."""
    rows = []
    for prefix in ours[:8]:
        for held in accounts.within(prefix, now, most=60):
            counted = reports.counted_in(held.prefix, cell=held.prefix.prefixlen, since=now - SINCE)
            if not counted:
                continue
            standing = figures.standing_of([number for row in counted for number in row.cases])
            late = any(due is not None and due <= now for due, _ in standing.values())
            oldest = min((opened for _, opened in standing.values()), default=None)
            events = sum(row.events for row in counted)
            name = held.service.customer.name
            rows.append(Row(str(held.prefix), name, events, len(standing), oldest, late, f"/search/?q={held.prefix}"))
    return rows
