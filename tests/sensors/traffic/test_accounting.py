"""Every flow that was sent is decoded, undecodable or lost: nothing vanishes, nothing is made up."""

import json
import socket
import struct
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sensors.traffic.exporting import (
    FIELDS,
    ROUTER,
    Bench,
    a_set,
    body,
    ethernet,
    flow,
    ipfix,
    options_template,
    packet,
    raw_header,
    sample,
    sflow,
    template,
    v5,
    v9,
)  # fmt: skip
from tipstaff.sensors.traffic.captures import Datagram
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders import sessions as S
from tipstaff.sensors.traffic.decoders.decoder import Decoder, Policy, gather
from tipstaff.sensors.traffic.sockets import Inlet

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PER = 6  # flows in each datagram
#: What becomes of each datagram on its way: it arrives, is lost, or (formats with templates) names one that never came.
fates = st.lists(st.sampled_from(["arrives", "lost", "unknown"]), min_size=1, max_size=25)
RECORDS = [flow(bytes=n) for n in range(PER)]


def datagram(kind: str, number: int, known: bool) -> bytes:
    """The ``number``-th datagram of PER flows, with the sequence number that its format gives it."""
    data = a_set(260 if known else 999, body(FIELDS, RECORDS), pad=kind == "v9")
    if kind == "v5":
        return v5(RECORDS, sequence=number * PER)
    if kind == "v9":
        return v9([data], count=PER, sequence=number + 1)
    if kind == "ipfix":
        return ipfix([data], sequence=number * PER)
    return sflow([sample([raw_header(ethernet(packet()))])] * PER, sequence=number)


def begun(kind: str) -> Bench:
    """A decoder that knows the template and where the sequence stands."""
    bench = Bench()
    if kind == "v9":
        bench.feed(v9([template(260, FIELDS)], count=1, sequence=0))
    elif kind == "ipfix":
        bench.feed(ipfix([template(260, FIELDS, 10)], sequence=0))
    bench.feed(datagram(kind, 0, True))
    return bench


@pytest.mark.parametrize("kind", ["v5", "v9", "ipfix", "sflow"])
@quick
@given(fates, st.booleans())
def test_sent_equals_decoded_plus_undecodable_plus_lost(kind, fates, batched) -> None:
    bench = begun(kind)
    arriving = [
        datagram(kind, n, fate != "unknown" or kind in ("v5", "sflow")) for n, fate in enumerate(fates, 1) if fate != "lost"
    ]
    arriving.append(datagram(kind, len(fates) + 1, True))  # whose number tells what is missing
    for chunk in [arriving] if batched else [[one] for one in arriving]:
        bench.feed(*chunk)
    sent = PER * (len(fates) + 2)
    assert bench.sums(S.DECODED) + bench.sums(S.UNDECODABLE) + bench.sums(S.LOST) == sent
    assert bench.sums(S.LOST) == PER * fates.count("lost") or kind == "ipfix"
    assert bench.balanced and len(bench.found) == bench.sums(S.DECODED)


@pytest.mark.parametrize("kind", ["v5", "v9", "ipfix", "sflow"])
@quick
@given(st.permutations(range(1, 9)))
def test_reordering_is_not_loss(kind, order) -> None:
    bench = begun(kind)
    bench.feed(*(datagram(kind, number, True) for number in order))
    bench.feed(datagram(kind, 9, True))
    assert (bench.sums(S.LOST), bench.sums(S.RESTARTS)) == (0, 0) and bench.sums(S.DECODED) == PER * 10


@pytest.mark.parametrize("kind", ["v5", "v9", "sflow"])
def test_a_restart_is_not_loss(kind) -> None:
    bench = Bench()
    make = {
        "v5": lambda n, up: v5(RECORDS, sequence=n * PER, uptime=up),
        "v9": lambda n, up: v9([template(260, FIELDS)], count=1, sequence=n, uptime=up),
        "sflow": lambda n, up: sflow([sample([raw_header(ethernet(packet()))])], sequence=n, uptime=up),
    }[kind]
    bench.feed(make(1000, 9_000_000), make(0, 500), make(1, 1500))
    assert (bench.sums(S.LOST), bench.sums(S.RESTARTS)) == (0, 1)


@quick
@given(st.binary(max_size=200), st.integers(0, 65535))
def test_headers_that_lie_about_counts(tail, count) -> None:
    bench = Bench()
    bench.feed(v5(RECORDS, count=count) + tail, v9([template(260, FIELDS), a_set(260, body(FIELDS, RECORDS))], count=count))
    bench.feed(sflow([sample([raw_header(ethernet(packet()))])], count=count * 65537))
    assert bench.balanced
    assert bench.sums(S.DECODED) <= count + PER + 1 + 200


