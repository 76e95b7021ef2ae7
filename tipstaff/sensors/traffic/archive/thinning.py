"""A small sample of a compacted file, from which sums over very many flows are estimated quickly. Pure but for the file.

Threshold sampling (Duffield, Lund, Thorup: "Learn more, sample less", 2005): a flow of x bytes stays with probability
min(1, x/z) and then stands for 1/p flows, so that all large flows stay and any sum is estimated without bias.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tipstaff.sensors.traffic.archive import files

EXACT_ROWS = 3_000_000  # of a question's files, beyond which people are answered from the sample
ONE_IN = 16  # about so much smaller
RAREST = 1 / 128  # no flow stays with less than this chance, so that counts of small flows are estimated too


def chances(sizes: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """The probability with which each flow stays, about ``wanted`` flows in all."""
    if wanted >= len(sizes):
        return np.ones(len(sizes))
    low, high = 0.0, float(sizes.sum()) / max(wanted, 1.0) + 1.0
    for _ in range(40):
        z = (low + high) / 2
        if np.minimum(1.0, np.maximum(RAREST, sizes / z)).sum() > wanted:
            low = z
        else:
            high = z
    return np.minimum(1.0, np.maximum(RAREST, sizes / high))


def thin(source: Path, target: Path, *, seed: int = 1) -> int:
    """Write the sample of a compacted file; how many rows it has."""
    table = pq.ParquetFile(source, pre_buffer=False).read(use_threads=False)
    once = table.filter(pc.equal(table.column("twin"), 0))
    sizes = _floats(once, "bytes") * np.maximum(_floats(once, "rate"), 1)
    kept = chances(sizes, len(sizes) / ONE_IN)
    draws = np.random.default_rng(seed).random(len(sizes))
    rows = np.flatnonzero(draws < kept)
    made = _with_weight(once.take(pa.array(rows)), 1 / kept[rows])
    twins = table.filter(pc.equal(table.column("twin"), 1))
    if twins.num_rows:
        made = pa.concat_tables([made, _twins(twins, seed)])
    files.write_table(target, made, group=1 << 20, notes={"watched": watched(once)})
    return int(made.num_rows)


def watched(table: pa.Table) -> list[list[int]]:
    """Which sampling rates were heard in which minute (since 1970): who watched, without reading the flows again."""
    if not table.num_rows:
        return []
    known, which = np.unique(table.column("rate").to_numpy(), return_inverse=True)
    minutes = table.column("ended").to_numpy() // 60_000
    pairs = np.unique(minutes * len(known) + which)
    return [[int(pair // len(known)), int(known[pair % len(known)])] for pair in pairs]


def _twins(table: pa.Table, seed: int) -> pa.Table:
    """Second ends are sampled among themselves: sums leave them out, or count each end for itself."""
    sizes = _floats(table, "bytes") * np.maximum(_floats(table, "rate"), 1)
    kept = chances(sizes, len(sizes) / ONE_IN)
    rows = np.flatnonzero(np.random.default_rng(seed + 1).random(len(sizes)) < kept)
    return _with_weight(table.take(pa.array(rows)), 1 / kept[rows])


def _with_weight(table: pa.Table, weight: NDArray[np.float64]) -> pa.Table:
    return table.append_column("weight", pa.array(weight)).replace_schema_metadata(None)


def _floats(table: pa.Table, name: str) -> NDArray[Any]:
    return table.column(name).to_numpy().astype(np.float64)
