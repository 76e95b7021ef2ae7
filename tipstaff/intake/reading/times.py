"""Times as reporters write them, to UTC: exact where the text is exact, bounds where it is not. Never an invented zone."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from tipstaff.intake.reading.calendar_words import AMBIGUOUS, MONTHS, OFFSETS
from tipstaff.intake.reading.patterns import pattern

MAX_TEXT = 200
WEST, EAST = timedelta(hours=12), timedelta(hours=14)  # clocks lie between UTC-12 and UTC+14
_FIRST, _LAST = 1980, 2100

_ZONE = (
    r"(?:\s?(?:(?:UTC|GMT)?\s?([+-]\d{1,2}:?\d{2}|[+-]\d{1,2})|\(?([A-Za-z]{1,5})\)?|([A-Z][A-Za-z]+/[A-Za-z_]+(?:/[A-Za-z_]+)?)))?"
)
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?([AaPp]\.?[Mm]\.?(?:\b|$))?"
_YMD = re.compile(
    rf"^(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})(?:(?:[T ,_-]|\s)\s*(?:at\s|um\s)?{_CLOCK}(?:\s?(?:Uhr|hrs?|h))?,?{_ZONE})?$"
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})[T ]?(\d{2})(\d{2})(\d{2})?(Z|[+-]\d{4})?$")
_DMY = re.compile(
    rf"^(\d{{1,2}})([-/.])(\d{{1,2}})[-/.](\d{{4}}|\d{{2}})(?:[T,]?\s*(?:at\s|um\s|à\s|-\s)?{_CLOCK}(?:\s?(?:Uhr|hrs?|h))?,?{_ZONE})?$"
)
_NAMED = re.compile(
    rf"(?i)^(?:[^\W\d_]{{2,12}}\.?,?\s+)?(\d{{1,2}})(?:st|nd|rd|th|\.|er)?[\s/-]+(?:de\s)?([^\W\d_]{{3,12}})\.?,?[\s/-]+(?:de\s)?(\d{{4}}|\d{{2}})"
    rf"(?:[\s,:T-]+(?:at\s|um\s|à\s|a las\s|alle\s|om\s|o\s|в\s)?{_CLOCK}(?:\s?(?:Uhr|hrs?|h))?,?{_ZONE})?(?:\s*\([^)]{{0,60}}\))?$"
)
_US = re.compile(
    rf"(?i)^(?:[^\W\d_]{{3,9}}\.?,?\s+)?([^\W\d_]{{3,9}})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}})"
    rf"(?:[\s,-]+(?:at\s)?{_CLOCK}(?:\s?hrs?)?,?{_ZONE})?(?:\s*\([^)]{{0,60}}\))?$"
)
_ASCTIME = re.compile(
    rf"(?i)^(?:[^\W\d_]{{3}},?\s+)?([^\W\d_]{{3,9}})\s+(\d{{1,2}})\s+(\d{{1,2}}):(\d{{2}}):(\d{{2}})(?:[.,]\d{{1,9}})?\s+(?:([A-Za-z]{{1,5}}|[+-]\d{{4}})\s+)?(\d{{4}}){_ZONE}$"
)
_SYSLOG = re.compile(rf"(?i)^([^\W\d_]{{3,4}})\.?\s+(\d{{1,2}})\s+(\d{{1,2}}):(\d{{2}}):(\d{{2}})(?:[.,]\d{{1,9}})?{_ZONE}$")
_APACHE = re.compile(r"^\[?(\d{1,2})/([^\W\d_]{3,4})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:[.]\d+)?\s?([+-]\d{4})?\]?$")
_EPOCH = re.compile(r"^@?(\d{9,10})(?:[.,](\d{1,9}))?$|^(\d{13})$|^(\d{16})$")
_CJK = re.compile(
    rf"^(\d{{4}})\s?[年년]\s?(\d{{1,2}})\s?[月월]\s?(\d{{1,2}})\s?[日일号]?\s*(?:\([^)]{{1,3}}\)\s*)?(?:{_CLOCK}|(\d{{1,2}})\s?[時时点시]\s?(\d{{1,2}})\s?[分분](?:\s?(\d{{1,2}})\s?[秒초])?)?,?{_ZONE}$"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as a report states it.

    ``at``: aware UTC, or None where the text does not fix it; then ``earliest`` and ``latest`` (aware UTC, inclusive) bound it.
    ``note``: in words, what was uncertain ('' where nothing was).
    """

    at: datetime | None
    as_written: str
    earliest: datetime | None = None
    latest: datetime | None = None
    note: str = ""


