"""The story of a rehearsal, from the rows that it left: states, letters, clocks and orders, in order, with their clauses."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from tipstaff.cases.models import Case, Clock, JournalEntry
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.enforcement.models import OrderEntry

MARKS = {"state": "=>", "letter": "@ ", "clock": "..", "order": "!!", "refused": "xx"}


@dataclass(frozen=True)
class Line:
    """One thing that happened: ``at`` since the beginning, in seconds; ``kind`` as in MARKS or of the journal."""

    at: float
    case: int
    kind: str
    text: str
    clause: str = ""
    by: str = ""
    letter: str = ""

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value != ""}

    def shown(self, *, letters: bool) -> str:
        clause = f"  [clause {self.clause}]" if self.clause else ""
        who = f" ({self.by})" if self.by else ""
        line = f"{since(self.at):>11}  #{self.case:<3} {MARKS.get(self.kind, '  ')} {self.text}{who}{clause}"
        if not letters or not self.letter:
            return line
        margin = " " * 22 + "| "
        return "\n".join([line, *(margin + row for row in self.letter.rstrip().split("\n"))])


def since(seconds: float) -> str:
    """``2d 03:05`` of seconds."""
    minutes = int(seconds) // 60
    return f"{minutes // 1440}d {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def story(*, began_at: datetime, refused: list[tuple[datetime, int, str]]) -> list[Line]:
    """Every line, in order of time; at one moment the case's own words first, then letters, clocks and orders."""
    found = [*_journal(began_at), *_letters(began_at), *_clocks(began_at), *_orders(began_at)]
    found += [Line(_at(moment, began_at), case, "refused", f"refused: {text}") for moment, case, text in refused]
    ranks = {"letter": 1, "clock": 2, "order": 3}
    return sorted(found, key=lambda line: (line.at, ranks.get(line.kind, 0)))


def _at(moment: datetime, began_at: datetime) -> float:
    return max(0.0, (moment - began_at) / timedelta(seconds=1))


def _journal(began_at: datetime) -> Iterator[Line]:
    for entry in JournalEntry.objects.exclude(kind="mail").order_by("at", "pk"):
        kind = "state" if "state" in entry.detail else entry.kind
        yield Line(_at(entry.at, began_at), entry.case_id, kind, entry.text, str(entry.detail.get("clause", "")), _who(entry.actor))


def _letters(began_at: datetime) -> Iterator[Line]:
    for row in OutboxMessage.objects.order_by("created_at", "pk"):
        noun, _, number = row.reference.partition(":")
        case = int(number) if noun == "case" and number.isdecimal() else 0
        text = f"{row.audience} {row.recipient_name or row.recipient}: {row.subject}"
        yield Line(_at(row.sent_at or row.created_at, began_at), case, "letter", text, letter=row.body)


def _clocks(began_at: datetime) -> Iterator[Line]:
    for row in Clock.objects.exclude(kind__startswith="remind").order_by("started_at", "pk"):
        until = since(_at(row.due_at, began_at))
        yield Line(_at(row.started_at, began_at), row.case_id, "clock", f"clock {row.kind} until {until}")


def _orders(began_at: datetime) -> Iterator[Line]:
    for row in OrderEntry.objects.select_related("order__measure").order_by("at", "pk"):
        measure = row.order.measure
        clause = measure.clause if measure else ""
        yield Line(
            _at(row.at, began_at),
            measure.case_id if measure else 0,
            "order",
            f"order {row.kind}: {row.text}",
            clause,
            _who(row.actor),
        )


def _who(actor: str) -> str:
    return "" if actor.startswith("system") else actor.replace("contact:", "customer's contact ")


def outcome() -> list[str]:
    """How each case stands at the end."""
    rows = Case.objects.select_related("customer").order_by("pk")
    return [f"#{case.pk} {case.category} at {case.headline}, {case.customer.name}: {case.state}" for case in rows]
