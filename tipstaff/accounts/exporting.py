"""The inventory as it is known now, as spreadsheets that ``tipstaff import csv`` reads back to the same inventory."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tipstaff.accounts.importing.cells import ALWAYS
from tipstaff.accounts.inventory import PORTS
from tipstaff.accounts.models import Assignment, Contact, Customer, OwnPrefix, Service, ServiceName

Row = dict[str, str]


def write(directory: Path) -> dict[str, int]:
    """Write one file a kind into the directory, made where missing; returns rows by file name. Same inventory, same bytes."""
    directory.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, rows in tables().items():
        (directory / name).write_text(_as_csv(HEADINGS[name], rows), encoding="utf-8", newline="")
        written[name] = len(rows)
    return written


def tables() -> dict[str, list[Row]]:
    return {name: sorted(rows(), key=lambda row: tuple(row.values())) for name, rows in _TABLES.items()}


def _as_csv(heading: list[str], rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, heading, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _number(row: Any, what: str) -> str:
    """The external id; what people entered by hand gets one from its row."""
    return row.external_id or f"{what}-{row.pk}"


def _moment(moment: datetime | None, when_open: str = "") -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else when_open


def _customers() -> list[Row]:
    return [
        {
            "customer": _number(row, "customer"),
            "customer_name": row.name,
            "reseller": _number(row.parent, "customer") if row.parent else "",
            "customer_class": row.customer_class,
            "protected_class": row.protected_class,
            "brand": row.brand,
            "language": row.language,
            "timezone": row.timezone,
            "contract": json.dumps(row.contract, sort_keys=True) if row.contract else "",
            "customer_ended": _moment(row.ended_at),
        }
        for row in Customer.objects.select_related("parent")
    ]


def _contacts() -> list[Row]:
    return [
        {
            "customer": _number(row.customer, "customer"),
            "contact": _number(row, "contact"),
            "contact_role": row.role,
            "contact_name": row.name,
            "email": row.email,
            "phone": row.phone,
            "contact_language": row.language,
        }
        for row in Contact.objects.select_related("customer")
    ]


def _services() -> list[Row]:
    return [
        {
            "service": _number(row, "service"),
            "customer": _number(row.customer, "customer"),
            "service_name": row.name,
            "service_kind": row.kind,
            "managed_by": row.managed_by,
            "carriage": row.carriage,
            "service_protected": row.protected_class,
            "service_brand": row.brand,
            "service_started": _moment(row.started_at),
            "service_ended": _moment(row.ended_at),
        }
        for row in Service.objects.select_related("customer")
    ]


def _assignments() -> list[Row]:
    return [
        {
            "prefix": str(row.prefix),
            "service": _number(row.service, "service"),
            "start": _moment(row.period.lower, ALWAYS),
            "end": _moment(row.period.upper),
            "ports": _ports(row.ports),
            "shared": "yes" if row.shared else "no",
            "assignment": row.external_id or "",
        }
        for row in Assignment.objects.filter(superseded_at=None).select_related("service")
    ]


def _ports(ports: Any) -> str:
    low, high = ports.lower or 0, PORTS if ports.upper is None else ports.upper
    return "" if (low, high) == (0, PORTS) else f"{low}-{high - 1}"


def _names() -> list[Row]:
    return [
        {
            "service": _number(row.service, "service"),
            "name_kind": row.kind,
            "value": row.value,
            "start": _moment(row.period.lower, ALWAYS),
            "end": _moment(row.period.upper),
            "assignment": row.external_id or "",
        }
        for row in ServiceName.objects.filter(superseded_at=None).select_related("service")
    ]


def _own_prefixes() -> list[Row]:
    return [{"prefix": str(row.prefix), "note": row.note} for row in OwnPrefix.objects.all()]


_TABLES: dict[str, Callable[[], Iterable[Row]]] = {
    "customers.csv": _customers,
    "contacts.csv": _contacts,
    "services.csv": _services,
    "assignments.csv": _assignments,
    "names.csv": _names,
    "own-prefixes.csv": _own_prefixes,
}
HEADINGS: dict[str, list[str]] = {
    name: columns.split()
    for name, columns in {
        "customers.csv": "customer customer_name reseller customer_class protected_class brand language timezone contract "
        "customer_ended",
        "contacts.csv": "customer contact contact_role contact_name email phone contact_language",
        "services.csv": "service customer service_name service_kind managed_by carriage service_protected service_brand "
        "service_started service_ended",
        "assignments.csv": "prefix service start end ports shared assignment",
        "names.csv": "service name_kind value start end assignment",
        "own-prefixes.csv": "prefix note",
    }.items()
}
