"""The loop that carries submissions from the spool to cases, in micro-batches.

What it takes from the spool is committed first (accepted), then parsed and committed as events and cases. Killed at any
moment, it leaves either a spool file or a row that says ``received``; both are found again.
"""

import fcntl
import gc
import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, connection

from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import read_many
from tipstaff.intake import services as intake
from tipstaff.intake.models import Source, Submission
from tipstaff.intake.spool import Accepted, Spool
from tipstaff.intake.warming import warm
from tipstaff.kernel import heartbeat
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import TipstaffError
from tipstaff.pipeline import batch, context, filing, reattribution, sealed, sweeping
from tipstaff.pipeline.columns import Parsed
from tipstaff.pipeline.filing import INTAKE_TIME
from tipstaff.pipeline.reading import InHand, Reader, Taken

log = logging.getLogger(__name__)
IDLE = 0.1  # seconds between looks at an empty spool
SOON = 0.01  # seconds until the first look after work: what comes in a row need not wait; each empty look doubles it
MOST = 2000  # submissions a batch: much of what it costs it costs once (decision 0052)
MOST_BYTES = 64 << 20
RELOAD = 5.0  # seconds between looks at rules and inventory
SWEEP = 60.0
EXPIRE = 3600.0
LETTERS = ("smtp", "lmtp", "imap", "form")  # kinds of sources that people write by
LOST = (OperationalError, InterfaceError)
ALONE, GIVEN_UP = 2, 4  # tries after which a submission is handled by itself, and after which a person looks


