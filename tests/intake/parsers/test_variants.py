"""Formats as senders vary them: order, folding, charsets, wrapping, languages, versions. Expectations are by hand."""

import json
from pathlib import Path

import pytest

from tipstaff.faces.cli.parse import line_of
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

FOLDER = Path(__file__).parents[2] / "corpus" / "variants"
EXPECTED = json.loads((FOLDER / "expected.json").read_text("utf-8"))


def test_every_variant_has_its_expectation():
    assert {path.name for path in FOLDER.iterdir()} - {"expected.json", "README.md"} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_variant_is_read_as_its_format_is(name):
    filename = name.partition("--")[2] or name
    raw = (FOLDER / name).read_bytes()
    lines = [line_of(filename, draft) for draft in read_submission(raw, Hints(filename=filename))]
    assert sorted({line["disposition"] for line in lines}) == EXPECTED[name]["disposition"]
    events = [event for line in lines for event in line["events"]]
    found = [[event["ip"], event["port"], event["occurred_at"], event["url"]] for event in events]
    assert sorted(found, key=str) == EXPECTED[name]["events"]
