"""Fixtures of orders: an inventory, and a peer that is live."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # tables are known only when Django has been set up
    from tipstaff.accounts.models import Customer
    from tipstaff.enforcement.models import Endpoint


@pytest.fixture
def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints one after the other, so that all of a test is one transaction, which is undone after it."""
    from tipstaff.enforcement import worker

    monkeypatch.setattr(worker, "SIDE_BY_SIDE", 1)


@pytest.fixture
def carol() -> "Customer":
    from tests.enforcement import given

    return given.inventory()[0]


@pytest.fixture
def peer(tmp_path: Path) -> "Endpoint":
    """A journal of orders, live."""
    from tests.enforcement import given

    return given.journal(tmp_path)
