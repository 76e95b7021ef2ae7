"""How often something may be done from one place, counted in the database so that several web processes count together."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from tipstaff.accounts.throttling import network_of
from tipstaff.audit.services import record
from tipstaff.faces.portal.models import Try

WINDOW = timedelta(minutes=15)
KEPT = timedelta(days=1)
MOST_BYTES = 256 * 1024  # of a form; the longest plan that is taken is far below


@dataclass(frozen=True, slots=True)
class Limit:
    """``most`` times within the window."""

    name: str
    most: int


ASK_ADDRESS = Limit("ask-address", 3)  # sign-in mails to one address
ASK_NETWORK = Limit("ask-network", 12)
BAD_LINK = Limit("bad-link", 20)  # links from one network that open nothing
RENEW = Limit("renew", 3)  # new links for one expired one
WRITE = Limit("write", 60)  # forms sent by one contact
CONFIRM = Limit("confirm", 10)  # addresses to be confirmed, of one customer


def peer(request: HttpRequest) -> str:
    """The network somebody comes from."""
    return network_of(request.META.get("REMOTE_ADDR", ""))


def digest_of(text: str) -> str:
    return salted_hmac("tipstaff.portal.try", text, algorithm="sha256").hexdigest()[:32]


def count(limit: Limit, who: str, now: datetime) -> bool:
    """Count this time; whether it is beyond the limit. The first time beyond goes on the record."""
    subject = digest_of(f"{limit.name}|{who}")
    before = Try.objects.filter(subject=subject, at__gt=now - WINDOW).count()
    if before > limit.most:
        return True
    if before == 0:
        Try.objects.filter(at__lt=now - KEPT).delete()
    Try.objects.create(subject=subject, at=now)
    if before == limit.most:
        record(by="visitor", action="portal.throttled", subject=f"{limit.name}:{subject[:16]}", now=now, most=limit.most)
    return before >= limit.most
