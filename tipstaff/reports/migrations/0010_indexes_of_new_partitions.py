"""Partitions made since 0009 lack the indexes that 0004 added: make them, and again in every partition to come."""

from importlib import import_module

from django.db import migrations

LINE, MORE = (getattr(import_module("tipstaff.reports.migrations.0004_provisional_index"), name) for name in ("LINE", "MORE"))
BEFORE = import_module("tipstaff.reports.migrations.0009_hosts_of_events").ENSURE
assert LINE in BEFORE

EXISTING = """
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'reports_event'::regclass
    LOOP
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (received_at) WHERE provisional', part || '_provisional', part);
        EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (received_at) WHERE action = 4', part || '_held', part);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("reports", "0009_hosts_of_events")]
    operations = [
        migrations.RunSQL(BEFORE.replace(LINE, LINE + MORE), BEFORE),
        migrations.RunSQL(EXISTING, migrations.RunSQL.noop),
    ]
