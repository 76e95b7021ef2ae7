"""The ribbon: fixed places, time that runs evenly between them, whose turn it was."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.faces.desk import ribbon
from tipstaff.faces.desk.ribbon import Dates, draw

START = datetime(2026, 6, 14, 8, 41, tzinfo=UTC)
H = timedelta(hours=1)


def dates(now: datetime, **more) -> Dates:
    known = dict(opened=START, now=now, ticketed=START + H, ack_due=START + 13 * H, resolve_due=START + 25 * H,
                 turns=[(START, "us"), (START + H, "customer")])  # fmt: skip
    return Dates(**(known | more))


def states(drawn: ribbon.Ribbon) -> list[str]:
    return [mark.state for mark in drawn.marks]


def test_steps_stand_at_the_policys_places_and_time_runs_evenly_between_them() -> None:
    drawn = draw(dates(START + 7 * H))
    assert [mark.place for mark in drawn.marks] == [0, 12, 32, 65, 80, 100]
    assert drawn.at == 22.0  # halfway between ticketed and acknowledge due
    assert states(drawn) == ["done", "done", "next", "later", "later", "later"]


def test_turns_fill_the_ribbon_up_to_now() -> None:
    drawn = draw(dates(START + 7 * H))
    assert [(span.kind, span.start, span.end) for span in drawn.spans] == [("us", 0.0, 12.0), ("cu", 12.0, 22.0)]


def test_a_missed_deadline_turns_the_rest_red() -> None:
    drawn = draw(dates(START + 19 * H))
    assert states(drawn)[2] == "missed" and states(drawn)[3] == "next"
    assert drawn.spans[-1].kind == "ov" and drawn.spans[-1].start == 32.0


def test_an_acknowledgement_in_time_leaves_nothing_missed() -> None:
    assert states(draw(dates(START + 19 * H, acknowledged=True)))[2:4] == ["done", "next"]


def test_in_triage_the_desks_own_clock_is_next() -> None:
    drawn = draw(Dates(opened=START, now=START + H, desk_due=START + 4 * H, turns=[(START, "us")]))
    assert drawn.marks[1].name == "Decide by" and drawn.marks[1].state == "next" and drawn.marks[1].soon
    assert drawn.at == 3.0


def test_when_both_deadlines_fall_together_time_runs_evenly_to_the_second() -> None:
    drawn = draw(dates(START + 13 * H, ack_due=START + 25 * H))
    assert drawn.at == 38.5


def test_a_closed_case_ends_where_it_was_closed() -> None:
    drawn = draw(dates(START + 500 * H, closed=START + 7 * H, acknowledged=True))
    assert drawn.closed and drawn.at == 22.0


@pytest.mark.parametrize("hours", [0, 1, 12, 25, 26, 100, 10_000])
def test_the_flag_never_leaves_the_ribbon(hours: int) -> None:
    assert 0 <= draw(dates(START + hours * H)).at <= 100


@given(st.lists(st.integers(0, 100_000), min_size=7, max_size=7))
def test_any_order_of_dates_draws_something_sensible(minutes: list[int]) -> None:
    at = [START + timedelta(minutes=number) for number in minutes]
    drawn = draw(Dates(opened=START, now=at[0], turns=[(START, "us"), (at[1], "customer")], desk_due=at[2], ticketed=at[3],
                       ack_due=at[4], resolve_due=at[5], terminate=at[6]))  # fmt: skip
    assert all(0 <= span.start < span.end <= 100 for span in drawn.spans)
    assert sum(state == "next" for state in states(drawn)) <= 1
