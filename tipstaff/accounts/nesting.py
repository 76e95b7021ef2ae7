"""A prefix inside another's must belong to the same customer, or to one below it in the reseller tree. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from tipstaff.accounts.inventory import Network
from tipstaff.accounts.timeline import Tenancy


class Stranger(NamedTuple):
    """A tenancy inside another whose customer has nothing to do with it."""

    inner: Tenancy
    outer: Tenancy


def strangers(
    rows: Iterable[Tenancy], fresh: set[Tenancy], customer_of: Mapping[int, int], parent_of: Mapping[int, int | None],
    open_to_all: set[int],
) -> list[Stranger]:  # fmt: skip
    """Pairs where at least one is ``fresh``. ``open_to_all``: customers (the provider itself) in whom anybody may nest."""
    by_prefix: dict[Network, list[Tenancy]] = {}
    for row in rows:
        if not isinstance(row.prefix, tuple):
            by_prefix.setdefault(row.prefix, []).append(row)
    found = []
    for inner_prefix, outer_prefix in enclosures(by_prefix):
        for inner in by_prefix[inner_prefix]:
            for outer in by_prefix[outer_prefix]:
                if (inner in fresh or outer in fresh) and inner.overlaps_time(outer):
                    above = customer_of[outer.service]
                    if above not in open_to_all and above not in ancestry(customer_of[inner.service], parent_of):
                        found.append(Stranger(inner, outer))
    return found


def enclosures(prefixes: Iterable[Network]) -> Iterator[tuple[Network, Network]]:
    """(prefix, each other one around it), found in one walk in order of address."""
    stack: list[Network] = []
    for prefix in sorted(prefixes, key=lambda net: (net.version, int(net.network_address), net.prefixlen)):
        while stack and not _inside(prefix, stack[-1]):
            stack.pop()
        yield from ((prefix, outer) for outer in stack)
        stack.append(prefix)


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and int(inner.network_address) <= int(outer.broadcast_address)


def ancestry(customer: int, parent_of: Mapping[int, int | None]) -> Iterator[int]:
    """The customer, its reseller, and so on up; a loop ends the walk."""
    seen: set[int] = set()
    above: int | None = customer
    while above is not None and above not in seen:
        yield above
        seen.add(above)
        above = parent_of.get(above)


def loops(parent_of: Mapping[int, int | None]) -> list[int]:
    """Customers that are their own reseller, directly or through others."""
    found = []
    settled: set[int] = set()
    for customer in parent_of:
        path: list[int] = []
        above: int | None = customer
        while above is not None and above not in settled and above not in path:
            path.append(above)
            above = parent_of.get(above)
        if above in path:
            found += path[path.index(above) :]
        settled.update(path)
    return found
