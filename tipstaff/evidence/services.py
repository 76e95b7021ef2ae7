"""Keeping, opening, verifying and erasing evidence."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from tipstaff.audit.services import record
from tipstaff.evidence import sealing, stores
from tipstaff.evidence.access import Grant
from tipstaff.evidence.models import Blob, Hold, Opening
from tipstaff.kernel import bulk
from tipstaff.kernel.errors import NotFound, Refused, TipstaffError
from tipstaff.kernel.ids import new_id

#: Retention by class; an operator's own comes from the settings of the instance. None: kept until erased by hand.
RETENTION: dict[str, timedelta | None] = {
    "mail": timedelta(days=730),
    "feed": timedelta(days=400),
    "document": timedelta(days=730),
    "sealed": None,
}

#: Which of these blobs (None: of all) a hold on a case, a customer or a report reaches: pipeline/holds.py knows.
Reach = Callable[[Sequence[int] | None], Collection[int]]


@dataclass(frozen=True)
class Plain:
    """Bytes to be kept."""

    content: bytes
    media_type: str = ""
    evidence_class: str = "mail"
    digest: bytes = b""  # SHA-256 of the content, where the caller has it


@dataclass(frozen=True)
class Fault:
    """What `tipstaff evidence verify` found wrong with one blob."""

    blob: int
    sha256: str
    what: str


def keep(*, items: Sequence[Plain], now: datetime) -> list[int]:
    """Store bytes durably and return the blob id of each, in order. Equal bytes share a blob, kept as long as its last use asks.

    All new blobs go into one pack with one fsync. The rows belong to the caller's transaction; a pack whose
    transaction fails is an orphan that ``sweep_orphans`` removes.
    """
    digests = [item.digest or hashlib.sha256(item.content).digest() for item in items]
    known = _known(digests)
    _keep_longer(items, digests, known, now)
    fresh = {digest: item for digest, item in zip(digests, items, strict=True) if digest not in known}
    if fresh:
        _insert(_pack(fresh, now))
        known |= _known(list(fresh))  # a concurrent writer may have stored the same bytes first
    return [known[digest] for digest in digests]


def _known(digests: Sequence[bytes]) -> dict[bytes, int]:
    with connection.cursor() as cursor:
        # Locked, so that what expires at this moment is either gone for us too, or stays.
        cursor.execute(
            """SELECT sha256, id FROM evidence_blob WHERE sha256 = ANY(%s::bytea[]) AND wrapped_key IS NOT NULL
               ORDER BY id FOR NO KEY UPDATE""",
            [bulk.array_of_bytes(digests)],
        )
        return {bytes(digest): number for digest, number in cursor.fetchall()}


def _until(item: Plain, now: datetime) -> datetime | None:
    period = RETENTION.get(item.evidence_class, RETENTION["mail"])
    return now + period if period else None


def _keep_longer(items: Sequence[Plain], digests: Sequence[bytes], known: Mapping[bytes, int], now: datetime) -> None:
    """Bytes that came again are kept as if they had come now; what is sealed stays as it is."""
    wanted = {
        known[digest]: (item.evidence_class, _until(item, now))
        for digest, item in zip(digests, items, strict=True)
        if digest in known
    }
    if not wanted:
        return
    classes, moments = zip(*wanted.values(), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE evidence_blob b SET retain_until = u.until, evidence_class = u.class
               FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS u(id, class, until)
               WHERE b.id = u.id AND b.retain_until < coalesce(u.until, 'infinity')""",
            [list(wanted), list(classes), list(moments)],
        )


def _pack(fresh: dict[bytes, Plain], now: datetime) -> list[tuple]:
    master, name, body, rows, at = sealing.master_key(), f"{now:%Y/%m/%d}/{new_id(now)}.pack", [], [], 0
    for digest, item in sorted(fresh.items()):  # in one order everywhere, so that two writers never wait for each other
        ciphertext, wrapped = sealing.seal(item.content, master)
        rows.append(
            (
                digest,
                len(item.content),
                item.media_type,
                item.evidence_class,
                name,
                at,
                len(ciphertext),
                wrapped,
                now,
                _until(item, now),
            )
        )
        body.append(ciphertext)
        at += len(ciphertext)
    stores.configured().put(name, b"".join(body))
    return rows


