"""What exporters say is what is read, in every format and in every way of saying it."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sensors.traffic.exporting import (
    FIELDS,
    OTHER,
    WALL,
    Bench,
    a_set,
    body,
    ethernet,
    flow,
    ipfix,
    options_template,
    packet,
    raw_header,
    same,
    sample,
    sflow,
    template,
    v5,
    v9,
)  # fmt: skip
from tipstaff.sensors.traffic.decoders import layout as L
from tipstaff.sensors.traffic.decoders.decoder import Decoder, Policy
from tipstaff.sensors.traffic.records import moment

four = st.integers(1, (1 << 32) - 1).map(lambda value: ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0)))
port, long = st.integers(0, 65535), st.integers(0, (1 << 32) - 1)
a_flow = st.builds(
    flow, src=four, dst=four, src_port=port, dst_port=port, protocol=st.integers(0, 255), tcp_flags=st.integers(0, 255),
    bytes=long, packets=long,
)  # fmt: skip
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(st.lists(a_flow, max_size=30))
def test_netflow_5_is_read_as_told(flows) -> None:
    bench = Bench()
    assert all(map(same, bench.feed(v5(flows)), flows)) and len(bench.found) == len(flows) and bench.balanced


@quick
@given(st.lists(a_flow, max_size=40), st.sampled_from([9, 10]), st.permutations(FIELDS))
def test_templates_are_followed_in_any_order_of_fields(flows, version, fields) -> None:
    bench = Bench()
    sets = [template(260, fields, version), a_set(260, body(fields, flows))]
    found = bench.feed(v9(sets, count=len(flows) + 1) if version == 9 else ipfix(sets))
    assert len(found) == len(flows) and all(map(same, found, flows)) and bench.balanced


@quick
@given(st.lists(a_flow, min_size=1, max_size=10), st.integers(3, 8), st.binary(max_size=300))
def test_reduced_variable_and_enterprise_fields(flows, width, text) -> None:
    """RFC 7011, 6.2, 7 and 3.2: counters of any size, strings of any length, fields that nobody knows."""
    fields = ((82, 65535), (1, width), (8, 4), (12, 4), (7, 2), (99, 3, 12345), (11, 2), (4, 1), (6, 2), (2, 8))
    told = [one | {"bytes": one["bytes"] % (1 << 8 * width), 82: text} for one in flows]
    bench = Bench()
    found = bench.feed(ipfix([template(300, fields, 10), a_set(300, body(fields, told), pad=False)]))
    assert len(found) == len(told) and all(map(same, found, told))


def test_numbers_that_were_not_stated_are_not_zero() -> None:
    found = Bench().feed(ipfix([template(300, ((8, 4), (12, 4)), 10), a_set(300, body(((8, 4), (12, 4)), [flow()]))]))
    assert [found[0][name] for name in ("bytes", "packets", "src_port", "start", "end", "vlan", "sampling_rate")] == [None] * 7


def test_ipv6_and_mapped_addresses() -> None:
    fields = ((27, 16), (28, 16), (1, 4))
    told = [flow(src="2001:db8::1", dst="2001:db8::2"), flow(src="::ffff:198.51.100.1", dst="::ffff:198.51.100.2")]
    found = Bench().feed(ipfix([template(300, fields, 10), a_set(300, body(fields, told))]))
    assert [(one["src"], one["dst"]) for one in found] == [("2001:db8::1", "2001:db8::2"), ("198.51.100.1", "198.51.100.2")]


def test_a_template_with_both_families_uses_the_one_that_is_filled() -> None:
    fields = ((8, 4), (12, 4), (27, 16), (28, 16))
    records = [{8: "198.51.100.1", 12: "198.51.100.2", 27: 0, 28: 0}, {8: 0, 12: 0, 27: "2001:db8::1", 28: "2001:db8::2"}]
    found = Bench().feed(v9([template(300, fields), a_set(300, body(fields, records))], count=3))
    assert [one["src"] for one in found] == ["198.51.100.1", "2001:db8::1"]


class TestTemplates:
    def test_a_redefinition_applies_from_where_it_stands(self) -> None:
        bench, other = Bench(), tuple(reversed(FIELDS))
        bench.feed(v9([template(260, FIELDS)], count=1))
        datagram = v9(
            [a_set(260, body(FIELDS, [flow()])), template(260, other), a_set(260, body(other, [flow(src="198.51.100.9")]))], count=3
        )
        assert [one["src"] for one in bench.feed(datagram)] == ["198.51.100.7", "198.51.100.9"] and bench.balanced

    def test_one_exporter_is_not_another(self) -> None:
        bench = Bench()
        bench.feed(v9([template(260, FIELDS)], count=1))
        assert bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1), source=OTHER) == []
        assert bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1, domain=2)) == []
        assert bench.feed(ipfix([a_set(260, body(FIELDS, [flow()]))])) == []
        assert bench.why(L.NO_TEMPLATE) == 3

    def test_two_exporters_behind_one_address_are_told_apart_by_port(self) -> None:
        bench, other = Bench(), tuple(reversed(FIELDS))
        bench.feed(v9([template(260, FIELDS)], count=1), port=1001)
        bench.feed(v9([template(260, other)], count=1), port=1002)
        first = bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=1), port=1001)
        second = bench.feed(v9([a_set(260, body(other, [flow()]))], count=1, sequence=1), port=1002)
        assert same(first[0], flow()) and same(second[0], flow())

    def test_an_exporter_that_sends_records_from_another_port_is_understood(self) -> None:
        bench = Bench()
        bench.feed(v9([template(260, FIELDS)], count=1), port=1001)
        assert same(bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1), port=1002)[0], flow())

    @pytest.mark.parametrize("number", [300, 2])
    def test_withdrawal(self, number) -> None:
        bench = Bench()
        bench.feed(ipfix([template(300, FIELDS, 10)]))
        bench.feed(ipfix([a_set(2, struct.pack(">HH", number, 0))]))
        assert bench.feed(ipfix([a_set(300, body(FIELDS, [flow()]), pad=False)])) == []

    def test_what_comes_before_its_template_waits(self) -> None:
        bench = Bench()
        assert bench.feed(v9([a_set(260, body(FIELDS, [flow(), flow()]))], count=2)) == []
        found = bench.feed(v9([template(260, FIELDS)], count=1, sequence=1))
        assert len(found) == 2 and same(found[0], flow()) and bench.balanced

    def test_templates_survive_a_restart(self) -> None:
        bench, again = Bench(), Bench()
        bench.feed(v9([template(260, FIELDS)], count=1))
        again.decoder.templates.load(iter(list(bench.decoder.templates.dump())))
        assert same(again.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1))[0], flow())

    def test_a_template_that_nobody_refreshes_is_forgotten(self) -> None:
        bench = Bench()
        bench.feed(v9([template(260, FIELDS)], count=1))
        bench.decoder.forget_old(WALL * 1000 + 3_600_000)
        assert len(bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=1))) == 1
        bench.decoder.forget_old(WALL * 1000 + 25 * 3_600_000)
        assert bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=2)) == []

    def test_a_flood_of_templates_stays_small_and_spares_others(self) -> None:
        bench = Bench()
        bench.feed(v9([template(260, FIELDS)], count=1))
        for first in range(256, 65_000, 500):
            sets = [template(number, ((1, number % 8 + 1), (number, 4))) for number in range(first, first + 500)]
            bench.feed(v9(sets, count=500), source=OTHER)
        assert len(bench.decoder.templates.plans.heads) <= 4096 and bench.why(L.TEMPLATES) > 60_000
        assert same(bench.feed(v9([a_set(260, body(FIELDS, [flow()]))], count=1, sequence=1))[0], flow())


UPTIMES = (*(one for one in FIELDS if one[0] not in (21, 22, 150, 151, 152, 153)), (22, 4), (21, 4))


def test_times_since_a_beginning_that_options_tell() -> None:
    bench, data = Bench(), [a_set(260, body(UPTIMES, [flow() | {22: 3_000, 21: 4_000}]), pad=False)]
    early = bench.feed(ipfix([template(260, UPTIMES, 10), *data]))[0]
    assert (early["start"], early["end"]) == (None, None)
    begun = (WALL - 3600) * 1000
    bench.feed(announce(((160, 8),), (begun,), scope=((143, 4),)))
    found = bench.feed(ipfix(data))[0]
    assert (found["start"], found["end"]) == (moment(begun + 3_000), moment(begun + 4_000))


def test_a_duration_before_an_end() -> None:
    fields = (*(one for one in UPTIMES if one[0] not in (21, 22)), (153, 8), (161, 4))
    record = flow() | {153: WALL * 1000, 161: 5_000}
    found = Bench().feed(ipfix([template(260, fields, 10), a_set(260, body(fields, [record]), pad=False)]))[0]
    assert (found["start"], found["end"]) == (moment(WALL * 1000 - 5_000), moment(WALL * 1000))


def rate_of(bench, fields=FIELDS, record=None, **more):
    sets = [template(260, fields, 10), a_set(260, body(fields, [record or flow()]), pad=False)]
    return bench.feed(ipfix(sets, **more))[0]["sampling_rate"]


def announce(fields, values, scope=((149, 4),), version=10, domain=1, number=400):
    record = {element: value for (element, _), value in zip((*scope, *fields), (1,) * len(scope) + values, strict=True)}
    sets = [options_template(number, scope, fields, version), a_set(number, body((*scope, *fields), [record]))]
    return ipfix(sets, domain=domain) if version == 10 else v9(sets, count=2, domain=domain)


class TestSampling:
    @pytest.mark.parametrize(
        ("fields", "values", "rate"),
        [
            (((34, 4), (35, 1)), (1000, 2), 1000),
            (((50, 4), (49, 1)), (2000, 2), 2000),
            (((305, 4), (306, 4)), (1, 999), 1000),
            (((305, 4), (306, 4)), (10, 990), 100),
            (((309, 4), (310, 4)), (1, 256), 256),
            (((304, 2), (305, 4), (309, 4), (310, 4)), (3, 1, 1, 256), 256),
            (((304, 2), (311, 8)), (4, struct.pack(">d", 0.001)), 1000),
        ],
    )
    def test_every_encoding_of_the_whole_exporter(self, fields, values, rate) -> None:
        bench = Bench()
        bench.feed(announce(fields, values))
        assert rate_of(bench) == rate

    def test_by_sampler_also_announced_in_another_domain(self) -> None:
        bench, fields = Bench(), (*FIELDS, (302, 4))
        bench.feed(announce(((309, 4), (310, 4)), (1, 100), scope=((302, 4),), domain=9))
        assert rate_of(bench, fields, flow() | {302: 1}) == 100
        assert rate_of(bench, fields, flow() | {302: 2}) is None  # another sampler, which nobody announced
        assert rate_of(bench, fields, flow() | {302: 0}) is None  # not sampled by any

    def test_netflow_9_samplers(self) -> None:
        bench, fields = Bench(), (*FIELDS, (48, 1))
        bench.feed(announce(((48, 1), (49, 1), (50, 4)), (1, 2, 4000), scope=((1, 4),), version=9))
        bench.feed(announce(((48, 1), (49, 1), (50, 4)), (2, 2, 2000), scope=((1, 4),), version=9))
        records = [flow() | {48: sampler} for sampler in (1, 2, 1)]
        found = bench.feed(v9([template(260, fields), a_set(260, body(fields, records))], count=4))
        assert [one["sampling_rate"] for one in found] == [4000, 2000, 4000]

    @pytest.mark.parametrize("version", [9, 10])
    def test_rates_of_interfaces_count_only_where_they_agree(self, version) -> None:
        def told(bench, interface, rate):
            scope, fields = ((2 if version == 9 else 10, 4),), ((34, 4),)
            record = {scope[0][0]: interface, 34: rate}
            sets = [options_template(400, scope, fields, version), a_set(400, body((*scope, *fields), [record]))]
            bench.feed(ipfix(sets) if version == 10 else v9(sets, count=2))

        def rate(bench):
            sets = [template(260, FIELDS, version), a_set(260, body(FIELDS, [flow()]))]
            return bench.feed(ipfix(sets) if version == 10 else v9(sets, count=2))[0]["sampling_rate"]

        bench = Bench()
        told(bench, 10, 100)
        assert rate(bench) == 100
        told(bench, 11, 200)
        assert rate(bench) is None  # which of them applies, no record says

    def test_own_domain_before_another(self) -> None:
        bench = Bench()
        bench.feed(announce(((34, 4),), (500,), domain=2), announce(((34, 4),), (100,), domain=1))
        assert (rate_of(bench), rate_of(bench, domain=2)) == (100, 500)

    def test_in_the_record_itself(self) -> None:
        assert rate_of(Bench(), (*FIELDS, (34, 4)), flow() | {34: 64}) == 64

    def test_a_zero_in_the_record_falls_back(self) -> None:
        bench = Bench()
        bench.feed(announce(((34, 4),), (500,)))
        assert rate_of(bench, (*FIELDS, (34, 4)), flow() | {34: 0}) == 500

    def test_a_change_counts_from_where_it_is_told(self) -> None:
        bench = Bench()
        data = ipfix([template(260, FIELDS, 10), a_set(260, body(FIELDS, [flow()]), pad=False)])
        found = bench.feed(announce(((34, 4),), (10,)), data, announce(((34, 4),), (20,)), data)
        assert [one["sampling_rate"] for one in found] == [10, 20]

    @pytest.mark.parametrize(("header", "rate"), [(0x4000 | 1000, 1000), (1000, 1000), (0, None), (0x4000, None)])
    def test_netflow_5_header(self, header, rate) -> None:
        assert Bench().feed(v5([flow()], sampling=header))[0]["sampling_rate"] == rate

    def test_configured_where_the_exporter_tells_none_and_marked_where_nobody_knows(self) -> None:
        bench = Bench()
        assert rate_of(bench) is None and bench.sums(25) == 1
        bench.decoder.configure({bytes(10) + b"\xff\xff\xc0\x00\x02\x01": Policy(rate=777)})
        assert rate_of(bench) == 777 and bench.feed(v5([flow()]))[0]["sampling_rate"] == 777

    def test_sflow_per_sample(self) -> None:
        header = raw_header(ethernet(packet()))
        found = Bench().feed(sflow([sample([header], rate=512), sample([header], rate=1024, expanded=True)]))
        assert [one["sampling_rate"] for one in found] == [512, 1024]


class TestTimes:
    def test_uptime_that_has_wrapped(self) -> None:
        """The flow began before the 32 bits of milliseconds were full, and was exported after."""
        one = Bench().feed(v5([flow(first=(1 << 32) - 500, last=200)], uptime=1000))[0]
        assert (one["start"], one["end"]) == ("2026-02-02T02:39:58.500Z", "2026-02-02T02:39:59.200Z")

    @pytest.mark.parametrize(
        ("element", "size", "value"),
        [
            (150, 4, WALL),
            (152, 8, WALL * 1000),
            (154, 8, (WALL + 2208988800) << 32),
            (156, 8, (WALL + 2208988800) << 32),
            (158, 4, 0),
            (323, 8, WALL * 1000),
        ],
    )
    def test_every_unit(self, element, size, value) -> None:
        fields = (*FIELDS[:8], (element, size))
        found = Bench().feed(ipfix([template(260, fields, 10), a_set(260, body(fields, [flow() | {element: value}]), pad=False)]))
        assert found[0]["start"] == "2026-02-02T02:40:00.000Z"

    def test_duration_gives_the_other_end(self) -> None:
        fields = (*FIELDS[:8], (152, 8), (161, 4))
        record = flow() | {152: WALL * 1000 - 5000, 161: 2000}
        found = Bench().feed(ipfix([template(260, fields, 10), a_set(260, body(fields, [record]), pad=False)]))
        assert found[0]["end"] == "2026-02-02T02:39:57.000Z"

    def test_end_before_start_and_end_in_the_future_are_not_believed(self) -> None:
        found = Bench().feed(v5([flow(first=9000, last=8000), flow(first=9000, last=900_000)]))
        assert found[0]["start"] == found[0]["end"] == "2026-02-02T02:39:58.000Z"
        assert found[1]["end"] == "2026-02-02T02:40:00.000Z"

    def test_an_exporter_with_a_wrong_clock_is_moved_to_when_it_was_received(self) -> None:
        bench = Bench(Decoder())
        at = (WALL + 86_400) * 1000
        assert bench.feed(v5([flow(first=9000, last=10_000)]), at=at)[0]["end"] == "2026-02-03T02:40:00.000Z"


class TestBiflows:
    def test_the_reverse_direction_is_a_flow_of_its_own(self) -> None:
        fields = (*FIELDS[:8], (1, 4, 29305), (2, 4, 29305))
        record = flow() | {(1, 4, 29305): 9000, (2, 4, 29305): 12}
        there, back = Bench().feed(ipfix([template(260, fields, 10), a_set(260, body(fields, [record]), pad=False)]))
        assert same(there, flow()) and (back["src"], back["dst"], back["src_port"]) == ("203.0.113.9", "198.51.100.7", 443)
        assert (back["bytes"], back["packets"], back["reverse"]) == (9000, 12, True)

    def test_nothing_came_back(self) -> None:
        fields = (*FIELDS[:8], (1, 4, 29305))
        assert len(Bench().feed(ipfix([template(260, fields, 10), a_set(260, body(fields, [flow()]), pad=False)]))) == 1


class TestSflow:
    def test_identity_is_the_agent_and_its_sub_agent(self) -> None:
        bench, content = Bench(), [sample([raw_header(ethernet(packet()))])]
        bench.feed(sflow(content, agent="192.0.2.77", sub_agent=1), sflow(content, agent="192.0.2.77", sub_agent=2), source=OTHER)
        assert {(one["exporter"], one["domain"]) for one in bench.found} == {("192.0.2.77", 1), ("192.0.2.77", 2)}

    def test_ipv6_agents(self) -> None:
        assert Bench().feed(sflow([sample([raw_header(ethernet(packet()))])], agent="2001:db8::5"))[0]["exporter"] == "2001:db8::5"

    def test_counters_and_drops_beside_flows(self) -> None:
        other = struct.pack(">II", 2, 12) + bytes(12) + struct.pack(">II", 5, 8) + bytes(8)
        bench = Bench()
        assert len(bench.feed(sflow([sample([raw_header(ethernet(packet()))]), other], count=3))) == 1 and bench.balanced

    def test_sampled_ip_records_without_a_header(self) -> None:
        content = struct.pack(">II4s4sIIII", 900, 17, bytes([198, 51, 100, 1]), bytes([203, 0, 113, 1]), 53, 4000, 0, 0)
        one = Bench().feed(sflow([sample([struct.pack(">II", 3, len(content)) + content])]))[0]
        assert (one["src"], one["src_port"], one["bytes"], one["protocol"]) == ("198.51.100.1", 53, 900, 17)

    def test_interfaces_that_are_none(self) -> None:
        found = Bench().feed(sflow([sample([raw_header(ethernet(packet()))], into=0x3FFFFFFF, out=0x40000000 | 5)]))
        assert (found[0]["input_if"], found[0]["output_if"]) == (0, 0)

    def test_what_is_no_ip_is_counted(self) -> None:
        bench = Bench()
        assert bench.feed(sflow([sample([raw_header(ethernet(bytes(28), kind=0x0806))])])) == []
        assert bench.why(L.NOT_IP) == 1 and bench.balanced


class TestColumnsThatHeldOtherFlows:
    """Nothing of an earlier flow may show in a later one, whatever that one leaves out."""

    def used(self) -> Bench:
        bench = Bench()
        bench.feed(v5([flow(src="192.0.2.66", bytes=777)] * 5, sampling=512))
        return bench

    def test_fields_of_no_length(self) -> None:
        fields = ((8, 65535), (12, 4), (1, 65535), (7, 65535), (34, 65535), (152, 65535))
        record = b"\0" + bytes([198, 51, 100, 1]) + b"\0\0\0\0"
        found = self.used().feed(ipfix([template(300, fields, 10), a_set(300, record, pad=False)]))[0]
        assert [found[name] for name in ("src", "dst", "bytes", "src_port", "sampling_rate")] == [
            "0.0.0.0",
            "198.51.100.1",
            0,
            0,
            None,
        ]
        assert found["start"] is None

    @pytest.mark.parametrize(
        ("element", "name", "value"),
        [(50, "sampling_rate", 77), (86, "packets", 77), (18, "next_hop", "0.0.0.77"), (254, "vlan", 77)],
    )
    def test_second_best_sources_alone(self, element, name, value) -> None:
        fields = ((8, 4), (12, 4), (element, 4))
        found = self.used().feed(ipfix([template(300, fields, 10), a_set(300, struct.pack(">III", 1, 2, 77), pad=False)]))
        assert found[0][name] == value

    def test_times_of_a_lying_exporter_do_not_wrap(self) -> None:
        for element, size in ((150, 8), (151, 8), (152, 8), (153, 8), (154, 8), (159, 8)):
            fields = ((8, 4), (12, 4), (element, size))
            record = struct.pack(">IIQ", 1, 2, 0xFFFFFFFFFFFFFFF0)
            found = Bench().feed(ipfix([template(300, fields, 10), a_set(300, record, pad=False)]), at=WALL * 1000)
            assert found[0]["start"] is not None or found[0]["end"] is not None, element
