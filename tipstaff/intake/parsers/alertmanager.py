"""Alerts of Prometheus Alertmanager (webhook, version 4) and of Grafana (its webhook, which adds to the same form).

Sources: ``webhook_config`` in the Alertmanager documentation; "Configure the webhook notifier" in Grafana's. Akvorado raises no
alerts of its own: its flows are watched by Grafana rules over its ClickHouse tables, and arrive in this form. Whom an alert is
about, its labels say (``reading.alerts``). What is resolved says that it is over, and is set aside.
"""

from typing import Any

import orjson

from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.alerts import Alert, draft_of, number_of, plain_labels
from tipstaff.intake.reading.times import read_time
from tipstaff.kernel.errors import ParseError

name = "alertmanager"
experimental = False

MOST = 1_000  # alerts of one notification
_MARKS = (b'"alerts"', b'"groupLabels"', b'"commonLabels"')


def claims(message: Message) -> Confidence:
    if message.kind != "json" or not all(mark in message.raw for mark in _MARKS):
        return Confidence.NONE
    return Confidence.CERTAIN if _document(message.raw) else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each alert that fires."""
    document = _document(message.raw)
    if document is None:
        raise ParseError("alerts", "is no notification of Alertmanager or Grafana", "point its webhook here")
    origin = "Grafana" if "orgId" in document else "Alertmanager"
    drafts = [
        draft
        for place, alert in enumerate(document["alerts"][:MOST])
        if isinstance(alert, dict) and (draft := _draft(message, alert, f"alerts[{place}]", origin)) is not None
    ]
    over = ReportDraft(format="alertmanager", disposition=Disposition.NOT_A_REPORT, reporter=Reporter(name=origin), automated=True)
    over.warnings.append("every alert in it is resolved")
    if cut := len(document["alerts"]) - MOST:
        (drafts or [over])[0].warnings += [f"{cut} alerts were left out: more than {MOST} at once"] if cut > 0 else []
    return drafts or [over]


def _document(raw: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("alerts"), list) and found["alerts"] else None


def _draft(message: Message, alert: dict[str, Any], place: str, origin: str) -> ReportDraft | None:
    if alert.get("status") == "resolved":
        return None
    labels, notes = plain_labels(alert.get("labels")), plain_labels(alert.get("annotations"))
    moment = read_time(str(alert.get("startsAt", ""))[:60])
    if moment is None or moment.at is None:
        raise ParseError(f"{place}.startsAt", "is no time", "send what Alertmanager sends")
    one = Alert(
        labels=labels, at=moment.at, place=f"{place}.startsAt", name=labels.get("alertname", ""),
        number=f"{alert.get('fingerprint') or ','.join(sorted(labels.values()))[:150]}/{alert.get('startsAt')}"[:250],
        words=notes.get("description") or notes.get("summary") or "", value=_value(alert, notes),
        threshold=number_of(notes.get("tipstaff_threshold") or labels.get("tipstaff_threshold")),
        measured={"annotations": notes, "expression": str(alert.get("generatorURL", ""))[:2000]},
    )  # fmt: skip
    return draft_of(one, form="alertmanager", origin=origin, own=message.hints.own_networks, place=f"{place}.labels")


def _value(alert: dict[str, Any], notes: dict[str, str]) -> float | None:
    """The measured figure: as the rule's annotation says, else Grafana's value of its first query."""
    stated = number_of(notes.get("tipstaff_value") or notes.get("value"))
    values = alert.get("values")
    if stated is None and isinstance(values, dict) and values:
        return number_of(values[min(values)])
    return stated
