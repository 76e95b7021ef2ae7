"""The archive's part in corroboration: which flows an address had around a time, and who watched meanwhile."""

from datetime import datetime, timedelta

from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.asking import Archive, Span
from tipstaff.sensors.traffic.corroboration import Claim, Corroboration, Seen, Watch, corroborate

AROUND = timedelta(hours=13)  # the widest time-zone error that is tried, and some leeway
MOST = 50_000


def ask(archive: Archive, address: str, claim: Claim) -> Corroboration:
    """What the archive says of a claim against one of our addresses."""
    exact = Span(claim.start - timedelta(minutes=10), claim.end + timedelta(minutes=10))
    answer = corroborate(claim, flows_from(archive, address, exact, claim), watch(archive, exact))
    if answer.flows:
        return answer
    wide = Span(claim.start - AROUND, claim.end + AROUND)
    return corroborate(claim, flows_from(archive, address, wide, claim), watch(archive, exact))


def flows_from(archive: Archive, address: str, span: Span, claim: Claim) -> list[Seen]:
    """The outgoing flows of an address in a span that can be what is claimed."""
    wanted = [("peer", claim.peer), ("peer_port", claim.peer_port), ("local_port", claim.local_port), ("protocol", claim.protocol)]
    where = " and ".join(["direction out", *(f"{name} {value}" for name, value in wanted if value is not None)])
    rows = archive.flows_of(address, span, limit=MOST, where=where).as_objects()
    return [
        Seen(
            row["start"], row["end"], row["peer"], row["peer_port"], row["local_port"], row["protocol"], row["packets"],
            row["sampling_rate"],
        )
        for row in rows
    ]  # fmt: skip


def watch(archive: Archive, span: Span) -> Watch:
    """The sampling rates in the flows of that time, and since when flows are kept at all."""
    rates = [rate or None for rate in archive.rates(span)]
    return Watch(rates, kept_since(archive))


def kept_since(archive: Archive) -> datetime | None:
    """When the oldest file of single flows begins."""
    oldest = files.stored(archive.root, "hours", "fresh")
    return oldest[0].at if oldest else None
