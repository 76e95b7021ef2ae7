"""How fast clocks that fall due together are fired, with everything that follows from each, on a real database."""

import time
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from tipstaff.project.bench import throwaway, world

SPREAD = 40.0  # seconds over which they fall due: inside one minute
#: What falls due, in shares: reminders, acknowledgements that did not come, and times to resolve that are over.
KINDS = (("remind_resolve_50", 0.4), ("remind_resolve_80", 0.2), ("acknowledge", 0.2), ("resolve", 0.2))
LEAD = timedelta(seconds=2)


def run(*, rows: int = 100_000, seed: int = 1) -> dict[str, Any]:
    """Open ``rows`` tickets whose next clocks fall due within one minute, and fire them as they do.

    ``seconds``: from the first moment that is due to the last commit. Lateness is that of the commit.
    """
    with throwaway.instance() as cluster:
        from tipstaff.cases import sweeper
        from tipstaff.kernel.clock import now

        rng = np.random.default_rng(seed)
        began = now() + LEAD
        world.build(customers=2000, prefixes=2000)
        load(rows, began, rng)
        while now() < began:
            time.sleep(0.01)
        meter, fired, lates = throwaway.Meter(cluster), 0, []
        while fired < rows:
            count = sweeper.fire_due(now=now())
            fired += count
            if count:
                lates.append((now(), count))
            if count < sweeper.AT_ONCE:
                time.sleep(0.05)
        meter.stop()
        cost = round(meter.cpu * 1e5 / rows, 1)
        return {"fired": fired, "seconds": round(meter.wall, 2), **_proof(rows, lates), "rows": rows, "cpu_s_per_100k": cost}


def load(rows: int, began: datetime, rng: np.random.Generator, spread: float = SPREAD) -> list[int]:
    """Tickets of the world's services, each with one clock, due in turn within ``spread`` seconds; their numbers."""
    from django.db import connection

    from tipstaff.kernel.bulk import copy_frame

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, customer_id FROM accounts_service ORDER BY id LIMIT 5000")
        services = cursor.fetchall()
        cursor.execute("SELECT id FROM policy_storededition WHERE state = 'published' ORDER BY id LIMIT 1")
        edition = cursor.fetchone()[0]
        cursor.execute("SELECT nextval(pg_get_serial_sequence('cases_case', 'id')) FROM generate_series(1, %s)", [rows])
        numbers = [row[0] for row in cursor.fetchall()]
    cases = _cases(numbers, services, edition, began)
    copy_frame("cases_case", cases)
    copy_frame("cases_clock", _clocks(numbers, began, rng, spread))
    copy_frame("correspondence_outboxmessage", _told(numbers, began))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return numbers


def _moment(at: datetime) -> pl.Expr:
    return pl.lit(at).cast(pl.Datetime("us", "UTC"))


def _cases(numbers: list[int], services: list[tuple[int, int]], edition: int, began: datetime) -> pl.DataFrame:
    opened = began - timedelta(hours=12)
    texts = ("outcome", "brand", "needs_person", "last_word_by", "harmed_party", "surface", "mode", "medium", "third_party_rule",
             "jurisdiction", "statute", "actor", "fault")  # fmt: skip
    frame = pl.DataFrame({
        "id": numbers,
        "customer_id": [services[n % len(services)][1] for n in range(len(numbers))],
        "service_id": [services[n % len(services)][0] for n in range(len(numbers))],
        "group_key": [f"{n:032x}" for n in numbers],
    })  # fmt: skip
    return frame.with_columns(
        pl.lit("intrusion").alias("category"), pl.lit("4.3").alias("clause"), pl.lit("high").alias("severity"),
        pl.lit(edition).alias("edition_id"), pl.lit("TICKETED").alias("state"), pl.lit(True).alias("accepting"),
        pl.lit("192.0.2.1").alias("headline"), _moment(opened).alias("opened_at"), pl.lit("system").alias("opened_by"),
        _moment(opened).alias("refreshed_at"), _moment(began + timedelta(days=7)).alias("window_until"), pl.lit(1).alias("events"),
        pl.lit(1).alias("reports"), pl.lit(1).alias("reporters"), pl.lit(False).alias("provisional"),
        pl.lit("customer").alias("waiting_on"), _moment(opened).alias("ticketed_at"),
        _moment(began + timedelta(hours=1)).alias("resolve_due_at"),
        *[pl.lit("").alias(name) for name in texts],
    )  # fmt: skip


def _clocks(numbers: list[int], began: datetime, rng: np.random.Generator, spread: float) -> pl.DataFrame:
    names, shares = [kind for kind, _ in KINDS], [share for _, share in KINDS]
    micros = (np.sort(rng.random(len(numbers))) * spread * 1e6).astype(np.int64)
    due = pl.Series("due_at", np.datetime64(began.replace(tzinfo=None), "us") + micros.astype("timedelta64[us]"))
    return pl.DataFrame({
        "case_id": numbers, "kind": rng.choice(names, size=len(numbers), p=shares), "due_at": due.dt.replace_time_zone("UTC"),
    }).with_columns(_moment(began - timedelta(hours=12)).alias("started_at"), pl.lit("").alias("note"))  # fmt: skip


def _told(numbers: list[int], began: datetime) -> pl.DataFrame:
    """The opening notice of each was sent, so that silence counts."""
    texts = {"audience": "customer", "kind": "notice", "recipient": "abuse@example.net", "recipient_name": "", "language": "en",
             "subject": "ticket", "body": "", "html": "", "in_reply_to": "", "message_id": "", "state": "sent",
             "created_by": "system",
             "error": ""}  # fmt: skip
    columns = {name: pl.lit(text).alias(name) for name, text in texts.items()}
    frame = pl.DataFrame({"reference": [f"case:{number}" for number in numbers]})
    return frame.with_columns(*columns.values(), _moment(began).alias("created_at"), _moment(began).alias("not_before"),
                              pl.lit(0).alias("attempts"))  # fmt: skip


def _proof(rows: int, lates: list[tuple[datetime, int]]) -> dict[str, Any]:
    """How late the slowest were when their consequences were committed, and whether anything happened twice or not at all."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT due_at FROM cases_clock WHERE fired_at IS NOT NULL AND kind = ANY(%s) ORDER BY due_at, id",
                       [[kind for kind, _ in KINDS]])  # fmt: skip
        due = [row[0] for row in cursor.fetchall()][:rows]
        cursor.execute(
            """SELECT count(*) - count(DISTINCT (case_id, detail ->> 'clock')) FROM cases_journalentry WHERE detail ? 'clock'"""
        )
        doubled = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM cases_clock WHERE fired_at IS NULL AND cancelled_at IS NULL AND kind = ANY(%s)",
                       [[kind for kind, _ in KINDS]])  # fmt: skip
        waiting = cursor.fetchone()[0]
        cursor.execute("SELECT state, count(*) FROM cases_case GROUP BY 1 ORDER BY 1")
        states = dict(cursor.fetchall())
    committed = [at for at, count in lates for _ in range(count)]
    late = sorted((at - moment).total_seconds() for at, moment in zip(committed, due, strict=False))
    return {"late_p99_s": round(late[int(len(late) * 0.99)], 2), "late_p50_s": round(late[len(late) // 2], 2), "doubled": doubled,
            "waiting": waiting, "states": states}  # fmt: skip
