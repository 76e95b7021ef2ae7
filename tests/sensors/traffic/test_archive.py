"""What was archived is found again, from both ends, before and after compaction; what is held stays."""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic.archive import compacting, files, thinning
from tipstaff.sensors.traffic.archive.asking import Archive, Span
from tipstaff.sensors.traffic.archive.filters import parse_filter
from tipstaff.sensors.traffic.archive.keeping import Keeper
from tipstaff.sensors.traffic.archive.unfinished import Unfinished
from tipstaff.sensors.traffic.archive.writer import Finishing, Settings

NOON = datetime(2026, 2, 11, 12, tzinfo=UTC)
DAY = Span(NOON - timedelta(hours=2), NOON + timedelta(hours=2))
US, THEM = 198 << 24 | 51 << 16 | 100 << 8, 203 << 24 | 113 << 8
SIX = 0x20010DB8 << 32


def made(count=400, seed=1, six=True, at=NOON):
    """Random flows among our hosts (198.51.100.x, customers 1 to 9) and others (203.0.113.x), some of them IPv6."""
    rng = np.random.default_rng(seed)
    ours = rng.random((2, count)) < 0.6
    host = rng.integers(0, 20, (2, count))
    family = np.where(rng.random(count) < 0.3, 6, 4).astype(np.uint8) if six else np.full(count, 4, np.uint8)
    four = np.where(ours, US, THEM) + host
    customers = np.where(ours, host % 9 + 1, 0).astype(np.int32)
    columns = {
        "src": np.where(family == 4, four[0], 0).astype(np.uint32), "dst": np.where(family == 4, four[1], 0).astype(np.uint32),
        "src_port": rng.integers(0, 65536, count).astype(np.uint16), "dst_port": rng.choice([22, 80, 443], count).astype(np.uint16),
        "bytes": rng.integers(1, 1 << 40, count).astype(np.uint64), "packets": rng.integers(1, 99, count).astype(np.uint64),
        "ended": int(at.timestamp() * 1000) + rng.integers(0, 3_000_000, count),
        "lasted": rng.integers(0, 60_000, count).astype(np.uint32),
        "src_customer": customers[0], "dst_customer": customers[1], "family": family,
    }  # fmt: skip
    for name in ("protocol", "tos", "tcp_flags", "marks"):
        columns[name] = rng.integers(0, 20, count).astype(np.uint8)
    for name in ("rate", "input", "output", "src_as", "dst_as", "exporter"):
        columns[name] = rng.integers(0, 5, count).astype(np.uint32)
    columns["vlan"] = rng.integers(0, 5, count).astype(np.uint16)
    if six:
        for end, side in (("src", 0), ("dst", 1)):
            columns[f"{end}_hi"] = np.where(family == 6, SIX + ours[side], 0).astype(np.uint64)
            columns[f"{end}_lo"] = np.where(family == 6, host[side], 0).astype(np.uint64)
    return columns


def stored(root, *parts, at=NOON):
    files.make_room(root)
    for number, part in enumerate(parts):
        files.write(root / "fresh" / f"{files.stamp(int(at.timestamp() * 1000) + number * 1000)}-{number:06d}.parquet", part)
    return Archive(root)


def by_hand(columns, host):
    """Flows of 198.51.100.``host``, as (direction, peer, bytes), counted without the archive."""
    found = []
    for i in range(len(columns["src"])):
        if columns["family"][i] == 4:
            if columns["src"][i] == US + host:
                found.append((0, int(columns["dst"][i]), int(columns["bytes"][i])))
            if columns["dst"][i] == US + host:
                found.append((1, int(columns["src"][i]), int(columns["bytes"][i])))
    return sorted(found)


