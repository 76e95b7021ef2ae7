"""Routers that send flow statistics: what is known of each, and the word that lets its flows count."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.faces.desk.page import page
from tipstaff.kernel.clock import now as clock_now
from tipstaff.kernel.errors import InputError, NotFound, Problem
from tipstaff.sensors.traffic import queries, services

VIEWERS = ("analyst", "lead", "network", "admin")
KEEPERS = ("lead", "network", "admin")
SHOWN = 300
STATES = {"counted": ("check", "good"), "silent": ("soon", "warn"), "new, unconfirmed": ("over", "warn")}
SLOW_CLOCK = 2_000  # ms from which a clock is worth a word


@desk(*VIEWERS)
def listing(request: DeskRequest) -> HttpResponse:
    """The unconfirmed first: they wait for somebody."""
    now = clock_now()
    rows = sorted(queries.exporters(now=now), key=lambda row: row["state"] != "new, unconfirmed")
    context = {
        "screen": "traffic", "now": now, "rows": [_row(row) for row in rows[:SHOWN]], "more": max(len(rows) - SHOWN, 0),
        "waiting": sum(row["state"] == "new, unconfirmed" for row in rows), "keeps": bool(set(request.user.roles) & set(KEEPERS)),
    }  # fmt: skip
    return page(request, "desk/exporters.html", context)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shape, tone = STATES[row["state"]]
    expected = row["received"] + row["lost"]
    whys: dict[str, int] = {}
    for stream in row["streams"]:
        for why, count in stream["whys"].items():
            whys[why] = whys.get(why, 0) + count
    seconds = (row["last_seen"] - row["first_seen"]).total_seconds() if row["last_seen"] and row["first_seen"] else 0
    return row | {
        "shape": shape, "tone": tone, "loss": row["lost"] / expected if expected else 0.0,
        "whys": sorted(whys.items(), key=lambda one: -one[1]),
        "skew": row["skew_ms"] / 1000 if abs(row["skew_ms"]) >= SLOW_CLOCK else None,
        "per_second": round(row["received"] / seconds, 1) if seconds >= 1 else None,
        "kinds": sorted({str(stream.get("kind", "")) for stream in row["streams"]} - {""}),
        "samplers": sorted({rate for stream in row["streams"] for rate in stream.get("samplers", {}).values()}),
    }  # fmt: skip


@desk(*KEEPERS)
@require_POST
def act(request: DeskRequest, action: str) -> HttpResponse:
    """Confirm an exporter, with a name and a sampling rate where it tells none; or let it count for nothing again."""
    address, by, now = request.POST.get("address", ""), request.user.get_username(), clock_now()
    if action == "confirm":
        one = services.confirm(
            address=address, name=request.POST.get("name", "").strip(), sampling_rate=_rate(request), by=by, now=now
        )
        messages.success(request, f"{one.address} counts now: within five seconds its flows are used.")
    elif action == "dismiss":
        one = services.dismiss(address=address, by=by, now=now)
        messages.success(request, f"{one.address} counts for nothing now.")
    else:
        raise NotFound(f"There is no step {action!r}.")
    return redirect("/traffic/exporters/")


def _rate(request: DeskRequest) -> int | None:
    text = request.POST.get("rate", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10):
        raise InputError(Problem("sampling rate", f"{text!r} is no whole number", "give N for 1 in N, or leave it empty"))
    return int(text)
