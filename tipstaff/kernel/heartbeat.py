"""The sign of life of each running part."""

import os
import socket
from datetime import datetime

from tipstaff.kernel.models import Heartbeat


def beat(*, name: str, line: str, now: datetime, started_at: datetime, **figures: float) -> None:
    """Say that this process lives, in one line."""
    Heartbeat.objects.update_or_create(
        name=name,
        host=socket.gethostname(),
        pid=os.getpid(),
        defaults={"at": now, "started_at": started_at, "line": line, "figures": figures},
    )
