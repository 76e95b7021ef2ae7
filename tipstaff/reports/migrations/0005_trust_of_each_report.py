"""What a report was worth when it came is kept with it: corrections long after must not lend it somebody else's trust."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0004_provisional_index")]
    operations = [
        migrations.AddField("report", "trust", models.SmallIntegerField(default=0, db_default=0)),
        migrations.AddField("report", "experimental", models.BooleanField(default=False, db_default=False)),
    ]
