"""Reporters, and looking up what is stored already."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.reports import bulk
from tipstaff.reports.models import Event, Reporter

pytestmark = pytest.mark.django_db


def row(key="rita@example.org", name="Rita", email="rita@example.org", organisation="", trust=0, reports=1, authenticated=""):
    return (key, name, email, organisation, trust, reports, authenticated)


def test_a_reporter_is_made_once_and_counted():
    first = bulk.reporters(rows=[row(), row(reports=2)], now=NOW)
    again = bulk.reporters(rows=[row(name="")], now=NOW + timedelta(days=1))
    assert first == again
    rita = Reporter.objects.get()
    assert (rita.name, rita.reports, rita.first_seen, rita.last_seen) == ("Rita", 4, NOW, NOW + timedelta(days=1))


def test_an_operators_word_on_trust_stays():
    bulk.reporters(rows=[row(trust=1)], now=NOW)
    Reporter.objects.update(trust=-2)
    assert bulk.reporters(rows=[row(trust=1)], now=NOW)["rita@example.org"][1] == -2
    assert bulk.trust_of("rita@example.org") == -2 and bulk.trust_of("nobody") is None


def test_names_that_are_left_out_or_hostile_change_nothing():
    name = "x'); DROP TABLE reports_reporter; --"
    bulk.reporters(rows=[row(name=name, authenticated="example.org")], now=NOW)
    bulk.reporters(rows=[row(name="", authenticated="")], now=NOW)
    rita = Reporter.objects.get()
    assert (rita.name, rita.authenticated_as) == (name, "example.org")
    assert bulk.reporters(rows=[], now=NOW) == {}


def test_known_keys_over_months_and_without_a_time():
    provider()
    deliver(report(event(CAROL), event(CAROL, at=None)), now=NOW)
    deliver(report(event(CAROL, at=NOW + timedelta(days=39))), now=NOW + timedelta(days=40))
    stored = sorted(str(e.key).replace("-", "") for e in Event.objects.all())
    assert len(stored) == 3 and sum(key.startswith("00000000") for key in stored) == 1
    others = [key[:-1] + ("0" if key[-1] != "0" else "1") for key in stored]
    asked = sorted(stored + others)
    known = bulk.known_keys(pl.Series(asked, dtype=pl.String))
    assert [key for key, is_known in zip(asked, known, strict=True) if is_known] == stored
    assert not bulk.known_keys(pl.Series([], dtype=pl.String)).any()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(strategies.sets(strategies.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=6))
def test_nothing_is_known_in_an_empty_table(keys):
    assert not bulk.known_keys(pl.Series(sorted(keys), dtype=pl.String)).any()


def test_looking_up_leaves_the_planner_as_it_was():
    from django.db import connection

    provider()
    deliver(report(event(CAROL)))
    deliver(report(event(CAROL)))
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        assert cursor.fetchone()[0] == "on"