def asked(archive, host):
    from ipaddress import ip_address

    answer = archive.flows_of(f"198.51.100.{host}", DAY, limit=5000)
    return sorted((row["direction"], int(ip_address(row["peer"])), row["bytes"]) for row in answer.as_objects())


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("six", [False, True])
def test_a_host_is_found_from_both_ends(tmp_path, compacted, six) -> None:
    columns = made(six=six)
    archive = stored(tmp_path, columns, made(seed=2, six=False))
    if compacted:
        assert compacting.compact(tmp_path, files.stored(tmp_path, "fresh")) == 800
        assert not files.stored(tmp_path, "fresh") and len(files.stored(tmp_path, "hours")) == 1
    second = made(seed=2, six=False)
    for host in (0, 7, 19):
        assert asked(archive, host) == sorted(by_hand(columns, host) + by_hand(second, host))


def test_compaction_changes_no_answer_and_no_sum(tmp_path) -> None:
    archive = stored(tmp_path, made(2000))
    questions = [
        lambda: archive.top("peer", DAY, count=50).rows,
        lambda: archive.top("local", DAY, count=50, where="direction out").rows,
        lambda: archive.top("protocol", DAY, measure="packets").rows,
        lambda: archive.top("customer", DAY, where="host 198.51.100.0/28 and not peer_port 22").rows,
        lambda: archive.series(DAY, step=timedelta(minutes=5), dimension="family").rows,
        lambda: archive.flows_of("2001:db8::1:0:0:0:3", DAY).rows,
        lambda: archive.flows_of("198.51.100.0/24", DAY, where="bytes > 1000").rows,
    ]
    before = [sorted(map(str, ask())) for ask in questions]
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    assert [sorted(map(str, ask())) for ask in questions] == before and all(before[:5])


def test_internal_flows_are_summed_once(tmp_path) -> None:
    columns = made(300, six=False)
    archive = stored(tmp_path, columns)
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    total = sum(int(b) * max(int(r), 1) for b, r in zip(columns["bytes"], columns["rate"], strict=True))
    assert sum(row["bytes"] for row in archive.top("exporter", DAY, count=100).as_objects()) == total


def test_compacted_rows_are_in_order_of_local_address(tmp_path) -> None:
    stored(tmp_path, made(3000))
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    (one,) = files.stored(tmp_path, "hours")
    found = duckdb.execute(f"SELECT family, coalesce(local_hi, 0), local, coalesce(local_lo, 0) FROM '{one.path}'").fetchall()
    assert found == sorted(found) and len(found) > 3000


@pytest.mark.parametrize("rates", [(10, 10), (10, 20)])
def test_what_is_one_value_in_all_of_a_file_is_right_after_compaction(tmp_path, rates) -> None:
    files.make_room(tmp_path)
    parts = [made(500, seed=n, six=n == 1) | {"rate": np.full(500, rate, np.uint32)} for n, rate in enumerate(rates)]
    for number, part in enumerate(parts):
        fresh = Unfinished(
            tmp_path / "fresh" / f"{files.stamp(int(NOON.timestamp() * 1000))}-{number}.parquet", bounded=tuple(part)
        )
        fresh.add(part, 200)
        fresh.finish()
    assert compacting.compact(tmp_path, files.stored(tmp_path, "fresh")) == 1000
    (one,) = files.stored(tmp_path, "hours")
    found = duckdb.execute(f"SELECT rate, sum(bytes)::HUGEINT FROM '{one.path}' WHERE twin = 0 GROUP BY rate").fetchall()
    want = {rate: sum(int(part["bytes"].sum()) for part, own in zip(parts, rates, strict=True) if own == rate) for rate in rates}
    assert dict(found) == want


def test_unfinished_files_are_not_read(tmp_path) -> None:
    archive = stored(tmp_path, made())
    (tmp_path / "fresh" / ".20260211T120000-000009.parquet.new").write_bytes(b"half a file")
    for name in ("notes", "12345678-1", "20261340T120000-1"):
        (tmp_path / "fresh" / f"{name}.parquet").write_bytes(b"not ours")
    assert archive.top("protocol", DAY).rows
    files.make_room(tmp_path)
    assert not list((tmp_path / "fresh").glob(".*"))


