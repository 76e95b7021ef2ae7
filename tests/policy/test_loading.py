"""Reading packs: what is wrong is named by file and key, all of it at once; the hash does not depend on order."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.packs import PACKS, change, copy_of
from tipstaff.kernel.errors import InputError, NotFound
from tipstaff.policy import loading


def problems_of(directory: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        loading.load_directory(directory)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("pack", PACKS)
def test_an_edition_survives_its_stored_form(pack: str) -> None:
    edition = loading.load_packaged(pack)
    stored = json.loads(json.dumps(loading.canonical(edition)))
    assert loading.from_content(stored) == edition


@pytest.mark.parametrize("pack", PACKS)
def test_the_order_of_keys_changes_neither_hash_nor_reading_order(pack: str) -> None:
    edition = loading.load_packaged(pack)
    shuffled = _shuffled(loading.canonical(edition), random.Random(7))
    assert loading.hash_of(shuffled) == edition.content_hash
    again = loading.from_content(shuffled)
    assert list(again.clauses) == list(edition.clauses)
    assert list(again.categories) == list(edition.categories)
    assert list(again.sections) == list(edition.sections)


@given(st.integers(min_value=0, max_value=2**32))
@settings(max_examples=15, deadline=None)
def test_no_order_of_keys_changes_the_hash(seed: int) -> None:
    content = loading.canonical(loading.load_packaged("managed-services"))
    assert loading.hash_of(_shuffled(content, random.Random(seed))) == loading.hash_of(content)


def test_every_word_counts_for_the_hash() -> None:
    content = loading.canonical(loading.load_packaged("default"))
    before = loading.hash_of(content)
    content["clauses"]["1.1"]["plain"] += "."
    assert loading.hash_of(content) != before


def test_a_directory_reads_like_the_packaged_pack(tmp_path: Path) -> None:
    assert loading.load_directory(copy_of("default", tmp_path)) == loading.load_packaged("default")


def test_a_single_clauses_file_will_do(tmp_path: Path) -> None:
    pack = copy_of("dedicated-hosting", tmp_path)
    parts = sorted((pack / "clauses").iterdir())
    (pack / "clauses.md").write_text("\n".join(part.read_text("utf-8") for part in parts), "utf-8")
    for part in parts:
        part.unlink()
    assert loading.load_directory(pack) == loading.load_packaged("dedicated-hosting")


def test_a_broken_pack_names_all_its_errors_with_file_and_key(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, 'grouping_window = "7 d"', 'grouping_window = "soon"')
    change(pack, "[categories.scan]\nclause =", "[categories.scan]\ncluase =")
    change(pack, "child_share = 75", "child_share = 175")
    change(pack, 'mode = "mandatory"', 'mode = "maybe"')
    change(pack, "registrar_check = true", 'registrar_check = "yes"')
    change(pack, "[categories.gambling]", "[categories.betting]")
    change(pack, "Rows: A1\n", "Rows: Z9\n", "clauses/01-purpose-scope-and-acceptance.md")
    found = problems_of(pack)
    file = f"{pack}/edition.toml"
    assert any(line.startswith(f"{file}: categories.csam.grouping_window: 'soon' is not a duration") for line in found)
    assert any(line.startswith(f"{file}: categories.scan.cluase: unknown key (did you mean 'clause'?)") for line in found)
    assert f"{file}: categories.scan.clause: is missing" in found
    assert any(line.startswith(f"{file}: timers.child_share: must be 1 to 99 percent") for line in found)
    assert f"{file}: ladder.mode: 'maybe' is not known (one of discretionary, mandatory)" in found
    assert f"{file}: switches.registrar_check: must be true or false, not text" in found
    assert any(line.startswith(f"{file}: categories.gambling: is missing") for line in found)
    assert any(line.startswith(f"{file}: categories.betting: unknown category") for line in found)
    assert any(
        "/clauses/01-purpose-scope-and-acceptance.md: line 3: clause 1.1: 'Z9' is no requirement row" in line for line in found
    )


BREAKAGES = [
    ("[strikes]", "[strike]", "strike: unknown key"),
    ("[strikes]\nlimit = 3", "[strikes]\nlimit = 0", "strikes.limit: must be 1 or more"),
    ('categories = ["copyright"]', 'categories = ["copying"]', "strikes.categories: there is no category 'copying'"),
    ("csam_hard_override = true", "csam_hard_override = false", "switches.csam_hard_override: must be true"),
    ('opening = "sealed"', 'opening = "ticket"', "categories.csam.opening: must be 'sealed'"),
    (
        'severity = "critical"\nresolve = "none"',
        'severity = "critical"\nresolve = "24 h"',
        "categories.csam.resolve: must be 'none' for a sealed category",
    ),
    ("customer_told = false", "customer_told = true", "categories.csam.customer_told: must be false"),
    ("compromised = 50", "compromised = 150", "switches.fault_weights.compromised: 150 is not a percentage"),
    ("compromised = 50", "unlucky = 50", "switches.fault_weights: must weigh exactly the values of facts.fault"),
    ("reminders = [50, 80]", "reminders = [80, 50]", "ladder.reminders: must be rising percentages"),
    ('code = "acknowledge"', 'code = "ticket"', "ladder.steps: names the step 'ticket' twice"),
    ('"inadequate", "repeated"', '"inadequate", "inadequate"', "ladder.steps[3].guard.any_of: names something twice"),
    ('required = ["reporter_name"', 'required = ["shoe_size"', "reports.required: there is no field of a report 'shoe_size'"),
    ("ack_at_most = ", "ack_at_least = ", "timers.ack_at_most: is missing"),
    ("[facts.mode]", "[facts.mood]", "facts.mood: unknown fact"),
    ('"resolution procedure" = ', '"Resolution Procedure" = ', "aliases.Resolution Procedure: must be in lower case"),
    ('"dmca" = "', '"dmca" = "9', "aliases.dmca: there is no clause 9"),
    ("feed_threshold = 5", "feed_threshold = 0", "categories.scan.feed_threshold: must be 1 or more"),
    ("feed_threshold = 5", "feed_threshold = 1.5", "categories.scan.feed_threshold: must be a whole number, not float"),
    (
        '[severities.high]\nresolve = "24 h"',
        '[severities.high]\nresolve = "2 h"',
        "severities.critical.resolve: gives more time than",
    ),
    ('version = "1"', "version = 1", "version: must be text, not a whole number"),
    ('handling = ["zero_tolerance"', 'handling = ["loud"', "categories.csam.handling[1]: 'loud' is not known"),
    ('presumed = { surface = "network"', 'presumed = { surface = "sea"', "there is no value 'sea'"),
    ("[ladder]", "[ladder", "edition.toml: is not TOML in UTF-8"),
]


@pytest.mark.parametrize(("before", "after", "complaint"), BREAKAGES, ids=[after for _, after, _ in BREAKAGES])
def test_each_mistake_has_its_own_complaint(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, before, after)
    found = problems_of(pack)
    assert any(complaint in line for line in found), found
    assert all(line.startswith(str(pack)) for line in found)


TEXT_BREAKAGES = [
    ("# 1 Purpose", "Hello\n\n# 1 Purpose", "line 1: text before the first heading"),
    ("## 1.1 Acceptance", "## Acceptance", "has no number"),
    ("## 1.2 ", "## 1.1 ", "clause 1.1 stands twice"),
    ("## 1.1 ", "## 99.1 ", "clause 99.1 stands in no section of its number"),
    ("Plain: Using", "Using", "clause 1.1 has no plain words"),
    ("# 1 Purpose, scope and acceptance\n", "# 1 Purpose, scope and acceptance\n\nWords.\n", "section 1 has text of its own"),
]


@pytest.mark.parametrize(("before", "after", "complaint"), TEXT_BREAKAGES, ids=[what for *_, what in TEXT_BREAKAGES])
def test_mistakes_in_the_clauses_name_the_line(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, before, after, "clauses/01-purpose-scope-and-acceptance.md")
    found = problems_of(pack)
    assert any("01-purpose-scope-and-acceptance.md: line" in line and complaint in line for line in found), found


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "nowhere")[0].endswith("is not a directory (name the directory that holds edition.toml)")
    (empty := tmp_path / "empty").mkdir()
    assert [line.removeprefix(f"{empty}/").split(":")[0] for line in problems_of(empty)] == ["edition.toml", "clauses.md"]
    with pytest.raises(NotFound, match="there are dedicated-hosting, default, managed-services"):
        loading.load_packaged("../packs/default")


def test_bytes_that_are_not_utf8_are_a_problem_not_a_crash(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    (pack / "edition.toml").write_bytes(b"title = '\xff'")
    (pack / "clauses" / "02-x.md").write_bytes(b"\xff\xfe")
    found = problems_of(pack)
    assert any("edition.toml: is not TOML" in line for line in found) and any("02-x.md: is not UTF-8" in line for line in found)


def test_an_older_stored_edition_may_lack_codes_that_came_later() -> None:
    content = loading.canonical(loading.load_packaged("default"))
    del content["categories"]["scraping"]
    assert "scraping" not in loading.from_content(content).categories


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_no_content_however_strange_raises_anything_but_input_errors(data: st.DataObject) -> None:
    content = loading.canonical(loading.load_packaged("managed-services"))
    section = data.draw(st.sampled_from(sorted(content)))
    target = content
    if isinstance(content[section], dict) and data.draw(st.booleans()):
        target, section = content[section], data.draw(st.sampled_from(sorted(content[section])))
        if isinstance(target[section], dict) and data.draw(st.booleans()):
            target, section = target[section], data.draw(st.sampled_from(sorted(target[section])))
    target[section] = data.draw(JSON)
    try:
        loading.from_content(content)
    except InputError as error:
        assert error.problems


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(item, chance) for item in value] if isinstance(value, list) else value
