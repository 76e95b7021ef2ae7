"""The rows of one batch of decisions, written together: cases, clocks, proofs, journal, notices. Columns, not objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import polars as pl
from django.db import connection

from tipstaff.audit.services import record_many
from tipstaff.cases.dues import Start
from tipstaff.cases.models import Case
from tipstaff.cases.states import Duty
from tipstaff.kernel import bulk
from tipstaff.policy.edition import Trigger

MOMENT = pl.Datetime("us", "UTC")
UNDOABLE = timedelta(seconds=30)
#: Notices that another part still promises by itself: the opening letter (letters.py, bulk.py).
WRITTEN_ELSEWHERE = frozenset({Duty.OPENED})
#: Columns of a case that a decision may change, and their SQL types.
COLUMNS = {
    "state": "text", "outcome": "text", "waiting_on": "text", "needs_person": "text", "next_due_at": "timestamptz",
    "closed_at": "timestamptz", "accepting": "boolean", "ticketed_at": "timestamptz", "ack_due_at": "timestamptz",
    "resolve_due_at": "timestamptz", "noticed_at": "timestamptz", "acknowledged_at": "timestamptz",
    "fix_claimed_at": "timestamptz", "returned": "integer",
}  # fmt: skip


#: A pause that holds no clock any more is over.
_END_PAUSES = """
    UPDATE cases_pause p SET ended_at = %s, ended_by = %s WHERE id = ANY(%s::bigint[]) AND ended_at IS NULL
        AND NOT EXISTS (SELECT FROM cases_clock k WHERE k.pause_id = p.id AND k.fired_at IS NULL AND k.cancelled_at IS NULL)
"""


@dataclass
class Work:
    """What a batch of decisions has to write. ``write`` does it in a handful of statements, whatever the batch."""

    now: datetime
    by: str
    changed: list[tuple[Case, tuple[Any, ...]]] = field(default_factory=list)
    fired: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    idle: set[int] = field(default_factory=set)  # pauses of which a clock was cancelled
    starts: list[tuple[int, Start]] = field(default_factory=list)
    proofs: list[tuple[int, Trigger, str, dict[str, Any]]] = field(default_factory=list)
    entries: list[tuple[int, str, str, str, bool]] = field(default_factory=list)
    owed: list[tuple[int, str, str, str, datetime]] = field(default_factory=list)
    decided: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def journal(self, case: Case, kind: str, text: str, *, detail: Mapping[str, Any], internal: bool = True) -> None:
        self.entries.append((case.pk, kind, text, orjson.dumps(dict(detail), default=str).decode(), internal))
        if kind == "state":  # a decision: on the record too, with the digest of what the journal says
            known = {name: str(detail[name]) for name in ("event", "state", "clause") if name in detail}
            self.decided.append((f"case:{case.pk}", known | {"journal_sha256": sha256(text.encode()).hexdigest()}))

    def owe(self, case: Case, duty: Duty, audiences: Iterable[str], detail: Mapping[str, Any], undoable: bool = False) -> None:
        if duty in WRITTEN_ELSEWHERE:
            return
        text = orjson.dumps(dict(detail), default=str).decode()
        after = self.now + UNDOABLE if undoable else self.now
        self.owed += [(case.pk, str(duty), audience, text, after) for audience in audiences]

    def write(self) -> None:
        write_cases(self.changed)
        with connection.cursor() as cursor:
            if self.fired:
                fired = bulk.array_of_values(self.fired)
                cursor.execute("UPDATE cases_clock SET fired_at = %s WHERE id = ANY(%s::bigint[])", [self.now, fired])
            if self.cancelled:
                cancelled = bulk.array_of_values(self.cancelled)
                cursor.execute("UPDATE cases_clock SET cancelled_at = %s WHERE id = ANY(%s::bigint[])", [self.now, cancelled])
            if self.idle:
                cursor.execute(_END_PAUSES, [self.now, self.by, bulk.array_of_values(sorted(self.idle))])
        write_proofs(self.proofs, self.by, self.now)
        write_clocks(self.starts)
        write_journal(self.entries, self.by, self.now)
        write_notices(self.owed, self.now)
        record_many(by=self.by, action="case.decide", rows=self.decided, now=self.now)


def standing(case: Case) -> tuple[Any, ...]:
    """The columns that a decision may change, as they are."""
    return tuple(getattr(case, name) for name in COLUMNS)


def write_cases(cases: Sequence[tuple[Case, tuple[Any, ...]]]) -> None:
    """What differs from before (``standing``), for all of them in one statement: only cases and columns that did change."""
    rows = [(case.pk, now, before) for case, before in cases if (now := standing(case)) != before]
    places = [n for n in range(len(COLUMNS)) if any(now[n] != before[n] for _, now, before in rows)]
    if not places:
        return
    names, kinds = list(COLUMNS), list(COLUMNS.values())
    setting = ", ".join(f"{names[n]} = u.{names[n]}" for n in places)
    arrays = ", ".join(f"%s::{kind}[]" for kind in ("bigint", *(kinds[n] for n in places)))
    columns = ", ".join(names[n] for n in places)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE cases_case c SET {setting} FROM unnest({arrays}) AS u(id, {columns}) WHERE c.id = u.id",  # noqa: S608
            [bulk.array_of_values([pk for pk, *_ in rows]), *[_array([now[n] for _, now, _ in rows], kinds[n]) for n in places]],
        )


def _array(values: Sequence[Any], kind: str) -> str:
    """Bound as one text: a list costs several times as much."""
    return bulk.array_of_texts(values) if kind == "text" else bulk.array_of_values(values)


def write_proofs(proofs: Sequence[tuple[int, Trigger, str, dict[str, Any]]], by: str, now: datetime) -> None:
    """A trigger that is proved already is left as it is."""
    if not proofs:
        return
    cases, triggers, texts, details = zip(*proofs, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO cases_proof (case_id, trigger, text, detail, at, by)
               SELECT u.*, %s, %s FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::jsonb[]) AS u
               ON CONFLICT (case_id, trigger) WHERE withdrawn_at IS NULL DO NOTHING""",
            [
                *(now, by, bulk.array_of_values(cases), bulk.array_of_texts(map(str, triggers)), bulk.array_of_texts(texts)),
                bulk.array_of_texts(orjson.dumps(detail, default=str).decode() for detail in details),
            ],
        )


