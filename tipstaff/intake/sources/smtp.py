"""The mail listener: SMTP (RFC 5321) and LMTP (RFC 2033). A message is on the disk before the 250; nothing is sent on.

Needs no database: what it takes lies in the spool until a worker has committed it.
"""

import asyncio
import errno
import logging
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tipstaff.intake.sources.admission import TRUSTED, Caps, Door, Recipients
from tipstaff.intake.sources.committing import Committer
from tipstaff.intake.sources.protocol import GuardedLMTP, GuardedSMTP
from tipstaff.intake.spool import Spool, accepted
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError, Problem

log = logging.getLogger(__name__)
LOGGED = 300  # characters of what a stranger said that may stand in a log or an envelope
SOURCE = "smtp"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Listening:
    """One listener. ``path`` names a Unix socket instead of host and port; certificate and key are PEM files."""

    host: str = "127.0.0.1"
    port: int = 8725
    path: Path | None = None
    lmtp: bool = False
    recipients: Sequence[str] = ()
    max_bytes: int = 50_000_000
    certificate: Path | None = None
    key: Path | None = None
    hostname: str = ""
    caps: Caps | None = None  # None: by whether strangers can reach it

    @property
    def is_local(self) -> bool:
        return self.path is not None or self.host in {"localhost", "::1"} or self.host.startswith("127.")

    @property
    def limits(self) -> Caps:
        return self.caps or (TRUSTED if self.is_local else Caps())

    def __str__(self) -> str:
        return f"{'LMTP' if self.lmtp else 'SMTP'} on {self.path or f'{self.host}:{self.port}'}"


@dataclass
class Tally:
    """What the listener did since it began."""

    accepted: int = 0
    refused: int = 0
    failed: int = 0
    last_error: str = ""


class Reception:
    """The answers to MAIL, RCPT and DATA."""

    def __init__(self, listening: Listening, committer: Committer) -> None:
        self.listening, self.committer = listening, committer
        self.recipients = Recipients.of(listening.recipients, anyone=listening.is_local)
        self.door, self.tally = Door(listening.limits), Tally()

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if not self.door.message(peer_of(session), time.monotonic()):
            self.tally.refused += 1
            return "451 4.7.1 too many messages from your address within a minute, try again later"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 sender OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if not self.recipients.covers(address):
            self.tally.refused += 1
            return "550 5.1.1 no such mailbox here; this server takes mail for its own desk only"
        if len(envelope.rcpt_tos) >= self.listening.limits.recipients:
            return "452 4.5.3 too many recipients for one message, send the rest separately"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 recipient OK"

    async def handle_exception(self, error: Exception) -> str:
        """A defect of ours must never lose a message: the sender keeps it."""
        log.exception("mail listener failed", exc_info=error)
        self.tally.failed += 1
        return "451 4.3.0 internal error, try again later"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        moment = now()
        item = accepted(
            source=SOURCE,
            kind="lmtp" if self.listening.lmtp else "smtp",
            content=content,
            now=moment,
            **envelope_of(session, envelope),
        )
        try:
            await self.committer.put(item)
        except Exception as error:
            self.tally.failed += 1
            self.tally.last_error = f"the spool cannot be written: {error}"
            reply = why_not(error)
        else:
            self.tally.accepted += 1
            reply = f"250 2.6.0 accepted as {item.id}"
        # RFC 2033 4.2: after DATA, LMTP answers once for each recipient.
        return "\r\n".join([reply] * len(envelope.rcpt_tos)) if self.listening.lmtp else reply


def why_not(error: Exception) -> str:
    """The temporary refusal of a message that is not on the disk: the sender keeps it and tries again."""
    if isinstance(error, OSError) and error.errno in FULL:
        return "452 4.3.1 no space to keep the message now, try again later"
    return "451 4.3.0 the message could not be kept, try again later"


