"""Attributed events into groups: which open case each refreshes, or what a new one will be about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import polars as pl

from tipstaff.cases import bulk as cases
from tipstaff.cases import refreshing
from tipstaff.cases.bulk import Matter, Settled
from tipstaff.cases.grouping import Group, group_key
from tipstaff.cases.opening import ENOUGH_TRUST, Evidence
from tipstaff.cases.refreshing import MOMENT, REFRESH, SHARES
from tipstaff.kernel import addresses
from tipstaff.kernel.text import one_line
from tipstaff.pipeline import filing, tallies
from tipstaff.pipeline.columns import Item
from tipstaff.pipeline.context import Context
from tipstaff.reports.bulk import KnownReporter
from tipstaff.reports.models import AcceptedRisk
from tipstaff.reports.rules import Action

HELD = 1
KEYS = ("customer", "service", "category", "brand")
SPEAKING = ("structured", "experimental", "trust", "verified")
LONGEST_HEADLINE = 250  # it is indexed, and goes into subjects
FEW = 100  # events below which it saves nothing to look for what they have in common
Shares = dict[int, list[tuple[int, int, int]]]


@dataclass
class Gathered:
    """The groups of a batch. Each has a number; ``joins`` are those that refresh an open case, the others have a matter."""

    groups: pl.DataFrame = field(default_factory=pl.DataFrame)
    shares: pl.DataFrame = field(default_factory=pl.DataFrame)  # group, report_id, reporter_id, events
    joins: pl.DataFrame = field(default_factory=pl.DataFrame)  # group, case_id and the columns of REFRESH
    known: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=cases.KNOWN))
    matters: list[Matter] = field(default_factory=list)
    matter_of: dict[int, int] = field(default_factory=dict)  # group → place of its matter
    reasons: dict[int, str] = field(default_factory=dict)  # report place → why a person must look

    def place(self, events: pl.DataFrame, settled: Sequence[Settled]) -> pl.DataFrame:
        """The events with the case of their group, null where they open none."""
        if not len(self.groups):
            return events.with_columns(pl.lit(None, pl.Int64).alias("case_id"))
        opened = [(group, settled[place].case) for group, place in self.matter_of.items()]
        of_group = pl.concat(
            [
                self.joins.select("group", "case_id"),
                pl.DataFrame(opened, schema={"group": pl.Int64, "case_id": pl.Int64}, orient="row"),
            ]
        )
        known = self.groups.select("group", *KEYS).join(of_group, on="group", how="left").drop("group")
        joined = events.join(known, on=list(KEYS), how="left", nulls_equal=True, maintain_order="left")
        return joined.with_columns(pl.when(_wanted(joined)).then(pl.col("case_id")).alias("case_id"))

    def settle(self, context: Context, now: datetime) -> list[Settled]:
        """Open, join and refresh cases, and remind customers where the policy's interval has passed."""
        if not len(self.groups):
            return []
        shares = self.shares.join(self.joins.select("group", "case_id"), on="group").select(list(SHARES))
        settled = cases.settle(self.matters, self.known, now, self.joins.select(list(REFRESH)), shares)
        _remind(self.joins.filter(pl.col("trust").fill_null(0) >= 0), context, now)  # whom nobody trusts reminds nobody
        return settled


def _wanted(events: pl.DataFrame) -> pl.Series:
    return events.select(
        (pl.col("attribution") == HELD) & (pl.col("action") == int(Action.OPEN_CASE)) & pl.col("category").is_not_null()
    ).to_series()


def gather(events: pl.DataFrame, facts: pl.DataFrame, context: Context, now: datetime) -> Gathered:
    """Group the events that open cases. An event without an edition or a known category goes to a person.

    ``facts`` says of each report (``report``: its place) what ``item_facts`` says.
    """
    wanted = events.filter(_wanted(events))
    found = Gathered()
    kindless = events.filter((pl.col("attribution") == HELD) & (pl.col("action") == 0) & pl.col("category").is_null())
    found.reasons = dict.fromkeys(kindless["report"].unique().to_list(), "its kind is not known")
    if not len(wanted):
        return found
    wanted = wanted.join(facts, on="report", how="left", maintain_order="left", suffix="_of_report")
    found.groups = _groups(wanted, context, now)
    found.shares = _shares(wanted, found.groups)
    found.known = cases.known_cases(found.groups["key"].to_list())
    found.joins = _joins(found.groups, found.known, context, now)
    _open_others(found, context, now)
    return found


