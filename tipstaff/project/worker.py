"""What ``tipstaff run worker`` does: the pipeline, and beside it the desk's bulk jobs, which are above the pipeline."""

import logging
import threading

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.faces.desk import jobs
from tipstaff.kernel.clock import now
from tipstaff.pipeline import worker

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between looks at waiting jobs


def run(stop: threading.Event) -> None:
    """Run both until ``stop``; a job that fails says so on its own row and stops nothing else."""
    beside = threading.Thread(target=_jobs, args=(stop,), name="jobs", daemon=True)
    beside.start()
    worker.run(stop)
    beside.join(timeout=5)


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
