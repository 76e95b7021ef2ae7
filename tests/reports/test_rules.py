"""The rules over columns say the same as a plain loop over rows."""

from ipaddress import ip_address, ip_network

import polars as pl
import pytest
from hypothesis import given, settings, strategies

from tipstaff.kernel.errors import InputError
from tipstaff.reports.rules import CONDITIONS, TEXT_CONDITIONS, Action, RuleSpec, apply, check, counted_days, parse_rule

WORDS = ["a", "b", "c"]
ADDRESSES = [
    "192.0.2.0",
    "192.0.2.255",
    "192.0.3.0",
    "255.255.255.255",
    "2001:db8::",
    "2001:db8::ffff:ffff",
    "2001:db9::",
    "ffff::1",
]
PREFIXES = ["192.0.2.0/24", "0.0.0.0/0", "192.0.2.255/32", "2001:db8::/32", "::/0", "ffff:ffff:ffff:ffff::/64", "2001:db8::/128"]


def some(values):
    return strategies.one_of(strategies.sampled_from(values), strategies.lists(strategies.sampled_from(values), max_size=3))


maybe = lambda values: strategies.one_of(strategies.none(), strategies.sampled_from(values))  # noqa: E731
event = strategies.fixed_dictionaries(
    {name: maybe(WORDS) for name in TEXT_CONDITIONS}
    | {
        "ip": maybe(ADDRESSES),
        "port": maybe([0, 53, 65535]),
        "customer": maybe([1, 2]),
        "trust": maybe([-1, 0, 1, 3]),
        "recent": maybe([0, 1, 5]),
    }
)
conditions = strategies.fixed_dictionaries(
    {},
    optional={name: some(WORDS) for name in TEXT_CONDITIONS}
    | {"port": some([0, 53, 65535]), "customer": some([1, 2]), "prefix": some(PREFIXES)}
    | {name: strategies.integers(-1, 4) for name in ("trust_below", "trust_at_least")}
    | {name: strategies.integers(0, 6) for name in ("fewer_than", "at_least")},
).map(lambda found: found | ({"days": 7} if {"fewer_than", "at_least"} & set(found) else {}))
rule = strategies.builds(RuleSpec, strategies.just("r"), strategies.sampled_from(list(Action)), conditions)
SCHEMA = dict.fromkeys((*TEXT_CONDITIONS, "ip"), pl.String) | {
    "port": pl.Int32, "customer": pl.Int64, "trust": pl.Int32, "recent": pl.Int64
}  # fmt: skip


def values(wanted):
    return wanted if isinstance(wanted, list) else [wanted]


def holds(name, wanted, row):
    if name == "days":
        return True
    if name == "prefix":
        return row["ip"] is not None and any(ip_address(row["ip"]) in ip_network(text) for text in values(wanted))
    if name in {"trust_below", "trust_at_least", "fewer_than", "at_least"}:
        number = row["trust" if "trust" in name else "recent"] or 0
        return number >= wanted if "at_least" in name else number < wanted
    return row[name] is not None and row[name] in values(wanted)


def plain(rules, row, default):
    for place, one in enumerate(rules):
        if all(holds(name, wanted, row) for name, wanted in one.conditions.items()):
            return int(one.action), place
    return int(default.get(row["category"], Action.OPEN_CASE)), -1


@settings(max_examples=300, deadline=None)
@given(strategies.lists(rule, max_size=4), strategies.lists(event, min_size=1, max_size=6))
def test_columns_and_a_plain_loop_agree(rules, rows):
    default = {"a": Action.RECORD_ONLY}
    action, decided = apply(rules, pl.DataFrame(rows, schema=SCHEMA), default)
    assert list(zip(action.tolist(), decided.tolist(), strict=True)) == [plain(rules, row, default) for row in rows]


@given(conditions)
def test_what_the_oracle_uses_is_valid(found):
    assert check(found) == []


def test_no_events_and_no_rules():
    action, decided = apply([], pl.DataFrame(schema=SCHEMA), None)
    assert (len(action), len(decided)) == (0, 0)
    assert apply([], pl.DataFrame([{"category": "a"}], schema=SCHEMA), None)[0].tolist() == [Action.OPEN_CASE]


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": ["red"]}, {"port": ["53"]}, {"port": 5.5}, {"category": [5]}, {"category": [None]}, {"customer": [True]},
        {"trust_below": "2"}, {"trust_below": True}, {"days": 10**9, "at_least": 1}, {"days": 0, "at_least": 1}, {"days": -5},
        {"at_least": 1}, {"fewer_than": 3}, {"prefix": "192.0.2.1/24"}, {"prefix": 5}, {"prefix": ["x"]},
        {"prefix": ["2001:db8::/129"]},
    ],
)  # fmt: skip
def test_what_would_break_a_batch_is_refused_when_it_is_written(wrong):
    problems = check(wrong)
    assert problems and all(problem.where.startswith("conditions.") for problem in problems)
    with pytest.raises(InputError):
        parse_rule("r", "hold", wrong)


def test_every_problem_is_named_at_once():
    with pytest.raises(InputError) as refusal:
        parse_rule("r", "explode", {"colour": 1, "prefix": ["x", "y"], "at_least": 1})
    assert {p.where for p in refusal.value.problems} == {"action", "conditions.colour", "conditions.prefix", "conditions.days"}
    assert len(refusal.value.problems) == 5


def test_the_longest_period_counts():
    assert counted_days([RuleSpec("a", Action.HOLD, {"days": 3}), RuleSpec("b", Action.HOLD, {"days": 9})]) == 9
    assert counted_days([]) == 0
    assert set(TEXT_CONDITIONS) < set(CONDITIONS)
