"""The loop that receives: mail listeners, mailboxes, pulls and drop folders, each in a thread of its own.

The listeners need no database, so they accept into the spool while it is away; the others wait for it.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from tipstaff.attribution import elsewhere
from tipstaff.intake import queries
from tipstaff.intake.models import Source
from tipstaff.intake.sources import files, imap, imap_reading, pulls, registries, services, smtp
from tipstaff.intake.sources.imap_login import LOST
from tipstaff.intake.spool import Spool
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import TipstaffError

log = logging.getLogger(__name__)
LOOK = 15.0  # seconds between looks at which sources there are
BEAT = 5.0
FOLDER_STEP, PULL_STEP, REGISTRY_STEP = 1.0, 2.0, 1.0
SETTLED = 2.0  # seconds without a change after which a dropped file is whole
POLL = 60.0  # seconds between polls of a mailbox that cannot be watched
WATCH = 300.0  # seconds of one IDLE; servers end them after 29 minutes
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
AWAY = (DatabaseError, InterfaceError)


@dataclass
class Board:
    """The line of each part, written by its thread, told by the heartbeat."""

    began_at: datetime = field(default_factory=now)
    lines: dict[str, str] = field(default_factory=dict)

    def say(self, name: str, line: str) -> None:
        self.lines[name] = line


class Intake:
    """Everything this process receives with."""

    def __init__(self, spool: Spool, stop: threading.Event) -> None:
        self.spool, self.stop, self.board = spool, stop, Board()
        self.receptions: list[smtp.Reception] = []
        self.threads: dict[str, Thread] = {}
        self.failure: Exception | None = None
        self.registries = registries.Registries()

    def run(self) -> None:
        """Until ``stop``. Raises what keeps a listener from starting: that is for the operator to correct."""
        self.spool.clear_remains(older_than=now() - timedelta(hours=1))
        listeners = listening()
        listen = threading.Thread(target=self._listen, args=(listeners,), name="listen")
        if listeners:
            listen.start()
        workers = [threading.Thread(target=self._forever, args=work, name=work[0]) for work in self._loops()]
        for worker in workers:
            worker.start()
        while not self.stop.wait(0.2):
            pass
        for thread in (*workers, *self.threads.values(), *([listen] if listeners else [])):
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _loops(self) -> list[tuple[str, Callable[[], float]]]:
        loops = [("pulls", self._pull), ("folders", self._sweep), ("mailboxes", self._look), ("heartbeat", self._beat)]
        return [*loops, ("registries", self._ask)] if settings.RDAP else loops

    def _listen(self, listeners: list[smtp.Listening]) -> None:
        try:
            smtp.run(listeners, self.spool, self.stop.is_set, self.receptions.extend)
        except Exception as error:
            self.failure = error
            self.stop.set()

    def _forever(self, name: str, step: Callable[[], float]) -> None:
        """Call ``step`` again after the seconds it returns; a database that is away, or a defect, is waited out."""
        pause = FIRST_PAUSE
        while not self.stop.is_set():
            try:
                close_old_connections()
                wait, pause = step(), FIRST_PAUSE
            except AWAY as error:
                log.warning("%s: database away, retrying: %s", name, error)
                connection.close()
                wait = pause = min(pause * 2, 10.0)
            except Exception:
                log.exception("%s failed, retrying", name)
                wait = pause = min(pause * 2, LONGEST_PAUSE)
            self.stop.wait(wait)
        connection.close()

    def _pull(self) -> float:
        done = pulls.pull_due(self.spool, now=now())
        if done is None:
            return PULL_STEP
        self.board.say(f"pull {done[0]}", f"last asked {now():%H:%M:%S} UTC, {done[1] or 'nothing'} new")
        return 0

    def _ask(self) -> float:
        """One question a second at most: the registries are everybody's."""
        done = self.registries.answer_next(now=now())
        if done is None:
            elsewhere.clear(now=now())
            return REGISTRY_STEP * 10
        self.board.say("registries", f"last asked {now():%H:%M:%S} UTC: {done}")
        return REGISTRY_STEP

    def _sweep(self) -> float:
        for source in Source.objects.filter(kind=files.SOURCE, enabled=True, settings__has_key="folder"):
            self._sweep_one(source)
        return FOLDER_STEP

    def _sweep_one(self, source: Source) -> None:
        moment = now()
        settled = moment - timedelta(seconds=float(source.settings.get("settle", SETTLED)))
        folder = Path(source.settings["folder"])
        try:
            taken = files.sweep_folder(folder, self.spool, source=source.name, settled_before=settled, now=moment)
        except TipstaffError as error:
            services.failed(source=source.pk, error=str(error), now=moment)
            self.board.say(f"folder {source.name}", f"failing: {error}")
            return
        refused = [one.problem for one in taken if one.problem]
        if refused:
            services.failed(source=source.pk, error=f"{len(refused)} moved to failed/: {refused[0]}", now=moment)
        elif taken or not source.last_ok_at or moment - source.last_ok_at > timedelta(seconds=LOOK):
            services.worked(source=source.pk, now=moment)
        self.board.say(f"folder {source.name}", f"watching {folder}")

    def _look(self) -> float:
        """Start a thread for each mailbox that has none; end those of sources that were switched off or changed."""
        wanted = {}
        for source in Source.objects.filter(kind=imap.KIND, enabled=True):
            for mailbox in source.settings.get("mailboxes", ["INBOX"]):
                wanted[f"imap {source.name}/{mailbox}"] = (source, str(mailbox))
        for name, thread in list(self.threads.items()):
            gone = name not in wanted or wanted[name][0].settings != thread.reader.source.settings
            if gone or not thread.is_alive():
                thread.reader.ended.set()
                del self.threads[name]
                self.board.lines.pop(name, None)
        for name, (source, mailbox) in wanted.items():
            if name not in self.threads and not self.stop.is_set():
                thread = Thread(name, Reader(source, mailbox, self))
                self.threads[name] = thread
                thread.start()
        return LOOK

    def _beat(self) -> float:
        moment = now()
        for reception in self.receptions:
            tally, name = reception.tally, "lmtp" if reception.listening.lmtp else "smtp"
            own = reception.listening.recipients
            services.ensure_listener(name=smtp.SOURCE, kind="smtp", own_addresses=own, now=moment)
            line = f"{reception.listening}: {tally.accepted} accepted, {tally.refused} refused, {tally.failed} failed"
            heartbeat.beat(
                name=name, line=line, now=moment, started_at=self.board.began_at,
                accepted=tally.accepted, refused=tally.refused, failed=tally.failed,
            )  # fmt: skip
            if tally.last_error:
                services.failed_by_name(name=smtp.SOURCE, error=tally.last_error, now=moment)
                tally.last_error = ""
        for name, line in list(self.board.lines.items()):
            heartbeat.beat(name=name, line=line, now=moment, started_at=self.board.began_at)
        return BEAT