class Worker:
    """One worker: its name, its view of the world, and what it has done since it began."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.reader = Reader()
        self.context: context.Context | None = None
        self.loaded_at = self.swept_at = self.expired_at = self.began_at = now()
        self.submissions = self.events = 0
        self.step_size = MOST
        self.is_warm = self.letters_come = False
        self.interrupted = False  # the database went away: what was in hand is claimed, but nobody goes on with it

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop``. A database that is away is waited for; the spool keeps what arrives meanwhile."""
        pause = IDLE
        while not stop.is_set():
            try:
                close_old_connections()
                busy = self.step()
                pause = 0.0 if busy else min(max(SOON, pause * 2), IDLE)
            except LOST as error:
                log.warning("database away, retrying: %s", error)
                connection.close()
                self.interrupted = True
                busy, pause = False, min(max(IDLE, pause) * 2, 5)
            if not busy:
                self._warm_up()
                stop.wait(pause)

    def _warm_up(self) -> None:
        """Nothing waits: what reading builds on first use is built now, so that no letter need wait for it.

        Only where letters come at all: it takes 50 MB, which a worker of feeds can do without.
        """
        if self.letters_come and not self.is_warm:
            self.is_warm = True
            warm(self.reader.vocabulary)
            gc.collect()
            gc.freeze()  # automata and modules stay for life: looking through them again for every few batches cost 2 % of all

    def step(self) -> bool:
        """One look at the spool and at waiting rows; True when there was work."""
        self.prepare()
        if self.interrupted:
            intake.release_claims(by=self.name)
            self.interrupted = False
        done = self._from_spool() or self._from_rows()
        return bool(done)

    def prepare(self) -> None:
        """Look at the world again when it is time, and do what time itself brings about."""
        moment = now()
        if self.context is None or (moment - self.loaded_at).total_seconds() > RELOAD:
            if self.context is None:
                reattribution.begin(moment)  # before the first look at the inventory: what it learns later, events follow
                intake.release_dead_claims(host=socket.gethostname(), alive=_alive)
            before, self.context, self.loaded_at = self.context, context.load(moment, self.context), moment
            if before is None or before.version != self.context.version:
                reattribution.catch_up(self.context, moment)
            self.reader.renew(moment)
            self.letters_come = self.letters_come or Source.objects.filter(kind__in=LETTERS).exists()
            line = f"{self.submissions} submissions, {self.events} events since {self.began_at:%H:%M}"
            heartbeat.beat(name="worker", line=line, now=moment, started_at=self.began_at)
        if (moment - self.swept_at).total_seconds() > SWEEP:
            self.swept_at = moment
            sweeping.sweep(now=moment)
            reattribution.catch_up(self.context, moment)
        if (moment - self.expired_at).total_seconds() > EXPIRE:
            self.expired_at = moment
            self._expire(moment)

    def _expire(self, moment: datetime) -> None:
        """What is past its time goes. A store that is away delays that, and nothing else."""
        try:
            sweeping.expire(now=moment)
        except LOST:
            raise
        except Exception:
            log.exception("expiry failed; it is tried again in an hour")

    def _from_spool(self) -> int:
        with _turn(self.spool) as mine:
            if not mine:
                return 0
            items = self.spool.take(most=self.step_size, most_bytes=MOST_BYTES)
            if not items:
                return 0
            added = self._accept(items)
            self.spool.done(items)
        self.finish([item for item in items if item.id in added])
        return len(items)

    def _accept(self, items: Sequence[Accepted]) -> set[UUID]:
        """Commit what lies in the spool; what cannot be committed with its envelope is committed without it."""
        try:
            return set(intake.accept(items=items, claimed_by=self.name, now=now()))
        except LOST:
            raise
        except (DatabaseError, ValueError, TypeError):
            if len(items) > 1:
                half = len(items) // 2
                return self._accept(items[:half]) | self._accept(items[half:])
            log.exception("submission %s is accepted without its envelope", items[0].id)
            bare = replace(items[0], source_ref=str(items[0].id), filename="", envelope={})
            return set(intake.accept(items=[bare], claimed_by=self.name, now=now()))

    def _from_rows(self) -> int:
        waiting = intake.claim(by=self.name, most=self.step_size, most_bytes=MOST_BYTES, now=now())
        together = [submission for submission in waiting if submission.attempts < ALONE]
        if together:
            self._try(together)
        for submission in waiting:
            if submission.attempts >= GIVEN_UP:
                self._give_up(submission.pk, f"its worker died {submission.attempts} times while handling it")
            elif submission.attempts >= ALONE:
                self._try([submission])
        return len(waiting)

    def _try(self, waiting: Sequence[Submission]) -> None:
        """Read the evidence of claimed submissions and finish them; unreadable evidence goes to a person."""
        intake.attempt(submissions=[submission.pk for submission in waiting])
        by_blob: dict[int, list[Submission]] = {}
        for submission in waiting:
            by_blob.setdefault(submission.blob_id, []).append(submission)

        def unreadable(blob: Blob, error: TipstaffError) -> None:
            for submission in by_blob[blob.pk]:
                self._give_up(submission.pk, f"its evidence cannot be read: {error}")

        blobs = {submission.blob_id: submission.blob for submission in waiting}
        found = read_many(blobs=blobs.values(), actor=self.name, now=now(), on_fault=unreadable)
        self.finish([_retaken(submission, content) for blob, content in found for submission in by_blob[blob.pk]])

    def _give_up(self, number: UUID, reason: str, trace: list[dict[str, Any]] | None = None) -> None:
        moment = now()
        intake.fail(submission_id=number, reason=reason, trace=trace or [], due_at=moment + INTAKE_TIME, now=moment)

    def _hand_over(self, number: UUID, parsed: Sequence[Parsed], reason: str) -> None:
        """What cannot be filed goes to a person, with what was read; what must go unseen goes unseen all the same."""
        trace = None
        try:
            if any(draft.sealed for one in parsed for draft in one.drafts):
                assert self.context is not None
                sealed.set_apart(parsed, self.context, now())
                return
            trace = filing.traced(parsed)
        except LOST:
            raise
        except Exception:
            log.exception("submission %s stays closed", number)
        self._give_up(number, reason, trace)

    def finish(self, taken: Sequence[InHand]) -> None:
        """Parse and commit; a failing batch is halved until its culprit stands alone, and that one goes to a person."""
        if not taken:
            return
        assert self.context is not None
        parsed: list[Parsed] = []
        try:
            parsed = self.reader.read_many(taken)
            outcome = batch.commit(parsed, self.context, now())
            self.submissions += len(taken)
            self.events += outcome.events
        except LOST:
            raise
        except Exception as error:
            if len(taken) > 1:
                half = len(taken) // 2
                self.finish(taken[:half])
                self.finish(taken[half:])
                return
            log.exception("submission %s cannot be handled", taken[0].id)
            self._hand_over(taken[0].id, parsed, f"handling it failed: {type(error).__name__}: {error}")


def _retaken(submission: Submission, content: bytes) -> Taken:
    source = submission.source
    return Taken(submission.pk, source.name, source.kind, submission.filename, submission.received_at, submission.envelope, content)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _turn(spool: Spool) -> Iterator[bool]:
    """One worker of a host empties its spool at a time; the others look for waiting rows."""
    with (spool.directory / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def run(stop: threading.Event) -> None:
    """The entry point of ``tipstaff run worker``."""
    Worker(Spool(settings.SPOOL)).run(stop)
