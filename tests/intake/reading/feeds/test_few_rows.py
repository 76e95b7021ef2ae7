"""Tables of few rows are read by plain Python, and alike."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tipstaff.intake.reading.feeds import columns

CELLS = st.one_of(
    st.sampled_from(["", " ", "-", "N/A", "null", "none", '"a"', "\\", "\x1f", "\x1c", "\xa0b\u2009"]),
    st.text(max_size=4),
)


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_few_rows_are_read_as_many_are(rows: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame({"a": [row[0] for row in rows], "b": [row[1] for row in rows]}, schema={"a": pl.String, "b": pl.String})
    layout = columns.Layout(identity=("a", "absent", "b"))
    found = []
    for few in (0, 200):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(columns, "FEW", few)
            values = columns._Values(frame)
            identity = columns._identity(values, layout)
            assert identity is not None
            found.append((values.text("a").to_list(), values.text("b").to_list(), identity.to_list()))  # type: ignore[union-attr]
    assert found[0] == found[1]
