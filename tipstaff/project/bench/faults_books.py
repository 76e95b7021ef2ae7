"""The books after the faults: what was taken against what became of it, everything once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from tipstaff.project.bench.faults_load import FIRST, Fact, Sender, Smarthost, expected


def _ask(query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query, list(values))
        return cursor.fetchall()


def _count(query: str, values: Iterable[Any] = ()) -> int:
    return int(_ask(f"SELECT count(*) FROM ({query}) AS found", values)[0][0])  # noqa: S608 - our own words only


#: What is still under way, as rows: nothing of it is left when all is quiet.
WAITING = {
    "submissions": "SELECT FROM intake_submission WHERE state = 'received'",
    "clocks": "SELECT FROM cases_clock WHERE fired_at IS NULL AND cancelled_at IS NULL AND pause_id IS NULL AND due_at <= now()",
    "notices": "SELECT FROM cases_notice WHERE rendered_at IS NULL AND refused = '' AND not_before <= now() + interval '1 minute'",
    "messages": """SELECT FROM correspondence_outboxmessage
                   WHERE state = 'sending' OR (state = 'waiting' AND not_before <= now() + interval '10 minutes')""",
    "seals": "SELECT FROM audit_entry e WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.entry_id = e.id)",
}


def waiting(state: Path, folder: Path) -> dict[str, int]:
    """How much of each kind is still under way."""
    files = {"spool": len(list((state / "spool").glob("*.msg"))), "folder": sum(one.is_file() for one in folder.iterdir())}
    return files | {name: _count(query) for name, query in WAITING.items()}


@dataclass
class Books:
    """What the senders were told and what the smarthost got, to be compared with the tables."""

    senders: list[Sender]
    smarthost: Smarthost
    base: datetime

    def lost(self) -> dict[str, int]:
        """Accepted and without a result."""
        there = _events()
        taken = {one.name: expected(one.name, one.poured.taken, self.base) for one in self.senders}
        gone = {f"{name}_events": sum(fact not in there for fact in facts) for name, facts in taken.items()}
        sent = "SELECT message_id FROM correspondence_outboxmessage WHERE state = 'sent' AND message_id <> ''"
        return gone | {
            "unread": _count("SELECT FROM intake_submission WHERE state IN ('received', 'failed')"),
            "receipts_without_submission": _count(
                """SELECT FROM api_receipt r WHERE r.key = ANY(%s)
                   AND NOT EXISTS (SELECT FROM intake_submission s WHERE s.id = r.submission)""",
                [[f"fault-{number}" for one in self.senders if one.name == "api" for number in one.poured.taken]],
            ),
            "parsed_without_report": _count(
                """SELECT FROM intake_submission s WHERE s.state = 'parsed'
                   AND NOT EXISTS (SELECT FROM reports_report r WHERE r.submission_id = s.id)"""
            ),
            "reports_short_of_events": _count(
                """SELECT FROM reports_report r WHERE r.events <> (SELECT count(*) FROM reports_event e WHERE e.report_id = r.id)"""
            ),
            "tickets_without_notice": _count(
                """SELECT FROM cases_case c WHERE c.ticketed_at IS NOT NULL AND c.opened_by = 'system' AND c.reports > 0
                   AND EXISTS (SELECT FROM cases_casereport r WHERE r.case_id = c.id)
                   AND NOT EXISTS (SELECT FROM cases_notice n WHERE n.case_id = c.id AND n.kind = 'opened')"""
            ),
            "messages_sent_and_not_arrived": len({row[0] for row in _ask(sent)} - set(self.smarthost.received)),
        }

    def doubled(self) -> dict[str, int]:
        """There more often than once."""
        there, arrived = _events(), Counter(self.smarthost.received)
        known = {fact for one in self.senders for fact in expected(one.name, {*one.poured.taken, *one.poured.open}, self.base)}
        return {
            "events": sum(many - 1 for many in there.values()),
            "events_from_nowhere": len(there.keys() - known),
            "reports": _count("SELECT FROM reports_report GROUP BY submission_id, ordinal HAVING count(*) > 1"),
            "submissions": _count(
                """SELECT FROM intake_submission s JOIN intake_source o ON o.id = s.source_id WHERE o.kind IN ('files', 'api')
                   GROUP BY s.filename, s.blob_id HAVING count(*) > 1"""
            ),
            "cases": _count("SELECT FROM cases_case WHERE accepting GROUP BY group_key HAVING count(*) > 1"),
            "case_counts": _count(
                """SELECT FROM cases_case c JOIN (SELECT case_id, count(*) AS many FROM reports_event WHERE case_id IS NOT NULL
                   GROUP BY 1) AS e ON e.case_id = c.id WHERE c.events <> e.many"""
            ),
            "openings": _count("SELECT FROM cases_journalentry WHERE kind = 'opened' GROUP BY case_id HAVING count(*) > 1"),
            "tallies": abs(
                int(_ask("SELECT coalesce(sum(events), 0) FROM reports_tally")[0][0])
                - _count("SELECT FROM reports_event WHERE customer_id IS NOT NULL")
            ),
            "notices": _count(
                """SELECT FROM cases_notice WHERE kind <> 'alert' GROUP BY case_id, kind, audience, detail, created_at
                   HAVING count(*) > 1"""
            ),
            "opening_notices": _count(
                "SELECT FROM cases_notice WHERE kind = 'opened' GROUP BY case_id, audience HAVING count(*) > 1"
            ),
            "messages": sum(many - 1 for many in arrived.values()),
            "clocks_fired": _count(f"{_FIRED} HAVING count(*) > 1"),
        }

    def missed(self, cases: list[int]) -> dict[str, int]:
        """Deadlines that came and were not kept."""
        late = "fired_at IS NULL AND cancelled_at IS NULL AND pause_id IS NULL AND due_at <= now()"
        return {
            "due_and_not_fired": _count(f"SELECT FROM cases_clock WHERE {late}"),
            "of_the_load": len(cases)
            - _count("SELECT DISTINCT case_id FROM cases_clock WHERE case_id = ANY(%s) AND fired_at IS NOT NULL", [cases]),
            "fired_without_a_word": _count(
                """SELECT FROM cases_clock k WHERE k.fired_at IS NOT NULL AND NOT EXISTS (SELECT FROM cases_journalentry j
                   WHERE j.case_id = k.case_id AND j.detail ->> 'clock' = k.kind AND j.at = k.fired_at)"""
            ),
            "given_to_a_person": _count("SELECT FROM cases_clock WHERE fired_at IS NOT NULL AND note <> ''"),
        }


_FIRED = """SELECT FROM cases_journalentry WHERE detail ? 'clock' AND detail ? 'due_at'
            GROUP BY case_id, detail ->> 'clock', detail ->> 'due_at'"""


def _events() -> Counter[Fact]:
    """Events of the load by address and moment, as they are stored."""
    rows = _ask("SELECT host(ip), occurred_at FROM reports_event WHERE ip <<= %s::inet", [f"{IPv4Address(FIRST)}/16"])
    return Counter((ip, moment) for ip, moment in rows)


def lateness() -> float:
    """Seconds by which the latest clock was fired after its time."""
    found = _ask("SELECT coalesce(max(extract(epoch FROM fired_at - due_at)), 0) FROM cases_clock WHERE fired_at IS NOT NULL")
    return round(float(found[0][0]), 1)
