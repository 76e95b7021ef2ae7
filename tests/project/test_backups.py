"""What was backed up comes back, whole or not at all; an older database is carried over."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.project.instances import ROOT, Instance
from tipstaff.audit import anchors
from tipstaff.audit.chain import Head
from tipstaff.kernel.errors import InputError
from tipstaff.project import backups, connections, heads
from tipstaff.project.postgres import MAJOR, Cluster, make_state
from tipstaff.project.processes import wait_until

pytestmark = pytest.mark.slow
SESSION = "INSERT INTO django_session VALUES ('alice', 'on duty', now())"
UNSEALED = "SELECT count(*) FROM audit_entry e WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.entry_id = e.id)"
ENTRY = "INSERT INTO audit_entry (at, actor, action, subject, reason, detail) VALUES (now(), 'alice', 'a', 's', 'r', '{}')"
BLOB = """INSERT INTO evidence_blob (sha256, size, media_type, evidence_class, pack, "offset", length, wrapped_key, stored_at)
    VALUES ('a', 1, '', 'mail', '2026/11/a.pack', 0, 6000, 'key', now())"""


def tipstaff(state: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return subprocess.run(
        [sys.executable, "-m", "tipstaff.project.cli", *words],
        env=environment | {"TIPSTAFF_STATE": str(state)}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def rows(state: Path, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(connections.embedded_url(state, connections.APP)) as connection:
        return connection.execute(query).fetchall()


def work(state: Path) -> None:
    """A day's work: rows as the application's role, a pack of evidence, a file of the spool that could not be read."""
    with psycopg.connect(connections.embedded_url(state, connections.APP)) as connection:
        connection.execute(SESSION)
        connection.execute(ENTRY)
        connection.execute(BLOB)
    for name, content in (("evidence/2026/11/a.pack", b"sealed" * 1000), ("spool/b.msg.broken", b"{}\nReceived: x")):
        (state / name).parent.mkdir(parents=True, exist_ok=True)
        (state / name).write_bytes(content)
    (state / "evidence.key").write_text("key")


@pytest.fixture(scope="module")
def worked(open_place: Path) -> Iterator[tuple[Instance, Path]]:
    instance = Instance(open_place / "worked").start()
    try:
        instance.ready()
        work(instance.state)
        assert wait_until(lambda: rows(instance.state, UNSEALED) == [(0,)], 60), "the sealer seals each second"
        file = open_place / "monday.backup"
        made = tipstaff(instance.state, "backup", str(file))
        assert made.returncode == 0, made.stderr
        assert instance.stop() == 0
        yield instance, file
    finally:
        instance.kill_everything()


def test_a_backup_is_for_our_eyes_only(worked: tuple[Instance, Path]) -> None:
    assert worked[1].stat().st_mode & 0o077 == 0
    assert not list(worked[1].parent.glob("*.partial"))


def test_a_backup_says_how_far_the_record_goes(worked: tuple[Instance, Path]) -> None:
    manifest = backups.check(worked[1])
    number, chained = manifest["record"]["number"], manifest["record"]["chained"]
    assert number >= 1 and len(chained) == 64 and f"the record sealed to {number} {chained[:16]}" in backups.describe(manifest)
    with tarfile.open(worked[1]) as archive:
        kept = archive.extractfile(heads.NAME)
        assert kept is not None and json.loads(kept.read().splitlines()[-1])["number"] == number


def test_a_restore_says_what_of_the_record_is_missing(worked: tuple[Instance, Path], open_place: Path) -> None:
    """A head from after the backup lies in the new state directory; the restored database does not reach it."""
    again = Instance(open_place / "lacking")
    again.state.mkdir(parents=True, mode=0o755)
    number = backups.check(worked[1])["record"]["number"]
    (again.state / heads.NAME).write_text(
        anchors.line_of(Head(number + 40, "ab" * 32), datetime(2026, 11, 3, tzinfo=UTC)) + "\n{tor"
    )
    restored = tipstaff(again.state, "restore", str(worked[1]))
    assert restored.returncode == 4, restored.stderr
    assert (
        f"head {number + 40}, kept at 2026-11-03" in restored.stderr and "its 40 entries after that are missing" in restored.stderr
    )
    kept = [json.loads(line)["number"] for line in (again.state / heads.NAME).read_text().splitlines() if line.endswith("}")]
    assert kept[-1] == number + 40 and number in kept, "the backup's heads lie beside those that were there"
    try:
        again.start().ready()
        verified = tipstaff(again.state, "audit", "verify")
        assert verified.returncode == 1 and f"has number {number + 40}; the chain ends at" in verified.stdout
    finally:
        again.kill_everything()


def test_a_restored_instance_works_and_holds_everything(worked: tuple[Instance, Path], open_place: Path) -> None:
    again = Instance(open_place / "again")
    restored = tipstaff(again.state, "restore", str(worked[1]))
    assert restored.returncode == 0 and "missing" not in restored.stderr, restored.stderr
    for name in ("evidence/2026/11/a.pack", "spool/b.msg.broken", "evidence.key", "secret.key"):
        assert (again.state / name).read_bytes() == (worked[0].state / name).read_bytes()
    try:
        again.start().ready()
        assert rows(again.state, "SELECT session_data FROM django_session") == [("on duty",)]
        assert rows(again.state, "SELECT actor FROM audit_entry WHERE action = 'a'") == [("alice",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(again.state, "UPDATE audit_entry SET actor = 'bob' RETURNING 1")
        assert again.stop() == 0
    finally:
        again.kill_everything()


def test_a_restore_refuses_a_state_that_holds_something(worked: tuple[Instance, Path]) -> None:
    refused = tipstaff(worked[0].state, "restore", str(worked[1]))
    assert refused.returncode == 1 and "already holds evidence" in refused.stderr


@pytest.mark.parametrize("damage", ["a byte", "the end", "everything"])
def test_a_damaged_backup_writes_nothing(worked: tuple[Instance, Path], open_place: Path, damage: str) -> None:
    content = bytearray(worked[1].read_bytes())
    with tarfile.open(worked[1]) as archive:
        pack = archive.getmember("evidence/2026/11/a.pack")
    if damage == "a byte":
        content[pack.offset_data + 100] ^= 1
    elif damage == "the end":
        del content[-20_000:]
    else:
        content = bytearray(b"no archive at all")
    broken = open_place / "broken.backup"
    broken.write_bytes(content)
    state = open_place / "untouched"
    refused = tipstaff(state, "restore", str(broken))
    assert refused.returncode == 1 and "broken.backup" in refused.stderr
    assert "use another backup" in refused.stderr or "cannot be read" in refused.stderr
    assert not state.exists()


def test_a_forged_backup_writes_nothing_outside(open_place: Path) -> None:
    forged = open_place / "forged.backup"
    sums: dict[str, str] = {}
    with tarfile.open(forged, "w") as archive:
        for name, content in ((backups.MANIFEST, b'{"format": 1}'), ("evidence/../../escaped", b"x"), (backups.SUMS, b"")):
            content = content or json.dumps(sums).encode()
            sums[name] = hashlib.sha256(content).hexdigest()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(InputError, match="leads outside"):
        backups.check(forged)  # before anything is written
    with pytest.raises(InputError, match="leads outside"):
        backups._extract(forged, open_place / "forged", {"evidence"})
    assert not (open_place / "escaped").exists()


FILE, OUTSIDE = tarfile.REGTYPE, "leads outside"


@pytest.mark.parametrize(("name", "kind", "words"), [
    ("/etc/passwd", FILE, OUTSIDE), ("evidence//etc/passwd", FILE, OUTSIDE), ("", FILE, OUTSIDE), ("./spool", FILE, OUTSIDE),
    ("evidence", tarfile.SYMTYPE, "plain file"), ("evidence/a", tarfile.LNKTYPE, "plain file"),
    ("evidence/a", tarfile.CHRTYPE, "plain file"), ("twice", FILE, "twice"),
])  # fmt: skip
def test_a_backup_holds_plain_files_of_names_of_ours_each_once(tmp_path: Path, name: str, kind: bytes, words: str) -> None:
    forged = tmp_path / "forged.backup"
    with tarfile.open(forged, "w") as archive:
        for path, form in (("twice", tarfile.REGTYPE), (name, kind)):
            member = tarfile.TarInfo(path)
            member.type, member.linkname = form, "/etc/passwd"
            archive.addfile(member, io.BytesIO())
    with pytest.raises(InputError, match=words):
        backups.check(forged)


def test_a_backup_replaces_no_file(worked: tuple[Instance, Path]) -> None:
    before = worked[1].read_bytes()
    refused = tipstaff(worked[0].state, "backup", str(worked[1]))
    assert refused.returncode == 1 and "already exists" in refused.stderr
    assert worked[1].read_bytes() == before


def test_a_backup_of_a_stopped_instance_without_keys(worked: tuple[Instance, Path], open_place: Path) -> None:
    file = open_place / "without.backup"
    made = tipstaff(worked[0].state, "backup", str(file), "--without-keys")
    assert made.returncode == 0, made.stderr
    with tarfile.open(file) as archive:
        names = archive.getnames()
    assert "database.dump" in names and "evidence.key" not in names and "secret.key" not in names
    assert not (worked[0].state / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("left", [None, 5999])
def test_a_backup_names_the_evidence_that_it_lacks(worked: tuple[Instance, Path], open_place: Path, left: int | None) -> None:
    pack, file = worked[0].state / "evidence" / "2026" / "11" / "a.pack", open_place / f"lacking-{left}.backup"
    whole = pack.read_bytes()
    try:
        pack.unlink()
        if left:
            pack.write_bytes(whole[:left])
        made = tipstaff(worked[0].state, "backup", str(file))
    finally:
        pack.write_bytes(whole)
    assert made.returncode == 4 and "evidence 2026/11/a.pack is not in the store, or not whole" in made.stderr
    backups.check(file)  # what there is, is kept all the same


def test_an_older_database_is_refused_then_carried_over(open_place: Path) -> None:
    state = open_place / "old"
    make_state(state)
    old = Cluster(state, major=16)
    old.start()
    try:
        made = tipstaff(state, "db", "migrate")
        assert made.returncode == 0, made.stderr
        work(state)
    finally:
        old.stop()
    refused = tipstaff(state, "up")
    assert refused.returncode == 1
    assert f"holds a PostgreSQL 16 database, this Tipstaff runs {MAJOR}" in refused.stderr
    assert "tipstaff db upgrade" in refused.stderr
    upgraded = tipstaff(state, "db", "upgrade")
    assert upgraded.returncode == 0, upgraded.stderr
    assert (state / "postgres-16-kept" / "PG_VERSION").read_text().strip() == "16"
    assert "nothing to do" in tipstaff(state, "db", "upgrade").stdout
    instance = Instance(state)
    try:
        instance.start().ready()
        assert rows(state, "SELECT session_data FROM django_session") == [("on duty",)]
        assert instance.stop() == 0
    finally:
        instance.kill_everything()