class TestKeeping:
    def keeper(self, root, now, **more):
        return Keeper(
            Settings(str(root), -1, 0, 0, **{"keep_hours": 24, "keep_minutes_hours": 48, "keep_coarse_hours": 72} | more), now
        )

    def hold(self, root, **scope):
        (root / "holds.json").write_text(json.dumps({"all": False, "customers": []} | scope))

    def sums(self, root, kind):
        rows = duckdb.execute(f"SELECT sum(bytes), sum(packets), sum(flows) FROM '{root / kind}/*.parquet'").fetchone()
        return tuple(map(int, rows))

    def test_hours_that_are_over_are_compacted(self, tmp_path) -> None:
        stored(tmp_path, made())
        assert self.keeper(tmp_path, NOON + timedelta(minutes=50)).run()["compacted"] == 0
        assert self.keeper(tmp_path, NOON + timedelta(minutes=63)).run()["compacted"] == 1

    def test_rolled_up_to_minutes_then_hours_then_gone(self, tmp_path) -> None:
        columns = made(500)
        stored(tmp_path, columns)
        self.hold(tmp_path)
        seen = [(columns["src_customer"] != 0).astype(int), (columns["dst_customer"] != 0).astype(int)]
        ends = np.maximum(seen[0] + seen[1], 1)  # an internal flow stands under both of its hosts
        scale = np.maximum(columns["rate"], 1).astype(object)
        want = tuple(int((values * ends).sum()) for values in (columns["bytes"] * scale, columns["packets"] * scale, ends * 0 + 1))
        self.keeper(tmp_path, NOON + timedelta(hours=26)).run()
        assert [one.kind for one in files.stored(tmp_path)] == ["minutes"] and self.sums(tmp_path, "minutes") == want
        self.keeper(tmp_path, NOON + timedelta(hours=50)).run()
        assert [one.kind for one in files.stored(tmp_path)] == ["coarse"] and self.sums(tmp_path, "coarse") == want
        self.keeper(tmp_path, NOON + timedelta(hours=200)).run()
        assert files.stored(tmp_path) == []

    @pytest.mark.parametrize("hours", [26, 50])
    def test_what_was_summed_up_still_answers(self, tmp_path, hours) -> None:
        archive = stored(tmp_path, made(800))
        self.hold(tmp_path, customers=[4])
        ask = {
            "top": lambda: archive.top("local", DAY, count=100, where="direction out").rows,
            "customers": lambda: sorted(archive.top("customer", DAY, count=100, measure="flows").rows),
            "total": lambda: archive.total(DAY, dimension="protocol", where="family 4"),
            "lines": lambda: archive.lines("direction", DAY, step=timedelta(hours=1), values=[0, 1], measure="packets"),
        }
        before = {name: question() for name, question in ask.items()}
        ports = archive.top("peer_port", DAY).rows
        self.keeper(tmp_path, NOON + timedelta(hours=26)).run()
        self.keeper(tmp_path, NOON + timedelta(hours=hours)).run()
        assert files.stored(tmp_path, "coarse" if hours == 50 else "minutes") and not files.stored(tmp_path, "hours")
        assert {name: question() for name, question in ask.items()} == before
        assert 0 < archive.top("peer_port", DAY).rows[0][1] < ports[0][1]  # sums know no ports: what is held is all there is

    def test_a_spool_is_bounded_and_nothing_is_compacted_there(self, tmp_path) -> None:
        stored(tmp_path, made(5000), made(5000, seed=2))
        size = files.stored(tmp_path, "fresh")[0].size
        assert self.keeper(tmp_path, NOON + timedelta(hours=9), spool=True, most_bytes=0).run() == {"dropped": 0}
        assert self.keeper(tmp_path, NOON + timedelta(hours=9), spool=True, most_bytes=size + 1000).run() == {"dropped": 1}
        assert [one.path.name[-9:] for one in files.stored(tmp_path)] == ["1.parquet"]

    def test_a_customers_flows_stay_while_held_and_go_when_released(self, tmp_path) -> None:
        archive = stored(tmp_path, made(six=False))
        self.hold(tmp_path, customers=[4])
        before = archive.flows_of("198.51.100.3", DAY).rows  # customer 4's
        self.keeper(tmp_path, NOON + timedelta(hours=26)).run()
        assert before and archive.flows_of("198.51.100.3", DAY).rows == before
        others = archive.flows_of("198.51.100.1", DAY).as_objects()
        assert all(4 in (row["customer"], row["peer_customer"]) for row in others)
        self.hold(tmp_path)
        self.keeper(tmp_path, NOON + timedelta(hours=26)).run()
        assert archive.flows_of("198.51.100.3", DAY).rows == []

    @pytest.mark.parametrize("holds", ['{"all": true, "customers": []}', "nonsense", None])
    def test_nothing_goes_while_everything_is_held_or_nobody_knows(self, tmp_path, holds) -> None:
        stored(tmp_path, made())
        if holds:
            (tmp_path / "holds.json").write_text(holds)
        self.keeper(tmp_path, NOON + timedelta(days=900), most_bytes=1).run()
        assert [one.kind for one in files.stored(tmp_path)] == ["hours"]

    def test_by_size_the_oldest_go_first(self, tmp_path) -> None:
        for day in range(4):
            at = NOON + timedelta(days=day)
            stored(tmp_path, made(5000, seed=day, at=at), at=at)
            compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
        self.hold(tmp_path)
        size = sum(one.size for one in files.stored(tmp_path))
        self.keeper(tmp_path, NOON + timedelta(days=3), keep_hours=9999, most_bytes=size - 1000).run()
        left = files.stored(tmp_path, "hours")
        assert len(left) < 4 and left[-1].at.date() == (NOON + timedelta(days=3)).date()
        assert sum(one.size for one in files.stored(tmp_path)) < size


