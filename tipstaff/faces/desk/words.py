"""Words and shapes for what the desk shows: states, turns, times. A status is always a shape and a word."""

import re
from datetime import datetime, timedelta, tzinfo

#: State of section O → (words, icon, tone).
STATES = {
    "TRIAGE": ("Triage", "us", "us"),
    "RESTRICTED_CASE": ("Restricted", "lock", "off"),
    "TICKETED": ("Ticketed", "next", ""),
    "ACKNOWLEDGED": ("Acknowledged", "next", ""),
    "FIX_CLAIMED": ("Fix claimed", "check", "us"),
    "NOT_ADEQUATE": ("Not adequate", "over", "warn"),
    "DISPUTED": ("Disputed", "scale", "off"),
    "DISCONNECT_PENDING": ("Disconnection pending", "plug", "bad"),
    "DISCONNECTED": ("Disconnected", "plug", "bad"),
    "RECONNECTED": ("Reconnected, probation", "ok", ""),
    "TERMINATION_PENDING": ("Termination pending", "plug", "bad"),
    "TERMINATED": ("Terminated", "plug", "off"),
    "APPEAL": ("Appeal", "scale", "off"),
    "RESOLVED": ("Resolved", "done", "good"),
    "CLOSED_COMPLIANT": ("Closed: no breach", "done", "off"),
    "CLOSED_SPEECH": ("Closed: protected speech", "done", "off"),
    "CLOSED_EXCEPTION": ("Closed: exception", "done", "off"),
    "CLOSED_FALSE": ("Closed: false report", "done", "off"),
    "CLOSED_DUPLICATE": ("Closed: duplicate", "done", "off"),
    "CLOSED_ABSENT": ("Closed: no longer found", "done", "good"),
    "CLOSED_NOT_OURS": ("Closed: not ours", "done", "off"),
    "MERGED": ("Merged", "merge", "off"),
}
TURNS = {"us": ("us", "us", "us"), "customer": ("customer", "cust", ""), "reporter": ("reporter", "rep", "off")}
SEVERITIES = ("critical", "high", "medium", "low", "info", "manual")
ACKNOWLEDGED = frozenset(STATES) - {"TRIAGE", "TICKETED", "RESTRICTED_CASE"}
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


#: Parts of the machinery whose short names say nothing to a reader.
PARTS = {"telling": "letters", "sweep": "housekeeping", "single": "intake", "worker": "intake", "portal": "portal"}
#: What attribution could not say, as filing counts it, in plain words.
UNSAID = {
    "not assigned then": "nobody on record held the address of {} then",
    "ambiguous": "{} could be of more than one customer",
    "nothing to attribute": "{} {} nothing that a customer could hold",
}
_CODE = re.compile(r"^([A-Z]+(?:_[A-Z]+)*): ")
_REMINDER = re.compile(r"\bremind_(?:acknowledge|resolve)_(\d+)\b")
_UNSAID = re.compile(r"(\d+ events?) (?:is|are) (not assigned then|ambiguous|nothing to attribute)")


def actor(name: str) -> str:
    """Who did it: 'system · clock' for a part of the machinery, a person's name as it is."""
    whose, _, part = str(name).partition(":")
    return f"{whose} · {PARTS.get(part, part)}" if whose == "system" and part else str(name)


def told(text: str) -> str:
    """A line of the journal without codes: 'CLOSED_FALSE: overturned' → 'Closed: false report: overturned'."""
    plain = _CODE.sub(lambda found: f"{state(found.group(1))[0]}: ", str(text), count=1)
    return _REMINDER.sub(r"reminder at \1 %", plain)


def waits_for(reason: str) -> str:
    """Why a submission waits for a person, in plain words."""

    def plain(found: "re.Match[str]") -> str:
        count, answer = found.groups()
        return UNSAID[answer].format(count, "names" if count.startswith("1 ") else "name")

    return _UNSAID.sub(plain, str(reason))


def state(code: str) -> tuple[str, str, str]:
    """(words, icon, tone) of a state; an unknown one is shown as it is written."""
    return STATES.get(code) or (code.replace("_", " ").capitalize(), "ok", "")


def length(period: timedelta) -> str:
    """'2 h 41', '26 h 30', '5 d': as short as it stays exact enough."""
    minutes = int(abs(period).total_seconds() // 60)
    if minutes >= 72 * 60:
        return f"{minutes // 1440} d"
    return f"{minutes // 60} h {minutes % 60:02d}"


def moment(at: datetime, now: datetime, zone: tzinfo) -> str:
    """'14:20' today, 'Mon 14:20' within six days, '14 Jun' this year, else '14 Jun 2025'."""
    here, today = at.astimezone(zone), now.astimezone(zone)
    if here.date() == today.date():
        return f"{here:%H:%M}"
    if abs((here.date() - today.date()).days) <= 6:
        return f"{DAYS[here.weekday()]} {here:%H:%M}"
    day = f"{here.day} {MONTHS[here.month - 1]}"
    return day if here.year == today.year else f"{day} {here.year}"


def full(at: datetime, zone: tzinfo) -> str:
    """'Sun 14 Jun 2026 10:02:11 +02:00'."""
    here = at.astimezone(zone)
    offset = f"{here:%z}"
    day = f"{DAYS[here.weekday()]} {here.day} {MONTHS[here.month - 1]} {here.year}"
    return f"{day} {here:%H:%M:%S} {offset[:3]}:{offset[3:]}"


def clock(due: datetime | None, now: datetime, zone: tzinfo) -> tuple[str, str, str]:
    """(words, icon, tone) of a case's clock: late, due in 4 hours, today, or a day."""
    if due is None:
        return ("no clock", "pause", "off")
    left = due - now
    if left <= timedelta(0):
        return (f"{length(left)} late", "over", "bad")
    if left <= timedelta(hours=4):
        return (length(left), "soon", "warn")
    if left <= timedelta(hours=24):
        return (length(left), "ok", "")
    return (moment(due, now, zone), "ok", "")


def group_of(due: datetime | None, now: datetime, zone: tzinfo) -> str:
    """The heading under which a case stands in a list ordered by what is due first."""
    if due is None:
        return "No clock"
    if due <= now:
        return "Past due"
    if due <= now + timedelta(hours=4):
        return "Next 4 hours"
    days = (due.astimezone(zone).date() - now.astimezone(zone).date()).days
    if days == 0:
        return "Later today"
    return "This week" if days < 7 else "Later"
