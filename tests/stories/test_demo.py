"""The first five minutes, for real: ``tipstaff demo``, a browser, the overdue case, the message that waits, a clean end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 180  # seconds for the demo to come up on a busy machine; on an idle one it takes about fifteen


class Demo:
    """``tipstaff demo`` with its temporary files in a directory of the test's own."""

    def __init__(self, place: Path) -> None:
        self.place, self.output = place, place / "said.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "TIPSTAFF_"))}
        with self.output.open("w") as out:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "tipstaff.project.cli", "demo"], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                env=environment | {"TMPDIR": str(place)}, cwd="/", start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return self.output.read_text()

    def ready(self) -> "Demo":
        wait_until(lambda: "Open http" in self.said() or self.running.poll() is not None, PATIENCE)
        assert "Open http" in self.said(), self.said()
        return self

    def word(self, pattern: str) -> str:
        found = re.search(pattern, self.said())
        assert found, self.said()
        return found[1]

    def stop(self) -> int:
        if self.running.poll() is None:
            self.running.send_signal(signal.SIGTERM)
        return self.running.wait(60)

    def left(self) -> list[psutil.Process]:
        """Live processes that still work in the demo's directory."""
        return [one for one in psutil.process_iter() if self._is_ours(one)]

    def _is_ours(self, one: psutil.Process) -> bool:
        try:
            return one.status() != psutil.STATUS_ZOMBIE and str(self.place) in one.environ().get("TIPSTAFF_STATE", "")
        except (psutil.NoSuchProcess, psutil.AccessDenied, FileNotFoundError, ProcessLookupError):
            return False


@pytest.fixture
def demo() -> Iterator[Demo]:
    # Not pytest's own directory: where root runs this, the database's account must be able to pass through.
    place = Path(tempfile.mkdtemp(prefix="tipstaff-story-", dir="/tmp"))
    place.chmod(0o755)
    started = Demo(place)
    yield started
    started.stop()
    for one in started.left():
        one.kill()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def page(chromium):
    """A window of its own, as the person who tries it has."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def test_the_first_five_minutes(demo, page):
    demo.ready()
    address, password = demo.word(r"Open (http://127\.0\.0\.1:\d+)/"), demo.word(r"alice\s+password (\S+)")
    case = demo.word(r"Open first: case #(\d+)")
    page.goto(f"{address}/")
    page.get_by_label("Name").fill("alice")
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    expect(page.get_by_text("past due").first).to_be_visible()
    page.goto(f"{address}/queue/")
    page.locator(f'main a[href="/cases/{case}/"]').first.click()
    page.wait_for_url(f"**/cases/{case}/**")
    told = page.inner_text("main")
    assert "Phishing at 203.0.113.7" in told
    assert "Larkfield Web GmbH" in told and "late" in told
    assert "waits in the outbox" in told, "the notice to the customer"
    assert "off" in page.locator("footer").inner_text(), "nothing is sent"
    for path in ("/queue/", "/intake/", "/customers/", "/rules/"):
        page.goto(f"{address}{path}")
        expect(page.locator("main"), path).to_be_visible()
        assert "Traceback" not in page.content(), path
    _report_in_the_second_tab(page, address)
    assert demo.stop() == 0
    assert wait_until(lambda: not demo.left(), 60), "nothing is left running"
    assert not list(demo.place.glob("tipstaff-demo-*")), "nothing is left on the disk"


def _report_in_the_second_tab(page, address: str) -> None:
    """Be the reporter: the form knows the sample's hosts, takes the report, and its link shows how far it is."""
    tab = page.context.new_page()
    tab.goto(f"{address}/report/")
    tab.get_by_role("textbox", name="A URL, an address").fill("http://login.larkfield-web.example/secure/")
    tab.get_by_role("button", name="Check", exact=True).click()
    expect(tab.get_by_text("Ours.")).to_be_visible()
    tab.get_by_text("Phishing", exact=True).click()
    tab.get_by_label("Your e-mail").fill("rita@reporter.example")
    tab.get_by_label("Name", exact=True).fill("Rita Reporter")
    tab.get_by_role("button", name="Show what our customer will see").click()
    tab.get_by_role("button", name="Send report").click()
    expect(tab.get_by_role("heading", name="Thank you")).to_be_visible()
    tab.locator(".link-box").click()
    tab.wait_for_url("**/status/**")

    def told() -> bool:
        tab.reload()
        return "Our customer has been told" in tab.inner_text("main")

    assert wait_until(told, 60), tab.inner_text("main")
    tab.goto(f"{address}/policy/")
    expect(tab.get_by_text("1.1").first).to_be_visible()
    tab.close()
