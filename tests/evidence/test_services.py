"""Evidence is kept once, opens only with a grant and on the record, shows tampering, and goes when its time is over."""

import os
import resource
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError, transaction
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings

from tests.house.source import ROOT
from tipstaff.audit.models import Entry
from tipstaff.evidence import services, stores
from tipstaff.evidence.access import Grant, grant
from tipstaff.evidence.models import Blob, Hold, Opening
from tipstaff.evidence.services import Plain, expire, keep, place_hold, read, release_hold, sweep_orphans, verify
from tipstaff.kernel.errors import NotFound, Refused

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=3000)


@pytest.fixture(autouse=True)
def store(tmp_path):
    """A state of its own, with a key of its own, for each test."""
    from tipstaff.evidence import sealing

    before = settings.STATE
    settings.STATE = tmp_path
    sealing._from_file.cache_clear()
    yield stores.LocalStore(tmp_path / "evidence")
    settings.STATE = before
    sealing._from_file.cache_clear()


def kept(*contents, now=NOW, **more):
    return [Blob.objects.get(pk=pk) for pk in keep(items=[Plain(content, **more) for content in contents], now=now)]


def opened(blob, actor="alice"):
    return read(blob=blob, grant=grant(blob=blob, actor=actor, basis="case:1 analyst"), view="raw", now=NOW)


def pack_of(store, blob) -> Path:
    return store.root / blob.pack


def faults():
    return [fault for fault in verify() if fault]


@hypothesis_settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(strategies.lists(strategies.binary(max_size=200), min_size=1, max_size=8))
def test_whatever_is_kept_comes_back_and_equal_bytes_share_a_blob(contents):
    blobs = kept(*contents)
    assert [opened(blob) for blob in blobs] == contents
    assert len({blob.pk for blob in blobs}) == len(set(contents))
    assert not faults()


def test_equal_bytes_share_a_blob_across_calls_and_write_nothing(store):
    first = kept(b"one")[0]
    assert kept(b"one", now=NOW + timedelta(days=1))[0].pk == first.pk
    assert list(store.names()) == [first.pack]


def test_the_store_shows_neither_the_bytes_nor_the_key(store):
    content = b"Subject: a complaint about 192.0.2.7\r\n\r\n" * 10
    blob = kept(content)[0]
    raw = pack_of(store, blob).read_bytes()
    assert content[:16] not in raw and len(raw) == len(content) + 16
    assert pack_of(store, blob).stat().st_mode & 0o077 == 0 and store.root.stat().st_mode & 0o077 == 0


def test_nothing_opens_without_a_grant_for_that_very_blob():
    first, second = kept(b"one", b"two")
    with pytest.raises(Refused):
        read(blob=first, grant=grant(blob=second, actor="alice", basis="case:1"), view="raw", now=NOW)
    with pytest.raises(Refused):
        grant(blob=first, actor="", basis="case:1")
    with pytest.raises(Refused):
        grant(blob=first, actor="alice", basis="")
    assert not Opening.objects.exists()


def test_each_opening_is_on_the_record_even_when_it_fails(store):
    blob = kept(b"one")[0]
    opened(blob)
    pack_of(store, blob).unlink()
    with pytest.raises(NotFound):
        opened(blob, actor="bob")
    assert list(Opening.objects.order_by("id").values_list("actor", "grant", "view")) == [
        ("alice", "case:1 analyst", "raw"),
        ("bob", "case:1 analyst", "raw"),
    ]


def test_the_record_of_openings_cannot_be_changed():
    opened(kept(b"one")[0])
    for act in (lambda: Opening.objects.update(actor="dave"), lambda: Opening.objects.all().delete()):
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            act()