def read_time(text: str | None, *, zone: str | None = None, reference: datetime | None = None) -> Moment | None:
    """The moment that ``text`` (nothing else around it) states, or None where it states none.

    Reads RFC 5322, ISO 8601 / RFC 3339, ``YYYY-MM-DD HH:MM:SS [zone]``, day or month first with names of months in eleven
    languages, syslog without year (``reference``, aware, decides: the latest such day not after the day following it), Apache logs,
    asctime, seconds or milliseconds since 1970, and dates alone (``at`` None). ``zone`` (IANA name) is the writer's usual zone;
    it is used only where the text has none. Day and month in figures (``03/04/2025``) stay bounds where both readings are possible.
    """
    return _read((text or "")[:MAX_TEXT], zone, reference)


@lru_cache(maxsize=4_096)
def _read(text: str, zone: str | None, reference: datetime | None) -> Moment | None:
    written = " ".join(text.split())
    clean = written.strip("[]<>\"' ,;.")
    clean = (
        (clean[1:-1].strip() if clean.startswith("(") and clean.endswith(")") else clean)
        .replace("\u2212", "-")
        .replace("\u202f", " ")
    )
    if not any(map(str.isdigit, clean)) or len(clean) < 6:
        return None
    for form in (
        _read_epoch,
        _read_ymd,
        _read_named,
        _read_us,
        _read_apache,
        _read_asctime,
        _read_syslog,
        _read_compact,
        _read_dmy,
        _read_cjk,
    ):
        try:
            moment = form(clean, written, zone, reference)
        except (ValueError, OverflowError):
            moment = None
        if moment is not None:
            return moment
    return None


def _read_epoch(text, written, zone, reference):
    match = _EPOCH.match(text)
    if not match:
        return None
    seconds, fraction, milliseconds, microseconds = match.groups()
    value = int(seconds) if seconds else int(milliseconds) // 1000 if milliseconds else int(microseconds) // 1_000_000
    at = datetime.fromtimestamp(value, UTC)
    if fraction:
        at += timedelta(seconds=float(f"0.{fraction}"))
    elif milliseconds:
        at += timedelta(milliseconds=int(milliseconds) % 1000)
    elif microseconds:
        at += timedelta(microseconds=int(microseconds) % 1_000_000)
    return _sane(Moment(at, written, at, at))


def _read_ymd(text, written, zone, reference):
    match = _YMD.match(text)
    if not match:
        return None
    year, month, day, *rest = match.groups()
    return _moment((int(year), int(month), int(day)), rest, written, zone)


def _read_named(text, written, zone, reference):
    match = _NAMED.match(text)
    month = MONTHS.get(match.group(2).lower()) if match else None
    if match is None or month is None:
        return None
    day, _, year, *rest = match.groups()
    return _moment((_year(year), month, int(day)), rest, written, zone)


def _read_us(text, written, zone, reference):
    match = _US.match(text)
    month = MONTHS.get(match.group(1).lower()) if match else None
    if match is None or month is None:
        return None
    _, day, year, *rest = match.groups()
    return _moment((int(year), month, int(day)), rest, written, zone)


def _read_apache(text, written, zone, reference):
    match = _APACHE.match(text)
    month = MONTHS.get(match.group(2).lower()) if match else None
    if match is None or month is None:
        return None
    day, _, year, hour, minute, second, offset = match.groups()
    return _moment((int(year), month, int(day)), [hour, minute, second, None, None, offset, None, None], written, zone)


def _read_asctime(text, written, zone, reference):
    match = _ASCTIME.match(text)
    month = MONTHS.get(match.group(1).lower()) if match else None
    if match is None or month is None:
        return None
    _, day, hour, minute, second, middle, year, offset, name, region = match.groups()
    if middle and not (offset or name or region):
        offset, name = (middle, None) if middle[0] in "+-" else (None, middle)
    return _moment((int(year), month, int(day)), [hour, minute, second, None, None, offset, name, region], written, zone)