def test_strangers_are_heard_and_count_for_nothing() -> None:
    bench = Bench(Decoder(strangers=Policy(counts=False)))
    assert bench.feed(v5(RECORDS), sflow([sample([raw_header(ethernet(packet()))])])) == []
    assert bench.sums(S.DECODED) == PER + 1 and bench.balanced
    bench.feed(v9([template(260, FIELDS), a_set(260, body(FIELDS, RECORDS))], count=PER + 1))
    assert bench.found == []


def test_a_flood_of_sources_is_counted_and_bounded() -> None:
    bench = Bench(Decoder(sessions=64))
    for port in range(500):
        bench.feed(v5([flow()]), port=port)
    assert len(bench.decoder.sessions) == 64 and bench.why(L.SOURCES) == 436


def test_confirmed_exporters_keep_their_places_in_a_flood() -> None:
    bench = Bench(Decoder(sessions=64, strangers=Policy(counts=False)))
    bench.decoder.configure({ROUTER: Policy(number=1)})
    bench.feed(v9([template(260, FIELDS)], count=1), port=7)
    for number in range(1000):
        bench.feed(v5([flow()]), source=bytes(12) + number.to_bytes(4, "big"), at=1_000_000)
        bench.decoder.make_room(1_000_000)
        data = v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=number + 1)
        assert len(bench.feed(data, port=7, at=1_000_000)) == 1
    assert bench.why(L.SOURCES) == 0 and bench.sums(S.LOST) == 0
    assert bench.sums(S.RECEIVED) + int(bench.decoder.sessions.departed[S.RECEIVED]) == 2000


def test_a_flood_of_sets_without_template_is_bounded() -> None:
    bench = Bench()
    for number in range(2000):
        bench.feed(v9([a_set(900, bytes(9000))], count=100, sequence=number))
    assert bench.decoder.held.size <= 4_000_000 and bench.balanced and bench.sums(S.UNDECODABLE) == 200_000


@pytest.mark.parametrize("fields", [((1, 1),), ((8, 4), (1, 4, 29305)), ((82, 65535),)])
def test_records_too_many_for_the_columns(fields) -> None:
    """Tiny records in the largest datagram there is: columns are handed over in between, or the set is given up."""
    bench = Bench()
    bench.columns = L.Columns.room(4096)
    bench.feed(ipfix([template(300, fields, 10)]))
    bench.feed(ipfix([a_set(300, bytes(60_000), pad=False)]))
    assert bench.balanced


class TestHostile:
    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)

    def test_mutated_datagrams_at_the_end_of_memory(self) -> None:
        done = self.run("-m", "tipstaff.sensors.traffic.hostile", "20000", "11")
        assert done.returncode == 0, done.stderr[-500:]
        found = json.loads(done.stdout)
        assert found["escaped"] == 0 and found["flows"] > 100

    def test_a_read_past_the_end_would_show(self) -> None:
        """The edge of memory that the test above relies on is there: one byte further ends the program."""
        script = "from tipstaff.sensors.traffic.hostile import Edge; import ctypes; e = Edge(1); "
        script += "ctypes.string_at(e.bytes.ctypes.data + e.size - 4, {})"
        assert self.run("-c", script.format(4)).returncode == 0
        assert self.run("-c", script.format(5)).returncode < 0


def stranger(number: int) -> bytes:
    return bytes(12) + number.to_bytes(4, "big")


