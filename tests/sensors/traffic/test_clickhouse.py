"""Each question gives the same answer on both engines; flows wait on disk while the cluster is away, and come in once.

The engine of ClickHouse runs in process (chdb). With CLICKHOUSE_URL set, the same is asked of that server, in databases of the
test's own (tipstaff_test_…), which go afterwards.
"""

import json
import os
import uuid
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.sensors.traffic.test_archive import DAY, NOON, made, stored
from tests.unskipped import NOT_OURS
from tipstaff.faces.cli import flows_asking
from tipstaff.kernel.errors import InputError, Refused
from tipstaff.sensors.traffic.archive import clickhouse, compacting, corroborating, files, shipping
from tipstaff.sensors.traffic.archive.clickhouse import Cluster, Http, Schema, Unreachable
from tipstaff.sensors.traffic.archive.keeping import Holds
from tipstaff.sensors.traffic.archive.questions import Statement
from tipstaff.sensors.traffic.archive.shipping import Shipper
from tipstaff.sensors.traffic.corroboration import Claim, Verdict

URL = os.environ.get("CLICKHOUSE_URL", "")
chdb = pytest.importorskip("chdb", reason="chdb is not installed: pip install tipstaff[dev]")


def number(text):
    return int(text) if text.lstrip("-").isdecimal() else text


class InProcess:
    """ClickHouse's engine in this process; ``away`` plays a cluster that is not there."""

    def __init__(self, folder: Path) -> None:
        from chdb import session

        self.folder, self.away = folder, False
        self.session = session.Session(str(folder / "data"))

    def rows(self, sql, parameters):
        text = self.session.query(sql, "JSONCompactStrings", params=parameters or None)
        return [[number(value) for value in row] for row in json.loads(str(text))["data"]]

    def run(self, sql):
        self._here()
        self.session.query(sql)

    def insert(self, table, content, token):
        self._here()
        path = self.folder / "insert.parquet"
        path.write_bytes(content)
        settings = f"insert_deduplication_token = '{token}', deduplicate_blocks_in_dependent_materialized_views = 1"
        self.session.query(f"INSERT INTO {table} SETTINGS {settings} SELECT * FROM file('{path}', Parquet)")

    def _here(self):
        if self.away:
            raise Unreachable("ClickHouse: connection refused")


def built(server, root, database):
    """A cluster with the flows that an archive of files has too."""
    schema = Schema(database, minutes_days=10_000, hours_days=10_000)
    for statement in schema.statements():
        server.run(statement)
    cluster = Cluster(server, database=database)
    parts = [made(900), made(400, seed=2, six=False), made(50, seed=3, at=NOON - timedelta(hours=1))]
    archive = stored(root / "files", *parts)
    stored(root / "spool", *parts)
    (root / "spool" / "holds.json").write_text('{"all": false, "customers": []}')
    assert Shipper(root / "spool", cluster, 24 * 36500, schema).step() == 3
    compacting.compact(root / "files", files.stored(root / "files", "fresh")[:1])
    return archive, cluster, schema


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    root = tmp_path_factory.mktemp("engines")
    server = InProcess(root)
    yield built(server, root, "tipstaff")
    server.session.close()