def _read_syslog(text, written, zone, reference):
    match = _SYSLOG.match(text)
    month = MONTHS.get(match.group(1).lower()) if match else None
    if match is None or month is None:
        return None
    _, day, *clock, offset, name, region = match.groups()
    rest = [*clock, None, None, offset, name, region]
    if reference is None:
        return Moment(None, written, None, None, "the year is not stated")
    limit = (reference + timedelta(days=1)).astimezone(UTC)
    for year in range(limit.year, limit.year - 5, -1):  # 29 February needs up to four years
        try:
            moment = _moment((year, month, int(day)), rest, written, zone)
        except ValueError:
            continue
        known = (moment.at or moment.earliest) if moment else None
        if moment is not None and known is not None and known <= limit:
            return Moment(
                moment.at,
                written,
                moment.earliest,
                moment.latest,
                _join(moment.note, "the year was taken from the report's own date"),
            )
    return None


def _read_compact(text, written, zone, reference):
    match = _COMPACT.match(text)
    if not match:
        return None
    year, month, day, hour, minute, second, offset = match.groups()
    name = "Z" if offset == "Z" else None
    return _moment(
        (int(year), int(month), int(day)), [hour, minute, second, None, None, None if name else offset, name, None], written, zone
    )


def _read_dmy(text, written, zone, reference):
    match = _DMY.match(text)
    if not match:
        return None
    first, mark, second, year, *rest = match.groups()
    one, two, year = int(first), int(second), _year(year)
    if mark == "." or two <= 12 < one or one == two:
        return _moment((year, two, one), rest, written, zone)
    if one <= 12 < two:
        return _moment((year, one, two), rest, written, zone)
    readings = [_moment(day, rest, written, zone) for day in ((year, two, one), (year, one, two))]
    known = sorted(bound for moment in readings if moment for bound in (moment.earliest, moment.latest) if bound)
    return _sane(Moment(None, written, known[0], known[-1], "day and month can be read either way")) if known else None


def _read_cjk(text, written, zone, reference):
    match = _CJK.match(text)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, half, hour2, minute2, second2, *zones = match.groups()
    clock = [hour or hour2, minute or minute2, second or second2, fraction, half]
    return _moment((int(year), int(month), int(day)), [*clock, *zones], written, zone)


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < 70 else 1900)


def _moment(day: tuple[int, int, int], rest: list[str | None], written: str, zone: str | None) -> Moment | None:
    """A day with hour, minute, second, fraction, am/pm, offset, zone name and region (each may be None) as a moment."""
    hour, minute, second, fraction, half, offset, name, region = rest
    if hour is None or minute is None:
        return _whole_day(date(*day), written, zone)
    hours = int(hour) % 12 + (12 if half[0] in "pP" else 0) if half else int(hour)
    leap = int(second or 0) == 60
    local = datetime(*day, hours, int(minute), 59 if leap else int(second or 0), int(((fraction or "0") + "000000")[:6]))
    local += timedelta(seconds=1) if leap else timedelta()
    span = timedelta() if second is not None else timedelta(seconds=59)
    known, note = _zone(offset, name, region)
    if known is None and name and name.lower() in AMBIGUOUS:
        return _one_of_zones(local, AMBIGUOUS[name.lower()], span, written, name, zone)
    if known is None and zone and not note:
        known, note = _region(zone), f"no zone in the text; read as {zone}, the reporter's usual one"
    if known is None:
        early, late = (local - EAST).replace(tzinfo=UTC), (local + WEST + span).replace(tzinfo=UTC)
        return _sane(Moment(None, written, early, late, note or "the time zone is not stated"))
    at = local.replace(tzinfo=known).astimezone(UTC)
    other = local.replace(tzinfo=known, fold=1).astimezone(UTC)
    if other != at:  # clocks were changed: this hour came twice, or never
        note = _join(note, "clocks were changed in this hour")
        return _sane(Moment(None, written, min(at, other), max(at, other) + span, note))
    return _sane(Moment(at, written, at, at + span, note))


