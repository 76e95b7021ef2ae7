# ruff: noqa: E501, SIM905 - patterns and lists of words read better whole
"""Times in running text, in eleven languages, and the zone that a letter states for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tipstaff.intake.reading.languages import DAY_FIRST
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import fold
from tipstaff.intake.reading.times import Moment, read_time

MAX_TEXT = 200_000
MAX_FOUND = 3_000

_MONTH = r"[\pL]{3,12}\.?"
_DATE = (
    r"(?P<asc>[A-Z][a-z]{2},? [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?: [A-Z]{3,4}| [+-]\d{4})? \d{4})"
    r"|(?P<ymd>\d{4}[-/.]\d{1,2}[-/.]\d{1,2})"
    r"|(?P<cjk>\d{4}\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?[日号])"
    rf"|(?P<apache>\d{{1,2}}/[A-Za-z]{{3}}/\d{{4}}:\d\d:\d\d:\d\d(?:\s?[+-]\d{{4}})?)"
    r"|(?P<dmy>\d{1,2}[./-]\d{1,2}[./-]\d{4})"
    rf"|(?P<named>\d{{1,2}}(?:st|nd|rd|th|\.|er|º|-го)?[\s-](?:of\s|de\s)?{_MONTH},?[\s-](?:de\s)?\d{{4}})(?:\sг(?:ода|\.))?"
    rf"|(?P<us>{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}})"
)
_JOIN = r"(?:[\s,;T(|_-]{0,4}(?i:at|between|from|since|starting at|zwischen|seit|ab|entre|tra le|tra|dalle|tussen|między|od|desde las|desde|das|с|между|um|gegen|à|a las|alle ore|alle|ore|om|o godz\.|o godzinie|godz\.|godzina|às|as|в|время|time|zeit|uhrzeit|heure|hora|ora|tijd|czas)?[\s:|]{0,3})"
_CLOCK = (
    r"(?P<half1>午前|午後|上午|下午|凌晨|晚上)?\s?(?:(?P<h>\d{1,2})(?::|\s?h\s?)(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,]\d{1,9})?)?(?:\s?(?:-|–|to|bis|à|a|al|do|tot|até)\s?\d{1,2}:\d{2}(?::\d{2})?)?"
    r"|(?P<ch>\d{1,2})\s?[時时点]\s?(?P<cm>\d{1,2})\s?分\s?(?:(?P<cs>\d{1,2})\s?秒)?)(?:\s?(?P<half2>[AaPp]\.?[Mm]\.?))?(?:\s?(?:Uhr|hrs|uur|ч\.?|h)\b)?"
)
_ZONE = (
    r"(?:[\s,]?\s?[(（\[]?\s?(?P<zone>(?:UTC|GMT|utc|gmt)\s?[+-]\s?\d{1,2}(?::?\d{2})?|[+-]\d{2}:?\d{2}|Z\b"
    r"|(?i:по московскому времени|московское время|по москве|мск|北京时间|北京時間|日本時間|heure de paris|heure française|heure locale de paris|ora italiana"
    r"|hora peninsular|hora de madrid|hora de brasília|horário de brasília|hora de lisboa|czasu polskiego|czas polski|nederlandse tijd|deutsche(?:r)? zeit|eastern time|pacific time|central time)"
    r"|(?:Europe|America|Asia|Africa|Australia|Pacific|Atlantic)/[A-Za-z_]+|[A-Z]{2,5}\b))?"
)
_WHEN = pattern(rf"(?:{_DATE})(?:{_JOIN}{_CLOCK}{_ZONE})?")
_CLOCK_FIRST = pattern(rf"(?:{_CLOCK}){_ZONE}[\s,)）]{{0,3}}(?:on|am|le|el|il|op|dnia|w dniu|em|no dia|do dia)?\s?(?:{_DATE})")
_NAMED_ZONES = {
    "по московскому времени": "Europe/Moscow",
    "московское время": "Europe/Moscow",
    "по москве": "Europe/Moscow",
    "мск": "Europe/Moscow",
    "北京时间": "Asia/Shanghai",
    "北京時間": "Asia/Shanghai",
    "日本時間": "Asia/Tokyo",
    "heure de paris": "Europe/Paris",
    "heure française": "Europe/Paris",
    "heure locale de paris": "Europe/Paris",
    "ora italiana": "Europe/Rome",
    "hora peninsular": "Europe/Madrid",
    "hora de madrid": "Europe/Madrid",
    "hora de brasília": "America/Sao_Paulo",
    "horário de brasília": "America/Sao_Paulo",
    "hora de lisboa": "Europe/Lisbon",
    "czasu polskiego": "Europe/Warsaw",
    "czas polski": "Europe/Warsaw",
    "nederlandse tijd": "Europe/Amsterdam",
    "deutsche zeit": "Europe/Berlin",
    "deutscher zeit": "Europe/Berlin",
    "eastern time": "America/New_York",
    "pacific time": "America/Los_Angeles",
    "central time": "America/Chicago",
}
_NO_ZONE = frozenset(
    (
        "IP TCP UDP ICMP SSH HTTP HTTPS FROM SRC DST IN OUT POST GET HEAD PUT ID URL MX DNS SMTP SIP RDP AM PM THE ON "
        "AT TO BY AND OR DDOS DOS SYN ACK WAN LAN ERROR WARN INFO DROP DENY BLOCK UHR"
    ).split()
)
_STATED = pattern(
    r"(?i)(?:time ?zone|timezone|times?(?: ?stamps?)?|tz|zeit(?:en|zone|stempel|angaben)?|uhrzeit(?:en)?|fuseau(?: horaire)?|heures?|horodatages?|huso(?: horario)?|horas?|"
    r"zona horaria|fuso(?: orario| horário)?|orari|ore|tijd(?:en|zone|stippen)?|tijdstippen|czas(?:y)?|strefa(?: czasowa)?|часовой пояс|время|времена|时区|时间|時間|"
    r"タイムゾーン|時刻|日時|logs?(?: excerpts?| lines| times)?|protokolle?|journaux|registros?|logi|samples?|entries|clock)[\pL\s:=,'’()（\"-]{0,40}?"
    r"[\s:=(（\"]((?:UTC|GMT)?\s?[+-]\d{1,2}:?\d{2}|(?:UTC|GMT)\s?[+-]\s?\d{1,2}|(?:Europe|America|Asia|Africa|Australia)/[A-Za-z_]+|UTC|GMT|CEST|CET|MESZ|MEZ|EST|EDT|CDT|PST|PDT|MSK|JST|"
    r"BST|EET|EEST|AEST|AEDT|HKT|SGT|KST|BRT|WET|WEST|по московскому времени|мск|московское|北京时间|日本時間)(?:[^\pL\d/+-]|$)"
)
#: A zone that stands before the only kind of time: ``北京时间 2026年…``, ``Moscow time: …``, ``Timezone: America/Sao_Paulo``.
_BEFORE = pattern(
    r"(?i)(北京时间|北京時間|日本時間|по московскому времени|московское время|heure de paris|ora italiana|hora peninsular|hora de madrid|hora de brasília|"
    r"horário de brasília|hora de lisboa|czasu? polskiego|nederlandse tijd|\b(?:Europe|America|Asia|Africa|Australia|Pacific)/[A-Za-z_]{3,30})"
)
_GIVEN = pattern(
    r"(?i)(?:^|[\s(（])[(（](?:all )?(?:times? |zeiten |in |heure |hora |ora |czas |tijd |время )*((?:UTC|GMT)(?:\s?[+-]\s?\d{1,2}(?::?\d{2})?)?|CEST|CET|MESZ|MEZ|EST|EDT|PST|PDT|MSK|МСК|JST|北京时间|日本時間)[)）]"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A time at ``text[start:end]``; ``exact`` where it has date, clock and zone."""

    start: int
    end: int
    moment: Moment

    @property
    def exact(self) -> bool:
        return self.moment.at is not None


