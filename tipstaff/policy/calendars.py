"""Business time: how long is it from here, when only the calendar's hours count. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tipstaff.policy.edition import Calendar

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST = 4000  # days that are looked at: a calendar that never opens does not hang


def hours(calendar: Calendar, day: date) -> tuple[datetime, datetime] | None:
    """Opening and closing of a day, in UTC; None where the calendar is closed."""
    if DAYS[day.weekday()] not in calendar.days or day.isoformat() in calendar.holidays:
        return None
    zone = ZoneInfo(calendar.timezone)
    opens, closes = (datetime.combine(day, time.fromisoformat(text), zone) for text in (calendar.opens, calendar.closes))
    return opens.astimezone(UTC), closes.astimezone(UTC)


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
