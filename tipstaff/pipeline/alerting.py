"""Delivering alerts to whoever is on call: mail by the outbox, everything else by HTTP; tried again until it arrives."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import transaction

from tipstaff.cases import alerts
from tipstaff.cases.models import Alert
from tipstaff.correspondence.models import OutboxMessage

AT_ONCE = 50
PATIENCE = httpx.Timeout(10.0, connect=5.0)
Secret = Callable[[str], str]


def deliver(*, now: datetime, secret: Secret, most: int = AT_ONCE) -> int:
    """Deliver what is due; one that fails delays no other. Returns how many were looked at."""
    done = 0
    for _ in range(most):
        with transaction.atomic():
            waiting = alerts.claim(most=1, now=now)
            if not waiting:
                break
            _deliver(waiting[0], now, secret)
        done += 1
    return done


def _deliver(alert: Alert, now: datetime, secret: Secret) -> None:
    try:
        if alert.channel.kind == "mail":
            _mail(alert, now)
        else:
            _post(alert, secret)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        # The words of an exception may hold the URL, and the URL a secret.
        alerts.failed(alert=alert, problem=_plain(error), now=now)
    else:
        alerts.sent(alert=alert, now=now)


def _plain(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the other side answered {error.response.status_code}"
    if isinstance(error, httpx.TimeoutException):
        return "the other side did not answer in time"
    return str(error) if isinstance(error, ValueError) else f"the other side cannot be reached ({type(error).__name__})"


def _mail(alert: Alert, now: datetime) -> None:
    OutboxMessage.objects.get_or_create(
        dedupe_key=f"alert:{alert.pk}",
        defaults={
            "reference": f"case:{alert.case_id}", "audience": "staff", "kind": "alert", "recipient": alert.channel.address,
            "subject": f"[level {alert.level}] case #{alert.case_id} waits unclaimed", "body": f"{alert.text}\n\n{_url(alert)}\n",
            "created_at": now, "created_by": "system:clock", "not_before": now,
        },
    )  # fmt: skip


def _post(alert: Alert, secret: Secret) -> None:
    channel = alert.channel
    kept = secret(channel.secret) if channel.secret else ""
    if channel.secret and not kept:
        raise ValueError(f"the variable {channel.secret} is not set")
    body = alerts.payload(channel.kind, alert.text, alert.case_id, alert.level, _url(alert))
    if channel.kind == "matrix":
        _matrix(channel.address, kept, f"tipstaff-{alert.pk}", body)
        return
    headers = {"Authorization": f"Bearer {kept}"} if kept and channel.address else {}
    _answered(httpx.post(channel.address or kept, json=body, headers=headers, timeout=PATIENCE))


def _matrix(address: str, token: str, transaction_id: str, body: dict[str, Any]) -> None:
    """PUT …/rooms/{room}/send/m.room.message/{transaction} (client-server API v1.11); the transaction id makes it once.

    ``address``: 'https://matrix.example.org/!room:example.org'.
    """
    server, _, room = address.rpartition("/")
    if not server or not room.startswith("!"):
        raise ValueError("a Matrix channel is written https://SERVER/!ROOM:SERVER")
    path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/{quote(transaction_id, safe='')}"
    _answered(httpx.put(server + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE))


def _answered(response: httpx.Response) -> None:
    if response.is_redirect:
        raise ValueError("the other side answers with a redirect, which is not followed")
    response.raise_for_status()


def _url(alert: Alert) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/cases/{alert.case_id}/"
