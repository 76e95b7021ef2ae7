"""What a hold reaches: a case with all that was merged with it and its clients' cases, a reseller with all clients, and the
evidence that speaks of them."""

from dataclasses import dataclass

from django.db import connection

_CASES = """
    WITH RECURSIVE held AS (
        SELECT c.id FROM cases_case c JOIN evidence_hold h ON h.released_at IS NULL AND h.scope = 'case:' || c.id
        UNION
        SELECT n.id FROM held JOIN cases_case c ON c.id = held.id JOIN cases_case n
            ON n.id = c.merged_into_id OR n.merged_into_id = c.id OR n.parent_id = c.id)
    SELECT id FROM held
"""
_CUSTOMERS = """
    WITH RECURSIVE held AS (
        SELECT c.id FROM accounts_customer c JOIN evidence_hold h ON h.released_at IS NULL AND h.scope = 'customer:' || c.id
        UNION SELECT c.id FROM held JOIN accounts_customer c ON c.parent_id = held.id)
    SELECT id FROM held
"""
_BLOBS = """
    SELECT DISTINCT s.blob_id FROM reports_report p JOIN intake_submission s ON s.id = p.submission_id
    WHERE p.id IN (SELECT r.report_id FROM cases_casereport r JOIN cases_case c ON c.id = r.case_id
                   WHERE c.id = ANY(%s) OR c.customer_id = ANY(%s))
       OR EXISTS (SELECT FROM evidence_hold h WHERE h.released_at IS NULL AND h.scope = 'report:' || p.id)
"""


@dataclass(frozen=True)
class Held:
    """Ids that nothing may erase at present."""

    cases: list[int]
    customers: list[int]
    blobs: list[int]


def in_force() -> Held:
    """All that the standing holds reach. 'all' and single blobs are known to the evidence layer itself."""
    with connection.cursor() as cursor:
        cursor.execute(_CASES)
        cases = [row[0] for row in cursor.fetchall()]
        cursor.execute(_CUSTOMERS)
        customers = [row[0] for row in cursor.fetchall()]
        cursor.execute(_BLOBS, [cases, customers])
        return Held(cases, customers, [row[0] for row in cursor.fetchall()])
