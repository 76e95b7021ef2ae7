"""Which delivery of a feed last had a case's finding follows from the case's reports; nothing else is kept of it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("cases", "0003_resolution")]
    operations = [migrations.DeleteModel(name="CaseFeed")]
