"""The archive's part in the retest of flows: how much of the accused kind there was then, and how much since."""

from collections import Counter
from datetime import datetime, timedelta
from ipaddress import ip_network

from tipstaff.cases.models import Case
from tipstaff.enforcement.retests.contract import Space
from tipstaff.enforcement.retests.flow_quiet import ACCUSED, Compared
from tipstaff.kernel.errors import Refused
from tipstaff.reports import queries as reports
from tipstaff.sensors.traffic import queries as flow_queries
from tipstaff.sensors.traffic.archive.asking import Archive, Questions, Span

HOUR, SLOT = timedelta(hours=1), timedelta(minutes=10)
LIMIT = 60.0  # seconds that a question may take
LONGEST = timedelta(days=7)  # of the time since the claim that is looked at


def archive() -> Questions | None:
    """This installation's archive, where it has one: its files, or the cluster that keeps the flows instead."""
    own = flow_queries.archive(limit=LIMIT)
    return None if isinstance(own, Archive) and not own.root.is_dir() else own


def ask(case: Case, target: str, own: Space, since: datetime | None, found: int, *, now: datetime) -> Compared | None:
    """What the archive says of an address since the claim; None where it cannot be asked. Raises Refused outside our space."""
    address = str(ip_network(target.partition(" ")[0].strip()).network_address)
    own.check(address)
    flows, accused = archive(), ACCUSED.get(case.category)
    if flows is None or accused is None or since is None:
        return None
    try:
        return _compared(flows, case, address, accused, (since, found), now)
    except Refused:  # the cluster is away, or it takes too long: asked again with the next retest
        return None


def _compared(
    flows: Questions, case: Case, address: str, accused: tuple[str, str], claimed: tuple[datetime, int], now: datetime
) -> Compared:
    where, figure = accused
    since, found = claimed
    where += _port(case, address, where)
    then, seen = _then(flows, address, case, where, figure)
    began = max(since, now - LONGEST)
    worst, _ = _worst(flows, address, Span(began, now), where, figure)
    rates = flows.rates(Span(began, now))
    sampling = 0 if not rates or 0 in rates else max(rates)
    return Compared(where, figure, then, seen, worst, now - began, _covered(flows, Span(began, now)), sampling, found)


def _then(flows: Questions, address: str, case: Case, where: str, figure: str) -> tuple[float | None, int]:
    """The worst hour around the accusation, and how many flows were sampled in it."""
    first, last = case.first_event_at or case.opened_at, case.last_event_at or case.opened_at
    kept = flows.kept_since()
    if kept is None or last + HOUR < kept:
        return None, 0
    return _worst(flows, address, Span(max(first, last - LONGEST) - HOUR, last + HOUR), where, figure)


def _worst(flows: Questions, address: str, span: Span, where: str, figure: str) -> tuple[float, int]:
    """The greatest figure of any hour in the span, and the flows that were sampled in that hour."""
    rows = flows.series(span, step=HOUR, where=f"local {address} and {where}").as_objects()
    sums: Counter[datetime] = Counter()
    counts: Counter[datetime] = Counter()
    for row in rows:
        sums[row["at"]] += int(row[figure])
        counts[row["at"]] += int(row["flows"])
    worst = max(sums, key=lambda at: sums[at], default=None)
    return (0.0, 0) if worst is None else (float(sums[worst]), counts[worst])


def _covered(flows: Questions, span: Span) -> float:
    """The share of the span in which any exporter was heard, by slots of ten minutes."""
    heard = {row["at"] for row in flows.series(span, step=SLOT).as_objects()}
    return min(len(heard) / max((span.end - span.start) / SLOT, 1), 1.0)


def _port(case: Case, address: str, where: str) -> str:
    """The attacked port, where all findings and complaints name the same one."""
    if "_port" in where:
        return ""
    ports: set[int] = set()
    for event in reports.events_of_case(case.pk, 100):
        details = event.details or {}
        finding = details.get("finding")
        top = (finding.get("top_ports") if isinstance(finding, dict) else None) or []
        stated = [one.get("port") for one in top[:1] if isinstance(one, dict)] or [details.get("destination_port")]
        ports |= {int(port) for port in stated if isinstance(port, int) or (isinstance(port, str) and port.isdecimal())}
    return f" and peer_port {ports.pop()}" if len(ports) == 1 else ""
