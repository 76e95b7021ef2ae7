"""The loop that delivers: claim, connect, send, write down. One connection for many messages."""

import logging
import os
import socket
import threading
from datetime import datetime, timedelta

import psutil
from django.conf import settings

from tipstaff.correspondence import delivery
from tipstaff.correspondence.local import NAME, LocalOutbox
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.correspondence.smarthost import Answer, Connection, Outcome, Smarthost, Unusable
from tipstaff.kernel import shadow
from tipstaff.kernel.clock import now

log = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)


class Delivery:
    """One deliverer: its name, its connection, and how long it leaves an unusable smarthost alone.

    ``local``: files on this machine instead of any mail server, whatever is set; a demo and its sample deliver there.
    """

    def __init__(self, server: Smarthost | None = None, local: LocalOutbox | None = None) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"
        self.server = server or delivery.smarthost()
        self.local = local or (LocalOutbox(settings.STATE / "outbox", now) if settings.LOCAL_OUTBOX else None)
        self.connection: Connection | None = None
        self.pause, self.not_before = FIRST_PAUSE, now()
        self.sent = self.failed = 0
        self.trouble = ""

    def why_off(self, own: delivery.Sender | None = None) -> str:
        """Why nothing is sent; empty where it is. ``own``: the sender, where it is known already."""
        if shadow.is_on():
            return shadow.WHY
        if self.local is None and not settings.SENDING:
            return "sending is off (TIPSTAFF_SENDING)"
        if self.local is None and not self.server:
            return "no smarthost is set (TIPSTAFF_SMARTHOST)"
        return "" if (own or delivery.sender(now())).address else "no address to send from is set (TIPSTAFF_MAIL_FROM)"

    def step(self, stop: threading.Event) -> int:
        """Send what is due. Returns how many were tried."""
        moment = now()
        delivery.recover(now=moment, dead=self.is_dead)
        if shadow.is_on():
            return delivery.withdraw_in_shadow(now=moment)
        own = delivery.sender(moment)
        if self.why_off(own) or moment < self.not_before:
            return 0
        rows = delivery.claim(by=self.name, now=moment, own=own)
        for place, row in enumerate(rows):
            if stop.is_set():
                delivery.give_back(rows=rows[place:], now=now(), why="")
                break
            if not self._one(row, own):
                delivery.give_back(rows=rows[place:], now=now(), why=self.trouble, pause=self.pause)
                break
        if not rows:
            self.hang_up()
        return len(rows)

    def _one(self, row: OutboxMessage, own: delivery.Sender) -> bool:
        """Send one; False where the smarthost cannot be used at present."""
        try:
            connection = self._connected()
        except Unusable as error:
            self._leave_alone(error.answer)
            return False
        answer = delivery.deliver(row=row, connection=connection, sender=own, clock=now)
        self.sent += answer.outcome is Outcome.SENT
        self.failed += answer.outcome is Outcome.NEVER
        if answer.outcome is Outcome.OURS:
            self._leave_alone(answer)
            return False
        self.pause, self.trouble = FIRST_PAUSE, ""
        return True

    def _connected(self) -> Connection | LocalOutbox:
        if self.local is not None:
            return self.local
        if self.connection is None or not self.connection.is_open:
            assert self.server is not None
            self.connection = Connection(self.server)
        return self.connection

    def _leave_alone(self, answer: Answer) -> None:
        self.trouble = f"the smarthost {self.server} cannot be used: {answer}"
        log.warning("%s", self.trouble)
        self.not_before = now() + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        self.hang_up()

    def hang_up(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def is_dead(self, name: str) -> bool:
        """Whether the program of that name ran on this host and is no more."""
        host, number, _ = (*name.rsplit(":", 2), "", "")[:3]
        if host != socket.gethostname() or not number.isdecimal() or name == self.name:
            return False
        return int(number) == os.getpid() or not psutil.pid_exists(int(number))

    def line(self, moment: datetime) -> str:
        """The heartbeat's line."""
        if off := self.why_off():
            return f"nothing is sent: {off}"
        where = f" to the {NAME}, nothing leaves this machine" if self.local else ""
        return self.trouble or f"{self.sent} sent{where}, {self.failed} refused"
