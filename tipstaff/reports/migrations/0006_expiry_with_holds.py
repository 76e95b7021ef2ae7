"""Expiry that is told which cases and customers a hold reaches: merged cases, clients' cases, a reseller's clients.

The function itself keeps what the hold rows name; the caller can only add to that. No temporary table of the caller's can
stand in for the hold table, and no hold can be placed between the look and the drop.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("tipstaff.reports.migrations.0002_event_partitions").EXPIRE

EXPIRE = r"""
CREATE FUNCTION reports_expire_partition(part text, cases bigint[], customers bigint[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    kept bigint;
    held text := $q$(e.case_id = ANY($1) OR e.customer_id = ANY($2) OR
        EXISTS (SELECT FROM evidence_hold h WHERE h.released_at IS NULL AND (
            h.scope = 'all' OR h.scope = 'case:' || e.case_id OR h.scope = 'customer:' || e.customer_id
            OR h.scope = 'report:' || e.report_id))) IS TRUE$q$;
BEGIN
    IF part !~ '^reports_event_[0-9]{4}_[0-9]{2}$' OR NOT EXISTS (
        SELECT FROM pg_inherits WHERE inhparent = 'reports_event'::regclass AND inhrelid = to_regclass(part)) THEN
        RAISE EXCEPTION '% is no partition of reports_event', part;
    END IF;
    LOCK TABLE evidence_hold IN SHARE MODE;
    EXECUTE format('SELECT count(*) FROM %I e WHERE %s', part, held) INTO kept USING cases, customers;
    IF kept = 0 THEN
        EXECUTE format('DROP TABLE %I', part);
    ELSE
        EXECUTE format('DELETE FROM %I e WHERE NOT (%s)', part, held) USING cases, customers;
    END IF;
    RETURN kept;
END $$
"""
SAFE_PATH = "ALTER FUNCTION reports_ensure_partition(timestamptz) SET search_path = public, pg_temp"


class Migration(migrations.Migration):
    dependencies = [("reports", "0005_trust_of_each_report")]
    operations = [
        migrations.RunSQL("DROP FUNCTION reports_expire_partition(text)", BEFORE),
        migrations.RunSQL(EXPIRE, "DROP FUNCTION reports_expire_partition(text, bigint[], bigint[])"),
        migrations.RunSQL(SAFE_PATH, migrations.RunSQL.noop),
    ]
