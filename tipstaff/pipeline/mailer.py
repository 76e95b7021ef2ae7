"""The loop that writes letters and delivers them: what is owed is told, what waits is sent, what came back is reported."""

import logging
import threading

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.correspondence.worker import Delivery
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now
from tipstaff.pipeline import telling, victims_telling
from tipstaff.pipeline.retelling import Retelling

log = logging.getLogger(__name__)
IDLE, LONGEST = 0.5, 30.0  # seconds between looks, and after failures
BEAT = 5.0


def step(one: Delivery, stop: threading.Event, again: Retelling) -> int:
    """One look at everything. Returns how much there was to do."""
    moment = now()
    told = telling.tell(now=moment) + victims_telling.tell(now=moment) + again.step(moment)
    sent = one.step(stop)
    return told + sent + telling.report_failures(now=now())


def run(stop: threading.Event) -> None:
    """The entry point of ``tipstaff run mailer``: until ``stop``. A defect or a database that is away is waited out."""
    one, again, began, pause = Delivery(), Retelling(), now(), IDLE
    beaten = began
    while not stop.is_set():
        busy = 0
        try:
            close_old_connections()
            busy = step(one, stop, again)
            if (now() - beaten).total_seconds() > BEAT or beaten is began:
                beaten = now()
                heartbeat.beat(
                    name="mailer", line=one.line(beaten), now=beaten, started_at=began, sent=one.sent, refused=one.failed
                )
            pause = IDLE
        except (OperationalError, InterfaceError) as error:
            log.warning("database away, mail waits: %s", error)
            one.hang_up()
            connection.close()
            pause = min(pause * 2, LONGEST)
        except Exception:
            log.exception("the mailer failed")
            one.hang_up()
            pause = min(pause * 2, LONGEST)
        if not busy:
            stop.wait(pause)
    one.hang_up()
