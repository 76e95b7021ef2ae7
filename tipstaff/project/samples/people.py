"""Who appears in the sample: staff, customers and what they hold, the policy, the ways in, reporters, rules."""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from secrets import token_urlsafe

from tipstaff.accounts.inventory import (
    AssignmentFact,
    ContactFact,
    CustomerFact,
    Inventory,
    NameFact,
    OwnPrefixFact,
    ServiceFact,
)
from tipstaff.accounts.models import Acceptance, Customer, StaffMember
from tipstaff.accounts.services import load, source_named
from tipstaff.intake.models import Source
from tipstaff.policy import loading
from tipstaff.policy import services as policy
from tipstaff.policy.edition import Edition
from tipstaff.policy.models import StoredEdition
from tipstaff.project.samples import mails
from tipstaff.reports.models import AcceptedRisk, Reporter, Rule

LABEL = "sample"
PREFIX = f"{LABEL}:"  # external ids of the sample's customers and services begin so
INTAKE_ADDRESS = "abuse@northgate.example"
LEDGERS = ("Sample inventory", "Sample access ledger")
DAY = timedelta(days=1)
SINCE = 400 * DAY
# username, name, roles, whether somebody signs in with it
STAFF = (
    ("alice", "Alice", ["analyst"], True),
    ("bob", "Bob", ["lead", "admin", "liaison"], True),
    ("erin", "Erin", ["counsel"], False),
)
# external id, name, parent, class, protected class, language, zone, contact
CUSTOMERS = (
    ("larkfield", "Larkfield Web GmbH", "", "business", "", "de", "Europe/Berlin", "Carol Meyer"),
    ("halden", "Halden Mail AS", "", "business", "", "no", "Europe/Oslo", "Nils Haugen"),
    ("ostrava", "Ostrava Data s.r.o.", "", "reseller", "", "cs", "Europe/Prague", "Petra Novotná"),
    ("tern", "Tern Games", "ostrava", "business", "", "en", "Europe/Prague", "Max Tern"),
    ("brightwell", "Brightwell Studio", "ostrava", "business", "", "en", "Europe/London", "Una Brightwell"),
    ("quarry", "Quarry Hosting Ltd", "", "business", "", "en", "Europe/London", "Dave Quarry"),
    ("pebble", "Pebble Shop", "", "business", "", "en", "Europe/London", "Joan Pebble"),
    ("fjordnett", "Fjordnett Access", "", "carrier", "", "no", "Europe/Oslo", "Kari Lund"),
    ("meridian", "Meridian Cloud", "", "business", "", "en", "UTC", "Sam Okoye"),
    ("brannoc", "St. Brannoc Hospital", "", "business", "hospital", "en", "Europe/London", "Ida Penrose"),
    ("orchard", "Orchard Analytics", "", "business", "", "en", "UTC", "Lee Orchard"),
)  # fmt: skip
# service, customer, name, kind
SERVICES = (
    ("larkfield-web", "larkfield", "web-11", "dedicated"),
    ("halden-mail", "halden", "mx-cluster", "mail"),
    ("ostrava-colo", "ostrava", "rack 7", "colocation"),
    ("tern-game", "tern", "game servers", "virtual"),
    ("brightwell-site", "brightwell", "studio site", "virtual"),
    ("quarry-shared", "quarry", "shared-3", "shared-hosting"),
    ("pebble-shop", "pebble", "shop on shared-3", "shared-hosting"),
    ("fjordnett-access", "fjordnett", "access pool", "access"),
    ("meridian-cloud", "meridian", "cloud-a", "virtual"),
    ("brannoc-net", "brannoc", "hospital network", "dedicated"),
    ("orchard-scan", "orchard", "research scanner", "dedicated"),
)
HELD = (
    ("203.0.113.0/27", "larkfield-web"), ("203.0.113.32/28", "halden-mail"), ("203.0.113.64/28", "brannoc-net"),
    ("203.0.113.112/29", "orchard-scan"), ("203.0.113.128/26", "meridian-cloud"), ("2001:db8:80::/44", "meridian-cloud"),
    ("198.51.100.0/26", "ostrava-colo"), ("2001:db8:40::/44", "ostrava-colo"), ("198.51.100.16/28", "tern-game"),
    ("198.51.100.32/28", "brightwell-site"),
)  # fmt: skip
NAMES = (
    ("larkfield-web", "larkfield-web.example"), ("halden-mail", "halden-mail.example"), ("tern-game", "tern-games.example"),
    ("quarry-shared", "quarry-sites.example"), ("pebble-shop", "pebble-shop.example"), ("meridian-cloud", "meridian-cloud.example"),
)  # fmt: skip
REPORTERS = (
    ("feedback@mailbox-guard.example", "Mailbox Guard", 2), ("reports@netwatch.example", "Netwatch", 1),
    ("abuse-team@blocklist-sample.example", "Blocklist (sample)", 1), ("reports@blocklist-sample.example", "Blocklist (sample)", 1),
    ("reports@sentinel-sensors.example", "Sentinel Sensors", 3), ("notices@reel-rights.example", "Reel Rights", 1),
)  # fmt: skip


