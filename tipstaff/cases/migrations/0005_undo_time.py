"""What somebody may still undo waits before it is told; an approval says when it was carried out."""

from datetime import UTC, datetime

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0004_delete_casefeed")]
    operations = [
        migrations.AddField("approval", "executed_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "notice", "not_before", models.DateTimeField(default=datetime(2026, 1, 1, tzinfo=UTC)), preserve_default=False
        ),
        migrations.AlterField(
            "clock",
            "case",
            models.ForeignKey(
                db_constraint=False, on_delete=django.db.models.deletion.PROTECT, related_name="clocks", to="cases.case"
            ),
        ),
    ]
