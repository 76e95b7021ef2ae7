"""``tipstaff audit``: tampering by somebody with the owner's rights is found and placed; exports stand by themselves."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from django.db import connection

from tipstaff.audit import anchors, reading
from tipstaff.audit.models import Entry, Seal
from tipstaff.audit.sealer import seal_all
from tipstaff.audit.services import record
from tipstaff.audit.verifying import verify
from tipstaff.faces.cli.audit import audit

NOW = datetime(2026, 6, 15, 8, tzinfo=UTC)


@pytest.fixture
def chained(transactional_db, settings, tmp_path):
    settings.STATE = tmp_path
    for number in range(1, 11):
        record(by="alice", action="case.close", subject=f"case:{number}", now=NOW, reason="fixed", number=number)
    seal_all(now=NOW)
    anchors.keep(reading.head(), now=NOW)
    return list(Seal.objects.order_by("number").values_list("entry_id", flat=True))


def run(*arguments: str):
    return CliRunner().invoke(audit, list(arguments))


def test_sound(chained) -> None:
    answer = run("verify")
    assert answer.exit_code == 0 and "10 sealed, head 10 " in answer.stdout and "the record is sound" in answer.stdout
    assert "1 heads kept elsewhere were compared" in answer.stdout


ENTRY = {
    "at": "at + interval '1 microsecond'", "actor": "'bob'", "action": "action || '.'", "subject": "'case:99'",
    "reason": "''", "detail": "detail || '{\"more\": 1}'",
}  # fmt: skip


@pytest.mark.parametrize("column", ENTRY)
def test_a_changed_entry_is_named(chained, owner, column) -> None:
    owner.execute(f"UPDATE audit_entry SET {column} = {ENTRY[column]} WHERE id = %s", [chained[3]])
    owner.commit()
    assert [(fault.number, fault.entry_id, fault.kind) for fault in verify().faults] == [(4, chained[3], "changed")]
    answer = run("verify")
    assert answer.exit_code == 1
    assert f"number 4: changed: entry {chained[3]} is not what was sealed" in answer.stdout


SEAL = {
    "sealed_at": "sealed_at + interval '1 second'", "digest": "sha256('x')", "previous": "sha256('x')", "chained": "sha256('x')",
    "number": "number + 100", "entry_id": "%s",
}  # fmt: skip


@pytest.mark.parametrize("column", SEAL)
def test_a_changed_seal_is_named(chained, owner, column) -> None:
    other = record(by="bob", action="x", subject="x", now=NOW).pk
    owner.execute(f"UPDATE audit_seal SET {column} = {SEAL[column].replace('%s', str(other))} WHERE number = 6")
    owner.commit()
    faults = verify().faults
    assert faults and faults[0].number == 6
    assert run("verify").exit_code == 1


def test_deleted_entries_and_seals_are_named(chained, owner) -> None:
    owner.execute("DELETE FROM audit_seal WHERE number IN (3, 4)")
    owner.commit()
    assert (3, "gap") in [(fault.number, fault.kind) for fault in verify().faults]
    assert verify().tail.count == 2  # their entries have no seal any more


def test_a_deleted_entry_is_named(chained, owner) -> None:
    owner.execute("DELETE FROM audit_entry WHERE id = %s", [chained[4]])
    owner.commit()
    assert [(fault.number, fault.kind) for fault in verify().faults] == [(5, "missing")]


def test_a_cut_end_shows_beside_the_kept_head_only(chained, owner) -> None:
    owner.execute("DELETE FROM audit_seal WHERE number > 7")
    owner.execute("DELETE FROM audit_entry WHERE id > %s", [chained[6]])
    owner.commit()
    assert [(fault.number, fault.kind) for fault in verify().faults] == [(10, "cut")]
    anchors.default_path().unlink()
    answer = run("verify")
    assert answer.exit_code == 0 and "a cut at the end cannot be seen" in answer.stdout


def test_a_head_of_an_earlier_export_serves_as_an_anchor(chained, owner, tmp_path) -> None:
    run("export", str(tmp_path / "court"))
    anchors.default_path().unlink()
    owner.execute("DELETE FROM audit_seal WHERE number > 7")
    owner.commit()
    answer = run("verify", "--anchor", str(tmp_path / "court" / "manifest.json"), "--json")
    told = json.loads(answer.stdout)
    assert answer.exit_code == 1 and [fault["kind"] for fault in told["faults"]] == ["cut"]
    assert told["unsealed"]["count"] == 4  # three that lost their seals, and the export's own entry


def test_entries_slipped_in_show_as_unsealed(chained, owner) -> None:
    owner.execute(
        "INSERT INTO audit_entry (id, at, actor, action, subject, reason, detail)"
        " OVERRIDING SYSTEM VALUE VALUES (-5, now(), 'x', 'x', 'x', '', '{}')"
    )
    owner.commit()
    assert (verify().tail.count, verify().tail.first) == (1, -5)


def test_an_export_is_checked_by_the_script_in_it(chained, tmp_path) -> None:
    directory = tmp_path / "court"
    assert "10 entries, head 10 " in run("export", str(directory)).stdout
    assert sorted(path.name for path in directory.iterdir()) == ["audit.jsonl", "manifest.json", "verify_audit.py"]
    command = [sys.executable, "-I", "-S", str(directory / "verify_audit.py"), str(directory)]
    said = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert (said.returncode, said.stdout) == (0, "SOUND\n"), said.stderr
    lines = (directory / "audit.jsonl").read_text().splitlines(keepends=True)
    (directory / "audit.jsonl").write_text("".join(lines[:5] + lines[6:]))
    said = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert said.returncode == 1 and "FAULT line 6: number 7 stands where 6 is due" in said.stdout
    assert Entry.objects.get(action="audit.export").detail["count"] == 10


def test_a_part_is_exported_and_hangs_on_what_was_before(chained, tmp_path) -> None:
    run("export", str(tmp_path / "part"), "--from", "4", "--to", "6")
    manifest = json.loads((tmp_path / "part" / "manifest.json").read_text())
    assert (manifest["after"]["number"], manifest["head"]["number"], manifest["count"]) == (3, 6, 3)
    command = [sys.executable, str(tmp_path / "part" / "verify_audit.py"), str(tmp_path / "part"), str(anchors.default_path())]
    said = subprocess.run(command, capture_output=True, text=True)
    assert said.stdout == "FAULT number 10 was kept elsewhere and is not here\nNOT SOUND\n"
    assert "is not empty" in str(run("export", str(tmp_path / "part")).exception)
    assert "there is no number 98" in str(run("export", str(tmp_path / "x"), "--from", "99").exception)


def test_the_head_is_printed_and_kept(chained, tmp_path) -> None:
    place = tmp_path / "elsewhere" / "heads.jsonl"
    line = json.loads(run("head", "--keep", str(place)).stdout)
    assert line["number"] == 10 and len(line["chained"]) == 64
    with place.open("a") as handle:
        handle.write('{"at": "2026-0')  # somebody was killed here
    run("head", "--keep", str(place))
    assert [head.number for head in anchors.read([place])] == [10, 10]


def test_the_unsealed_tail_is_told(chained) -> None:
    entry = record(by="alice", action="x", subject="x", now=NOW)
    assert f"1 not sealed yet, from entry {entry.pk}, the earliest of 2026-06-15T08:00:00" in run("verify").stdout
    assert run("seal").stdout == "1 sealed\n"
    assert "nothing waits for its seal" in run("verify").stdout
    assert connection.in_atomic_block is False
