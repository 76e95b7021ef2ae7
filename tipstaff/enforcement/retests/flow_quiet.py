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


#: The flows that a category is about, as the archive's filter says it, and which figure of them tells: flows or packets.
ACCUSED: dict[str, tuple[str, str]] = {
    "scan": ("direction out and protocol tcp,udp", "flows"),
    "intrusion": ("direction out and peer_port 21,22,23,110,143,389,445,993,1433,3306,3389,5060,5432,5900,5985,6379", "flows"),
    "spam": ("direction out and peer_port 25,465,587", "flows"),
    "ddos_origin": ("direction out", "packets"),
    "network_harm": ("direction out", "packets"),
    "open_relay": ("direction out and local_port 17,19,53,111,123,137,161,389,520,1900,3702,5353,11211", "packets"),
}
TELLING = 10  # flows of the kind that were sampled when it was reported; fewer say nothing about their absence
QUIET = 0.25  # of what it was then; normal traffic may look alike


@dataclass(frozen=True, slots=True)
class Compared:
    """The accused kind of flows of one address: an hour around the accusation, and the worst hour since the claim.

    ``then`` None: nothing is kept of that time. ``seen_then``: how many flows were sampled then. ``covered``: share of the time
    since the claim in which any exporter was heard. ``found``: findings of our own detectors since the claim.
    """

    kind: str
    figure: str
    then: float | None
    seen_then: int
    since: float
    watched: timedelta
    covered: float
    sampling: int
    found: int = 0


def compare(look: Compared | None) -> Seen:
    """Whether it is quiet, against what the same flows were when they were complained of."""
    if look is None:
        return Seen(UNCLEAR, "no flow archive is there to ask, or this kind of conduct does not show in flows")
    detail = {
        "then": look.then, "since": look.since, "figure": look.figure, "watched_s": int(look.watched.total_seconds()),
        "covered": round(look.covered, 3), "sampling": look.sampling, "filter": look.kind,
    }  # fmt: skip
    if look.found:
        return Seen(STILL, f"our own detectors found it {look.found} times since the fix was claimed", detail)
    if look.then is None:
        return Seen(UNCLEAR, "no flows are kept of the time of the complaint", detail)
    if look.seen_then < TELLING:
        coarse = f"sampling 1 in {look.sampling}" if look.sampling else "the sampling of an exporter is not known, and it"
        return Seen(UNCLEAR, f"{coarse} showed only {look.seen_then} such flows when it was reported: absence says nothing", detail)
    said = f"{look.since:,.0f} {look.figure} in the worst hour since, {look.then:,.0f} when it was reported"
    if look.since > QUIET * look.then:
        return Seen(STILL, said, detail, f"{look.kind}\n{said}".encode())
    if look.watched < LEAST or look.covered < COVERED:
        return Seen(UNCLEAR, f"the archive did not watch long or fully enough ({said})", detail)
    return Seen(OK, said, detail)
