"""Which reports a person wrote who can be answered; and that a lead left it at what was wrong in a reporter's reports."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0010_indexes_of_new_partitions")]
    operations = [
        migrations.AddField("report", "answerable", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("reporter", "spared_at", models.DateTimeField(null=True)),
    ]
