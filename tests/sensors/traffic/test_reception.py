"""The receiver and the archive as the programs they are: real sockets, real shared memory, real disks, real kills."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from tests.sensors.traffic.exporting import FIELDS, a_set, body, flow, template, v5, v9
from tipstaff.project import processes
from tipstaff.project.bench import flow_traffic
from tipstaff.project.bench.flows import Bed, Feed, Run, check_archive, prepare, told
from tipstaff.project.commands.running import free_port
from tipstaff.sensors.traffic import receiver, ring
from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.captures import Datagram
from tipstaff.sensors.traffic.replaying import replay

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="reception needs Linux")]
UNTIL = 60.0


def until(happened) -> bool:
    return processes.wait_until(happened, UNTIL, 0.1)


@pytest.fixture
def bed(tmp_path):
    """A receiver with its archive; every exporter counts."""
    made = []

    def make(**more):
        port = free_port()
        made.append(Bed(tmp_path, port, archive=True, **more))
        made[-1].port = port
        return made[-1]

    yield make
    for one in made:
        for child in one.children:
            child.kill() if child.poll() is None and child.returncode is None else None
            child.wait()


def send(bed, *payloads) -> None:
    replay((Datagram(one, bytes(16), 0, 0) for one in payloads), "127.0.0.1", bed.port, 0)


@pytest.mark.parametrize("kind", list(flow_traffic.FORMATS))
def test_rows_and_sums_read_back_equal_what_was_sent(tmp_path, bed, kind) -> None:
    export = prepare(tmp_path, kind)
    one = bed()
    feed = Feed(tmp_path / f"{kind}.npz", one.port, 1500, len(export.lens) // 4 + 7)
    truth = told(export, feed.run())
    one.settle(truth["flows"])
    one.close()
    report = one.report()
    assert report["flows"] == truth["flows"] and report["archive"]["archived"] == truth["flows"]
    assert [(s["lost"], s["undecodable"], s["rate"], s["unscaled"]) for s in report["sessions"]] == [(0, 0, flow_traffic.RATE, 0)]
    run = Run(0, truth["flows"], 0, 0, 0, 0)
    check_archive(tmp_path / "archive", truth, run)
    assert (run.rows, run.octets_equal) == (truth["flows"], True)
    assert run.bytes_per_flow < 30


def test_prefixes_and_exporters_take_effect_without_a_pause(tmp_path, bed) -> None:
    one = bed()
    send(one, v5([flow(src="10.64.0.1")]))
    assert until(lambda: one.report()["flows"] == 1)
    flow_traffic.prefix_table().save(tmp_path / "prefixes.npz")
    assert until(lambda: one.report()["prefixes_version"] == 1)
    send(one, v5([flow(src="10.64.0.1")], sequence=1))
    assert until(lambda: one.report()["flows"] == 2)
    assert one.report()["hosts"] == 1
    address = one.report()["sessions"][0]["exporter"]
    receiver.write_whole(tmp_path / "exporters.json", json.dumps([{"address": address, "counts": False, "rate": 9, "number": 4}]))
    assert until(lambda: not any(session["counts"] for session in one.report()["sessions"]))
    send(one, v5([flow()], sequence=2))
    assert until(lambda: sum(session["decoded"] for session in one.report()["sessions"]) == 3)
    assert one.report()["flows"] == 2 and {session["rate"] for session in one.report()["sessions"]} == {9}


def test_rubbish_beside_the_receivers_files_changes_nothing(tmp_path, bed) -> None:
    (tmp_path / "templates.json").write_text('[{"exporter": 5}]')
    one = bed()
    (tmp_path / "prefixes.npz").write_bytes(b"no table")
    (tmp_path / "exporters.json").write_text("{")
    time.sleep(1.2)
    send(one, v5([flow()]), b"", b"x" * 9000, b"\0\5")
    assert until(lambda: one.report()["flows"] == 1)


def test_templates_are_known_after_a_restart(tmp_path, bed) -> None:
    one = bed()
    send(one, v9([template(260, FIELDS)], count=1))
    assert until(lambda: (tmp_path / "templates.json").exists())
    one.close()
    again = bed()
    send(again, v9([a_set(260, body(FIELDS, [flow()]))], count=1))
    assert until(lambda: again.report()["flows"] == 1)


def test_a_killed_archive_is_counted_and_the_next_one_goes_on(tmp_path, bed) -> None:
    one = bed()
    archive = one.children[1]
    send(one, *(v5([flow()] * 30, sequence=n * 30) for n in range(20)))
    head = one.ring.head
    assert until(lambda: int(head[ring.PUBLISHED]) == 600 and one.ring.waiting == 0)
    archive.send_signal(signal.SIGKILL)  # it has taken the flows and not yet written them
    archive.wait()
    send(one, *(v5([flow()] * 30, sequence=n * 30) for n in range(20, 30)))
    assert until(lambda: int(head[ring.PUBLISHED]) == 900)
    words = ["tipstaff.sensors.traffic.archive.writer", str(tmp_path / "writer.settings")]
    one.children[1] = subprocess.Popen([receiver.sys.executable, "-m", *words], pass_fds=(one.fd,))
    assert until(lambda: int(head[ring.ARCHIVED]) == 300)
    assert int(head[ring.DROPPED]) == 600 and one.report()["flows"] == 900
    assert int(head[ring.PUBLISHED]) == int(head[ring.ARCHIVED] + head[ring.DROPPED] + head[ring.LOST])


def test_an_archive_that_stands_still_never_stops_the_receiver(bed) -> None:
    one = bed()
    os.kill(one.children[1].pid, signal.SIGSTOP)
    head = one.ring.head
    for number in range(16):  # each a publication of its own, and twelve slots
        send(one, v5([flow()] * 30, sequence=number * 30))
        assert until(lambda sent=30 * number + 30: int(head[ring.PUBLISHED]) >= sent)
    assert until(lambda: one.report()["flows"] == 480)
    assert int(head[ring.LOST]) > 0 and int(head[ring.PUBLISHED]) >= 450
    os.kill(one.children[1].pid, signal.SIGCONT)
    one.close()
    assert int(head[ring.PUBLISHED]) == int(head[ring.ARCHIVED] + head[ring.DROPPED] + head[ring.LOST]) == 480


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root")
def test_a_full_disk_is_counted_and_leaves_no_half_files(tmp_path, bed) -> None:
    disk = tmp_path / "archive"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], check=True)
    try:
        export = prepare(tmp_path, "v9")
        one = bed()
        truth = told(export, Feed(tmp_path / "v9.npz", one.port, 4000, 12_000).run())
        one.settle(truth["flows"])
        one.close()
        report, head = one.report(), one.ring.head
        assert report["flows"] == truth["flows"] and int(head[ring.DROPPED]) > 0
        assert int(head[ring.PUBLISHED]) == int(head[ring.ARCHIVED] + head[ring.DROPPED] + head[ring.LOST]) == truth["flows"]
        assert not list(Path(disk).rglob(".*.new"))
        rows = sum(files.pq.read_metadata(found.path).num_rows for found in files.stored(disk))
        assert rows == int(head[ring.ARCHIVED])
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_clock_that_steps_back_loses_nothing(tmp_path) -> None:
    """Counters of the second that was, and files named by the wrong clock, are still whole."""
    settings = receiver.Settings(str(tmp_path), [("127.0.0.1", free_port())], 1000, strangers_count=True)
    made = receiver.build(settings)
    try:
        made.prefixes = flow_traffic.prefix_table()
        for number, moment in enumerate((1_800_000_000_000, 1_700_000_000_000, 1_900_000_000_000)):
            replay([Datagram(v5([flow(src="10.64.0.1")], sequence=number), bytes(16), 0, 0)], *settings.listen[0], 0)
            assert processes.wait_until(lambda moment=moment: made.step(moment) == 1, 60, 0.01)
        assert made.flows == 3 and made.hosts.tally.tolist() == [1, 0]
        assert np.abs(made.decoder.sessions.state[0, [13, 14]]).sum() == 0  # neither reordered nor restarted
    finally:
        made.inlet.close()


def test_the_compiler_is_not_in_memory_while_nothing_is_compiled(bed) -> None:
    one = bed(hosts=1000)
    rows = Path(f"/proc/{one.pids[0]}/smaps").read_text().splitlines()
    resident, inside = 0, False
    for words in map(str.split, rows):
        inside = "libllvmlite" in words[-1] if not words[0].endswith(":") else inside
        resident += int(words[1]) if inside and words[0] == "Rss:" else 0
    assert 0 < resident < 16_384  # kB; 70,000 while kernels are loaded
    send(one, v5([flow()]))
    assert until(lambda: one.report()["flows"] == 1)


def test_a_sleep_lets_a_fifth_of_the_buffer_fill() -> None:
    assert receiver.pause_after(0, 1.0, 212_992) == receiver.LONGEST_SLEEP
    assert receiver.pause_after(400, 0.008, 212_992) == receiver.SHORTEST_SLEEP
    assert receiver.pause_after(400, 0.008, 128 << 20) == receiver.LONGEST_SLEEP
