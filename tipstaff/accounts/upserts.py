"""Customers, contacts, services and own prefixes: new rows, changed rows, and how many. Called by services only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import models

from tipstaff.accounts import contracts
from tipstaff.accounts.inventory import (
    CONTACT_FIELDS,
    CUSTOMER_FIELDS,
    SERVICE_FIELDS,
    ContactFact,
    CustomerFact,
    OwnPrefixFact,
    ServiceFact,
)
from tipstaff.accounts.models import Contact, Customer, InventorySource, OwnPrefix, Service

BATCH = 1000


class Count(dict[str, int]):
    """How many rows were created and changed."""

    def __init__(self, created: int = 0, changed: int = 0) -> None:
        super().__init__(created=created, changed=changed)


def customers(facts: Sequence[CustomerFact], source: InventorySource | None, now: datetime) -> Count:
    """Rows first, then who resells to whom, since a reseller may stand further down."""
    known = Customer.objects.filter(external_id__in=[fact.external_id for fact in facts])
    rows = {str(row.external_id): row for row in known}
    fresh, changed = [], set()
    terms = {external_id: row.contract for external_id, row in rows.items()}
    for fact in facts:
        row = rows.get(fact.external_id)
        if row is None:
            name = fact.name or fact.external_id
            row = Customer(external_id=fact.external_id, source=source, created_at=now, name=name)
            _state(row, fact, CUSTOMER_FIELDS)
            fresh.append(row)
        elif _state(row, fact, CUSTOMER_FIELDS):
            changed.add(fact.external_id)
        rows[fact.external_id] = row
    Customer.objects.bulk_create(fresh, batch_size=BATCH)
    new = {row.external_id for row in fresh}
    moved = _place_below(facts, rows)
    Customer.objects.bulk_update(
        [rows[external_id] for external_id in (changed | moved)], [*CUSTOMER_FIELDS, "parent"], batch_size=BATCH
    )
    agreed = [(rows[one], before) for one, before in terms.items() if rows[one].contract != before]
    contracts.stated(agreed, by=f"source:{source.name}" if source else "system:accounts", now=now)
    return Count(len(fresh), len((changed | moved) - new))


def _place_below(facts: Iterable[CustomerFact], rows: Mapping[str, Customer]) -> set[str]:
    stated = [fact for fact in facts if fact.parent is not None]
    absent = {fact.parent for fact in stated} - rows.keys()
    parents = dict(rows) | {str(row.external_id): row for row in Customer.objects.filter(external_id__in=absent)}
    moved = set()
    for fact in stated:
        parent = parents[fact.parent].pk if fact.parent else None
        if rows[fact.external_id].parent_id != parent:
            rows[fact.external_id].parent_id = parent
            moved.add(fact.external_id)
    return moved


def contacts(facts: Sequence[ContactFact], *, complete: bool = False) -> Count:
    """``complete``: the facts name every contact; see ``_renumber_the_moved``."""
    owners = ids(Customer, (fact.customer for fact in facts))
    known = list(Contact.objects.filter(customer_id__in=owners.values()).order_by("pk"))
    rows: dict[tuple[int, str | None], Contact] = {
        (row.customer_id, row.external_id): row for row in known if row.external_id is not None
    }
    _meet_by_address(facts, owners, known, rows)
    if complete:
        _renumber_the_moved(facts, owners, rows)
    fresh, changed = [], []
    for fact in facts:
        owner = owners[fact.customer]
        row = rows.get((owner, fact.external_id))
        if row is None:
            row = rows[owner, fact.external_id] = Contact(customer_id=owner, external_id=fact.external_id)
            _state(row, fact, CONTACT_FIELDS)
            fresh.append(row)
            continue
        before = row.email
        moved = row.external_id != fact.external_id and not _is_numbered(row)
        row.external_id = fact.external_id if moved else row.external_id
        if _state(row, fact, CONTACT_FIELDS) or moved:
            if row.email.lower() != before.lower():  # what was known of the old address says nothing about the new one
                row.confirmed_at, row.problem = None, ""
            changed.append(row)
    Contact.objects.bulk_create(fresh, batch_size=BATCH)
    Contact.objects.bulk_update(changed, [*CONTACT_FIELDS, "external_id", "confirmed_at", "problem"], batch_size=BATCH)
    return Count(len(fresh), len(changed))


def _renumber_the_moved(
    facts: Sequence[ContactFact], owners: Mapping[str, int], rows: dict[tuple[int, str | None], Contact]
) -> None:
    """A list that does not number its contacts tells them by role and address: 'abuse:old@…' gone and 'abuse:new@…' come is one
    contact that moved. Where more than one went or came, nobody can say which is which."""
    stated = {(owners[fact.customer], fact.external_id) for fact in facts}
    come: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for fact in facts:
        if fact.external_id == unnumbered(fact.role, fact.email) and (owners[fact.customer], fact.external_id) not in rows:
            come.setdefault((owners[fact.customer], fact.role or ""), []).append((owners[fact.customer], fact.external_id))
    gone: dict[tuple[int, str], list[tuple[int, str | None]]] = {}
    for key, row in rows.items():
        if key not in stated and row.external_id == unnumbered(row.role, row.email):
            gone.setdefault((row.customer_id, row.role), []).append(key)
    for place, new in come.items():
        old = gone.get(place, [])
        if len(new) == len(old) == 1:
            rows[new[0]] = rows.pop(old[0])


def _meet_by_address(
    facts: Sequence[ContactFact],
    owners: Mapping[str, int],
    known: Sequence[Contact],
    rows: dict[tuple[int, str | None], Contact],
) -> None:
    """A contact that its list does not number is the one that its customer has in that role at that mail address already: made at
    the desk or in the portal, numbered by another list, or moved there since. The first of several."""
    stated = {(owners[fact.customer], fact.external_id) for fact in facts}
    there = {(row.customer_id, row.role, row.email.lower()): row for row in reversed(known) if row.email}
    for fact in facts:
        key = owners[fact.customer], fact.external_id
        found = there.get((key[0], fact.role or "", (fact.email or "").lower()))
        if found is None or key in rows or fact.external_id != unnumbered(fact.role, fact.email):
            continue
        own = found.customer_id, found.external_id
        if _is_numbered(found):
            rows[key] = found
        elif own not in stated:  # else the list names both
            rows.pop(own, None)
            rows[key] = found


def _is_numbered(row: Contact) -> bool:
    """Whether a list gave it a number of its own; role and address, even ones that it had before, are none."""
    return row.external_id is not None and not row.external_id.startswith(f"{row.role}:")


def unnumbered(role: str | None, email: str | None) -> str:
    """The id of a contact that its list does not number."""
    return f"{role}:{email}"


def services(facts: Sequence[ServiceFact], now: datetime) -> Count:
    owners = ids(Customer, (fact.customer for fact in facts))
    # A service without a name of its own is its customer's: most inventories list addresses of customers, not services.
    names = dict(Customer.objects.filter(pk__in=owners.values()).values_list("external_id", "name"))
    rows = {row.external_id: row for row in Service.objects.filter(external_id__in=[fact.external_id for fact in facts])}
    fresh, changed = [], []
    for fact in facts:
        owner = owners[fact.customer]
        row = rows.get(fact.external_id)
        if row is None:
            name = fact.name or names[fact.customer]
            row = Service(external_id=fact.external_id, customer_id=owner, name=name, recorded_at=now)
            rows[fact.external_id] = row
            _state(row, fact, SERVICE_FIELDS)
            fresh.append(row)
        elif _state(row, fact, SERVICE_FIELDS) | (row.customer_id != owner):
            row.customer_id = owner
            changed.append(row)
    Service.objects.bulk_create(fresh, batch_size=BATCH)
    Service.objects.bulk_update(changed, [*SERVICE_FIELDS, "customer"], batch_size=BATCH)
    return Count(len(fresh), len(changed))


def own_prefixes(facts: Sequence[OwnPrefixFact], source: InventorySource | None) -> Count:
    rows = {row.prefix: row for row in OwnPrefix.objects.all()}
    fresh, changed = [], []
    for fact in facts:
        row = rows.get(fact.prefix)
        if row is None:
            row = rows[fact.prefix] = OwnPrefix(prefix=fact.prefix, note=fact.note, source=source)
            fresh.append(row)
        elif fact.note and row.note != fact.note:
            row.note = fact.note
            changed.append(row)
    OwnPrefix.objects.bulk_create(fresh, batch_size=BATCH)
    OwnPrefix.objects.bulk_update(changed, ["note"], batch_size=BATCH)
    return Count(len(fresh), len(changed))


def ids(model: type[models.Model], external_ids: Iterable[str]) -> dict[str, int]:
    """Ids of the rows with these external ids."""
    found = model._default_manager.filter(external_id__in=set(external_ids)).values_list("external_id", "pk")
    return dict(found)


def _state(row: Any, fact: Any, fields: Iterable[str]) -> bool:
    """Give the row what the fact states; say whether that changed anything."""
    changed = False
    for name in fields:
        stated = getattr(fact, name)
        if stated is not None and getattr(row, name) != stated:
            setattr(row, name, stated)
            changed = True
    return changed
