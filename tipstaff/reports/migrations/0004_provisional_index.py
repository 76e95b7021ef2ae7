"""Provisional events are looked at again when their source speaks, held ones when somebody releases them: find both without a scan."""

from importlib import import_module

from django.db import migrations

before = import_module("tipstaff.reports.migrations.0002_event_partitions").ENSURE
LINE = "    EXECUTE format('CREATE INDEX %I ON %I (ip)', part || '_ip', part);\n"
assert LINE in before
MORE = (
    "    EXECUTE format('CREATE INDEX %I ON %I (received_at) WHERE provisional', part || '_provisional', part);\n"
    "    EXECUTE format('CREATE INDEX %I ON %I (received_at) WHERE action = 4', part || '_held', part);\n"
)


class Migration(migrations.Migration):
    dependencies = [("reports", "0003_tally")]
    operations = [
        migrations.RunSQL(
            before.replace(LINE, LINE + MORE).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
            before.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
        ),
    ]
