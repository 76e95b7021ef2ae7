"""The loop that fires clocks every second."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import close_old_connections, connection

from tipstaff.cases import sweeper
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now

log = logging.getLogger(__name__)
EVERY = 1.0  # seconds between looks
BEAT = timedelta(seconds=5)
JUMP = timedelta(minutes=2)  # a clock that runs ahead of the monotonic one by more is not believed at once
DOUBT = timedelta(minutes=1)  # but after this time


class Watch:
    """The wall clock, compared with the monotonic one: a jump ahead is believed only when it has lasted.

    Nothing is restricted because somebody set a clock wrongly for a moment; a jump back merely delays.
    """

    def __init__(self, wall: Callable[[], datetime] = now, steady: Callable[[], float] = time.monotonic) -> None:
        self.wall, self.steady = wall, steady
        self.offset = wall() - timedelta(seconds=steady())
        self.doubted_since: float | None = None

    def now(self) -> datetime | None:
        """The present moment; None while a jump ahead is doubted."""
        moment, steady = self.wall(), self.steady()
        ahead = moment - timedelta(seconds=steady) - self.offset
        if ahead <= JUMP:
            if ahead < timedelta():
                self.offset += ahead
            self.doubted_since = None
            return moment
        if self.doubted_since is None:
            self.doubted_since = steady
            log.warning("the clock jumped ahead by %s: nothing is fired for %s", ahead, DOUBT)
        if timedelta(seconds=steady - self.doubted_since) < DOUBT:
            return None
        self.offset += ahead
        self.doubted_since = None
        return moment


def run(stop: threading.Event) -> None:
    """Fire what is due until ``stop``. A database that is away is waited for: the rows keep what falls due meanwhile."""
    watch, began_at, beaten_at, fired, pause = Watch(), now(), None, 0, EVERY
    while not stop.is_set():
        count = 0
        try:
            close_old_connections()
            moment = watch.now()
            if moment is not None:
                count = sweeper.fire_due(now=moment)
                fired += count
                if beaten_at is None or abs(moment - beaten_at) >= BEAT:
                    line = f"{fired} clocks fired since {began_at:%H:%M}"
                    heartbeat.beat(name="clocks", line=line, now=moment, started_at=began_at)
                    beaten_at = moment
            pause = EVERY
        except sweeper.LOST as error:
            log.warning("database away, retrying: %s", error)
            connection.close()
            pause = min(pause * 2, 5)
        except Exception:
            log.exception("a look at the clocks failed; the next follows")
        if count < sweeper.AT_ONCE:
            stop.wait(pause)
    connection.close()
