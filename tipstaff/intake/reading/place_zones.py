# ruff: noqa: E501 - patterns and lists of words read better whole
"""Zones told by a place: ``heure de Paris``, ``Dutch time``, ``czas warszawski``, ``so that's GMT``. Names are IANA's (tz database)."""

from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import fold

#: Words for a place or its people, by zone; a place that spans several zones (Russia, Brazil, the United States) stands by its city.
_PLACES = {
    "Europe/London": "london londres londra londen londyn londyńskiego лондон лондону uk british britain britannique británica britannica",
    "Europe/Dublin": "dublin irish ireland",
    "Europe/Paris": "paris parís parigi parijs paryż paryskiego париж парижу french français française francesa francese frans franse",
    "Europe/Berlin": "berlin berlín berlino berlijn berliner берлин берлину german germany deutsche deutscher deutschen allemande alemana tedesca duitse niemieckiego",
    "Europe/Vienna": "vienna wien wiener vienne austrian österreichische österreichischer",
    "Europe/Zurich": "zurich zürich swiss schweizer suisse",
    "Europe/Amsterdam": "amsterdam amsterdamse dutch nederlandse nederland néerlandaise holandesa",
    "Europe/Brussels": "brussels brussel bruxelles belgian belgische belge",
    "Europe/Madrid": "madrid spanish española peninsular espagnole spagnola spaanse spanische",
    "Europe/Lisbon": "lisbon lisboa lisbonne portuguesa portuguese",
    "Europe/Rome": "rome roma italian italiana italienne italiaanse italienische",
    "Europe/Warsaw": "warsaw warszawa warszawski warszawskiego polski polskiego polish polnische polonaise",
    "Europe/Prague": "prague praha czech",
    "Europe/Budapest": "budapest hungarian",
    "Europe/Bucharest": "bucharest romanian",
    "Europe/Sofia": "sofia bulgarian",
    "Europe/Athens": "athens greek",
    "Europe/Helsinki": "helsinki finnish",
    "Europe/Stockholm": "stockholm swedish",
    "Europe/Oslo": "oslo norwegian",
    "Europe/Copenhagen": "copenhagen danish",
    "Europe/Kyiv": "kyiv kiev киев киеву київ києву ukrainian",
    "Europe/Istanbul": "istanbul turkish",
    "Europe/Moscow": "moscow moskau moskauer moscou moscú mosca moskou moskiewskiego москва москве москвы московское московскому",
    "Asia/Jerusalem": "jerusalem israel israeli",
    "Asia/Dubai": "dubai",
    "Asia/Kolkata": "india indian delhi mumbai",
    "Asia/Shanghai": "beijing peking pékin pekín china chinese shanghai 北京 中国 上海",
    "Asia/Taipei": "taipei taiwan 台北 台湾 臺灣",
    "Asia/Hong_Kong": "香港",
    "Asia/Singapore": "singapore 新加坡",
    "Asia/Tokyo": "tokyo japan japanese 日本 東京",
    "Asia/Seoul": "seoul korean",
    "Australia/Sydney": "sydney melbourne",
    "Pacific/Auckland": "auckland wellington",
    "America/Sao_Paulo": "brasília brasilia",
    "America/Argentina/Buenos_Aires": "argentina",
    "America/Mexico_City": "cdmx",
    "America/Bogota": "bogotá bogota colombia",
    "America/Lima": "lima",
    "America/Santiago": "chile",
    "America/Toronto": "toronto",
    "America/New_York": "eastern",
    "America/Chicago": "central",
    "America/Denver": "mountain",
    "America/Los_Angeles": "pacific",
    "UTC": "greenwich",
}
_ZONES = {word: zone for zone, words in _PLACES.items() for word in words.split()}
_BY_FOLDED = {fold(word): zone for word, zone in _ZONES.items()}
_PLACE = "|".join(sorted(_ZONES, key=len, reverse=True))
_LOCAL = r"(?:local |locale |legal |legale |oficial |ufficiale |standard |solare |d'été |d'hiver |plain )?"
_FORMS = (
    pattern(rf"(?i)\b({_PLACE}) (?:local |standard |summer |winter |official )?(?:time|zeit|ortszeit|tijd)\b"),
    pattern(
        rf"(?i)\b(?:heure|heures|hora|horas|horário|ora|orario|tijd|ortszeit|local time) \(?{_LOCAL}(?:in |of |de |di |del |do |da |van |a )?({_PLACE})\b"
    ),
    pattern(rf"(?i)\bczasu? ({_PLACE})"),
    pattern(rf"(?i)({_PLACE}) (?:времени|время)|по ({_PLACE})(?:[^\pL]|$)"),  # RE2's \b knows ASCII only
    pattern(rf"({_PLACE})(?:标准)?(?:時間|时间|標準時)"),
    pattern(rf"(?i)\bus ({_PLACE})\b"),
)
#: ``so that's GMT``, ``clocks here are CET``, ``NZDT, +13``: the writer explains which zone his clocks keep.
_EXPLAINED = pattern(
    r"(?i)\b(?:that's|that is|it's|it is|this is|these are|they are|here are|we are on|we're on|set to|runs? on|das ist|also|c'est|donc|es decir|cioè|dus|czyli|ou seja|то есть)\s(?:in\s|on\s)?((?:UTC|GMT)\s?[+-]\s?\d{1,2}(?::?[0-5]\d)?|UTC|GMT|CEST|CET|MESZ|MEZ|WEST|WET|EEST|EET|MSK|JST|BST|NZDT|NZST|AEDT|AEST|EST|EDT|CST|CDT|MST|MDT|PST|PDT|[+-]\d{4})\b"
)
#: ``WAT = UTC+1``: an abbreviation that the writer spells out.
_SPELT_OUT = pattern(r"\b[A-Z]{2,5}\s?(?:=|is|ist)\s?((?:UTC|GMT)\s?[+-]\s?\d{1,2}(?::?[0-5]\d)?)(?:[^\d:]|$)")
_OVER = pattern(r"(?i)^[ ]?(?:is|are|was|has)\s(?:over|ended|gone|not)\b")


