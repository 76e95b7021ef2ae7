"""How fast mails in the spool become committed cases."""

from typing import Any

import numpy as np

from tipstaff.project.bench import mails, throwaway, world
from tipstaff.project.bench.feed import addresses_of


def run(*, rows: int = 20_000, seed: int = 1) -> dict[str, Any]:
    """From spool files that are there already, through evidence, to cases; micro-batches as the worker makes them."""
    with throwaway.instance() as cluster:
        from django.conf import settings

        from tipstaff.cases.models import Case
        from tipstaff.intake.models import Submission
        from tipstaff.intake.spool import Spool, accepted
        from tipstaff.kernel.clock import now
        from tipstaff.pipeline.worker import Worker

        table = world.build()
        spool = Spool(settings.SPOOL)
        addresses = [str(ip) for ip in addresses_of(table, rows, np.random.default_rng(seed))]
        spool.put([accepted(source="smtp", kind="smtp", content=mail, now=now()) for mail in mails.make(addresses, rows, seed)])
        worker = Worker(spool)
        worker.prepare()
        meter = throwaway.Meter(cluster)
        steps = 0
        while worker.step():
            steps += 1
        meter.stop()
        states = dict.fromkeys(("parsed", "needs_person", "set_aside", "failed"), 0)
        for state in Submission.objects.values_list("state", flat=True):
            states[state] = states.get(state, 0) + 1
        return {
            "mails_per_s": round(rows / meter.wall), "cpu_ms_per_mail": round(meter.cpu * 1000 / rows, 3), "mails": rows,
            "batches": steps, "cases": Case.objects.count(), **states,
        }  # fmt: skip
