# ruff: noqa: E501, SIM905 - patterns and lists of words read better whole
"""Times in running text, in eleven languages, and the zone that a letter states for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tipstaff.intake.reading.languages import DAY_FIRST
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import fold
from tipstaff.intake.reading.place_zones import agreed, explained, is_over, may_name_place, places_named, spelt_out
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
_JOIN = r"(?:[\s,;T(|_-]{0,4}(?i:at|between|from|since|starting at|zwischen|seit|ab|entre|tra le|tra|dalle|tussen|między|od|desde las|desde|das|de|von|van|с|между|um|gegen|à|a las|alle ore|alle|ore|om|o|o godz\.|o godzinie|godz\.|godzina|às|as|в|время|time|zeit|uhrzeit|heure|hora|ora|tijd|czas)?[\s:|]{0,3})"
_CLOCK = (
    r"(?P<half1>午前|午後|上午|下午|凌晨|晚上)?\s?(?:(?P<h>\d{1,2})(?::|\s?h\s?)(?P<m>\d{2})(?:(?::|\s?m(?:in)?\s?)(?P<s>\d{2})(?:[.,]\d{1,9})?(?:\s?s\b)?)?(?:\s?(?:-|–|to|and|until|bis|und|à|et|a|al|y|e|alle|alle ore|do|i|tot|en|até|às|и|до)\s?\d{1,2}(?::|\s?h\s?)\d{2}(?::\d{2})?)?"
    r"|(?P<ch>\d{1,2})\s?[時时点]\s?(?P<cm>\d{1,2})\s?分\s?(?:(?P<cs>\d{1,2})\s?秒)?)(?:\s?(?P<half2>[AaPp]\.?[Mm]\.?))?(?:\s?(?:Uhr|hrs|uur|ч\.?|h)\b)?"
)
_ZONE = (
    r"(?:[\s,]?\s?[(（\[]?\s?(?P<zone>(?:UTC|GMT|utc|gmt)\s?[+-]\s?\d{1,2}(?::?\d{2})?|[+-]\d{2}:?\d{2}|Z\b"
    r"|(?i:по московскому времени|московское время|по москве|мск|北京时间|北京時間|日本時間|heure de paris|heure française|heure locale de paris|heure d'été de paris|ora italiana|ora legale italiana|ora solare italiana|mitteleuropäische(?:r)? (?:sommer)?zeit|moskauer zeit|moscow time|beijing time|japan standard time"
    r"|hora peninsular|hora de madrid|hora de brasília|horário de brasília|hora de lisboa|czasu polskiego|czas polski|nederlandse tijd|deutsche(?:r)? zeit"
    r"|(?:us )?(?:eastern|central|mountain|pacific)(?: (?:daylight|standard|summer))? time|british summer time|greenwich mean time|central european(?: summer)? time|coordinated universal time|india(?:n)? standard time)"
    r"|(?:Europe|America|Asia|Africa|Australia|Pacific|Atlantic)/[A-Za-z_]+|[A-Z]{2,5}\b))?"
)
_DOTTED = r"|(?P<dh>\d{1,2})\.(?P<dm>\d{2})(?:\.(?P<ds>\d{2}))?\b|(?P<ch>"  # only behind a date: elsewhere it may be a piece of an address
_WHEN = pattern(rf"(?:{_DATE})(?:{_JOIN}{_CLOCK.replace('|(?P<ch>', _DOTTED)}{_ZONE})?")
_CLOCK_FIRST = pattern(
    rf"(?:{_CLOCK}){_ZONE}[\s,)）]{{0,3}}(?:on|of|am|vom|le|du|el|del|del día|il|dell'|op|van|dnia|w dniu|z|z dnia|em|de|no dia|do dia|от)?\s?(?:{_DATE})"
)
_NAMED_ZONES = {
    "tu": "UTC",
    "zulu": "UTC",
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
    "ora legale italiana": "+0200",
    "ora solare italiana": "+0100",
    "heure d'été de paris": "+0200",
    "mitteleuropäische zeit": "+0100",
    "mitteleuropäischer zeit": "+0100",
    "mitteleuropäische sommerzeit": "+0200",
    "mitteleuropäischer sommerzeit": "+0200",
    "moskauer zeit": "Europe/Moscow",
    "moscow time": "Europe/Moscow",
    "beijing time": "Asia/Shanghai",
    "japan standard time": "Asia/Tokyo",
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
    "british summer time": "+0100",
    "greenwich mean time": "UTC",
    "coordinated universal time": "UTC",
    "central european time": "+0100",
    "central european summer time": "+0200",
    "india standard time": "+0530",
    "indian standard time": "+0530",
    "central standard time": "-0600",
    "central daylight time": "-0500",
    "eastern standard time": "-0500",
    "eastern daylight time": "-0400",
    "mountain standard time": "-0700",
    "mountain daylight time": "-0600",
    "pacific standard time": "-0800",
    "pacific daylight time": "-0700",
    **{
        f"{form}": place
        for name, place in (
            ("eastern", "America/New_York"),
            ("central", "America/Chicago"),
            ("mountain", "America/Denver"),
            ("pacific", "America/Los_Angeles"),
        )
        for form in (name, f"{name} time", f"us {name}", f"us {name} time")
    },
}
_NAMED_ZONES = {fold(name): zone for name, zone in _NAMED_ZONES.items()}
_NO_ZONE = frozenset(
    (
        "IP TCP UDP ICMP SSH HTTP HTTPS FROM SRC DST IN OUT POST GET HEAD PUT ID URL MX DNS SMTP SIP RDP AM PM THE ON "
        "AT TO BY AND OR DDOS DOS SYN ACK WAN LAN ERROR WARN INFO DROP DENY BLOCK UHR"
    ).split()
)
_STATED = pattern(
    r"(?i)(?:time ?zone|timezone|times?(?: ?stamps?)?|tz|zeit(?:en|zone|stempel|angaben)?|uhrzeit(?:en)?|fuseau(?: horaire)?|heures?|horodatages?|huso(?: horario)?|horas?|"
    r"zona horaria|fuso(?: orario| horário)?|orari|ore|tijd(?:en|zone|stippen)?|tijdstippen|czas(?:y)?|strefa(?: czasowa)?|часовой пояс|время|времена|时区|时间|時間|"
    r"タイムゾーン|時刻|日時|clocks?|uhren|horloges?|reloj(?:es)?|orolog\pL{1,3}|klok(?:ken)?|zegar\pL{0,2}|relógios?|horários?|часы|时钟|時計|logs?(?: excerpts?| lines| times)?|protokolle?|journaux|registros?|logi|samples?|entries|clock)[\pL\s:=,'’()（\"-]{0,40}?"
    r"[\s:=(（\"]((?:UTC|GMT)?\s?[+-]\d{1,2}:?\d{2}|(?:UTC|GMT)\s?[+-]\s?\d{1,2}|(?:Europe|America|Asia|Africa|Australia)/[A-Za-z_]+|utc|gmt|(?-i:UTC|GMT|CEST|CET|MESZ|MEZ|EST|EDT|CDT|PST|PDT|MSK|JST|"
    r"BST|EET|EEST|AEST|AEDT|NZST|NZDT|HKT|SGT|KST|BRT|WET|WEST)|по московскому времени|мск|московское|北京时间|日本時間)(?:[^\pL\d/+-]|$)"
)
#: ``All times Pacific.``: these names are words of every day, so they count only right behind what they speak of.
_AMERICAN = pattern(
    r"(?i)\b(?:times?|timestamps?|clocks?|logs?)\s(?:(?:on|of|in) (?:the|our|my|this) [\pL-]{2,20}\s)?(?:(?:are|is|shown|given|in|all|set|to|runs|on)\s){0,3}((?:us\s)?(?:eastern|central|mountain|pacific)(?:\s(?:standard|daylight))?(?:\stime)?)\s?(?:[.,;:)\n]|$)"
)
#: The one offset that a letter names, behind no clock: ``(mail server X, UTC+1)``, ``时间均为UTC+8``.
_APART = pattern(r"(?:^|[^\d\s]\s?)(UTC\s?[+-]\s?\d{1,2}(?::\d{2})?)(?:[^\d:]|:\D|:?$)")
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
    text = text[:MAX_TEXT]
    named = may_name_place(text)
    forms = [_STATED, *([_GIVEN] if "(" in text or "（" in text else ()), *([_AMERICAN] if named else ())]
    zones = {_plain_zone(match.group(1)) for form in forms for match in form.finditer(text) if not is_over(text, match.end(1))}
    zones |= {_plain_zone(zone) for zone in explained(text)}
    zones.discard("")
    zones = agreed({_EQUAL.get(zone, zone) for zone in zones})
    if not zones and ("--utc" in text or "Time:" in text):
        zones = {match.group(1) or "UTC" for match in _OF_A_TOOL.finditer(text)}
    if not zones and (named or "/" in text or not text.isascii()):
        zones = {_plain_zone(match.group(1)) for match in _BEFORE.finditer(text)}
        zones |= places_named(text) if named else set()
    if not zones:
        zones = {_plain_zone(zone) for zone in spelt_out(text)}
    if not zones and "UTC" in text:
        zones = {_plain_zone(match.group(1)) for match in _APART.finditer(text)}
    return zones.pop() if len(zones) == 1 else None


def zone_of_same_clock(text: str, language: str | None) -> str | None:
    """The offset of times that stand twice in a letter: once with a zone, in words, and once bare, in a log.

    None where no clock with seconds stands twice, or where those that do have different offsets.
    """
    clocks = [match.group() for match in _HMS.finditer(text[:MAX_TEXT])]
    if len(clocks) == len(set(clocks)):
        return None
    offsets = set()
    for said in find_said(text[:MAX_TEXT], language=language):
        clock = _HMS.search(said.moment.as_written)
        if said.moment.at is not None and clock and text.count(clock.group()) > 1:
            hours, minutes, seconds = map(int, clock.group().split(":"))
            apart = (hours * 3600 + minutes * 60 + seconds) - (
                said.moment.at.hour * 3600 + said.moment.at.minute * 60 + said.moment.at.second
            )
            offsets.add((apart + 43_200) % 86_400 - 43_200)
    if len(offsets) != 1:
        return None
    apart = offsets.pop()
    return f"{'-' if apart < 0 else '+'}{abs(apart) // 3600:02d}{abs(apart) % 3600 // 60:02d}" if apart else "UTC"


_THIS_DAY = r"(?:\b(?i:today|tonight|this (?:morning|afternoon|evening)|heute(?: (?:morgen|früh|nacht|nachmittag|abend))?|ce (?:matin|soir)|hoy|esta (?:mañana|tarde|noche)|oggi|stamattina|stasera|vandaag|vanmorgen|vanavond|dzisiaj|hoje|esta manhã)\b|(?i:aujourd'hui|aujourd’hui|dziś|сегодня)|今天|今日|本日)"
_TODAY = tuple(
    pattern(form)
    for form in (
        rf"{_THIS_DAY}[^.!?\n\d]{{0,40}}{_CLOCK}{_ZONE}",
        rf"{_CLOCK}{_ZONE}[\s,)]{{0,3}}(?:(?i:of|de|di|d'|van|z|от)\s?)?{_THIS_DAY}",
    )
)
_DAY_BEFORE = r"(?:\b(?i:yesterday(?: (?:morning|afternoon|evening|night))?|last night|gestern(?: (?:morgen|früh|vormittag|mittag|nachmittag|abend|nacht))?|letzte nacht|hier (?:matin|soir|après-midi|à|vers)|ayer(?: por la (?:mañana|tarde|noche))?|anoche|ieri(?: (?:mattina|pomeriggio|sera|notte))?|gisteren\pL*|wczoraj(?: (?:rano|wieczorem|po południu))?|ontem(?: (?:de manhã|à tarde|à noite))?)\b|(?i:вчера(?: (?:утром|вечером|дн[её]м|ночью))?)|昨天|昨日|昨晚|昨夜)"
_EVE = tuple(
    pattern(form)
    for form in (
        rf"(?P<eve>{_DAY_BEFORE})[^.!?\n\d]{{0,30}}{_CLOCK}{_ZONE}",
        rf"{_CLOCK}{_ZONE}[\s,)]{{0,3}}(?P<eve>{_DAY_BEFORE})",
    )
)
#: A date without its year and a clock: ``le 21 novembre à 22h10``, ``Nov 21, 22:10``, ``11月21日 22:10``, ``21.11. um 22:10``.
_YEARLESS = pattern(
    rf"(?:\b(?P<d1>\d{{1,2}})(?:st|nd|rd|th|\.|er|º|-го)?[\s-](?:of\s|de\s)?(?P<m1>[\pL]{{3,12}})\.?|\b(?P<m2>[A-Z][\pL]{{2,9}})\.?\s(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?|(?P<m3>\d{{1,2}})\s?月\s?(?P<d3>\d{{1,2}})\s?[日号]|\b(?P<d4>\d{{1,2}})\.(?P<m4>\d{{1,2}})\.|\b(?P<d5>1[3-9]|2\d|3[01])/(?P<m5>\d{{1,2}})){_JOIN}{_CLOCK}{_ZONE}"
)
_NIGHT = pattern(r"(?i)night|nacht|anoche|notte|nocą|noite|ночью|昨晚|昨夜")
_SINCE = pattern(
    r"(\d{1,2})\s?[:.h]\s?(\d{2})(?::(\d{2}))?\s?(?:Uhr|uur|h|UTC|GMT)?\s?(?i:and|to|until|till|und|bis|et|à|y|a|al|a las|e|alle|en|tot|do|i|até|às|и|до|-|–|から|至|到)\s?$"
)  # the beginning of a span, before the clock that ends it
_OF_A_TOOL = pattern(
    r"(?m)--utc\b|^Time:\s+[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d \d{4} ([+-]\d{4})\s*$"
)  # journalctl's option; the notices of lfd
_EPOCH_LABELLED = pattern(
    r"(?im)^[\s>*|-]{0,6}(?:first|begin|began|start|started|time|timestamp|epoch|seen|event time|beginn|début|inicio|início|inizio|начало|开始|開始)[\pL _-]{0,12}(?:\([^)\n]{0,16}\))?[\s.:=|]{1,14}(1[4-9]\d{8})(?:\.\d{1,6})?\s{0,3}(?:$|\()"
)
#: An offset west of Greenwich, which would else be the end of a span: ``T19:02:00-05:00``, ``19:02:00 -05:00``.
_OFFSET = pattern(r"(?:T\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?|\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\s)(-(?:0\d|1[0-2]):(?:00|30))$")
_HMS = pattern(r"\d\d:\d\d:\d\d")
_EQUAL = {"GMT": "UTC", "MEZ": "+0100", "CET": "+0100", "MESZ": "+0200", "CEST": "+0200", "Z": "UTC", "+0000": "UTC"}


def find_said(text: str, *, language: str | None = None, zone: str | None = None, reference: datetime | None = None) -> list[Said]:
    """Every date or time in running text, in reading order. ``zone`` (see ``stated_zone``) serves where a time has none of its own.

    ``03/04/2026`` is read day first only in languages whose writers do; in English and where the language is unknown it stays bounds.
    """
    said = [
        Said(match.start(1), match.end(1), moment)
        for match in _EPOCH_LABELLED.finditer(text[:MAX_TEXT])
        if (moment := read_time(match.group(1))) is not None
    ]
    if said:
        return said
    for match in _both(text[:MAX_TEXT]):
        moment = _moment(_parts(match, text), match.group(), language, zone, reference)
        if moment is not None and not (said and match.start() < said[-1].end):
            said.append(Said(match.start(), match.end(), moment))
            if len(said) >= MAX_FOUND:
                break
    return said


def find_today(text: str, *, zone: str | None, reference: datetime | None) -> Said | None:
    """The first clock of the day of the mail: ``since 22:57:05 UTC today``. None where no zone is known or it lies ahead."""
    matches = [match for form in _NEAR for match in form.finditer(text[:MAX_TEXT])] if reference is not None else []
    for match in sorted(matches, key=lambda match: match.start()):
        parts = match.groupdict()
        own = None if parts["zone"] in _NO_ZONE else parts["zone"]
        clock, tail = _clock(parts), _plain_zone(own) if own else (zone or "")
        if began := _SINCE.search(text[max(0, match.start() - 24) : match.start()].replace("\n", " ")):
            clock = ":".join(part for part in began.groups() if part)
        moment = _near(parts, clock, tail, reference) if clock and tail and reference is not None else None
        if moment is not None:
            written = " ".join(match.group().split())
            note = "the year is that of the mail" if "d1" in parts else "the day is told from that of the mail"
            return Said(match.start(), match.end(), Moment(moment.at, written, None, None, note))
    return None


_NEAR = (*_TODAY, *_EVE, _YEARLESS)


def _near(parts: dict, clock: str, zone: str, reference: datetime) -> Moment | None:
    """A clock today, yesterday or on a day whose year is not said; ``last night at 02:33`` was this morning."""
    if "d1" in parts:
        day, month = (next((parts[key + n] for n in "12345" if parts[key + n]), "") for key in "dm")
        for year in (reference.year, reference.year - 1):
            date = f"{year}-{int(month):02d}-{int(day):02d}" if month.isdigit() else f"{day} {month} {year}"
            moment = read_time(f"{date} {clock} {zone}", reference=reference) if month[0].isdigit() or month[0].isalpha() else None
            if moment is None or moment.at is None or moment.at <= reference:
                return moment if moment is not None and moment.at is not None else None
        return None
    eve = parts.get("eve")
    back = bool(eve) and not (_NIGHT.search(eve) and int(clock.partition(":")[0]) < 12)
    return _on_the_day(clock, zone, reference, back=int(back))


def _on_the_day(clock: str, zone: str, reference: datetime, back: int = 0) -> Moment | None:
    """A clock on the day that ``reference`` falls on in the zone, or ``back`` days before; None where it would lie ahead."""
    for days in (1, 0, -1):
        day = (reference + timedelta(days=days)).date()
        midnight = read_time(f"{day} 00:00 {zone}", reference=reference)
        if midnight is not None and midnight.at is not None and midnight.at <= reference:
            moment = read_time(f"{day - timedelta(days=back)} {clock} {zone}", reference=reference)
            return moment if moment is not None and moment.at is not None and moment.at <= reference else None
    return None


def _parts(match, text: str) -> dict:
    """The groups of a match; ``10.20.30.40`` behind a date is an address and no clock."""
    parts = match.groupdict()
    if parts.get("dh") and text[match.end() : match.end() + 1] == "." and text[match.end() + 1 : match.end() + 2].isdigit():
        parts |= {"dh": None, "dm": None, "ds": None, "zone": None}
    written = match.group().removesuffix(parts["zone"]).rstrip() if parts.get("zone") in _NO_ZONE else match.group()
    if parts.get("zone") in (None, "", *_NO_ZONE) and (offset := _OFFSET.search(written)):
        parts["zone"] = offset.group(1)
    return parts


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
    return (parts["named"] or parts["us"] or "").replace(" of ", " ") or None


def _clock(parts: dict) -> str:
    hour, minute, second = (
        next((parts[name] for name in names if parts.get(name)), None)
        for names in (("h", "dh", "ch"), ("m", "dm", "cm"), ("s", "ds", "cs"))
    )
    if hour is None or minute is None or int(hour) > 24 or int(minute) > 59:
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
