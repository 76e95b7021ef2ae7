"""Places for whole instances."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def open_place() -> Iterator[Path]:
    """A directory that root's database account may pass through, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="tipstaff-place-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)
