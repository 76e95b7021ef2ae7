"""Who appears in a rehearsal: a desk, the policy, and a customer for every address or host that the complaints accuse."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from tipstaff.accounts.inventory import AssignmentFact, ContactFact, CustomerFact, Inventory, NameFact, OwnPrefixFact, ServiceFact
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.accounts.services import load, source_named
from tipstaff.enforcement import endpoints, switches
from tipstaff.intake.drafts import Disposition, ReportDraft
from tipstaff.intake.services import ensure_source
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.policy import loading
from tipstaff.policy import services as policy
from tipstaff.policy.models import StoredEdition
from tipstaff.project.rehearsing.behaviours import BEHAVIOURS, Behaviour

BY = "system:rehearsal"
SOURCE = "rehearsal"
INTAKE = "abuse@provider.example"
ALWAYS = datetime(1990, 1, 1, tzinfo=UTC)
STAFF = (("alice", ["analyst"]), ("amy", ["analyst"]), ("bob", ["lead"]), ("bea", ["lead"]), ("carl", ["counsel", "network"]))
MOST = 10_000  # customers


@dataclass(frozen=True)
class Cast:
    """The customers by external id, and how each behaves."""

    behaviours: Mapping[str, Behaviour]

    def of(self, customer: Customer) -> Behaviour:
        return self.behaviours.get(customer.external_id or "", BEHAVIOURS["silent"])


def accused(drafts: Iterable[ReportDraft]) -> tuple[list[str], list[str]]:
    """Addresses, and hosts that stand without an address, in reading order."""
    ips: dict[str, None] = {}
    hosts: dict[str, None] = {}
    for draft in drafts:
        if draft.disposition not in (Disposition.REPORT, Disposition.NEEDS_A_PERSON):
            continue
        if draft.table is not None:
            for text in draft.table["ip"].drop_nulls().unique(maintain_order=True).to_list() if "ip" in draft.table.columns else []:
                ips.setdefault(str(text))
        for event in draft.events:
            if event.ip:
                ips.setdefault(event.ip)
            elif event.domain:
                hosts.setdefault(event.domain)
    return list(ips), list(hosts)


def chosen(words: Sequence[str]) -> tuple[Behaviour, dict[str, Behaviour]]:
    """``silent`` for all, ``192.0.2.7=fixes`` for one. Raises InputError naming those there are."""
    general, single = BEHAVIOURS["silent"], {}
    for word in words:
        whose, _, name = word.rpartition("=")
        if name not in BEHAVIOURS:
            known = "; ".join(f"{one.name}: {one.meaning}" for one in BEHAVIOURS.values())
            raise InputError(Problem("--customer", f"{name!r} is no behaviour", known))
        if whose:
            single[whose] = BEHAVIOURS[name]
        else:
            general = BEHAVIOURS[name]
    return general, single


def furnish(drafts: Sequence[ReportDraft], *, pack: str, customers: Sequence[str], file: str, now: datetime) -> Cast:
    """Staff, the published policy, the customers and a connector that only writes down. Returns who plays what."""
    for name, roles in STAFF:
        StaffMember.objects.create(username=name, first_name=name.title(), roles=roles)
    publish(pack, now)
    ips, hosts = accused(drafts)
    if not ips and not hosts:
        raise InputError(Problem(file, "accuses no address and no host", "look at it with `tipstaff parse`"))
    if len(ips) + len(hosts) > MOST:
        raise InputError(Problem(file, f"accuses more than {MOST} addresses", "rehearse with fewer"))
    general, single = chosen(customers)
    if strangers := sorted(set(single) - set(ips) - set(hosts)):
        raise InputError(Problem("--customer", f"{strangers[0]} is not accused", f"accused are {', '.join([*ips, *hosts][:10])}"))
    load(
        inventory=_inventory(ips, hosts),
        source=source_named(name=SOURCE, kind="csv"),
        by=BY,
        now=now,
        as_of=now + timedelta(days=400),
    )
    ensure_source(name=SOURCE, kind="files", now=now)
    return Cast({_key(one): single.get(one, general) for one in (*ips, *hosts)})


def publish(pack: str, now: datetime) -> StoredEdition:
    """The packaged policy, drafted by one and published by another, in force since long ago."""
    if pack not in loading.packaged():
        raise InputError(Problem("--policy", f"there is no {pack!r}", "there are " + ", ".join(loading.packaged())))
    stored = policy.draft(edition=loading.load_packaged(pack), effective_from=ALWAYS, by="bob", now=now, intake_address=INTAKE)
    return policy.publish(stored=stored.pk, by="bea", now=now)


def connect(path: str, now: datetime) -> None:
    """Orders go to a file and nowhere else."""
    endpoint = endpoints.add(name="rehearsal", connector="journal", settings={"path": path}, by=BY, now=now, rank=1)
    endpoints.set_live(endpoint=endpoint, live=True, by=BY, reason="rehearsal", now=now)
    switches.go_live(live=True, by=BY, reason="rehearsal", now=now)


def _key(one: str) -> str:
    return f"{SOURCE}:{one}"


def _inventory(ips: Sequence[str], hosts: Sequence[str]) -> Inventory:
    keys = [(one, _key(one), f"Customer at {one}") for one in (*ips, *hosts)]
    prefixes = {ip: ip_network(ip) for ip in ips}
    return Inventory(
        customers=[CustomerFact(key, name, customer_class="business", language="en", timezone="UTC") for _, key, name in keys],
        contacts=[
            ContactFact(key, f"{key}:abuse", "abuse", name, f"abuse@c{number}.customer.example", "", "en")
            for number, (_, key, name) in enumerate(keys, 1)
        ],
        services=[ServiceFact(key, key, f"server {one}", "dedicated", started_at=ALWAYS) for one, key, _ in keys],
        names=[NameFact(_key(host), "domain", host, ALWAYS) for host in hosts],
        assignments=[AssignmentFact(prefix, _key(ip), ALWAYS) for ip, prefix in prefixes.items()],
        own_prefixes=[OwnPrefixFact(prefix, SOURCE) for prefix in prefixes.values()],
    )
