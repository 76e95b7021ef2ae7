"""What ``tipstaff run clocks`` does: fire what is due every second; beside it alerts, retests and corroboration."""

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.cases import catching, reviews, worker
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now
from tipstaff.pipeline import alerting, corroborating
from tipstaff.project import environment

log = logging.getLogger(__name__)
PAUSE = 1.0  # seconds between looks at each of them


def run(stop: threading.Event) -> None:
    """All of it until ``stop``. A look at the network never delays a clock: it has a thread of its own."""
    beside = [threading.Thread(target=_loop, args=(stop, name, step), name=name, daemon=True) for name, step in _BESIDE.items()]
    for thread in beside:
        thread.start()
    worker.run(stop)
    for thread in beside:
        thread.join(timeout=5)


def _alerts(moment: datetime) -> int:
    return alerting.deliver(now=moment, secret=environment.credential)


def _retests(moment: datetime) -> int:
    from tipstaff.enforcement.retests import running

    return running.run_waiting(now=moment)


def _reviews(moment: datetime) -> int:
    return reviews.end_over(now=moment)


def _shadow(moment: datetime) -> int:
    """In shadow mode the report of a day, once it is over."""
    if not shadow.is_on():
        return 0
    from tipstaff.pipeline.shadowing import reports

    return reports.write_due(now=moment)


_BESIDE: dict[str, Callable[[datetime], int]] = {
    "shadow reports": _shadow,
    "alerts": _alerts,
    "retests": _retests,
    "corroboration": corroborating.Looker().step,
    "reviews": _reviews,
    "refused parties": catching.Watcher().step,
}


def _loop(stop: threading.Event, name: str, step: Callable[[datetime], int]) -> None:
    while not stop.wait(PAUSE):
        try:
            close_old_connections()
            step(now())
        except (OperationalError, InterfaceError) as error:
            log.warning("database away, %s wait: %s", name, error)
            connection.close()
        except Exception:
            log.exception("a look at the %s failed; the next follows", name)
    connection.close()
