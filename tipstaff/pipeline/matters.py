"""Attributed events into groups: what each new or refreshed case will be about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import numpy as np
import polars as pl

from tipstaff.cases.bulk import Matter, Settled
from tipstaff.cases.grouping import Group, group_key
from tipstaff.cases.opening import Evidence
from tipstaff.kernel import addresses
from tipstaff.pipeline import filing
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.context import Context
from tipstaff.reports.models import AcceptedRisk
from tipstaff.reports.rules import Action

HELD = 1
KEYS = ("customer", "service", "category", "brand")


@dataclass
class Gathered:
    """The matters of a batch; ``of_group`` says which matter each group of events became. What has no place says why."""

    matters: list[Matter] = field(default_factory=list)
    groups: pl.DataFrame = field(default_factory=pl.DataFrame)
    of_group: list[int | None] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)  # report place → why a person must look

    def place(self, events: pl.DataFrame, settled: Sequence[Settled]) -> pl.DataFrame:
        """The events with the case of their group, null where they open none."""
        if not len(self.groups):
            return events.with_columns(pl.lit(None, pl.Int64).alias("case_id"))
        cases = [settled[n].case if n is not None else None for n in self.of_group]
        known = self.groups.select(*KEYS).with_columns(pl.Series("case_id", cases, dtype=pl.Int64))
        joined = events.join(known, on=list(KEYS), how="left", nulls_equal=True, maintain_order="left")
        wanted = _wanted(joined)
        return joined.with_columns(pl.when(wanted).then(pl.col("case_id")).alias("case_id"))


def _wanted(events: pl.DataFrame) -> pl.Series:
    return events.select(
        (pl.col("attribution") == HELD) & (pl.col("action") == int(Action.OPEN_CASE)) & pl.col("category").is_not_null()
    ).to_series()


def gather(
    events: pl.DataFrame,
    items: Sequence[Item],
    report_ids: Sequence[int],
    reporters: Mapping[str, tuple[int, int]],
    context: Context,
    now: datetime,
) -> Gathered:
    """Group the events that open cases. An event without an edition or a known category goes to a person."""
    wanted = events.filter(_wanted(events))
    found = Gathered()
    if not len(wanted):
        return found
    of_item = _item_facts(items, report_ids, reporters)
    wanted = wanted.join(of_item, on="report", how="left", maintain_order="left")
    groups = wanted.group_by(*KEYS, maintain_order=True).agg(
        pl.len().alias("events"),
        pl.col("occurred_at").min().alias("first"),
        pl.col("occurred_at").max().alias("last"),
        pl.coalesce("ip", "domain", "url").drop_nulls().first().alias("headline"),
        pl.col("provisional").any(),
        (pl.col("protected_class").fill_null("") != "").any().alias("protected"),
        pl.col("structured").all(),
        pl.col("experimental").any(),
        pl.col("trust").max(),
        pl.col("verified").any(),
        pl.col("report").unique().alias("reports_in"),
    )
    shares = _shares(wanted, groups)
    found.groups = groups
    parents: dict[tuple[int, str, str], int] = {}
    for row in groups.iter_rows(named=True):
        place = _matter(
            row,
            shares.get((row["customer"], row["service"], row["category"], row["brand"]), ()),
            items,
            context,
            now,
            found,
            parents,
        )
        found.of_group.append(place)
    return found


def _item_facts(items: Sequence[Item], report_ids: Sequence[int], reporters: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    drafts = [item.draft for item in items]
    return pl.DataFrame(
        {
            "report": pl.Series(range(len(items)), dtype=pl.Int32),
            "report_id": pl.Series(report_ids, dtype=pl.Int64),
            "reporter_id": pl.Series([reporters[filing.reporter_key(item)][0] for item in items], dtype=pl.Int64),
            "structured": [(draft.category_from or "").startswith(("structure", "person")) for draft in drafts],
            "experimental": [draft.experimental for draft in drafts],
            "verified": [all(filing.verification(item).values()) for item in items],
        }
    )


def _shares(wanted: pl.DataFrame, groups: pl.DataFrame) -> dict[tuple, list[tuple[int, int, int]]]:
    """For each group its reports, as (report id, reporter id, events)."""
    shares: dict[tuple, list[tuple[int, int, int]]] = {}
    counted = wanted.group_by(*KEYS, "report_id", "reporter_id", maintain_order=True).len()
    for *key, report, reporter, count in counted.iter_rows():
        shares.setdefault(tuple(key), []).append((report, reporter, count))
    return shares


def _matter(
    row: dict,
    shares: Sequence[tuple[int, int, int]],
    items: Sequence[Item],
    context: Context,
    now: datetime,
    found: Gathered,
    parents: dict[tuple[int, str, str], int],
) -> int | None:
    """Add the group's matter, and its reseller's before it; None where no edition speaks of it."""
    in_force = context.editions.at(row["brand"] or "", now)
    if in_force is None or row["category"] not in in_force[1].categories:
        why = "no published policy edition is in force" if in_force is None else f"the policy has no category {row['category']}"
        found.reasons |= dict.fromkeys(row["reports_in"], why)
        return None
    top = context.top_of(row["customer"])
    parent = None
    if top != row["customer"]:
        parent = _parent(row, top, shares, items, context, now, found, parents)
    found.matters.append(_one(row, row["customer"], row["service"], shares, items, context, now, parent))
    return len(found.matters) - 1


def _parent(
    row: dict,
    top: int,
    shares: Sequence,
    items: Sequence[Item],
    context: Context,
    now: datetime,
    found: Gathered,
    parents: dict[tuple[int, str, str], int],
) -> int:
    """The reseller's own matter: one for all of its clients in this category."""
    key = (top, row["category"], row["brand"] or "")
    if key not in parents:
        found.matters.append(_one(row, top, None, shares, items, context, now, None))
        parents[key] = len(found.matters) - 1
    else:
        found.matters[parents[key]] = _joined(found.matters[parents[key]], row, shares)
    return parents[key]