def item_facts(items: Sequence[Item], report_ids: Sequence[int], reporters: Mapping[str, KnownReporter]) -> pl.DataFrame:
    drafts = [item.draft for item in items]
    return pl.DataFrame(
        {
            "report": pl.Series(range(len(items)), dtype=pl.Int32),
            "report_id": pl.Series(report_ids, dtype=pl.Int64),
            "reporter_id": pl.Series([reporters[filing.reporter_key(item)].id for item in items], dtype=pl.Int64),
            "structured": [(draft.category_from or "").startswith(("structure", "person")) for draft in drafts],
            "experimental": [draft.experimental for draft in drafts],
            "verified": [all(filing.verification(item).values()) for item in items],
            "kind": [f"{draft.format} {draft.report_type or ''}".strip() for draft in drafts],
            "feed": pl.Series([draft.feed for draft in drafts], dtype=pl.String),
        }
    )


def _groups(wanted: pl.DataFrame, context: Context, now: datetime) -> pl.DataFrame:
    """One row for each customer, service, category and brand, with all that its case needs to know."""
    alone = len(wanted) > FEW and wanted["report"].n_unique() == 1  # a feed: it says the same of every group
    trusted = pl.col("trust").fill_null(0) >= 0
    wanted = wanted.with_columns(_merit().alias("merit"), pl.when(trusted).then("occurred_at").alias("trusted_at"))
    groups = wanted.group_by(*KEYS, maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("events"),
        _moment_of(pl.col("occurred_at").min()).alias("first_at"),
        _moment_of(pl.col("occurred_at").max()).alias("last_at"),
        _moment_of(pl.col("trusted_at").max()),  # null where only such reporters say so whom nobody trusts
        pl.coalesce("ip", "domain", "url").drop_nulls().first().alias("headline"),
        pl.col("provisional").any(),
        (pl.col("protected_class").fill_null("") != "").any().alias("protected"),
        *(() if alone else _said()),
    )
    if alone:
        groups = groups.join(wanted.head(1).group_by(pl.lit(0)).agg(*_said()).drop("literal"), how="cross")
    keys = [_key_text(*row) for row in groups.select(KEYS).iter_rows()]
    words = pl.format("{} report{} ({})", "reports", _plural("reports"), "kinds")
    windows = _windows(groups, context, now)
    return groups.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("group"),
        pl.Series("key", keys, dtype=pl.String),
        words.alias("words"),
        pl.Series("window", windows, dtype=pl.Duration("us")),
        pl.Series("child", [context.parents.get(customer) is not None for customer in groups["customer"].to_list()]),
    )


