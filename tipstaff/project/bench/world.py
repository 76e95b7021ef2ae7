"""The world that the benchmarks play in: customers, nested time-bounded prefixes, and a published policy."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

START = datetime(2026, 11, 1, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def build(*, customers: int = 8000, prefixes: int = 50_000, seed: int = 1) -> pl.DataFrame:
    """Fill accounts with customers, services and assignments; returns the prefixes as (text, version, first, size)."""
    from django.db import connection

    rng = np.random.default_rng(seed)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_inventorysource (name, kind, last_error, settings) VALUES ('bench', 'csv', '', '{}') RETURNING id"
        )
        source = cursor.fetchone()[0]
        cursor.execute(
            """INSERT INTO accounts_customer (name, external_id, customer_class, protected_class, brand, language, timezone,
                   contract, created_at)
               SELECT 'Customer ' || n, 'c' || n, 'business', '', '', 'en', 'UTC', '{}', %s FROM generate_series(1, %s) n""",
            [LONG_AGO, customers],
        )
        cursor.execute(
            """INSERT INTO accounts_service (customer_id, name, external_id, kind, managed_by, carriage, protected_class, brand)
               SELECT id, 'server', 's' || external_id, 'dedicated', 'customer', 'hosting', '', '' FROM accounts_customer"""
        )
        cursor.execute(
            """INSERT INTO accounts_contact (customer_id, role, name, email, phone, language, problem)
               SELECT id, 'abuse', 'Abuse team', 'abuse@' || external_id || '.example', '', 'en', '' FROM accounts_customer"""
        )
        cursor.execute("INSERT INTO accounts_ownprefix (prefix, note) VALUES ('10.0.0.0/8', ''), ('2001:db8::/32', '')")
        cursor.execute("SELECT array_agg(id ORDER BY id) FROM accounts_service")
        services = np.array(cursor.fetchone()[0])
    table = _prefixes(prefixes, rng)
    _assign(table, services, source, rng)
    _policy()
    return table


def _prefixes(count: int, rng: np.random.Generator) -> pl.DataFrame:
    """Nested prefixes: /22 with /29 and /32 inside, and /48 with /56 and /64; 15 in 100 are IPv6."""
    rows: list[tuple[str, int, int, int]] = []
    block = 0
    while len(rows) < count * 85 // 100:
        base = (10 << 24) + (block << 10)
        block += 1
        rows.append((_v4(base, 22), 4, base, 1024))
        rows += [(_v4(base + 8 * int(n), 29), 4, base + 8 * int(n), 8) for n in rng.choice(128, 12, replace=False)]
        rows += [(_v4(base + int(n), 32), 4, base + int(n), 1) for n in rng.choice(1024, 12, replace=False)]
    block = 0
    while len(rows) < count:
        base = (0x20010DB8 << 32 | block << 16) & 0xFFFFFFFFFFFFFFFF
        block += 1
        rows.append((_v6(base, 48), 6, base, 1 << 16))
        rows += [(_v6(base + (int(n) << 8), 56), 6, base + (int(n) << 8), 1 << 8) for n in rng.choice(256, 12, replace=False)]
        rows += [(_v6(base + int(n), 64), 6, base + int(n), 1) for n in rng.choice(65536, 12, replace=False)]
    schema = {"prefix": pl.String, "version": pl.Int8, "first": pl.UInt64, "size": pl.UInt64}
    return pl.DataFrame(rows[:count], schema=schema, orient="row").unique("prefix", maintain_order=True)


def _v4(value: int, length: int) -> str:
    from ipaddress import IPv4Address

    return f"{IPv4Address(value)}/{length}"


def _v6(high: int, length: int) -> str:
    from ipaddress import IPv6Address

    return f"{IPv6Address(high << 64)}/{length}"


def _assign(table: pl.DataFrame, services: np.ndarray, source: int, rng: np.random.Generator) -> None:
    """One or two tenancies for each prefix; nested ones may belong to anybody, as in a bench nobody is a reseller."""
    from tipstaff.kernel.bulk import copy_frame

    rows = []
    for place, prefix in enumerate(table["prefix"].to_list()):
        mine = services[rng.integers(len(services), size=2)]
        change = START + timedelta(hours=int(rng.integers(-2000, 500)))
        if rng.random() < 0.3:
            rows.append((prefix, f'["{LONG_AGO:%Y-%m-%d}","{change.isoformat()}")', int(mine[0]), f"a{place}a"))
            rows.append((prefix, f'["{change.isoformat()}",)', int(mine[1]), f"a{place}b"))
        else:
            rows.append((prefix, f'["{LONG_AGO:%Y-%m-%d}",)', int(mine[0]), f"a{place}"))
    frame = pl.DataFrame(
        rows, schema={"prefix": pl.String, "period": pl.String, "service_id": pl.Int64, "external_id": pl.String}, orient="row"
    )
    copy_frame(
        "accounts_assignment",
        frame.with_columns(
            pl.lit("[0,65536)").alias("ports"),
            pl.lit(False).alias("shared"),
            pl.lit(source).alias("source_id"),
            pl.lit(LONG_AGO).alias("recorded_at"),
        ),
    )


def _policy() -> None:
    from tipstaff.policy import loading, services

    edition: Any = loading.load_packaged("default")
    to = "abuse@example.net"
    stored = services.draft(edition=edition, effective_from=LONG_AGO, by="system:bench", now=START, intake_address=to)
    services.publish(stored=stored.pk, by="system:bench-second", now=START)