def stated_zone(text: str) -> str | None:
    """The zone that a letter names for its times as a whole (``all times UTC``, ``Zeitzone: MEZ``), else None.

    None too where it names more than one. The answer is a text that may stand behind a time: an IANA name, ``UTC``, ``+0100``.
    """
    zones = {_plain_zone(match.group(1)) for match in (*_STATED.finditer(text[:MAX_TEXT]), *_GIVEN.finditer(text[:MAX_TEXT]))}
    zones.discard("")
    zones = {_EQUAL.get(zone, zone) for zone in zones}
    if not zones:
        zones = {_plain_zone(match.group(1)) for match in _BEFORE.finditer(text[:MAX_TEXT])}
    return zones.pop() if len(zones) == 1 else None


_EQUAL = {"GMT": "UTC", "MEZ": "+0100", "CET": "+0100", "MESZ": "+0200", "CEST": "+0200", "Z": "UTC", "+0000": "UTC"}


def find_said(text: str, *, language: str | None = None, zone: str | None = None, reference: datetime | None = None) -> list[Said]:
    """Every date or time in running text, in reading order. ``zone`` (see ``stated_zone``) serves where a time has none of its own.

    ``03/04/2026`` is read day first only in languages whose writers do; in English and where the language is unknown it stays bounds.
    """
    said: list[Said] = []
    for match in _both(text[:MAX_TEXT]):
        moment = _moment(match.groupdict(), match.group(), language, zone, reference)
        if moment is not None and not (said and match.start() < said[-1].end):
            said.append(Said(match.start(), match.end(), moment))
            if len(said) >= MAX_FOUND:
                break
    return said


