"""Where everything must run (``.ci/run`` as root sets TIPSTAFF_REQUIRE_SERVERS=1), a skip in this package is a failure.

A block that was never seen to stop a packet is not proven. Elsewhere, such as without root, what cannot run is skipped
with its reason, which pytest prints at its end.
"""

from collections.abc import Generator

import pytest

from tests.enforcement.servers import REQUIRED


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
