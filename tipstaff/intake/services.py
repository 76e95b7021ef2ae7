"""Receiving: from the spool into the database, claiming, and what a person decides about a submission."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import F

from tipstaff.evidence.services import Plain, keep, read
from tipstaff.intake import access, queries
from tipstaff.intake.models import Correction, Source, Submission
from tipstaff.intake.spool import Accepted
from tipstaff.kernel import bulk
from tipstaff.kernel.errors import InputError, Problem, Refused
from tipstaff.kernel.text import storable, storable_document

CLAIM = timedelta(minutes=10)
FEED_SUFFIXES = (".csv", ".csv.gz", ".csv.zip", ".jsonl", ".ndjson")


def ensure_source(*, name: str, kind: str, now: datetime) -> Source:
    source, _ = Source.objects.get_or_create(name=name, defaults={"kind": kind, "created_at": now})
    return source


def accept(*, items: Sequence[Accepted], claimed_by: str = "", now: datetime) -> list[UUID]:
    """Commit accepted submissions with their evidence; returns the ids that are new, in order.

    What is there already (the spool file outlived its commit) is left alone. ``claimed_by`` keeps the new ones for the
    caller, who goes on with them at once.
    """
    if not items:
        return []
    with transaction.atomic():
        sources = {name: ensure_source(name=name, kind=kind, now=now) for name, kind in {(i.source, i.kind) for i in items}}
        known = _known([item.id for item in items])
        fresh = list({item.id: item for item in items if item.id not in known}.values())
        plain = [Plain(item.content, evidence_class=class_of(item.kind, item.filename), digest=item.digest) for item in fresh]
        blobs = keep(items=plain, now=now)
        added = _insert(fresh, blobs, sources, claimed_by, now) if fresh else []
        for source in sources.values():
            newest = max(item.received_at for item in items if item.source == source.name)
            Source.objects.filter(pk=source.pk).update(last_received_at=newest, last_ok_at=now, last_error="", silent_since=None)
    return added


def _known(numbers: Sequence[UUID]) -> set[UUID]:
    with connection.cursor() as cursor:  # one text to bind, where a list of 500 costs more than all else here
        cursor.execute("SELECT id FROM intake_submission WHERE id = ANY(%s::uuid[])", [bulk.array_of_values(numbers)])
        return {row[0] for row in cursor.fetchall()}


def class_of(kind: str, filename: str) -> str:
    """The retention class of what comes from that kind of source under that name."""
    return "feed" if kind == "pull" or filename.lower().endswith(FEED_SUFFIXES) else "mail"


def _insert(fresh: Sequence[Accepted], blobs: list[int], sources: dict[str, Source], claimed_by: str, now: datetime) -> list[UUID]:
    until = now + CLAIM if claimed_by else None
    rows = [
        (
            item.id,
            sources[item.source].pk,
            storable(item.source_ref),
            blob,
            storable(item.filename),
            item.received_at,
            storable_document(item.envelope),
            claimed_by,
            until,
        )
        for item, blob in zip(fresh, blobs, strict=True)
    ]
    with connection.cursor() as cursor:
        numbers, source, refs, blob_ids, names, moments, envelopes, claims, untils = zip(*rows, strict=True)
        cursor.execute(
            """INSERT INTO intake_submission (id, source_id, source_ref, blob_id, filename, received_at, envelope, claimed_by,
                   claimed_until, state, disposition, reason, trace, subject, sender, attempts, decided_by, case_ref)
               SELECT *, 'received', '', '', '[]'::jsonb, '', '', 0, '', ''
               FROM ROWS FROM (unnest(%s::uuid[]), unnest(%s::bigint[]), unnest(%s::text[]), unnest(%s::bigint[]),
                   unnest(%s::text[]), unnest(%s::timestamptz[]),
                   jsonb_array_elements(%s::jsonb), unnest(%s::text[]), unnest(%s::timestamptz[]))
               ON CONFLICT DO NOTHING RETURNING id""",
            [
                *[bulk.array_of_values(numbers), bulk.array_of_values(source), bulk.array_of_texts(refs)],
                *[bulk.array_of_values(blob_ids), bulk.array_of_texts(names), bulk.array_of_values(moments)],
                orjson.dumps(envelopes, default=str, option=orjson.OPT_NON_STR_KEYS).decode(),
                *[bulk.array_of_texts(claims), bulk.array_of_values(untils)],
            ],
        )
        inserted = {row[0] for row in cursor.fetchall()}
    return [item.id for item in fresh if item.id in inserted]


def claim(*, by: str, most: int, now: datetime, most_bytes: int = 64 << 20) -> list[Submission]:
    """Take waiting submissions for this worker, oldest first, at most so many and so large (one always).

    A claim lapses, so what a killed worker held comes back.
    """
    with transaction.atomic():
        waiting = Submission.objects.filter(state="received").exclude(claimed_until__gt=now)
        found = waiting.select_for_update(skip_locked=True, of=("self",)).order_by("received_at")[:most]
        chosen: list[Submission] = []
        size = 0
        for submission in found.select_related("blob", "source"):
            size += submission.blob.size
            if chosen and size > most_bytes:
                break
            chosen.append(submission)
        Submission.objects.filter(pk__in=[s.pk for s in chosen]).update(claimed_by=by, claimed_until=now + CLAIM)
    return chosen


def attempt(*, submissions: Sequence[UUID]) -> None:
    """Count one more try, committed before it begins: what kills its worker again and again is found by the count."""
    Submission.objects.filter(pk__in=submissions).update(attempts=F("attempts") + 1)


def release_claims(*, by: str) -> int:
    """Give back what this worker holds and cannot go on with, because the database went away in the middle."""
    return Submission.objects.filter(state="received", claimed_by=by).update(claimed_by="", claimed_until=None)


def correct(*, submission: Submission, field: str, before: Any, after: Any, by: str, now: datetime, note: str = "") -> Correction:
    """Keep what a person set right; the figures count it."""
    return Correction.objects.create(
        submission=submission,
        field=field,
        before=before,
        after=after,
        sender=submission.sender,
        note=note,
        by=by,
        at=now,
    )


def decide(*, submission: Submission, state: str, reason: str, by: str, now: datetime, case_ref: str = "") -> None:
    """A person says what becomes of a submission: set_aside, or back to be parsed again (received)."""
    if submission.state == "sealed":
        raise Refused("a sealed submission is decided in the sealed queue by its two roles")
    if state not in {"set_aside", "received", "parsed"}:
        raise Refused(f"{state!r} is not a decision; choose set_aside, received or parsed")
    Submission.objects.filter(pk=submission.pk).update(
        state=state,
        reason=reason,
        decided_at=now,
        decided_by=by,
        case_ref=case_ref,
        claimed_by="",
        claimed_until=None,
        due_at=None,
    )


def put_off(*, submission: Submission, reason: str, until: datetime, by: str, now: datetime) -> None:
    """It still waits for a person, but not before ``until``: somebody else has the word."""
    Submission.objects.filter(pk=submission.pk).update(reason=reason, due_at=until, decided_at=now, decided_by=by)


def fail(*, submission_id: UUID, reason: str, trace: list[dict[str, Any]], due_at: datetime, now: datetime) -> None:
    """The culprit of a failing batch goes to a person, with what was found so far."""
    Submission.objects.filter(pk=submission_id).update(
        state="failed", reason=storable(reason)[:2000], trace=trace, due_at=due_at, claimed_by="", claimed_until=None
    )


def last_sample(*, source: Source, by: Any, now: datetime) -> tuple[bytes, str]:
    """What the source received last, and what it is called, opened for this member of staff to try a mapping on; on the record.

    Raises InputError where there is nothing that this person may open, Refused where nothing may be opened at all.
    """
    last = queries.last_opened_to(by, source)
    if last is None:
        raise InputError(Problem("sample", f"nothing that {source.name} received can be opened", "give some rows of it"))
    content = read(blob=last.blob, grant=access.open_evidence(by, last), view="trial of a mapping", now=now)
    return content, last.filename


def release_dead_claims(*, host: str, alive: Callable[[int], bool]) -> int:
    """Give back what workers of this host held when they were killed, without waiting for the claim to lapse."""
    held = Submission.objects.filter(state="received", claimed_by__startswith=f"{host}:").values_list("claimed_by", flat=True)
    dead = [name for name in set(held) if not (pid := name.rpartition(":")[2]).isdecimal() or not alive(int(pid))]
    return Submission.objects.filter(state="received", claimed_by__in=dead).update(claimed_by="", claimed_until=None)
