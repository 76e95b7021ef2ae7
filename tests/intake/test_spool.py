"""What the spool acknowledged is on the disk, whole, whatever happens next."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests.house.source import ROOT
from tests.powerless import powerless
from tipstaff.intake import spool as spools
from tipstaff.intake.spool import Spool, accepted
from tipstaff.kernel.ids import derived_id

NOW = datetime(2026, 6, 15, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "spool")


def one(content=b"mail", **more):
    return accepted(**{"source": "smtp", "kind": "smtp", "content": content, "now": NOW} | more)


def there(spool):
    return list(spool.read(spool.waiting()))


def remains(spool):
    return sorted(path.name for path in spool.directory.iterdir() if not path.name.endswith(spools.SUFFIX))


def test_it_is_empty_until_something_waits_and_again_when_that_is_done(spool):
    assert spool.is_empty()
    item = one()
    spool.put([item])
    assert not spool.is_empty()
    spool.done([item])
    assert spool.is_empty()


text = strategies.text(strategies.characters(codec=None), max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(strategies.binary(max_size=300), text, text, strategies.dictionaries(text, text, max_size=3))
def test_whatever_comes_from_outside_is_accepted_and_comes_back(tmp_path, content, ref, filename, extra):
    spool = Spool(tmp_path / os.urandom(8).hex())
    item = one(content, ref=ref, filename=filename, mail_from=filename, more=extra)
    spool.put([item])
    (back,) = there(spool)
    assert back == item and back.content == content and back.received_at == NOW
    json.dumps(back.envelope).encode()
    assert "\0" not in back.filename + back.source_ref + str(back.envelope)


def test_an_id_follows_from_the_reference_or_is_new_each_time():
    assert one(ref="INBOX/1/7").id == one(b"other bytes", ref="INBOX/1/7").id == derived_id("smtp", "INBOX/1/7")
    assert one(ref="INBOX/1/7").id != one(ref="INBOX/1/8").id != one(ref="INBOX/1/8", source="imap").id
    assert one().id != one().id
    assert one(ref="x" * 9000).source_ref != one(ref="x" * 8999).source_ref
    assert len(one(ref="x" * 9000).source_ref) < 600


def test_new_ids_sort_by_time():
    ids = [one(now=NOW + timedelta(milliseconds=n)).id for n in range(50)]
    assert ids == sorted(ids) and {number.version for number in ids} == {7}
    assert one(ref="x").id.version == 8


def test_the_same_reference_is_there_once_and_the_first_bytes_stand(spool):
    spool.put([one(b"first", ref="1")])
    spool.put([one(b"second", ref="1"), one(b"third", ref="2")])
    assert sorted(item.content for item in there(spool)) == [b"first", b"third"]


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_word(spool, monkeypatch):
    calls = []
    for name in ("fdatasync", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda fd, real=real, name=name: (calls.append((name, len(there_now()))), real(fd))[1])  # type: ignore[func-returns-value]

    def there_now():
        return [path for path in spool.directory.iterdir() if path.name.endswith(spools.SUFFIX)]

    spool.put([one(), one()])
    # each file is synced before its name exists; the directory once, when both names do
    assert calls == [("fdatasync", 0), ("fdatasync", 1), ("fsync", 2)]


@pytest.mark.parametrize("failing", ["fdatasync", "fsync"])
def test_a_failing_disk_leaves_nothing_that_would_come_twice(spool, monkeypatch, failing):
    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        spool.put([one(), one()])
    assert there(spool) == [] and remains(spool) == []


def test_a_failure_does_not_take_back_what_was_acknowledged_before(spool, monkeypatch):
    spool.put([one(b"told", ref="key-1")])

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="No space"):
        spool.put([one(b"told", ref="key-1"), one(b"new", ref="key-2")])
    assert [item.content for item in there(spool)] == [b"told"]


def test_waiting_is_bounded_in_number_and_size_but_takes_one_always(spool):
    spool.put([one(b"x" * 1000, ref=str(n)) for n in range(10)])
    assert len(spool.waiting(most=4)) == 4
    assert 1 <= len(spool.waiting(most_bytes=2500)) <= 2
    assert len(spool.waiting(most_bytes=10)) == 1
    assert spool.count() == 10


def test_what_is_done_is_forgotten_and_what_vanished_is_skipped(spool):
    items = [one(ref=str(n)) for n in range(3)]
    spool.put(items)
    paths = spool.waiting()
    spool.done(items[:1])
    spool.done(items[:1])
    assert {item.id for item in spool.read(paths)} == {items[1].id, items[2].id}


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"{}\nmail", b'{"id": "x"}\n', b'{"id": 5, "received_at": 1}\n', b"\xff\xfe\n"]
)
def test_a_file_that_cannot_be_read_is_set_aside_and_does_not_stop_the_others(spool, content):
    spool.put([one(b"good", ref="1")])
    (spool.directory / f"00000000-dead{spools.SUFFIX}").write_bytes(content)
    assert [item.content for item in there(spool)] == [b"good"]
    assert remains(spool) == [f"00000000-dead{spools.BROKEN}"]
    assert spool.count() == 1


def test_the_remains_of_a_killed_acceptor_are_cleared_in_time(spool):
    fresh = spool.directory / "1.2.3.new"
    fresh.write_bytes(b"half")
    moment = datetime.fromtimestamp(fresh.stat().st_mtime, UTC)
    assert spool.clear_remains(older_than=moment - timedelta(hours=1)) == 0
    assert there(spool) == []
    assert spool.clear_remains(older_than=moment + timedelta(seconds=1)) == 1


def test_only_the_services_account_reads_what_was_received(spool):
    spool.put([one()])
    assert spool.directory.stat().st_mode & 0o077 == 0
    assert spool.waiting()[0].stat().st_mode & 0o077 == 0


def test_many_writers_at_once_lose_nothing_and_a_reader_sees_only_whole_files(spool):
    sizes, seen, stop = {}, [], threading.Event()

    def write(number):
        for turn in range(40):
            item = one(bytes([number]) * (turn * 500), ref=f"{number}/{turn}")
            spool.put([item])
            sizes[item.id] = len(item.content)

    def look():
        while not stop.is_set():
            seen.extend((item.id, len(item.content)) for item in there(spool))

    reader = threading.Thread(target=look)
    reader.start()
    writers = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert {item.id: len(item.content) for item in there(spool)} == sizes and len(sizes) == 200
    assert set(seen) <= set(sizes.items())
    assert remains(spool) == []


def test_two_writers_of_one_reference_leave_one_whole_file(spool):
    threads = [threading.Thread(target=spool.put, args=([one(b"x" * 100_000, ref="same")],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (item,) = there(spool)
    assert item.content == b"x" * 100_000 and remains(spool) == []


WRITER = """
    import hashlib, os, sys
    from datetime import UTC, datetime
    from pathlib import Path
    from tipstaff.intake.spool import Spool, accepted
    spool = Spool(Path(sys.argv[1]))
    turn = 0
    while True:
        turn += 1
        content = os.urandom(turn * 37 % 50_000)
        item = accepted(source="smtp", kind="smtp", content=content, now=datetime(2026, 6, 15, tzinfo=UTC))
        spool.put([item])
        sys.stdout.write(f"{item.id} {hashlib.sha256(content).hexdigest()}\\n")
        sys.stdout.flush()