def staff() -> dict[str, str]:
    """Make Alice, Bob and Erin; the passwords of those who sign in, by name, valid for this instance only."""
    passwords = {}
    for username, name, roles, signs_in in STAFF:
        person = StaffMember(username=username, first_name=name, last_name="(sample)", roles=roles, email="", timezone="UTC")
        if signs_in:
            passwords[username] = f"{username}-{token_urlsafe(6)}"
            person.set_password(passwords[username])
        else:
            person.set_unusable_password()
        person.save()
    return passwords


def policies(now: datetime) -> StoredEdition:
    """Two editions of the default policy, each drafted by one and published by another; the newer is in force."""
    full = loading.load_packaged("default")
    number = next(number for number in full.clauses if number.startswith("5."))
    first_clause = full.clauses[number]
    shorter = replace(first_clause, text=first_clause.text.rpartition(". ")[0] + ".")
    older = replace(full, version="sample-1", clauses={**full.clauses, number: shorter})
    for edition, ago in ((older, SINCE), (replace(full, version="sample-2"), 45 * DAY)):
        at = now - ago - DAY
        stored = policy.draft(edition=_stated(edition), effective_from=now - ago, by="bob", now=at, intake_address=INTAKE_ADDRESS)
        published = policy.publish(stored=stored.pk, by="erin", now=at)
    return published


def _stated(edition: Edition) -> Edition:
    """The edition with the hash that belongs to its content."""
    return loading.from_content(loading.canonical(edition), f"{edition.pack}/{edition.version}")


