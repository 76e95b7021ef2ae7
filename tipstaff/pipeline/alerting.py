"""Delivering alerts to whoever is on call: mail by the outbox, everything else by HTTP; tried again until it arrives."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import DatabaseError, transaction

from tipstaff.cases import alerts, on_call
from tipstaff.cases.models import Alert, AlertChannel
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.intake.sources import guarded
from tipstaff.kernel import shadow
from tipstaff.kernel.errors import Refused

AT_ONCE = 50
PATIENCE = 10.0  # seconds for each step of an exchange
Secret = Callable[[str], str]


def deliver(*, now: datetime, secret: Secret, most: int = AT_ONCE) -> int:
    """Deliver what is due; one that fails delays no other. Returns how many were looked at."""
    done = 0
    if shadow.is_on():
        return alerts.drop(now=now, why=shadow.WHY)
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
    except DatabaseError:
        raise
    except Exception as error:  # no address that somebody wrote keeps other alerts waiting
        # The words of an exception may hold the URL, and the URL a secret.
        alerts.failed(alert=alert, problem=_plain(error), now=now)
    else:
        alerts.sent(alert=alert, now=now)


def _plain(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"the other side answered {error.response.status_code}"
    if isinstance(error, httpx.TimeoutException):
        return "the other side did not answer in time"
    if isinstance(error, UnicodeError):
        return "the secret or the address holds a character that no request can carry"
    if isinstance(error, Refused):
        return str(error).replace("allow_private in the source's settings", "TIPSTAFF_PRIVATE_ALERT_HOSTS")
    return str(error) if isinstance(error, ValueError) else f"the other side cannot be reached ({type(error).__name__})"


def _mail(alert: Alert, now: datetime) -> None:
    what = " waits unclaimed" if alert.duty_id is None else ": what is owed to an authority is past due"
    subject = f"[level {alert.level}] case #{alert.case_id}{what}"
    once = f"alert:{alert.pk}"
    _promise(alert.channel.address, f"case:{alert.case_id}", once, subject, f"{alert.text}\n\n{_url(alert)}", "system:clock", now)


def _promise(address: str, reference: str, once: str | None, subject: str, body: str, by: str, now: datetime) -> None:
    columns = {
        "reference": reference, "audience": "staff", "kind": "alert", "recipient": address, "subject": subject, "body": f"{body}\n",
        "created_at": now, "created_by": by, "not_before": now,
    }  # fmt: skip
    if once is None:
        OutboxMessage.objects.create(**columns)
    else:
        OutboxMessage.objects.get_or_create(dedupe_key=once, defaults=columns)


def _post(alert: Alert, secret: Secret) -> None:
    _send(
        alert.channel,
        alerts.payload(alert.channel.kind, alert.text, alert.case_id, alert.level, _url(alert), duty=alert.duty_id is not None),
        f"{alert.pk}",
        secret,
    )


def _send(channel: AlertChannel, body: dict[str, Any], once: str, secret: Secret) -> None:
    shadow.refuse("nobody is alerted")
    kept = on_call.secret_of(channel, secret)
    if channel.secret and not kept:
        raise ValueError(f"the variable {channel.secret} is not set")
    if channel.kind == "matrix":
        _matrix(channel.address, kept, f"tipstaff-{once}", body)
        return
    headers = {"Authorization": f"Bearer {kept}"} if kept and channel.address else {}
    _request("POST", channel.address or kept, body, headers)


def _request(method: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    """One request, of whose answer the status alone is read. Not into our own networks, but to hosts that the operator names."""
    inside = httpx.URL(url).host.lower() in settings.PRIVATE_ALERT_HOSTS
    with (
        guarded.client(allow_private=inside, timeout=PATIENCE) as client,
        client.stream(method, url, json=body, headers=headers) as response,
    ):
        if response.is_redirect:
            raise ValueError("the other side answers with a redirect, which is not followed")
        response.raise_for_status()


def try_out(*, channel: AlertChannel, by: str, now: datetime, secret: Secret) -> str:
    """Send a test to one channel, now. Returns what went wrong, without any secret; empty where it arrived.

    A mail is promised to the outbox: whether it arrives is the outbox's to say.
    """
    text = f"This is a test of Tipstaff's alerts, sent by {by}. Nothing is to be done."
    try:
        if channel.kind == "mail":
            _promise(channel.address, f"team:{channel.team_id}", None, "[test] Tipstaff alerts", text, by, now)
        else:
            body = alerts.payload(channel.kind, text, None, channel.level, settings.PUBLIC_URL.rstrip("/"))
            _send(channel, body, f"test-{channel.pk}-{now.timestamp():.0f}", secret)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, Refused) as error:
        return _plain(error)
    return ""


def _matrix(address: str, token: str, transaction_id: str, body: dict[str, Any]) -> None:
    """PUT …/rooms/{room}/send/m.room.message/{transaction} (client-server API v1.11); the transaction id makes it once.

    ``address``: 'https://matrix.example.org/!room:example.org'.
    """
    server, _, room = address.rpartition("/")
    if not server or not room.startswith("!"):
        raise ValueError("a Matrix channel is written https://SERVER/!ROOM:SERVER")
    path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/{quote(transaction_id, safe='')}"
    _request("PUT", server + path, body, {"Authorization": f"Bearer {token}"})


def _url(alert: Alert) -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/cases/{alert.case_id}/"
