"""Interruptions, the export for agreements on availability, and credits when a decision did not stand (J4)."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest

from tests.enforcement import given
from tipstaff.cases.models import Case
from tipstaff.cases.models_measures import Measure
from tipstaff.cases.models_words import Appeal
from tipstaff.enforcement import approving, interruptions, sla
from tipstaff.enforcement.models import Credit, Interruption
from tipstaff.kernel.clock import frozen, now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


@pytest.fixture
def carol(tmp_path: Path):
    given.journal(tmp_path)
    return given.inventory()[0]


def interrupted(carol, *, hours: float = 2, **columns):
    """A block that stood for that long."""
    start = now()
    wanted = given.measure(given.case(carol), **columns)
    given.work()
    order = wanted.orders.get()
    with frozen(start + timedelta(hours=hours)):
        approving.lift(number=order.pk, by="bob", reason="fixed", now=start + timedelta(hours=hours))
        given.work()
    return Interruption.objects.get(order=order)


def rows(start, *, days: int = 1):
    text = "".join(sla.export(since=start, until=start + timedelta(days=days), now=start + timedelta(days=days)))
    return list(csv.DictReader(text.splitlines()))


def test_what_stood_is_logged_to_the_second(carol) -> None:
    one = interrupted(carol)
    assert one.ended_at - one.started_at > timedelta(hours=1, minutes=59)
    (row,) = rows(one.started_at - timedelta(minutes=1))
    seconds = str(int((one.ended_at - one.started_at).total_seconds()))
    assert (row["standing"], row["seconds"], row["excluded_seconds"], row["creditable_seconds"]) == (
        "upheld",
        seconds,
        seconds,
        "0",
    )
    assert (row["customer"], row["service_id"], row["clause"], row["target"]) == ("Carol", "vps-carol", "4.2", "203.0.113.7/32")


def test_a_successful_appeal_gives_the_minutes_back_once(carol) -> None:
    one = interrupted(carol)
    start = one.started_at - timedelta(minutes=1)
    seconds = int((one.ended_at - one.started_at).total_seconds())
    times = {"at": now(), "within_until": now() + timedelta(days=180)}
    appeal = Appeal.objects.create(case=one.case, measure=one.measure, grounds="not us", by="contact:1", **times)
    assert rows(start)[0]["standing"] == "undecided" and rows(start)[0]["excluded_seconds"] == "0"
    assert interruptions.give_back(now=now()) == 0
    Appeal.objects.filter(pk=appeal.pk).update(decision="overturned", decided_at=now(), decided_by="bob")
    (row,) = rows(start)
    assert (row["standing"], row["excluded_seconds"], row["creditable_seconds"]) == ("overturned", "0", str(seconds))
    assert interruptions.give_back(now=now()) == 1
    assert interruptions.give_back(now=now()) == 0
    credit = Credit.objects.get()
    assert (credit.seconds, credit.customer, credit.interruption) == (seconds, carol, one) and "appeal" in credit.reason
    assert rows(start)[0]["given_back_at"]


def test_an_appeal_that_fails_changes_nothing(carol) -> None:
    one = interrupted(carol)
    times = {"at": now(), "within_until": now(), "decided_at": now()}
    Appeal.objects.create(case=one.case, grounds="x", by="contact:1", decision="upheld", decided_by="bob", **times)
    assert rows(one.started_at)[0]["standing"] == "upheld" and interruptions.give_back(now=now()) == 0


@pytest.mark.parametrize("how", ["measure", "case"])
def test_a_decision_found_wrong_otherwise_is_credited_too(carol, how) -> None:
    one = interrupted(carol)
    if how == "measure":
        Measure.objects.filter(pk=one.measure_id).update(overturned_at=now())
    else:
        Case.objects.filter(pk=one.case_id).update(state="CLOSED_FALSE")
    assert rows(one.started_at)[0]["standing"] == "overturned" and interruptions.give_back(now=now()) == 1


def test_while_it_stands_it_is_not_credited_and_counts_up_to_now(carol) -> None:
    wanted = given.measure(given.case(carol))
    given.work()
    Measure.objects.filter(pk=wanted.pk).update(overturned_at=now())
    assert interruptions.give_back(now=now()) == 0, "it is credited when it is over, with all its minutes"
    one = Interruption.objects.get()
    (row,) = rows(one.started_at)
    assert row["ended_at"] == "" and int(row["creditable_seconds"]) == 24 * 3600


def test_one_minute_under_two_decisions_stays_excluded_when_one_falls(carol) -> None:
    start = now()
    first = given.measure(given.case(carol))
    second = given.measure(given.case(carol), target=given.CAROL_TOO)
    given.work()
    with frozen(start + timedelta(hours=1)):
        for one in (first, second):
            approving.lift(number=one.orders.get().pk, by="bob", reason="fixed", now=now())
        given.work()
    Measure.objects.filter(pk=first.pk).update(overturned_at=now())
    found = rows(start - timedelta(minutes=1))
    assert sum(int(row["excluded_seconds"]) for row in found) >= 3590
    assert sum(int(row["creditable_seconds"]) for row in found) <= 10


def test_what_does_not_interrupt_is_not_logged(carol) -> None:
    given.measure(given.case(carol), interruption=False)
    given.work()
    assert not Interruption.objects.exists()


def test_only_the_part_inside_the_period_counts(carol) -> None:
    one = interrupted(carol, hours=30)
    (row,) = rows(one.started_at + timedelta(hours=29))
    assert 3500 < int(row["seconds"]) <= 3700


def test_where_the_policy_excludes_nothing_every_minute_counts(carol, monkeypatch) -> None:
    from dataclasses import replace

    one = interrupted(carol)
    edition = sla.policy.compiled(one.case.edition)
    other = replace(edition, switches=replace(edition.switches, sla_exclusion=False))
    monkeypatch.setattr(sla.policy, "compiled", lambda stored: other)
    (row,) = rows(one.started_at)
    assert row["standing"] == "counted" and row["excluded_seconds"] == "0"


def test_a_name_that_a_spreadsheet_would_run_is_only_text(carol) -> None:
    type(carol).objects.filter(pk=carol.pk).update(name="=cmd|' /c calc'!A1")
    one = interrupted(carol)
    assert rows(one.started_at)[0]["customer"].startswith("'=")
