"""What an edition says in two places at once: who acts at once, when the second timer ends, how many make a case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.policy.packs import change, copy_of
from tipstaff.cases import dues
from tipstaff.cases.facts import Facts, immediate_allowed
from tipstaff.cases.states import State
from tipstaff.kernel.errors import InputError
from tipstaff.policy import clauses, ladder, loading
from tipstaff.policy.edition import Edition, Handling, Role
from tipstaff.policy.switches import ImmediateAction

TWO = 'feed_threshold = 5\nexceptions = ["research_scanner"'


def problems_of(pack: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        loading.load_directory(pack)
    return [str(problem) for problem in caught.value.problems]


def facts_of(edition: Edition, code: str) -> Facts:
    return Facts(state=State.TICKETED, category=edition.categories[code], edition=edition, severity="high")


def test_any_category_names_somebody_for_each_of_them(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, 'immediate_action = "listed_categories"', 'immediate_action = "any_category"')
    found = problems_of(pack)
    unlisted = {code for code, one in loading.load_packaged("default").categories.items() if one.immediate is Role.NOBODY}
    assert unlisted and len(found) == len(unlisted), "each that lists nobody, and nothing else"
    for code in unlisted:
        assert any(f"categories.{code}.immediate: is 'nobody'" in line and "name who may" in line for line in found), code


def test_listed_categories_are_those_that_name_somebody() -> None:
    edition = loading.load_packaged("default")
    assert edition.switches.immediate_action is ImmediateAction.LISTED_CATEGORIES
    for code, category in edition.categories.items():
        assert immediate_allowed(facts_of(edition, code)) is (category.immediate is not Role.NOBODY), code
    everybody = loading.load_packaged("managed-services")
    assert everybody.switches.immediate_action is ImmediateAction.ANY_CATEGORY
    assert all(clauses.immediate_role(everybody, code) is not Role.NOBODY for code in everybody.categories)


@pytest.mark.parametrize(
    ("before", "after"),
    [('after = "72 h"', 'after = "71 h"'), ('code = "acknowledge"', 'code = "acknowledge"\nafter = "72 h"'),
     ('second_timer = "72 h"', 'second_timer = "96 h"')],
)  # fmt: skip
def test_only_the_end_waits_and_for_no_other_time_than_the_second_timer(tmp_path: Path, before: str, after: str) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, before, after)
    found = problems_of(pack)
    assert len(found) == 1 and "ladder.steps" in found[0] and ".after: is not timers.second_timer" in found[0]


def test_both_places_together_move_the_second_timer(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, 'after = "72 h"', 'after = "96 h"')
    change(pack, 'second_timer = "72 h"', 'second_timer = "96 h"')
    edition = loading.load_directory(pack)
    last = ladder.terminating(edition)
    assert last is not None and last.after == edition.timers.second_timer == timedelta(hours=96)
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    started = dues.starts(["second"], facts_of(edition, "phishing"), now, {})
    assert [start.due_at - now for start in started] == [timedelta(hours=96)], "and the clock runs as long as the edition says"
    bare = replace(edition, ladder=replace(edition.ladder, steps=tuple(replace(step, after=None) for step in edition.ladder.steps)))
    assert dues.length("second", facts_of(bare, "phishing")) == timedelta(hours=96), "said once will do"


def test_what_is_merged_at_low_volume_waits_for_more_than_one(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, TWO, TWO.replace("5", "1"))
    found = problems_of(pack)
    assert len(found) == 1 and "categories.scan.feed_threshold: must be 2 or more" in found[0]
    for name in ("default", "dedicated-hosting", "managed-services"):
        for code, category in loading.load_packaged(name).categories.items():
            assert category.feed_threshold >= (2 if Handling.LOW_VOLUME_MERGE in category.handling else 1), (name, code)
