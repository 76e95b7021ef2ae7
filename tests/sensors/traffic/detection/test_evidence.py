"""The latest flows are kept whole, and memory that they do not need stays untouched."""

import subprocess
import sys

import numpy as np

from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.detection.evidence import Recent


def flows(family: int, count: int, seed: int):
    rng = np.random.default_rng(seed)
    narrow = rng.integers(1, 1000, (L.NARROW, count)).astype(np.uint32)
    narrow[L.FAMILY] = family
    return narrow, rng.integers(1, 1000, (L.WIDE, count)).astype(np.uint64), rng.integers(1, 9, (2, count)).astype(np.int32)


def test_flows_of_both_families_are_kept_as_they_were() -> None:
    recent, four, six = Recent(100), flows(4, 20, 1), flows(6, 20, 2)
    recent.keep(*four, 0, 20, 1)
    assert not recent.wide[L.SRC_HI :].any()  # not even looked at
    recent.keep(*six, 5, 20, 1)
    recent.keep(*four, 10, 20, 1)
    narrow, wide, customers, filled = recent.block()
    assert filled == 45
    for kept, one, other in zip((narrow, customers), (four[0], four[2]), (six[0], six[2]), strict=True):
        assert (kept[:, :45] == np.concatenate([one, other[:, 5:], one[:, 10:]], 1)).all()
    assert (wide[: L.SRC_HI, 20:45] == np.concatenate([six[1], four[1]], 1)[: L.SRC_HI, [*range(5, 20), *range(30, 40)]]).all()
    assert (wide[L.SRC_HI : L.SAMPLER, 20:35] == six[1][L.SRC_HI : L.SAMPLER, 5:]).all()


ALONE = """
from pathlib import Path
import numpy as np
from tipstaff.sensors.traffic import warming

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

warming.large_apart(1 << 20)
used = [np.ones(3 << 20, np.uint8) for _ in range(8)]
full = resident()
used.clear()
assert resident() < full - (20 << 20), "what is given back is gone"
before, fresh = resident(), [np.zeros(3 << 20, np.uint8) for _ in range(8)]
assert len(fresh) == 8 and resident() < before + (4 << 20), "what is not touched is not there"
"""


def test_a_large_array_takes_no_memory_before_it_is_touched() -> None:
    """In a program of its own: where much was given back before, memory comes from there."""
    assert subprocess.run([sys.executable, "-c", ALONE], timeout=120).returncode == 0
