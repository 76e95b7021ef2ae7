"""The chain's arithmetic, and that our check and the script for courts find any tampering, with every field."""

import copy
import hashlib
import json
import runpy
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.audit import chain
from tipstaff.audit.chain import START, Head, Link

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "docs" / "verify_audit.py"))
AT = datetime(2026, 6, 15, 8, 0, 0, 123456, tzinfo=UTC)
ENTRY_FIELDS = ("at", "actor", "action", "subject", "reason", "detail")
SEAL_FIELDS = ("number", "entry_id", "sealed_at", "digest", "previous", "chained")

texts = st.text(st.characters(blacklist_characters="\x00", blacklist_categories=("Cs",)), max_size=30)
details = st.dictionaries(texts, st.recursive(st.none() | st.booleans() | st.integers() | texts, lambda e: st.lists(e, max_size=3)))
entries = st.builds(
    lambda at, actor, action, subject, reason, detail: {
        "at": at, "actor": actor, "action": action, "subject": subject, "reason": reason, "detail": detail},
    st.datetimes(min_value=datetime(1990, 1, 1), timezones=st.just(UTC)), texts, texts, texts, texts, details,
)  # fmt: skip


def chained(contents, after: Head = START) -> list[Link]:
    made = [chain.content(id=100 + 3 * place, **one) for place, one in enumerate(contents)]
    return list(chain.link(made, after, AT))


def some(many: int = 8) -> list[Link]:
    return chained(
        {"at": AT + timedelta(seconds=n), "actor": "alice", "action": "case.close", "subject": f"case:{n}", "reason": "fixed",
         "detail": {"n": n}} for n in range(many)
    )  # fmt: skip


def script_says(links: list[Link], directory: Path, heads=(), after: Head = START, head: Head | None = None) -> list[str]:
    """The script's word on the export of these links; the manifest is honest about the bytes, so that only the chain speaks."""
    content = b"".join(chain.canonical(asdict(one)) + b"\n" for one in links)
    (directory / "audit.jsonl").write_bytes(content)
    end = head or (Head(links[-1].number, links[-1].chained) if links else after)
    manifest = {"sha256": hashlib.sha256(content).hexdigest(), "after": vars(after), "head": vars(end)}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return list(SCRIPT["check"](directory, [(one.number, one.chained) for one in heads]))


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, max_size=6))
def test_what_was_sealed_is_sound_for_us_and_for_the_script(tmp_path_factory, contents) -> None:
    links = chained(contents)
    found = chain.examine(links)
    assert (found.faults, found.count) == ([], len(contents))
    if links:
        assert found.head == Head(links[-1].number, links[-1].chained)
    assert script_says(links, tmp_path_factory.mktemp("export")) == []


def test_the_sum_is_what_the_documentation_says() -> None:
    one = some(1)[0]
    canonical = (
        '{"action":"case.close","actor":"alice","at":"2026-06-15T08:00:00.123456Z","detail":{"n":0},"id":100,'
        '"reason":"fixed","subject":"case:0"}'
    )
    assert one.digest == hashlib.sha256(canonical.encode()).hexdigest()
    genesis = hashlib.sha256(b"tipstaff-audit-chain-1").hexdigest()
    lines = f"1\n100\n2026-06-15T08:00:00.123456Z\n{one.digest}\n{genesis}\n"
    assert one.chained == hashlib.sha256(lines.encode()).hexdigest()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 7), st.sampled_from(ENTRY_FIELDS), texts)
def test_a_change_to_any_field_of_any_entry_is_found_where_it_is(tmp_path_factory, place, name, other) -> None:
    links = some()
    entry = copy.deepcopy(dict(links[place].entry))
    new = {"other": other} if name == "detail" else other
    if entry[name] == new:
        return
    entry[name] = new
    links[place] = replace(links[place], entry=entry)
    assert [(fault.kind, fault.number, fault.entry_id) for fault in chain.examine(links).faults] == [
        ("changed", place + 1, 100 + 3 * place)
    ]
    said = script_says(links, tmp_path_factory.mktemp("export"))
    assert said == [f"line {place + 1}: entry {100 + 3 * place} is not what was sealed"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 7), st.sampled_from(SEAL_FIELDS), st.integers(1, 10**9))
