"""The timeline of a case as its customer sees it: their own words, ours to them, what was decided.

Made from typed rows and words of ours. The desk's journal gives only the fact that the state changed: its texts are the desk's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tipstaff.cases.models import Appeal, Case, ClockChange, Cooperation, JournalEntry, Measure, Statement
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.portal.standing import STATES

MOST = 100
SAID = {
    "acknowledgement": "acknowledged",
    "plan": "sent a plan",
    "fix": "said that it is fixed",
    "dispute": "objected",
    "extension": "asked for more time",
    "comment": "wrote",
}
#: States whose coming is told; the others follow from what the customer said itself.
TOLD = frozenset(STATES) - {"MERGED", "APPEAL", "DISPUTED"}
#: The personal part of a link, as letters have it.
LINK = re.compile(r"/c/[\w=-]{20,}")


@dataclass(frozen=True, slots=True)
class Entry:
    """``who``: 'you', 'we' or a name; ``what``: a sentence of ours; ``parts``: (label, text) in somebody's own words."""

    at: datetime
    who: str
    what: str
    icon: str
    parts: tuple[tuple[str, str], ...] = ()
    until: datetime | None = None


def entries(case: Case) -> list[Entry]:
    """The newest first. Nothing internal is read."""
    found = [*_told(case), *_said(case), *_written(case), *_decided(case), *_appeals(case), *_changes(case), *_asked(case)]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:MOST]


def _told(case: Case) -> Iterator[Entry]:
    if case.ticketed_at:
        yield Entry(case.ticketed_at, "we", "opened this case and told you", "doc")
    rows = JournalEntry.objects.filter(case=case, kind="state", internal=False).order_by("at", "id")
    for row in rows[:MOST]:
        state = str(row.detail.get("state", ""))
        if state in TOLD and state not in {"TICKETED", "ACKNOWLEDGED"}:
            yield Entry(row.at, "", STATES[state][0], STATES[state][1])  # type: ignore[index]


def _said(case: Case) -> Iterator[Entry]:
    given = dict(ClockChange.objects.filter(case=case, change="extension").values_list("at", "new_due_at"))
    for row in Statement.objects.filter(case=case).order_by("-at", "-id")[:MOST]:
        parts = (("How it got there", row.cause), ("What was changed", row.fix), ("What keeps it out", row.prevention),
                 ("", row.text))  # fmt: skip
        who = row.author if row.contact_id else "you"  # noted at the desk: by whom, is the desk's to know
        yield Entry(row.at, who, SAID.get(row.kind, "wrote"), "user", tuple(part for part in parts if part[1]), row.promised_at)
        if row.answered_at and row.kind == "extension":
            granted = "gave more time" if row.answer == "granted" else "could not give more time"
            yield Entry(row.answered_at, "we", granted, "doc", until=given.get(row.answered_at))


def _written(case: Case) -> Iterator[Entry]:
    """What was sent to the customer; nothing that went to anybody else, nothing that waits."""
    rows: Any = OutboxMessage.objects.filter(reference=f"case:{case.pk}", audience="customer", state="sent")
    seen = set()
    for row in rows.order_by("-sent_at")[:MOST]:
        text = _without_links(row.body) if row.kind == "message" else ""
        key = (row.kind, row.subject, text or row.body)
        if key not in seen and row.kind != "link":
            seen.add(key)
            yield Entry(row.sent_at or row.created_at, "we", "wrote to you", "mail", ((row.subject, text),))


def _without_links(body: str) -> str:
    """A letter as every contact of the customer may read it: its link signs in whom it was written to, and nobody else."""
    return "\n\n".join(part for part in body.split("\n\n") if not LINK.search(part))


def _decided(case: Case) -> Iterator[Entry]:
    for row in Measure.objects.filter(case=case).exclude(state__in=("refused", "failed")).order_by("-decided_at")[:MOST]:
        if row.in_force_at:
            yield Entry(row.in_force_at, "we", "put a restriction in place", "bolt", until=row.expires_at)
        if row.lifted_at:
            yield Entry(row.lifted_at, "we", "lifted a restriction", "check")


def _appeals(case: Case) -> Iterator[Entry]:
    words = {"overturned": "decided on the appeal: you were right", "upheld": "decided on the appeal: the decision stands"}
    for row in Appeal.objects.filter(case=case).order_by("-at")[:MOST]:
        yield Entry(row.at, "you", "appealed", "scale", (("", row.grounds),))
        if row.decided_at and row.decision in words:
            yield Entry(row.decided_at, "we", words[row.decision], "scale", (("", row.reason),))
        elif row.decided_at:
            yield Entry(row.decided_at, "you", "withdrew the appeal", "scale")


def _changes(case: Case) -> Iterator[Entry]:
    for row in ClockChange.objects.filter(case=case).exclude(change="extension").order_by("-at")[:MOST]:
        yield Entry(row.at, "we", "changed the time", "doc", until=row.new_due_at)


def _asked(case: Case) -> Iterator[Entry]:
    for row in Cooperation.objects.filter(case=case).order_by("-at")[:MOST]:
        yield Entry(row.at, "we", "asked you for something", "doc", (("", row.text),), until=row.due_at)
        if row.answered_at:
            yield Entry(row.answered_at, "you", "answered what we asked", "user", (("", row.answer),))
