"""The words of the notices that the desk promises to send. Alleged until decided (G7); never a reporter's identity."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from tipstaff.cases.tokens import token_of
from tipstaff.correspondence.references import subject_with
from tipstaff.kernel import bulk
from tipstaff.policy.edition import Edition


@dataclass(frozen=True, slots=True)
class Recipient:
    """The customer's contact for abuse matters, in that person's language."""

    name: str
    address: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Dues:
    """The clause that is cited and until when an answer is due."""

    clause: str
    ack_due_at: datetime | None
    resolve_due_at: datetime | None


def opening(case: int, category: str, own: "Dues", edition: Edition, headline: str, to: Recipient, now: datetime) -> dict[str, Any]:
    """The first notice of a ticket: what is alleged, under which clause, and until when an answer is due."""
    entry, clause = edition.categories[category], edition.clauses[own.clause]
    lines = [
        f"Dear {to.name or 'customer'},",
        "",
        f"we have received reports of alleged {entry.title.lower()} at {headline}.",
        f"They concern clause {clause.number} ({clause.title}) of our Acceptable Use Policy: {clause.plain}",
        "",
    ]
    if own.ack_due_at and own.resolve_due_at:
        lines += [
            f"Please acknowledge by {_moment(own.ack_due_at)} and resolve the matter by {_moment(own.resolve_due_at)}.",
            "To acknowledge is not to admit anything.",
            "",
        ]
    lines += [f"Your ticket is #{case}. You may answer this message.", ""]
    return _message(
        case,
        subject_with(f"{entry.title} at {headline}", token_of(case)),
        "\n".join(lines),
        "notice",
        f"notice:case:{case}:opened",
        to,
        now,
    )


def recurring(case: int, category: str, edition: Edition, headline: str, to: Recipient | None, now: datetime) -> dict[str, Any]:
    """The reminder that reports of the same kind go on."""
    assert to is not None
    title = edition.categories[category].title
    body = (
        f"Dear {to.name or 'customer'},\n\nreports of alleged {title.lower()} at {headline} go on. "
        f"Your ticket #{case} is still open.\n"
    )
    return _message(
        case,
        subject_with(f"{title} at {headline}: still reported", token_of(case)),
        body,
        "notice",
        f"notice:case:{case}:{now:%Y-%m-%d}",
        to,
        now,
    )


def _message(case: int, subject: str, body: str, kind: str, once: str, to: Recipient, now: datetime) -> dict[str, Any]:
    return {
        "reference": f"case:{case}",
        "audience": "customer",
        "kind": kind,
        "recipient_name": to.name,
        "recipient": to.address,
        "language": to.language,
        "subject": subject,
        "body": body,
        "html": "",
        "in_reply_to": "",
        "message_id": "",
        "state": "waiting",
        "dedupe_key": once,
        "created_at": now,
        "created_by": "system",
        "not_before": now,
        "attempts": 0,
        "error": "",
    }


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def promise(messages: Sequence[dict[str, Any]]) -> None:
    """Put messages into the outbox, in the caller's transaction."""
    if messages:
        bulk.copy_frame("correspondence_outboxmessage", pl.DataFrame(list(messages), infer_schema_length=None))
