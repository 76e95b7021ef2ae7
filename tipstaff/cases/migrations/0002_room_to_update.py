"""Cases are refreshed far more often than they are made: leave room on each page, so that a refresh touches no index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cases", "0001_initial")]
    operations = [
        migrations.RunSQL("ALTER TABLE cases_case SET (fillfactor = 75)", "ALTER TABLE cases_case RESET (fillfactor)"),
    ]
