"""A connection to an IMAP server that is logged in, by password or OAuth2 (RFC 7628, XOAUTH2)."""

import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from tipstaff.intake.sources import guarded
from tipstaff.intake.sources.credentials import credential
from tipstaff.kernel.errors import InputError, Problem, TipstaffError

TIMEOUT = 60.0  # seconds without a byte from the server
LOST = (IMAPClientError, OSError, EOFError)


class MailboxFailed(TipstaffError):
    """The server did not do what was asked; the text says which, and what it said."""


def connect(source: str, settings: Mapping[str, Any], *, longest: int, timeout: float = TIMEOUT) -> IMAPClient:
    """A connection that is logged in and reads no literal of more than ``longest`` bytes. Raises MailboxFailed or InputError, each
    naming the setting."""
    host, tls = str(settings["host"]), str(settings.get("tls", "tls"))
    port = int(settings.get("port", 993 if tls == "tls" else 143))
    context = ssl.create_default_context(cafile=settings.get("ca_file"))
    try:
        client = IMAPClient(host, port=port, ssl=tls == "tls", ssl_context=context if tls == "tls" else None, timeout=timeout)
        if tls == "starttls":
            client.starttls(context)
    except LOST as error:
        raise MailboxFailed(f"{host}:{port} of {source} cannot be reached: {error}") from error
    _cap_literals(client, longest)
    try:
        _log_in(client, source, settings)
    except BaseException:
        end(client)
        raise
    return client


def end(client: IMAPClient) -> None:
    """Close a connection that may be broken already."""
    with suppress(*LOST):
        client.shutdown()


def _cap_literals(client: IMAPClient, longest: int) -> None:
    """imaplib makes room for whatever length a server announces, before a byte of it came."""
    connection = client._imap
    plain = connection.read

    def read(size: int) -> bytes:
        if size > longest:
            raise IMAPClientAbortError(f"the server announced {size} bytes where at most {longest} were asked for")
        return bytes(plain(size))

    connection.read = read


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
        except (ValueError, AttributeError, guarded.httpx.HTTPError) as error:
            raise MailboxFailed(f"{oauth['token_url']} gives no token: {error}") from error
    if not token:
        problem = Problem(f"{where}: oauth2", f"{oauth['token_url']} answered {answer.status_code} without a token",
                          "renew the refresh token")  # fmt: skip
        raise InputError(problem)
    return str(token)
