"""How fast a large feed becomes attributed, deduplicated, ruled and cased events, with millions there already."""

import io
import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import psutil

from tipstaff.project.bench import programs, throwaway, world

LOOK_AT_MEMORY = 0.5  # seconds between looks at what the workers take


def addresses_of(table: pl.DataFrame, rows: int, rng: np.random.Generator) -> np.ndarray:
    """Address texts inside the prefixes: 15 in 100 IPv6, and 1 in 100 outside."""
    from ipaddress import IPv6Address

    v6 = rng.random(rows) < 0.15
    out = np.empty(rows, object)
    four, six = table.filter(pl.col("version") == 4), table.filter(pl.col("version") == 6)
    pick = rng.integers(len(four), size=rows)
    values = four["first"].to_numpy()[pick] + (rng.random(rows) * four["size"].to_numpy()[pick]).astype(np.uint64)
    octets = [((values >> np.uint64(shift)) & np.uint64(255)).astype(str) for shift in (24, 16, 8, 0)]
    text = octets[0]
    for more in octets[1:]:
        text = np.char.add(np.char.add(text, "."), more)
    out[:] = text
    pick = rng.integers(len(six), size=rows)
    highs = six["first"].to_numpy()[pick] + (rng.random(rows) * six["size"].to_numpy()[pick]).astype(np.uint64)
    lows = rng.integers(1, 1 << 16, size=rows)
    at = np.flatnonzero(v6)
    out[at] = [str(IPv6Address(int(highs[n]) << 64 | int(lows[n]))) for n in at]
    return out


