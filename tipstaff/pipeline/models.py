"""What the pipeline keeps about its own work."""

from django.db import models


class Mark(models.Model):
    """How far a recurring job has come."""

    name = models.TextField(primary_key=True)
    at = models.DateTimeField()
