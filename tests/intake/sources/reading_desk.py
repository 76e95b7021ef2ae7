"""A reader of mailboxes with its spool and the position it keeps, as the worker does it."""

import hashlib
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.intake.sources import dovecot
from tipstaff.intake.sources import imap, imap_login, imap_reading
from tipstaff.intake.spool import Spool

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Desk:
    """A reader with its spool and the position it keeps, as the worker does it."""

    def __init__(self, server: dovecot.Dovecot, directory: Path, user: str, **settings: Any) -> None:
        self.server, self.user = server, user
        self.spool = Spool(directory / "spool")
        self.position: imap_reading.Position | None = None
        self.mailbox = imap.Mailbox("mail", server.settings(user=user, **settings), known=self.known)

    def known(self, digests: Collection[bytes], numbering: str) -> Counter[bytes]:
        items = [item for item in self.spool.read(self.spool.waiting()) if not item.source_ref.startswith(numbering)]
        return Counter(digest for item in items if (digest := hashlib.sha256(item.content).digest()) in digests)

    def read(self, after: timedelta = timedelta(0)) -> int:
        if self.mailbox.client is None:
            self.mailbox.open()
        return imap_reading.read(self.mailbox, self.spool, self.position, self.keep, now=NOW + after)

    def try_to_read(self) -> str:
        """What the worker would show where it fails: then it begins with a new connection."""
        try:
            self.read()
        except (imap_login.MailboxFailed, *imap_login.LOST) as error:
            self.mailbox.close()
            return str(error)
        return ""

    @property
    def owed(self) -> list[int]:
        return sorted(self.position.owed) if self.position else []

    def keep(self, position: imap_reading.Position) -> None:
        self.position = imap_reading.Position.of(position.as_json())

    def subjects(self) -> list[str]:
        items = self.spool.read(self.spool.waiting())
        return sorted(item.content.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for item in items)

    def left(self, mailbox: str = "INBOX") -> int:
        with self.server.client(self.user) as client:
            return int(client.select_folder(mailbox, readonly=True)[b"EXISTS"])


def mail(number: int, extra: str = "") -> bytes:
    return (
        f"From: rita@example.org\r\nTo: abuse@example.net\r\nSubject: m{number:03}\r\n\r\nSpam from 192.0.2.7. {extra}\r\n".encode()
    )
