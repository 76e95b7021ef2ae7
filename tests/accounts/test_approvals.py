"""Nobody approves his own action, in words and in the database."""

import re

import pytest
from django.apps import apps
from django.db.models import CheckConstraint

from tipstaff.accounts.approvals import different_people, require_other
from tipstaff.kernel.errors import Refused

#: Pairs of columns that name who asked and who agreed, wherever they occur.
PAIRS = (
    ("requested_by", "approved_by"), ("proposed_by", "approved_by"), ("proposed_by", "confirmed_by"),
    ("decided_by", "confirmed_by"), ("ordered_by", "approved_by"), ("drafted_by", "published_by"),
)  # fmt: skip


def test_the_words() -> None:
    require_other(first="alice", second="bob", what="termination")
    with pytest.raises(Refused, match="termination: you asked for this yourself"):
        require_other(first="alice", second="alice", what="termination")
    with pytest.raises(Refused):
        require_other(first="alice", second="", what="termination")
    with pytest.raises(Refused, match="termination: you asked for this yourself"):
        require_other(first="cli:alice", second="alice", what="termination")


def test_the_constraint() -> None:
    made = different_people("requested_by", "approved_by", name="two")
    assert isinstance(made, CheckConstraint)
    assert "approved_by" in str(made.condition) and "requested_by" in str(made.condition)


def test_every_table_with_two_people_has_its_constraint() -> None:
    found, without = 0, []
    for model in apps.get_models():
        names = {field.name for field in model._meta.get_fields()}
        conditions = [str(one.condition) for one in model._meta.constraints if isinstance(one, CheckConstraint)]
        for first, second in PAIRS:
            if {first, second} <= names:
                found += 1
                if not any(re.search(rf"\b{first}\b", text) and re.search(rf"\b{second}\b", text) for text in conditions):
                    without.append(f"{model.__name__}: {first}, {second}")
    assert found
    assert without == []
