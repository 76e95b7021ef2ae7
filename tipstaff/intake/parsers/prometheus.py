"""The answer of Prometheus to an instant query, ``/api/v1/query``: every row is over the threshold that the query itself states.

Source: "HTTP API", instant queries, in the Prometheus documentation. The operator's query compares (``… > 0.8``), so that only
what exceeds it answers; labels say whom (``reading.alerts``) and may carry the limit. An empty answer says that all is well.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft, Reporter
from tipstaff.intake.message import Message
from tipstaff.intake.reading.alerts import Alert, draft_of, number_of, plain_labels
from tipstaff.kernel.errors import ParseError

name = "prometheus"
experimental = False

MOST = 1_000  # rows of one answer
_MARKS = (b'"resultType"', b'"result"')


def claims(message: Message) -> Confidence:
    if message.kind != "json" or not all(mark in message.raw[:4_000] for mark in _MARKS):
        return Confidence.NONE
    return Confidence.CERTAIN if _rows(message.raw) is not None else Confidence.NONE


def parse(message: Message) -> list[ReportDraft]:
    """One draft for each row that exceeds; none at all is no report."""
    rows = _rows(message.raw)
    if rows is None:
        raise ParseError("query", "is no answer with a vector", "ask /api/v1/query, not query_range")
    drafts = [_draft(message, row, place) for place, row in enumerate(rows[:MOST]) if isinstance(row, dict)]
    if drafts:
        return drafts
    quiet = ReportDraft(format="prometheus", disposition=Disposition.NOT_A_REPORT, reporter=Reporter(name="Prometheus"))
    quiet.automated, quiet.warnings = True, ["nothing exceeds the query's threshold"]
    return [quiet]


def is_quiet(raw: bytes) -> bool:
    """Whether it is an answer in which nothing exceeds: there is nothing to keep of it."""
    return all(mark in raw[:4_000] for mark in _MARKS) and _rows(raw) == []


def _rows(raw: bytes) -> list[Any] | None:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    answer = found.get("data") if isinstance(found, dict) and found.get("status") == "success" else None
    if not isinstance(answer, dict) or answer.get("resultType") != "vector" or not isinstance(answer.get("result"), list):
        return None
    return list(answer["result"])


def _draft(message: Message, row: dict[str, Any], place: int) -> ReportDraft:
    labels, pair = plain_labels(row.get("metric")), row.get("value")
    at = number_of(pair[0]) if isinstance(pair, list) and len(pair) == 2 else None
    if at is None or not isinstance(pair, list) or not 0 < at < 4e9:
        raise ParseError(f"result[{place}].value", "is no time and value", "send the answer as Prometheus gives it")
    name_ = labels.get("alertname") or labels.get("__name__") or "metric over its threshold"
    one = Alert(
        labels=labels, at=datetime.fromtimestamp(at, UTC), place=f"result[{place}].value[0]", name=name_,
        number=",".join(f"{key}={value}" for key, value in sorted(labels.items()))[:250],
        words=labels.get("tipstaff_words", ""), value=number_of(pair[1]), threshold=number_of(labels.get("tipstaff_threshold")),
    )  # fmt: skip
    return draft_of(one, form="prometheus", origin="Prometheus", own=message.hints.own_networks, place=f"result[{place}].metric")
