"""Whether the parts of an edition fit together; the reader collects what does not.

Pure. Parts that could not be read are absent and are not complained about a second time.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tipstaff.policy import ladder
from tipstaff.policy.calendars import DAYS
from tipstaff.policy.categories import CATEGORIES, CODES
from tipstaff.policy.edition import Category, Handling, Opening, Role, Severity, Step
from tipstaff.policy.shapes import Reader
from tipstaff.policy.switches import ImmediateAction

#: Facts are fields of a case; an edition may require them, not invent them.
FACT_CODES = frozenset(
    {"harmed_party", "surface", "mode", "medium", "third_party_rule", "jurisdiction", "statute", "actor", "fault"}
)
#: What a report can be asked to bring.
REPORT_FIELDS = frozenset(
    {"reporter_name", "reporter_contact", "locator", "description", "event_time", "source_port", "url", "rule_url"}
    | {"sample_headers", "work", "mark", "statute", "measured_figure"}
)
DISCLOSURE_SCOPES = frozenset({"content", "traffic", "subscriber"})
MOMENTS = ("ticket", "decision")

Parts = Mapping[str, Any]


def check(reader: Reader, parts: Parts, content: Mapping[str, Any], *, complete: bool) -> None:
    """Run every rule on the parts that could be read. ``content`` tells what was named at all.

    ``complete``: every code of the code list must be there, which a stored edition of earlier days need not satisfy.
    """
    if complete:
        _codes(reader, content)
    for rule in _RULES:
        rule(reader, parts)
    for code, category in parts.get("categories", {}).items():
        _category(reader, parts, f"categories.{code}", category)
    for number, step in enumerate(parts["ladder"].steps, 1) if "ladder" in parts else ():
        _step(reader, parts, f"ladder.steps[{number}]", step)


def _codes(reader: Reader, content: Mapping[str, Any]) -> None:
    named = content.get("categories")
    if not isinstance(named, dict):
        return
    for code in sorted(CODES - named.keys()):
        reader.refuse(f"categories.{code}", "is missing", f"every edition says what becomes of {CATEGORIES[code].title}")
    for code in sorted(named.keys() - CODES):
        reader.refuse(f"categories.{code}", "unknown category", "the codes are in tipstaff/policy/categories.toml")


def _severities(reader: Reader, parts: Parts) -> None:
    rules = parts.get("severities", {})
    for missing in [severity for severity in Severity if severity not in rules] if rules else ():
        reader.refuse(f"severities.{missing}", "is missing")
    timed = [(s, rules[s].resolve) for s in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW) if s in rules]
    for (worse, less), (milder, more) in pairwise(timed):
        if less is not None and more is not None and less > more:
            reader.refuse(f"severities.{worse}.resolve", f"gives more time than severity {milder}")


def _facts(reader: Reader, parts: Parts) -> None:
    for code, fact in parts.get("facts", {}).items():
        if code not in FACT_CODES:
            reader.refuse(f"facts.{code}", "unknown fact", f"one of {', '.join(sorted(FACT_CODES))}")
        if fact.before not in MOMENTS:
            reader.refuse(f"facts.{code}.before", f"{fact.before!r} is not known", f"one of {', '.join(MOMENTS)}")


def _switches(reader: Reader, parts: Parts) -> None:
    switches = parts.get("switches")
    if switches is None:
        return
    if not switches.csam_hard_override:
        reader.refuse("switches.csam_hard_override", "must be true", "the law leaves no choice here")
    _known(reader, "switches.exception_kinds", switches.exception_kinds, parts.get("exceptions"), "exception")
    _known(reader, "switches.disclosure_scopes", switches.disclosure_scopes, DISCLOSURE_SCOPES, "scope")
    fault = parts.get("facts", {}).get("fault")
    if fault is not None and set(switches.fault_weights) != set(fault.values):
        reader.refuse("switches.fault_weights", "must weigh exactly the values of facts.fault", ", ".join(fault.values))
    for value, weight in switches.fault_weights.items():
        if not 0 <= weight <= 100:
            reader.refuse(f"switches.fault_weights.{value}", f"{weight} is not a percentage")


def _timers(reader: Reader, parts: Parts) -> None:
    if "timers" in parts and not 1 <= parts["timers"].child_share <= 99:
        reader.refuse("timers.child_share", "must be 1 to 99 percent", "a child's deadline lies inside its parent's")
    if "strikes" in parts:
        _known(reader, "strikes.categories", parts["strikes"].categories, CODES, "category")
        if parts["strikes"].limit < 1:
            reader.refuse("strikes.limit", "must be 1 or more")
    if "reports" in parts:
        _known(reader, "reports.required", parts["reports"].required, REPORT_FIELDS, "field of a report")


def _ladder(reader: Reader, parts: Parts) -> None:
    if "ladder" not in parts:
        return
    reminders = parts["ladder"].reminders
    if list(reminders) != sorted(reminders) or not all(0 < percent < 100 for percent in reminders):
        reader.refuse("ladder.reminders", "must be rising percentages between 1 and 99")
    if not parts["ladder"].steps:
        reader.refuse("ladder.steps", "names no step")
    codes = [step.code for step in parts["ladder"].steps]
    for twice in sorted({code for code in codes if codes.count(code) > 1}):
        reader.refuse("ladder.steps", f"names the step {twice!r} twice")


def _aliases(reader: Reader, parts: Parts) -> None:
    numbers = {**parts.get("sections", {}), **parts.get("clauses", {})}
    for name, number in parts.get("aliases", {}).items():
        if name != name.lower():
            reader.refuse(f"aliases.{name}", "must be in lower case")
        if numbers and number not in numbers:
            reader.refuse(f"aliases.{name}", f"there is no clause {number}")


def _calendar(reader: Reader, parts: Parts) -> None:
    calendar = parts.get("calendar")
    for code, category in parts.get("categories", {}).items():
        if category.business_time and calendar is None:
            reader.refuse(f"categories.{code}.business_time", "counts hours of a calendar that is not there", "add [calendar]")
    if calendar is None:
        return
    _known(reader, "calendar.days", calendar.days, DAYS, "day of the week")
    try:
        ZoneInfo(calendar.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        reader.refuse("calendar.timezone", f"{calendar.timezone!r} is no time zone", "e.g. 'Europe/Vienna'")
    try:
        if not calendar.days or time.fromisoformat(calendar.opens) >= time.fromisoformat(calendar.closes):
            reader.refuse("calendar", "never opens", "name days, and a closing later than the opening")
    except ValueError:
        reader.refuse("calendar.opens", "and closes must be times of day", "e.g. '09:00'")
    for day in calendar.holidays:
        try:
            date.fromisoformat(day)
        except ValueError:
            reader.refuse("calendar.holidays", f"{day!r} is no date", "e.g. '2026-12-25'")


def _reachable(reader: Reader, parts: Parts) -> None:
    """A rung that nobody can ever reach is a mistake in the edition, not a rung."""
    if "ladder" in parts and "switches" in parts:
        for number, why in ladder.unreachable(parts["ladder"], parts["switches"]):
            reader.refuse(f"ladder.steps[{number}]", *why)


_RULES: tuple[Callable[[Reader, Parts], None], ...] = (
    _severities, _facts, _switches, _timers, _ladder, _aliases, _calendar, _reachable,
)  # fmt: skip


def _step(reader: Reader, parts: Parts, key: str, step: Step) -> None:
    _known(reader, f"{key}.clause", (step.clause,), parts.get("clauses"), "clause")
    timers = parts.get("timers")
    if step.after is not None and (step.code != "terminate" or (timers is not None and step.after != timers.second_timer)):
        reader.refuse(f"{key}.after", "is not timers.second_timer", "only the end waits for a time, and that is the second timer")


def _category(reader: Reader, parts: Parts, key: str, category: Category) -> None:
    _known(reader, f"{key}.clause", (category.clause,), parts.get("clauses"), "clause")
    _known(reader, f"{key}.also", category.also, parts.get("clauses"), "clause")
    _known(reader, f"{key}.exceptions", category.exceptions, parts.get("exceptions"), "exception")
    _known(reader, f"{key}.required_facts", category.required_facts, parts.get("facts"), "fact")
    _known(reader, f"{key}.report_fields", category.report_fields, REPORT_FIELDS, "field of a report")
    facts = parts.get("facts", {})
    _known(reader, f"{key}.presumed", category.presumed, facts, "fact")
    for fact, value in category.presumed.items():
        _known(reader, f"{key}.presumed.{fact}", (value,), facts[fact].values if fact in facts else (), "value")
    if Handling.LOW_VOLUME_MERGE in category.handling and category.feed_threshold < 2:
        reader.refuse(f"{key}.feed_threshold", "must be 2 or more", "'low_volume_merge' waits until so many came together")
    switches = parts.get("switches")
    everywhere = switches is not None and switches.immediate_action is ImmediateAction.ANY_CATEGORY
    if everywhere and category.immediate is Role.NOBODY:
        reader.refuse(f"{key}.immediate", "is 'nobody', and switches.immediate_action says any category", "name who may")
    longest = category.resolve_at_most
    if longest is not None and (category.resolve is None or category.resolve > longest):
        reader.refuse(f"{key}.resolve", "lies beyond resolve_at_most")
    if category.code == "csam" and category.opening is not Opening.SEALED:
        reader.refuse(f"{key}.opening", "must be 'sealed'", "the law leaves no choice here")
    if category.feed_threshold < 1:
        reader.refuse(f"{key}.feed_threshold", "must be 1 or more")
    _known(reader, f"{key}.automatic", category.automatic, ladder.MEASURES, "measure that may follow by itself")
    if category.opening is Opening.SEALED:
        _sealed(reader, key, category)


def _sealed(reader: Reader, key: str, category: Category) -> None:
    """A sealed matter gives the customer neither word nor time, and knows no exception (K14)."""
    if category.customer_told:
        reader.refuse(f"{key}.customer_told", "must be false for a sealed category")
    if category.resolve is not None:
        reader.refuse(f"{key}.resolve", "must be 'none' for a sealed category")
    if category.exceptions:
        reader.refuse(f"{key}.exceptions", "must be empty for a sealed category")


def _known(reader: Reader, key: str, names: Iterable[str], known: Any, kind: str) -> None:
    """Refuse each name that ``known`` lacks; a ``known`` that could not be read is not held against the names."""
    for name in names if known else ():
        if name not in known:
            reader.refuse(key, f"there is no {kind} {name!r}")
