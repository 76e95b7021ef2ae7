"""The first five minutes, for real: ``tipstaff demo``, a browser, the overdue case, its notice in the local outbox, the customer's
side, the appeal on the desk, one click that erases the sample, a clean end."""

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
PATIENCE = 420  # seconds for the demo to come up on a busy machine; on an idle one it takes about fifteen


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
    _sign_in(page, address, "alice", password)
    expect(page.get_by_text("past due").first).to_be_visible()
    page.get_by_role("link", name=f"#{case}").first.click()
    page.wait_for_url(f"**/cases/{case}/**")
    told = page.inner_text("main")
    assert "Phishing at 203.0.113.7" in told
    assert "Larkfield Web GmbH" in told and "late" in told
    assert "put in the outbox" in told, "the notice to the customer"
    assert "nobody knows that the customer was reached" not in told, "it was delivered, in the local outbox"
    assert "Sending is local" in page.locator("footer").inner_text(), "nothing leaves this machine"
    for path in ("/queue/", "/intake/", "/customers/", "/rules/"):
        page.goto(f"{address}{path}")
        expect(page.locator("main"), path).to_be_visible()
        assert "Traceback" not in page.content(), path
    link = _notice_in_the_outbox(page, address, case)
    assert link.partition("/c/")[0] == demo.word(r"(http://\S+)/c/\S+")
    _as_the_customer(page, demo.word(r"(http://\S+/c/\S+)"), case)
    _carol_signs_in(page, address, demo.word(r"signs in at /my/ as (\S+);"), case)
    _disconnected_by_simulation(page, address, demo.word(r"#(\d+) disconnected"))
    _report_in_the_second_tab(page, address)
    page.context.clear_cookies()
    _sign_in(page, address, "bob", demo.word(r"bob\s+password (\S+)"))
    _appeal_on_the_desk(page, address, demo.word(r"#(\d+) has an appeal"), demo.word(r"#(\d+) had one that succeeded"))
    _erase(page, address)
    assert demo.stop() == 0
    assert wait_until(lambda: not demo.left(), 60), "nothing is left running"
    assert not list(demo.place.glob("tipstaff-demo-*")), "nothing is left on the disk"


def _sign_in(page, address: str, name: str, password: str) -> None:
    page.goto(f"{address}/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")


def _notice_in_the_outbox(page, address: str, case: str) -> str:
    """The letters of the case lie in the local outbox, delivered there and nowhere else; the first has the customer's link."""
    page.goto(f"{address}/outbox/?q=%23{case}")
    expect(page.locator("main")).to_contain_text("nothing leaves this machine")
    rows = page.locator("tr[data-row]")
    expect(rows.last).to_contain_text("sent")
    rows.last.get_by_role("link").first.click()
    expect(page.get_by_role("status").first).to_contain_text("nobody outside got it")
    expect(page.locator("table.rows")).to_contain_text("kept in the local outbox on this machine; nothing was sent")
    found = re.search(r"http://\S+/c/\S+", page.locator("pre.raw").inner_text())
    assert found, "the letter can be read, with its link"
    return found[0]


def _as_the_customer(page, link: str, case: str) -> None:
    """Carol in a second tab, by the link of her letter: what she is told, and her answer."""
    tab = page.context.new_page()
    tab.goto(link)
    expect(tab.locator("main")).to_contain_text(f"#{case}")
    said = tab.inner_text("body")
    assert "203.0.113.7" in said and "watch" not in said and "Same kit as last month" not in said, "no note of the desk"
    tab.locator("#acknowledge").click()
    expect(tab.get_by_role("status")).to_be_visible()
    tab.close()
    page.goto(f"{link.partition('/c/')[0]}/cases/{case}/")
    expect(page.locator("main")).to_contain_text("Acknowledged")


def _carol_signs_in(page, address: str, email: str, case: str) -> None:
    """Her account: the link to sign in lands in the outbox, and opens her cases and nobody else's."""
    tab = page.context.browser.new_context(locale="en").new_page()
    tab.goto(f"{address}/my/sign-in/")
    tab.get_by_role("textbox").first.fill(email)
    tab.locator("main button").last.click()
    letters = page.locator("tr[data-row]").filter(has_text=email).filter(has_text="portal")

    def arrived() -> bool:
        page.goto(f"{address}/outbox/?state=sent")
        return letters.count() > 0

    assert wait_until(arrived, 60), page.inner_text("main")
    letters.first.get_by_role("link").first.click()
    page.wait_for_url("**/outbox/*/")
    found = re.search(r"http://\S+/my/sign-in/\S+", page.locator("pre.raw").inner_text())
    assert found
    tab.goto(found[0])
    tab.locator("main button").last.click()
    tab.wait_for_url("**/my/")
    expect(tab.locator("main")).to_contain_text(f"#{case}")
    tab.context.close()


def _disconnected_by_simulation(page, address: str, case: str) -> None:
    page.goto(f"{address}/cases/{case}/")
    expect(page.locator("main")).to_contain_text("Disconnected")
    page.goto(f"{address}/enforcement/")
    row = page.locator("tr").filter(has=page.locator(f'a[href="/cases/{case}/"]'))
    row.first.locator('a[href^="/enforcement/"]').first.click()
    page.wait_for_url("**/enforcement/*/")
    expect(page.locator("main")).to_contain_text("simulation, nothing was done")


def _appeal_on_the_desk(page, address: str, case: str, earlier: str) -> None:
    """Bob had no part in what is appealed against: he decides. An earlier appeal succeeded."""
    page.goto(f"{address}/cases/{earlier}/")
    expect(page.locator("main")).to_contain_text("overturned")
    page.goto(f"{address}/cases/{case}/")
    form = page.locator('form[action$="/do/appeal/"]')
    page.locator("details", has=form).locator("summary").first.click()
    form.locator('[name="decision"]').select_option("upheld")
    form.locator('[name="reason"]').fill("The account was open for a week before.")
    form.locator("button").last.click()
    expect(page.locator("main")).to_contain_text("the decision stands")


def _erase(page, address: str) -> None:
    """One click, with the simulated orders and their record of entries."""
    page.goto(f"{address}/sample/")
    page.locator("main form button").click()
    expect(page.locator("body")).to_contain_text("Erased:")


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