def _shares(wanted: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """How many events each report brings to each group."""
    reports = wanted.select("report_id", "reporter_id").unique()
    if len(reports) == 1:
        return groups.select("group").join(reports, how="cross").with_columns(groups["events"])
    numbered = wanted.join(groups.select("group", *KEYS), on=list(KEYS), how="left", nulls_equal=True, maintain_order="left")
    return numbered.group_by("group", "report_id", "reporter_id", maintain_order=True).agg(pl.len().cast(pl.Int64).alias("events"))


def _said() -> list[pl.Expr]:
    """What reports say of a group. The best single one speaks for the case: nothing borrows its trust from another one's."""
    return [
        *[pl.col(name).get(pl.col("merit").arg_max()) for name in SPEAKING],
        pl.col("report").unique().alias("reports_in"),
        pl.col("report").n_unique().cast(pl.Int64).alias("reports"),
        pl.col("kind").unique().sort().head(3).str.join(", ").alias("kinds"),
        pl.col("feed").is_not_null().all().alias("by_feed"),
    ]


@lru_cache(maxsize=1 << 16)
def _key_text(customer: int, service: int | None, category: str, brand: str | None) -> str:
    """The key of a group as text; a daily feed asks for the same ones in every batch."""
    return str(group_key(customer, service, category, brand or ""))


def _merit() -> pl.Expr:
    """How many of the conditions for acting by itself an event's report meets; the reporter's trust decides between equals."""
    met = [
        pl.col("structured"),
        ~pl.col("experimental"),
        pl.col("trust") >= ENOUGH_TRUST,
        pl.col("verified"),
        ~pl.col("provisional"),
    ]
    return pl.sum_horizontal([condition.cast(pl.Int32) * 100 for condition in met]) + pl.col("trust").fill_null(0)


def _plural(count: str) -> pl.Expr:
    return pl.when(pl.col(count) == 1).then(pl.lit("")).otherwise(pl.lit("s"))


def _moment_of(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _windows(groups: pl.DataFrame, context: Context, now: datetime) -> list[timedelta | None]:
    """The grouping window of each group by the edition in force; null where it does not speak of it."""
    found: dict[tuple[str, str], timedelta | None] = {}
    rows = list(groups.select("brand", "category").iter_rows())
    for brand, category in set(rows):
        in_force = context.editions.at(brand or "", now)
        entry = in_force[1].categories.get(category) if in_force else None
        found[(brand, category)] = entry.grouping_window if entry else None
    return [found[row] for row in rows]


def _joins(groups: pl.DataFrame, known: pl.DataFrame, context: Context, now: datetime) -> pl.DataFrame:
    """The groups whose case is open and within its window. A reseller's client takes the longer way, and so does what happened
    before a case of the group was closed. Whom nobody trusts moves no case: their ``last_at`` is null."""
    open_ = known.filter(pl.col("accepting") & pl.col("closed_at").is_null() & (pl.col("window_until") >= now)).unique("group_key")
    closings = known.group_by("group_key").agg(pl.col("closed_at").max().alias("last_closed_at"))
    able = groups.filter(~pl.col("child") & pl.col("window").is_not_null()).join(
        closings, left_on="key", right_on="group_key", how="left", maintain_order="left"
    )
    able = able.filter((pl.col("last_at") > pl.col("last_closed_at")).fill_null(True)).drop("last_closed_at")
    return able.join(open_, left_on="key", right_on="group_key", how="inner").with_columns(
        (pl.lit(now).cast(MOMENT) + pl.col("window")).alias("until"),
        pl.col("trusted_at").alias("last_at"),
    )


def _open_others(found: Gathered, context: Context, now: datetime) -> None:
    others = found.groups.join(found.joins.select("group"), on="group", how="anti", maintain_order="left")
    if not len(others):
        return
    shares: Shares = {}
    for group, report, reporter, events in found.shares.join(others.select("group"), on="group", how="semi").iter_rows():
        shares.setdefault(group, []).append((report, reporter, events))
    too_few = _below_threshold(others, context, now)
    parents: dict[tuple[int, str, str], int] = {}
    for row in others.iter_rows(named=True):
        row["brand"] = row["brand"] or ""
        if row["group"] in too_few:
            continue
        place = _matter(row, shares[row["group"]], context, now, found, parents)
        if place is not None:
            found.matter_of[row["group"]] = place
    keys = [str(found.matters[place].group.key) for place in parents.values()]
    if keys:
        found.known = pl.concat([found.known, cases.known_cases(keys)])


def _below_threshold(others: pl.DataFrame, context: Context, now: datetime) -> set[int]:
    """Groups known from feeds alone that have not reached the policy's number of events within its window."""
    counted = []
    for row in others.filter(pl.col("by_feed")).iter_rows(named=True):
        in_force = context.editions.at(row["brand"] or "", now)
        entry = in_force[1].categories.get(row["category"]) if in_force else None
        if entry is not None and row["events"] < entry.feed_threshold:
            counted.append((row["group"], row["customer"], row["category"], row["events"], entry))
    if not counted:
        return set()
    longest = max(entry.grouping_window for *_, entry in counted)
    before = tallies.since([(customer, category) for _, customer, category, _, _ in counted], now - longest)
    return {
        group
        for group, customer, category, events, entry in counted
        if events + before.get((customer, category), 0) < entry.feed_threshold
    }


def _matter(
    row: dict[str, Any],
    shares: Sequence[tuple[int, int, int]],
    context: Context,
    now: datetime,
    found: Gathered,
    parents: dict[tuple[int, str, str], int],
) -> int | None:
    """Add the group's matter, and its reseller's before it; None where no edition speaks of it."""
    in_force = context.editions.at(row["brand"], now)
    if in_force is None or row["category"] not in in_force[1].categories:
        why = "no published policy edition is in force" if in_force is None else f"the policy has no category {row['category']}"
        found.reasons |= dict.fromkeys(row["reports_in"], why)
        return None
    top, parent = context.top_of(row["customer"]), None
    if top != row["customer"]:
        key = (top, row["category"], row["brand"])
        if key in parents:
            found.matters[parents[key]] = _joined(found.matters[parents[key]], row, shares)
        else:
            found.matters.append(_one(row, top, None, shares, context, now, None))
            parents[key] = len(found.matters) - 1
        parent = parents[key]
    found.matters.append(_one(row, row["customer"], row["service"], shares, context, now, parent))
    return len(found.matters) - 1


def _joined(matter: Matter, row: dict[str, Any], shares: Sequence[tuple[int, int, int]]) -> Matter:
    """A reseller's matter with one more client's events."""
    group = matter.group
    wider = replace(
        group,
        events=group.events + row["events"],
        first_at=min(filter(None, (group.first_at, row["first_at"])), default=None),
        last_at=max(filter(None, (group.last_at, row["last_at"])), default=None),
    )
    trusted_at = max(filter(None, (matter.trusted_at, row["trusted_at"])), default=None)
    return replace(matter, group=wider, trusted_at=trusted_at, reports=(*matter.reports, *shares))


def _one(
    row: dict[str, Any],
    customer: int,
    service: int | None,
    shares: Sequence[tuple[int, int, int]],
    context: Context,
    now: datetime,
    parent: int | None,
) -> Matter:
    number, edition = context.editions.at(row["brand"], now) or (0, None)
    assert edition is not None
    at_event = context.editions.at(row["brand"], row["last_at"] or now)
    group = Group(
        key=group_key(customer, service, row["category"], row["brand"]),
        customer=customer,
        service=service,
        category=row["category"],
        brand=row["brand"],
        events=row["events"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        received_at=now,
        reopen_within=edition.categories[row["category"]].reopen_within,
    )
    evidence = Evidence(
        structured=row["structured"],
        experimental=row["experimental"],
        trust=row["trust"] or 0,
        provisional=row["provisional"],
        verified=row["verified"],
        protected=row["protected"],
        contract=context.contracts.get(customer),
    )
    return Matter(
        group=group,
        edition_id=number,
        edition=edition,
        at_event=at_event[1] if at_event else None,
        evidence=evidence,
        headline=one_line(row["headline"] or "", LONGEST_HEADLINE),
        reports=tuple(shares),
        words=row["words"],
        trusted_at=row["trusted_at"],
        parent=parent,
    )


def _remind(joins: pl.DataFrame, context: Context, now: datetime) -> int:
    if not len(joins):
        return 0
    intervals = [
        entry.notice_every
        for rows in context.editions.by_brand.values()
        for _, _, edition in rows
        for entry in edition.categories.values()
    ]
    shortest = min(intervals, default=timedelta(days=7))
    wanted = {}
    for row in joins.filter(pl.col("noticed_at") <= now - shortest).iter_rows(named=True):
        in_force = context.editions.at(row["brand"] or "", now)
        if in_force and in_force[1].categories[row["category"]].customer_told:
            wanted[row["case_id"]] = in_force[1].categories[row["category"]].notice_every
    return refreshing.remind(wanted, now)


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
    network = ip_network(prefix)
    texts = addresses.to_text(addresses.parse(column)).to_list()
    return np.array([text is not None and ip_address(text) in network for text in texts], bool)
