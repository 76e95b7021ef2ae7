"""Files, folders, mboxes, maildirs and the drop folder."""

import errno
import gzip
import io
import os
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading.open import open_message
from tipstaff.intake.sources import files
from tipstaff.intake.spool import Spool

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
MAIL = (
    "From: rita@example.org\nTo: abuse@example.net\nSubject: complaint {}\n\nSomething about 192.0.2.{}.\n>From here on quoted.\n"
)
POSTMARK = "From rita@example.org Mon Nov  2 10:15:00 2026\n"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def contents(spool: Spool) -> list[bytes]:
    return sorted(item.content for item in spool.read(spool.waiting()))


def mbox(count: int) -> bytes:
    return "".join(POSTMARK + MAIL.format(number, number) + "\n" for number in range(count)).encode()


@pytest.mark.parametrize("pack", [lambda content: content, gzip.compress], ids=["plain", "gzip"])
def test_an_mbox_is_its_mails(tmp_path: Path, spool: Spool, pack) -> None:
    path = tmp_path / "complaints.mbox"
    path.write_bytes(pack(mbox(450)))
    (taken,) = files.receive([path], spool, now=NOW)
    assert len(taken.items) == 450
    assert {item.content for item in taken.items} == {MAIL.format(number, number).encode() for number in range(450)}
    assert taken.items[3].filename == "complaints.mbox#4"


def test_a_mail_with_from_at_a_line_start_stays_whole(tmp_path: Path, spool: Spool) -> None:
    path = tmp_path / "one.mbox"
    path.write_bytes(POSTMARK.encode() + b"Subject: x\n\nSee\n\nFrom the beginning it was spam.\nFrom here 10:15 on\n")
    (taken,) = files.receive([path], spool, now=NOW)
    assert len(taken.items) == 1
    assert taken.items[0].content.endswith(b"From here 10:15 on\n")


def test_a_maildir_is_its_mails_and_flags_do_not_matter(tmp_path: Path, spool: Spool) -> None:
    folder = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "cur" / "1700000001.one:2,S").write_text(MAIL.format(1, 1))
    (folder / "new" / "1700000002.two").write_text(MAIL.format(2, 2))
    (folder / "tmp" / "1700000003.three").write_text("half a mail")
    (taken,) = files.receive(files.files_under([folder]), spool, now=NOW)
    assert len(taken.items) == 2
    (folder / "cur" / "1700000001.one:2,S").rename(folder / "cur" / "1700000001.one:2,RS")
    (again,) = files.receive([folder], spool, now=NOW)
    assert {item.id for item in again.items} == {item.id for item in taken.items}


