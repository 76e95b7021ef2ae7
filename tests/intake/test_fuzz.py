"""Whatever the bytes: the reading answers, names no defect of its own, and invents neither address nor time."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.intake.parsers.test_contract import mutations
from tests.intake.samples import OWN, captured, own_samples
from tests.unskipped import NOT_OURS
from tipstaff.faces.cli.parse import line_of
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission

CAPTURED = [*captured("mail/**/*.eml"), *captured("xarf/samples/**/*.json"), *captured("feeds/**/*.csv")]
LETTERS = sorted((OWN / "free_text").glob("*/*.eml"))


def faults(raw: bytes, name: str) -> list[object]:
    """What is wrong with the answer: no draft, a defect of ours, a person not told why, an address or time from nowhere."""
    drafts = read_submission(raw, Hints(filename=name))
    found: list[object] = [] if drafts else [name]
    for draft in drafts:
        if any("defect of the software" in need for need in draft.needs):
            found.append((name, draft.needs))
        if draft.disposition is Disposition.NEEDS_A_PERSON and not draft.needs:
            found.append((name, "no reason"))
        for event in draft.events:
            if (event.ip and not event.found_in.get("ip")) or (event.occurred_at and not event.found_in.get("occurred_at")):
                found.append((name, event))
        line_of(name, draft)
    return found


@pytest.mark.skipif(not CAPTURED, reason=f"{NOT_OURS}captured inputs are not beside the checkout")
@pytest.mark.parametrize("seed", range(3))
def test_mutated_captured_input(seed):
    for number, path in enumerate(CAPTURED):
        raw = path.read_bytes()[:200_000]
        for mutated in mutations(raw, seed=seed * 1_000 + number, number=2):
            assert faults(mutated, path.name) == []


@pytest.mark.parametrize("seed", range(3))
def test_mutated_fixtures_of_ours(seed):
    for number, path in enumerate([*(sample.path for sample in own_samples()), *LETTERS]):
        for mutated in mutations(path.read_bytes()[:200_000], seed=seed * 1_000 + number, number=2):
            assert faults(mutated, path.name) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_two_fixtures_spliced(data):
    paths = [sample.path for sample in own_samples()]
    first = data.draw(st.sampled_from(paths)).read_bytes()[:20_000]
    second = data.draw(st.sampled_from(paths)).read_bytes()[:20_000]
    cut, resume = data.draw(st.integers(0, len(first))), data.draw(st.integers(0, len(second)))
    assert faults(first[:cut] + second[resume:], "spliced") == []


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=500), st.sampled_from(["x", "x.eml", "x.csv", "x.json", "x.xml", "x.zip", "x.gz", "x.txt", "x.log"]))
def test_any_bytes_under_any_name(raw, name):
    assert faults(raw, name) == []


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=12)
    | st.sampled_from(["192.0.2.1", "2026-11-16T10:00:00Z", "4.2.0", "spam", "messaging"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "xarf_version",
                    "report_id",
                    "timestamp",
                    "reporter",
                    "sender",
                    "source_identifier",
                    "category",
                    "type",
                    "Version",
                    "ReporterInfo",
                    "Report",
                    "ip",
                    "SourceIp",
                    "evidence",
                    "Date",
                    "source_ip",
                    "url",
                    "a",
                ]
            ),
            inner,
            max_size=8,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_any_json(document):
    import orjson

    try:
        raw = orjson.dumps(document)
    except TypeError:  # an integer beyond 64 bits
        return
    assert faults(raw, "x.json") == []


CELL = st.sampled_from(
    [
        "ip",
        "timestamp",
        "src_ip",
        "port",
        "192.0.2.1",
        "2026-11-16 10:00:00",
        "x",
        "",
        '"',
        "2001:db8::1",
        "99999",
        "=cmd()",
        "source_ip",
        "http://a.example/",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=6), st.sampled_from([",", ";", "\t", "|"]))
def test_any_table(rows, delimiter):
    assert faults("\n".join(delimiter.join(row) for row in rows).encode(), "x.csv") == []


NUMBERED = re.compile(r"""(?im)^(\s*[<"]?[\w-]*(?:port|count|incidents|occurrences|hits)[\w-]*[>"]?[:=]? ?"?)\d+""")


@pytest.mark.parametrize("digit", ["²", "5²", "①", "\N{ARABIC-INDIC DIGIT THREE}", "９"])
def test_signs_that_only_look_like_digits_of_ascii_break_no_parser(digit):
    """They answer yes to str.isdigit, and int() refuses some of them."""
    for sample in own_samples():
        text = sample.path.read_bytes()[:20_000].decode("utf-8", "replace")
        marked = NUMBERED.sub(rf"\g<1>{digit}", text)
        assert marked == text or faults(marked.encode(), sample.path.name) == []


def test_numbers_of_an_arf_report_in_other_digits_are_left_out():
    path = next(sample.path for sample in own_samples() if b"\nSource-IP:" in sample.path.read_bytes())
    raw = path.read_bytes().replace(b"\nSource-IP:", "\nSource-Port: 5²\nIncidents: ²\nSource-IP:".encode(), 1)
    drafts = read_submission(raw, Hints())
    assert [event.port for draft in drafts for event in draft.events][:1] == [None]
    assert not [need for draft in drafts for need in draft.needs if "defect of the software" in need]
