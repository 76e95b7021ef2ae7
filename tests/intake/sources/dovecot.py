"""A real Dovecot of our own: an ordinary process on a loopback port, plain files below one directory."""

import json
import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from imapclient import IMAPClient

from tipstaff.project.commands.running import free_port
from tipstaff.project.processes import answers, wait_until

BINARY = shutil.which("dovecot") or "/usr/sbin/dovecot"
MISSING = "" if Path(BINARY).exists() else "Dovecot is missing (Debian: dovecot-imapd)"
TOKEN = "an-access-token"
CONFIGURATION = """
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
ssl = no
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_login_user = {user}
default_internal_group = {group}
disable_plaintext_auth = no
auth_mechanisms = plain xoauth2
mail_location = maildir:{base}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 0
mmap_disable = yes
default_vsz_limit = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {base}/oauth2.conf
}}
passdb {{
  driver = static
  args = password=s3cret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={base}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""
OAUTH2 = """
introspection_url = http://127.0.0.1:{port}/introspect?token=
introspection_mode = get
username_attribute = username
active_attribute = active
active_value = true
"""


@dataclass
class Dovecot:
    """The running server. ``issuer`` is the address of its OAuth2 server, which also refreshes tokens."""

    port: int
    base: Path
    issuer: str

    def settings(self, **more: Any) -> dict[str, Any]:
        known = {"host": "127.0.0.1", "port": self.port, "tls": "none", "user": "desk", "password": "TIPSTAFF_SECRET_IMAP"}
        return known | more

    def client(self, user: str = "desk") -> IMAPClient:
        client = IMAPClient("127.0.0.1", port=self.port, ssl=False, timeout=20)
        client.login(user, "s3cret")
        return client

    def renumber(self, user: str, validity: int) -> None:
        """Give the INBOX another UIDVALIDITY and its mails new numbers from 1 on, as a rebuilt or restored server does."""
        root = self.base / "mail" / user
        for stale in root.glob("dovecot.index*"):
            stale.unlink()
        (root / "dovecot-uidlist").write_text(f"3 V{validity} N1\n")
        account = root.stat()
        os.chown(root / "dovecot-uidlist", account.st_uid, account.st_gid)

    def deliver(self, *mails: bytes, mailbox: str = "INBOX", user: str = "desk", at: datetime | None = None) -> None:
        with self.client(user) as client:
            if not client.folder_exists(mailbox):
                client.create_folder(mailbox)
            for mail in mails:
                client.append(mailbox, mail, msg_time=at)


@contextmanager
def running(base: Path) -> Iterator[Dovecot]:
    """A server whose user ``desk`` has the password ``s3cret``; the mailboxes are empty."""
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    port, values = free_port(), {"user": account.pw_name, "uid": account.pw_uid, "gid": account.pw_gid}
    group = subprocess.run(["id", "-gn", account.pw_name], capture_output=True, text=True, check=True).stdout.strip()
    for name in ("run", "state", "mail"):
        (base / name).mkdir(parents=True)
        os.chown(base / name, account.pw_uid, account.pw_gid)
    with issuer() as tokens:
        written = CONFIGURATION.format(base=base, port=port, group=group, **values)
        (base / "dovecot.conf").write_text(written)
        (base / "oauth2.conf").write_text(OAUTH2.format(port=tokens))
        server = subprocess.Popen(
            [BINARY, "-F", "-c", str(base / "dovecot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            up = wait_until(lambda: answers("127.0.0.1", port) or server.poll() is not None, 60)
            said = server.stderr.read() if server.poll() is not None and server.stderr else b""
            assert up and server.poll() is None, said.decode() + log_of(base)
            yield Dovecot(port, base, f"http://127.0.0.1:{tokens}")
        finally:
            server.terminate()
            server.wait(20)
            if server.stderr:
                server.stderr.close()


def log_of(base: Path) -> str:
    return (base / "log").read_text() if (base / "log").exists() else ""


@contextmanager
def issuer() -> Iterator[int]:
    """An OAuth2 server: introspection (RFC 7662) for Dovecot, and refresh (RFC 6749) for the client. Its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = parse_qs(urlsplit(self.path).query).get("token") == [TOKEN]
            self._say({"active": good, "username": "desk"} if good else {"active": False})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            good = form.get("grant_type") == ["refresh_token"] and form.get("refresh_token") == ["a-refresh-token"]
            self._say({"access_token": TOKEN, "token_type": "Bearer"} if good else {"error": "invalid_grant"}, 200 if good else 400)

        def _say(self, answer: dict[str, Any], status: int = 200) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