def envelope_of(session: Session, envelope: Envelope) -> dict[str, Any]:
    """What is kept beside the bytes: who said what in the dialogue."""
    kept: dict[str, Any] = {
        "mail_from": clean(envelope.mail_from or "").strip("<>"),  # the null path is empty
        "rcpt_to": [clean(address) for address in envelope.rcpt_tos],
        "peer": peer_of(session),
        "helo": clean(session.host_name or ""),
        "tls": tls_version(session),
    }
    if envelope.smtp_utf8:
        kept["smtputf8"] = True
    return kept


def clean(text: str) -> str:
    """Text of a stranger without control characters and broken surrogates, capped; PostgreSQL and JSON must take it."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(letter for letter in sound[:LOGGED] if letter.isprintable())


def peer_of(session: Session) -> str:
    peer = session.peer
    return str(peer[0]) if isinstance(peer, tuple) and peer else "local"


def tls_version(session: Session) -> str:
    """'TLSv1.3' and the like, empty on a plain connection."""
    if not session.ssl:
        return ""
    protocol = session.ssl.get("ssl_object") if isinstance(session.ssl, dict) else session.ssl
    return str(getattr(protocol, "version", lambda: "yes")() or "")


def tls_context(listening: Listening) -> ssl.SSLContext | None:
    """The context for STARTTLS, None where no certificate is set. Raises InputError naming the file that is wrong."""
    if listening.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listening.certificate, listening.key)
    except (OSError, ssl.SSLError) as error:
        where = f"TIPSTAFF_SMTP_CERTIFICATE {listening.certificate}, TIPSTAFF_SMTP_KEY {listening.key or 'not set'}"
        advice = "give the certificate chain and its private key as readable PEM files"
        raise InputError(Problem(where, f"cannot be used for STARTTLS: {error}", advice)) from error
    return context


async def open_listener(listening: Listening, reception: Reception) -> asyncio.Server:
    """Listen. Raises InputError where the address cannot be taken."""
    kind = GuardedLMTP if listening.lmtp else GuardedSMTP
    context = tls_context(listening)
    hostname = listening.hostname or socket.gethostname()

    def protocol() -> SMTP:
        return kind(
            reception,
            data_size_limit=listening.max_bytes,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="Tipstaff",
            tls_context=context,
            timeout=120,
            loop=asyncio.get_running_loop(),
        )

    loop = asyncio.get_running_loop()
    try:
        if listening.path is not None:
            listening.path.unlink(missing_ok=True)
            return await loop.create_unix_server(protocol, listening.path)
        return await loop.create_server(protocol, listening.host, listening.port, backlog=256)
    except OSError as error:
        name = "TIPSTAFF_LMTP_LISTEN" if listening.lmtp else "TIPSTAFF_SMTP_LISTEN"
        where = f"{name} {listening.path or f'{listening.host}:{listening.port}'}"
        advice = "stop the program that listens there, or name another address; ports below 1024 need the right to bind them"
        raise InputError(Problem(where, f"cannot listen: {error.strerror or error}", advice)) from error


async def serve(
    listeners: Sequence[Listening], spool: Spool, stopped: Callable[[], bool], ready: Callable[[list[Reception]], None]
) -> None:
    """Serve until ``stopped()``; what is being written is finished, what is being received is not accepted."""
    committer = Committer(spool)
    receptions = [Reception(listening, committer) for listening in listeners]
    servers = [await open_listener(each, one) for each, one in zip(listeners, receptions, strict=True)]
    ready(receptions)
    try:
        while not stopped():
            await asyncio.sleep(0.1)
    finally:
        for server in servers:
            server.close()
        await committer.close()
        await asyncio.sleep(0.05)  # what is on the disk gets its 250, or it would be sent again


def run(
    listeners: Sequence[Listening],
    spool: Spool,
    stopped: Callable[[], bool],
    ready: Callable[[list[Reception]], None] = lambda receptions: None,
) -> None:
    """``serve`` in an event loop of this thread."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every command of every client
    asyncio.run(serve(listeners, spool, stopped, ready))