class TestFloodsOfWhatIsRare:
    """What costs more than a record does: bounded, whoever sends it, and never at the cost of those who count."""

    def bench(self) -> Bench:
        bench = Bench(Decoder(strangers=Policy(counts=False)))
        bench.decoder.configure({ROUTER: Policy(number=1)})
        return bench

    def test_records_whose_fields_are_empty_stay_within_the_columns(self) -> None:
        bench = Bench(columns=L.Columns.room(4096))
        bench.feed(ipfix([template(300, [(8, 0)] * 511 + [(82, 65535)], 10)]))
        room = bench.columns.capacity
        whole = [Datagram(ipfix([a_set(300, bytes(60_000), pad=False)]), ROUTER, 2055, 0)]
        assert bench.decoder.decode(gather(whole), bench, room - 100) <= room and bench.balanced

    def test_what_is_longer_than_any_datagram_is_not_read(self) -> None:
        bench = Bench()
        assert bench.feed(v9([struct.pack(">HH", 900, 4) * 200_000], count=1), v5([flow()] * 2000)) == []
        assert bench.why(L.LONG) == 2

    def test_templates_of_strangers_leave_room_for_those_who_count(self) -> None:
        bench = self.bench()
        for number in range(100):
            known = [template(256 + n, [(8, 4), (1000 + number, 1 + n)], 10) for n in range(60)]
            bench.feed(ipfix(known), source=stranger(number), at=1_000_000 + number * 1000)
        kept = bench.decoder.templates
        assert len(kept.plans.heads) <= 1024 and bench.why(L.TEMPLATES) > 2000
        for number in range(3100):  # more than there is room for beside the strangers'
            bench.feed(v9([template(300, [*FIELDS, (2000 + number, 1)])], count=1, domain=number % 4), at=2_000_000 + number * 50)
        assert len(bench.feed(v9([a_set(300, body([*FIELDS, (5099, 1)], [flow()]))], count=1, domain=3), at=2_200_000)) == 1
        assert len(kept.plans.heads) <= 4096 and bench.decoder.allowances[True].left > 0

    def test_samplers_of_strangers_are_few_and_not_in_the_index(self) -> None:
        bench = self.bench()
        told = options_template(400, [(1, 4)], [(48, 4), (34, 4)])
        for number in range(30):
            rows = b"".join(struct.pack(">III", 1, n, 10 + n) for n in range(600))
            bench.feed(
                v9([told], count=1), v9([a_set(400, rows)], count=600), source=stranger(number), at=1_000_000 + number * 5000
            )
        assert bench.decoder.samplers.count <= 4096 and not bench.decoder.rates.index.values.any()
        bench.feed(v9([told], count=1), v9([a_set(400, struct.pack(">III", 1, 7, 99))], count=1), at=2_000_000)
        fields = (*FIELDS, (48, 4))
        found = bench.feed(v9([template(260, fields), a_set(260, body(fields, [flow() | {48: 7}]))], count=2), at=2_000_000)
        assert found[0]["sampling_rate"] == 99

    def test_sets_that_wait_are_bounded_in_number_and_found_again(self) -> None:
        bench = Bench()
        wanted = a_set(260, body(FIELDS, [flow()]))
        bench.feed(v9([wanted], count=1))
        bench.feed(*[v9([a_set(900, bytes(4))] * 300, count=1, sequence=n) for n in range(1, 30)])
        assert bench.decoder.held.count == 4096 and bench.why(L.NO_TEMPLATE) == 1 + 29 * 300
        assert len(bench.feed(v9([template(260, FIELDS)], count=1, sequence=30))) == 1 and bench.balanced

    def test_options_that_came_before_their_template_are_read_with_it(self) -> None:
        bench = Bench()
        bench.feed(ipfix([a_set(400, struct.pack(">II", 1, 64))]))
        bench.feed(ipfix([options_template(400, [(149, 4)], [(34, 4)], 10)], sequence=1))
        assert rate_of_one(bench) == 64 and bench.balanced and bench.sums(S.LOST) == 0

    def test_a_flood_of_templates_is_read_as_far_as_is_allowed_and_those_who_count_have_their_own(self) -> None:
        bench = self.bench()
        flood = [v9([template(256 + n, [(8, 4)] * 20 + [(1000 + k, 4)]) for n in range(60)], count=60) for k in range(300)]
        bench.feed(*flood, source=stranger(1), at=1_000_000)
        assert bench.decoder.allowances[False].left <= 0 and bench.why(L.TEMPLATES) > 1000
        data = v9([template(260, FIELDS), a_set(260, body(FIELDS, [flow()]))], count=2)
        assert len(bench.feed(data, at=1_000_000)) == 1
        bench.feed(flood[0], source=stranger(2), at=1_010_000)
        assert bench.decoder.allowances[False].left > 0, "time gives it back"

    def test_a_template_that_comes_back_is_a_change_again(self) -> None:
        bench, one, other = Bench(), ((8, 4), (12, 4)), ((12, 4), (8, 4))
        data = v9([a_set(260, struct.pack(">II", 1, 2))], count=1)
        for _ in range(2):
            bench.feed(v9([template(260, one)], count=1), data, v9([template(260, one)], count=1))
            bench.feed(v9([template(260, other)], count=1), v9([template(260, other)], count=1))
            assert [row["src"] for row in bench.feed(data, v9([template(260, one)], count=1), data)] == ["0.0.0.2", "0.0.0.1"]


def rate_of_one(bench: Bench) -> int:
    data = [template(260, FIELDS, 10), a_set(260, body(FIELDS, [flow()]), pad=False)]
    return bench.feed(ipfix(data, sequence=1))[0]["sampling_rate"]


def test_senders_are_known_on_sockets_of_both_families() -> None:
    inlet = Inlet([("127.0.0.1", 0), ("::1", 0)])
    try:
        for number in (0, 1, 0, 1):
            with socket.socket(inlet.sockets[number].family, socket.SOCK_DGRAM) as sender:
                sender.sendto(bytes(30), inlet.sockets[number].getsockname()[:2])
                batch = inlet.receive(number, 5)  # loopback: there once it was sent
                assert batch.n == 1 and batch.source[0].tolist() == [[0, 0xFFFF7F000001], [0, 1]][number]
                assert batch.port[0] == sender.getsockname()[1]
    finally:
        inlet.close()
