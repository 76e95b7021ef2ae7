"""Handing messages to the operator's mail server by SMTP (RFC 5321, 3207, 4954, 6152, 6531), and what its answers mean.

The last bytes of a message go out only after ``before_handing`` has returned: what happens from then on to the server's answer is
the only stretch in which nobody can know whether the message was taken.
"""

import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import re2

from tipstaff.kernel import shadow
from tipstaff.kernel.text import one_line

PATIENCE = 60.0  # seconds for each answer
LAST_PATIENCE = 300.0  # for the one after the content; the lease of a claim is longer
LONGEST_ANSWER = 500
_ENHANCED = re2.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})\b")


class Outcome(StrEnum):
    """What became of a try."""

    SENT = "sent"
    LATER = "later"  # the server says: try again
    NEVER = "never"  # the server says: not this message, not this address
    UNSURE = "unsure"  # the connection ended after the last byte and before the answer
    OURS = "ours"  # the smarthost cannot be used at all: no message is to blame


@dataclass(frozen=True, slots=True)
class Smarthost:
    """Where mail is handed over. ``tls``: starttls, tls, off. ``authority``: PEM file of a private authority."""

    host: str
    port: int = 587
    tls: str = "starttls"
    user: str = ""
    password: str = ""
    authority: Path | None = None
    hostname: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"Smarthost({self})"  # never the password


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try ended: where in the dialogue, with which words, and whether the address itself is to blame."""

    outcome: Outcome
    stage: str = ""
    code: int = 0
    text: str = ""
    bad_address: bool = False

    def __str__(self) -> str:
        said = one_line(f"{self.code or ''} {self.text}", LONGEST_ANSWER)
        return f"{self.stage}: {said}" if self.stage else said


class Unusable(Exception):
    """The smarthost cannot be used at present; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(str(answer))


def meaning(stage: str, code: int, text: str) -> Answer:
    """The answer to one step (RFC 5321 section 4.2, enhanced codes of RFC 3463).

    A refusal of the recipient blames the address only where it says that there is no such mailbox (5.1.x, 5.2.1, or a plain
    550, 551, 553): a refusal by policy (5.7.x) says nothing about whose mailbox it is.
    """
    enhanced = _ENHANCED.match(text)
    subject, detail = (int(enhanced.group(2)), int(enhanced.group(3))) if enhanced else (-1, -1)
    text = one_line(text, LONGEST_ANSWER)
    if 200 <= code < 300:
        return Answer(Outcome.SENT, stage, code, text)
    if stage in {"connect", "greeting", "tls", "login"}:
        return Answer(Outcome.OURS, stage, code, text)
    if 400 <= code < 500 or code < 200:
        return Answer(Outcome.LATER, stage, code, text)
    if stage == "sender" and (subject, detail) != (3, 4) and code != 552:
        return Answer(Outcome.OURS, stage, code, text)  # it takes nothing from our address: no message is to blame
    bad = stage == "recipient" and ((subject == 1) or (subject, detail) == (2, 1) or (not enhanced and code in {550, 551, 553}))
    return Answer(Outcome.NEVER, stage, code, text, bad_address=bad)


class Connection:
    """One connection to the smarthost, used for many messages. Raises Unusable where it cannot be opened."""

    def __init__(self, server: Smarthost) -> None:
        self.server = server
        if shadow.is_on():
            raise Unusable(Answer(Outcome.OURS, "connect", 0, shadow.WHY))
        stage = "connect"
        try:
            self.smtp = self._open()
            stage = "greeting"
            self.smtp.ehlo_or_helo_if_needed()
            if server.tls == "starttls":
                stage = "tls"
                self._starttls()
            if server.user:
                stage = "login"
                self.smtp.login(server.user, server.password)
        except smtplib.SMTPResponseException as error:
            raise Unusable(meaning(stage, error.smtp_code, _text(error.smtp_error))) from error
        except (smtplib.SMTPException, OSError) as error:
            raise Unusable(Answer(Outcome.OURS, stage, 0, _reason(error))) from error

    def _open(self) -> smtplib.SMTP:
        server, name = self.server, self.server.hostname or None
        if server.tls == "tls":
            context = self._context()
            return smtplib.SMTP_SSL(server.host, server.port, local_hostname=name, timeout=PATIENCE, context=context)
        return smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=PATIENCE)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.server.authority) if self.server.authority else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _starttls(self) -> None:
        if not self.smtp.has_extn("starttls"):
            raise Unusable(Answer(Outcome.OURS, "tls", 0, "it offers no STARTTLS; nothing is sent without it"))
        self.smtp.starttls(context=self._context())
        self.smtp.ehlo()

    def send(self, sender: str, recipient: str, content: bytes, before_handing: Callable[[], None]) -> Answer:
        """Hand over one message. ``before_handing`` is called after the server asked for the content, before its end goes out."""
        stage, handed = "sender", False
        try:
            options = self._options(recipient, content)
            if isinstance(options, Answer):
                return options
            for stage, step in (
                ("sender", lambda: self.smtp.mail(sender, options)),
                ("recipient", lambda: self.smtp.rcpt(recipient)),
                ("content", lambda: self.smtp.docmd("DATA")),
            ):
                code, text = step()
                if not (code == 354 if stage == "content" else 200 <= code < 300):
                    self._reset()
                    return meaning(stage, code if code != 354 else 451, _text(text))
            before_handing()
            handed = True
            return self._content(content)
        except (smtplib.SMTPException, OSError) as error:
            self.smtp.close()  # without a QUIT: inside the content it would be content
            return Answer(Outcome.UNSURE if handed else Outcome.LATER, stage, 0, _reason(error))
        except BaseException:
            self.smtp.close()
            raise

    def _content(self, content: bytes) -> Answer:
        stuffed = (b"." if content.startswith(b".") else b"") + content.replace(b"\r\n.", b"\r\n..")
        sock = self.smtp.sock
        assert sock is not None
        self.smtp.send(stuffed + (b"" if stuffed.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        sock.settimeout(LAST_PATIENCE)
        code, text = self.smtp.getreply()
        sock.settimeout(PATIENCE)
        if code == 421:
            self.close()
        return meaning("content", code, _text(text))

    def _options(self, recipient: str, content: bytes) -> list[str] | Answer:
        options = []
        limit = self.smtp.esmtp_features.get("size", "")
        if limit.isdecimal() and 0 < int(limit) < len(content):
            return Answer(Outcome.NEVER, "sender", 552, f"the message has {len(content)} bytes, the server takes {limit}")
        if self.smtp.has_extn("size"):
            options.append(f"size={len(content)}")
        if not recipient.isascii():
            if not self.smtp.has_extn("smtputf8"):
                said = "the address is not ASCII and the server takes no such addresses (SMTPUTF8)"
                return Answer(Outcome.NEVER, "recipient", 0, said, bad_address=True)
            options += ["SMTPUTF8", "BODY=8BITMIME"]
            self.smtp.command_encoding = "utf-8"
        return options

    def _reset(self) -> None:
        try:
            self.smtp.rset()
        except (smtplib.SMTPException, OSError):
            self.close()

    @property
    def is_open(self) -> bool:
        return self.smtp.sock is not None

    def close(self) -> None:
        """End it politely where that is quick."""
        try:
            if self.smtp.sock is not None:
                self.smtp.sock.settimeout(2)
                self.smtp.quit()
        except (smtplib.SMTPException, OSError):
            pass
        finally:
            self.smtp.close()


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | socket.timeout):
        return "it did not answer in time"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "it ended the connection"
    return one_line(f"{type(error).__name__}: {error}", LONGEST_ANSWER)
