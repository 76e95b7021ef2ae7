"""A hundred items in twenty minutes by keys alone: presses per item, and what of the time is the server's."""

import time

import pytest

from tests.faces.desk import factory
from tipstaff.cases.models import JournalEntry
from tipstaff.intake.models import Submission
from tipstaff.kernel.clock import now as clock_now

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ITEMS = 100
MOST_PRESSES = 6
SERVER = 1.0  # seconds of the server an item may cost on a busy machine; twelve seconds is an item's share of the twenty minutes


class Keyboard:
    """Presses that are counted; ``moving`` ones lead to another page, whose time until it can be used is measured."""

    def __init__(self, page) -> None:
        self.page, self.presses, self.waited = page, 0, 0.0

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.presses += 1

    def moving(self, key: str) -> None:
        began = time.perf_counter()
        with self.page.expect_navigation(wait_until="domcontentloaded"):
            self.press(key)
        self.waited += time.perf_counter() - began


def _intake(made: factory.Sample, wanted: int) -> None:
    """So many more submissions that wait: addresses with a holder, and others without."""
    trace = made.waiting[0].trace
    for number in range(wanted):
        text = factory.LETTER.replace(b"0643", f"p{number}".encode())
        held = [{**trace[0], "events": [{**trace[0]["events"][0], "ip": f"203.0.113.{number + 1}"}]}]
        factory.submission(
            made, text, subject=f"Scan report {number}", state="needs_person", reason="the time has no zone",
            at=made.now - factory.H * 2, due=made.now + factory.H * (6 + number / 10), trace=held if number % 3 else [],
        )  # fmt: skip


def _intake_item(keys: Keyboard, number: int) -> None:
    """Assign to the holder that is offered, else not a report, not ours, or read again."""
    offered = keys.page.locator('button[data-key="1"]').count()
    keys.moving("1" if offered else "sor"[number % 3])


def _queue_item(keys: Keyboard, number: int) -> None:
    """Take the case where nobody of us has it, note that it was looked at, go on to the next."""
    if keys.page.locator('[data-key="t"]:not([disabled])').count():
        keys.moving("t")
    keys.press("m")
    keys.page.keyboard.insert_text("Looked at; waits for the customer.")  # a sentence is typing, not finding the way
    keys.press("Tab")
    keys.moving("Enter")
    if number < ITEMS - 1:
        keys.moving("]")


def test_a_hundred_items_in_twenty_minutes_by_keys(opened, capsys) -> None:
    made = factory.sample(clock_now(), filler=0)
    _intake(made, 76)
    waiting = Submission.objects.filter(state__in=["needs_person", "failed"]).count()
    page = opened("alice")
    served: list[float] = []
    page.on("requestfinished", lambda request: _note(served, request))
    keys = Keyboard(page)
    presses = []
    page.goto("/intake/")
    for number in range(waiting):
        before = keys.presses
        _intake_item(keys, number)
        presses.append(keys.presses - before)
    assert Submission.objects.filter(state__in=["needs_person", "failed"]).count() == 0
    page.goto("/queue/")
    keys.press("j", "k")
    keys.moving("Enter")
    for number in range(waiting, ITEMS):
        before = keys.presses
        _queue_item(keys, number)
        presses.append(keys.presses - before)
    assert JournalEntry.objects.filter(kind="note", actor="alice").values("case").distinct().count() == ITEMS - waiting
    server = sum(served) / len(presses)
    with capsys.disabled():
        print(
            f"\n{len(presses)} items: {sum(presses) / len(presses):.1f} presses each, at most {max(presses)}; "
            f"{server * 1000:.0f} ms of the server each, {keys.waited / len(presses) * 1000:.0f} ms until the next can be worked; "
            f"{len(presses) * 12 - keys.waited:.0f} s of twenty minutes are left for reading"
        )
    assert len(presses) == ITEMS and max(presses) <= MOST_PRESSES
    assert server < SERVER and keys.waited < 300
    assert not page.problems


def _note(served: list[float], request) -> None:
    if request.resource_type == "document":
        timing = request.timing
        served.append(max(0.0, timing["responseStart"] - timing["requestStart"]) / 1000)
