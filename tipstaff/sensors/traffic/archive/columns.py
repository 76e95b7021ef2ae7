"""The archive's columns, what its folders are called, and when its files are from. Pure but for making the folders.

Nothing here needs Arrow: the program that writes is small without it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tipstaff.sensors.traffic.decoders import layout as L

KINDS = ("fresh", "hours", "minutes", "coarse", "held")
FOLDERS = (*KINDS, "thin")  # what can be made again is no kind of its own
SAMPLE = "-sample.parquet"  # how names of made-up flows end: they are never joined with real ones, and go as they came
Arrays = Mapping[str, NDArray[Any]]

# Column → (row of the columns, type in the archive). `ended` is ms since 1970; addresses are numbers.
NARROW_COLUMNS: dict[str, tuple[int, type]] = {
    "src": (L.SRC, np.uint32), "dst": (L.DST, np.uint32), "src_port": (L.SRC_PORT, np.uint16),
    "dst_port": (L.DST_PORT, np.uint16),
    "protocol": (L.PROTOCOL, np.uint8), "tos": (L.TOS, np.uint8), "tcp_flags": (L.TCP_FLAGS, np.uint8), "rate": (L.RATE, np.uint32),
    "input": (L.INPUT, np.uint32), "output": (L.OUTPUT, np.uint32), "src_as": (L.SRC_AS, np.uint32),
    "dst_as": (L.DST_AS, np.uint32),
    "vlan": (L.VLAN, np.uint16), "exporter": (L.SESSION, np.uint32), "marks": (L.MARKS, np.uint8), "family": (L.FAMILY, np.uint8),
}  # fmt: skip
SIX = {"src_hi": L.SRC_HI, "src_lo": L.SRC_LO, "dst_hi": L.DST_HI, "dst_lo": L.DST_LO}


def arrays(
    narrow: NDArray[np.uint32], wide: NDArray[np.uint64], customers: NDArray[np.int32], count: int
) -> dict[str, NDArray[Any]]:
    """The archive's columns of the first ``count`` flows; those of IPv6 only where there is any. One that has one value in all
    rows has a stride of 0."""
    found: dict[str, NDArray[Any]] = {}
    looked = narrow[:, : max(count, 1)]
    least, most = looked.min(axis=1), looked.max(axis=1)
    same = (least == most).tolist()
    for name, (row, kind) in NARROW_COLUMNS.items():
        if same[row]:
            found[name] = np.ndarray((count,), kind, least[row : row + 1].astype(kind), strides=(0,))
        else:
            column = narrow[row, :count]
            found[name] = column if kind is np.uint32 else column.astype(kind)
    ended = wide[L.END, :count].view(np.int64)
    found |= {"bytes": wide[L.BYTES, :count], "packets": wide[L.PACKETS, :count], "ended": ended}
    lasted = ended - wide[L.START, :count].view(np.int64)
    found["lasted"] = np.minimum(lasted, 0xFFFFFFFF, out=lasted).astype(np.uint32)
    found |= {"src_customer": customers[0, :count], "dst_customer": customers[1, :count]}
    if most[L.FAMILY] == 6:
        six = found["family"] == 6
        found |= {name: np.where(six, wide[row, :count], np.uint64(0)) for name, row in SIX.items()}
        found |= {name: np.where(six, np.uint32(0), found[name]) for name in ("src", "dst")}
    return found


def stamp(milliseconds: int) -> str:
    """A moment in ms as file names have it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y%m%dT%H%M%S")


def make_room(root: Path, *, remains: bool = True) -> None:
    """The folders; with ``remains``, what a writer that was killed left unfinished is deleted."""
    for kind in FOLDERS:
        (root / kind).mkdir(parents=True, exist_ok=True)
        for left in (root / kind).glob(".*.new") if remains else ():
            left.unlink(missing_ok=True)