#: Any of the words in one pass; the names of the American zones are among them.
_ANY_PLACE = pattern(rf"(?i)(?:{_PLACE})")


def may_name_place(text: str) -> bool:
    """False where ``places_named`` would find nothing: most letters name no place."""
    return _ANY_PLACE.search(text) is not None


def places_named(text: str) -> set[str]:
    """The zones (IANA names) of the places whose time ``text`` speaks of."""
    found = set()
    for form in _FORMS:
        for match in form.finditer(text):
            word = next(group for group in match.groups() if group)
            found.add(_BY_FOLDED[fold(word)])
    return found


def explained(text: str) -> set[str]:
    """Zones that the writer explains his clocks with, as written: ``GMT``, ``+1300``."""
    return {match.group(1).upper() for match in _EXPLAINED.finditer(text)}


def spelt_out(text: str) -> set[str]:
    """Offsets that the writer gives for an abbreviation of his zone: ``UTC+1``."""
    if "UTC" not in text and "GMT" not in text:
        return set()
    return {match.group(1) for match in _SPELT_OUT.finditer(text)}


def agreed(zones: set[str]) -> set[str]:
    """A place and its offset, as in ``Moscow time (UTC+3)``, are one zone: the offset, where the place ever keeps it."""
    places, offsets = {zone for zone in zones if "/" in zone}, {zone for zone in zones if "/" not in zone}
    if not places or len(offsets) != 1:
        return zones
    said = {"UTC": "+0000"}.get(*offsets, *offsets)
    return offsets if all(said in _offsets(place) for place in places) else zones


@cache
def _offsets(place: str) -> frozenset[str]:
    """The offsets that a place keeps in winter and in summer, as ``+0300``."""
    return frozenset(datetime(2026, month, 1, tzinfo=ZoneInfo(place)).strftime("%z") for month in (1, 7))


def is_over(text: str, end: int) -> bool:
    """Whether what stands at ``end`` says that the zone named before it is not in force: ``BST is over``."""
    return _OVER.match(text[end - 1 : end + 16].lstrip(",;:)")) is not None or _OVER.match(text[end : end + 16]) is not None
