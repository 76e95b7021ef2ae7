"""What the address bar says about a list of cases, read with care."""

from collections.abc import Mapping

from tipstaff.cases.queries import SORTS, Wanted, week_bounds
from tipstaff.faces.desk.words import SEVERITIES, STATES
from tipstaff.kernel.errors import InputError, Problem
from tipstaff.kernel.text import whole

#: The views that everybody has: (name, query string, the count's key).
VIEWS = (
    ("All open", "", "open"),
    ("Past due", "due=past", "past"),
    ("Next 4 h", "due=soon", "soon"),
    ("Waiting on us", "turn=us", "us"),
    ("On customer", "turn=customer", "customer"),
    ("On reporter", "turn=reporter", "reporter"),
    ("Mine", "owner=me", "mine"),
    ("No owner", "owner=none", "unowned"),
    ("Needs a decision", "person=1", "person"),
)
ALLOWED = {
    "status": ("open", "closed", "all"),
    "turn": ("", "us", "customer", "reporter"),
    "due": ("", "past", "soon"),
    "severity": ("", *SEVERITIES),
    "state": ("", *STATES),
    "sort": tuple(SORTS),
}
NAMES = ("status", "turn", "owner", "due", "clause", "category", "severity", "state", "customer", "week", "person", "sort")


def read(given: Mapping[str, str]) -> Wanted:
    """The filter that a query string asks for. Raises InputError naming each parameter that cannot be."""
    problems = []
    values = {name: given[name][:100] for name in NAMES if given.get(name)}
    for name, allowed in ALLOWED.items():
        if name in values and values[name] not in allowed:
            problems.append(Problem(name, f"{values[name]!r} is not known", "one of " + ", ".join(filter(None, allowed))))
    customer = values.pop("customer", "")
    if customer and whole(customer) is None:
        problems.append(Problem("customer", f"{customer[:40]!r} is not a number", "open the customer and follow its cases"))
    try:
        if "week" in values:
            week_bounds(values["week"])
    except ValueError:
        problems.append(Problem("week", f"{values['week']!r} is no ISO week", "such as 2026-W24"))
    if problems:
        raise InputError(problems)
    person = bool(values.pop("person", ""))
    if values.get("status", "open") != "open":
        values.setdefault("sort", "opened")  # what is closed is due no more
    return Wanted(**values, person=person, customer=whole(customer) if customer else None)


def plain(given: Mapping[str, str]) -> str:
    """The query string without what is not a filter, parameters in a fixed order: the name of a view."""
    return "&".join(f"{name}={given[name]}" for name in NAMES if given.get(name))
