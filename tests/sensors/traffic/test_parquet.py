"""What our own writer of Parquet writes is read by others, value for value and type for type."""

import io

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.sensors.traffic.archive import files
from tipstaff.sensors.traffic.archive.frames import QUICK, Compressor, zstd
from tipstaff.sensors.traffic.archive.parquet import Output, varint
from tipstaff.sensors.traffic.archive.unfinished import Unfinished
from tipstaff.sensors.traffic.archive.writer import joined

SHAPES = ("one", "near", "rare", "far", "even", "many")
KINDS = (np.uint8, np.uint16, np.uint32, np.uint64, np.int32, np.int64)


def column(kind, rows, shape, seed):
    """Values of every shape that is written differently: one, few near each other, few far apart, many, the extremes."""
    rng, limits = np.random.default_rng(seed), np.iinfo(kind)
    low, high = int(limits.min), int(limits.max)
    if shape == "one":
        return np.full(rows, rng.integers(low, high, dtype=kind, endpoint=True), kind)
    if shape == "near":
        return rng.integers(max(low, -5), min(high, 200), rows).astype(kind)
    if shape == "rare":  # a column that looks like few values where it is looked at
        found = np.full(rows, 7, kind)
        found[1::2] = rng.integers(0, min(high, 60_000), len(found[1::2])).astype(kind)
        return found
    if shape == "far":
        return rng.choice(np.array([low, 0, 1, high], kind), rows)
    if shape == "even":  # streams of bytes that are random, then such that compress, then all the same
        found = rng.integers(0, min(high, 60_000), rows).astype(kind)
        return found + kind(5) * kind(1 << 16) * (np.arange(rows) // 7 % 3).astype(kind) if found.itemsize > 2 else found
    return rng.integers(low, high, rows, dtype=kind, endpoint=True)


def written(*groups, **more) -> io.BytesIO:
    made = io.BytesIO()
    output = Output(made, **more)
    for group in groups:
        output.add(group)
    assert output.close({"said": "[1]"}) == len(made.getvalue())
    return made


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(SHAPES)), min_size=1, max_size=6),
    st.lists(st.integers(1, 3000), min_size=1, max_size=3),
    st.integers(0, 1 << 30),
    st.sampled_from((QUICK, 1)),
)
@settings(max_examples=80, deadline=None)
def test_arrow_reads_what_was_written(shapes, sizes, seed, level) -> None:
    groups = [
        {f"c{place}": column(kind, rows, shape, seed + place) for place, (kind, shape) in enumerate(shapes)} for rows in sizes
    ]
    made = written(*groups, level=level, bounded=[f"c{place}" for place in range(len(shapes))])
    table, known = pq.read_table(made), pq.read_metadata(made)
    assert known.metadata == {b"said": b"[1]"} and known.num_row_groups == len(sizes) and table.num_rows == sum(sizes)
    for place, (kind, _) in enumerate(shapes):
        found = table.column(place).to_numpy()
        assert found.dtype == kind and (found == np.concatenate([group[f"c{place}"] for group in groups])).all()
        for number, group in enumerate(groups):
            bounds = known.row_group(number).column(place).statistics
            assert (bounds.min, bounds.max, bounds.null_count) == (group[f"c{place}"].min(), group[f"c{place}"].max(), 0)


@pytest.mark.parametrize("level", [QUICK, 1])
def test_duckdb_reads_the_same_and_skips_by_the_bounds(tmp_path, level) -> None:
    columns = {f"{np.dtype(kind)}_{shape}": column(kind, 5000, shape, 3) for kind in KINDS for shape in SHAPES}
    files.write(tmp_path / "all.parquet", columns | {"ended": np.arange(5000)}, group=1000, level=level)
    found = duckdb.execute(f"SELECT * FROM '{tmp_path}/all.parquet' WHERE ended >= 0").fetchnumpy()
    assert all(found[name].dtype == own.dtype and (found[name] == own).all() for name, own in columns.items())
    sql = f"SELECT stats_min_value, stats_max_value FROM parquet_metadata('{tmp_path}/all.parquet') WHERE path_in_schema = 'ended'"
    assert duckdb.execute(sql).fetchall() == [(str(n), str(n + 999)) for n in range(0, 5000, 1000)]
    assert duckdb.execute(f"SELECT count(*) FROM '{tmp_path}/all.parquet' WHERE ended BETWEEN 2500 AND 2600").fetchone() == (101,)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 1025, 70_000])