def feed_csv(table: pl.DataFrame, rows: int, day: datetime, rng: np.random.Generator) -> bytes:
    """One delivery in the shape of Shadowserver's scan reports; 10 rows in 100 stand twice."""
    fresh = rows - rows // 10
    seconds = rng.integers(0, 86_400, size=fresh)
    moments = (np.datetime64(day.replace(tzinfo=None), "s") + seconds).astype("datetime64[us]")
    frame = pl.DataFrame(
        {
            "timestamp": pl.Series(moments).dt.strftime("%Y-%m-%d %H:%M:%S"),
            "severity": ["medium"] * fresh,
            "ip": addresses_of(table, fresh, rng),
            "protocol": ["udp"] * fresh,
            "port": [123] * fresh,
            "hostname": np.char.add("host-", rng.integers(0, 1 << 30, fresh).astype(str)),
            "tag": ["ntp"] * fresh,
            "asn": [64496] * fresh,
            "geo": ["ZZ"] * fresh,
            "region": ["REGION"] * fresh,
            "city": ["CITY"] * fresh,
            "naics": [518210] * fresh,
            "version": [4] * fresh,
            "clk_wander": rng.random(fresh).round(3),
            "stratum": rng.integers(1, 16, fresh),
            "response_size": rng.integers(40, 500, fresh),
            "amplification": rng.random(fresh).round(2),
        }
    )
    frame = pl.concat([frame, frame.head(rows // 10)])
    out = io.BytesIO()
    frame.write_csv(out)
    return out.getvalue()


def preload(cluster: Any, table: pl.DataFrame, rows: int, rng: np.random.Generator, now: datetime) -> None:
    """Events that are there already, copied before the indexes are made; untimed."""
    from tipstaff.kernel.bulk import copy_frame
    from tipstaff.reports.bulk import ensure_partition
    from tipstaff.reports.identity import hexadecimal

    part = ensure_partition(now)
    with throwaway.as_owner(cluster) as owner:
        kept = owner.execute("SELECT indexdef FROM pg_indexes WHERE tablename = %s", [part]).fetchall()
        for (name,) in owner.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [part]).fetchall():
            owner.execute(f'DROP INDEX "{name}"')
        left = rows
        while left:
            count = min(left, 500_000)
            left -= count
            copy_frame("reports_event", _old_events(table, count, rng, now, hexadecimal))
        for (statement,) in kept:
            owner.execute(statement)
        owner.execute(f'VACUUM ANALYZE "{part}"')


def _old_events(table: pl.DataFrame, rows: int, rng: np.random.Generator, now: datetime, hexadecimal: Any) -> pl.DataFrame:
    seconds = int(now.timestamp()) - rng.integers(86_400, 20 * 86_400, size=rows)
    digests = rng.integers(0, 256, size=(rows, 12), dtype=np.uint8)
    return pl.DataFrame(
        {
            "key": hexadecimal((seconds // 3600).astype(np.uint32), digests),
            "received_at": pl.Series([now]).new_from_index(0, rows),
            "report_id": pl.repeat(0, rows, eager=True),
            "row": pl.Series(np.arange(rows)),
            "occurred_at": pl.Series((seconds * 1_000_000).astype("datetime64[us]")).dt.replace_time_zone("UTC"),
            "ip": pl.Series(addresses_of(table, rows, rng), dtype=pl.String),
            "port": pl.repeat(123, rows, eager=True),
            "category": pl.Series(["vulnerable"]).new_from_index(0, rows),
            "report_type": pl.Series(["scan_ntp"]).new_from_index(0, rows),
            "count": pl.repeat(1, rows, eager=True),
            "attribution": pl.repeat(1, rows, eager=True),
            "provisional": pl.repeat(False, rows, eager=True),
            "action": pl.repeat(0, rows, eager=True),
        }
    )


def run(
    *, rows: int = 1_000_000, batch: int = 100_000, preloaded: int = 5_000_000, workers: int = 2, seed: int = 1
) -> dict[str, Any]:
    """Load ``rows`` in files of ``batch`` and deliver them again, to ``workers`` programs as ``tipstaff up`` starts them.

    They are up and idle when the clock starts. See the README for the conditions of published figures.
    """
    with throwaway.instance() as cluster:
        from django.conf import settings

        from tipstaff.intake.spool import Spool
        from tipstaff.kernel.clock import now

        rng = np.random.default_rng(seed)
        table = world.build()
        if preloaded:
            preload(cluster, table, preloaded, rng, now())
        spool = Spool(settings.SPOOL)
        files = [feed_csv(table, batch, now() - timedelta(days=1), rng) for _ in range(max(1, rows // batch))]
        with programs.started(workers) as hands:
            first, peak = _deliver(spool, files, cluster, hands, "a")
            server = throwaway.postgres_mb(cluster)
            again, _ = _deliver(spool, files, cluster, hands, "b")
        total = len(files) * batch
        return {
            "events_per_s": round(total / first.wall),
            "cpu_s_per_100k": round(first.cpu * 1e5 / total, 2),
            "redelivered_per_s": round(total / again.wall),
            "peak_rss_mb": peak,
            "postgres_mb": server,
            "bytes_per_event": _bytes_per_event(),
            "rows": total,
            "batch": batch,
            "preloaded": preloaded,
            "workers": workers,
            **_counts(),
            "redelivery_cpu_s_per_100k": round(again.cpu * 1e5 / total, 2),
        }


def _bytes_per_event() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) / greatest(1, (SELECT count(*) FROM reports_event)) FROM pg_inherits "
            "WHERE inhparent = 'reports_event'::regclass"
        )
        return int(cursor.fetchone()[0])


def _counts() -> dict[str, int]:
    """What is there after it all: events of the feed, those of cases among them, and cases."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(case_id), (SELECT count(*) FROM cases_case) FROM reports_event WHERE report_id > 0")
        return dict(zip(("stored", "cased", "cases"), cursor.fetchone(), strict=True))


def _deliver(spool: Any, files: list[bytes], cluster: Any, hands: list[psutil.Process], name: str) -> tuple[throwaway.Meter, float]:
    """Each file comes when the one before was taken up, and makes a batch of its own; it is accepted, kept as evidence, parsed
    and committed, and all of it is timed. Also the most memory that the workers had together, proportionally, in MB."""
    from tipstaff.intake.models import Submission
    from tipstaff.intake.spool import accepted
    from tipstaff.kernel.clock import now

    pids = [hand.pid for hand in hands]
    peak, looked = 0.0, 0.0
    meter = throwaway.Meter(cluster, hands)
    waiting = list(enumerate(files))[::-1]
    while waiting or spool.count() or Submission.objects.filter(state="received").exists():
        if waiting and not spool.count():
            number, content = waiting.pop()
            filename = f"2026-11-{number % 28 + 1:02d}-scan_ntp-bench-asn.csv"
            ref = f"{name}{number}"
            spool.put([accepted(source="shadowserver", kind="pull", content=content, now=now(), ref=ref, filename=filename)])
        if meter.running() > looked + LOOK_AT_MEMORY:
            looked, peak = meter.running(), max(peak, throwaway.proportional_mb(pids))
        time.sleep(programs.LOOK)
    meter.stop()
    return meter, max(peak, throwaway.proportional_mb(pids))