def inventory(now: datetime) -> None:
    """Customers, services and addresses as they were recorded before the story began, and what changed in it."""
    start = now - SINCE
    main, ledger = (source_named(name=name, kind="csv", settings={LABEL: True}) for name in LEDGERS)
    parties = Inventory(
        customers=[
            CustomerFact(PREFIX + key, name, PREFIX + parent if parent else "", cls, prot, "", lang, zone)
            for key, name, parent, cls, prot, lang, zone, _ in CUSTOMERS
        ],
        contacts=[
            ContactFact(PREFIX + key, f"{PREFIX}{key}-abuse", "abuse", person, f"abuse@{_host(key)}.example", "", lang)
            for key, _, _, _, _, lang, _, person in CUSTOMERS
        ],
        services=[ServiceFact(PREFIX + key, PREFIX + owner, name, kind, started_at=start) for key, owner, name, kind in SERVICES],
        names=[NameFact(PREFIX + service, "domain", value, start) for service, value in NAMES],
        assignments=[AssignmentFact(ip_network(net), PREFIX + service, start) for net, service in HELD]
        + [
            AssignmentFact(ip_network(f"{mails.SHARED}/32"), PREFIX + one, start, shared=True)
            for one in ("quarry-shared", "pebble-shop")
        ]
        + [
            AssignmentFact(ip_network("203.0.113.96/30"), PREFIX + "larkfield-web", start, now - 10 * DAY),
            AssignmentFact(ip_network("203.0.113.96/30"), PREFIX + "meridian-cloud", now - 10 * DAY),
            AssignmentFact(ip_network("203.0.113.100/30"), PREFIX + "larkfield-web", start, now - 10 * DAY),
            AssignmentFact(ip_network("203.0.113.100/30"), PREFIX + "meridian-cloud", now - 10 * DAY),
        ],
        own_prefixes=[OwnPrefixFact(ip_network(net), "sample") for net in ("203.0.113.0/24", "198.51.100.0/24", "2001:db8::/33")],
    )
    load(inventory=parties, source=main, by=f"system:{LABEL}", now=start, as_of=now)
    access = Inventory(
        assignments=[
            AssignmentFact(ip_network("198.51.100.128/26"), PREFIX + "fjordnett-access", start),
            AssignmentFact(ip_network("198.51.100.192/28"), PREFIX + "fjordnett-access", start, None, 1024, 17408),
        ]
    )
    load(inventory=access, source=ledger, by=f"system:{LABEL}", now=start, as_of=now - 2 * DAY)
    # The contract leaves what follows from silence to a person: so the overdue case waits for whoever opens the sample.
    Customer.objects.filter(external_id=f"{PREFIX}larkfield").update(contract={"no_automation": True})
    for customer in Customer.objects.filter(external_id__startswith=PREFIX):
        Acceptance.objects.create(
            customer=customer,
            edition="default/sample-1",
            content_hash="",
            accepted_at=start,
            actor=customer.name,
            method="contract",
        )


def _host(key: str) -> str:
    return {"larkfield": "larkfield-web", "halden": "halden-mail", "tern": "tern-games"}.get(key, key)


def ways_in(now: datetime) -> None:
    """The sources with what is expected of them, and reporters who are known already."""
    for name, kind in mails.KINDS.items():
        settings = {LABEL: True, "own_addresses": [INTAKE_ADDRESS], "own_domains": ["northgate.example"]}
        if kind == "smtp":
            settings["trusted_authserv"] = ["mx.northgate.example"]
        every = {"smtp": 2 * DAY, "pull": 2 * DAY, "api": 4 * DAY}.get(kind)
        # Not enabled beyond the story: nothing is fetched from anywhere.
        Source.objects.create(name=name, kind=kind, settings=settings, expected_every=every, created_at=now - 31 * DAY)
    for key, name, trust in REPORTERS:
        Reporter.objects.create(
            key=key, email=key, name=name, organisation=name, trust=trust, first_seen=now - 90 * DAY, last_seen=now - 31 * DAY
        )


def settings_of_the_desk(now: datetime) -> None:
    """Rules and an accepted risk, as a desk that has worked for a while would have them."""
    rows = (
        (
            "Sample: open services that persist",
            "open_case",
            {"source": [mails.FEED], "at_least": 60, "days": 30, "category": ["open_relay", "vulnerable"]},
        ),
        (
            "Sample: open services, daily digest",
            "digest",
            {"source": [mails.FEED, mails.CERT], "category": ["open_relay", "vulnerable"]},
        ),
        ("Sample: trademarks need a person", "ask_person", {"category": ["trademark"]}),
    )
    for place, (name, action, conditions) in enumerate(rows):
        Rule.objects.create(
            position=place,
            name=name,
            action=action,
            conditions=conditions,
            enabled=True,
            by="bob",
            at=now - 31 * DAY,
            replayed_at=now - 31 * DAY,
        )
    AcceptedRisk.objects.create(
        customer=Customer.objects.get(external_id=f"{PREFIX}orchard"),
        category="scan",
        by="bob",
        at=now - 31 * DAY,
        reason="sample: research scanner with a published opt-out",
        expires_at=now + 200 * DAY,
    )