def test_a_change_to_any_field_of_any_seal_is_found(tmp_path_factory, place, name, salt) -> None:
    links = some()
    old = getattr(links[place], name)
    new = salt if isinstance(old, int) else chain.written(AT + timedelta(seconds=salt)) if name == "sealed_at" else (
        hashlib.sha256(str(salt).encode()).hexdigest())  # fmt: skip
    if new == old:
        return
    links[place] = replace(links[place], **{name: new})
    faults = chain.examine(links).faults
    assert faults and faults[0].number in {place + 1, new if name == "number" else 0}
    assert script_says(links, tmp_path_factory.mktemp("export"))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 7), st.integers(0, 7))
def test_a_swap_is_found(tmp_path_factory, one, other) -> None:
    if one == other:
        return
    rows = some()
    rows[one], rows[other] = rows[other], rows[one]
    assert chain.examine(rows).faults
    assert script_says(rows, tmp_path_factory.mktemp("export"))
    rows = some()  # the numbers stay, the entries change places
    first, second = rows[one], rows[other]
    rows[one] = replace(first, entry=second.entry, entry_id=second.entry_id, digest=second.digest)
    rows[other] = replace(second, entry=first.entry, entry_id=first.entry_id, digest=first.digest)
    assert {fault.number for fault in chain.examine(rows).faults} >= {one + 1, other + 1}


@pytest.mark.parametrize("place", range(7))
def test_a_deleted_seal_is_a_gap_and_is_named(tmp_path, place) -> None:
    rows = some()
    del rows[place]
    faults = chain.examine(rows).faults
    assert ("gap", place + 1) in [(fault.kind, fault.number) for fault in faults]
    assert f"of {place + 1} to {place + 1} there is no seal" in faults[0].what
    assert script_says(rows, tmp_path)


@pytest.mark.parametrize("place", range(8))
def test_a_deleted_entry_is_missing_and_is_named(place) -> None:
    rows = some()
    rows[place] = replace(rows[place], entry=None)
    assert [(fault.kind, fault.number) for fault in chain.examine(rows).faults] == [("missing", place + 1)]


@pytest.mark.parametrize("kept", range(1, 8))
def test_a_cut_end_is_found_beside_a_head_kept_elsewhere(tmp_path, kept) -> None:
    rows = some()
    anchor = Head(rows[-1].number, rows[-1].chained)
    assert chain.examine(rows[:kept]).faults == []  # nothing inside can show it
    assert [fault.kind for fault in chain.examine(rows[:kept], [anchor]).faults] == ["cut"]
    assert script_says(rows[:kept], tmp_path, heads=[anchor]) == ["number 8 was kept elsewhere and is not here"]
    assert script_says(rows[:kept], tmp_path, head=anchor) == [f"ends at number {kept}, the manifest says 8"]


def test_a_chain_written_anew_is_found_beside_a_head_kept_elsewhere(tmp_path) -> None:
    old = some()
    anchor = Head(5, old[4].chained)
    contents = [{key: one.entry[key] for key in ENTRY_FIELDS} | {"at": AT} for one in old]
    contents[2]["reason"] = "something else"
    anew = chained(contents)
    assert chain.examine(anew).faults == []
    assert [(fault.kind, fault.number) for fault in chain.examine(anew, [anchor]).faults] == [("rewritten", 5)]
    assert script_says(anew, tmp_path, heads=[anchor]) == ["line 5: a head kept elsewhere says otherwise"]


def test_two_heads_for_one_number_cannot_both_be_right() -> None:
    rows = some()
    right, wrong = Head(5, rows[4].chained), Head(5, "0" * 64)
    assert not chain.examine(rows, [right, right]).faults
    assert [fault.kind for fault in chain.examine(rows, [right, wrong]).faults] == ["rewritten"]


def test_a_changed_file_is_not_the_manifests(tmp_path) -> None:
    rows = some()
    assert not script_says(rows, tmp_path)
    lines = (tmp_path / "audit.jsonl").read_text()
    (tmp_path / "audit.jsonl").write_text(lines.replace('"alice"', '"Alice"', 1))
    said = list(SCRIPT["check"](tmp_path))
    assert said == ["audit.jsonl is not the file that the manifest speaks of", "line 1: entry 100 is not what was sealed"]
