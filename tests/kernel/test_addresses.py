"""Columns of addresses agree with ``ipaddress``, one by one."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import BELOW_QUADRATIC, calls, growth
from tipstaff.kernel import addresses


def plain(text: str | None) -> tuple[int, int, int]:
    """What one address should become, by the standard library."""
    try:
        found = ip_address(text or "")
    except ValueError:
        return 0, 0, 0
    if isinstance(found, IPv6Address) and found.ipv4_mapped and not found.scope_id:
        found = found.ipv4_mapped
    if isinstance(found, IPv6Address) and found.scope_id:
        return 0, 0, 0
    return found.version, int(found) >> 64, int(found) & (1 << 64) - 1


written = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda a: a.exploded.upper()),
    st.ip_addresses(v=4).map(lambda a: f"::ffff:{a}"),
    st.ip_addresses(v=4).map(lambda a: f"::{a}"),
    st.text("0123456789.", max_size=16),
    st.text("0123456789abcdefABCDEFg:.%/ \n\0", max_size=46),
    st.lists(st.integers(0, 999), min_size=3, max_size=5).map(lambda o: ".".join(map(str, o))),
    st.lists(st.sampled_from(["", "0", "1", "00", "ffff", "12345"]), min_size=1, max_size=9).map(":".join),
    st.text(max_size=20),
    st.none(),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(written, max_size=12))
def test_agrees_with_the_standard_library(column: list[str | None]) -> None:
    column = [text if text is None else text.encode("utf-8", "replace").decode() for text in column]
    found = addresses.parse(column)
    assert list(zip(found.family.tolist(), found.hi.tolist(), found.lo.tolist(), strict=True)) == [plain(text) for text in column]
    assert (found.valid == (found.family > 0)).all()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), max_size=12))
def test_text_is_canonical_and_comes_back(column: list[IPv4Address | IPv6Address]) -> None:
    found = addresses.parse([str(address) for address in column])
    texts = addresses.to_text(found).to_list()
    assert texts == [str(getattr(address, "ipv4_mapped", None) or address) for address in column]
    again, numbers = addresses.normalise([address.exploded for address in column])
    assert again.to_list() == texts
    assert (numbers.lo == found.lo).all()


@pytest.mark.parametrize(
    "refused",
    ["", "1.2.3", "1.2.3.4.5", "192.0.2.01", "192.0.2.256", "192.0.2.0/24", "192.0.2.xxx", " 192.0.2.1", "192.0.2.1\n",
     "192.0.2.-1", "192.0.2.1e", "1..2.3", "٣.1.1.1", "fe80::1%eth0", "::ffff:192.0.2.01", "1:2:3:4:5:6:7:8:9",
     "2001:db8::/32", "1" * 46, ":" * 5000, "3221225985", "0xC0000201"],
)  # fmt: skip
def test_what_is_no_address_is_refused(refused: str) -> None:
    found = addresses.parse([refused, "192.0.2.7"])
    assert found.valid.tolist() == [False, True]
    assert addresses.normalise([refused])[0].to_list() == [None]


def test_mapped_addresses_are_version_four() -> None:
    text, found = addresses.normalise(["::ffff:192.0.2.9", "::FFFF:c000:0209", "192.0.2.9"])
    assert text.to_list() == ["192.0.2.9"] * 3
    assert found.family.tolist() == [4, 4, 4]
    assert set(found.lo.tolist()) == {int(IPv4Address("192.0.2.9"))}


def test_empty_and_null_columns() -> None:
    assert len(addresses.parse([]).family) == 0
    assert addresses.normalise(pl.Series([None, None]))[0].to_list() == [None, None]
    assert addresses.to_text(addresses.parse([None])).to_list() == [None]


def test_a_column_takes_no_more_than_its_length() -> None:
    """Columns, not an object for each address: version 4 takes no calls at all, version 6 two for each."""
    random = np.random.default_rng(5)
    fours = [str(IPv4Address(int(value))) for value in random.integers(0, 1 << 32, 85_000)]
    sixes = [str(IPv6Address((0x20010DB8 << 96) + int(value))) for value in random.integers(0, 1 << 62, 15_000)]
    column = pl.Series(fours + sixes)
    assert addresses.parse(column).valid.all()
    assert growth(addresses.parse, column[::4], column) < BELOW_QUADRATIC
    assert calls(lambda: addresses.parse(column[:85_000])) < 2_000
    assert calls(lambda: addresses.parse(column)) < 2_000 + 3 * 15_000
