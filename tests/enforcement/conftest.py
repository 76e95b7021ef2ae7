"""Where everything must run (``.ci/run`` as root sets TIPSTAFF_REQUIRE_SERVERS=1), a skip in this package is a failure.

A block that was never seen to stop a packet is not proven. Elsewhere, such as without root, what cannot run is skipped
with its reason, which pytest prints at its end.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.enforcement.servers import REQUIRED

if TYPE_CHECKING:  # tables are known only when Django has been set up
    from tipstaff.accounts.models import Customer
    from tipstaff.enforcement.models import Endpoint


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TIPSTAFF_REQUIRE_SERVERS is set, and this was skipped: {reason}"
    return report


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