"""


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9_at_any_moment(spool):
    import hashlib

    told = {}
    for turn in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(spool.directory)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(random.Random(turn).uniform(0.01, 0.25))
        os.kill(writer.pid, signal.SIGKILL)
        lines = (first + writer.stdout.read()).decode().splitlines()
        writer.wait()
        writer.stdout.close()
        told |= dict(line.split() for line in lines if len(line) == 101)
    whole = {str(item.id): hashlib.sha256(item.content).hexdigest() for path in [spool.waiting(most=10**6, most_bytes=1 << 40)]
             for item in spool.read(path)}  # fmt: skip
    assert len(told) > 100 and told.items() <= whole.items()
    assert len(whole) - len(told) <= 12  # at most the one in hand at each kill
    assert not [path for path in spool.directory.iterdir() if path.suffix == spools.BROKEN]


def test_what_is_taken_is_bounded_in_number_and_size_but_one_always(spool):
    spool.put([one(b"x" * 1000, ref=str(n)) for n in range(10)])
    first = spool.take(most=4, most_bytes=1 << 20)
    second = spool.take(most=9, most_bytes=2_500)
    third = spool.take(most=9, most_bytes=10)
    names = [str(item.id) for item in (*first, *second, *third)]
    assert (len(first), len(third)) == (4, 1) and 1 <= len(second) <= 2
    assert names == sorted(path.stem for path in spool.waiting())[: len(names)]


def test_one_look_at_a_long_queue_serves_several_batches_and_nothing_is_passed_over(spool, monkeypatch):
    monkeypatch.setattr(spools, "AHEAD", 4)
    items = [one(ref=str(n)) for n in range(9)]
    spool.put(items)
    other, came, looks = Spool(spool.directory), [], []
    look = spool._names

    def counted():
        looks.append(1)
        return look()

    monkeypatch.setattr(spool, "_names", counted)
    (elsewhere,) = other.take(most=1, most_bytes=10)
    taken = spool.take(most=2, most_bytes=1 << 20)
    other.done([elsewhere])  # another worker was quicker
    late = one(ref="late")
    spool.put([late])
    while taken:
        came += taken
        spool.done(taken)
        taken = spool.take(most=2, most_bytes=1 << 20)
    assert {item.id for item in came} == {item.id for item in (*items, late)}
    assert spool.is_empty() and len(looks) <= 5


def test_what_is_taken_and_cannot_be_read_is_set_aside_and_does_not_stop_the_others(spool):
    spool.put([one(b"good", ref="1")])
    (spool.directory / f"00000000-dead{spools.SUFFIX}").write_bytes(b"garbage")
    assert [item.content for item in spool.take(most=5, most_bytes=10)] == [b"good"]
    assert remains(spool) == [f"00000000-dead{spools.BROKEN}"]


def test_what_the_disk_does_not_give_back_does_not_stop_the_others(spool):
    spool.put([one(b"good", ref="1")])
    (spool.directory / f"00000000-dead{spools.SUFFIX}").mkdir()  # the one file that nobody can read, not even root
    assert [item.content for item in spool.take(most=5, most_bytes=10)] == [b"good"]
    assert remains(spool) == [f"00000000-dead{spools.BROKEN}"]


def test_a_spool_with_a_wrong_owner_holds_nothing_up_and_is_taken_when_it_has_the_right_one(spool, monkeypatch):
    items = [one(ref=str(n)) for n in range(9)]
    spool.put(items)
    *shut, last = (path.name for path in spool.waiting())
    for name in shut:
        (spool.directory / name).chmod(0)
    monkeypatch.setattr(spools, "AHEAD", 5)
    with powerless(spool.directory) as place:
        own = Spool(place)
        taken = [item for _ in range(2) for item in own.take(most=5, most_bytes=1 << 20)]
        assert [f"{item.id}.msg" for item in taken] == [last], "behind more than one look remembers"
        own.done(taken)
        assert own.take(most=5, most_bytes=1 << 20) == [] and own.count() == 8 and remains(own) == []
        for name in shut:
            (place / name).chmod(0o600)
        assert own.take(most=9, most_bytes=1 << 20) == [], "not before its time"
        own._later = dict.fromkeys(own._later, 0.0)  # as if that time were over
        while came := own.take(most=5, most_bytes=1 << 20):
            own.done(came)
            taken += came
    assert sorted(item.id for item in taken) == sorted(item.id for item in items) and not own._later


def test_a_disk_that_stumbles_once_loses_nothing(spool, monkeypatch):
    first, second = sorted((one(ref="1"), one(ref="2")), key=lambda item: str(item.id))
    spool.put([first, second])
    read = spools._bytes_of

    def stumbling(place, room):
        if str(first.id) in place:
            raise OSError(errno.EIO, "Input/output error")
        return read(place, room)

    monkeypatch.setattr(spools, "_bytes_of", stumbling)
    assert spool.take(most=5, most_bytes=1 << 20) == [second] and spool.count() == 2 and remains(spool) == []
    spool.done([second])
    monkeypatch.setattr(spools, "_bytes_of", read)
    spool._later = dict.fromkeys(spool._later, 0.0)  # as if the time until then were over
    assert spool.take(most=5, most_bytes=1 << 20) == [first]
