"""The only reader of the wall clock; everything below an edge takes ``now``."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_frozen: list[datetime] = []


def now() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return _frozen[-1] if _frozen else datetime.now(UTC)  # noqa: TID251 - this is the clock


@contextmanager
def frozen(at: datetime) -> Iterator[datetime]:
    """Hold the clock at ``at`` (aware) inside the block; for tests and rehearsals."""
    if at.tzinfo is None:
        raise ValueError("a frozen clock needs a time zone")
    _frozen.append(at.astimezone(UTC))
    try:
        yield at
    finally:
        _frozen.pop()
