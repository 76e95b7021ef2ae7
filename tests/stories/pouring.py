"""Senders that pour mails in over SMTP and remember which were accepted."""

import random
import smtplib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg

from tests.arf import complaint
from tipstaff.project.connections import APP
from tipstaff.project.postgres import Cluster

AT = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)


def mail(name: str, padding: int = 0) -> bytes:
    """A complaint as it goes over the wire, larger by so many bytes."""
    number = sum(name.encode())
    text = complaint(name, f"192.0.2.{number % 250 + 1}", AT + timedelta(minutes=number % 60), padding=padding)
    return text.replace("\n", "\r\n").encode()


@dataclass
class Poured:
    """What became of each attempt; every attempt has a name of its own, so that nothing hides behind a repetition."""

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)  # name → temporary or permanent code
    unanswered: list[str] = field(default_factory=list)  # the connection ended first: may or may not have been taken

    def send(self, port: int, names: Iterable[str], padding: int = 0) -> None:
        """Send one mail after the other on one connection; the first failure ends it."""
        name = ""
        try:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.example.org", timeout=20) as client:
                for name in names:
                    try:
                        client.sendmail("rita@example.org", ["abuse@example.net"], mail(name, padding))
                        self.accepted.append(name)
                    except smtplib.SMTPDataError as error:
                        self.refused[name] = error.smtp_code
        except (OSError, smtplib.SMTPException):
            if name and name not in self.accepted:
                self.unanswered.append(name)


def pour(port: int, into: Poured, until: Callable[[], bool], senders: int = 4) -> list[threading.Thread]:
    """Start senders that connect again and again ``until`` is true."""

    def work(sender: int) -> None:
        batch = 0
        while not until():
            batch += 1
            into.send(port, (f"s{sender}-b{batch}-n{number}" for number in range(random.randint(1, 40))))
            time.sleep(0.02)

    threads = [threading.Thread(target=work, args=(sender,)) for sender in range(senders)]
    for thread in threads:
        thread.start()
    return threads


@dataclass
class Books:
    """What the database says."""

    cluster: Cluster

    def ask(self, query: str) -> list[tuple]:
        with psycopg.connect(self.cluster.url(APP), connect_timeout=5) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def waiting(self) -> int | None:
        """Submissions that no worker has read yet; None while the database is away."""
        try:
            return int(self.ask("SELECT count(*) FROM intake_submission WHERE state = 'received'")[0][0])
        except psycopg.OperationalError:
            return None

    def check(self, poured: Poured) -> None:
        """Every accepted mail is one submission with one report; nothing is there twice; nothing came from nowhere."""
        subjects = [row[0] for row in self.ask("SELECT subject FROM intake_submission")]
        names = [subject.removeprefix("complaint ") for subject in subjects]
        assert sorted(set(poured.accepted) - set(names)) == [], "lost after a 250"
        assert len(names) == len(set(names)), "taken twice"
        assert set(names) <= {*poured.accepted, *poured.unanswered}, "came from nowhere"
        bad = "SELECT state, reason FROM intake_submission WHERE state IN ('received', 'failed') LIMIT 5"
        assert self.ask(bad) == []
        assert self.ask("SELECT submission_id FROM reports_report GROUP BY 1 HAVING count(*) <> 1 LIMIT 5") == []
        assert self.ask("SELECT count(*) FROM reports_report") == [(len(names),)]
        twice = "SELECT key FROM reports_event GROUP BY key HAVING count(*) > 1 LIMIT 5"
        assert self.ask(twice) == []
        stored, told = self.ask(
            "SELECT (SELECT count(*) FROM reports_event), (SELECT coalesce(sum(events), 0) FROM reports_report)"
        )[0]
        assert stored == told
