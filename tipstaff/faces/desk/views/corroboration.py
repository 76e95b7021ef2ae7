"""What our own flows say of a case's complaints: the panel on the case page, and looking again."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from tipstaff.cases.access import case_for
from tipstaff.cases.models import Case
from tipstaff.faces.desk.access import DeskRequest, desk
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline import corroborating
from tipstaff.reports import corroborations
from tipstaff.reports.claims import KINDS
from tipstaff.reports.models import Corroboration, Event
from tipstaff.sensors.traffic.corroboration import Verdict

SHOWN = 12
SHAPES = {Verdict.SEEN: ("check", "good"), Verdict.NOT_SEEN: ("over", "warn"), Verdict.CANNOT_TELL: ("soon", "")}
PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 50: "ESP", 58: "ICMPv6", 132: "SCTP"}


def panel(found: Case, events: Sequence[Event]) -> dict[str, Any]:
    """The newest look at each event; nothing is asked for conduct that leaves no traffic of ours."""
    if found.category not in KINDS:
        return {}
    rows = corroborations.of_events([event.key for event in events])
    verdict = corroborations.verdict_of(rows)
    shape = SHAPES.get(verdict, ("", "")) if verdict else ("", "")
    return {
        "flow_rows": [_row(row) for row in rows[:SHOWN]], "flow_more": max(len(rows) - SHOWN, 0), "flow_verdict": verdict,
        "flow_shape": shape, "flow_panel": bool(rows) or bool(events),
    }  # fmt: skip


def _row(row: Corroboration) -> dict[str, Any]:
    shape, tone = SHAPES[Verdict(row.verdict)]
    sought = row.claim.get("sought", [])
    return {
        "row": row, "shape": shape, "tone": tone, "sought": _sought(sought), "start": sought[0]["start"] if sought else "",
        "missed": None if row.missed is None or row.verdict == Verdict.SEEN else percent(row.missed),
        "rates": sorted(set(row.watch.get("rates", [])), key=lambda rate: rate or 0),
        "skewed": row.watch.get("skew_s", {}),
    }  # fmt: skip


def percent(chance: float) -> str:
    """A probability in words that stay honest at both ends."""
    if chance < 0.0001:
        return "below 0.01 %"
    return f"{chance * 100:.2g} %" if chance < 0.995 else "above 99 %"


def _sought(claims: list[dict[str, Any]]) -> str:
    """What was looked for, in a line."""
    if not claims:
        return "nothing that flows could show"
    one = claims[0]
    victims = [claim["peer"] for claim in claims if claim["peer"]]
    parts = [
        PROTOCOLS.get(one["protocol"], f"protocol {one['protocol']}") if one["protocol"] is not None else "",
        f"from port {one['local_port']}" if one["local_port"] else "",
        f"to {', '.join(victims)}" if victims else "to anybody",
        f"port {one['peer_port']}" if one["peer_port"] else "",
    ]
    return " ".join(part for part in parts if part)


@desk()
@require_POST
def look(request: DeskRequest, number: int) -> HttpResponse:
    """Ask our flows again: more may have been archived since."""
    found = case_for(request.user, number)
    count = corroborating.look_now(case=found.pk, by=request.user.get_username(), now=clock_now())
    said = (
        f"Looked for {count} event{'' if count == 1 else 's'} in our own flows." if count else "Nothing in it could be looked for."
    )
    messages.info(request, said)
    return redirect(f"/cases/{found.pk}/#flows")