def test_a_sample_tells_the_sums_of_very_many_flows(tmp_path) -> None:
    columns = made(40_000, six=False)
    columns["bytes"] = (np.random.default_rng(5).pareto(1.2, 40_000) * 1000 + 40).astype(np.uint64)
    exact = stored(tmp_path, columns)
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    (tmp_path / "holds.json").write_text('{"all": true, "customers": []}')
    assert Keeper(Settings(str(tmp_path), -1, 0, 0), NOON + timedelta(hours=3)).run()["thinned"] == 1
    sample = Archive(tmp_path, thin=True)
    assert files.stored(tmp_path, "thin")[0].size < files.stored(tmp_path, "hours")[0].size / 5
    whole, told = exact.total(DAY), sample.total(DAY)
    assert told[0] == pytest.approx(whole[0], rel=0.03) and told[2] == pytest.approx(whole[2], rel=0.15)
    first, again = exact.top("local", DAY, count=5).rows, dict(sample.top("local", DAY, count=30).rows[i][:2] for i in range(30))
    assert all(again[host] == pytest.approx(octets, rel=0.15) for host, octets, *_ in first)
    files.stored(tmp_path, "hours")[0].path.unlink()
    assert Keeper(Settings(str(tmp_path), -1, 0, 0), NOON + timedelta(hours=3)).run()["thinned"] == 0
    assert files.stored(tmp_path, "thin") == []


def test_a_compaction_that_is_killed_doubles_nothing(tmp_path) -> None:
    archive = stored(tmp_path, made(300), made(200, seed=2))
    before = archive.total(DAY)
    kept = {path: path.read_bytes() for path in (tmp_path / "fresh").iterdir()}
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    for path, content in kept.items():  # as if it had been killed before it deleted its sources
        path.write_bytes(content)
    assert archive.total(DAY) == before
    Keeper(Settings(str(tmp_path), -1, 0, 0), NOON + timedelta(hours=3)).compact()
    assert not list((tmp_path / "fresh").iterdir()) and archive.total(DAY) == before


