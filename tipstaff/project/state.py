"""The state directory: whose it is at this moment, and the keys made for it."""

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from tipstaff.kernel.errors import Refused
from tipstaff.project import environment


@dataclass
class Lock:
    """Holds a state directory for this program until it is released or the program ends, however it ends."""

    descriptor: int

    def release(self) -> None:
        os.close(self.descriptor)


def lock_state(state: Path) -> Lock:
    """Take the state directory for this program alone. Raises Refused, naming who has it."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode().strip()
        os.close(descriptor)
        raise Refused(f"{state} is in use by process {holder}: stop it first, or choose another with --state") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return Lock(descriptor)


def is_running(state: Path) -> bool:
    """Whether a program holds the lock of this state directory, and with it runs its database."""
    if not (state / "lock").exists():
        return False
    with (state / "lock").open("r") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def ensure_secret(state: Path) -> None:
    """Make the key that signs sessions and links, once, readable by us only."""
    path = state / "secret.key"
    if not path.exists() and not environment.get("secret_key"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(50))
