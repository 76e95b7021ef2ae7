"""Between taxonomies: XARF types, X-ARF report types, RSIT and our own categories. Pure; the facts are in vocabulary/xarf.toml."""

import tomllib
from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict]:
    text = files("tipstaff.intake").joinpath("vocabulary", "xarf.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def known_types() -> frozenset[str]:
    """Every XARF v4 type as ``category/type``."""
    return frozenset(_tables()["types"])


def category_of_xarf(category: str, kind: str) -> str | None:
    """Our category for an XARF v4 category and type, None where there is no such type."""
    return _tables()["types"].get(f"{category}/{kind}")


def xarf_of(category: str | None) -> dict[str, str] | None:
    """The XARF v4 type that says our category best, as ``{'category': …, 'type': …}``; None where XARF has none."""
    text = _tables()["categories"].get(category or "", {}).get("xarf", "")
    return as_pair(text)


def rsit_of(category: str | None, xarf: dict[str, str] | None = None) -> str | None:
    """The RSIT entry (``predicate:value``), by the XARF type where that says more than our category; None where RSIT has none."""
    if xarf:
        exact = _tables()["rsit"].get(f"{xarf.get('category')}/{xarf.get('type')}")
        if exact:
            return exact
    return _tables()["categories"].get(category or "", {}).get("rsit") or None


def of_x_arf(report_type: str | None, group: str | None = None) -> tuple[str | None, dict[str, str] | None]:
    """Our category and the XARF pair for an X-ARF 0.x Report-Type or service name; ``group`` is the X-ARF Category.

    Punctuation and case do not matter (``Login-Attack`` is ``loginattack``). Unknown types give (None, None), except
    that the group ``fraud`` says fraud.
    """
    meaning = _tables()["x_arf"].get(squeezed(report_type))
    if meaning is None and squeezed(group) == "fraud":
        meaning = "content/fraud"
    if meaning is None:
        return None, None
    pair = as_pair(meaning)
    return (_tables()["types"][meaning], pair) if pair else (meaning, xarf_of(meaning))


def as_pair(text: str | None) -> dict[str, str] | None:
    """``category/type`` as the pair that reports carry."""
    category, slash, kind = (text or "").partition("/")
    return {"category": category, "type": kind} if slash else None


def squeezed(text: str | None) -> str:
    """Letters and digits only, in lower case: how type names are compared."""
    return "".join(c for c in (text or "").lower()[:80] if c.isalnum())


def of_legacy_xarf(report_type: str, subtype: str = "") -> tuple[str | None, dict[str, str] | None]:
    """Our category and the XARF v4 pair for a XARF v1–v3 ReportType and ReportSubType; (None, None) for an unknown type."""
    table = _tables()["legacy"]
    meaning = table.get(squeezed(report_type + subtype)) or table.get(squeezed(report_type))
    if meaning is None:
        return None, None
    pair = as_pair(meaning)
    return (_tables()["types"][meaning], pair) if pair else (meaning, None)
