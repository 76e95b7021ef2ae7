"""Ends that are killed in the middle, or come twice, and clocks that are set back."""

from datetime import timedelta

import pytest

from tests.enforcement import given
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import endpoints, feedback, reconciler, worker
from tipstaff.enforcement.models import Endpoint, Order, OrderEntry
from tipstaff.kernel.clock import now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]
DAY = timedelta(days=1)


class Killed(BaseException):
    """As if the program had ended here."""


def killed(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.parametrize("last", ["lifting", "bulk_create"])
def test_an_end_that_is_killed_in_the_middle_is_told_whole_by_whoever_comes_next(carol, peer, monkeypatch, last) -> None:
    given.measure(given.case(carol))
    given.work()
    over = given.only().expires_at + timedelta(seconds=1)
    monkeypatch.setattr(feedback if last == "lifting" else OrderEntry.objects, last, killed)
    with pytest.raises(Killed):
        worker.expire(over)
    monkeypatch.undo()
    assert given.only().revert_asked_at is None, "nothing was asked that nobody was told of"
    assert worker.expire(over) == 1 and worker.expire(over) == 0
    assert given.only().entries.filter(kind="expired").count() == 1
    assert Measure.objects.get().state == "lifting"


def test_what_was_put_off_before_the_clock_was_set_back_is_done(carol, peer) -> None:
    moment = now()
    given.measure(given.case(carol))
    given.work(1)
    rows = worker.due(peer, worker.switches.current(), moment)
    Order.objects.update(state="reverting", next_try_at=moment + timedelta(minutes=5))
    assert not rows.exists(), "it waits as long as any order may"
    Order.objects.update(next_try_at=moment + DAY)
    assert rows.exists()


def test_an_endpoint_is_left_alone_and_not_compared_no_longer_for_a_clock_that_was_set_back() -> None:
    moment = now()
    away = Endpoint(name="gateway", try_again_at=moment + timedelta(seconds=90), reconciled_at=moment)
    assert endpoints.waits(away, moment) and not endpoints.waits(away, moment + timedelta(seconds=90))
    assert not endpoints.waits(away, moment - DAY)
    away.try_again_at = None
    assert not reconciler.is_due(away, moment + timedelta(seconds=1), 10) and not reconciler.is_due(
        away, moment - timedelta(seconds=1), 10
    )
    assert reconciler.is_due(away, moment - DAY, 10) and reconciler.is_due(away, moment + DAY, 10)
