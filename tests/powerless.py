"""What an account sees that may not read everything, where the tests run as root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def powerless(directory: Path) -> Iterator[Path]:
    """The directory as an account that owns what is in it, and is not root; the path is good within the block only."""
    before, root = Path.cwd(), os.geteuid() == 0
    for path in (directory, *directory.iterdir()) if root else ():
        os.chown(path, NOBODY, -1)
    os.chdir(directory)  # the way there may be shut to that account
    if root:
        os.seteuid(NOBODY)
    try:
        yield Path()
    finally:
        if root:
            os.seteuid(0)
        os.chdir(before)
