"""Addresses along the curve, and what is drawn of them."""

from ipaddress import IPv4Network
from itertools import pairwise

import pytest

from tipstaff.faces.desk.hilbert import border, frame_for, frames, place, rectangles


def test_neighbours_in_number_are_neighbours_in_the_picture() -> None:
    places = [place(number) for number in range(256)]
    assert len(set(places)) == 256
    assert all(abs(ax - bx) + abs(ay - by) == 1 for (ax, ay), (bx, by) in pairwise(places))


@pytest.mark.parametrize("length", range(24, 33))
def test_an_outline_holds_exactly_its_addresses(length: int) -> None:
    frame = frame_for(IPv4Network("192.0.2.0/24"))
    for network in frame.network.subnets(new_prefix=length):
        inside = {place(frame.number_of(str(address))) for address in network}
        drawn = {(x + i, y + j) for x, y, w, h in rectangles(frame, network) for i in range(w) for j in range(h)}
        assert inside == drawn
        assert border(frame, network).startswith("M")


def test_large_networks_are_drawn_by_24s_and_small_ones_by_address() -> None:
    found = frames([IPv4Network("198.18.0.0/15"), IPv4Network("192.0.2.128/25"), IPv4Network("203.0.112.0/22")])
    assert [str(frame.network) for frame in found] == [
        "192.0.2.0/24", "198.0.0.0/8", "203.0.112.0/24", "203.0.113.0/24", "203.0.114.0/24", "203.0.115.0/24",
    ]  # fmt: skip
    assert [frame.cell for frame in found] == [32, 16, 32, 32, 32, 32]
