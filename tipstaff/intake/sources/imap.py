"""Mailboxes on an IMAP server (RFC 9051, 3501): nothing in them changes unless the operator wants mails moved.

A mail is known by mailbox, UIDVALIDITY and UID, which also make the id of its submission: read again after a crash, it is
the same one. What is read when, and what becomes of a mail that the server does not hand out: ``imap_reading``.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError

from tipstaff.intake.sources.imap_login import LOST, TIMEOUT, MailboxFailed, connect, end
from tipstaff.intake.spool import Accepted, accepted
from tipstaff.kernel.ids import derived_id

P = ParamSpec("P")
R = TypeVar("R")
KIND = "imap"
MAX_BYTES = 50_000_000
SLACK = 1 << 20  # a server's other literals (names, header fields) are below this
WINDOW = 50_000  # UIDs of one answer; imaplib reads no line of more than a million bytes
#: What is known of these digests: how many mails of this mailbox with those bytes were submitted under other numberings than that
#: whose references begin so.
Known = Callable[[Collection[bytes], str], Counter[bytes]]
#: Of these submissions, those that the database has.
Taken = Callable[[Sequence[UUID]], set[UUID]]
#: What the library stumbles over in an answer that RFC 9051 does not know, such as a wrong count of bytes.
GARBLED = (ValueError, TypeError, KeyError, IndexError, AttributeError)


class Garbled(IMAPClientAbortError):
    """The server's answer cannot be read; what follows on this connection cannot either."""


def asking(method: Callable[P, R]) -> Callable[P, R]:
    """A question to the server: it raises one of ``LOST``, whatever comes back."""

    @wraps(method)
    def ask(*args: P.args, **named: P.kwargs) -> R:
        try:
            return method(*args, **named)
        except GARBLED as error:
            raise Garbled(f"its answer cannot be read ({type(error).__name__}: {error})") from error

    return ask


@dataclass(frozen=True)
class Mail:
    """One mail that the server handed out."""

    uid: int
    date: datetime | None  # when the server received it
    content: bytes
    size: int  # as the server tells it; more than the content where that was cut

    @property
    def is_cut(self) -> bool:
        return self.size > len(self.content)


