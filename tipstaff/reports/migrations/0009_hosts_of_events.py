"""Events by the host they name: one index on reversed names in each partition, so that a host and all below it lie together.

Rows of a feed that name addresses only are not in it, and cost nothing. The host is the domain, or else the URL's.
"""

from importlib import import_module

from django.db import migrations

BEFORE = import_module("tipstaff.reports.migrations.0002_event_partitions").ENSURE

URL_HOST = "substring(url from '^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#:@]+)')"
HOST = f"""(reverse(lower(coalesce(domain, {URL_HOST}))) COLLATE "C")"""
NAMES_ONE = "domain IS NOT NULL OR url IS NOT NULL"

# %I in format(): the rest of the statement has no other percent sign.
ENSURE = (
    BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    .replace("SET search_path FROM CURRENT", "SET search_path = public, pg_temp")
    .replace(
        "    IF EXISTS (SELECT FROM pg_roles",
        f"    EXECUTE format($q$CREATE INDEX %I ON %I ({HOST}) WHERE {NAMES_ONE}$q$, part || '_host', part);\n"
        "    IF EXISTS (SELECT FROM pg_roles",
    )
)

EXISTING = f"""
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'reports_event'::regclass
    LOOP
        EXECUTE format($q$CREATE INDEX IF NOT EXISTS %I ON %I ({HOST}) WHERE {NAMES_ONE}$q$, part || '_host', part);
    END LOOP;
END $$
"""
DROP = """
DO $$
DECLARE
    part text;
BEGIN
    FOR part IN SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'reports_event'::regclass
    LOOP
        EXECUTE format('DROP INDEX IF EXISTS %I', part || '_host');
    END LOOP;
END $$
"""
UNDO = BEFORE.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace(
    "SET search_path FROM CURRENT", "SET search_path = public, pg_temp"
)


class Migration(migrations.Migration):
    dependencies = [("reports", "0008_room_to_count")]
    operations = [
        migrations.RunSQL(ENSURE, UNDO),
        migrations.RunSQL(EXISTING, DROP),
    ]
