"""How much of this machine PostgreSQL may use."""

import os
import shutil
from pathlib import Path

MB = 1024 * 1024


def machine_bytes() -> int:
    """Memory this program may use: the machine's, or the control group's limit where that is lower."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")):
        try:
            text = limit.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            total = min(total, int(text))
    return total


def _between(low_mb: int, value: int, high_mb: int) -> int:
    return max(low_mb, min(value // MB, high_mb))


def postgres_settings(state: Path) -> dict[str, str]:
    """Server settings from the machine's size. Room for the write-ahead log is bounded by a tenth of the free disk.

    Feeds of millions of rows spend most of their time in PostgreSQL: with the stock 128 MB of shared buffers the
    deduplication look-ups read from the kernel, and with the stock 1 GB of log a checkpoint runs all the time.
    """
    total = machine_bytes()
    nearest = next(path for path in (state, *state.parents) if path.exists())
    log_mb = max(256, min(_between(1024, total // 4, 8192), shutil.disk_usage(nearest).free // 10 // MB))
    return {
        "shared_buffers": f"{_between(128, total // 8, 4096)}MB",
        "effective_cache_size": f"{_between(256, total // 2, 65536)}MB",
        "work_mem": f"{_between(8, total // 256, 64)}MB",
        "maintenance_work_mem": f"{_between(64, total // 16, 1024)}MB",
        "wal_buffers": "32MB",
        "max_wal_size": f"{log_mb}MB",
        "min_wal_size": f"{max(80, log_mb // 8)}MB",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "jit": "off",
    }
