"""A pasted list, line by line."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.faces.desk.lines import read


def test_addresses_hosts_urls_and_times() -> None:
    found = list(read(
        "203.0.113.7 2026-06-14 10:02Z\n# a remark\n\n2026-06-14T12:02:11+02:00, 2001:db8:40::1f\n"
        "hxxp://shop[.]carol[.]example/x\nmail.carol.example;2026-06-14 10:02\nnothing at all"
    ))  # fmt: skip
    assert [line.number for line in found] == [1, 4, 5, 6, 7]
    assert found[0].address == "203.0.113.7" and found[0].at == datetime(2026, 6, 14, 10, 2, tzinfo=UTC)
    assert found[1].address == "2001:db8:40::1f" and found[1].at == datetime(2026, 6, 14, 10, 2, 11, tzinfo=UTC)
    assert found[2].subject == "shop.carol.example" and not found[2].dated
    assert found[3].at is None and found[3].dated  # a time without a zone is no time
    assert found[4].problem


@given(st.text(max_size=500))
def test_any_text_can_be_pasted(text: str) -> None:
    assert all(line.subject or line.problem for line in read(text))