def _insert(rows: list[tuple]) -> None:
    columns = list(zip(*rows, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO evidence_blob (sha256, size, media_type, evidence_class, pack, "offset", length, wrapped_key,
                                          stored_at, retain_until)
               SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[],
                                    %s::bytea[], %s::timestamptz[], %s::timestamptz[])
               ON CONFLICT (sha256) DO UPDATE SET wrapped_key = excluded.wrapped_key, pack = excluded.pack,
                   "offset" = excluded."offset", length = excluded.length, stored_at = excluded.stored_at,
                   retain_until = excluded.retain_until, erased_at = NULL
               WHERE evidence_blob.wrapped_key IS NULL""",
            [
                *[bulk.array_of_bytes(columns[0]), bulk.array_of_values(columns[1]), *map(bulk.array_of_texts, columns[2:5])],
                *[*map(bulk.array_of_values, columns[5:7]), bulk.array_of_bytes(columns[7])],
                *map(bulk.array_of_values, columns[8:]),
            ],
        )


def read(*, blob: Blob, grant: Grant, view: str, now: datetime) -> bytes:
    """The plain bytes, checked against their hash. The opening goes on the record before anything is shown."""
    if grant.blob_id != blob.pk:
        raise Refused("this grant opens another piece of evidence")
    Opening.objects.create(blob=blob, at=now, actor=grant.actor, grant=grant.basis, view=view)
    if not grant.actor.startswith("system"):  # somebody sees who complained
        name = f"blob:{bytes(blob.sha256).hex()}"
        record(by=grant.actor, action="evidence.open", subject=name, now=now, grant=grant.basis, view=view)
    return _plain(blob)


def _plain(blob: Blob) -> bytes:
    if blob.wrapped_key is None:
        raise NotFound(f"evidence {bytes(blob.sha256).hex()} was erased at {blob.erased_at:%Y-%m-%d}")
    stored = stores.configured().get(blob.pack, blob.offset, blob.length)
    content = sealing.unseal(stored, bytes(blob.wrapped_key), sealing.master_key())
    if hashlib.sha256(content).digest() != bytes(blob.sha256):
        raise sealing.Tampered(f"evidence {bytes(blob.sha256).hex()} has another hash than when it was stored")
    return content


def read_many(
    *, blobs: Iterable[Blob], actor: str, now: datetime, on_fault: Callable[[Blob, TipstaffError], None] | None = None
) -> Iterator[tuple[Blob, bytes]]:
    """For the worker that parses: one opening each, recorded together. What is missing or was changed raises, or goes to
    ``on_fault``, so that one bad blob does not stop the others."""
    blobs = list(blobs)
    Opening.objects.bulk_create([Opening(blob=blob, at=now, actor=actor, grant="worker", view="parse") for blob in blobs])
    for blob in blobs:
        try:
            content = _plain(blob)
        except (NotFound, sealing.Tampered) as error:
            if on_fault is None:
                raise
            on_fault(blob, error)
        else:
            yield blob, content


def verify(*, limit: int | None = None) -> Iterator[Fault | None]:
    """Check every blob that has a key: present, decrypts, hashes to its name. Yields None for a sound one."""
    for blob in Blob.objects.filter(wrapped_key__isnull=False).order_by("pack", "offset")[:limit].iterator(chunk_size=500):
        name = bytes(blob.sha256).hex()
        try:
            _plain(blob)
        except (NotFound, sealing.Tampered) as error:
            yield Fault(blob.pk, name, str(error))
        else:
            yield None


def place_hold(*, scope: str, reason: str, by: str, now: datetime) -> Hold:
    """Nothing in ``scope`` is erased until the hold is released."""
    with transaction.atomic():
        hold = Hold.objects.create(scope=scope, reason=reason, placed_by=by, placed_at=now)
        record(by=by, action="evidence.hold", subject=scope, reason=reason, now=now, hold=hold.pk)
    return hold


def release_hold(*, hold: Hold, by: str, reason: str, now: datetime) -> None:
    with transaction.atomic():
        Hold.objects.filter(pk=hold.pk, released_at__isnull=True).update(released_at=now)
        record(by=by, action="evidence.release", subject=hold.scope, reason=reason, now=now, hold=hold.pk)


def nobody(blobs: Sequence[int] | None) -> Collection[int]:
    """A reach without holds on cases, customers and reports, which are known above this layer."""
    return ()


def expire(*, held: Reach = nobody, by: str = "system:retention", now: datetime, limit: int = 1000) -> int:
    """Erase at most ``limit`` blobs past their retention, except those that a hold reaches.

    Holds are asked for in the transaction that erases, after it kept others from being placed: who placed one was either heard, or
    hears that the evidence is gone.
    """
    with transaction.atomic():
        keep_holds_still()
        if Hold.objects.filter(scope="all", released_at__isnull=True).exists():
            return 0
        blob_holds = Hold.objects.filter(scope__startswith="blob:", released_at__isnull=True).values_list("scope", flat=True)
        kept = {bytes.fromhex(scope.removeprefix("blob:")) for scope in blob_holds}
        due = Blob.objects.filter(retain_until__lte=now, wrapped_key__isnull=False).exclude(pk__in=held(None))
        chosen = due.exclude(sha256__in=kept).order_by("retain_until")[:limit].select_for_update(skip_locked=True)
        return _erase(list(chosen), by=by, now=now)


def keep_holds_still() -> None:
    """Until the transaction ends no hold is placed or released; those placed before are seen from here on."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE evidence_hold IN SHARE MODE")


