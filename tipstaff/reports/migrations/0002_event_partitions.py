"""The event table, partitioned by month received, and the only two ways to make and to drop a partition."""

from django.db import migrations

TABLE = """
CREATE TABLE reports_event (
    key uuid NOT NULL,
    received_at timestamptz NOT NULL,
    case_id bigint,
    report_id bigint NOT NULL,
    "row" integer,
    occurred_at timestamptz,
    earliest timestamptz,
    latest timestamptz,
    time_as_written text,
    ip inet,
    port integer,
    domain text,
    url text,
    category text NOT NULL,
    report_type text NOT NULL,
    count integer NOT NULL DEFAULT 1,
    customer_id integer,
    service_id integer,
    assignment_id bigint,
    attribution smallint NOT NULL,
    provisional boolean NOT NULL DEFAULT false,
    action smallint NOT NULL DEFAULT 0,
    details jsonb
) PARTITION BY RANGE (received_at)
"""

# Uniqueness of the key holds inside a partition by index; across partitions the single writer looks before it writes.
# The functions run with the owner's rights, because the application may not create or drop tables.
ENSURE = r"""
CREATE FUNCTION reports_ensure_partition(at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month timestamptz := date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    part text := 'reports_event_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN part;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('reports_ensure_partition'));
    IF to_regclass(part) IS NOT NULL THEN
        RETURN part;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF reports_event FOR VALUES FROM (%L) TO (%L)', part, month,
                   (date_trunc('month', (month AT TIME ZONE 'UTC')) + interval '1 month') AT TIME ZONE 'UTC');
    EXECUTE format('CREATE UNIQUE INDEX %I ON %I (key)', part || '_key', part);
    EXECUTE format('CREATE INDEX %I ON %I (case_id) WHERE case_id IS NOT NULL', part || '_case', part);
    EXECUTE format('CREATE INDEX %I ON %I (ip)', part || '_ip', part);
    EXECUTE format('CREATE INDEX %I ON %I USING brin (report_id) WITH (pages_per_range = 16)', part || '_report', part);
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tipstaff_app') THEN
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO tipstaff_app', part);
    END IF;
    RETURN part;
END $$
"""

# Events of held cases, customers or reports survive the expiry of their month; 'all' keeps everything.
EXPIRE = r"""
CREATE FUNCTION reports_expire_partition(part text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    kept bigint;
    held text := $q$
        EXISTS (SELECT FROM evidence_hold h WHERE h.released_at IS NULL AND (
            h.scope = 'all' OR h.scope = 'case:' || e.case_id OR h.scope = 'customer:' || e.customer_id
            OR h.scope = 'report:' || e.report_id))$q$;
BEGIN
    IF part !~ '^reports_event_[0-9]{4}_[0-9]{2}$' OR to_regclass(part) IS NULL THEN
        RAISE EXCEPTION '% is no partition of reports_event', part;
    END IF;
    EXECUTE format('SELECT count(*) FROM %I e WHERE %s', part, held) INTO kept;
    IF kept = 0 THEN
        EXECUTE format('DROP TABLE %I', part);
    ELSE
        EXECUTE format('DELETE FROM %I e WHERE NOT (%s)', part, held);
    END IF;
    RETURN kept;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial"), ("evidence", "0001_initial")]
    operations = [
        migrations.RunSQL(TABLE, "DROP TABLE reports_event"),
        migrations.RunSQL(ENSURE, "DROP FUNCTION reports_ensure_partition(timestamptz)"),
        migrations.RunSQL(EXPIRE, "DROP FUNCTION reports_expire_partition(text)"),
    ]
