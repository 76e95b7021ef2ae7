"""Has the traffic stopped? Judged from archived flows since the fix was claimed; without an archive nobody can tell. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tipstaff.enforcement.retests.contract import OK, STILL, UNCLEAR, Seen

COVERED = 0.9  # share of the time that the archive must cover to say that nothing was there
LEAST = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Flows:
    """What the archive has of one address: how long it looked, how much of that it covers, and suspicious flows in it."""

    watched: timedelta
    covered: float  # 0 to 1: exporters fall silent, and silence of an exporter is not silence of the address
    suspicious: Sequence[str]  # one line for each, as the detector names it
    sampling: int = 1


def judge(flows: Flows | None) -> Seen:
    """'cannot tell' where there is no archive, or where it did not watch long enough."""
    if flows is None:
        return Seen(UNCLEAR, "no flow archive is there to ask")
    detail = {"watched_s": int(flows.watched.total_seconds()), "covered": round(flows.covered, 3), "sampling": flows.sampling}
    if flows.suspicious:
        evidence = "\n".join(flows.suspicious[:1000]).encode()
        return Seen(STILL, f"{len(flows.suspicious)} suspicious flows since the fix was claimed", detail, evidence)
    if flows.watched < LEAST or flows.covered < COVERED:
        return Seen(UNCLEAR, "the archive did not watch long or fully enough", detail)
    return Seen(OK, "no such traffic since the fix was claimed", detail)
