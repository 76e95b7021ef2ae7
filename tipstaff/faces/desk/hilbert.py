"""Addresses along a Hilbert curve: neighbours in number are neighbours in the picture. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

SIDE = 16  # squares along one side: 256 blocks of a picture


@lru_cache(maxsize=1)
def _curve() -> tuple[tuple[int, int], ...]:
    return tuple(_place(number) for number in range(SIDE * SIDE))


def _place(number: int) -> tuple[int, int]:
    x = y = 0
    size = 1
    while size < SIDE:
        right = 1 & (number // 2)
        down = 1 & (number ^ right)
        if not down:
            if right:
                x, y = size - 1 - x, size - 1 - y
            x, y = y, x
        x, y = x + size * right, y + size * down
        number //= 4
        size *= 2
    return x, y


def place(number: int) -> tuple[int, int]:
    """(x, y) of the n-th of 256 blocks."""
    return _curve()[number]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: the block it shows (a /24 of addresses, a /16 of /24s, or a /8 of /16s) and the bits of a square."""

    network: IPv4Network
    cell: int

    def number_of(self, address: str) -> int:
        return (int(IPv4Address(address)) - int(self.network.network_address)) >> (32 - self.cell)

    def block(self, number: int) -> IPv4Network:
        first = int(self.network.network_address) + (number << (32 - self.cell))
        return IPv4Network((first, self.cell))


def frame_for(network: IPv4Network) -> Frame:
    """The smallest picture that holds a network."""
    for length in (24, 16, 8):
        if network.prefixlen >= length:
            return Frame(network.supernet(new_prefix=length), length + 8)
    return Frame(IPv4Network("0.0.0.0/0").supernet(), 8)


def frames(networks: Iterable[IPv4Network]) -> list[Frame]:
    """The pictures that show all of these networks: /24s, or /16s where a network is larger than a /22."""
    found: dict[IPv4Network, Frame] = {}
    for network in networks:
        pieces: Iterable[IPv4Network] = [network]
        if 22 <= network.prefixlen < 24:
            pieces = network.subnets(new_prefix=24)
        elif 8 < network.prefixlen < 16:
            pieces = [network.supernet(new_prefix=8)]
        for piece in pieces:
            frame = frame_for(piece)
            found[frame.network] = frame
    return [found[network] for network in sorted(found)]


def rectangles(frame: Frame, network: IPv4Network) -> Sequence[tuple[int, int, int, int]]:
    """(x, y, width, height) that cover a network inside a frame: one square for an even length, two for an odd one."""
    if network.prefixlen >= frame.cell:
        x, y = place(frame.number_of(str(network.network_address)))
        return [(x, y, 1, 1)]
    if network.prefixlen < frame.network.prefixlen:
        network = frame.network
    pieces = [network] if (frame.cell - network.prefixlen) % 2 == 0 else list(network.subnets())
    return [_square(frame, piece) for piece in pieces]


def _square(frame: Frame, network: IPv4Network) -> tuple[int, int, int, int]:
    first = frame.number_of(str(network.network_address))
    count = 1 << (frame.cell - network.prefixlen)
    places = [place(number) for number in (first, first + count // 3, first + 2 * count // 3, first + count - 1)]
    side = int(count**0.5)
    x, y = min(x for x, _ in places) // side * side, min(y for _, y in places) // side * side
    return x, y, side, side


def border(frame: Frame, network: IPv4Network) -> str:
    """The outline of a network inside a frame as an SVG path; an odd length becomes one rectangle of two squares."""
    boxes = rectangles(frame, network)
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return f"M{left} {top}H{right}V{bottom}H{left}z"
