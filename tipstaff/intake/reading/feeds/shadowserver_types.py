"""Shadowserver's report types, from ``intake/schemas/shadowserver.toml``: which a file is, and what its columns mean."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import polars as pl
import re2

from tipstaff.intake.reading.feeds.columns import Layout

_FILE_NAME = re2.compile(
    r"(?i)^(?:\d{4}-\d{2}-\d{2}-)?([a-z0-9_]{3,60})(?:-[^/]{0,200})?\.(?:csv|json|jsonl|txt|tsv)(?:\.(?:zip|gz))?$"
)


@dataclass(frozen=True)
class ReportType:
    """One type: its name as the file has it, what it accuses, and its columns' roles (None: it accuses nobody)."""

    name: str
    category: str | None
    layout: Layout | None
    known: bool = True
    xarf: dict[str, str] | None = None
    recurring: bool = False  # a daily list of all that answer: what is missing from it no longer does


@cache
def _schema() -> dict[str, Any]:
    return tomllib.loads(resources.files("tipstaff.intake").joinpath("schemas/shadowserver.toml").read_text("utf-8"))


def looks_like_shadowserver(header: tuple[str, ...]) -> bool:
    """Whether the columns are those that each of its reports begins with."""
    defaults, names = _schema()["defaults"], set(header)
    times, *rest = defaults["base"]
    if times not in names:
        return False
    prefixes = ("", "src_", "dst_", "http_referer_")
    located = any({prefix + name for name in rest} <= names for prefix in prefixes)
    return (located and bool(names & set(defaults["addresses"]))) or _by_signature(header) in ("sandbox_dns", "compromised_account")


def known_type(name: str) -> str | None:
    """The listed type of that name (its IPv4 twin, its present name), or None."""
    types, aliases = _schema()["types"], _schema()["aliases"]
    for one in (name, _version_4(name)):
        if one in types or one in aliases:
            return aliases.get(one, one)
    return None


def _version_4(name: str) -> str:
    for six, four in (("event6_", "event4_"), ("scan6_", "scan_"), ("population6_", "population_")):
        if name.startswith(six):
            return four + name[len(six) :]
    return name.removesuffix("6") if name.endswith("6") else name.replace("sinkhole6_", "sinkhole_")


def type_in_name(filename: str | None) -> str | None:
    """The report type that a file name states (``2026-03-01-scan_ntp-example-asn.csv``), whether listed or not."""
    match = _FILE_NAME.match((filename or "").rpartition("/")[2])
    return match.group(1).lower() if match else None


def report_type(filename: str | None, header: tuple[str, ...], tags: tuple[str, ...] = ()) -> ReportType:
    """The type by file name, else by the columns, else by the values of ``tag``; an unlisted one is read by its columns."""
    stated = type_in_name(filename)
    listed = known_type(stated) if stated else None
    if stated and (listed or (_prefix_of(stated) and "_" in stated)):
        return _resolve(stated, listed, header)
    found = _by_whole_header(header) or _by_tags(header, tags) or _by_signature(header)
    return _resolve(found or "unknown", found, header)


def _prefix_of(name: str) -> dict[str, str] | None:
    plain = _version_4(name)
    return next((one for one in _schema()["prefixes"] if plain.startswith(one["prefix"])), None)


def _by_whole_header(header: tuple[str, ...]) -> str | None:
    """The type that has its telling columns, the common ones and no others."""
    names, common = set(header), set(_schema()["defaults"]["common"])
    types = ((name, spec["signature"]) for name, spec in _schema()["types"].items() if spec.get("nothing_else"))
    return next((name for name, telling in types if names.issuperset(telling) and names <= common | set(telling)), None)


def _by_signature(header: tuple[str, ...]) -> str | None:
    """The type with the most telling columns, all of them present; none where two tie."""
    names = set(header)
    telling = {
        name: spec["signature"] for name, spec in _schema()["types"].items() if "signature" in spec and "nothing_else" not in spec
    }
    fits = [(len(columns), name) for name, columns in telling.items() if names.issuperset(columns)]
    most = max(fits, default=(0, None))
    return most[1] if sum(count == most[0] for count, _ in fits) == 1 else None


def _by_tags(header: tuple[str, ...], tags: tuple[str, ...]) -> str | None:
    """The scan whose name, or one of whose tags, all the rows carry in the column ``tag``."""
    if "ip" not in header or not tags:
        return None
    for name, spec in _schema()["types"].items():
        plain = name.partition("_")[2].replace("_", "-")
        wanted = {*spec.get("tags", ()), *({plain, plain.replace("-", "")} if name.startswith("scan_") else ())}
        if all(any(_is_tag(word, wanted) for word in _words(tag)) for tag in tags):
            return name
    return None


def _words(tag: str) -> list[str]:
    return [word.strip().lower() for word in tag.replace(";", ",").split(",")]


def _is_tag(word: str, wanted: set[str]) -> bool:
    return word in wanted or word.removesuffix("-alt") in wanted


def _resolve(name: str, listed: str | None, header: tuple[str, ...]) -> ReportType:
    schema = _schema()
    spec = schema["types"][listed] if listed else _prefix_of(name) or {"shape": _guess_shape(header)}
    roles = {
        **schema["shapes"][spec["shape"]],
        **{key: spec[key] for key in ("ip", "port", "url", "domain", "others") if key in spec},
    }
    category = spec.get("category")
    xarf = schema["xarf"].get(category or "")
    kind = dict(zip(("category", "type"), xarf.split("/"), strict=True)) if xarf else None
    layout = _layout(roles, spec, schema["defaults"], header) if roles.get("accuses", True) else None
    recurring = (listed or name).startswith(("scan_", "population_"))
    return ReportType(name, category, layout, bool(listed), kind, recurring)


def _guess_shape(header: tuple[str, ...]) -> str:
    return "host" if "ip" in header else "contact" if "src_ip" in header else "referer"


def _layout(roles: dict[str, Any], spec: dict[str, Any], defaults: dict[str, Any], header: tuple[str, ...]) -> Layout:
    def there(*names: str) -> str | None:
        return next((name for name in names if name in header), None)

    return Layout(
        time=tuple(defaults["time"]), zone=defaults["zone"], ip=there(roles.get("ip", "")), port=there(roles.get("port", "")),
        protocol=there(roles.get("protocol", "")), url=there(roles.get("url", "")), domain=there(*roles.get("domain", ())),
        count=there(defaults["count"]),
        mailbox=there(roles.get("mailbox", "")), identity=(*roles.get("identity", ()), *spec.get("identity", ())),
        others={role: column for role, column in roles.get("others", {}).items() if column in header},
        category_when=tuple((rule["column"], rule["contains"], rule["category"]) for rule in spec.get("category_when", ())),
    )  # fmt: skip


def tags_of(rows: pl.DataFrame) -> tuple[str, ...]:
    """The different values of ``tag`` in the first rows."""
    return tuple(rows["tag"].head(50).unique().to_list()) if "tag" in rows.columns and len(rows) else ()