@dataclass
class Mailbox:
    """One mailbox of a source, with its connection. ``settings`` are those of the source; see docs/operating.md."""

    source: str
    settings: Mapping[str, Any]
    name: str = "INBOX"
    known: Known = field(default=lambda digests, numbering: Counter())
    taken: Taken = field(default=lambda ids: set())
    stopped: Callable[[], bool] = field(default=lambda: False)
    timeout: float = TIMEOUT
    client: IMAPClient | None = None
    validity: int = 0
    next_uid: int = 0  # when the mailbox was opened; 0: the server does not say
    count: int = 0  # mails, when it was opened

    @property
    def most(self) -> int:
        """Bytes of one mail that are taken."""
        return int(self.settings.get("max_bytes", MAX_BYTES))

    @property
    def connection(self) -> IMAPClient:
        if self.client is None:
            raise MailboxFailed(f"mailbox {self.name!r} of {self.source} is not open")
        return self.client

    def open(self) -> None:
        """Connect, log in and select, read-only unless mails are to be moved."""
        self.close()
        self.client = connect(self.source, self.settings, longest=self.most + SLACK, timeout=self.timeout)
        try:
            self._select()
        except LOST as error:
            self.drop()
            raise MailboxFailed(f"mailbox {self.name!r} of {self.source} cannot be opened: {error}") from error

    @asking
    def _select(self) -> None:
        answer = self.connection.select_folder(self.name, readonly=not self.settings.get("move_to"))
        self.validity, self.next_uid = int(answer[b"UIDVALIDITY"]), int(answer.get(b"UIDNEXT", 0))
        self.count = int(answer[b"EXISTS"])

    def reopen(self) -> None:
        """What the connection knows of the mailbox may be old, or the connection broken."""
        self.drop()
        self.open()

    def close(self) -> None:
        if self.client is not None:
            client, self.client = self.client, None
            try:
                client.logout()
            except (*LOST, *GARBLED):
                end(client)

    def drop(self) -> None:
        """End the connection without asking the server for anything more."""
        if self.client is not None:
            client, self.client = self.client, None
            end(client)

    @property
    def can_idle(self) -> bool:
        return self.client is not None and self.settings.get("idle", True) and self.client.has_capability("IDLE")

    @asking
    def wait(self, seconds: float, stopped: Callable[[], bool]) -> bool:
        """Wait in IDLE (RFC 2177) until the server tells of something; True when it did."""
        client = self.connection
        client.idle()
        told: list[Any] = []
        try:
            left = seconds
            while left > 0 and not told and not stopped():
                told = [line for line in client.idle_check(timeout=min(1.0, left)) if line[0] != b"OK"]
                left -= 1
        finally:
            client.idle_done()
        return bool(told)

    def look(self) -> None:
        """Let the server tell what arrived since."""
        self.connection.noop()

    @asking
    def every(self) -> list[int]:
        """All UIDs, in order. From the last mails to the first: what is expunged meanwhile shifts numbers that were asked for."""
        found: set[int] = set()
        for last in range(self.count, 0, -WINDOW):
            found |= set(self.connection.search([f"{max(1, last - WINDOW + 1)}:{last}"]))
        return sorted(found)

    @asking
    def last(self, number: int) -> list[int]:
        """The UIDs of the last so many mails."""
        chosen = min(number, self.count)
        return sorted(self.connection.search([f"{self.count - chosen + 1}:{self.count}"])) if chosen else []

    @asking
    def after(self, uid: int) -> list[int]:
        """The UIDs above that one."""
        if self.next_uid - uid > WINDOW:
            return [one for one in self.every() if one > uid]
        # 'N:*' names the last mail even when its UID is below N (RFC 9051 9, seq-range).
        return sorted(one for one in self.connection.search(["UID", f"{uid + 1}:*"]) if one > uid)

    @asking
    def since(self, day: date) -> set[int]:
        """The UIDs of mails that the server received on that day or later, in its own zone."""
        return set(self.connection.search(["SINCE", day]))

    @asking
    def holds(self, uid: int) -> bool:
        """Whether the mail is still there."""
        return uid in self.connection.search(["UID", str(uid)])

    @asking
    def dates(self, uids: Sequence[int]) -> list[datetime]:
        """When the server received these, as far as it says so."""
        found = self.connection.fetch(uids, ["INTERNALDATE"]) if uids else {}
        return [parts[b"INTERNALDATE"] for parts in found.values() if parts.get(b"INTERNALDATE")]

    @asking
    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Bytes that these will bring, as the server tells it."""
        found = self.connection.fetch(uids, ["RFC822.SIZE"])
        return {uid: min(int(parts[b"RFC822.SIZE"]), self.most) for uid, parts in found.items() if b"RFC822.SIZE" in parts}

    @asking
    def fetch(self, uids: Sequence[int]) -> list[Mail]:
        """The mails of these UIDs whose bytes the server hands out, in order; those over the cap are cut off."""
        found = self.connection.fetch(uids, ["INTERNALDATE", "RFC822.SIZE", f"BODY.PEEK[]<0.{self.most}>"])
        mails = []
        for uid, parts in sorted(found.items()):
            content = next((value for key, value in parts.items() if key.startswith(b"BODY[]")), None)
            size = int(parts.get(b"RFC822.SIZE", 0))
            if not isinstance(content, bytes) or (size and not content):
                continue
            content = self._whole(uid, content, size)
            mails.append(Mail(uid, parts.get(b"INTERNALDATE"), content, size if len(content) >= self.most else len(content)))
        return mails

    def _whole(self, uid: int, content: bytes, size: int) -> bytes:
        """A server may tell a wrong size, or count its bytes wrongly: where they differ, what follows is asked for."""
        while len(content) < self.most and len(content) != size:
            answer = self.connection.fetch([uid], [f"BODY.PEEK[]<{len(content)}.{self.most - len(content)}>"]).get(uid, {})
            more = next((value for key, value in answer.items() if key.startswith(b"BODY[]")), None)
            if not more:
                break
            content += more
        return content[: self.most]

    def accepted(self, mail: Mail, numbering: str, now: datetime) -> Accepted:
        """The mail as the spool takes it."""
        extra: dict[str, Any] = {"cut_off_at": self.most, "size": mail.size} if mail.is_cut else {}
        ref = f"{numbering}{mail.uid}"
        return accepted(
            source=self.source, kind=KIND, content=mail.content, now=now, ref=ref, mailbox=self.name, uid=mail.uid, **extra
        )

    def id_of(self, numbering: str, uid: int) -> UUID:
        """The id that this mail's submission has, once there is one."""
        return derived_id(self.source, f"{numbering}{uid}")

    @asking
    def waiting_to_move(self, first: int, last: int) -> list[int]:
        """Of the mails of these UIDs those that are still here; without MOVE and UIDPLUS what was copied is merely marked."""
        inside = self.connection.search(["UID", f"{first}:{last}", "UNDELETED"])
        return sorted(uid for uid in inside if first <= uid <= last)

    @asking
    def move(self, uids: Iterable[int]) -> None:
        """Move mails to the operator's folder (RFC 6851, else copy and expunge just these)."""
        client, chosen, target = self.connection, list(uids), str(self.settings["move_to"])
        if not chosen:
            return
        if not client.folder_exists(target):
            client.create_folder(target)
        if client.has_capability("MOVE"):
            client.move(chosen, target)
            return
        client.copy(chosen, target)
        client.delete_messages(chosen)
        if client.has_capability("UIDPLUS"):
            client.uid_expunge(chosen)
