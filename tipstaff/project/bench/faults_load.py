"""What pours in while parts die: mails, documents and files, each sent again until somebody says that it was taken.

Every event of it has a moment and an address of its own, so that each is found again, and found once, afterwards.
"""

import itertools
import smtplib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path
from uuid import UUID

import httpx
import orjson
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tipstaff.project.bench.mails import ARF
from tipstaff.project.bench.xarf import KINDS, PARTY
from tipstaff.project.commands.running import free_port

BLOCKS = 250  # /24s of customers whom all of it is about
FIRST = int(IPv4Address("10.200.0.0"))
ROOM = 62_500  # different addresses of one way in
WAYS = ("mail", "api", "file")
LINES = 100  # rows of one file
AGAIN = 0.5  # seconds until what was not taken is sent again
TIMEOUT = 20.0

Fact = tuple[str, datetime]  # address and moment of an event


def fact(way: str, number: int, base: datetime) -> Fact:
    """Where and when the event ``number`` of one way in happened. No two are the same."""
    address = FIRST + number % BLOCKS * 256 + 1 + number // BLOCKS % 250
    return str(IPv4Address(address)), base + timedelta(hours=18 * WAYS.index(way), seconds=number % ROOM)


@dataclass
class Poured:
    """What one sender was told: what was taken, and how often it had to ask."""

    taken: list[int] = field(default_factory=list)
    open: set[int] = field(default_factory=set)  # begun and never answered for: may or may not be there
    tries: int = 0


class Sender(threading.Thread):
    """Delivers one thing after the other; ``deliver`` raises where it was not told that it was taken."""

    def __init__(self, name: str, numbers: Iterable[int], pause: float, deliver: Callable[[int], None]) -> None:
        super().__init__(name=name, daemon=True)
        self.numbers, self.pause, self.deliver = iter(numbers), pause, deliver
        self.poured, self.enough, self.given_up = Poured(), threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.enough.is_set():
            number = next(self.numbers)
            self.poured.open.add(number)
            while not self._delivered(number):
                if self.given_up.wait(AGAIN):
                    return
            self.poured.open.discard(number)
            self.poured.taken.append(number)
            self.enough.wait(self.pause)

    def _delivered(self, number: int) -> bool:
        self.poured.tries += 1
        try:
            self.deliver(number)
        except (OSError, httpx.HTTPError, smtplib.SMTPException):
            return False
        return True


@dataclass(frozen=True)
class Ways:
    """The three ways in, with what each delivery says."""

    base: datetime
    smtp_port: int
    web: str
    token: str
    folder: Path

    def senders(self) -> list[Sender]:
        """Two mail servers, a machine with a token, and somebody who drops files."""
        mails = [Sender(f"mail-{n}", itertools.count(n, 2), 0.15, self.mail) for n in range(2)]
        return [*mails, Sender("api", itertools.count(), 0.2, self.document), Sender("file", itertools.count(), 5.0, self.drop)]

    def mail(self, number: int) -> None:
        ip, moment = fact("mail", number, self.base)
        values = {"ip": ip, "n": number, "k": number % 50, "m": 0, "s": 0, "filler": "a line of its text\n" * 20}
        text = ARF.format(**values).replace("Mon, 02 Nov 2026 07:00:00 +0000", format_datetime(moment))
        with smtplib.SMTP("127.0.0.1", self.smtp_port, local_hostname="sender.example.org", timeout=TIMEOUT) as client:
            client.sendmail("rita@example.org", ["abuse@example.net"], text.replace("\n", "\r\n").encode())

    def document(self, number: int) -> None:
        ip, moment = fact("api", number, self.base)
        body = orjson.dumps({
            "xarf_version": "4.2.0", "report_id": str(UUID(int=number | 4 << 76 | 2 << 62)), "timestamp": moment.isoformat(),
            "reporter": PARTY, "sender": PARTY, "source_identifier": ip, **KINDS[0], "first_seen": moment.isoformat(),
        })  # fmt: skip
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": f"fault-{number}"}
        answer = httpx.post(f"{self.web}/api/v1/reports", content=body, headers=headers, timeout=TIMEOUT, trust_env=False)
        answer.raise_for_status()

    def drop(self, number: int) -> None:
        """A file is taken when the intake has moved it away."""
        name = f"2026-11-01-scan_ntp-n{number}-asn.csv"
        path, done = self.folder / name, self.folder / "done" / name
        if not path.exists() and not done.exists():
            unfinished = path.with_name(name + ".part")
            unfinished.write_text(self._rows(number))
            unfinished.rename(path)
        until = time.monotonic() + TIMEOUT
        while not done.exists():
            if time.monotonic() > until:
                raise TimeoutError(name)
            time.sleep(0.1)

    def _rows(self, number: int) -> str:
        facts = [fact("file", number * LINES + line, self.base) for line in range(LINES)]
        rows = [f"{moment:%Y-%m-%d %H:%M:%S},medium,{ip},udp,123,,ntp,64496,ZZ" for ip, moment in facts]
        return "\n".join(["timestamp,severity,ip,protocol,port,hostname,tag,asn,geo", *rows]) + "\n"


def expected(sender: str, numbers: Iterable[int], base: datetime) -> list[Fact]:
    """The events that deliveries of one sender stand for."""
    way = sender.partition("-")[0]
    if way == "file":
        return [fact(way, number * LINES + line, base) for number in numbers for line in range(LINES)]
    return [fact(way, number, base) for number in numbers]


class Smarthost:
    """Takes the desk's mail and counts each Message-ID. Context manager."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        self.received.append(str(message["Message-ID"]))
        return "250 2.0.0 queued"

    def __enter__(self) -> "Smarthost":
        self.controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.stop(no_assert=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.controller.port}"
