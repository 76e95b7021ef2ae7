"""How the columns of a feed become events: stated by an operator in TOML, or guessed from a header that is well known.

::

    format = "example-list"            # what the report's format is called; default 'csv' or 'json'
    reporter = "Example CERT"          # optional
    category = "compromised"           # of all rows; or
    [columns]
    ip = "Source IP"                   # required, or domain, url or mailbox
    time = ["Day", "Clock"]            # one column, or several to be joined
    port = "Source Port"
    category = "Kind"
    identity = ["Malware"]
    [time]
    zone = "Europe/Amsterdam"          # or "+01:00"; without it a time that states no zone is not exact
    formats = ["%d/%m/%Y %H:%M:%S"]
    [categories]
    "bot net" = "compromised"
    [others]
    victim_ip = "Target"
"""

import hashlib
import tomllib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tipstaff.intake.reading.feeds.columns import Layout, namesake
from tipstaff.intake.reading.feeds.separated import normal_name
from tipstaff.intake.reading.patterns import pattern
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.policy.categories import CODES

_UTC = ("utc", "gmt")
_FIELDS = ("ip", "port", "protocol", "domain", "url", "mailbox", "count", "category", "report_type")
_ACCUSED = ("ip", "domain", "url", "mailbox")
_SAID_ONCE = ("format", "reporter", "category", "report_type", "feed")
_TOP = {*_SAID_ONCE, "columns", "time", "categories", "others"}
_OFFSET = pattern(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_YEARS = ("%Y", "%y", "%F", "%D", "%s", "%c", "%x", "%+")
LONGEST = 20_000  # characters of a mapping
UNNAMED = "a name as the header has it; one without Latin letters and digits is column_3 where it is the third"
#: Kinds whose reports state the attacked port, so that a plain ``port`` column is not the accused side's.
ATTACKS = frozenset(("intrusion", "scan", "scraping", "ddos_origin", "unauth_test"))
PORTS_OF_SERVICES = frozenset(("port", "service_port", "open_port", "host_port", "server_port"))


@dataclass(frozen=True)
class Mapping:
    """A feed's layout, and what holds for all its rows."""

    layout: Layout
    format: str | None = None
    reporter: str | None = None
    category: str | None = None
    report_type: str | None = None
    feed: str | None = None
    guessed: bool = False
    mark: str | None = None  # which text states it

    def fits(self, header: tuple[str, ...]) -> bool:
        """Whether the header has a column that names the accused."""
        return bool({getattr(self.layout, name) for name in _ACCUSED} & set(header))

    def missing(self, header: tuple[str, ...]) -> tuple[str, ...]:
        """The columns that are named and are not there, in the order of their names."""
        named = self.layout.columns() - {namesake(self.layout.ip)}
        return tuple(sorted(named - set(header)))

    def within(self, header: tuple[str, ...]) -> "Mapping":
        """The mapping without the columns that are not there."""
        layout, there = self.layout, {None, *header}
        single = {name: None for name in _FIELDS if getattr(layout, name) not in there}
        identity = tuple(name for name in layout.identity if name in there)
        others = {role: name for role, name in layout.others.items() if name in there}
        return replace(self, layout=replace(layout, **single, identity=identity, others=others))  # type: ignore[arg-type]


def mark_of(text: str) -> str:
    """By what a mapping is told from another: the first 12 digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def mapping_text(file: Path) -> str:
    """What a file says, to be read as a mapping; InputError where it is no text."""
    try:
        return file.read_bytes()[: 4 * LONGEST + 1].decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(Problem(str(file), f"cannot be read as text: {error}", "save it as UTF-8")) from None


@lru_cache(maxsize=64)
def known_mapping(text: str) -> Mapping:
    """``read_mapping`` of a source's setting, which is the same for each of its submissions."""
    return read_mapping(text, "the mapping of its source")


def read_mapping(text: str, where: str = "mapping") -> Mapping:
    """The mapping that a TOML text states; InputError names each wrong key and its line."""
    if len(text) > LONGEST:
        raise InputError(Problem(where, f"has more than {LONGEST} characters", "leave out what the feed does not need"))
    try:
        stated = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(Problem(where, f"is no TOML: {error}")) from None
    problems = [
        Problem(f"{where}, {key}", "is not known", f"one of {', '.join(sorted(_TOP))}") for key in sorted(set(stated) - _TOP)
    ]
    problems += [
        Problem(f"{where}, {key}", "is not a text", "write it in quotes")
        for key in _SAID_ONCE
        if not isinstance(stated.get(key, ""), str)
    ]
    columns, times = _section(stated, "columns", where, problems), _section(stated, "time", where, problems)
    known = {*_FIELDS, "time", "identity"}
    problems += [
        Problem(f"{where}, columns.{key}", "is not known", f"one of {', '.join(sorted(known))}")
        for key in sorted(set(columns) - known)
    ]
    problems += [
        Problem(f"{where}, time.{key}", "is not known", "one of formats, zone") for key in sorted(set(times) - {"formats", "zone"})
    ]
    if not set(columns) & set(_ACCUSED):
        problems.append(Problem(f"{where}, columns", "names no column with an address, domain, URL or mailbox", 'add ip = "…"'))
    zone = _zone(times.get("zone"), where, problems)
    listed = {key: _names(columns.get(key), f"{where}, columns.{key}", problems) for key in ("time", "identity")}
    single = {key: _one_name(columns.get(key), f"{where}, columns.{key}", problems) for key in _FIELDS}
    formats = _texts(times.get("formats", []), f"{where}, time.formats", problems)
    problems += [
        Problem(f"{where}, time.formats", f"{one!r} reads no year", "write it as strptime does: %d/%m/%Y %H:%M:%S")
        for one in formats
        if not any(year in one for year in _YEARS)
    ]
    categories = {str(value).strip().lower(): str(code) for value, code in _section(stated, "categories", where, problems).items()}
    others = {role: normal_name(str(column)) for role, column in _section(stated, "others", where, problems).items()}
    problems += _wrong_codes({"category": stated.get("category")}, where)
    problems += _wrong_codes({f"categories.{value}": code for value, code in categories.items()}, where)
    if problems:
        raise InputError([_with_line(problem, text, where) for problem in problems])
    layout = Layout(
        time=listed["time"],
        identity=listed["identity"],
        zone=zone,
        formats=formats,
        categories=categories or known_categories(),
        others=others,
    )
    said = {key: stated.get(key) for key in _SAID_ONCE}
    return Mapping(replace(layout, **single), mark=mark_of(text), **said)  # type: ignore[arg-type]


def _wrong_codes(stated: dict[str, Any], where: str) -> list[Problem]:
    """What is no code of the policy; and what must be sealed before anything reads it is not for a mapping to say."""
    known = CODES - {"csam"}
    return [
        Problem(f"{where}, {key}", f"{code!r} is no category that a mapping can give", f"one of {', '.join(sorted(known))}")
        for key, code in stated.items()
        if isinstance(code, str) and code not in known
    ]


def _with_line(problem: Problem, text: str, where: str) -> Problem:
    """The problem with the line that its key stands on, as far as that is plain."""
    key = problem.where.removeprefix(f"{where}, ")
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare.startswith("["):
            section = bare.partition("]")[0].strip("[ ")
            name = section
        else:
            name = ".".join(filter(None, (section, bare.partition("=")[0].strip().strip("\"'").lower())))
        if name.lower() == key.lower():
            return replace(problem, where=f"{where}, line {number}, {key}")
    return problem


def _section(stated: dict[str, Any], key: str, where: str, problems: list[Problem]) -> dict[str, Any]:
    found = stated.get(key, {})
    if isinstance(found, dict):
        return found
    problems.append(Problem(f"{where}, {key}", "is not a table", f"write [{key}] above its keys"))
    return {}


def _zone(zone: Any, where: str, problems: list[Problem]) -> str | None:
    if zone is None or (isinstance(zone, str) and _OFFSET.fullmatch(zone)):
        return zone
    try:
        ZoneInfo(str(zone))
    except (ValueError, OSError, KeyError):
        problems.append(
            Problem(f"{where}, time.zone", f"{zone!r} is no time zone", "an IANA name such as Europe/Amsterdam, or +01:00")
        )
    return str(zone)


def _one_name(stated: Any, where: str, problems: list[Problem]) -> str | None:
    if stated is not None and (not isinstance(stated, str) or not normal_name(stated)):
        problems.append(Problem(where, "is not the name of a column", UNNAMED))
        return None
    return normal_name(stated) if stated else None


def _texts(stated: Any, where: str, problems: list[Problem]) -> tuple[str, ...]:
    found = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    if stated is not None and (not isinstance(stated, str | list) or not all(isinstance(one, str) for one in found)):
        problems.append(Problem(where, "is neither a text nor a list of texts"))
        return ()
    return tuple(found)


def _names(stated: Any, where: str, problems: list[Problem]) -> tuple[str, ...]:
    return tuple(normal_name(name) for name in _texts(stated, where, problems))


@cache
def _words() -> dict[str, Any]:
    """Columns, roles and categories as ``schemas/feeds.toml`` has them."""
    return tomllib.loads(resources.files("tipstaff.intake").joinpath("schemas/feeds.toml").read_text("utf-8"))


@cache
def known_categories() -> dict[str, str]:
    """What the values of other taxonomies (RSIT, IntelMQ, common words) mean as codes of the policy."""
    return {value: code for code, values in _words()["categories"].items() for value in values}


def guess_mapping(header: tuple[str, ...]) -> Mapping | None:
    """A mapping for a header whose names are well known; None where no column surely names the accused.

    A plain ``port`` beside an address that is named as the source may be either side's: it is left out.
    """
    there = set(header)
    found = {key: next((name for name in names if name in there), None) for key, names in _words()["columns"].items()}
    if not (found["ip"] or found["url"] or found["domain"]):
        return None
    others = {
        role: name for role, names in _words()["others"].items() if (name := next((one for one in names if one in there), None))
    }
    named = _words()["columns"]["ip"]
    plain = found["ip"] is None or named.index(found["ip"]) >= named.index("client_ip")
    times = [f"{name}_{zone}" for name in _words()["columns"]["time"] for zone in _UTC]
    utc = found["time_utc"] or next((name for name in times if name in there), None)
    time = (utc,) if utc else _time_columns(found)
    identity = tuple(name for name in (found["category"], found["malware"], found["url"], found["domain"]) if name)
    layout = Layout(
        time=time, zone="UTC" if utc else None, ip=found["ip"], rivals=_rivals(found["ip"], there),
        port=found["port"] or (found["port_of_service"] if plain else None),
        protocol=found["protocol"], domain=found["domain"], url=found["url"], mailbox=found["mailbox"], count=found["count"],
        category=found["category"], categories=known_categories(), identity=identity, others=others,
    )  # fmt: skip
    return Mapping(layout, guessed=True)


def _rivals(chosen: str | None, there: set[str]) -> tuple[str, ...]:
    """Columns beside the chosen one that name the accused as well as it does; a server's own address beside a source does not."""
    words = _words()["columns"]
    sources = words["ip"][: words["ip"].index("client_ip")]
    plain = [name for name in words["ip"] if name not in sources]
    alike = [*sources, *words["ip_alike"]] if chosen in sources else [*plain, *words["ip_alike"]]
    rivals = there & {*alike, *words["ip_plain"]} - {chosen}
    return tuple(sorted(name for name in rivals if {name[-1:], (chosen or "")[-1:]} != {"4", "6"}))  # a host has one of each


_TIMES = (
    r"times?|timestamps?|time ?zones?|dates?|zeit\w*|uhrzeit\w*|heures?|horas?|horari[oa]s?|fechas?|tijd\w*|orari|czas\w*|врем\w*"
)
_ZONE_STATED = pattern(rf"(?i)\b(?:{_TIMES})\b[^.\n]{{0,80}}?\b(UTC|GMT)\b ?([+-] ?\d{{1,2}}(?::?\d{{2}})?)?")


def zone_in_letter(letter: str) -> str | None:
    """The one zone that a letter gives to its table (``all timestamps are UTC``); None where it names none or two."""
    found = {_offset(offset or "") for _, offset in _ZONE_STATED.findall(letter[:50_000])}
    return found.pop() if len(found) == 1 else None


def _offset(text: str) -> str:
    sign, digits = text[:1], text[1:].replace(" ", "").replace(":", "")
    if not digits:
        return "UTC"
    hours, minutes = (digits, "00") if len(digits) <= 2 else (digits[:-2], digits[-2:])
    return f"{sign}{int(hours):02d}:{minutes}"


def _time_columns(found: dict[str, str | None]) -> tuple[str, ...]:
    """The column with the moment, or the two with its day and its clock; and the zone beside them."""
    day, clock, whole, zone = found["day"], found["clock"], found["time"], found["zone"]
    halves = whole in (day, clock) and day and clock and day != clock
    parts = (day, clock) if halves else (whole,)
    return tuple(name for name in (*parts, zone) if name)