@pytest.mark.parametrize("values", [2, 3, 5, 17, 256, 257])
def test_indices_of_every_width(rows, values) -> None:
    one = (np.arange(rows) * 7 % values).astype(np.uint16)
    assert (pq.read_table(written({"a": one})).column(0).to_numpy() == one).all()


def test_what_only_some_groups_have_is_zero_in_the_others() -> None:
    four, six = np.arange(10, dtype=np.uint32), np.arange(5, 15, dtype=np.uint64)
    table = pq.read_table(written({"src": four}, {"src": four, "hi": six}, {"src": four}))
    assert table.column("hi").to_pylist() == [0] * 10 + six.tolist() + [0] * 10
    assert table.column("src").to_pylist() == four.tolist() * 3
    parts = joined([{"src": four}, {"src": four, "hi": six}])
    assert parts["hi"].tolist() == [0] * 10 + six.tolist() and parts["src"].tolist() == four.tolist() * 2


def test_no_rows_are_a_file_too() -> None:
    table = pq.read_table(written({"a": np.zeros(0, np.uint32), "b": np.zeros(0, np.int64)}))
    assert table.num_rows == 0 and [str(kind) for kind in table.schema.types] == ["uint32", "int64"]


def test_one_value_costs_next_to_nothing() -> None:
    one = written({"a": np.full(100_000, 64500, np.uint32)})
    assert len(one.getvalue()) < 300 and pq.read_table(one).column(0).to_numpy().tolist() == [64500] * 100_000


@given(st.binary(max_size=50), st.binary(max_size=3000), st.integers(0, 5), st.integers(0, 400_000), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_frame_of_stored_compressed_and_repeated_bytes_is_read_by_any_reader(random, body, times, count, value) -> None:
    random, body = random * 6000, body * 10**times  # also longer than a block may be, also nothing at all
    body = body[:300_000]
    for level in (QUICK, 1, -7):
        frame = Compressor(level).spliced(random, body, [(value, count), (value ^ 1, 3)])
        expected = random + body + bytes([value]) * count + bytes([value ^ 1]) * 3
        assert zstd.decompress(frame) == expected
        assert pa.Codec("zstd").decompress(frame, len(expected)).to_pybytes() == expected
        assert zstd.get_frame_size(frame) == len(frame) and zstd.get_frame_info(frame).decompressed_size == len(expected)


def test_streams_that_do_not_compress_are_stored_and_the_others_told_shortly() -> None:
    rng = np.random.default_rng(1)
    one = (rng.integers(0, 1 << 16, 50_000) | np.repeat(np.arange(50), 1000) << 16).astype(np.uint32)
    made = written({"a": one}, {"a": one}, level=QUICK)
    assert (pq.read_table(made).column(0).to_numpy() == np.tile(one, 2)).all()
    assert 200_000 < len(made.getvalue()) < 203_000  # two bytes of four


@pytest.mark.parametrize("kind", KINDS)
def test_one_value_told_once_is_written_as_if_it_stood_in_every_row(kind) -> None:
    value = np.array([np.iinfo(kind).max], kind)
    told, whole = np.ndarray((1000,), kind, value, strides=(0,)), np.full(1000, value[0], kind)
    assert written({"a": told}, bounded=("a",)).getvalue() == written({"a": whole}, bounded=("a",)).getvalue()
    assert (pq.read_table(written({"a": told})).column(0).to_numpy() == whole).all()


def test_what_is_given_up_leaves_nothing(tmp_path) -> None:
    made = Unfinished(tmp_path / "a.parquet")
    made.add({"a": np.arange(1000)}, 100)
    assert [path.name for path in tmp_path.iterdir()] == [".a.parquet.new"]
    made.give_up()
    assert list(tmp_path.iterdir()) == []


def test_numbers_without_a_sign_of_any_length() -> None:
    assert [varint(one) for one in (0, 127, 128, 300, 1 << 35)] == [b"\0", b"\x7f", b"\x80\1", b"\xac\2", b"\x80\x80\x80\x80\x80\1"]
