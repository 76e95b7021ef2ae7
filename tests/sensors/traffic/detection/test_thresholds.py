"""Limits: the most specific wins, what it does not set is inherited, and what cannot be meant is refused by name."""

import math
from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.kernel.errors import InputError
from tipstaff.sensors.traffic.detection import configuration, thresholds

TABLE = """
default.host.in.pps = 111
[[customer]]
id = 17
host.in = {bps = 1000, pps = 222}
[[prefix]]
network = "198.51.100.0/24"
customer = 17
host.in.pps = 333
[[group]]
name = "mail servers"
prefixes = ["198.51.100.8/29", "2001:db8:5::/48"]
mail.out.peers_minute = 900
host.in.syn_pps = "off"
"""


def applied(address: str, customer: int = 0):
    one = IPv4Address(address)
    return thresholds.read(TABLE).applied(4, int(one), 32, customer)


def test_inherits_what_a_narrower_scope_does_not_set() -> None:
    inner = applied("198.51.100.9", 17)
    assert (inner["host.in.pps"], inner.label("host.in.pps")) == (333, "prefix 198.51.100.0/24 of customer 17")
    assert (inner["host.in.bps"], inner.label("host.in.bps")) == (1000, "customer 17")
    assert (inner["mail.out.peers_minute"], inner.label("mail.out.peers_minute")) == (900, "group mail servers")
    assert inner["host.in.syn_pps"] == math.inf
    assert inner.label("host.out.pps") == "default" and inner["host.out.pps"] == thresholds.defaults()["host.out.pps"]
    assert "nothing more specific" in inner.why("host.out.pps") and "most specific" in inner.why("host.in.pps")


def test_others_keep_the_default() -> None:
    assert applied("192.0.2.1")["host.in.pps"] == 111
    assert applied("192.0.2.1", 17)["host.in.pps"] == 222
    six = thresholds.read(TABLE).applied(6, 0x20010DB80005 << 80 | 1, 128, 0)
    assert six["mail.out.peers_minute"] == 900


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(20, 32), st.integers(1, 10**6)), max_size=12), st.integers(0, 255))
def test_the_longest_prefix_around_an_address_decides(rows, last) -> None:
    networks = [(IPv4Network((f"198.51.100.{low}", size), strict=False), value) for low, size, value in rows]
    text = "".join(f'[[prefix]]\nnetwork = "{network}"\nhost.in.pps = {value}\n' for network, value in networks)
    address = IPv4Address(f"198.51.100.{last}")
    around = [(network.prefixlen, n, value) for n, (network, value) in enumerate(networks) if address in network]
    wanted = max(around)[2] if around else thresholds.defaults()["host.in.pps"]
    assert thresholds.read(text).applied(4, int(address), 32, 0)["host.in.pps"] == wanted


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[customer]]\nid = 'x'", "customer"), ("[[prefix]]\nnetwork = '198.51.100.1/24'", "prefix"), ("[[prefix]]\n", "prefix"),
        ("[default]\nhost.in.ppps = 3", "host.in.ppps"), ("[default]\nhost.in.pps = -1", "host.in.pps"),
        ("[default]\nhost.in.pps = true", "host.in.pps"), ("[defaults]\n", "defaults"), ("not toml", "detection.toml"),
        ("[[interface]]\nexporter = '192.0.2.1'\nindex = 0\ncustomers = [1]", "interface"), ("customer = 3", "customer"),
        ("[[interface]]\nexporter = 'x'\nindex = 3\ncustomers = [1]", "interface"),
        ("[[interface]]\nexporter = '192.0.2.1'\nindex = 3\ncustomers = []", "interface"),
        ("[[uplink]]\nexporter = '192.0.2.1'\nindex = 3", "uplink"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named(text, named) -> None:
    with pytest.raises(InputError) as raised:
        configuration.read(text)
    assert any(named in str(problem) for problem in raised.value.problems)


def test_lists_name_the_line_that_is_wrong() -> None:
    assert [str(one) for one in configuration.read_list("192.0.2.1 # sinkhole\n\n2001:db8::/32\n")] == [
        "192.0.2.1/32",
        "2001:db8::/32",
    ]
    with pytest.raises(InputError, match=r"listed\.txt:2"):
        configuration.read_list("192.0.2.1\nexample.com\n")
    with pytest.raises(InputError, match=r"blocked\.json"):
        configuration.read_blocked('{"blocked": 3}')