class Reader:
    """Reads one mailbox of a source for as long as it is wanted."""

    def __init__(self, source: Source, mailbox: str, intake: Intake) -> None:
        self.source, self.intake, self.ended = source, intake, threading.Event()
        self.label = f"imap {source.name}/{mailbox}"
        self.mailbox = imap.Mailbox(source.name, source.settings, mailbox, self._known, queries.submitted, self.stopped)

    def _known(self, digests: Collection[bytes], numbering: str) -> Counter[bytes]:
        return queries.known_contents(source=self.source.pk, mailbox=self.mailbox.name, digests=digests, numbering=numbering)

    def stopped(self) -> bool:
        return self.ended.is_set() or self.intake.stop.is_set()

    def run(self) -> None:
        pause = FIRST_PAUSE
        while not self.stopped():
            try:
                close_old_connections()
                self._turn()
                pause = FIRST_PAUSE
                continue
            except AWAY as error:
                log.warning("%s: database away, retrying: %s", self.label, error)
                connection.close()
            except (TipstaffError, *LOST) as error:
                self._failed(str(error))
            except Exception as error:
                log.exception("%s failed", self.label)
                self._failed(f"a defect of the software: {type(error).__name__}: {error}")
            self.mailbox.close()
            pause = min(pause * 2, LONGEST_PAUSE)
            self._sleep(pause)
        self.mailbox.close()
        connection.close()

    def _turn(self) -> None:
        """One look at the mailbox, then a wait for news. One process at a time reads it."""
        if not queries.take_turn(self.label):
            self.intake.board.say(self.label, "read by another process")
            self._sleep(LOOK)
            return
        if self.mailbox.client is None:
            self.mailbox.open()
        kept = Source.objects.values_list("cursor", flat=True).get(pk=self.source.pk)
        position = imap_reading.Position.of(kept.get(self.mailbox.name))
        came = imap_reading.read(self.mailbox, self.intake.spool, position, self._save, now=now())
        services.worked(source=self.source.pk, now=now())
        owed = queries.owed(Source.objects.get(pk=self.source.pk)).get(self.mailbox.name)
        self.intake.board.say(self.label, f"read {now():%H:%M:%S} UTC, {came} new{f'; {owed}' if owed else ''}")
        if self.mailbox.can_idle:
            self.mailbox.wait(WATCH, self.stopped)
        else:
            self._sleep(float(self.source.settings.get("poll_every", POLL)))

    def _save(self, position: imap_reading.Position) -> None:
        services.advance(source=self.source.pk, part=self.mailbox.name, position=position.as_json())

    def _failed(self, error: str) -> None:
        log.warning("%s: %s", self.label, error)
        self.intake.board.say(self.label, f"failing: {error}")
        try:
            services.failed(source=self.source.pk, error=error, now=now())
        except AWAY:
            connection.close()

    def _sleep(self, seconds: float) -> None:
        while seconds > 0 and not self.stopped():
            self.intake.stop.wait(min(seconds, 0.5))
            seconds -= 0.5


class Thread(threading.Thread):
    """The thread of a mailbox reader."""

    def __init__(self, name: str, reader: Reader) -> None:
        super().__init__(target=reader.run, name=name)
        self.reader = reader


def listening() -> list[smtp.Listening]:
    """The listeners of this instance's settings."""
    return [smtp.Listening(**values) for values in settings.MAIL_LISTENERS]


def run(stop: threading.Event) -> None:
    """The entry point of ``tipstaff run intake``."""
    Intake(Spool(settings.SPOOL), stop).run()
