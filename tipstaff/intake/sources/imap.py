"""Mailboxes read over IMAP (RFC 9051, 3501): nothing in them changes unless the operator wants mails moved.

A mail is known by mailbox, UIDVALIDITY and UID, which also make the id of its submission: read again after a crash, it is
the same one. The position is kept at the source, per mailbox, after the spool has the mails.
"""

import hashlib
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from tipstaff.intake.sources import guarded
from tipstaff.intake.sources.credentials import credential
from tipstaff.intake.spool import Accepted, Spool, accepted
from tipstaff.kernel.errors import InputError, Problem, TipstaffError

log = logging.getLogger(__name__)
KIND = "imap"
FIRST = 50  # mails of a mailbox that is seen for the first time
AT_ONCE = 25  # mails of one FETCH
MAX_BYTES = 50_000_000
TIMEOUT = 60
LOST = (IMAPClientError, OSError, EOFError)
#: Of these bytes' digests, those that this source has submitted already.
Known = Callable[[Sequence[bytes]], set[bytes]]


class MailboxFailed(TipstaffError):
    """The server did not do what was asked; the text says which, and what it said."""


@dataclass(frozen=True)
class Position:
    """How far a mailbox was read: UIDs ``first`` to ``uid`` under ``validity``; ``newest`` is the latest internal date."""

    validity: int
    uid: int
    first: int = 0
    newest: str = ""

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "Position | None":
        return cls(kept["validity"], kept["uid"], kept.get("first", 0), kept.get("newest", "")) if kept else None

    def as_json(self) -> dict[str, Any]:
        return {"validity": self.validity, "uid": self.uid, "first": self.first, "newest": self.newest}


@dataclass
class Mailbox:
    """One mailbox of a source, with its connection. ``settings`` are those of the source; see docs/operating.md."""

    source: str
    settings: Mapping[str, Any]
    name: str = "INBOX"
    known: Known = field(default=lambda digests: set())
    client: IMAPClient | None = None
    validity: int = 0
    next_uid: int = 1  # when the mailbox was opened

    def open(self) -> None:
        """Connect, log in and select, read-only unless mails are to be moved."""
        self.close()
        client = connect(self.source, self.settings)
        try:
            answer = client.select_folder(self.name, readonly=not self.settings.get("move_to"))
        except LOST as error:
            client.shutdown()
            raise MailboxFailed(f"mailbox {self.name!r} of {self.source} cannot be opened: {error}") from error
        self.client, self.validity = client, int(answer[b"UIDVALIDITY"])
        self.next_uid = int(answer.get(b"UIDNEXT", 1))

    def close(self) -> None:
        if self.client is not None:
            try:
                self.client.logout()
            except LOST:
                self.client.shutdown()
            self.client = None

    @property
    def can_idle(self) -> bool:
        return self.client is not None and self.settings.get("idle", True) and self.client.has_capability("IDLE")

    def wait(self, seconds: float, stopped: Callable[[], bool]) -> bool:
        """Wait in IDLE (RFC 2177) until the server tells of something; True when it did."""
        assert self.client is not None
        self.client.idle()
        told: list[Any] = []
        try:
            left = seconds
            while left > 0 and not told and not stopped():
                told = [line for line in self.client.idle_check(timeout=min(1.0, left)) if line[0] != b"OK"]
                left -= 1
        finally:
            self.client.idle_done()
        return bool(told)

    def news(self, position: Position | None) -> list[int]:
        """UIDs to fetch, in order."""
        assert self.client is not None
        self.client.noop()  # lets the server tell what arrived since
        if position is None:
            every = sorted(self.client.search("ALL"))
            return every[-int(self.settings.get("first", FIRST)) :] if int(self.settings.get("first", FIRST)) else []
        if position.validity != self.validity:
            return self._renumbered(position)
        # 'N:*' names the last mail even when its UID is below N (RFC 9051 9, seq-range).
        return sorted(uid for uid in self.client.search(["UID", f"{position.uid + 1}:*"]) if uid > position.uid)

    def _renumbered(self, position: Position) -> list[int]:
        """After a change of UIDVALIDITY the numbers say nothing: mails not older than the newest one read."""
        assert self.client is not None
        log.warning("mailbox %s of %s was renumbered by its server (UIDVALIDITY)", self.name, self.source)
        if not position.newest:
            return sorted(self.client.search("ALL"))
        since = datetime.fromisoformat(position.newest) - timedelta(days=1)  # SINCE knows whole days, in the server's zone
        recent = self.client.search(["SINCE", since.date()])
        return sorted(self.client.search(["UID", f"{min(recent)}:*"])) if recent else []

    def start(self, position: Position | None) -> Position:
        """Where reading goes on: as kept, or at the beginning of this numbering."""
        if position is not None and position.validity == self.validity:
            return position
        return Position(self.validity, 0, self.next_uid, position.newest if position else "")

    def fetch(self, uids: Sequence[int], now: datetime) -> list[tuple[int, datetime | None, Accepted]]:
        """The mails of these UIDs that are still there, with their internal dates; those over the cap are cut off."""
        assert self.client is not None
        most = int(self.settings.get("max_bytes", MAX_BYTES))
        found = self.client.fetch(uids, ["INTERNALDATE", "RFC822.SIZE", f"BODY.PEEK[]<0.{most}>"])
        mails = []
        for uid, parts in sorted(found.items()):
            content = next((value for key, value in parts.items() if key.startswith(b"BODY[]")), None)
            if content is None:
                continue
            size = int(parts.get(b"RFC822.SIZE", len(content)))
            extra: dict[str, Any] = {"cut_off_at": most, "size": size} if size > most else {}
            ref = f"{self.name}/{self.validity}/{uid}"
            item = accepted(source=self.source, kind=KIND, content=content, now=now, ref=ref, mailbox=self.name, uid=uid, **extra)
            mails.append((uid, parts.get(b"INTERNALDATE"), item))
        return mails

    def move(self, uids: Iterable[int]) -> None:
        """Move what the spool has (RFC 6851, else copy and expunge just these)."""
        assert self.client is not None
        chosen, target = list(uids), str(self.settings["move_to"])
        if not chosen:
            return
        if not self.client.folder_exists(target):
            self.client.create_folder(target)
        if self.client.has_capability("MOVE"):
            self.client.move(chosen, target)
            return
        self.client.copy(chosen, target)
        self.client.delete_messages(chosen)
        if self.client.has_capability("UIDPLUS"):
            self.client.uid_expunge(chosen)


