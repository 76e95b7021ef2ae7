"""Reading a submission again: what the new reading no longer says is taken back, everything else stays as it is.

The same reading of the same bytes changes nothing, because events are known by their identity.
"""

from datetime import datetime

import orjson
import polars as pl
from django.db import connection

from tipstaff.cases.rearranging import recount
from tipstaff.kernel import bulk
from tipstaff.pipeline.filing import Numbers


def withdraw(numbers: Numbers, table: pl.DataFrame, now: datetime) -> int:
    """Remove the stored events of repeated reports that ``table`` (with ``key``) no longer has. Returns how many.

    Events that a person placed in a case by hand stay: a machine does not overrule them.
    """
    reports = [*numbers.again, *numbers.withdrawn]
    if not reports:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM reports_event WHERE report_id = ANY(%s) AND key <> ALL(%s::uuid[]) AND report_type <> 'by-hand'
                 AND NOT EXISTS (SELECT FROM cases_movedevent m WHERE m.event_key = reports_event.key)
               RETURNING case_id""",
            [reports, bulk.array_of(table["key"])],
        )
        gone = [row[0] for row in cursor.fetchall()]
        cases = sorted({case for case in gone if case is not None})
        for case in cases:
            count = gone.count(case)
            cursor.execute(
                """INSERT INTO cases_journalentry (case_id, at, actor, kind, text, detail, internal)
                   VALUES (%s, %s, 'system', 'events', %s, %s, true)""",
                [
                    case,
                    now,
                    f"{count} events taken back: a report was read again and no longer says them",
                    orjson.dumps({"reports": reports}).decode(),
                ],
            )
    if cases:
        recount(cases)
    return len(gone)
