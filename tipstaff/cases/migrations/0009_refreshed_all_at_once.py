"""A daily feed refreshes nearly every open case in one stroke: leave room for all of a page's cases at once, so that no refresh
touches an index, and look up no case of which the writer holds the lock anyway."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("cases", "0008_not_served_again")]
    operations = [
        migrations.RunSQL("ALTER TABLE cases_case SET (fillfactor = 50)", "ALTER TABLE cases_case SET (fillfactor = 75)"),
        migrations.AlterField(
            model_name="casereport",
            name="case",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="case_reports",
                to="cases.case",
            ),
        ),
    ]