def read(mailbox: Mailbox, spool: Spool, position: Position | None, save: Callable[[Position], None], *, now: datetime) -> int:
    """Take everything new into the spool, then note the position, then move; how many mails came. Mailbox is open."""
    renumbered = position is not None and position.validity != mailbox.validity
    uids, at = mailbox.news(position), mailbox.start(position)
    came = 0
    for start in range(0, len(uids), AT_ONCE):
        some = uids[start : start + AT_ONCE]
        mails = mailbox.fetch(some, now)
        items = [item for _, _, item in mails]
        if renumbered:
            items = _unknown(items, mailbox.known)
        spool.put(items)
        came += len(items)
        dates = [date.astimezone(UTC).isoformat() for _, date, _ in mails if date]
        at = Position(mailbox.validity, some[-1], min(at.first, some[0]), max([at.newest, *dates]))
        save(at)
    if not uids and (position is None or renumbered):
        save(Position(mailbox.validity, max(at.first - 1, 0), at.first, at.newest))
    if mailbox.settings.get("move_to"):
        _move_read(mailbox, at)
    return came


def _unknown(items: Sequence[Accepted], known: Known) -> list[Accepted]:
    """Without those whose bytes this source has submitted under their old number."""
    digests = [hashlib.sha256(item.content).digest() for item in items]
    have = known(digests)
    return [item for item, digest in zip(items, digests, strict=True) if digest not in have]


def _move_read(mailbox: Mailbox, at: Position) -> None:
    """Also what an earlier run took but was killed before moving."""
    assert mailbox.client is not None
    if at.uid and at.first <= at.uid:
        inside = mailbox.client.search(["UID", f"{at.first}:{at.uid}"])
        mailbox.move(uid for uid in inside if at.first <= uid <= at.uid)


def connect(source: str, settings: Mapping[str, Any]) -> IMAPClient:
    """A connection that is logged in. Raises MailboxFailed or InputError, each naming the setting."""
    host, tls = str(settings["host"]), str(settings.get("tls", "tls"))
    port = int(settings.get("port", 993 if tls == "tls" else 143))
    context = ssl.create_default_context(cafile=settings.get("ca_file"))
    try:
        client = IMAPClient(host, port=port, ssl=tls == "tls", ssl_context=context if tls == "tls" else None, timeout=TIMEOUT)
        if tls == "starttls":
            client.starttls(context)
    except LOST as error:
        raise MailboxFailed(f"{host}:{port} of {source} cannot be reached: {error}") from error
    try:
        _log_in(client, source, settings)
    except BaseException:
        client.shutdown()
        raise
    return client


def _log_in(client: IMAPClient, source: str, settings: Mapping[str, Any]) -> None:
    user, where = str(settings["user"]), f"source {source}"
    try:
        if oauth := settings.get("oauth2"):
            client.oauth2_login(user, access_token(oauth, where=where))
        else:
            client.login(user, credential(settings["password"], where=f"{where}: password"))
    except LoginError as error:
        raise MailboxFailed(
            f"{settings['host']} refuses the login of {user}: {error}; check user and password of {source}"
        ) from error
    except LOST as error:
        raise MailboxFailed(f"{settings['host']} ended the login of {user}: {error}") from error


def access_token(oauth: Mapping[str, Any], *, where: str) -> str:
    """The token of the environment (``token``), or a fresh one for the refresh token (RFC 6749 section 6)."""
    if "token" in oauth:
        return credential(oauth["token"], where=f"{where}: oauth2.token")
    form = {
        "grant_type": "refresh_token",
        "refresh_token": credential(oauth["refresh_token"], where=f"{where}: oauth2.refresh_token"),
        "client_id": str(oauth.get("client_id", "")),
    }
    if "client_secret" in oauth:
        form["client_secret"] = credential(oauth["client_secret"], where=f"{where}: oauth2.client_secret")
    if "scope" in oauth:
        form["scope"] = str(oauth["scope"])
    with guarded.client(allow_private=bool(oauth.get("allow_private"))) as client:
        try:
            answer = client.post(str(oauth["token_url"]), data=form)
            token = answer.json().get("access_token", "") if answer.is_success else ""
        except (ValueError, guarded.httpx.HTTPError) as error:
            raise MailboxFailed(f"{oauth['token_url']} gives no token: {error}") from error
    if not token:
        problem = Problem(f"{where}: oauth2", f"{oauth['token_url']} answered {answer.status_code} without a token",
                          "renew the refresh token")  # fmt: skip
        raise InputError(problem)
    return str(token)
