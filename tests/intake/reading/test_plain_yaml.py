"""What is read without YAML is read as YAML reads it."""

from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading import plain_yaml

NAMES = st.sampled_from(["Source", "Date", "Report-Type", "Port", "E_f", "y", "Null", "G ", "<<"])
VALUES = st.text(alphabet="ab1:#-'\"[]{}&*!|>?%@~=<,. /\\", max_size=12)
LINES = st.one_of(st.tuples(NAMES, VALUES).map(lambda pair: f"{pair[0]}: {pair[1]}"), st.sampled_from(["", "---", "...", "Date:"]))


@given(st.lists(LINES, min_size=2, max_size=6).map("\n".join))
def test_flat_text_is_read_as_yaml_reads_it(text: str) -> None:
    text = text.lstrip("\n \t")
    flat = plain_yaml._flat(text)
    if flat is not None:
        (found,) = plain_yaml._from_events(text)
        assert (found.pairs, found.line) == (flat.pairs, flat.line)


def test_an_ordinary_report_is_flat() -> None:
    text = "---\nReported-From: a@example.org\nDate: Mon, 02 Nov 2026 07:00:00 +0000\nSource: 192.0.2.1\nPort:\n\n"
    (found,) = plain_yaml.read_mappings(text)
    assert plain_yaml._flat(text) is not None
    assert found.get("reported_from", "Date") == "a@example.org" and found.get("Port", "source") == "192.0.2.1"
    assert found.has("Port", "Source", "Service") == 2


def test_what_yaml_could_read_otherwise_is_left_to_it() -> None:
    for line in ("Source: '192.0.2.1'", "Source: 192.0.2.1 # one", "Source: [a]", "Source: a: b", " Source: a", "Source: é", "- a"):
        assert plain_yaml._flat(f"Date: x\n{line}\n") is None
