"""Differences of editions, told to people."""

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.policy import loading
from tipstaff.policy.diff import differences, text_changes

BEFORE = loading.canonical(loading.load_packaged("default"))


def test_an_edition_does_not_differ_from_itself() -> None:
    assert differences(BEFORE, loading.canonical(loading.load_packaged("default"))) == []


def test_each_kind_of_change_is_told_with_both_values() -> None:
    after = loading.canonical(loading.load_packaged("default"))
    after["categories"]["phishing"]["resolve"] = "2 h"
    after["switches"]["sla_exclusion"] = False
    after["clauses"]["14.1"] = {"title": "Weather", "text": "Rain.", "plain": "Rain.", "rows": [], "note": ""}
    after["ladder"]["steps"][-1]["after"] = "48 h"
    del after["aliases"]["dmca"]
    told = [str(change) for change in differences(BEFORE, after)]
    number = BEFORE["aliases"]["dmca"]
    assert told == [
        "clause 14.1: new (Weather)",
        "category phishing, resolve: 4 h → 2 h",
        "ladder terminate, after: 72 h → 48 h",
        "switches, sla_exclusion: yes → no",
        f"aliases, dmca: {number} → none",
    ]
    assert next(str(change) for change in differences(after, BEFORE)) == "clause 14.1: gone (Weather)"


def test_clauses_are_told_in_the_order_of_their_numbers() -> None:
    after = loading.canonical(loading.load_packaged("default"))
    for number in ("10.1", "2.1", "1.2"):
        after["clauses"][number]["plain"] = "Other words."
    assert [change.key for change in differences(BEFORE, after)] == ["1.2", "2.1", "10.1"]


def test_a_change_of_order_of_steps_is_told() -> None:
    after = loading.canonical(loading.load_packaged("default"))
    after["ladder"]["steps"].reverse()
    assert [change.path for change in differences(BEFORE, after)] == ["ladder.order"]


def test_words_are_marked_as_removed_and_added() -> None:
    assert text_changes("You get 24 hours to act.", "You get 48 hours to act.") == [
        ("same", "You get"), ("removed", "24"), ("added", "48"), ("same", "hours to act."),
    ]  # fmt: skip


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12).map(" ".join)


@given(WORDS, WORDS)
def test_the_marked_words_give_back_both_texts(before: str, after: str) -> None:
    pieces = text_changes(before, after)
    assert " ".join(text for kind, text in pieces if kind != "added") == before
    assert " ".join(text for kind, text in pieces if kind != "removed") == after
