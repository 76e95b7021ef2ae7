"""The other desk's decisions, from a spreadsheet with guessed columns. Pure: every bad row is named, with line and column."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from ipaddress import ip_address

from tipstaff.accounts.importing import cells
from tipstaff.accounts.importing.cells import CellError
from tipstaff.accounts.importing.columns import plain
from tipstaff.accounts.importing.tables import decoded, delimiter, numbered
from tipstaff.kernel.errors import Problem
from tipstaff.policy.categories import CATEGORIES, FROM_RSIT, FROM_XARF, from_rsit

LONGEST = 500  # characters of one cell that are kept

#: meaning → headings, as they are compared (``columns.plain``).
HEADINGS: Mapping[str, str] = {
    "reference": "reference ref ticket ticketid ticketno ticketnumber case caseid casenumber number id vorgang vorgangsnummer",
    "message_id": "messageid mailid emailid headermessageid",
    "external_id": "externalid reportid reportersreference theirreference foreignid incidentid reporterid",
    "address": "address ip ipaddress sourceip srcip accused host adresse ipadresse",
    "received_at": "receivedat received receivedon time timestamp date at created createdat opened openedat reportedat eingang",
    "customer": "customer customerid customernumber client clientid account accountid kunde kundennummer tenant contract",
    "category": "category type kind abusetype class classification kategorie art",
    "decision": "decision action outcome result resolution status state verdict entscheidung massnahme",
    "decided_at": "decidedat decided closed closedat actionat resolvedat entschieden",
    "subject": "subject title betreff",
}
_MEANING = {word: meaning for meaning, words in HEADINGS.items() for word in (plain(meaning), *words.split())}

#: What a decision comes to, and the words by which other desks call it (as ``columns.plain``).
#: A word that other desks use for several things ("closed", "open") stands for none: the operator says what it means.
OUTCOMES: Mapping[str, str] = {
    "no_action": "noaction rejected invalid falsepositive dismissed ignored duplicate notours unfounded compliant declined wontfix "
    "unjustified abgelehnt keinemassnahme unbegruendet",
    "told": "told notified forwarded warned warning ticketed informed customernotified customerinformed acknowledged "
    "weitergeleitet verwarnt informiert",
    "restricted": "restricted suspended disconnected blocked nullrouted blackholed quarantined walledgarden parked gesperrt "
    "blockiert",
    "terminated": "terminated contractended gekuendigt",
    "resolved": "resolved fixed solved cleaned cleanedup erledigt behoben geloest",
    "person": "pending review escalated undecided onhold zurpruefung",
}
_OUTCOME = {word: outcome for outcome, words in OUTCOMES.items() for word in (plain(outcome), *words.split())}
_CATEGORY = {
    **{plain(code): code for code in CATEGORIES},
    **{plain(kind.title): kind.code for kind in CATEGORIES.values()},
    **{plain(name): code for name, code in FROM_XARF.items()},
    **{plain(name.partition("/")[2]): code for name, code in FROM_XARF.items()},
    **{plain(name): code for name, code in FROM_RSIT.items()},
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One row. ``code`` and ``outcome`` are ours, empty where the word means nothing to us."""

    reference: str
    line: int
    message_id: str = ""
    external_id: str = ""
    address: str = ""
    received_at: datetime | None = None
    customer: str = ""
    category: str = ""
    code: str = ""
    decision: str = ""
    outcome: str = ""
    decided_at: datetime | None = None
    subject: str = ""


@dataclass
class Reading:
    """What a file says: rows, what each column was taken for, words that mean nothing to us, and every problem."""

    rows: list[Decision] = field(default_factory=list)
    columns: dict[str, str | None] = field(default_factory=dict)
    unknown: dict[str, dict[str, int]] = field(default_factory=lambda: {"category": {}, "decision": {}})
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Options:
    """``categories`` and ``decisions``: the other desk's word → ours, beside what is guessed. ``dates``: dmy or mdy."""

    zone: tzinfo
    dates: str | None = None
    categories: Mapping[str, str] = field(default_factory=dict)
    decisions: Mapping[str, str] = field(default_factory=dict)


def read(name: str, content: bytes, options: Options) -> Reading:
    """The whole file; nothing is dropped silently."""
    reading = Reading()
    text = decoded(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter(text), skipinitialspace=True)
    try:
        rows = list(numbered(lines))
    except csv.Error as error:
        where = f"{name} line {lines.line_num}"
        reading.problems.append(Problem(where, f"cannot be split into columns: {error}", "check the quotes"))
        return reading
    advice = "the first line names the columns: reference; message_id, external_id or address; received_at; customer; category; "
    advice += "decision; decided_at"
    if not rows:
        reading.problems.append(Problem(name, "is empty", advice))
        return reading
    heading = [cell.strip() for cell in rows[0][1]]
    meanings = _meanings(heading)
    reading.columns = dict(zip(heading, meanings, strict=True))
    if "reference" not in meanings or not {"message_id", "external_id", "address"} & set(meanings):
        where = f"{name} line {rows[0][0]}"
        reading.problems.append(Problem(where, f"no reference, or nothing to match by, among {', '.join(heading)!r}", advice))
        return reading
    _Table(name, heading, meanings, options, reading).read(rows[1:])
    return reading


