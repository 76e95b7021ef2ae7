"""Spreadsheets of customers, services, names and assignments, in one file or several, with guessed columns. Pure.

Any row may say several things at once: a line of an assignment list with a customer's number and name, a service and an
abuse address makes a customer, a contact, a service and an assignment.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from tipstaff.accounts.importing import cells
from tipstaff.accounts.importing.cells import CellError
from tipstaff.accounts.importing.columns import meanings
from tipstaff.accounts.importing.tables import decoded, delimiter, numbered
from tipstaff.accounts.inventory import (
    AssignmentFact,
    ContactFact,
    CustomerFact,
    Inventory,
    NameFact,
    OwnPrefixFact,
    ServiceFact,
)
from tipstaff.kernel.errors import Problem


@dataclass(frozen=True)
class Options:
    """``since``: from when rows without a beginning hold. ``dates``: dmy or mdy where a column does not give it away."""

    since: datetime
    zone: tzinfo
    dates: str | None = None


@dataclass
class Reading:
    """The facts, and per file what each column was taken for (None: not used)."""

    inventory: Inventory = field(default_factory=Inventory)
    columns: dict[str, dict[str, str | None]] = field(default_factory=dict)
    rows: int = 0
    without_start: int = 0  # assignments whose file does not say since when


def read(files: Sequence[tuple[str, bytes]], options: Options) -> Reading:
    """Read all files; what cannot be read stands in ``inventory.problems`` with file, line and column."""
    reading = Reading()
    merged = _Merged()
    for name, content in files:
        _read_file(name, content, options, reading, merged)
    merged.into(reading.inventory)
    return reading


def _read_file(name: str, content: bytes, options: Options, reading: Reading, merged: "_Merged") -> None:
    text = decoded(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text), skipinitialspace=True)
    problems = reading.inventory.problems
    try:
        rows = list(numbered(lines))
    except csv.Error as error:
        problems.append(Problem(f"{name} line {lines.line_num}", f"cannot be split into columns: {error}", "check the quotes"))
        return
    if not rows:
        problems.append(Problem(name, "is empty", "the first line names the columns, such as prefix, customer, start, end"))
        return
    heading = [cell.strip() for cell in rows[0][1]]
    columns = meanings(heading)
    reading.columns[name] = dict(zip(heading, columns, strict=True))
    if not {"prefix", "customer", "customer_name", "service", "email"} & set(columns):
        advice = "the first line names the columns, such as prefix, customer, start, end"
        problems.append(Problem(f"{name} line {rows[0][0]}", f"no known column among {', '.join(heading)!r}", advice))
        return
    table = _Table(name, heading, columns, options, reading, merged)
    table.read(rows[1:])


class _Merged:
    """Customers, contacts and services that several rows speak of: one fact each, empty cells filled from other rows."""

    def __init__(self) -> None:
        self.facts: dict[type, dict[tuple[str, ...], Any]] = {CustomerFact: {}, ContactFact: {}, ServiceFact: {}}

    def add(self, kind: type, key: tuple[str, ...], where: str, stated: dict[str, Any]) -> Iterator[Problem]:
        stated = {name: value for name, value in stated.items() if value is not None}
        known = self.facts[kind].setdefault(key, {"where": where})
        for name, value in stated.items():
            if value != "" and known.get(name) == "":
                known[name] = value
            if known.setdefault(name, value) != value and value != "":
                text = f"{name} {value!r} of {key[-1]!r} contradicts {known[name]!r} at {known['where']}"
                yield Problem(where, text, "make the two rows agree")

    def into(self, inventory: Inventory) -> None:
        inventory.customers += [CustomerFact(key[0], **stated) for key, stated in self.facts[CustomerFact].items()]
        inventory.contacts += [ContactFact(*key, **stated) for key, stated in self.facts[ContactFact].items()]
        inventory.services += [ServiceFact(key[0], **stated) for key, stated in self.facts[ServiceFact].items()]


class _Table:
    """One file whose columns are known."""

    def __init__(
        self, name: str, heading: list[str], columns: list[str | None], options: Options, reading: Reading, merged: _Merged
    ) -> None:
        self.name, self.heading, self.columns, self.options = name, heading, columns, options
        self.reading, self.merged = reading, merged
        self.inventory = reading.inventory
        self.orders: dict[str, str | None] = {}

    def read(self, rows: list[tuple[int, list[str]]]) -> None:
        for place, meaning in enumerate(self.columns):
            if meaning and (meaning in {"start", "end"} or meaning.endswith(("_ended", "_started"))):
                column = (row[place] for _, row in rows if place < len(row))
                self.orders[meaning] = self.options.dates or cells.order_of_dates(column)
        found = {order for order in self.orders.values() if order}
        if len(found) == 1:  # one column gives it away for all
            self.orders = dict.fromkeys(self.orders, found.pop())
        for line, row in rows:
            self.reading.rows += 1
            self._row(f"{self.name} line {line}", row)

    def _row(self, where: str, row: list[str]) -> None:
        if len(row) > len(self.heading) and any(cell.strip() for cell in row[len(self.heading) :]):
            text = f"has {len(row)} columns, the heading {len(self.heading)}"
            self.inventory.problems.append(Problem(where, text, "put cells that hold the delimiter in quotes"))
            return
        cell = {meaning: text.strip() for meaning, text in zip(self.columns, row, strict=False) if meaning}
        line = _Row(where, cell, self)
        customer = line.customer()
        service = line.service(customer)
        line.contact(customer)
        line.names(service)
        line.assignment(customer, service)

    def written(self, meaning: str) -> str:
        """The heading of a column as the file has it."""
        return self.heading[self.columns.index(meaning)] if meaning in self.columns else meaning


class _Row:
    """One row, and where to put what it says."""

    def __init__(self, where: str, cell: dict[str, str], table: _Table) -> None:
        self.where, self.cell, self.table = where, cell, table

    def get(self, meaning: str) -> str | None:
        return self.cell.get(meaning) or None

    def problem(self, meaning: str, what: str, advice: str) -> None:
        where = f"{self.where}, column {self.table.written(meaning)!r}"
        self.table.inventory.problems.append(Problem(where, what, advice))

    def moment(self, meaning: str, order: str) -> datetime | None:
        try:
            return cells.moment(self.cell.get(meaning, ""), self.table.orders.get(order), self.table.options.zone)
        except CellError as error:
            self.problem(meaning, error.what, error.advice)
            return None

    def merge(self, kind: type, key: tuple[str, ...], stated: dict[str, Any]) -> None:
        self.table.inventory.problems.extend(self.table.merged.add(kind, key, self.where, stated))

    def customer(self) -> str | None:
        number = self.get("customer") or self.get("customer_name")
        if number is None:
            return None
        stated: dict[str, Any] = {
            "name": self.get("customer_name"), "customer_class": self.get("customer_class"),
            "protected_class": self.get("protected_class"), "brand": self.get("brand"), "language": self.get("language"),
            "timezone": self.get("timezone"), "contract": self._contract(),
            "ended_at": self.moment("customer_ended", "customer_ended"),
        }  # fmt: skip
        stated["parent"] = self.cell.get("reseller")  # an empty cell says that there is none
        self.merge(CustomerFact, (number,), stated)
        return number

    def _contract(self) -> dict[str, Any] | None:
        if not (text := self.get("contract")):
            return None
        try:
            terms = json.loads(text)
        except ValueError:
            terms = None
        if not isinstance(terms, dict):
            self.problem("contract", "is no JSON object", 'write terms like {"ack_hours": 48}')
            return None
        return terms

    def service(self, customer: str | None) -> str | None:
        number = self.get("service")
        about = {"prefix", "service_name", "domain", "host", "mailbox", "value"} & {key for key in self.cell if self.cell[key]}
        if number is None and customer and about:
            number = f"{customer}/1"  # an inventory without services: each customer has one
        if number and customer:
            stated = {
                "customer": customer, "name": self.get("service_name"),
                "kind": self.get("service_kind"), "managed_by": self.get("managed_by"), "carriage": self.get("carriage"),
                "protected_class": self.get("service_protected"), "brand": self.get("service_brand"),
                "started_at": self.moment("service_started", "service_started"),
                "ended_at": self.moment("service_ended", "service_ended"),
            }  # fmt: skip
            self.merge(ServiceFact, (number,), stated)
        return number

    def contact(self, customer: str | None) -> None:
        email, phone = self.get("email"), self.get("phone")
        if not (email or phone or self.get("contact")):
            return
        if customer is None:
            return self.problem("customer", "a contact without a customer", "say whose contact it is")
        if email and ("@" not in email.strip("@") or " " in email):
            return self.problem("email", f"{email!r} is no mail address", "write it like abuse@example.com")
        role = self.get("contact_role") or "abuse"
        stated = {"role": role, "name": self.get("contact_name"), "email": email, "phone": phone,
                  "language": self.get("contact_language")}  # fmt: skip
        self.merge(ContactFact, (customer, self.get("contact") or f"{role}:{email or phone}"), stated)
        return None

    def names(self, service: str | None) -> None:
        said = [(kind, self.get(kind)) for kind in ("domain", "host", "mailbox")]
        said.append((self.get("name_kind") or "domain", self.get("value")))
        for kind, value in said:
            if value and service is None:
                self.problem("service", f"{kind} {value!r} without a service", "say whose it is")
            elif value and service:
                start, end, assumed = self._period()
                plain = value.rstrip(".").lower()
                number = self.get("assignment") if "prefix" not in self.cell else None
                self.table.inventory.names.append(NameFact(service, kind, plain, start, end, number, self.where, assumed))

    def _period(self) -> tuple[datetime | None, datetime | None, bool]:
        """Start, end, and whether the start was only assumed."""
        written = self.cell.get("start", "")
        end = self.moment("end", "end")
        if not written or written.casefold() in cells.OPEN:
            self.table.reading.without_start += 1
            return self.table.options.since, end, True
        return self.moment("start", "start"), end, False

    def assignment(self, customer: str | None, service: str | None) -> None:
        if not (text := self.get("prefix")):
            says_more = any(self.get(meaning) for meaning in ("customer_name", "reseller", "email", "phone", "contact"))
            if "prefix" in self.cell and (service or not says_more):
                self.problem("prefix", "is empty", "give a prefix, or leave the row out")
            return
        try:
            networks = cells.prefixes(text, self.cell.get("prefix_end", ""), self.cell.get("mask", ""))
        except CellError as error:
            return self.problem("prefix", error.what, error.advice)
        if service is None:
            return self._own_prefix(networks)
        try:
            ports = cells.port_range(*(self.cell.get(name, "") for name in ("ports", "port_from", "port_to")))
        except CellError as error:
            return self.problem("ports" if "ports" in self.cell else "port_from", error.what, error.advice)
        try:
            shared = cells.flag(self.cell.get("shared", ""))
        except CellError as error:
            return self.problem("shared", error.what, error.advice)
        start, end, assumed = self._period()
        number = self.get("assignment")
        self.table.inventory.assignments += [
            AssignmentFact(network, service, start, end, *ports, shared, number, self.where, assumed) for network in networks
        ]
        return None

    def _own_prefix(self, networks: list[Any]) -> None:
        if {"customer", "customer_name", "service"} & set(self.table.columns):
            self.problem("customer", "nobody is named for this prefix", "name a customer or a service, or leave the row out")
            return
        note = self.get("note") or self.get("customer_name") or ""
        self.table.inventory.own_prefixes += [OwnPrefixFact(network, note, self.where) for network in networks]
