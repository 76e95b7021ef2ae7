"""Flows that somebody else keeps, for corroboration: nfdump's own files, and a table of somebody's ClickHouse."""

import shutil
import socket
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.sensors.traffic.exporting import v5
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.project.processes import wait_until
from tipstaff.sensors.traffic.archive import foreign, nfdump
from tipstaff.sensors.traffic.archive.corroborating import ask_all
from tipstaff.sensors.traffic.archive.foreign import Foreign, mapping_of
from tipstaff.sensors.traffic.archive.nfdump import Nfdump
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.corroboration import Claim, Verdict

OURS, VICTIM = "198.51.100.7", "203.0.113.9"


def unread(port: int) -> int | None:
    """Bytes that wait at a UDP port of this machine; None while nobody listens there (proc(5), /proc/net/udp)."""
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        words = line.split()
        if int(words[1].partition(":")[2], 16) == port:
            return int(words[4].partition(":")[2], 16)
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files that nfcapd itself wrote of an attack a minute ago, sampled 1 in 100."""
    if not (shutil.which("nfcapd") and shutil.which("nfdump")):
        pytest.skip("the package nfdump is not installed")
    folder = tmp_path_factory.mktemp("nfdump")
    wall = int(clock_now().timestamp())
    known = {"input": 1, "output": 2, "tcp_flags": 2, "protocol": 6, "first": 1000, "last": 3000}
    rows = [
        known | {"src": OURS, "dst": VICTIM, "src_port": 51514, "dst_port": 22, "packets": 10, "bytes": 600},
        known | {"src": "198.51.100.8", "dst": VICTIM, "src_port": 40000, "dst_port": 80, "packets": 3, "bytes": 180},
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["nfcapd", "-w", str(folder), "-p", str(port), "-b", "127.0.0.1", "-t", "3600"]
    running = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(lambda: unread(port) is not None, 60), "nfcapd does not listen"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for _ in range(8):  # the same flows again do no harm
                out.sendto(v5(rows, wall=wall, sampling=1 << 14 | 100), ("127.0.0.1", port))
        assert wait_until(lambda: unread(port) == 0, 60), "nfcapd does not read"
    finally:
        running.terminate()
        running.wait(60)
    return folder, datetime.fromtimestamp(wall - 8, UTC)


class TestNfdump:
    def claim(self, at, **more):
        return replace(Claim(at, at, peer=VICTIM, peer_port=22, protocol=6, packets=5000), **more)

    def test_what_it_saw_and_did_not_see(self, folder) -> None:
        root, at = folder
        source = Nfdump(root, rate=100)
        answer, watch = ask_all([source], OURS, self.claim(at))
        assert answer.verdict is Verdict.SEEN and watch.rates == [100]
        assert (answer.flows[0].peer, answer.flows[0].local_port, answer.flows[0].source) == (VICTIM, 51514, "nfdump")
        later = Span(at - timedelta(minutes=1), at + timedelta(minutes=1))
        assert source.flows("198.51.100.9", later, self.claim(at)) == []
        assert len(source.flows("198.51.100.8", later, Claim(at, at))) >= 1

    def test_absence_needs_a_rate_and_a_file(self, folder) -> None:
        root, at = folder
        wanted = self.claim(at, peer="203.0.113.77")
        missing = self.claim(at - timedelta(days=40))
        named, unnamed = Nfdump(root, rate=100), Nfdump(root)
        # nfcapd's first file began a moment after the attack: what is before it is not kept.
        assert named.watch(Span(at, at + timedelta(hours=1))).kept_since is not None
        assert ask_all([unnamed], OURS, wanted)[0].verdict is Verdict.CANNOT_TELL
        assert "not kept" in ask_all([named], OURS, missing)[0].reason

    def test_a_broken_file_is_said(self, tmp_path) -> None:
        if not shutil.which("nfdump"):
            pytest.skip("the package nfdump is not installed")
        (tmp_path / f"nfcapd.{clock_now():%Y%m%d%H%M}").write_bytes(b"no such file format" * 50)
        now = clock_now()
        try:
            found: object = Nfdump(tmp_path).flows(OURS, Span(now - timedelta(hours=1), now), Claim(now, now))
        except Refused as refused:
            found = str(refused)
        assert found == [] or "nfdump" in str(found)

    def test_a_missing_program_is_said(self, tmp_path) -> None:
        with pytest.raises(InputError, match="not installed"):
            Nfdump(tmp_path, program="nfdump-that-is-not-there")

    def test_the_filter_is_made_of_addresses_and_numbers(self) -> None:
        at = datetime(2026, 2, 11, tzinfo=UTC)
        claim = Claim(at, at, peer="2001:db8::9", peer_port=22, local_port=40000, protocol=6)
        made = nfdump.condition("2001:db8::1", claim)
        assert made == "src ip 2001:db8::1 and dst ip 2001:db8::9 and dst port 22 and src port 40000 and proto 6"
        with pytest.raises(ValueError, match="does not appear to be"):
            nfdump.condition("any' or true", claim)


MAPPING = {
    "url": "http://reader@flows.example.net:8123", "table": "theirs.flows",
    "columns": {"src": "SrcAddr", "dst": "DstAddr", "src_port": "SrcPort", "dst_port": "DstPort", "protocol": "Proto",
                "packets": "Packets", "ended": "TimeReceived", "sampling_rate": "SamplingRate"},
}  # fmt: skip
SHAPES = {
    "ipv6": ("IPv6", "toIPv6('::ffff:{0}')"), "ipv4": ("IPv4", "toIPv4('{0}')"), "text": ("String", "'{0}'"),
    "number": ("UInt32", "IPv4StringToNum('{0}')"),
}  # fmt: skip
TIMES = {
    "datetime": ("DateTime('UTC')", "toDateTime({0}, 'UTC')"),
    "seconds": ("UInt32", "{0}"),
    "milliseconds": ("Int64", "{0}000"),
}


class TestForeignTable:
    @pytest.mark.parametrize(
        ("address", "clock"), [("ipv6", "datetime"), ("ipv4", "seconds"), ("text", "milliseconds"), ("number", "datetime")]
    )
    def test_a_table_in_its_own_words(self, engines_server, address, clock) -> None:
        at = datetime(2026, 2, 11, 12, tzinfo=UTC)
        kind, value = SHAPES[address]
        time_kind, time_value = TIMES[clock]
        run = engines_server.run
        run("CREATE DATABASE IF NOT EXISTS theirs")
        run("DROP TABLE IF EXISTS theirs.flows")
        columns = (
            f"SrcAddr {kind}, DstAddr {kind}, SrcPort UInt16, DstPort UInt16, Proto UInt32, Packets UInt64, SamplingRate UInt64"
        )
        run(f"CREATE TABLE theirs.flows ({columns}, TimeReceived {time_kind}) ENGINE = MergeTree ORDER BY TimeReceived")
        for ours, seconds in ((OURS, 0), (OURS, 7200), ("198.51.100.8", 0), ("198.51.100.8", -86400)):
            moment = time_value.format(int(at.timestamp()) + seconds)
            run(f"INSERT INTO theirs.flows VALUES ({value.format(ours)}, {value.format(VICTIM)}, 51514, 22, 6, 10, 100, {moment})")
        source = Foreign(mapping_of(MAPPING | {"forms": {"address": address, "time": clock}}, "flows.toml"), engines_server)
        claim = Claim(at, at, peer=VICTIM, peer_port=22, protocol=6, local_port=51514, packets=5000)
        answer, watch = ask_all([source], OURS, claim)
        assert (answer.verdict, answer.offset, len(answer.flows), watch.rates) == (Verdict.SEEN, 0, 1, [100])
        assert (answer.flows[0].peer, answer.flows[0].start, answer.flows[0].rate) == (VICTIM, at, 100)
        moved = ask_all([source], OURS, replace(claim, start=at + timedelta(hours=1), end=at + timedelta(hours=1)))[0]
        assert moved.verdict is Verdict.SEEN and abs(moved.offset) == 1
        assert ask_all([source], OURS, replace(claim, peer="203.0.113.77"))[0].verdict is Verdict.NOT_SEEN

    def test_every_mistake_of_a_mapping_is_named(self) -> None:
        wrong = {
            "url": "ftp://x",
            "table": "a; DROP",
            "columns": {"src": "a b", "elsewhere": "x"},
            "forms": {"time": "moons"},
            "rate": "many",
        }
        with pytest.raises(InputError) as caught:
            mapping_of(wrong, "flows.toml")
        told = "\n".join(map(str, caught.value.problems))
        for said in ("columns.dst", "columns.src", "columns.elsewhere", "table", "url", "forms.time", "rate"):
            assert f"flows.toml: {said}" in told

    def test_values_are_parameters(self) -> None:
        at = datetime(2026, 2, 11, tzinfo=UTC)
        sql, values = foreign.question(mapping_of(MAPPING, ""), OURS, Span(at, at), Claim(at, at, peer=VICTIM, peer_port=22))
        assert VICTIM not in sql and "22" not in sql.replace("toInt64", "") and values["peer"] == f"::ffff:{VICTIM}"


@pytest.fixture(scope="module")
def engines_server(tmp_path_factory):
    pytest.importorskip("chdb", reason="chdb is not installed: pip install tipstaff[dev]")
    from tests.sensors.traffic.test_clickhouse import InProcess

    server = InProcess(tmp_path_factory.mktemp("theirs"))
    yield server
    server.session.close()
