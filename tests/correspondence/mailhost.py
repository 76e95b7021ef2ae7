"""A real SMTP server on the loopback, which answers as a test tells it, and keeps what it took."""

import datetime as dt
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tipstaff.correspondence.smarthost import Smarthost
from tipstaff.kernel import clock
from tipstaff.project.commands.running import free_port


@dataclass
class Taken:
    """One message as the server got it."""

    mail_from: str
    rcpt_to: list[str]
    content: bytes
    options: list[str]

    @property
    def parsed(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


@dataclass
class Mailhost:
    """``answers``: per recipient what RCPT says; ``sender_answer``, ``content_answer``: what MAIL and DATA say, in turn."""

    answers: dict[str, str] = field(default_factory=dict)
    sender_answer: list[str] = field(default_factory=list)
    content_answer: list[str] = field(default_factory=list)
    drop_at_end: int = 0  # so many times the connection is cut after the content, without an answer
    taken: list[Taken] = field(default_factory=list)

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.sender_answer:
            return self.sender_answer.pop(0)
        envelope.mail_from, envelope.mail_options = address, options
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.content_answer:
            return self.content_answer.pop(0)
        self.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, envelope.mail_options))
        if self.drop_at_end:
            self.drop_at_end -= 1
            server.transport.abort()
        return "250 2.0.0 queued"


class Running:
    """``with Running(host, …) as smarthost:`` — the server runs meanwhile."""

    def __init__(self, host: Mailhost, tmp: Path | None = None, tls: str = "off", login: tuple[str, str] | None = None) -> None:
        self.host, self.tls, self.login = host, tls, login
        options: dict = {"enable_SMTPUTF8": True}
        self.authority: Path | None = None
        if tls != "off":
            assert tmp is not None
            self.authority, context = certificate(tmp)
            options |= {"tls_context": context, "require_starttls": True} if tls == "starttls" else {"ssl_context": context}
        if login:
            options |= {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": tls == "starttls"}
        self.controller = Controller(host, hostname="127.0.0.1", port=free_port(), **options)

    def _authenticate(self, server, session, envelope, mechanism, given):
        return AuthResult(success=(given.login.decode(), given.password.decode()) == self.login, handled=False)

    def __enter__(self) -> Smarthost:
        self.controller.start()
        user, password = self.login or ("", "")
        return Smarthost("localhost", self.controller.port, self.tls, user, password, self.authority)

    def __exit__(self, *error) -> None:
        self.controller.stop(no_assert=True)


def certificate(tmp: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost, signed by itself: its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = clock.now() - dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp / "chain.pem", tmp / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    return chain, context
