"""What a batch needs to know beside its reports: who holds which address, the editions, the operator's rules. Read once,
kept while nothing changed."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import polars as pl

from tipstaff.accounts.models import Customer, Service
from tipstaff.attribution import snapshot
from tipstaff.cases.opening import contract_time
from tipstaff.consent import queries as consent
from tipstaff.consent.permits import Scope
from tipstaff.intake.models import Source
from tipstaff.kernel.errors import InputError
from tipstaff.policy import queries as policy
from tipstaff.policy.edition import Edition, Opening
from tipstaff.policy.models import StoredEdition
from tipstaff.reports.models import AcceptedRisk, Rule
from tipstaff.reports.rules import Action, RuleSpec, parse_rule

log = logging.getLogger(__name__)

OWN = ("protected_class", "brand")  # what a service may have beside its customer's


@dataclass(frozen=True)
class Editions:
    """The editions of every brand, newest first, as (effective from, stored id, edition)."""

    by_brand: dict[str, list[tuple[datetime, int, Edition]]]

    def at(self, brand: str, moment: datetime | None) -> tuple[int, Edition] | None:
        """The edition in force for ``brand`` at ``moment``; a brand without its own uses the provider's. None: none was."""
        if moment is None:
            return None
        for rows in (self.by_brand.get(brand, []), self.by_brand.get("", []) if brand else []):
            for effective_from, number, edition in rows:
                if effective_from <= moment:
                    return number, edition
        return None


@dataclass
class Context:
    """One worker's knowledge. ``customers`` and ``services`` are frames keyed by id; services with what they have of their own."""

    snapshot: snapshot.Snapshot
    version: object
    customers: pl.DataFrame
    services: pl.DataFrame
    parents: dict[int, int | None]
    contracts: dict[int, timedelta]  # periods of notice by customer, where a contract grants one
    editions: Editions
    rules: list[RuleSpec]
    risks: list[AcceptedRisk]
    own_addresses: tuple[str, ...] = ()  # the desk's own mailboxes, which are never written to
    defaults: dict[str, Action] = field(default_factory=dict)
    permits: list[Scope] = field(default_factory=list)  # granted ones, whatever their windows

    def with_holders(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events with class, protection and brand of who holds them: the service's own, else its customer's."""
        events = events.join(self.customers, on="customer", how="left", maintain_order="left")
        if self.services.is_empty():
            return events
        events = events.join(self.services, on="service", how="left", maintain_order="left")
        own = [pl.coalesce(f"service_{name}", name).alias(name) for name in OWN]
        return events.with_columns(own).drop(f"service_{name}" for name in OWN)

    def top_of(self, customer: int) -> int:
        """The direct customer: the reseller at the head of the chain."""
        seen = set()
        while (parent := self.parents.get(customer)) is not None and customer not in seen:
            seen.add(customer)
            customer = parent
        return customer


def load(now: datetime, before: "Context | None" = None) -> Context:
    """The context as of now; the assignment table is rebuilt only when the inventory changed."""
    version = snapshot.version()
    same = before is not None and before.version == version
    editions = _editions()
    return Context(
        snapshot=replace(before.snapshot, last_words=snapshot.last_words()) if same and before else snapshot.build(),
        version=version,
        customers=before.customers if same and before else _customers(),
        services=before.services if same and before else _services(),
        parents=before.parents if same and before else dict(Customer.objects.values_list("id", "parent_id")),
        contracts=before.contracts if same and before else _contracts(),
        editions=editions,
        rules=_specs(),
        risks=list(AcceptedRisk.objects.filter(expires_at__gt=now)),
        own_addresses=own_addresses(),
        defaults=_defaults(editions, now),
        permits=consent.scopes(now=now),
    )


def _specs() -> list[RuleSpec]:
    """The rules that are switched on. One that cannot be understood any more is left out: it must not stop all the others."""
    found = []
    for rule in Rule.objects.filter(enabled=True):
        try:
            spec = parse_rule(rule.name, rule.action, rule.conditions)
        except InputError as error:
            log.error("rule %s (%s) is left out: %s", rule.pk, rule.name, error)
            continue
        found.append(RuleSpec(spec.name, spec.action, spec.conditions, rule.pk))
    return found


def _customers() -> pl.DataFrame:
    rows = Customer.objects.values_list("id", "customer_class", "protected_class", "brand")
    schema = {"customer": pl.Int64, "customer_class": pl.String, "protected_class": pl.String, "brand": pl.String}
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def _services() -> pl.DataFrame:
    """Services with a brand or a protection of their own; null where they have that of their customer."""
    rows = Service.objects.exclude(protected_class="", brand="").values_list("id", *OWN)
    schema = {"service": pl.Int64, **{f"service_{name}": pl.String for name in OWN}}
    found = [(number, *(value or None for value in own)) for number, *own in rows]
    return pl.DataFrame(found, schema=schema, orient="row")


def _contracts() -> dict[int, timedelta]:
    rows = Customer.objects.exclude(contract={}).values_list("id", "contract")
    return {customer: time for customer, terms in rows if (time := contract_time(terms))}


def _editions() -> Editions:
    by_brand: dict[str, list[tuple[datetime, int, Edition]]] = {}
    for stored, edition in policy.published():
        by_brand.setdefault(stored.brand, []).append((stored.effective_from, stored.pk, edition))
    for rows in by_brand.values():
        rows.sort(key=lambda row: row[0], reverse=True)
    return Editions(by_brand)


def own_addresses() -> tuple[str, ...]:
    """The desk's own mailboxes."""
    stated = {
        address.lower()
        for settings in Source.objects.values_list("settings", flat=True)
        for address in settings.get("own_addresses", ())
    }
    published = StoredEdition.objects.filter(state="published").values_list("intake_address", flat=True)
    return tuple(sorted(stated | {address.lower() for address in published}))


def _defaults(editions: Editions, now: datetime) -> dict[str, Action]:
    found = editions.at("", now)
    if found is None:
        return {}
    kinds = {Opening.ENRICH: Action.RECORD_ONLY, Opening.SEALED: Action.ASK_PERSON}
    return {code: kinds.get(entry.opening, Action.OPEN_CASE) for code, entry in found[1].categories.items()}
