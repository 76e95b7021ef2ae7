"""What may be touched: the bounds of one order from inventory and never-touch list, and the keeping of that list."""

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from tipstaff.accounts.models import Assignment, OwnPrefix, Service, ServiceName
from tipstaff.accounts.queries import below
from tipstaff.audit.services import record
from tipstaff.enforcement import access, targets
from tipstaff.enforcement.connectors.contract import Target
from tipstaff.enforcement.models import Endpoint, Protected, Switches
from tipstaff.enforcement.rails import Bounds, Protection
from tipstaff.enforcement.targets import Network
from tipstaff.kernel.errors import InputError, NotFound, Problem


def never_touch() -> list[Protection]:
    """The list that people keep, and what we know ourselves: this desk's addresses and name, and our connectors' peers."""
    kept = [Protection(one.prefix or one.name, one.why) for one in Protected.objects.filter(removed_at__isnull=True)]
    return [*kept, *_this_desk(), *_peers()]


def _this_desk() -> Iterator[Protection]:
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            try:
                found = ip_address(one.address.partition("%")[0])
            except ValueError:
                continue  # a hardware address
            yield Protection(ip_network(found), "an address of this desk")
    if host := urlsplit(settings.PUBLIC_URL).hostname:
        yield from _named(host, "this desk")


def _peers() -> Iterator[Protection]:
    for endpoint in Endpoint.objects.filter(retired_at__isnull=True):
        for value in endpoint.settings.values():
            for word in str(value).replace(",", " ").split():
                host = urlsplit(word).hostname if "://" in word else word.rpartition("@")[2]
                yield from _named(host or "", f"named in the settings of {endpoint.name}")


def _named(text: str, why: str) -> Iterator[Protection]:
    """The protection of a host by its text, with or without a port; nothing where it is no host at all."""
    bare = text.strip("[]")
    for candidate in (bare, bare.rpartition(":")[0].strip("[]")):
        try:
            yield Protection(targets.loose_network(candidate), why)
            return
        except (ValueError, InputError):
            continue
    try:
        yield Protection(targets.host_name(bare.partition(":")[0]), why)
    except InputError:
        return


def bounds(
    row: Switches, *, own: tuple[Network, ...] = (), names: frozenset[str] = frozenset(), services: frozenset[str] = frozenset()
) -> Bounds:
    return Bounds(row.instance, own, tuple(never_touch()), names, services, row.ceiling4, row.ceiling6)


def bounds_for(row: Switches, target: Target, customer: int, now: datetime) -> Bounds:
    """The bounds within which this customer's things may be touched now: what it, or a client below it, holds now.

    An address that has passed to somebody else since the event lies outside them, whatever the case says.
    """
    holders = [customer, *below(customer)]
    prefixes = [one for one in (target.prefix, *target.host_prefixes) if one is not None]
    own = tuple(held for prefix in prefixes for held in _held(prefix, holders, now))
    return bounds(row, own=own, names=_names(target.host, holders, now), services=_services(target, holders))


def _services(target: Target, holders: list[int]) -> frozenset[str]:
    """Of the customer's services the one that is meant, by our number or by the provider's identifier."""
    if target.scope != "service":
        return frozenset()
    held = Service.objects.filter(customer__in=holders, ended_at__isnull=True)
    known = Q(external_id__in=[target.text, target.reference])
    if target.text.isascii() and target.text.isdecimal():
        known |= Q(pk=int(target.text[:18]))
    return frozenset(text for row in held.filter(known).values_list("pk", "external_id") for text in map(str, row) if text)


def _held(prefix: Network, holders: list[int], now: datetime) -> list[Network]:
    ours = OwnPrefix.objects.extra(where=["prefix >>= %s::cidr"], params=[str(prefix)]).exists()
    if not ours and OwnPrefix.objects.exists():
        return []
    now_held = Assignment.objects.filter(superseded_at__isnull=True, period__contains=now, service__customer__in=holders)
    return list(now_held.extra(where=["prefix >>= %s::cidr"], params=[str(prefix)]).values_list("prefix", flat=True))


def others_at(target: Target, customer: int, now: datetime) -> int:
    """How many other customers share the address now: a block of the machine would hit them too."""
    if target.prefix is None:
        return 0
    there = Assignment.objects.filter(superseded_at__isnull=True, period__contains=now).extra(
        where=["prefix && %s::cidr"], params=[str(target.prefix)]
    )
    own = [customer, *below(customer)]
    return there.exclude(service__customer__in=own).values("service__customer").distinct().count()


def _names(host: str, holders: list[int], now: datetime) -> frozenset[str]:
    if not host:
        return frozenset()
    labels = host.split(".")
    above = [".".join(labels[start:]) for start in range(len(labels))]
    held = ServiceName.objects.filter(superseded_at__isnull=True, period__contains=now, service__customer__in=holders)
    exact = Q(kind__in=["host", "domain"], value=host)
    found = set(held.filter(exact | Q(kind="domain", value__in=above)).values_list("value", flat=True))
    nearer = ServiceName.objects.filter(superseded_at__isnull=True, period__contains=now, value__in=above).exclude(
        service__customer__in=holders
    )
    theirs = max((len(value) for value in nearer.values_list("value", flat=True)), default=-1)
    return frozenset(value for value in found if len(value) > theirs)  # the longest name decides whose it is


@transaction.atomic
def protect(*, what: str, why: str, by: str, now: datetime) -> Protected:
    """Put an address, prefix or name on the never-touch list. Raises InputError on what is neither."""
    access.require(by, access.SWITCH)
    if not why.strip():
        raise InputError(Problem("why", "is empty", "say what it is: our resolver, a peer's next hop …"))
    prefix, name = None, ""
    try:
        prefix = targets.loose_network(what)
    except ValueError:
        name = targets.name_or_service(what.strip())
    row = Protected.objects.create(prefix=prefix, name=name, why=why.strip(), by=by, added_at=now)
    record(by=by, action="enforcement.protect", subject=f"protected:{row.pk}", now=now, reason=why)
    return row


@transaction.atomic
def unprotect(*, number: int, by: str, reason: str, now: datetime) -> None:
    access.require(by, access.SWITCH)
    changed = Protected.objects.filter(pk=number, removed_at__isnull=True).update(removed_at=now, removed_by=by)
    if not changed:
        raise NotFound(f"there is no number {number} on the never-touch list")
    record(by=by, action="enforcement.unprotect", subject=f"protected:{number}", now=now, reason=reason)
