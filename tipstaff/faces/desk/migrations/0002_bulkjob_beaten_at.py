from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="bulkjob",
            name="beaten_at",
            field=models.DateTimeField(null=True),
        ),
    ]
