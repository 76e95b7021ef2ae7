"""What loading the sample costs: CPU-seconds of this process and of the database, and the wall time, on a throwaway instance."""

from typing import Any

from tipstaff.project.bench import throwaway


def run(*, rows: int = 1_000) -> dict[str, Any]:
    """The whole sample, which is what the demo loads; with fewer ``rows``, only so many of its messages and no story."""
    with throwaway.instance() as cluster:
        from tipstaff.cases.models import Case, JournalEntry
        from tipstaff.correspondence.models import OutboxMessage
        from tipstaff.intake.models import Submission
        from tipstaff.kernel.clock import now
        from tipstaff.project import sample
        from tipstaff.project.samples import mails

        moment = now()
        messages = mails.schedule(moment)
        meter = throwaway.Meter(cluster)
        if rows >= len(messages):
            sample.load(now=moment)
        else:
            sample.furnish(moment)
            sample.deliver(messages[:rows], moment)
        meter.stop()
        return {
            "cpu_s": round(meter.cpu, 2), "seconds": round(meter.wall, 2), "messages": min(rows, len(messages)),
            "submissions": Submission.objects.count(), "cases": Case.objects.count(), "letters": OutboxMessage.objects.count(),
            "journal": JournalEntry.objects.count(), "waiting": Submission.objects.filter(state__in=["received", "failed"]).count(),
        }  # fmt: skip
