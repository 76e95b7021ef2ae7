"""The lifecycle as a page for readers, drawn from the table: ``python -m tipstaff.cases.diagram > docs/lifecycle.md``. Pure."""

from collections.abc import Iterator, Sequence

from tipstaff.cases.lifecycle import BACK, RULES, SAME, Rule
from tipstaff.cases.states import CLOCKS, ENDED, RUNS, State

HEAD = """# The life of a case

Drawn from the table in `tipstaff/cases/lifecycle.py`; a test fails when this page is stale. Durations, guards and switches come
from the edition that was pinned when the case opened, so the same table gives "may" under one policy and "will" under another.
"""


def page(rules: Sequence[Rule] = RULES) -> str:
    """The whole page in Markdown."""
    return "\n".join([HEAD, "```mermaid", as_mermaid(rules), "```", "", *_clocks(), "", *_table(rules)]) + "\n"


def as_mermaid(rules: Sequence[Rule] = RULES) -> str:
    """A state diagram: one arrow for each pair of states, with its events."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for rule in rules:
        if rule.to is SAME or rule.refused:
            continue
        for state in rule.when:
            words = arrows.setdefault((state, "former state" if rule.to is BACK else str(_name(rule))), [])
            if str(rule.event) not in words:
                words.append(str(rule.event))
    lines = ["stateDiagram-v2", "  [*] --> TRIAGE", "  [*] --> TICKETED: nothing is left to decide"]
    lines += [f"  {a} --> {b.replace(' ', '_')}: {' / '.join(words)}" for (a, b), words in arrows.items()]
    return "\n".join(lines + [f"  {state} --> [*]" for state in State if state in ENDED])


def _name(rule: Rule) -> str:
    return rule.to.value


def _clocks() -> Iterator[str]:
    yield "## Which clocks run where\n"
    yield "| state | clocks |\n|---|---|"
    for state in State:
        kinds = ", ".join(kind for kind in CLOCKS if kind in RUNS[state])
        if kinds:
            yield f"| {state} | {kinds} |"


def _table(rules: Sequence[Rule]) -> Iterator[str]:
    yield "## The rules, in order: the first that fits decides\n"
    yield "| states | event | rule | then |\n|---|---|---|---|"
    for rule in rules:
        yield f"| {_states(rule)} | {rule.event} | {rule.text}{_guards(rule)} | {_then(rule)} |"


def _states(rule: Rule) -> str:
    return "any that is not ended" if set(rule.when) >= set(State) - ENDED else ", ".join(rule.when)


def _guards(rule: Rule) -> str:
    only = [ask.__name__.replace("_", " ") if ask.__name__ != "says" else ask.__doc__ or "" for ask in rule.only]
    unless = ["not " + ask.__name__.replace("_", " ") for ask in rule.unless]
    return f" [{'; '.join(only + unless)}]" if only or unless else ""


def _then(rule: Rule) -> str:
    if rule.refused:
        return f"refused: {rule.refused}"
    parts = [f"**{rule.to}**" if isinstance(rule.to, State) else rule.to.value]
    parts += [f"clock {kind}" for kind in rule.start]
    parts += [f"notice {kind} to {', '.join(audience)}" for kind, audience in rule.notices]
    parts += [str(effect) for effect in rule.effects]
    return "; ".join(parts + (["a person looks"] if rule.person else []))


if __name__ == "__main__":
    print(page(), end="")
