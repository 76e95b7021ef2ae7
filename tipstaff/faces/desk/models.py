"""What belongs to the desk's own comfort: views, bulk jobs, drafts."""

from django.conf import settings
from django.db import models


class SavedView(models.Model):
    name = models.TextField()
    screen = models.TextField(default="queue")
    query = models.TextField()  # the query string of the page
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="views")
    shared = models.BooleanField(default=False)
    position = models.IntegerField(default=0)


class BulkJob(models.Model):
    """An action on many rows, done by a worker, with an error per row."""

    action = models.TextField()
    parameters = models.JSONField(default=dict)
    subjects = models.JSONField(default=list)  # ids
    by = models.TextField()
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    done = models.IntegerField(default=0)
    errors = models.JSONField(default=dict)  # id → what was wrong; with ``done`` it says how many of the rows are handled
    beaten_at = models.DateTimeField(null=True)  # its worker's last sign of life


class Draft(models.Model):
    """What somebody is writing on a case; kept per person, shown to others as 'Alice is writing'."""

    case_id = models.BigIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    audience = models.TextField(default="internal")
    text = models.TextField(default="")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case_id", "author", "audience"], name="draft_once")]
