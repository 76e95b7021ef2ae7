"""What further reports brought to a case, as entries of its timeline.

Nothing is written for them but the case's reports with their counts (``CaseReport``): a daily feed refreshes thousands of
cases, and a line of words for each would only say the same once more.
"""

from itertools import groupby

from django.db import connection

from tipstaff.cases.models import Case, JournalEntry

KINDS = 3  # that are named


def told(case: Case, most: int) -> list[JournalEntry]:
    """The latest entries of a case's timeline, newest first: its journal, and the arrivals between."""
    written = list(JournalEntry.objects.filter(case=case).order_by("-at", "-id")[:most])
    known = {entry.at for entry in written if entry.kind == "events"}
    found = [entry for entry in arrivals(case, most) if entry.at not in known]
    return sorted([*written, *found], key=lambda entry: entry.at, reverse=True)[:most]


def arrivals(case: Case, most: int) -> list[JournalEntry]:
    """One unsaved entry for each batch that brought more after the opening, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT r.at, r.events, r.report_id, trim(p.format || ' ' || p.report_type) FROM cases_casereport r
               LEFT JOIN reports_report p ON p.id = r.report_id
               WHERE r.case_id = %s AND r.at > %s AND r.events > 0 ORDER BY r.report_id DESC LIMIT %s""",
            [case.pk, case.opened_at, most],
        )
        rows = sorted(
            cursor.fetchall(), key=lambda row: row[0], reverse=True
        )  # numbers, which the index has in order, grow with time
    found = []
    for at, group in groupby(rows, key=lambda row: row[0]):
        _, counts, reports, kinds = zip(*group, strict=True)
        named = ", ".join(sorted({kind for kind in kinds if kind})[:KINDS])
        text = f"{_counted(sum(counts), 'more event')} from {_counted(len(reports), 'report')}" + (f" ({named})" if named else "")
        found.append(JournalEntry(case=case, at=at, actor="system", kind="events", text=text, detail={"reports": sorted(reports)}))
    return found


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
