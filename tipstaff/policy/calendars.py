"""Business time: how long is it from here, when only the calendar's hours count. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tipstaff.policy.edition import Calendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RESOLUTION = timedelta(seconds=1)  # of the moments at which clocks are put forward or back
LONGEST = 4000  # days that are looked at: a calendar that never opens does not hang


def hours(calendar: Calendar, day: date) -> tuple[datetime, datetime] | None:
    """Opening and closing of a day, in UTC; None where the calendar is closed."""
    if DAYS[day.weekday()] not in calendar.days or day.isoformat() in calendar.holidays:
        return None
    zone = ZoneInfo(calendar.timezone)
    first, last = (datetime.combine(day, time.fromisoformat(text), zone) for text in (calendar.opens, calendar.closes))
    opens, closes = _instant(first, again=True), _instant(last, again=False)
    return (opens, closes) if opens <= closes else (opens, _instant(last, again=True))


def _instant(wall: datetime, *, again: bool) -> datetime:
    """The moment, in UTC, at which a clock on the wall shows this.

    Of an hour that comes twice (PEP 495) the second with ``again``, else the first: an opening and a closing taken so never count
    what is closed. An hour that is left out is the moment at which the clock is put forward.
    """
    moment = wall.replace(fold=int(again)).astimezone(UTC)
    if moment.astimezone(wall.tzinfo).replace(tzinfo=None, fold=0) == wall.replace(tzinfo=None, fold=0):
        return moment
    early, late = wall.replace(fold=1).astimezone(UTC), wall.replace(fold=0).astimezone(UTC)
    before = early.astimezone(wall.tzinfo).utcoffset()
    while late - early > RESOLUTION:
        middle = early + (late - early) / 2
        early, late = (middle, late) if middle.astimezone(wall.tzinfo).utcoffset() == before else (early, middle)
    return late.replace(microsecond=0)


def after(calendar: Calendar, start: datetime, length: timedelta) -> datetime:
    """The moment when ``length`` of business time has passed since ``start``. Raises ValueError for a calendar without days."""
    day, left = start.astimezone(ZoneInfo(calendar.timezone)).date(), length
    for _ in range(LONGEST):
        span = hours(calendar, day)
        if span is not None and span[1] > start:
            begin = max(span[0], start)
            if left <= span[1] - begin:
                return begin + left
            left -= span[1] - begin
        day += timedelta(days=1)
    raise ValueError("the calendar has no business hours")