def _meanings(heading: list[str]) -> list[str | None]:
    """A heading of that very meaning goes before a guessed one; no meaning twice."""
    exact = {plain(meaning): meaning for meaning in HEADINGS}
    found: list[str | None] = [exact.get(plain(one)) for one in heading]
    for place, one in enumerate(heading):
        if found[place] is None and (guess := _MEANING.get(plain(one))) not in found:
            found[place] = guess
    return [meaning if meaning not in found[:place] else None for place, meaning in enumerate(found)]


class _Table:
    """One file whose columns are known."""

    def __init__(self, name: str, heading: list[str], meanings: list[str | None], options: Options, reading: Reading) -> None:
        self.name, self.heading, self.meanings, self.options, self.reading = name, heading, meanings, options, reading
        self.seen: dict[str, int] = {}
        self.orders: dict[str, str | None] = {}

    def read(self, rows: list[tuple[int, list[str]]]) -> None:
        for place, meaning in enumerate(self.meanings):
            if meaning in ("received_at", "decided_at"):
                written = (row[place] for _, row in rows if place < len(row))
                self.orders[meaning] = self.options.dates or cells.order_of_dates(written)
        for line, row in rows:
            if len(row) > len(self.heading) and any(cell.strip() for cell in row[len(self.heading) :]):
                text = f"has {len(row)} columns, the heading {len(self.heading)}"
                self.reading.problems.append(
                    Problem(f"{self.name} line {line}", text, "put cells that hold the delimiter in quotes")
                )
                continue
            cell = {meaning: text.strip()[:LONGEST] for meaning, text in zip(self.meanings, row, strict=False) if meaning}
            before = len(self.reading.problems)
            found = self._row(line, cell)
            if len(self.reading.problems) == before:
                self.reading.rows.append(found)

    def problem(self, line: int, meaning: str, what: str, advice: str) -> None:
        column = self.heading[self.meanings.index(meaning)] if meaning in self.meanings else meaning
        self.reading.problems.append(Problem(f"{self.name} line {line}, column {column!r}", what, advice))

    def _row(self, line: int, cell: dict[str, str]) -> Decision:
        reference = cell.get("reference", "")
        if not reference:
            self.problem(line, "reference", "is empty", "give the other desk's own number")
        elif (first := self.seen.setdefault(reference, line)) != line:
            self.problem(line, "reference", f"{reference!r} stands on line {first} already", "one row for each decision")
        received, decided = self._moment(line, cell, "received_at"), self._moment(line, cell, "decided_at")
        bad_time = any(cell.get(name) for name in ("received_at", "decided_at"))
        if received is None and decided is None and not bad_time:
            self.problem(line, "received_at", "neither a time of receipt nor one of the decision", "give one of them")
        message_id = cell.get("message_id", "").strip("<>")
        address = self._address(line, cell.get("address", ""))
        if not (message_id or cell.get("external_id") or cell.get("address")):
            self.problem(line, "address", "nothing to match by", "give a Message-ID, the reporter's own number, or an address")
        category, decision = cell.get("category", ""), cell.get("decision", "")
        return Decision(
            reference=reference, line=line, message_id=message_id, external_id=cell.get("external_id", ""), address=address,
            received_at=received, customer=cell.get("customer", ""), category=category, code=self._code(category),
            decision=decision, outcome=self._outcome(decision), decided_at=decided, subject=cell.get("subject", ""),
        )  # fmt: skip

    def _moment(self, line: int, cell: dict[str, str], meaning: str) -> datetime | None:
        try:
            return cells.moment(cell.get(meaning, ""), self.orders.get(meaning), self.options.zone)
        except CellError as error:
            self.problem(line, meaning, error.what, error.advice)
            return None

    def _address(self, line: int, text: str) -> str:
        if not text:
            return ""
        try:
            return str(ip_address(text.strip("[]")))
        except ValueError:
            self.problem(line, "address", f"{text!r} is no address", "write one IPv4 or IPv6 address")
            return ""

    def _code(self, word: str) -> str:
        found = self.options.categories.get(word) or _CATEGORY.get(plain(word)) or from_rsit(word) or ""
        return self._known("category", word, found)

    def _outcome(self, word: str) -> str:
        return self._known("decision", word, self.options.decisions.get(word) or _OUTCOME.get(plain(word), ""))

    def _known(self, what: str, word: str, found: str) -> str:
        if word and not found:
            self.reading.unknown[what][word] = self.reading.unknown[what].get(word, 0) + 1
        return found