def _erase(blobs: list[Blob], *, by: str, now: datetime) -> int:
    """Forget the keys; a pack without any key left goes from the store once that is committed, and not before."""
    packs = {blob.pack for blob in blobs}
    with transaction.atomic():
        Blob.objects.filter(pk__in=[blob.pk for blob in blobs]).update(wrapped_key=None, erased_at=now)
        if blobs:
            record(
                by=by,
                action="evidence.expire",
                subject=f"{len(blobs)} blobs",
                now=now,
                blobs=[blob.pk for blob in blobs],
            )
        empty = packs - set(Blob.objects.filter(pack__in=packs, wrapped_key__isnull=False).values_list("pack", flat=True))
        transaction.on_commit(lambda: _delete(empty))
    return len(blobs)


def _delete(packs: Iterable[str]) -> None:
    for name in packs:
        stores.configured().delete(name)


@transaction.atomic
def erase_unseen(*, blob: Blob, held: Reach, reason: str, by: str, now: datetime) -> bool:
    """Erase one blob now, unless a hold reaches it; the caller says why. True when it is gone."""
    keep_holds_still()
    name = f"blob:{bytes(blob.sha256).hex()}"
    if Hold.objects.filter(released_at__isnull=True, scope__in=["all", name]).exists() or blob.pk in held([blob.pk]):
        record(by=by, action="evidence.kept", subject=name, reason="a hold stands", now=now)
        return False
    record(by=by, action="evidence.erase", subject=name, reason=reason, now=now)
    return bool(_erase([blob], by=by, now=now))


def put_seal_on(*, blob: Blob, reason: str, by: str, now: datetime) -> None:
    """From now on nobody at the desk opens it, and it has no end; who may decide that is known above this layer."""
    Blob.objects.filter(pk=blob.pk).update(evidence_class="sealed", retain_until=None)
    record(by=by, action="evidence.seal", subject=f"blob:{bytes(blob.sha256).hex()}", reason=reason, now=now)


def take_seal_off(*, blob: Blob, evidence_class: str, reason: str, by: str, now: datetime) -> None:
    """Sealed evidence becomes ordinary again, with its retention; who may decide that is known above this layer."""
    period = RETENTION[evidence_class]
    Blob.objects.filter(pk=blob.pk, evidence_class="sealed").update(
        evidence_class=evidence_class, retain_until=now + period if period else None
    )
    record(by=by, action="evidence.unseal", subject=f"blob:{bytes(blob.sha256).hex()}", reason=reason, now=now)


def sweep_orphans(*, older_than: datetime) -> int:
    """Delete packs without a key: of transactions that failed after the pack was written, or erased and not yet deleted."""
    store, gone = stores.configured(), 0
    for name in store.names():
        if name[:10] < f"{older_than:%Y/%m/%d}" and not Blob.objects.filter(pack=name, wrapped_key__isnull=False).exists():
            store.delete(name)
            gone += 1
    return gone