def _both(text: str) -> Iterator:
    matches = [*_WHEN.finditer(text), *_CLOCK_FIRST.finditer(text)]
    return iter(sorted(matches, key=lambda match: (match.start(), -match.end())))


def _moment(parts: dict, written: str, language: str | None, zone: str | None, reference: datetime | None) -> Moment | None:
    written = " ".join(written.split()).strip(" ,;([|_-")
    if parts["apache"]:
        moment = read_time(
            parts["apache"] + ("" if parts["apache"][-5] in "+-" else f" {zone}" if zone else ""), reference=reference
        )
        return moment and Moment(moment.at, written, moment.earliest, moment.latest, moment.note)
    if parts["asc"]:
        _, month, number, clock, *own, year = parts["asc"].split()
        moment = read_time(
            f"{number} {month} {year} {clock} {_plain_zone(own[0]) if own else zone or ''}".strip(), reference=reference
        )
        return moment and Moment(moment.at, written, moment.earliest, moment.latest, moment.note)
    day = _day(parts, language)
    if day is None:
        return None
    clock = _clock(parts)
    own = parts["zone"] if clock else None
    own = None if own in _NO_ZONE else own
    tail = _plain_zone(own) if own else (zone or "")
    moment = read_time(" ".join(filter(None, (day, clock, tail if clock else ""))), reference=reference)
    if (
        (moment is None or (moment.at is None and own and zone)) and tail and clock
    ):  # an unknown abbreviation behind the clock is no zone
        moment = read_time(" ".join(filter(None, (day, clock, zone or ""))), reference=reference)
    if moment is None:
        return None
    note = moment.note
    return Moment(moment.at, written, moment.earliest, moment.latest, note)


def _day(parts: dict, language: str | None) -> str | None:
    if parts["ymd"]:
        return parts["ymd"].replace("/", "-").replace(".", "-")
    if parts["cjk"]:
        digits = "".join(c if c.isdigit() else " " for c in parts["cjk"]).split()
        return "-".join(digits)
    if parts["dmy"]:
        first, second, year = parts["dmy"].replace("/", ".").replace("-", ".").split(".")
        if language in DAY_FIRST or int(first) > 12:
            return f"{year}-{second}-{first}"
        return parts["dmy"]
    return parts["named"] or parts["us"]


def _clock(parts: dict) -> str:
    hour, minute, second = (parts["h"] or parts["ch"]), (parts["m"] or parts["cm"]), (parts["s"] or parts["cs"])
    if hour is None:
        return ""
    number = int(hour)
    half = (parts["half2"] or "")[:1].lower()
    if parts["half1"] in ("午後", "下午", "晚上") or half == "p":
        number = number % 12 + 12
    elif parts["half1"] in ("午前", "上午", "凌晨") or half == "a":
        number %= 12
    return f"{number:02d}:{int(minute):02d}" + (f":{int(second):02d}" if second else "")


def _plain_zone(text: str | None) -> str:
    """A zone as ``read_time`` takes it behind a clock: ``+0100``, ``UTC``, an IANA name; '' for nothing."""
    text = (text or "").strip(" ()（）[]")
    named = _NAMED_ZONES.get(fold(text)) or ("Europe/Moscow" if fold(text) == "московское" else None)
    if named:
        return named
    sign = max(text.find("+"), text.find("-"))
    if sign >= 0 and "/" not in text:
        digits = "".join(c for c in text[sign:] if c.isdigit())
        hours, minutes = (digits[:-2], digits[-2:]) if len(digits) > 2 else (digits, "00")
        return f"{text[sign]}{int(hours or 0):02d}{minutes}"
    return text if "/" in text else text.upper()
