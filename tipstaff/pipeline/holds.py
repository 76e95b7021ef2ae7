"""What a hold reaches: a case with all that was merged with it and its clients' cases, a reseller with all clients, and the
evidence that speaks of them."""

from collections.abc import Sequence
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
    WHERE (p.id IN (SELECT r.report_id FROM cases_casereport r JOIN cases_case c ON c.id = r.case_id
                    WHERE c.id = ANY(%(cases)s) OR c.customer_id = ANY(%(customers)s))
       OR EXISTS (SELECT FROM evidence_hold h WHERE h.released_at IS NULL AND h.scope = 'report:' || p.id))
      AND (%(among)s::bigint[] IS NULL OR s.blob_id = ANY(%(among)s::bigint[]))
"""


@dataclass(frozen=True)
class Held:
    """Ids that nothing may erase at present."""

    cases: list[int]
    customers: list[int]


def in_force() -> Held:
    """The cases and customers that the standing holds reach. 'all' and single blobs are known to the evidence layer itself."""
    with connection.cursor() as cursor:
        cursor.execute(_CASES)
        cases = [row[0] for row in cursor.fetchall()]
        cursor.execute(_CUSTOMERS)
        return Held(cases, [row[0] for row in cursor.fetchall()])


def blobs(among: Sequence[int] | None) -> set[int]:
    """The evidence that holds on cases, customers and reports reach; of these pieces only, where they are named."""
    reached = in_force()
    asked = {"cases": reached.cases, "customers": reached.customers, "among": None if among is None else list(among)}
    with connection.cursor() as cursor:
        cursor.execute(_BLOBS, asked)
        return {row[0] for row in cursor.fetchall()}