def test_who_watched_is_noted_when_files_are_sampled(tmp_path) -> None:
    columns = made(3000, six=False)
    columns["rate"] = np.where(columns["ended"] < int(NOON.timestamp() * 1000) + 1_500_000, 100, 7).astype(np.uint32)
    archive = stored(tmp_path, columns)
    compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
    first = Span(NOON - timedelta(minutes=5), NOON + timedelta(minutes=20))
    spans = [
        first,
        Span(NOON + timedelta(minutes=30), NOON + timedelta(minutes=40)),
        Span(NOON - timedelta(hours=1), NOON - timedelta(minutes=30)),
    ]
    scanned = [archive.rates(span) for span in spans]
    (one,) = files.stored(tmp_path, "hours")
    thinning.thin(one.path, tmp_path / "thin" / one.path.name)
    assert files.watched(one.path) and scanned == [[100], [7], []]
    assert [archive.rates(span) for span in spans] == scanned


def test_lines_pairs_and_total_agree_with_top(tmp_path) -> None:
    archive = stored(tmp_path, made(1500))
    values = [row[0] for row in archive.top("peer", DAY, count=4).rows]
    lines = archive.lines("peer", DAY, step=timedelta(minutes=10), values=values)
    sums = {place: sum(amount for _, where, amount in lines if where == place) for place in range(-1, 4)}
    top = [row[1] for row in archive.top("peer", DAY, count=4).rows]
    assert [sums[place] for place in range(4)] == top and sum(sums.values()) == archive.total(DAY, dimension="peer")[0]
    ports = [22, 80]
    pairs = archive.pairs(("peer", "protocol"), DAY, values=(values, ports))
    assert [sum(amount for one, _, amount in pairs if one == place) for place in range(4)] == top
    before = archive.total(DAY.before())
    assert before == (0, 0, 0) and DAY.before().end == DAY.start


class TestFilters:
    @pytest.mark.parametrize(
        ("text", "want"),
        [
            ("protocol tcp", "protocol = 6"),
            ("peer_port 22,80", "peer_port IN (22, 80)"),
            ("peer_port 22-80 or local_port > 60000", "peer_port BETWEEN 22 AND 80 OR local_port > 60000"),
            ("not (direction in and customer 3)", "NOT (direction = 1 AND customer = 3)"),
            ("local 198.51.100.0/28", "family = 4 AND local BETWEEN 3325256704 AND 3325256719"),
            ("bytes >= 5 and packets<=9", "bytes >= 5 AND packets <= 9"),
            ("port 443", "local_port = 443 OR peer_port = 443"),
        ],
    )
    def test_meaning(self, tmp_path, text, want) -> None:
        stored(tmp_path, made(six=False))
        compacting.compact(tmp_path, files.stored(tmp_path, "fresh"))
        (one,) = files.stored(tmp_path, "hours")
        condition = parse_filter(text)
        ours = duckdb.execute(f"SELECT count(*) FROM '{one.path}' WHERE {condition.sql}", list(condition.parameters)).fetchone()
        theirs = duckdb.execute(f"SELECT count(*) FROM '{one.path}' WHERE {want}").fetchone()
        assert ours == theirs and ours[0] > 0

    @pytest.mark.parametrize(
        "text", ["x 1", "local 1.2.3", "peer_port", "(protocol 6", "protocol 6 6", "not", "protocol 6; drop", "( " * 900]
    )
    def test_nonsense_is_refused_with_advice(self, text) -> None:
        with pytest.raises(InputError, match="filter"):
            parse_filter(text)

    @given(st.text(st.sampled_from("localpeer_port and or not()<>=,-.:/'\";0123456789"), max_size=80))
    @settings(max_examples=300, deadline=None)
    def test_no_text_reaches_the_query(self, text) -> None:
        try:
            condition = parse_filter(text)
        except InputError:
            return
        assert not set(condition.sql) & set("'\";0123456789") - set("46")


class Doomed(Unfinished):
    """A file for whose last bytes there is no memory."""

    def finish(self, notes=None):
        raise MemoryError("no room")


def test_flows_of_a_file_that_could_not_be_finished_are_not_counted_as_kept(tmp_path):
    made = Doomed(tmp_path / "20260211T140512-000017.parquet")
    done = Finishing(made, 5)
    done.thread.join()
    made.give_up()
    assert isinstance(done.error, MemoryError) and done.flows == 5
