"""How often somebody may guess. Counted in the database, so that several web processes count together.

An attacker must not be able to lock the real person out by guessing wrongly. A browser that signed in once before bears a
signed mark of its device; it is counted by itself, and what strangers did does not count against it. Passkeys and single
sign-on are not counted at all: there is nothing to guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.db.models import Count

from tipstaff.accounts.models import SignInTry
from tipstaff.accounts.wrapping import digest

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
PER_DEVICE = 10  # wrong tries of a known device, for its account
PER_NETWORK_AND_ACCOUNT = 5  # of strangers from one network, for one account
PER_NETWORK = 30  # of strangers from one network, for all accounts
PER_ACCOUNT = 50  # of strangers from anywhere, for one account


def network_of(address: str) -> str:
    """Where somebody comes from, as it is counted: the address; of IPv6 its /64, which one person has whole."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network(f"{found}/64", strict=False))
    return str(found)


@dataclass(frozen=True)
class Attempt:
    """Who tries: what kind of secret, for which account, from which network, and the known device's number, or nothing."""

    kind: str  # 'password' or 'code'
    account: str
    network: str
    device: str = ""

    def limits(self) -> Sequence[tuple[str, int]]:
        """Each count that this try adds to, and how far it may go."""
        account, where = self.account.lower(), self.network
        if self.device:
            return ((self._key("device", account, self.device), PER_DEVICE),)
        return (
            (self._key("both", account, where), PER_NETWORK_AND_ACCOUNT),
            (self._key("network", where), PER_NETWORK),
            (self._key("account", account), PER_ACCOUNT),
        )

    def _key(self, *parts: str) -> str:
        return digest("try", "|".join((self.kind, *parts)))


def must_wait(attempt: Attempt, now: datetime) -> bool:
    """Whether too many tries failed within the window."""
    limits = dict(attempt.limits())
    counted = (
        SignInTry.objects.filter(subject__in=limits, at__gt=now - WINDOW).values_list("subject").annotate(number=Count("pk"))
    )  # fmt: skip
    return any(number >= limits[subject] for subject, number in counted)


def failed(attempt: Attempt, now: datetime) -> None:
    """Count a failed try; what is older than a day goes."""
    SignInTry.objects.bulk_create([SignInTry(subject=subject, at=now) for subject, _ in attempt.limits()])
    SignInTry.objects.filter(at__lt=now - KEPT).delete()


def succeeded(attempt: Attempt) -> None:
    """Who was right begins anew: their device's count, or that of their network and account."""
    SignInTry.objects.filter(subject=attempt.limits()[0][0]).delete()
