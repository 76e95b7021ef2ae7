"""What a search means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.reports.asked import understand


@pytest.mark.parametrize(
    ("typed", "first", "last"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("203[.]0[.]113[.]7", "203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.", "203.0.113.0", "203.0.113.255"),
        ("203.0.113", "203.0.113.0", "203.0.113.255"),
        ("203.0.", "203.0.0.0", "203.0.255.255"),
        ("203.0.113.64/26", "203.0.113.64", "203.0.113.127"),
        ("203.0.113.70/26", "203.0.113.64", "203.0.113.127"),
        ("2001:db8:40::1f", "2001:db8:40::1f", "2001:db8:40::1f"),
        ("2001:db8:40::1f%eth0", "2001:db8:40::1f", "2001:db8:40::1f"),
        ("2001:db8:", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8:40", "2001:db8:40::", "2001:db8:40:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8:40::/48", "2001:db8:40::", "2001:db8:40:ffff:ffff:ffff:ffff:ffff"),
        ("hxxp://203.0.113.7/login", "203.0.113.7", "203.0.113.7"),
    ],
)
def test_addresses_and_ranges(typed: str, first: str, last: str) -> None:
    asked = understand(typed)
    assert (asked.kind, str(asked.first), str(asked.last)) == ("addresses", first, last)


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        ("#4312", "case", "#4312"), ("4312", "case", "4312"), ("  ", "nothing", ""), ("Larkfield Web", "words", "Larkfield Web"),
        ("Shop.Example.com", "host", "shop.example.com"), ("https://shop.example.com/x?y", "host", "shop.example.com"),
        ("rita@reports.example.org", "words", "rita@reports.example.org"), (":", "words", ":"), ("999.1.2", "host", "999.1.2"),
    ],
)  # fmt: skip
def test_everything_else(typed: str, kind: str, text: str) -> None:
    asked = understand(typed)
    assert (asked.kind, asked.text) == (kind, text)


@given(st.text(max_size=300))
def test_anything_may_be_typed(typed: str) -> None:
    asked = understand(typed)
    assert asked.first is None or asked.first <= asked.last
