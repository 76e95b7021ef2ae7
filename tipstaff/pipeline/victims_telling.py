"""Whoever was attacked hears of it, as the edition in force says (``reports.victims``); else, or unreachable, the desk does.

One letter a day for each target, however many findings there are, and none about what is long over. Nothing in it names
who attacked: it may be a customer as well.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import transaction

from tipstaff.accounts.models import StaffMember
from tipstaff.cases import letters as people
from tipstaff.correspondence import letters
from tipstaff.correspondence.letters import Addressee, Audience, Thread
from tipstaff.kernel.errors import InputError
from tipstaff.pipeline.models import VictimNotice
from tipstaff.policy import queries as policy
from tipstaff.policy.switches import Victims

log = logging.getLogger(__name__)
BY = "system:mailer"
OLD = timedelta(days=1)  # what ended earlier is listed, not told
AT_ONCE = 100
LINES = 5
WATCHERS = ("lead", "network")  # who hears of it at the desk
WORDS = {"bps": "bits per second", "pps": "packets per second", "fps": "flows per second"}


def tell(*, now: datetime, most: int = AT_ONCE) -> int:
    """Promise the letters about attacks that nobody was told of yet. Returns how many notices are done with."""
    with transaction.atomic():
        waiting = VictimNotice.objects.select_for_update(skip_locked=True, of=("self",)).filter(told_at__isnull=True)
        rows = list(waiting.select_related("customer").order_by("recorded_at", "pk")[:most])
        for row in rows:
            if row.last_at > now - OLD:
                _tell(row, now)
        VictimNotice.objects.filter(pk__in=[row.pk for row in rows]).update(told_at=now)
    return len(rows)


def _tell(row: VictimNotice, now: datetime) -> None:
    found = policy.stored_in_force(row.customer.brand, now)
    to_customer = found is not None and policy.compiled(found).reports.victims is Victims.CUSTOMER
    person = people.recipient(row.customer_id) if to_customer else None
    sender = str(settings.MAIL_FROM or (found.intake_address if found else ""))
    try:
        if person is not None:
            _promise("attacked", row, person, _values(row) | {"contact": person.name}, now, sender)
            return
    except InputError as error:  # an operator's own wording that no longer fits
        log.error("an attack on customer %s is told to the desk: %s", row.customer_id, error)
    try:
        _to_desk(row, now)
    except InputError as error:  # the desk's wording does not fit either; it is listed under Attacks
        log.error("an attack on customer %s was not told: %s", row.customer_id, error)


def _to_desk(row: VictimNotice, now: datetime) -> None:
    url = f"{settings.PUBLIC_URL}/attacks/?customer={row.customer_id}"
    for one in StaffMember.objects.filter(is_active=True, roles__overlap=list(WATCHERS)).exclude(email=""):
        person = Addressee(Audience.STAFF, one.email, one.get_full_name())
        _promise("attacked.staff", row, person, _values(row) | {"desk_url": url}, now, str(settings.MAIL_FROM))


def _promise(kind: str, row: VictimNotice, to: Addressee, values: Mapping[str, Any], now: datetime, sender: str) -> None:
    letter = letters.compose(kind, to.language, values, brand=row.customer.brand, zone=_zone(row))
    once = f"attacked:{row.customer_id}:{row.subject}:{row.opened_at:%Y-%m-%d}:{to.address.lower()}"
    letters.promise(
        letter=letter, to=to, thread=Thread(f"customer:{row.customer_id}", sender=sender), now=now, once=once, by=BY, urgent=True
    )


def _named(figure: str) -> str:
    """'peak_pps' as people read it."""
    return " ".join(WORDS.get(part, part) for part in figure.split("_"))


def _zone(row: VictimNotice) -> ZoneInfo:
    try:
        return ZoneInfo(row.customer.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _values(row: VictimNotice) -> dict[str, Any]:
    """What a letter says: the target, since when, and the figures as they were measured."""
    figures = {name: value for name, value in (row.detail.get("figures") or {}).items() if isinstance(value, int | float)}
    lines = [{"category": _named(name), "events": f"{value:,.0f}"} for name, value in figures.items()]
    return {
        "operator": settings.OPERATOR_NAME or "our", "customer": row.customer.name, "where": row.subject, "since": row.opened_at,
        "lines": lines[:LINES],
    }  # fmt: skip
