"""The flows of the labelled sample: only of its customers, only among documentation addresses, and nowhere near real ones."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import numpy as np
import pytest

from tipstaff.project.samples import flows, mails
from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.asking import Archive
from tipstaff.sensors.traffic.archive.keeping import Keeper
from tipstaff.sensors.traffic.archive.questions import Span
from tipstaff.sensors.traffic.archive.writer import Settings

NOW = datetime(2026, 6, 15, 12, 34, tzinfo=UTC)
OURS = [ip_network(net) for net in ("203.0.113.0/24", "198.51.100.0/24", "2001:db8::/33")]
OTHERS = [ip_network(net) for net in ("192.0.2.0/24", "2001:db8:8000::/33")]
NUMBERS = {one: number for number, one in enumerate(sorted({habit.address for habit in flows.HABITS}), 1)}
SPAN = Span(NOW - timedelta(hours=flows.HOURS + 1), NOW + timedelta(hours=1))


@pytest.fixture
def state(settings, tmp_path):
    settings.STATE = tmp_path
    settings.FLOWS = settings.FLOWS | {"listen": ""}
    return tmp_path


def load():
    return flows.load(now=NOW, holder=NUMBERS.__getitem__)


def test_every_flow_joins_one_of_ours_with_a_documentation_address(state):
    count = load()
    archive = Archive(state / "flows" / "archive")
    assert archive.rows(SPAN) == count > 20_000
    for address in NUMBERS:
        found = archive.flows_of(address, SPAN, limit=5000).as_objects()
        assert found, address
        assert any(ip_address(address) in net for net in OURS)
        assert all(ip_address(row["peer"]) in OTHERS[ip_address(address).version == 6] for row in found), address


def test_whom_a_flow_belongs_to_is_told_of_our_end_alone():
    found = flows.columns(NOW, 1, NUMBERS.__getitem__)
    outward = found["src_customer"] > 0
    assert np.array_equal(outward, found["dst_customer"] == 0) and 0 < outward.sum() < len(outward)
    four = found["family"] == 4
    inside = np.isin(found["src"] >> 8, [int(net.network_address) >> 8 for net in OURS[:2]])
    assert np.array_equal(inside[four], outward[four])
    assert not found["src"][~four].any() and not found["src_hi"][four].any()
    assert all(len(column) == len(outward) for column in found.values())


def test_those_complained_about_did_it(state):
    load()
    archive = Archive(state / "flows" / "archive")
    for one in (one for one in mails.LOGINS if ":" not in one):
        told = archive.flows_of(one, SPAN, limit=5000).as_objects()
        assert any(row["peer_port"] == 22 and row["peer"] == flows.COMMANDED for row in told), one


def test_the_same_hour_is_the_same_flows():
    one, two = (flows.columns(NOW, 7, NUMBERS.__getitem__) for _ in range(2))
    assert all(np.array_equal(one[name], two[name]) for name in one)


def test_nothing_is_written_where_flows_are_received_or_kept(state, settings):
    settings.FLOWS = settings.FLOWS | {"listen": "127.0.0.1:2055"}
    assert load() == 0 and not (state / "flows").exists()
    settings.FLOWS = settings.FLOWS | {"listen": ""}
    assert load() > 0
    assert load() == 0, "there are some already"


def test_erasing_takes_the_samples_and_no_others(state):
    load()
    fresh = state / "flows" / "archive" / "fresh"
    own = fresh / "20260615T120000-000001.parquet"
    next(fresh.glob("*-sample.parquet")).rename(own)
    flows.erase()
    assert list(fresh.iterdir()) == [own]


def test_flows_that_are_received_later_are_never_joined_with_the_samples(state):
    load()
    root = state / "flows" / "archive"
    real = flows.columns(NOW - timedelta(hours=3), 99, NUMBERS.__getitem__)
    files.write(root / "fresh" / f"{files.stamp(int((NOW - timedelta(hours=2)).timestamp() * 1000))}-000001.parquet", real)
    (root / "holds.json").write_text('{"all": false, "customers": []}')
    archive = Archive(root)
    before = archive.rows(SPAN)
    Keeper(Settings(str(root), -1, 0, 0), NOW).run()
    assert [one.kind for one in files.stored(root) if not one.path.name.endswith(files.SAMPLE)] == ["hours"]
    assert len(files.stored(root, "fresh")) == flows.HOURS and archive.rows(SPAN) == before, "the sample answers as before"
    flows.erase()
    assert archive.rows(SPAN) == len(real["src"]), "what was received stays, and nothing else"


def test_the_samples_go_when_their_time_is_over(state):
    load()
    root = state / "flows" / "archive"
    (root / "holds.json").write_text('{"all": false, "customers": []}')
    Keeper(Settings(str(root), -1, 0, 0, keep_hours=24), NOW + timedelta(days=5)).run()
    assert files.stored(root) == []
