"""What the portal says, in five languages: the English sentence is the key, one TOML file a language has the others.

Nothing is compiled at installation, and a test finds every sentence that lacks a translation.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.utils import translation
from django.utils.formats import date_format

from tipstaff.correspondence import catalogue as letters
from tipstaff.kernel.sentences import LANGUAGES, Sentences, short

__all__ = ["COOKIE", "LANGUAGES", "catalogue", "chosen", "said", "say", "short"]
COOKIE = "tipstaff_portal_language"
#: A moment this year, and one further off, as date_format writes them.
FORMATS = {
    "en": ("l j F, H:i", "j F Y, H:i"),
    "de": ("l, j. F, H:i", "j. F Y, H:i"),
    "fr": ("l j F, H:i", "j F Y, H:i"),
    "es": ("l j \\d\\e F, H:i", "j \\d\\e F \\d\\e Y, H:i"),
    "nl": ("l j F, H:i", "j F Y, H:i"),
}
SHORT = {"en": "D j M H:i", "de": "D j. M H:i", "fr": "D j M H:i", "es": "D j M H:i", "nl": "D j M H:i"}


_SENTENCES = Sentences("tipstaff.faces.portal.wording", COOKIE)
catalogue, say, said, chosen = _SENTENCES.catalogue, _SENTENCES.say, _SENTENCES.said, _SENTENCES.chosen


def zone_of(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def zone_name(at: datetime, zone: tzinfo) -> str:
    """'CEST', or 'UTC-03' where the zone has no letters."""
    here = at.astimezone(zone)
    name = here.tzname() or ""
    if name.isalpha():
        return name
    offset = f"{here:%z}"  # '-0300'
    return f"UTC{offset[:3]}" if offset.endswith("00") else f"UTC{offset[:3]}:{offset[3:]}"


def moment(at: datetime, now: datetime, zone: tzinfo, code: str, style: str = "") -> str:
    """'Monday 15 June, 14:20 CEST'; the year where it is another one. Styles: '', 'day', 'short'."""
    here = at.astimezone(zone)
    near = here.year == now.astimezone(zone).year
    with translation.override(code):
        if style == "short":
            return date_format(here, SHORT[code], use_l10n=False)
        if style == "day":
            return date_format(here, FORMATS[code][not near].partition(",")[0] if code != "de" else ("l, j. F", "j. F Y")[not near])
        return f"{date_format(here, FORMATS[code][not near])} {zone_name(at, zone)}"


def stamp(at: datetime) -> str:
    """What hovers over a moment: '2026-06-15 12:20 UTC'."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def length(period: timedelta, code: str) -> str:
    """'5 h 12', or '3 days'."""
    minutes = int(abs(period).total_seconds() // 60)
    if minutes >= 72 * 60:
        return say(code, "{n} days", n=minutes // 1440)
    return f"{minutes // 60} h {minutes % 60:02d}"


@cache
def packaged(code: str) -> letters.Language:
    """The words of the letters, so that a page and a mail call the same thing the same."""
    try:
        return letters.packaged(code)
    except FileNotFoundError:
        return letters.packaged("en")


def word(code: str, table: str, name: str) -> str:
    """A word of the letters' tables (categories, outcomes, measures), in English where a language lacks it."""
    return packaged(code).word(table, name) or packaged("en").word(table, name)
