"""A column that goes over as a binary array arrives as it was, whatever it is."""

from datetime import UTC, datetime

import polars as pl
import pytest
from django.db import DataError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tipstaff.kernel import arrays

pytestmark = pytest.mark.django_db
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2500, 1, 1)).map(lambda at: at.replace(tzinfo=UTC, fold=0))
COLUMN = st.one_of(
    st.tuples(st.just("int8"), st.just(pl.Int64), st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8)),
    st.tuples(st.just("int4"), st.just(pl.Int64), st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=8)),
    st.tuples(st.just("int2"), st.just(pl.Int16), st.lists(st.none() | st.integers(-(2**15), 2**15 - 1), max_size=8)),
    st.tuples(st.just("bool"), st.just(pl.Boolean), st.lists(st.none() | st.booleans(), max_size=8)),
    st.tuples(st.just("timestamptz"), st.just(pl.Datetime("us", "UTC")), st.lists(st.none() | MOMENTS, max_size=8)),
    st.tuples(st.just("text"), st.just(pl.String), st.lists(
        st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=8)),
    st.tuples(st.just("uuid"), st.just(pl.String), st.lists(st.none() | st.uuids().map(lambda one: one.hex), max_size=8)),
)  # fmt: skip


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(COLUMN)
def test_there_and_back(column):
    kind, dtype, values = column
    ((back,),) = arrays.rows("SELECT %s", [arrays.array(pl.Series(values, dtype=dtype), kind)])
    assert [one.hex if kind == "uuid" and one else one for one in back] == values


def test_columns_side_by_side_and_in_the_transaction_of_the_caller():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE beside (a bigint, b text)")
    told = {"a": arrays.array(pl.Series([1, 2, 3]), "int8"), "b": arrays.array(pl.Series(["x", None, "%s"]), "text")}
    assert arrays.rows("INSERT INTO beside SELECT * FROM unnest(%(a)s, %(b)s)", told) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT a, b FROM beside ORDER BY a")
        assert cursor.fetchall() == [(1, "x"), (2, None), (3, "%s")]


def test_an_error_is_djangos():
    with pytest.raises(DataError, match="division by zero"):
        arrays.rows("SELECT 1 / a FROM unnest(%s) AS a", [arrays.array(pl.Series([0]), "int8")])
