"""A look behind a block that meets bad luck or bad will: a clock set back, a setting changed, a stop, a stranger's mail."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.enforcement import given
from tests.enforcement.test_probing import OPEN, SECOND, TIMING, T, attack, flood, looked
from tests.pipeline.given import deliver, event, report
from tipstaff.cases.models import JournalEntry
from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import probes, switches
from tipstaff.enforcement.models import Order
from tipstaff.enforcement.probing import Act, step

__all__ = ["attack"]  # the fixture
DAY = timedelta(days=1)


def test_a_clock_set_back_does_not_leave_a_block_away_for_the_time_it_lost() -> None:
    assert step(OPEN, TIMING, T - DAY) is Act.WATCH, "the look begins anew"
    assert step(OPEN, TIMING, T - SECOND) is Act.WAIT, "two programs' clocks differ by as much"
    assert step(replace(OPEN, since=T - DAY, attack_at=T - DAY + SECOND), TIMING, T - DAY + 2 * SECOND) is Act.BLOCK


def test_a_look_during_which_the_clock_was_set_back_by_a_day_ends(attack: Measure) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    assert looked(away).phase == "open"
    again = looked(away - DAY, rounds=1)
    assert (again.phase, again.since_at) == ("open", away - DAY)
    assert looked(away - DAY + 61 * SECOND).phase == "over"


def test_a_look_that_began_is_finished_where_probing_was_switched_off_meanwhile(attack: Measure, settings) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    assert looked(away).phase == "open"
    settings.PROBE_HOLD_MINUTES = 0
    flood(away + 5 * SECOND)
    probe = looked(away + 10 * SECOND)
    assert probe.looks == 1 and Order.objects.filter(state="verified").count() == 1, "it stands again"
    assert probes.look(now=away + DAY) == 0, "and is not taken away once more"


def test_an_attack_that_a_look_exposed_while_actions_are_stopped_is_told_once(attack: Measure) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    assert looked(away).phase == "open"
    switches.stop(by="bob", reason="maintenance", now=away)
    assert looked(away + SECOND).phase == "open"
    told = JournalEntry.objects.filter(case=attack.case, text__contains="while its block is away")
    assert not told.exists()
    flood(away + 5 * SECOND)
    looked(away + 10 * SECOND)
    assert told.count() == 1 and Order.objects.count() == 1


def test_a_strangers_mail_in_a_detectors_form_prolongs_no_block(attack: Measure, tmp_path: Path) -> None:
    away = given.only().verified_at + timedelta(minutes=16)
    assert looked(away).phase == "open"
    forged = report(event(ip=given.CAROL, at=away + 5 * SECOND), category="ddos_origin", format="fastnetmon")
    deliver(forged, now=away + 5 * SECOND, kind="smtp")
    assert probes.last_seen(given.only()) < away
    assert looked(away + 61 * SECOND).phase == "over" and Order.objects.count() == 1
