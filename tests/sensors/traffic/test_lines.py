"""Several words at once are what the same words are one by one."""

import numpy as np
import pytest

from tipstaff.sensors.traffic.decoders.loads import kernel
from tipstaff.sensors.traffic.lines import add_line, add_to_one, take_line


@kernel
def add(array, at, lines, of):
    add_line(array, at, lines, of)


@kernel
def take(array, at, lines, of):
    take_line(array, at, lines, of)


@kernel
def keep_and_add(array, at, keep, which, amount):
    add_to_one(array, at, keep, which, amount)


def numbers(seed: int, kind: type) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(1 << 62), 1 << 62, 64).astype(kind)


def test_a_line_is_added_and_taken_away_and_its_neighbours_stay() -> None:
    array, lines = numbers(1, np.int64), numbers(2, np.int64)
    before = array.copy()
    add(array, 16, lines, 40)
    assert (array[16:24] == before[16:24] + lines[40:48]).all()
    assert (np.delete(array, np.s_[16:24]) == np.delete(before, np.s_[16:24])).all()
    take(array, 16, lines, 40)
    assert (array == before).all()


@pytest.mark.parametrize("keep", [0, (1 << 64) - 1])
@pytest.mark.parametrize("which", [-5, 0, 3, 4])
def test_one_word_of_four_grows(keep, which) -> None:
    array = numbers(3, np.uint64)
    expected = array.copy()
    expected[12:16] &= np.uint64(keep)
    if 0 <= which < 4:  # for no kind, none
        expected[12 + which] += np.uint64(7)
    keep_and_add(array, 12, np.uint64(keep), which, np.uint64(7))
    assert (array == expected).all()
