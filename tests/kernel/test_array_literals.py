"""What goes over as an array literal arrives as it was, whatever stands in it."""

from datetime import UTC, datetime
from uuid import UUID

import polars as pl
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tipstaff.kernel import bulk

pytestmark = pytest.mark.django_db
ODD = ["", " ", "NULL", "null", '"', "\\", '\\"', "{a,b}", "a,b", "it's", "%s", "\n\t", "ÄÖ 表", "'; DROP TABLE x; --"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
EASY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def there_and_back(literal: str, kind: str) -> list:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s::{kind}[]", [literal])
        return cursor.fetchone()[0]


@EASY
@given(st.lists(st.one_of(TEXT, st.sampled_from(ODD), st.none()), min_size=1, max_size=8))
def test_texts(values):
    assert there_and_back(bulk.array_of_texts(values), "text") == values
    assert there_and_back(bulk.quoted_array_of(pl.Series(values, dtype=pl.String)), "text") == values


@EASY
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6))
def test_bytes(values):
    assert [bytes(value) for value in there_and_back(bulk.array_of_bytes(values), "bytea")] == values


def test_numbers_moments_and_identities_with_nothing_between():
    moment = datetime(2026, 11, 2, 8, 30, 1, 234567, UTC)
    number = UUID("018f3c3e-7a10-7b6e-9c3d-5b1f2c3d4e5f")
    assert there_and_back(bulk.array_of_values([1, None, -(2**62)]), "bigint") == [1, None, -(2**62)]
    assert there_and_back(bulk.array_of_values([moment, None]), "timestamptz") == [moment, None]
    assert there_and_back(bulk.array_of_values([number]), "uuid") == [number]
    assert there_and_back(bulk.array_of_texts([]), "text") == []


def test_a_column_that_looks_like_sql_stays_a_column():
    assert there_and_back(bulk.quoted_array_of(pl.Series(ODD)), "text") == ODD