def test_a_mail_renamed_while_its_maildir_is_read_is_not_missed(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (folder / name).mkdir(parents=True)
    for number in range(4):
        (folder / "new" / f"170000000{number}.m").write_text(MAIL.format(number, number))
    whole, moves = files._whole, {"1700000001.m": "cur/1700000001.m:2,S", "1700000003.m": None}

    def moving(path: Path) -> bytes:
        """A reader of mail takes the mail away in the very moment: one is seen and moved, one deleted."""
        target = moves.pop(path.name, "")
        if target is None:
            path.unlink()
        elif target:
            path.rename(folder / target)
        return whole(path)

    monkeypatch.setattr(files, "_whole", moving)
    (taken,) = files.receive([folder], spool, now=NOW)
    assert taken.problem is None
    assert {item.content for item in taken.items} == {MAIL.format(number, number).encode() for number in range(3)}


def test_standard_input_is_filed_as_asked_and_an_mbox_is_its_mails(spool: Spool) -> None:
    taken = files.receive_stream(io.BytesIO(mbox(3)), spool, filename="old.mbox", now=NOW, source="archive")
    assert [item.filename for item in taken.items] == ["old.mbox#1", "old.mbox#2", "old.mbox#3"]
    assert {item.source for item in taken.items} == {"archive"} and len(contents(spool)) == 3
    (one,) = files.receive_stream(io.BytesIO(MAIL.encode()), spool, filename="a.eml", now=NOW).items
    assert (one.filename, one.source, one.content) == ("a.eml", "files", MAIL.encode())


def test_a_letter_that_begins_a_line_with_from_and_a_clock_is_not_cut(tmp_path: Path, spool: Spool) -> None:
    path = tmp_path / "two.mbox"
    letter = MAIL.format(1, 1) + "\nFrom 203.0.113.7 we saw logins at 10:15:00.\n\nFrom 08:15:00 on they came in masses.\n"
    path.write_text(POSTMARK + letter + "\n" + POSTMARK + MAIL.format(2, 2) + "\n")
    (taken,) = files.receive([path], spool, now=NOW)
    assert [item.content.decode() for item in taken.items] == [letter, MAIL.format(2, 2)]
    assert len(open_message(path.read_bytes())) == 2


def test_other_files_are_one_submission_each(tmp_path: Path, spool: Spool) -> None:
    inner = tmp_path / "in" / "deeper"
    inner.mkdir(parents=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("feed.csv", "ip,timestamp\n192.0.2.7,2026-11-02 10:00:00\n")
    wanted = {
        "one.eml": MAIL.format(1, 1).encode(), "feed.csv": b"ip\n192.0.2.7\n", "deeper/x.json": b"{}",
        "feed.csv.gz": gzip.compress(b"ip\n"), "pack.zip": packed.getvalue(),
    }  # fmt: skip
    for name, content in wanted.items():
        (tmp_path / "in" / name).write_bytes(content)
    (tmp_path / "in" / ".hidden").write_text("x")
    (tmp_path / "in" / "upload.csv.part").write_text("x")
    taken = list(files.receive(files.files_under([tmp_path / "in"]), spool, now=NOW))
    assert {Path(one.path).name for one in taken} == {Path(name).name for name in wanted}
    assert contents(spool) == sorted(wanted.values())


def test_received_twice_is_one_submission_but_a_changed_file_is_another(tmp_path: Path, spool: Spool) -> None:
    path = tmp_path / "feed.csv"
    path.write_text("ip\n192.0.2.7\n")
    first = next(files.receive([path], spool, now=NOW)).items
    assert next(files.receive([path], spool, now=NOW)).items[0].id == first[0].id
    path.write_text("ip\n192.0.2.8\n")
    assert next(files.receive([path], spool, now=NOW)).items[0].id != first[0].id


def test_a_file_that_cannot_be_read_is_named_and_costs_no_other(tmp_path: Path, spool: Spool) -> None:
    good, broken = tmp_path / "good.eml", tmp_path / "gone.eml"
    good.write_text(MAIL.format(1, 1))
    taken = list(files.receive([broken, good], spool, now=NOW))
    assert taken[0].problem is not None and str(broken) in str(taken[0].problem) and taken[0].problem.advice
    assert len(taken[1].items) == 1


def test_a_truncated_archive_is_kept_as_it_is(tmp_path: Path, spool: Spool) -> None:
    path = tmp_path / "feed.csv.gz"
    path.write_bytes(gzip.compress(mbox(50))[:-20])
    (taken,) = files.receive([path], spool, now=NOW)
    assert taken.problem or contents(spool) == [path.read_bytes()]


@given(st.lists(st.binary(min_size=1, max_size=60).map(lambda raw: raw.replace(b"\n", b"x").replace(b"\r", b"y")), max_size=8))
def test_any_mails_come_back_out_of_an_mbox(bodies: list[bytes]) -> None:
    mails = [b"Subject: x\n\n" + b">" * body.startswith(b"From ") + body + b"\n" for body in bodies]
    joined = b"".join(POSTMARK.encode() + mail + b"\n" for mail in mails)
    assert list(files.split_mbox(io.BytesIO(joined))) == mails


def dropped(folder: Path, name: str, content: str, age: int = 60) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(content)
    moment = NOW.timestamp() - age
    os.utime(path, (moment, moment))
    return path


def sweep(folder: Path, spool: Spool) -> list[files.Taken]:
    return files.sweep_folder(folder, spool, source="drop", settled_before=NOW - timedelta(seconds=2), now=NOW)


def test_a_dropped_file_goes_to_done_when_the_spool_has_it(tmp_path: Path, spool: Spool) -> None:
    path = dropped(tmp_path / "drop", "feed.csv", "ip\n192.0.2.7\n")
    assert len(sweep(path.parent, spool)) == 1
    assert not path.exists() and (path.parent / "done" / "feed.csv").exists()
    assert contents(spool) == [b"ip\n192.0.2.7\n"]
    dropped(path.parent, "feed.csv", "ip\n192.0.2.8\n")
    sweep(path.parent, spool)
    assert (path.parent / "done" / "2-feed.csv").read_text() == "ip\n192.0.2.8\n"


def test_what_is_being_written_or_is_a_link_is_left_alone(tmp_path: Path, spool: Spool) -> None:
    folder = tmp_path / "drop"
    young, part = dropped(folder, "young.csv", "ip", age=0), dropped(folder, "x.csv.part", "ip")
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    (folder / "link.csv").symlink_to(secret)
    assert sweep(folder, spool) == []
    assert young.exists() and part.exists()


def test_killed_between_spool_and_done_nothing_is_taken_twice(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dropped(tmp_path / "drop", "feed.csv", "ip\n192.0.2.7\n")
    with monkeypatch.context() as patched:
        patched.setattr(files, "_put_away", lambda *words: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep(path.parent, spool)
    assert path.exists() and spool.count() == 1
    sweep(path.parent, spool)
    assert spool.count() == 1 and not path.exists()


def test_a_full_disk_leaves_the_file_where_it_is(tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = dropped(tmp_path / "drop", "feed.csv", "ip\n192.0.2.7\n")

    def full(items) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(spool, "put", full)
    with pytest.raises(files.NoRoom, match="No space left"):
        sweep(path.parent, spool)
    assert path.exists() and not (path.parent / "failed").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(files.InputError, match="nowhere"):
        sweep(tmp_path / "nowhere", spool)
