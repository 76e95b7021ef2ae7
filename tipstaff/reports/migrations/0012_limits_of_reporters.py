"""Until when a reporter's reports count with little trust, and since when."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0011_reporters_told")]
    operations = [
        migrations.AddField("reporter", "limited_at", models.DateTimeField(null=True)),
        migrations.AddField("reporter", "limited_until", models.DateTimeField(null=True)),
    ]
