"""A provider with two brands, each under its own policy, furnished in the running instance of a story.

``python -m tests.stories.furnishing`` with TIPSTAFF_STATE set; what the connectors work with comes as JSON on standard input.
"""

import json
import sys
from datetime import timedelta
from ipaddress import ip_network

INTAKE = "abuse@provider.example.net"
PASSWORD = "a long sentence of the test's own"
STAFF = (("alice", "analyst"), ("bob", "lead"), ("bea", "lead"), ("root", "admin"))
WILL, MAY = "dedicated-hosting", "managed-services"
#: Customer → brand, pack, address.
CUSTOMERS = {
    "carol": ("", WILL, "203.0.113.77"),
    "erik": ("managed", MAY, "203.0.113.88"),
    "mona": ("managed", MAY, "203.0.113.78"),
    "nils": ("", WILL, "203.0.113.89"),
}


def mailbox(customer: str) -> str:
    return f"abuse@{customer}.example.com"


def main() -> None:
    given = json.load(sys.stdin)
    from tipstaff.project import database

    database.setup_django()
    from tipstaff.kernel.clock import now

    moment = now()
    _staff()
    _inventory(moment - timedelta(days=100), moment)
    _policies(moment)
    _connectors(given, moment)


def _staff() -> None:
    from tipstaff.accounts.models import StaffMember

    for name, role in STAFF:
        person = StaffMember(username=name, first_name=name.title(), roles=[role], timezone="UTC")
        person.set_password(PASSWORD)
        person.save()


def _inventory(since, moment) -> None:
    from tipstaff.accounts.inventory import (
        AssignmentFact,
        ContactFact,
        CustomerFact,
        Inventory,
        OwnPrefixFact,
        ServiceFact,
    )
    from tipstaff.accounts.services import load, source_named

    found = Inventory(
        customers=[CustomerFact(name, name.title(), brand=brand) for name, (brand, _, _) in CUSTOMERS.items()],
        contacts=[ContactFact(name, f"{name}-abuse", "abuse", name.title(), mailbox(name), "", "en") for name in CUSTOMERS],
        services=[ServiceFact(f"{name}-1", name, f"{name}'s server", "dedicated", started_at=since) for name in CUSTOMERS],
        assignments=[
            AssignmentFact(ip_network(f"{ip}/32"), f"{name}-1", since) for name, (_, _, ip) in CUSTOMERS.items()
        ],
        own_prefixes=[OwnPrefixFact(ip_network("203.0.113.0/24"), "test")],
    )  # fmt: skip
    load(inventory=found, source=source_named(name="inventory", kind="csv", settings={}), by="root", now=since, as_of=moment)


def _policies(moment) -> None:
    from tipstaff.policy import loading, services

    for brand, pack in sorted({(brand, pack) for brand, pack, _ in CUSTOMERS.values()}):
        at = moment - timedelta(days=90)
        stored = services.draft(
            edition=loading.load_packaged(pack), effective_from=at, by="bob", now=at, brand=brand, intake_address=INTAKE
        )
        services.publish(stored=stored.pk, by="root", now=at)


def _connectors(given, moment) -> None:
    """Routers first; what only the gateway can do (a walled garden) goes to the gateway."""
    from tipstaff.enforcement import endpoints, switches

    for rank, (name, connector) in enumerate((("routers", "bgp"), ("gateway", "nftables")), 1):
        made = endpoints.add(name=name, connector=connector, settings=given[name], by="root", now=moment, rank=rank)
        endpoints.set_live(endpoint=made, live=True, by="bob", reason="the story begins", now=moment)
    switches.go_live(live=True, by="bob", reason="the story begins", now=moment)


if __name__ == "__main__":
    main()