def _one_of_zones(
    local: datetime, offsets: tuple[int, ...], span: timedelta, written: str, name: str, zone: str | None
) -> Moment | None:
    """A zone name with several meanings: the one that is the writer's usual zone, else bounds around all of them."""
    usual = _region(zone) if zone else None
    shift = local.replace(tzinfo=usual).utcoffset() if usual else None
    if shift is not None and shift.total_seconds() / 60 in offsets:
        at = (local - shift).replace(tzinfo=UTC)
        return _sane(Moment(at, written, at, at + span, f"{name} read as {zone}, the reporter's usual zone"))
    early = (local - timedelta(minutes=max(offsets))).replace(tzinfo=UTC)
    late = (local - timedelta(minutes=min(offsets)) + span).replace(tzinfo=UTC)
    return _sane(Moment(None, written, early, late, f"the time zone {name!r} means several"))


def _whole_day(day: date, written: str, zone: str | None) -> Moment | None:
    start = datetime(day.year, day.month, day.day)
    end = start + timedelta(days=1) - timedelta(seconds=1)
    known = _region(zone) if zone else None
    if known is not None:
        return _sane(
            Moment(
                None,
                written,
                start.replace(tzinfo=known).astimezone(UTC),
                end.replace(tzinfo=known).astimezone(UTC),
                "only the day is stated",
            )
        )
    return _sane(
        Moment(
            None,
            written,
            (start - EAST).replace(tzinfo=UTC),
            (end + WEST).replace(tzinfo=UTC),
            "only the day is stated, without a zone",
        )
    )


def _zone(offset: str | None, name: str | None, region: str | None) -> tuple[ZoneInfo | timezone | None, str]:
    """The zone that the text names, and a note; (None, '') where it names none, (None, note) where the name is not known."""
    if offset:
        digits = offset[1:].replace(":", "")
        hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
        if hours > 14 or minutes > 59:
            raise ValueError("impossible offset")
        return timezone((-1 if offset[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes)), ""
    if region:
        known = _region(region)
        return known, "" if known else f"the time zone {region!r} is not known"
    if not name or name.lower() in ("uhr", "h", "hrs", "hr"):
        return None, ""
    shift = OFFSETS.get(name.lower())
    if shift is None:
        return None, f"the time zone {name!r} is not known or means several"
    return timezone(timedelta(minutes=shift)), ""


@lru_cache(maxsize=512)
def _region(name: str) -> ZoneInfo | timezone | None:
    if name.lower() in OFFSETS:
        return timezone(timedelta(minutes=OFFSETS[name.lower()]))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _sane(moment: Moment) -> Moment | None:
    known = moment.at or moment.earliest
    return moment if known is not None and _FIRST <= known.year <= _LAST else None


def _join(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


_L = r"[A-Za-z\x{c0}-\x{17f}\x{410}-\x{44f}]"
_FIND = pattern(
    rf"(?i)\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ,_]\s?{_CLOCK}(?:\s?(?:Z|[+-]\d{{2}}:?\d{{2}}|[A-Z]{{2,4}}\b))?)?"
    rf"|(?:{_L}{{3}},?\s+)?\d{{1,2}}[\s/-]{_L}{{3,9}}[\s/-]\d{{4}}(?:[ :,]\s?{_CLOCK}(?:\s?(?:[+-]\d{{4}}|[A-Z]{{2,4}}\b))?)?"
    rf"|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}(?:,?\s+{_CLOCK}(?:\s?(?:[+-]\d{{4}}|[A-Z]{{2,4}}\b))?)?"
    rf"|(?:{_L}{{3}},?\s+)?{_L}{{3,9}}\s+\d{{1,2}},?\s+\d{{4}}(?:,?\s+(?:at\s)?{_CLOCK}(?:\s?(?:[+-]\d{{4}}|[A-Z]{{2,4}}\b))?)?"
    rf"|{_L}{{3}}\s+\d{{1,2}}\s\d{{2}}:\d{{2}}:\d{{2}}(?:\s[A-Z]{{3,4}}\s\d{{4}}|\s\d{{4}})?"
)


def find_times(text: str, *, zone: str | None = None, reference: datetime | None = None) -> list[tuple[int, int, Moment]]:
    """Every time in running text as (start, end, moment), in reading order; pieces that turn out not to be times are left out."""
    found = []
    for match in _FIND.finditer(text[:500_000]):
        moment = read_time(match.group(), zone=zone, reference=reference)
        if moment is not None:
            found.append((match.start(), match.end(), moment))
            if len(found) >= 5_000:
                break
    return found
