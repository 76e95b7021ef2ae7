"""One Dovecot for all tests of mailboxes, and a desk of its own for each."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.intake.sources import dovecot
from tests.intake.sources.reading_desk import Desk


@pytest.fixture(scope="session")
def server() -> Iterator[dovecot.Dovecot]:
    base = Path(tempfile.mkdtemp(prefix="tipstaff-dovecot-", dir="/tmp"))
    base.chmod(0o755)
    try:
        with dovecot.running(base) as running:
            yield running
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIPSTAFF_SECRET_IMAP", "s3cret")


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    return f"u{abs(hash(request.node.name)) % 10**9}"


@pytest.fixture
def desk(server: dovecot.Dovecot, tmp_path: Path, user: str) -> Iterator[Desk]:
    found = Desk(server, tmp_path, user)
    yield found
    found.mailbox.close()