def test_sealed_evidence_takes_no_grant():
    with pytest.raises(Refused, match="sealed"):
        grant(blob=kept(b"x", evidence_class="sealed")[0], actor="bob", basis="lead")


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test_damage_to_a_pack_is_found_and_named(store, damage):
    good, bad = sorted(kept(b"good" * 50, b"evil" * 50), key=lambda blob: blob.offset)
    path = pack_of(store, bad)
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[bad.offset + 7] ^= 1
    path.write_bytes(content[: bad.offset + 20] if damage == "truncate" else content)
    if damage == "delete":
        path.unlink()
    found = {fault.blob: fault.sha256 for fault in faults()}
    assert found.get(bad.pk) == bytes(bad.sha256).hex()
    assert (good.pk in found) == (damage == "delete")


def test_swapped_keys_and_swapped_places_are_found():
    first, second = kept(b"a" * 40, b"b" * 40)
    Blob.objects.filter(pk=first.pk).update(wrapped_key=second.wrapped_key)
    assert [fault.blob for fault in faults()] == [first.pk]
    Blob.objects.filter(pk=first.pk).update(offset=second.offset)  # now it decrypts, to other bytes
    assert [fault.blob for fault in faults()] == [first.pk] and "another hash" in faults()[0].what


def test_another_instances_key_opens_nothing(tmp_path):
    from tipstaff.evidence import sealing

    kept(b"one")
    (tmp_path / "evidence.key").unlink()
    sealing._from_file.cache_clear()
    assert "key" in faults()[0].what


def test_retention_follows_the_class():
    blobs = {name: kept(name.encode(), evidence_class=name)[0] for name in ("mail", "feed", "sealed")}
    assert blobs["mail"].retain_until == NOW + timedelta(days=730)
    assert blobs["feed"].retain_until == NOW + timedelta(days=400)
    assert blobs["sealed"].retain_until is None
    assert expire(now=NOW + timedelta(days=500)) == 1
    assert expire(now=LATER) == 1
    blobs["sealed"].refresh_from_db()
    assert blobs["sealed"].wrapped_key is not None


def test_bytes_that_come_again_are_kept_as_long_as_the_last_of_them_asks():
    blob = kept(b"a newsletter that is complained about every year", evidence_class="feed")[0]
    again = NOW + timedelta(days=399)
    kept(b"a newsletter that is complained about every year", now=again)
    blob.refresh_from_db()
    assert (blob.evidence_class, blob.retain_until) == ("mail", again + timedelta(days=730))
    assert expire(now=NOW + timedelta(days=401)) == 0
    kept(b"a newsletter that is complained about every year", now=again, evidence_class="feed")
    blob.refresh_from_db()
    assert blob.evidence_class == "mail"


def test_what_is_sealed_stays_sealed_when_the_same_bytes_come_again():
    kept(b"x", evidence_class="sealed")
    blob = kept(b"x", evidence_class="mail")[0]
    assert (blob.evidence_class, blob.retain_until) == ("sealed", None)


def test_erasing_forgets_the_key_and_the_pack_goes_with_its_last_blob(store, django_capture_on_commit_callbacks):
    first, second = kept(b"one", b"two", evidence_class="feed")
    Blob.objects.filter(pk=second.pk).update(retain_until=LATER)
    with django_capture_on_commit_callbacks(execute=True):
        assert expire(now=NOW + timedelta(days=401)) == 1
    assert pack_of(store, first).exists() and opened(second) == b"two"
    first.refresh_from_db()
    with pytest.raises(NotFound, match="erased"):
        opened(first)
    with django_capture_on_commit_callbacks(execute=True):
        assert expire(now=LATER) == 1
    assert not pack_of(store, first).exists()
    assert Entry.objects.filter(action="evidence.expire").count() == 2


def test_a_pack_is_not_deleted_when_the_erasing_is_not_committed(store):
    blob = kept(b"one")[0]
    with pytest.raises(RuntimeError), transaction.atomic():
        services.erase_unseen(blob=blob, held=services.nobody, reason="test", by="bob", now=NOW)
        raise RuntimeError
    blob.refresh_from_db()
    assert opened(blob) == b"one"


