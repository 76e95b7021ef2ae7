"""Corroborations of reports: written once looked at, never changed, the newest counting."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from tipstaff.evidence.services import Plain, keep
from tipstaff.reports.claims import Happening
from tipstaff.reports.models import Corroboration, Event, Report
from tipstaff.sensors.traffic import corroboration as C
from tipstaff.sensors.traffic.corroboration import Claim, Seen, Verdict, Watch

NEWEST = 200  # events of a case that count
KEPT_FLOWS = 200  # of those that fit, in the evidence
ORDER = (Verdict.SEEN, Verdict.NOT_SEEN, Verdict.CANNOT_TELL)


@transaction.atomic
def record(
    *, event: Event, report: int, case: int, claims: Sequence[Claim], answer: C.Corroboration, watch: Watch,
    again_at: datetime | None, by: str, now: datetime,
) -> Corroboration:  # fmt: skip
    """Write down what our flows say of an event, with all that it rests on as evidence."""
    looked_for = [_plain(asdict(claim)) for claim in claims]
    watched = _plain({"rates": list(watch.rates), "kept_since": watch.kept_since, "lost": round(watch.lost, 6),
                      "skew_s": {str(number): skew.total_seconds() for number, skew in watch.skews.items()},
                      "tried_hours": list(answer.tried)})  # fmt: skip
    whole = {"address": event.ip, "claims": looked_for, "watch": watched, "verdict": str(answer.verdict), "reason": answer.reason,
             "missed": answer.missed, "offset_hours": answer.offset, "looked_at": now,
             "flows": [flow_row(flow) for flow in answer.flows[:KEPT_FLOWS]], "fitting": len(answer.flows)}  # fmt: skip
    blob = keep(items=[Plain(orjson.dumps(whole, option=orjson.OPT_INDENT_2), "application/json", "document")], now=now)[0]
    Corroboration.objects.filter(case_id=case, event_key=event.key, again_at__isnull=False).update(again_at=None)
    return Corroboration.objects.create(
        report_id=report, case_id=case, event_key=event.key, address=event.ip or "", verdict=str(answer.verdict),
        reason=answer.reason, missed=answer.missed, offset_hours=answer.offset, skew_seconds=answer.skew.total_seconds(),
        flows=len(answer.flows), claim={"sought": looked_for}, watch=watched, blob_id=blob, at=now, by=by, again_at=again_at,
    )  # fmt: skip


def flow_row(flow: Seen) -> dict[str, Any]:
    """One fitting flow as evidence shows it."""
    return _plain(asdict(flow))


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(orjson.dumps(values))
    return found


def happening(event: Event) -> Happening:
    """A stored event as ``claims`` reads it."""
    return Happening(
        event.ip, event.port, event.occurred_at, event.earliest, event.latest, event.time_as_written, event.category, event.count,
        event.details or {},
    )  # fmt: skip


def of_events(keys: Sequence[UUID]) -> list[Corroboration]:
    """What counts now: the newest look at each of these events, what was seen first."""
    rows = Corroboration.objects.filter(event_key__in=keys).order_by("event_key", "-at", "-id").distinct("event_key")
    return sorted(rows, key=lambda row: (ORDER.index(Verdict(row.verdict)), -row.at.timestamp(), row.pk))


def of_case(case: int) -> list[Corroboration]:
    """The same for the newest events of a case, wherever they were when they were looked at."""
    keys = Event.objects.filter(case_id=case).order_by("-received_at", "-row").values_list("key", flat=True)
    return of_events(list(keys[:NEWEST]))


def verdict_of(rows: Sequence[Corroboration]) -> Verdict | None:
    """What our flows say of a case: seen where anything was, not seen where all was looked for in vain; None: not looked at."""
    found = {Verdict(row.verdict) for row in rows}
    if not found or Verdict.SEEN in found:
        return Verdict.SEEN if found else None
    return Verdict.NOT_SEEN if found == {Verdict.NOT_SEEN} else Verdict.CANNOT_TELL


@transaction.atomic
def note(*, report: int, verdict: Verdict) -> None:
    """Keep the verdict among a report's elements of verification; it adds to them and replaces none."""
    row = Report.objects.select_for_update().get(pk=report)
    row.verification = row.verification | {"flows": str(verdict)}
    row.save(update_fields=["verification"])


def events_to_look_at(case: int, report: int, kinds: Sequence[str], most: int) -> list[Event]:
    """The newest events of a report on a case whose traffic would have left our network."""
    rows = Event.objects.filter(case_id=case, report_id=report, ip__isnull=False, category__in=kinds)
    return list(rows.order_by("-received_at", "row")[:most])
