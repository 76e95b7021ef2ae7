"""What ``tipstaff run worker`` does: the pipeline, beside it the desk's bulk jobs, which are above it, and the sealer."""

import logging
import threading

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.audit import sealer
from tipstaff.faces.desk import jobs
from tipstaff.intake.sources import findings
from tipstaff.intake.spool import Spool
from tipstaff.kernel.clock import now
from tipstaff.pipeline import worker

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between looks at waiting jobs


def run(stop: threading.Event) -> None:
    """Run all until ``stop``; a job that fails says so on its own row and stops nothing else."""
    beside = [threading.Thread(target=loop, args=(stop,), name=name, daemon=True) for name, loop in _BESIDE]
    for thread in beside:
        thread.start()
    worker.run(stop)
    for thread in beside:
        thread.join(timeout=5)


def _jobs(stop: threading.Event) -> None:
    while not stop.wait(PAUSE):
        try:
            close_old_connections()
            jobs.run_waiting(now=now())
        except (OperationalError, InterfaceError) as error:
            log.warning("database away, jobs wait: %s", error)
            connection.close()
        except Exception:
            log.exception("a bulk job failed")
    connection.close()


def _findings(stop: threading.Event) -> None:
    """What the detectors of this host wrote goes into its spool; the database is not asked."""
    folder, spool = settings.STATE / "flows" / "findings", Spool(settings.SPOOL)
    while not stop.wait(PAUSE):
        try:
            findings.take(folder, spool, now=now())
        except Exception:
            log.exception("findings wait")


_BESIDE = (("jobs", _jobs), ("sealer", sealer.run), ("findings", _findings))
