"""Where everything must run (``.ci/run`` as root sets TIPSTAFF_REQUIRE_SERVERS=1), a skipped test is a failed one.

A block that was never seen to stop a packet is not proven. Elsewhere, such as without root, what cannot run is skipped with its
reason, which pytest prints at its end. What no installation of packages brings (files beside the checkout, somebody's cluster)
begins its reason with ``NOT_OURS`` and may be skipped anywhere.
"""

import os
from collections.abc import Generator

import pytest

REQUIRED = os.environ.get("TIPSTAFF_REQUIRE_SERVERS", "") == "1"
NOT_OURS = "not part of the project: "


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if NOT_OURS not in reason:
            report.outcome = "failed"
            report.longrepr = f"TIPSTAFF_REQUIRE_SERVERS is set, and this was skipped: {reason}"
    return report
