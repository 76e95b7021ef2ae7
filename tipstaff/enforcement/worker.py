"""The loop that turns measures into orders and carries them: rows are the truth, each look finds what is to be done.

Killed at any moment it goes on from the rows. Endpoints are worked side by side, each by one program at a time (an
advisory lock of the session), so that a peer that does not answer keeps up nobody else.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import Q, QuerySet

from tipstaff.cases.models_measures import Measure
from tipstaff.enforcement import (
    carrying,
    ending,
    endpoints,
    feedback,
    interruptions,
    lifting,
    moves,
    ordering,
    probes,
    reconciler,
    switches,
    transitions,
)
from tipstaff.enforcement.models import Endpoint, Order, OrderEntry, Switches
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now

log = logging.getLogger(__name__)
IDLE = 0.1  # seconds between looks when there is nothing to do
SWEEP = 5.0  # seconds between looks at credits and the sign of life
RECONCILE = 10.0  # seconds between comparisons of what should stand with what does
AT_ONCE = 200  # orders of one endpoint in one look
SIDE_BY_SIDE = 8  # endpoints
FARTHEST = timedelta(minutes=10)  # twice the longest pause between tries of an order
LOST = (OperationalError, InterfaceError)
_LOCK = 0x656E66  # 'enf': the space of our advisory locks


class Worker:
    """One worker: when it last swept, and what it has done since it began."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.began_at = self.swept_at = now()
        self.steps = self.carried = 0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``; a database that is away is waited for."""
        pause = IDLE
        self._sweep(now())
        while not stop.is_set():
            try:
                close_old_connections()
                busy, pause = self.step(), IDLE
            except LOST as error:
                log.warning("database away, retrying: %s", error)
                connection.close()
                busy, pause = False, min(pause * 2, 5)
            if not busy:
                stop.wait(pause)

    def step(self) -> bool:
        """One look: new measures, ends, and every endpoint with something to do; True when there was work."""
        moment = now()
        self.steps += 1
        taken = ordering.order_decided(now=moment)
        taken += lift_asked(moment) + follow_ends(moment) + expire(moment)
        row = switches.current()
        busy = [one for one in Endpoint.objects.filter(retired_at__isnull=True) if self._has_work(one, row, moment)]
        if min(len(busy), SIDE_BY_SIDE) <= 1:
            taken += sum(self._work(one, row) for one in busy)
        else:
            with ThreadPoolExecutor(min(len(busy), SIDE_BY_SIDE)) as pool:
                taken += sum(pool.map(lambda one: self._work_apart(one, row), busy))
        if abs(moment - self.swept_at).total_seconds() > SWEEP:  # also where the clock was set back
            self._sweep(moment)
        self.carried += taken
        return taken > 0

    def _sweep(self, moment: datetime) -> None:
        self.swept_at = moment
        interruptions.give_back(now=moment)
        probes.look(now=moment)
        line = f"{self.carried} steps of orders since {self.began_at:%H:%M}"
        heartbeat.beat(name="enforcement", line=line, now=moment, started_at=self.began_at)

    def _has_work(self, endpoint: Endpoint, row: Switches, moment: datetime) -> bool:
        if endpoints.waits(endpoint, moment):
            return False
        return due(endpoint, row, moment).exists() or reconciler.is_due(endpoint, moment, RECONCILE)

    def _work_apart(self, endpoint: Endpoint, row: Switches) -> int:
        try:
            return self._work(endpoint, row)
        finally:
            connection.close()

    def _work(self, endpoint: Endpoint, row: Switches) -> int:
        """Carry what is due at one endpoint, then compare it with what stands there when it is time."""
        with alone(endpoint.pk) as mine:
            if not mine:
                return 0
            done = lifting.together(endpoint, row)
            for number in list(due(endpoint, row, now()).values_list("pk", flat=True)[:AT_ONCE]):
                order = ordering.loaded(number)
                if order.state in transitions.FINAL:
                    continue
                carrying.carry(order, endpoint, row)
                done += 1
                if endpoint.try_again_at is not None:
                    return done  # its peer is away: the others wait until it is back
            if reconciler.is_due(endpoint, now(), RECONCILE):
                reconciler.reconcile(endpoint, row)
            return done


def due(endpoint: Endpoint, row: Switches, moment: datetime) -> QuerySet[Order]:
    """Orders of the endpoint with something to do now; what was asked back goes first, then the oldest.

    Nothing is put off by more than FARTHEST: what seems to be was written before the clock was set back, and is due.
    """
    found = Order.objects.filter(endpoint=endpoint).filter(
        Q(next_try_at__lte=moment)
        | Q(next_try_at__gt=moment + FARTHEST)
        | Q(revert_asked_at__isnull=False, state__in=[transitions.APPLYING, transitions.VERIFIED])
    )
    states = transitions.AT_WORK - {transitions.APPROVED} if row.stopped else transitions.AT_WORK
    return found.filter(state__in=states).order_by("revert_asked_at", "pk")


def lift_asked(moment: datetime) -> int:
    """Pass on what cases want lifted. A measure that never became an order is lifted at once."""
    waiting = list(Measure.objects.filter(state="lifting")[: ordering.AT_ONCE])
    done = 0
    for measure in waiting:
        open_ones = Order.objects.filter(measure=measure).exclude(state__in=transitions.FINAL)
        if not open_ones.exists():
            feedback.lifted(measure, now=moment)
            done += 1
            continue
        columns = {"revert_by": measure.lift_by or feedback.BY, "revert_reason": measure.lift_reason, "next_try_at": moment}
        done += open_ones.filter(revert_asked_at__isnull=True).update(revert_asked_at=measure.lift_asked_at or moment, **columns)
    return done


def follow_ends(moment: datetime) -> int:
    """An emergency block that a second person confirmed lasts as long as the case now says."""
    few = Order.objects.filter(emergency=True, revert_asked_at__isnull=True).exclude(state__in=transitions.FINAL)
    ends = [(order, order.measure.expires_at) for order in few.select_related("measure") if order.measure.confirmed_by]
    later = [(order, until) for order, until in ends if until is not None and until > order.expires_at]
    return sum(_follow(order, until, moment) for order, until in later)


@transaction.atomic
def _follow(order: Order, until: datetime, moment: datetime) -> bool:
    """Move one end, with its line, unless somebody else just did."""
    if not Order.objects.select_for_update().filter(pk=order.pk, expires_at=order.expires_at).exists():
        return False
    by, standing = order.measure.confirmed_by or feedback.BY, order.state in transitions.STANDING
    moves.change(order, emergency=False, expires_at=until, refresh=standing, next_try_at=moment)
    moves.note(order, by=by, now=moment, kind="moved_end", text=f"confirmed by {by}: it now ends {until:%Y-%m-%d %H:%M} UTC")
    return True


def expire(moment: datetime) -> int:
    """Rail 7: what is past its end is asked back; what was not begun is over. Needs no web, no case and no clock of others."""
    over = Order.objects.filter(expires_at__lte=moment, revert_asked_at__isnull=True, state__in=transitions.AT_WORK)
    numbers = list(over.order_by("pk").values_list("pk", flat=True))
    text = "its time is over"
    asked = sum(_ask_back(numbers[at : at + AT_ONCE], over, text, moment) for at in range(0, len(numbers), AT_ONCE))
    unbegun = Q(state=transitions.PROPOSED, expires_at__lte=moment) | Q(
        revert_asked_at__isnull=False, state__in=[transitions.PROPOSED, transitions.APPROVED]
    )
    withdrawn = list(Order.objects.filter(unbegun).select_related("measure")[: ordering.AT_ONCE])
    for order in withdrawn:
        ending.withdrawn(order, text=order.revert_reason or text, now=moment)
    return asked + len(withdrawn)


@transaction.atomic
def _ask_back(numbers: Sequence[int], over: QuerySet[Order], text: str, moment: datetime) -> int:
    """Those that nobody else asks back at this moment: the orders, their lines and their measures, or nothing."""
    held = over.filter(pk__in=numbers).select_for_update(of=("self",), skip_locked=True).order_by("pk")
    mine = list(held.select_related("measure"))
    columns = {"revert_by": feedback.BY, "revert_reason": text, "next_try_at": moment}
    Order.objects.filter(pk__in=[order.pk for order in mine]).update(revert_asked_at=moment, **columns)
    OrderEntry.objects.bulk_create(
        OrderEntry(order=order, at=moment, actor=feedback.BY, kind="expired", text=text) for order in mine
    )
    for order in mine:
        feedback.lifting(order.measure, by=feedback.BY, reason=text, now=moment)
    return len(mine)


@contextmanager
def alone(endpoint: int) -> Iterator[bool]:
    """Whether this program alone works at the endpoint now; the lock goes with the connection, however we end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, endpoint])
        mine = cursor.fetchone()[0]
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK, endpoint])


def run(stop: threading.Event) -> None:
    """The entry point of ``tipstaff run enforcement``."""
    Worker().run(stop)