def _joined(matter: Matter, row: dict, shares: Sequence[tuple[int, int, int]]) -> Matter:
    group, first, last = matter.group, _moment(row["first"]), _moment(row["last"])
    wider = replace(
        group,
        events=group.events + row["events"],
        first_at=min(filter(None, (group.first_at, first)), default=None),
        last_at=max(filter(None, (group.last_at, last)), default=None),
    )
    return replace(matter, group=wider, reports=(*matter.reports, *shares))


def _one(
    row: dict,
    customer: int,
    service: int | None,
    shares: Sequence[tuple[int, int, int]],
    items: Sequence[Item],
    context: Context,
    now: datetime,
    parent: int | None,
) -> Matter:
    brand = row["brand"] or ""
    number, edition = context.editions.at(brand, now) or (0, None)
    assert edition is not None
    at_event = context.editions.at(brand, _moment(row["last"]) or now)
    drafts = [items[place].draft for place in row["reports_in"]]
    group = Group(
        key=group_key(customer, service, row["category"], brand),
        customer=customer,
        service=service,
        category=row["category"],
        brand=brand,
        events=row["events"],
        first_at=_moment(row["first"]),
        last_at=_moment(row["last"]),
        received_at=now,
    )
    evidence = Evidence(
        structured=row["structured"],
        experimental=row["experimental"],
        trust=row["trust"] or 0,
        provisional=row["provisional"],
        verified=row["verified"],
        protected=row["protected"],
    )
    return Matter(
        group=group,
        edition_id=number,
        edition=edition,
        at_event=at_event[1] if at_event else None,
        evidence=evidence,
        headline=row["headline"] or "",
        reports=tuple(shares),
        feeds=tuple(sorted({d.feed for d in drafts if d.feed})),
        words=_words(drafts),
        parent=parent,
        notice=context.recipients.get(customer),
    )


def _words(drafts: Sequence) -> str:
    kinds = sorted({f"{d.format} {d.report_type or ''}".strip() for d in drafts})
    return f"{len(drafts)} report{'s' if len(drafts) > 1 else ''} ({', '.join(kinds[:3])}{' …' if len(kinds) > 3 else ''})"


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else datetime.fromtimestamp(microseconds / 1e6, UTC)


def accepted_risk(events: pl.DataFrame, risks: Sequence[AcceptedRisk]) -> np.ndarray:
    """Which events somebody has accepted to live with; they are recorded and open nothing."""
    accepted = np.zeros(len(events), bool)
    for risk in risks:
        fits = np.ones(len(events), bool)
        for name, value in (
            ("customer", risk.customer_id),
            ("service", risk.service_id),
            ("port", risk.port),
            ("category", risk.category or None),
            ("report_type", risk.report_type or None),
        ):
            if value is not None:
                fits &= (events[name] == value).fill_null(False).to_numpy()
        if risk.prefix and fits.any():
            inside = np.zeros(len(events), bool)
            inside[np.flatnonzero(fits)] = _inside(events["ip"].filter(pl.Series(fits)), risk.prefix)
            fits &= inside
        accepted |= fits
    return accepted


def _inside(column: pl.Series, prefix: str) -> np.ndarray:
    network, found = ip_network(prefix), addresses.parse(column)
    texts = addresses.to_text(found).to_list()
    return np.array([text is not None and ip_address(text) in network for text in texts], bool)