def test_erased_bytes_that_come_again_are_stored_again():
    blob = kept(b"one")[0]
    expire(now=LATER)
    again = kept(b"one", now=LATER)[0]
    assert again.pk == blob.pk and again.pack != blob.pack and opened(again) == b"one" and again.erased_at is None


@pytest.mark.parametrize("scope", ["all", "blob"])
def test_a_hold_keeps_what_it_names_until_it_is_released(scope):
    first, second = kept(b"one", b"two")
    name = "all" if scope == "all" else f"blob:{bytes(first.sha256).hex()}"
    hold = place_hold(scope=name, reason="court order", by="bob", now=NOW)
    assert expire(now=LATER) == (0 if scope == "all" else 1)
    assert opened(first) == b"one"
    assert not services.erase_unseen(blob=first, held=services.nobody, reason="test", by="bob", now=LATER)
    release_hold(hold=hold, by="bob", reason="lifted", now=LATER)
    assert Hold.objects.get().released_at == LATER
    expire(now=LATER)
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()
    assert set(Entry.objects.values_list("action", flat=True)) >= {"evidence.hold", "evidence.release", "evidence.expire"}


def test_the_caller_names_what_else_is_held():
    first, second = kept(b"one", b"two")
    held = {first.pk}
    assert expire(held=lambda among: held if among is None else held & set(among), now=LATER) == 1
    assert opened(first) == b"one"
    assert not services.erase_unseen(blob=first, held=lambda among: held & set(among), reason="test", by="bob", now=LATER)
    assert opened(first) == b"one" and Entry.objects.filter(action="evidence.kept").count() == 1


def test_packs_of_failed_transactions_are_swept_and_no_others(store):
    with pytest.raises(RuntimeError), transaction.atomic():
        keep(items=[Plain(b"lost")], now=NOW)
        raise RuntimeError
    blob = kept(b"stays")[0]
    assert len(list(store.names())) == 2
    assert sweep_orphans(older_than=NOW) == 0  # it may belong to a transaction that still runs
    assert sweep_orphans(older_than=NOW + timedelta(days=2)) == 1
    assert list(store.names()) == [blob.pack] and opened(blob) == b"stays"


def test_a_pack_of_erased_blobs_that_survived_a_crash_is_swept(store):
    kept(b"one")
    Blob.objects.update(wrapped_key=None, erased_at=NOW)
    assert sweep_orphans(older_than=NOW + timedelta(days=2)) == 1 and not list(store.names())


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from tipstaff.evidence.stores import LocalStore
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LocalStore(Path(sys.argv[1]))
    store.put("2026/06/15/small.pack", b"x" * 1000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        store.put("2026/06/15/large.pack", b"x" * 100_000)
    except OSError as error:
        print("refused", error.errno)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    assert resource.RLIMIT_FSIZE is not None
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)], capture_output=True, text=True, cwd=ROOT,
                          env=os.environ | {"DJANGO_SETTINGS_MODULE": ""}, check=True, timeout=60)  # fmt: skip
    assert done.stdout.startswith("refused"), done.stderr
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["small.pack"]


def test_many_readers_go_on_past_one_bad_blob(store):
    good, bad = kept(b"good")[0], kept(b"bad")[0]
    pack_of(store, bad).unlink()
    faulty = []
    found = services.read_many(
        blobs=[bad, good], actor="w", now=NOW, on_fault=lambda blob, error: faulty.append((blob.pk, str(error)))
    )
    assert list(found) == [(good, b"good")]
    assert faulty[0][0] == bad.pk and "not in the store" in faulty[0][1]
    with pytest.raises(NotFound):
        list(services.read_many(blobs=[bad], actor="w", now=NOW))


def test_a_grant_is_a_plain_value_that_names_its_reason():
    blob = kept(b"one")[0]
    assert grant(blob=blob, actor="alice", basis="case:7 analyst") == Grant(blob.pk, "alice", "case:7 analyst")
