"""When a message that was not taken is tried again, and when it waits because enough has gone out. Pure."""

from datetime import datetime, timedelta

FIRST, LONGEST = timedelta(minutes=1), timedelta(hours=4)
GIVE_UP = timedelta(days=4)  # RFC 5321 section 4.5.4.1: four to five days
WINDOW = timedelta(hours=1)  # what the caps count over
JITTER = 0.25


def next_try(attempts: int, now: datetime, chance: float) -> datetime:
    """After ``attempts`` tries: one minute, two, four … four hours, each a quarter shorter to a quarter longer.

    ``chance`` in [0, 1) spreads messages that failed together.
    """
    pause = min(FIRST * 2 ** min(max(attempts - 1, 0), 20), LONGEST)
    return now + pause * (1 - JITTER + 2 * JITTER * chance)


def is_hopeless(created_at: datetime, now: datetime) -> bool:
    """Whether it has been tried for so long that it has failed."""
    return now - created_at > GIVE_UP


def room(cap: int, sent: list[datetime], now: datetime) -> tuple[int, datetime | None]:
    """How many more may leave now under a cap of ``cap`` an hour, and else when the next may. ``sent``: the last hour's."""
    recent = sorted(at for at in sent if now - at < WINDOW)
    free = cap - len(recent)
    if free > 0:
        return free, None
    return 0, (recent[len(recent) - cap] if cap > 0 else now) + WINDOW