def write_clocks(starts: Sequence[tuple[int, Start]]) -> None:
    rows = [(case, start.kind, start.started_at, start.due_at, "") for case, start in starts]
    schema: dict[str, Any] = {"case_id": pl.Int64, "kind": pl.String, "started_at": MOMENT, "due_at": MOMENT, "note": pl.String}
    bulk.copy_frame("cases_clock", pl.DataFrame(rows, schema=schema, orient="row"))


def write_journal(entries: Sequence[tuple[int, str, str, str, bool]], by: str, now: datetime) -> None:
    schema: dict[str, Any] = {
        "case_id": pl.Int64,
        "kind": pl.String,
        "text": pl.String,
        "detail": pl.String,
        "internal": pl.Boolean,
    }
    frame = pl.DataFrame(list(entries), schema=schema, orient="row")
    bulk.copy_frame("cases_journalentry", frame.with_columns(pl.lit(now).cast(MOMENT).alias("at"), pl.lit(by).alias("actor")))


def write_notices(owed: Sequence[tuple[int, str, str, str, datetime]], now: datetime) -> None:
    schema: dict[str, Any] = {
        "case_id": pl.Int64,
        "kind": pl.String,
        "audience": pl.String,
        "detail": pl.String,
        "not_before": MOMENT,
    }
    frame = pl.DataFrame(list(owed), schema=schema, orient="row")
    bulk.copy_frame("cases_notice", frame.with_columns(pl.lit(now).cast(MOMENT).alias("created_at"), pl.lit("").alias("refused")))


def write_requests(what: str, rows: Sequence[tuple[int, str, str, str, dict[str, Any]]], now: datetime) -> None:
    """Requests for agreement (``Approval``): case, whose agreement it takes, reason, who asks, detail."""
    schema: dict[str, Any] = {
        "case_id": pl.Int64,
        "role": pl.String,
        "reason": pl.String,
        "requested_by": pl.String,
        "detail": pl.String,
    }
    written = [(*others, orjson.dumps(detail).decode()) for *others, detail in rows]
    frame = pl.DataFrame(written, schema=schema, orient="row")
    same = {"what": pl.lit(what), "requested_at": pl.lit(now).cast(MOMENT), "refused_by": pl.lit("")}
    bulk.copy_frame("cases_approval", frame.with_columns(**same))
