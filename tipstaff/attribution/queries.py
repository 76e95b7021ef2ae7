"""Whose was it: one question from a person or a program, answered with everything that led to the answer."""

from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

from tipstaff.accounts.models import InventorySource, OwnPrefix, Service
from tipstaff.attribution import elsewhere, snapshot
from tipstaff.attribution.explaining import Explanation, Line, explain
from tipstaff.attribution.matching import Fact, Question, State
from tipstaff.attribution.segments import HALF
from tipstaff.attribution.timelines import ALL_PORTS
from tipstaff.kernel.errors import InputError, Problem

STATE_NAMES = {
    State.NOTHING: "nothing to go by",
    State.HELD: "held",
    State.NOT_ASSIGNED: "not assigned then",
    State.NOT_OURS: "not ours",
    State.AMBIGUOUS: "ambiguous",
}
FACT_NAMES = {
    Fact.NONE: "",
    Fact.PREFIX: "the longest prefix assigned at that time",
    Fact.PORT: "the share of ports",
    Fact.HOST: "the host name",
    Fact.DOMAIN: "the domain",
    Fact.MAILBOX: "the mailbox",
    Fact.THROUGHOUT: "the only holder through the whole interval",
    Fact.ALL_PORTS: "the only holder of all ports",
}


@dataclass(frozen=True)
class Holding:
    """One tenancy in words and moments; ``to`` and ``since`` are None where open."""

    assignment: int
    prefix: IPv4Network | IPv6Network
    since: datetime | None
    to: datetime | None
    ports: tuple[int, int] | None  # first and last, None for all
    service: Service
    source: str
    recorded_at: datetime | None
    shared: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "assignment": self.assignment,
            "prefix": str(self.prefix),
            "since": _written(self.since),
            "to": _written(self.to),
            "ports": list(self.ports) if self.ports else None,
            "shared": self.shared,
            "service": _party(self.service),
            "customer": _party(self.service.customer),
            "source": self.source,
            "recorded_at": _written(self.recorded_at),
        }


@dataclass(frozen=True)
class Answer:
    """Whose it was. ``service`` is set where state is HELD; ``candidates`` where it is AMBIGUOUS.

    ``abuse_contact`` is where a report on an address that is not ours belongs, as far as that is known ("" unknown).
    """

    state: State
    fact: Fact
    service: Service | None
    held: Holding | None
    candidates: list[Holding]
    before: Holding | None
    after: Holding | None
    provisional: bool
    abuse_contact: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "answer": STATE_NAMES[self.state],
            "decided_by": FACT_NAMES[self.fact],
            "customer": _party(self.service.customer) if self.service else None,
            "service": _party(self.service) if self.service else None,
            "assignment": self.held.as_json() if self.held else None,
            "candidates": [one.as_json() for one in self.candidates],
            "before": self.before.as_json() if self.before else None,
            "after": self.after.as_json() if self.after else None,
            "provisional": self.provisional,
            "abuse_contact": self.abuse_contact or ("unknown" if self.state == State.NOT_OURS else None),
        }


def who(
    *, ip: str | None, at: datetime, until: datetime | None = None, port: int | None = None, host: str | None = None,
    mailbox: str | None = None, as_known_at: datetime | None = None,
) -> Answer:  # fmt: skip
    """Who held it at that moment (or from ``at`` through ``until``), as known now or as known at some moment.

    Raises InputError where ``ip`` is no address, or the interval ends before it begins.
    """
    if until is not None and until < at:
        raise InputError(Problem("until", f"{_written(until)} is before {_written(at)}", "name the later moment as the end"))
    snap = snapshot.build(as_known_at=as_known_at) if as_known_at else snapshot.kept.current()
    question = _question(ip, at, until or at, port, host, mailbox)
    answer = _answer(snap, question, explain(snap.table, question))
    if answer.state == State.NOT_OURS and ip is not None:
        return replace(answer, abuse_contact=elsewhere.contact(ip.strip()))
    return answer


def _question(ip: str | None, at: datetime, until: datetime, port: int | None, host: str | None, mailbox: str | None) -> Question:
    family, number = 0, 0
    if ip is not None:
        try:
            address = ip_address(ip.strip() if "%" not in ip else "")  # no zone index: it may hold any words
        except ValueError:
            advice = "give an IPv4 or IPv6 address without a mask"
            raise InputError(Problem("address", f"{ip!r} is no address", advice)) from None
        address = getattr(address, "ipv4_mapped", None) or address
        family, number = address.version, int(address)
    span = snapshot.micros(at), snapshot.micros(until)
    return Question(family, number // HALF, number % HALF, *span, -1 if port is None else port, host, mailbox)


def _answer(snap: snapshot.Snapshot, question: Question, found: Explanation) -> Answer:
    lines = [line for line in (found.held, found.before, found.after, *found.candidates) if line]
    services = Service.objects.select_related("customer").in_bulk(
        {line.service for line in lines} | ({found.name.service} if found.name else set())
    )
    sources = dict(InventorySource.objects.values_list("pk", "name"))

    def holding(line: Line | None) -> Holding | None:
        return _holding(line, services[line.service], sources.get(line.source, "")) if line else None

    decided = found.held or found.name
    word = snap.last_words.get(decided.source if decided else -1, max(snap.last_words.values(), default=question.latest))
    return Answer(
        found.state,
        found.fact,
        services[decided.service] if decided else None,
        holding(found.held),
        [one for line in found.candidates if (one := holding(line))],
        holding(found.before),
        holding(found.after),
        question.latest > word,
    )


def _holding(line: Line, service: Service, source: str) -> Holding:
    family, hi, lo, length = line.prefix
    kind = IPv4Network if family == 4 else IPv6Network
    whole = line.port_from == 0 and line.port_to == ALL_PORTS
    return Holding(
        line.assignment,
        kind((hi * HALF + lo, length)),
        snapshot.moment(line.start),
        snapshot.moment(line.end),
        None if whole else (line.port_from, line.port_to - 1),
        service,
        source,
        snapshot.moment(line.recorded),
        line.shared,
    )


def _party(row: Any) -> dict[str, Any]:
    return {"id": row.pk, "external_id": row.external_id, "name": row.name}


def _written(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def own_prefixes() -> list[IPv4Network | IPv6Network]:
    """The provider's address space as listed, in order."""
    prefixes = OwnPrefix.objects.values_list("prefix", flat=True)
    return sorted(prefixes, key=lambda net: (net.version, int(net.network_address), net.prefixlen))
