"""How long the desk's pages take on the server with a million events and a hundred thousand cases, while a feed loads."""

import subprocess
import sys
import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from tipstaff.project.bench import throwaway, world
from tipstaff.project.bench.feed import addresses_of, feed_csv

CASES_PER_EVENT = 10
REQUESTS = 60


def run(*, rows: int = 1_000_000, seed: int = 1) -> dict[str, Any]:
    """``rows`` events in a tenth as many cases; each page asked for with many different filters, numbers and words."""
    with throwaway.instance() as cluster:
        from django.conf import settings
        from django.test import Client

        from tipstaff.accounts.models import StaffMember
        from tipstaff.kernel.clock import now

        settings.ALLOWED_HOSTS = ["*"]
        rng = np.random.default_rng(seed)
        table = world.build(customers=max(50, rows // 125))
        cases = fill(cluster, table, rows, rng, now())
        alice = StaffMember.objects.create(username="alice", roles=["analyst", "lead"])
        client = Client()
        client.force_login(alice)
        feeder = _feeder()
        try:
            time.sleep(min(10, rows / 50_000))  # the feed is under way
            figures = {
                "queue_p95_ms": _p95(client, [f"/queue/?{query}" for query in _queues(rng)]),
                "case_p95_ms": _p95(client, [f"/cases/{number}/" for number in rng.choice(cases, REQUESTS)]),
                "search_p95_ms": _p95(client, [f"/search/?q={word}" for word in _words(table, rng)]),
                "home_p95_ms": _p95(client, ["/"] * (REQUESTS // 3)),
                "intake_p95_ms": _p95(client, ["/intake/"] * (REQUESTS // 3)),
            }
            page = client.get("/queue/")
        finally:
            feeder.terminate()
            feeder.wait(20)
        return figures | {"queue_bytes": len(page.content), "events": rows, "cases": len(cases)}


def _p95(client: Any, paths: list[str]) -> float:
    """The 95th percentile of the server's time for these pages, in milliseconds; the first request warms up."""
    client.get(paths[0])
    spent = []
    for path in paths:
        began = time.perf_counter()
        answer = client.get(path)
        spent.append((time.perf_counter() - began) * 1000)
        if answer.status_code not in (200, 302):
            raise RuntimeError(f"{path} answered {answer.status_code}")
    return round(float(np.percentile(spent, 95)), 1)


def _queues(rng: np.random.Generator) -> list[str]:
    kinds = [
        "",
        "owner=me",
        "due=past",
        "category=vulnerable",
        "category=phishing",
        "severity=high",
        "turn=us",
        "turn=customer",
    ]
    return [str(kind) for kind in rng.choice(kinds, REQUESTS)]


def _words(table: pl.DataFrame, rng: np.random.Generator) -> list[str]:
    from urllib.parse import quote

    hosts = [str(ip) for ip in addresses_of(table, REQUESTS // 3, rng)]
    partial = [host.rsplit("." if "." in host else ":", 1)[0] + ("." if "." in host else ":") for host in hosts]
    names = [f"Customer {number}" for number in rng.integers(1, 50, REQUESTS // 3)]
    return [quote(word) for word in (*hosts, *partial, *names)]


def fill(cluster: Any, table: pl.DataFrame, rows: int, rng: np.random.Generator, now: datetime) -> np.ndarray:
    """Cases with journals, reports and events, copied; returns the numbers of the cases."""
    from django.db import connection

    from tipstaff.kernel.bulk import copy_frame
    from tipstaff.reports.bulk import ensure_partition
    from tipstaff.reports.identity import hexadecimal

    ensure_partition(now)
    count = max(10, rows // CASES_PER_EVENT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM policy_storededition LIMIT 1")
        edition = cursor.fetchone()[0]
        cursor.execute("SELECT array_agg(id ORDER BY id), array_agg(customer_id ORDER BY id) FROM accounts_service")
        services, customers = map(np.array, cursor.fetchone())
        cursor.execute("INSERT INTO intake_source (name, kind, settings, enabled, cursor, last_error, created_at) "
                       "VALUES ('bench', 'pull', '{}', true, '{}', '', %s)", [now])  # fmt: skip
    mine = rng.integers(len(services), size=count)
    numbers = np.arange(1, count + 1)
    copy_frame("cases_case", _cases(numbers, services[mine], customers[mine], edition, table, rng, now))
    with throwaway.as_owner(cluster) as owner:
        owner.execute("SELECT setval(pg_get_serial_sequence('cases_case', 'id'), %s)", [count + 1])
    reports = _reports(rows, now)
    events = _events(rows, numbers, services[mine], customers[mine], table, rng, now, hexadecimal, reports)
    copy_frame("reports_event", events)
    for _ in range(2):
        copy_frame(
            "cases_journalentry",
            pl.DataFrame({"case_id": numbers}).with_columns(
                pl.lit(now - timedelta(hours=2)).alias("at"),
                pl.lit("system").alias("actor"),
                pl.lit("events").alias("kind"),
                pl.lit("5 more events from 1 report (shadowserver scan_ntp)").alias("text"),
                pl.lit("{}").alias("detail"),
                pl.lit(True).alias("internal"),
            ),
        )
    copy_frame(
        "cases_casereport",
        pl.DataFrame({"case_id": numbers, "report_id": reports[numbers % len(reports)]}).with_columns(
            pl.lit(1).alias("reporter_id"), pl.lit(10).alias("events"), pl.lit(now).alias("at")
        ),
    )
    with throwaway.as_owner(cluster) as owner:
        owner.execute("VACUUM ANALYZE")
    return numbers


def _cases(
    numbers: np.ndarray,
    services: np.ndarray,
    customers: np.ndarray,
    edition: int,
    table: pl.DataFrame,
    rng: np.random.Generator,
    now: datetime,
) -> pl.DataFrame:
    count = len(numbers)
    moment = np.datetime64(now.replace(tzinfo=None), "us")
    ago = rng.integers(0, 90 * 86_400, size=count).astype("timedelta64[s]")
    opened = pl.Series(moment - ago).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    closed = rng.random(count) < 0.6
    due = opened + timedelta(days=7)
    return pl.DataFrame(
        {
            "id": numbers, "customer_id": customers, "service_id": services,
            "category": rng.choice(["vulnerable", "phishing", "spam", "scan"], count), "clause": ["3.1"] * count,
            "severity": rng.choice(["high", "medium", "low"], count), "edition_id": [edition] * count,
            "brand": [""] * count, "state": np.where(closed, "RESOLVED", "TICKETED"), "outcome": np.where(closed, "RESOLVED", ""),
            "group_key": [f"{n:032x}" for n in numbers], "accepting": ~closed,
            "headline": [str(ip) for ip in addresses_of(table, count, rng)],
            "opened_at": opened, "opened_by": ["system"] * count, "first_event_at": opened, "last_event_at": opened,
            "refreshed_at": opened, "window_until": due, "events": [10] * count, "reports": [1] * count, "reporters": [1] * count,
            "provisional": [False] * count, "needs_person": [""] * count, "waiting_on": rng.choice(["us", "customer"], count),
            "last_word_by": [""] * count, "desk_due_at": due, "ticketed_at": opened, "ack_due_at": due, "resolve_due_at": due,
            "next_due_at": pl.select(pl.when(pl.Series(~closed)).then(due)).to_series(),
            "closed_at": pl.select(pl.when(pl.Series(closed)).then(due)).to_series(),
        }
    ).with_columns(pl.lit("").alias(name) for name in (
        "harmed_party", "surface", "mode", "medium", "third_party_rule", "jurisdiction", "statute", "actor", "fault"))  # fmt: skip


def _reports(rows: int, now: datetime) -> np.ndarray:
    """One report for every thousand events, each with a submission and evidence."""
    from uuid import uuid4

    from tipstaff.evidence.services import Plain, keep
    from tipstaff.intake.models import Source, Submission
    from tipstaff.reports.models import Report, Reporter

    blob = keep(items=[Plain(b"timestamp,ip\n")], now=now)[0]
    source = Source.objects.get(name="bench")
    reporter = Reporter.objects.create(key="feed:bench", first_seen=now, last_seen=now)
    made = [
        Submission(id=uuid4(), source=source, source_ref=str(n), blob_id=blob, received_at=now, state="parsed")
        for n in range(max(1, rows // 1000))
    ]
    Submission.objects.bulk_create(made)
    reports = Report.objects.bulk_create(
        [
            Report(
                submission=one, reporter=reporter, format="shadowserver", disposition="report", state="verified", received_at=now
            )
            for one in made
        ]
    )
    return np.array([report.pk for report in reports])


def _events(
    rows: int,
    numbers: np.ndarray,
    services: np.ndarray,
    customers: np.ndarray,
    table: pl.DataFrame,
    rng: np.random.Generator,
    now: datetime,
    hexadecimal: Any,
    reports: np.ndarray,
) -> pl.DataFrame:
    case = np.sort(rng.integers(len(numbers), size=rows))
    seconds = int(now.timestamp()) - rng.integers(3_600, 20 * 86_400, size=rows)
    return pl.DataFrame(
        {
            "key": hexadecimal((seconds // 3600).astype(np.uint32), rng.integers(0, 256, size=(rows, 12), dtype=np.uint8)),
            "report_id": reports[np.arange(rows) % len(reports)],
            "row": np.arange(rows),
            "case_id": numbers[case],
            "service_id": services[case],
            "customer_id": customers[case],
            "occurred_at": pl.Series((seconds * 1_000_000).astype("datetime64[us]")).dt.replace_time_zone("UTC"),
            "ip": pl.Series(addresses_of(table, rows, rng), dtype=pl.String),
        }
    ).with_columns(
        pl.lit(now).alias("received_at"),
        pl.lit(123).alias("port"),
        pl.lit("vulnerable").alias("category"),
        pl.lit("scan_ntp").alias("report_type"),
        pl.lit(1).alias("count"),
        pl.lit(1).alias("attribution"),
        pl.lit(False).alias("provisional"),
        pl.lit(0).alias("action"),
    )


def _feeder() -> "subprocess.Popen[bytes]":
    """Another program that loads deliveries until it is stopped."""
    return subprocess.Popen([sys.executable, "-m", "tipstaff.project.bench.desk"])  # it inherits the state directory


def _feed_for_ever() -> None:
    from tipstaff.project import database

    database.setup_django()
    from django.conf import settings

    from tipstaff.intake.spool import Spool, accepted
    from tipstaff.kernel.clock import now
    from tipstaff.pipeline.worker import Worker

    rng = np.random.default_rng(7)
    table = pl.DataFrame({"version": [4, 6], "first": [10 << 24, 0x20010DB8 << 32], "size": [1 << 20, 1 << 16]},
                         schema={"version": pl.Int8, "first": pl.UInt64, "size": pl.UInt64})  # fmt: skip
    worker = Worker(Spool(settings.STATE / "feeder-spool"))
    for number in range(1_000_000):
        item = accepted(source="feeder", kind="pull", content=feed_csv(table, 10_000, now(), rng), now=now(), ref=str(number),
                        filename="2026-11-01-scan_ntp-feeder-asn.csv")  # fmt: skip
        worker.spool.put([item])
        worker.step()


if __name__ == "__main__":
    _feed_for_ever()
