"""How fast mails in the spool become committed cases."""

import fcntl
import time
from contextlib import ExitStack
from typing import Any

import numpy as np

from tipstaff.project.bench import mails, programs, throwaway, world
from tipstaff.project.bench.feed import addresses_of


def run(*, rows: int = 20_000, workers: int = 2, seed: int = 1) -> dict[str, Any]:
    """From spool files that are there already, through evidence, to cases: by ``workers`` programs as ``tipstaff up`` starts
    them, in micro-batches as they make them. They are up and idle when the clock starts; the CPU is theirs and PostgreSQL's."""
    with throwaway.instance() as cluster:
        from django.conf import settings

        from tipstaff.cases.models import Case
        from tipstaff.intake.models import Submission
        from tipstaff.intake.services import ensure_source
        from tipstaff.intake.spool import Spool, accepted
        from tipstaff.kernel.clock import now

        table = world.build()
        spool = Spool(settings.SPOOL)
        addresses = [str(ip) for ip in addresses_of(table, rows, np.random.default_rng(seed))]
        spool.put([accepted(source="smtp", kind="smtp", content=mail, now=now()) for mail in mails.make(addresses, rows, seed)])
        ensure_source(name="smtp", kind="smtp", now=now())  # as on a desk that was written to before
        with ExitStack() as stack:
            turn = stack.enter_context((spool.directory / ".lock").open("w"))
            fcntl.flock(turn, fcntl.LOCK_EX)  # who has it empties the spool: nobody, until the workers stand ready
            hands = stack.enter_context(programs.started(workers))
            meter = throwaway.Meter(cluster, hands, takes_part=False)
            fcntl.flock(turn, fcntl.LOCK_UN)
            while not spool.is_empty() or Submission.objects.filter(state="received").exists():
                time.sleep(programs.LOOK)
            meter.stop()
        states = dict.fromkeys(("parsed", "needs_person", "set_aside", "failed"), 0)
        for state in Submission.objects.values_list("state", flat=True):
            states[state] = states.get(state, 0) + 1
        return {
            "mails_per_s": round(rows / meter.wall), "cpu_ms_per_mail": round(meter.cpu * 1000 / rows, 3), "mails": rows,
            "workers": workers, "cases": Case.objects.count(), **states,
        }  # fmt: skip