QUESTIONS = {
    "top peer": lambda one: one.top("peer", DAY, count=50),
    "top local, one way": lambda one: one.top("local", DAY, count=7, where="direction out"),
    "top by packets": lambda one: one.top("protocol", DAY, measure="packets"),
    "top by flows": lambda one: one.top("peer_port", DAY, measure="flows"),
    "top by peers": lambda one: one.top("customer", DAY, measure="peers", where="not peer_port 22"),
    "filter of everything": lambda one: one.top(
        "customer",
        DAY,
        where="(host 198.51.100.0/28 or local 2001:db8:0:1::/64,2001:db8::3) and not port 80 and bytes > 5 and tos 0-12",
    ),
    "total": lambda one: one.total(DAY),
    "total of both ends": lambda one: one.total(DAY, dimension="local"),
    "nothing": lambda one: (one.total(DAY.before()), one.top("peer", DAY.before()).rows),
    "series": lambda one: one.series(DAY, step=timedelta(minutes=5), dimension="family"),
    "lines": lambda one: one.lines("peer", DAY, step=timedelta(minutes=10), values=["203.0.113.4", "2001:db8::3", "198.51.100.9"]),
    "lines of numbers": lambda one: one.lines("direction", DAY, step=timedelta(hours=1), values=[1, 0], measure="flows"),
    "pairs": lambda one: one.pairs(("customer", "peer_port"), DAY, values=([1, 2, 0], [22, 443])),
    "flows of an IPv4 host": lambda one: one.flows_of("198.51.100.7", DAY, limit=5000),
    "flows of an IPv6 host": lambda one: one.flows_of("2001:db8::1:0:0:0:3", DAY),
    "flows of a prefix, cut": lambda one: one.flows_of("198.51.100.0/24", DAY, limit=20, where="bytes > 1000"),
    "rates": lambda one: one.rates(DAY),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_engines_give_the_same_answer(engines, question) -> None:
    archive, cluster, _ = engines
    here, there = QUESTIONS[question](archive), QUESTIONS[question](cluster)
    assert there == here
    assert question == "nothing" or here


def test_corroboration_asks_either(engines) -> None:
    archive, cluster, _ = engines
    one = archive.flows_of("198.51.100.7", DAY, where="direction out").as_objects()[0]
    claim = Claim(one["end"], one["end"], peer=one["peer"], peer_port=one["peer_port"])
    for engine in (archive, cluster):
        answer, _ = corroborating.ask_all([corroborating.Own(engine)], "198.51.100.7", claim)
        assert answer.verdict is Verdict.SEEN and answer.flows[0].peer == one["peer"]
        assert engine.kept_since() is not None


def test_sums_by_the_minute_and_the_hour_hold_everything(engines) -> None:
    archive, cluster, _ = engines
    octets, packets, flows = archive.total(DAY)
    for grain in ("minutes", "hours"):
        sql = f"SELECT sum(toInt128(bytes)), sum(toInt128(packets)), sum(flows) FROM tipstaff.flows_{grain} WHERE twin = 0"
        assert [list(row) for row in cluster.server.rows(sql, {})] == [[octets, packets, flows]]


SUMMED = {
    "top local": lambda one: one.top("local", DAY, count=9).rows,
    "top customer by flows": lambda one: one.top("customer", DAY, count=9, measure="flows", where="protocol tcp").rows,
    "total": lambda one: one.total(DAY, dimension="customer"),
    "lines": lambda one: one.lines("direction", DAY, step=timedelta(hours=1), values=[1, 0]),
    "pairs": lambda one: one.pairs(("customer", "protocol"), DAY, values=([1, 2, 0], [6, 17])),
    "series": lambda one: one.series(DAY, step=timedelta(hours=1), dimension="exporter").rows,
}  # fmt: skip


@pytest.mark.parametrize("question", SUMMED)
def test_sums_answer_of_what_is_no_longer_kept(engines, question) -> None:
    """The engines' day is long past what is kept: by the minute for one, by the hour for the other, and as from single flows."""
    _, cluster, _ = engines
    minutes = Cluster(cluster.server, keep_hours=24, minutes_hours=24 * 9_000)
    hours = Cluster(cluster.server, keep_hours=24, minutes_hours=48)
    whole = Cluster(cluster.server, keep_hours=24 * 9_000, minutes_hours=24 * 9_100)
    assert minutes._summed(DAY).count("SELECT") == hours._summed(DAY).count("SELECT") == 1
    assert ("flows_minutes" in minutes._summed(DAY), "flows_hours" in hours._summed(DAY)) == (True, True)
    wanted = SUMMED[question](cluster)
    assert wanted and SUMMED[question](minutes) == SUMMED[question](hours) == SUMMED[question](whole) == wanted
    assert minutes.top("peer", DAY, count=3).rows == cluster.top("peer", DAY, count=3).rows  # sums do not tell peers apart


def test_a_file_sent_twice_counts_once(engines, tmp_path) -> None:
    _, cluster, schema = engines
    before = cluster.total(DAY.before())
    for _ in range(2):  # killed between the answer of the cluster and the end of the file
        stored(tmp_path, made(60, seed=9, at=DAY.before().start + timedelta(minutes=1)), at=DAY.before().start)
        Shipper(tmp_path, cluster, 24 * 36500, schema, prefix="twice").step()
    assert cluster.total(DAY.before())[2] == before[2] + 60
    cluster.server.run(
        "ALTER TABLE tipstaff.flows_local DELETE WHERE ended < " + str(DAY.milliseconds()[0]) + " SETTINGS mutations_sync = 2"
    )
    assert cluster.total(DAY.before()) == before


def test_flows_wait_on_disk_while_it_is_away(engines, tmp_path) -> None:
    _, cluster, schema = engines
    stored(tmp_path, made(30, seed=4, at=DAY.end + timedelta(hours=3)), at=DAY.end + timedelta(hours=3))
    shipper = Shipper(tmp_path, cluster, 24 * 36500, schema, prefix="away")
    cluster.server.away = True
    with pytest.raises(Refused, match="connection refused"):
        shipper.step()
    assert len(files.stored(tmp_path, "fresh")) == 1
    cluster.server.away = False
    assert shipper.step() == 1 and not files.stored(tmp_path, "fresh")


def test_a_samples_flows_are_never_sent(engines, tmp_path) -> None:
    _, cluster, schema = engines
    stored(tmp_path, made(30, seed=6, at=DAY.end), at=DAY.end)
    (one,) = files.stored(tmp_path, "fresh")
    sample = one.path.rename(one.path.with_name(f"{one.path.name.split('-')[0]}{files.SAMPLE}"))
    before = cluster.total(DAY)
    assert Shipper(tmp_path, cluster, 24 * 36500, schema, prefix="sample").step() == 0
    assert sample.exists() and cluster.total(DAY) == before


def test_what_cannot_be_read_stops_nothing(engines, tmp_path) -> None:
    _, cluster, schema = engines
    at = DAY.end + timedelta(hours=9)
    stored(tmp_path, made(30, seed=5, at=at), at=at)
    (tmp_path / "fresh" / f"{files.stamp(int(at.timestamp() * 1000) - 9000)}-000009.parquet").write_bytes(b"half a file")
    assert Shipper(tmp_path, cluster, 24 * 36500, schema, prefix="half").step() == 1
    assert [path.suffix for path in (tmp_path / "fresh").iterdir()] == [".unreadable"]


class TestHolds:
    def kept(self, cluster):
        sql = (
            "SELECT customer, peer_customer, max(toUnixTimestamp(keep_until)) FROM tipstaff.flows GROUP BY customer, peer_customer"
        )
        return {tuple(row[:2]): row[2] for row in cluster.server.rows(sql, {})}

    def test_a_hold_keeps_what_is_there_and_what_comes(self, engines) -> None:
        _, cluster, schema = engines
        sync = " SETTINGS mutations_sync = 2"
        cluster.server.run(shipping.hold_statement(Holds(False, (4,)), 24, schema) + sync)
        ever = int(clickhouse.EVER.timestamp())
        assert all((until == ever) == (4 in ends) for ends, until in self.kept(cluster).items())
        cluster.server.run(shipping.hold_statement(Holds(True), 24, schema) + sync)
        assert set(self.kept(cluster).values()) == {ever}
        cluster.server.run(shipping.hold_statement(Holds(), 24 * 36500, schema) + sync)
        assert ever not in self.kept(cluster).values()

    @pytest.mark.parametrize(
        ("held", "far"), [(None, [1, 1]), (Holds(True), [1, 1]), (Holds(False, (4,)), [1, 0]), (Holds(), [0, 0])]
    )
    def test_new_rows_are_written_with_their_time(self, engines, held, far) -> None:
        _, cluster, schema = engines
        shipper = Shipper(Path("/nowhere"), cluster, 24, schema, held=held)
        columns = {"ended": np.array([0, 0]), "customer": np.array([4, 5]), "peer_customer": np.array([0, 0])}
        assert list(shipper.until(columns) > 86400) == [bool(one) for one in far]


def test_parameters_are_never_part_of_the_text() -> None:
    sql, values = clickhouse.bound(Statement("SELECT ? FROM {flows} WHERE a = ?", (-5, 7)))
    assert sql.format(flows="f") == "SELECT {p0:Int64} FROM f WHERE a = {p1:UInt64}" and values == {"p0": -5, "p1": 7}


@pytest.mark.parametrize("name", ["a b", "x;DROP", "ä", ""])
def test_names_are_plain(name) -> None:
    with pytest.raises(InputError):
        list(Schema(name).statements())


def test_a_cluster_gets_replicated_and_distributed_tables() -> None:
    text = "\n".join(Schema("tipstaff", "edge").statements())
    assert "ON CLUSTER edge" in text and "ReplicatedMergeTree" in text and "Distributed(edge, tipstaff, flows_local" in text


def test_the_command_prints_the_schema_and_wants_a_server_to_make_it(settings) -> None:
    settings.FLOWS = settings.FLOWS | {"clickhouse": {"url": "", "database": "tipstaff", "cluster": "edge"}}
    told = CliRunner().invoke(flows_asking.clickhouse, [])
    assert told.exit_code == 0 and "INTERVAL 180 DAY" in told.output and "Distributed(edge" in told.output
    assert isinstance(CliRunner().invoke(flows_asking.clickhouse, ["--apply"]).exception, InputError)


def test_a_server_that_is_away_is_refused_not_crashed() -> None:
    pytest.importorskip("clickhouse_connect", reason="clickhouse-connect is not installed: pip install tipstaff[clickhouse]")
    with pytest.raises(Unreachable, match="ClickHouse"):
        Http("http://127.0.0.1:9").rows("SELECT 1", {})


@pytest.mark.skipif(not URL, reason=f"{NOT_OURS}CLICKHOUSE_URL is not set, and the questions were not put to a real server")
def test_a_real_server_gives_the_same_answers(tmp_path) -> None:
    server, database = Http(URL), f"tipstaff_test_{uuid.uuid4().hex[:12]}"
    try:
        archive, cluster, _ = built(server, tmp_path, database)
        differing = [name for name, ask in QUESTIONS.items() if ask(archive) != ask(cluster)]
        assert differing == []
    finally:
        server.run(f"DROP DATABASE IF EXISTS {database}")
