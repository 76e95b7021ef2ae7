"""What a permit covers is annotated instead of opening a case: our own findings, and complaints where the policy says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import orjson
import polars as pl

from tipstaff.consent.models import PermitUse
from tipstaff.consent.permits import BOTH, IN, OUT, PROVES, Answer, Deed, Network, Scope, covering
from tipstaff.pipeline.context import Context
from tipstaff.policy.edition import Edition, Effect
from tipstaff.reports.rules import Action, inside

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PEERS = ("victim_ip", "destination_ip", "victim_ips", "victim")  # where a complaint's parsers put the other side
#: What an exception's effect makes of an event that would open a case. None of them closes anything unseen.
ACTIONS = {Effect.ANNOTATE: Action.RECORD_ONLY, Effect.REVIEW: Action.ASK_PERSON, Effect.CLOSE: Action.ASK_PERSON}


@dataclass(frozen=True)
class Use:
    """A permit that spoke for events of a report (by its place in the batch)."""

    report: int
    permit: int
    from_at: datetime
    until_at: datetime
    text: str


@dataclass
class Annotated:
    """The events with their actions and details as permits leave them, and which permits spoke."""

    events: pl.DataFrame
    uses: list[Use] = field(default_factory=list)


def annotate(events: pl.DataFrame, context: Context, now: datetime) -> Annotated:
    """Look at every event that would open a case against the permits; the rest of the batch costs nothing."""
    if not context.permits or not len(events):
        return Annotated(events)
    wanted = _concerned(events.with_row_index("place"), context.permits)
    action, details = events["action"].to_list(), events["details"].to_list()
    uses: list[Use] = []
    for row in wanted.iter_rows(named=True):
        known = orjson.loads(row["details"]) if row["details"] else {}
        deed = deed_of(row, known)
        answer = covering(context.permits, deed) if deed else Answer()
        becomes = _becomes(answer, row, known, context, now)
        if becomes is not None:
            action[row["place"]] = int(becomes)
            uses += [_use(row["report"], deed, one) for one in answer.permits if deed]
            known["permits"] = [one.id for one in answer.permits]
        elif answer.why_not:
            known["permit_note"] = answer.why_not
        else:
            continue
        details[row["place"]] = orjson.dumps(known).decode()
    fresh = pl.Series("action", action, dtype=events["action"].dtype), pl.Series("details", details, dtype=pl.String)
    return Annotated(events.with_columns(*fresh), uses)


def _concerned(events: pl.DataFrame, scopes: Sequence[Scope]) -> pl.DataFrame:
    """The events that would open a case and lie at a host or service that any permit names."""
    opening = (pl.col("action") == int(Action.OPEN_CASE)) & pl.col("category").is_not_null() & pl.col("customer").is_not_null()
    found = events.filter(opening)
    hosts = sorted({str(network) for scope in scopes for network in scope.hosts})
    services = sorted({number for scope in scopes for number in scope.services})
    named = found["service"].is_in(services).fill_null(False) if services else pl.repeat(False, len(found), eager=True)
    return found.filter(named | pl.Series(inside(found["ip"], hosts)))


def deed_of(row: Mapping[str, Any], details: Mapping[str, Any]) -> Deed | None:
    """What an event says was done, as permits ask for it; None where its time is not bounded."""
    starts, ends = (_first(row["occurred_at"], row[name]) for name in ("earliest", "latest"))
    if starts is None or ends is None:
        return None
    finding = details.get("finding")
    if isinstance(finding, dict):
        return _deed_of_finding(row, finding, _moment(ends))
    return Deed(
        local=_network(row["ip"]),
        starts_at=min(_moment(starts), _moment(ends)),
        ends_at=max(_moment(starts), _moment(ends)),
        kinds=frozenset({row["category"], row["report_type"]}),
        peers=tuple(network for name in PEERS for network in _networks(details.get(name))),
        service=row["service"],
        customer=row["customer"],
    )


def _deed_of_finding(row: Mapping[str, Any], finding: Mapping[str, Any], seen_at: datetime) -> Deed:
    """What our own eyes saw: from its opening to the last look, with all the peers that it names."""
    subject, peers = finding.get("subject") or {}, finding.get("top_peers") or []
    starts_at, ends_at = (stated_moment(finding.get(name), seen_at) for name in ("opened_at", "last_at"))
    return Deed(
        local=_network(subject.get("value")) if subject.get("kind") != "customer" else None,
        starts_at=min(starts_at, ends_at),
        ends_at=ends_at,
        direction=IN if finding.get("direction") == IN else OUT,
        kinds=frozenset({row["category"], row["report_type"], str(finding.get("detector"))}),
        peers=tuple(_networks([peer.get("address") for peer in peers if isinstance(peer, dict)])),
        service=row["service"],
        customer=row["customer"],
    )


def _first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def _moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def stated_moment(text: Any, otherwise: datetime) -> datetime:
    """A time with a zone as a finding states it, else the other one."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return otherwise
    return at if at.tzinfo else otherwise


def _network(text: Any) -> Network | None:
    try:
        return ip_network(str(text)) if text else None
    except ValueError:
        return None


def _networks(given: Any) -> list[Network]:
    """Addresses out of a parser's value: a text with commas, or a list."""
    texts = given if isinstance(given, list) else str(given or "").replace(",", " ").split()
    found = []
    for text in texts:
        try:
            found.append(ip_network(str(ip_address(str(text)))))
        except ValueError:
            continue
    return found


def _becomes(answer: Answer, row: Mapping[str, Any], details: Mapping[str, Any], context: Context, now: datetime) -> Action | None:
    """What the permits make of an event; None where they change nothing."""
    if not answer:
        return None
    in_force = context.editions.at(row.get("brand") or "", now)
    said = [_effect(scope, row["category"], in_force[1] if in_force else None) for scope in answer.permits]
    if "finding" in details:  # our own eyes: whoever granted the permit named the detector, or the policy knows the exception
        named = [bool(scope.kinds) or effect is not None for scope, effect in zip(answer.permits, said, strict=True)]
        return Action.RECORD_ONLY if all(named) else None
    if not all(said):
        return None
    return max((ACTIONS[effect] for effect in said if effect), key=lambda action: action is Action.ASK_PERSON)


def _effect(scope: Scope, category: str, edition: Edition | None) -> Effect | None:
    """The effect that the edition gives a permit of this kind on conduct of this category; None: it gives none."""
    entry = edition.categories.get(category) if edition else None
    if entry is None or edition is None:
        return None
    proved = [code for code in entry.exceptions if code in PROVES.get(scope.kind, ())]
    return edition.exceptions[proved[0]].effect if proved else None


def _use(report: int, deed: Deed, scope: Scope) -> Use:
    way = "" if scope.direction == BOTH else f" {scope.direction}"
    text = f"permit {scope.id} ({scope.kind}{way}) covers {deed.local} then"
    return Use(report, scope.id, deed.starts_at, deed.ends_at, text)


def keep_uses(uses: Sequence[Use], report_ids: Sequence[int], now: datetime) -> None:
    """Write down which permit spoke for which report: once for each, over all of its events."""
    rows: dict[tuple[int, int], PermitUse] = {}
    for use in uses:
        key = use.permit, report_ids[use.report]
        row = PermitUse(permit_id=key[0], report_id=key[1], from_at=use.from_at, until_at=use.until_at, text=use.text, at=now)
        before = rows.setdefault(key, row)
        before.from_at, before.until_at = min(before.from_at, row.from_at), max(before.until_at, row.until_at)
    PermitUse.objects.bulk_create(rows.values(), ignore_conflicts=True)
