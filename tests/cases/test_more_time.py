"""More of whatever time is the customer's own: before a restriction, before an end as well. Nothing stands still meanwhile."""

from datetime import timedelta

import pytest

from tests.cases.resolving import HOUR, Desk
from tipstaff.cases import extensions, notices, restriction, statements, termination, timing
from tipstaff.cases.models import Approval, Clock, Notice
from tipstaff.cases.states import OPEN, PAUSABLE, RUNS
from tipstaff.faces.portal import standing
from tipstaff.kernel.errors import InputError, Refused

pytestmark = pytest.mark.django_db
WILL = "dedicated-hosting"
REACHED = {"DISCONNECT_PENDING": "warning", "DISCONNECTED": "second", "TERMINATION_PENDING": "final_notice"}


def reached(state: str) -> Desk:
    """Carol said nothing until her case stands in this state."""
    desk = Desk(WILL)
    desk.wait(desk.case.resolve_due_at - desk.now + HOUR)
    if state != "DISCONNECT_PENDING":
        desk.do(restriction.approve, approval=Approval.objects.get(what="restrict", approved_at=None).pk, by="amy")
        desk.wait(Clock.objects.get(kind="warning", fired_at=None, cancelled_at=None).due_at - desk.now + HOUR)
        desk.enforce()
    if state == "TERMINATION_PENDING":
        desk.wait(Clock.objects.get(kind="second", fired_at=None, cancelled_at=None).due_at - desk.now + HOUR)
        if desk.state != state:
            desk.on(termination.propose, reason="neither answered nor solved", by="bob")
    assert desk.state == state
    return desk


def running(desk: Desk, kind: str) -> Clock:
    return Clock.objects.get(case=desk.number, kind=kind, fired_at=None, cancelled_at=None)


@pytest.mark.parametrize("state", REACHED)
def test_more_time_is_asked_for_once_and_stops_nothing_and_is_given_by_a_lead(state):
    desk = reached(state)
    clock = running(desk, REACHED[state])
    others = list(Clock.objects.filter(case=desk.number).exclude(pk=clock.pk).values_list("pk", "due_at", "fired_at", "pause"))
    why, waiting = desk.case.needs_person, Approval.objects.filter(approved_at=None, refused_at=None).count()
    assert standing.offers(desk.case, "extension"), "the portal says so"
    with pytest.raises(InputError, match="not later"):
        desk.on(statements.ask_extension, by=desk.carol, until=clock.due_at, reason="please")
    until = clock.due_at + 20 * HOUR
    row = desk.on(statements.ask_extension, by=desk.carol, until=until, reason="the vendor is asleep")
    assert "asks for more time" in desk.case.needs_person and desk.case.waiting_on == "us"
    assert running(desk, clock.kind).due_at == clock.due_at, "what runs goes on"
    assert not standing.offers(desk.case, "extension") and standing.more_time_asked(desk.case) == until
    with pytest.raises(Refused, match="asked for already"):
        desk.on(statements.ask_extension, by=desk.carol, until=until, reason="once more")
    with pytest.raises(Refused, match="roles"):
        desk.do(extensions.grant, statement=row.pk, by="alice")
    change = desk.do(extensions.grant, statement=row.pk, by="bob")
    assert (change.clock, change.old_due_at, change.new_due_at) == (clock.kind, clock.due_at, until)
    assert running(desk, clock.kind).pk == clock.pk and running(desk, clock.kind).due_at == until == desk.case.next_due_at
    assert (desk.state, desk.case.needs_person) == (state, why)
    assert (
        list(Clock.objects.filter(case=desk.number).exclude(pk=clock.pk).values_list("pk", "due_at", "fired_at", "pause")) == others
    )
    assert Approval.objects.filter(approved_at=None, refused_at=None).count() == waiting
    assert desk.notices().count("extension_granted") == 1 and "due_changed" not in desk.notices()
    desk.wait(clock.due_at - desk.now + HOUR)
    assert desk.state == state, "the old end passes"
    desk.wait(20 * HOUR)
    assert running_or_none(desk, clock) is None, "the new one does not"


def running_or_none(desk: Desk, clock: Clock) -> Clock | None:
    return Clock.objects.filter(pk=clock.pk, fired_at=None, cancelled_at=None).first()


@pytest.mark.parametrize("state", REACHED)
def test_it_is_refused_with_the_time_that_stays(state):
    desk = reached(state)
    due = running(desk, REACHED[state]).due_at
    row = desk.on(statements.ask_extension, by=desk.carol, until=due + HOUR, reason="please")
    desk.do(extensions.refuse, statement=row.pk, reason="it harms others", by="bob")
    assert running(desk, REACHED[state]).due_at == due and "asks for more time" not in desk.case.needs_person
    told = Notice.objects.get(case=desk.number, kind="extension_refused", audience="customer")
    assert notices.values(notice=told, language="en", audience="customer", now=desk.now)["resolve_due"] == due
    assert desk.on(statements.ask_extension, by=desk.carol, until=due + 2 * HOUR, reason="but then").answered_at is None


def test_what_was_asked_of_the_time_before_does_not_use_up_the_next():
    desk = Desk(WILL)
    first = desk.on(statements.ask_extension, by=desk.carol, until=desk.case.resolve_due_at + HOUR, reason="please")
    desk.wait(desk.case.resolve_due_at - desk.now + timedelta(minutes=1))
    assert desk.state == "DISCONNECT_PENDING"
    due = running(desk, "warning").due_at
    second = desk.on(statements.ask_extension, by=desk.carol, until=due + HOUR, reason="now it is serious")
    with pytest.raises(InputError, match="not later"):
        desk.do(extensions.grant, statement=first.pk, by="bob")
    desk.do(extensions.grant, statement=second.pk, by="bob", until=due + 3 * HOUR)
    assert running(desk, "warning").due_at == due + 3 * HOUR


def test_time_that_stands_still_or_is_nobodys_is_not_given():
    desk = reached("DISCONNECT_PENDING")
    due = running(desk, "warning").due_at
    row = desk.on(statements.ask_extension, by=desk.carol, until=due + HOUR, reason="please")
    desk.on(timing.pause, clocks=["warning"], reason="our outage")
    with pytest.raises(Refused, match="stands still"):
        desk.do(extensions.grant, statement=row.pk, by="bob")
    desk.on(statements.claim_fix, by=desk.carol, text="it is gone")
    assert desk.state == "FIX_CLAIMED" and not standing.offers(desk.case, "extension")
    with pytest.raises(Refused, match="no time of the customer's"):
        desk.on(statements.ask_extension, by=desk.carol, until=due + 90 * HOUR, reason="in case")


def test_every_open_state_in_which_a_time_is_the_customers_has_its_clock():
    for state in OPEN:
        owed = {
            kind for kind in RUNS[state] & PAUSABLE if not kind.startswith("remind") and kind not in {"acknowledge", "probation"}
        }
        assert owed == ({timing.CUSTOMERS[state]} if state in timing.CUSTOMERS else set()), state
