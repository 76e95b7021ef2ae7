"""``tipstaff flows …``: decode, exporters, top, ask, replay; and the acceptance check's flow captures where they are at hand."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from tests.house.source import ROOT
from tests.sensors.traffic.exporting import FIELDS, WALL, a_set, body, ethernet, flow, options_template, pcap, template, udp, v5, v9
from tests.sensors.traffic.test_archive import made, stored
from tests.unskipped import NOT_OURS
from tipstaff.faces.cli.flows import flows
from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic import services
from tipstaff.sensors.traffic.models import Exporter

CHECK = ROOT.parent / "shared" / "acceptance" / "check.py"
NOW = datetime(2026, 2, 11, 12, tzinfo=UTC)


def run(*words, fails=False):
    done = CliRunner().invoke(flows, list(map(str, words)))
    assert fails or done.exception is None, done.exception
    if fails:
        raise done.exception
    return done


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_decode_takes_files_as_one_stream(tmp_path) -> None:
    told = [options_template(400, ((1, 4),), ((34, 4),)), a_set(400, body(((1, 4), (34, 4)), [{1: 1, 34: 50}]))]
    first = pcap([(WALL * 1000, ethernet(udp(v9([template(260, FIELDS), *told], count=3))))])
    second = pcap([(WALL * 1000, ethernet(udp(v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=1))))])
    (tmp_path / "one.pcap").write_bytes(first)
    (tmp_path / "two.pcap").write_bytes(second)
    done = run("decode", tmp_path / "one.pcap", tmp_path / "two.pcap", "--json")
    (one,) = lines(done)
    assert "1 options records" in done.stderr
    wanted = {
        "exporter": "192.0.2.1", "version": 9, "domain": 1, "src": "198.51.100.7", "dst": "203.0.113.9", "src_port": 40000,
        "dst_port": 443, "protocol": 6, "tcp_flags": 27, "bytes": 1500, "packets": 3, "sampling_rate": 50,
        "start": "2026-02-02T02:39:51.000Z", "end": "2026-02-02T02:39:52.000Z", "input_if": 3, "output_if": 7, "vlan": None,
        "next_hop": None,
    }  # fmt: skip
    assert {name: one[name] for name in wanted} == wanted


def test_decode_says_what_it_could_not_read(tmp_path) -> None:
    (tmp_path / "raw").write_bytes(v5([flow()], count=3))
    done = run("decode", tmp_path / "raw")
    assert "198.51.100.7:40000 -> 203.0.113.9:443" in done.stdout and "sampling unknown" in done.stdout
    assert "2 flows that could not be decoded" in done.stderr


def test_top_and_ask(tmp_path) -> None:
    stored(tmp_path, made(six=False))
    span = ["--archive", tmp_path, "--from", "2026-02-11T11:00:00Z", "--to", "2026-02-11T14:00:00Z"]
    rows = lines(run("top", "peer_port", "--by", "flows", "--where", "direction out", "--count", 2, *span, "--json"))
    assert len(rows) == 2 and rows[0]["flows"] >= rows[1]["flows"] > 0 and rows[0]["peer_port"] in (22, 80, 443)
    found = lines(run("ask", "198.51.100.3", "--limit", 3, *span, "--json"))
    assert len(found) == 3 and {row["local"] for row in found} == {"198.51.100.3"} and found[0]["end"].endswith("Z")
    assert "there are more than 3" in run("ask", "198.51.100.3", "--limit", 3, *span).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("top", "colour"),
        ("top", "peer", "--where", "nonsense"),
        ("top", "--last", "soon"),
        ("ask", "host"),
        ("top", "--from", "9999-01-01"),
    ],
)
def test_mistakes_are_told(tmp_path, words) -> None:
    with pytest.raises(InputError):
        run(*words, "--archive", tmp_path, fails=True)


def test_replay_sends_the_payloads(tmp_path) -> None:
    (tmp_path / "one.pcap").write_bytes(pcap([(WALL * 1000 + n, ethernet(udp(v5([flow()], sequence=n)))) for n in range(3)]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inlet:
        inlet.bind(("127.0.0.1", 0))
        inlet.settimeout(5)
        done = run("replay", tmp_path / "one.pcap", "--speed", 0, "--to", f"127.0.0.1:{inlet.getsockname()[1]}")
        assert [inlet.recv(9000) for _ in range(3)] == [v5([flow()], sequence=n) for n in range(3)]
    assert "3 datagrams" in done.stderr


@pytest.mark.django_db
def test_exporters() -> None:
    stream = {
        "seen": int(NOW.timestamp() * 1000), "received": 10, "decoded": 9, "undecodable": 1, "lost": 2, "unscaled": 0,
        "templates": 3, "rate": 100, "rate_source": "options, element 34", "skew_ms": -40, "whys": {"no template yet": 1},
    }  # fmt: skip
    services.note_seen(streams={"192.0.2.1": [stream]}, now=NOW)
    shown = run("exporters").stdout
    assert "new, unconfirmed" in shown and "1 in 100 (options, element 34)" in shown and "1 times: no template yet" in shown
    run("exporters", "confirm", "192.0.2.1", "--name", "edge", "--rate", 10)
    assert lines(run("exporters", "--json"))[0]["configured_rate"] == 10
    assert Exporter.objects.get().confirmed_by.startswith("cli:")
    run("exporters", "dismiss", "192.0.2.1")
    assert Exporter.objects.get().confirmed_at is None


@pytest.mark.slow
@pytest.mark.skipif(not CHECK.exists(), reason=f"{NOT_OURS}the acceptance check is not beside the project")
def test_every_strict_capture_of_the_acceptance_check() -> None:
    command = f"{sys.executable} -m tipstaff.project.cli"
    done = subprocess.run(
        [sys.executable, CHECK, "--flows", "--only", "flows", "--tipstaff", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
