"""What ``tipstaff run flows`` does: reception and detection; beside it, what the desk has blocked is told to the detectors."""

import json
import logging
import threading
from pathlib import Path

from django.conf import settings
from django.db import Error, close_old_connections, connection

from tipstaff.enforcement import leaks
from tipstaff.sensors.traffic import receiver, worker

log = logging.getLogger(__name__)
STEP = 5.0  # seconds


def run(stop: threading.Event) -> None:
    """Both until ``stop``. A database that is away leaves what was told last."""
    if settings.FLOWS["listen"]:
        own_folder()
    beside = threading.Thread(target=_tell, args=(stop,), name="blocked", daemon=True)
    beside.start()
    worker.run(stop)
    beside.join(timeout=5)


def own_folder() -> Path:
    """The folder of flows, closed to other accounts: it says who talked to whom, and under root the state can be passed through."""
    folder: Path = settings.STATE / "flows"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def _tell(stop: threading.Event) -> None:
    if not settings.FLOWS["listen"]:
        return
    told = ""
    while not stop.is_set():
        try:
            close_old_connections()
            told = tell_blocked(told)
        except Error as error:
            log.warning("what is blocked is not known, the detectors go on with what they have: %s", error)
            connection.close()
        except OSError as error:
            log.warning("what is blocked cannot be written: %s", error)
        stop.wait(STEP)
    connection.close()


def tell_blocked(told: str) -> str:
    """Write ``blocked.json`` where it has changed; what is written now."""
    text = json.dumps({"blocked": leaks.watched()})
    if text != told:
        receiver.write_whole(own_folder() / "blocked.json", text)
    return text
