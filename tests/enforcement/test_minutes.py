"""The arithmetic of J4, against a count of single minutes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.enforcement.minutes import Row, length, minus, shares, union

ZERO = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)
rows = st.lists(st.tuples(spans, st.booleans()), max_size=8)


def at(minute: int) -> datetime:
    return ZERO + minute * MINUTE


def counted(span) -> set[int]:
    return set(range(*span))


@given(rows, spans)
def test_exactly_the_minutes_of_upheld_breaches_are_excluded(given_rows, period) -> None:
    made = [Row(number, at(span[0]), at(span[1]), excluded) for number, (span, excluded) in enumerate(given_rows)]
    found = shares(made, at(period[0]), at(period[1]))
    inside = counted(period)
    upheld = set().union(*(counted(span) for span, excluded in given_rows if excluded)) & inside
    everything = set().union(*(counted(span) for span, _ in given_rows)) & inside
    assert sum((one.excluded for one in found), timedelta()) == len(upheld) * MINUTE
    assert sum((one.creditable for one in found), timedelta()) == len(everything - upheld) * MINUTE
    for one, (span, _) in zip(found, given_rows, strict=True):
        assert one.lasted == len(counted(span) & inside) * MINUTE
        assert one.excluded + one.creditable <= one.lasted


@given(st.lists(spans, max_size=8), st.lists(spans, max_size=8))
def test_union_and_difference(some, others) -> None:
    first = union((at(a), at(b)) for a, b in some)
    second = union((at(a), at(b)) for a, b in others)
    one, two = set().union(*map(counted, some)), set().union(*map(counted, others))
    assert length(first) == len(one) * MINUTE
    assert length(minus(first, second)) == len(one - two) * MINUTE
