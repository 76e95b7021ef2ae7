"""The whole life of a case in browsers, with real mail, a real router and a real gateway; once under each of two policies.

One running ``tipstaff up``: reports come in by SMTP, letters leave by SMTP to a server that keeps them, customers come by the link
in their letter. GoBGP and BIRD are speaker and router; a gateway with nftables stands between the customer's machine and the
world, each a network namespace; packets say what is blocked. Hours pass by moving what is due towards the present.
"""

import csv
import io
import json
import os
import re
import smtplib
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.correspondence.mailhost import Mailhost, Running
from tests.enforcement.servers import namespaces, need, run
from tests.enforcement.test_nftables import GARDEN, WORLD, Net
from tests.project.conftest import open_place  # noqa: F401 - a fixture
from tests.project.instances import ROOT, Instance
from tests.stories.furnishing import CUSTOMERS, INTAKE, PASSWORD, mailbox
from tipstaff.kernel.clock import now
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.connections import APP
from tipstaff.project.postgres import Cluster
from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 90  # seconds for what takes one or two; a busy machine is slow
CAROL, ERIK = CUSTOMERS["carol"][2], CUSTOMERS["erik"][2]
DESK = "192.0.2.201"  # from where the provider looks at machines on its own network
REPORT = """From: Rita Reporter <rita@reporter.example.org>
To: {to}
Subject: {subject}
Date: {date}
Message-ID: <{name}@reporter.example.org>
Content-Type: text/plain; charset=utf-8

Hello,

{text}

Rita Reporter
"""


@dataclass
class World:
    """Everything that runs, and what can be asked of it."""

    instance: Instance
    post: Mailhost
    net: Net
    bed: RoutingBed
    site: Path  # what the customer's web server serves
    browser: Browser

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.instance.port}"

    def report(self, subject: str, text: str) -> None:
        """Rita writes to the provider's abuse address."""
        told = {"to": INTAKE, "subject": subject, "name": uuid.uuid4().hex, "date": f"{now():%a, %d %b %Y %H:%M:%S} +0000"}
        with smtplib.SMTP("127.0.0.1", self.instance.smtp_port, local_hostname="reporter.example.org", timeout=60) as client:
            client.sendmail("rita@reporter.example.org", [INTAKE], REPORT.format(text=text, **told).replace("\n", "\r\n").encode())

    def case(self, customer: str) -> int:
        """The customer's case, once the worker has made it."""
        query = "SELECT c.id FROM cases_case c JOIN accounts_customer a ON a.id = c.customer_id WHERE a.external_id = %s"
        assert wait_until(lambda: bool(self.ask(query, customer)), PATIENCE), self.ask(
            "SELECT s.state, s.reason, e.ip, e.occurred_at, e.attribution, e.case_id FROM intake_submission s"
            " LEFT JOIN reports_report r ON r.submission_id = s.id LEFT JOIN reports_event e ON e.report_id = r.id"
        )
        return int(self.ask(query, customer)[0][0])

    def ask(self, query: str, *values: object) -> list[tuple]:
        with psycopg.connect(Cluster(self.instance.state).url(APP), connect_timeout=10) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def letter(self, customer: str, *words: str) -> str:
        """The text of the newest letter to the customer that says all this, once the mail server has it."""

        def found() -> list[str]:
            mine = [mail.parsed for mail in list(self.post.taken) if mailbox(customer) in mail.rcpt_to]
            texts = [f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}" for mail in mine]  # type: ignore[union-attr]
            return [text for text in texts if all(word.lower() in text.lower() for word in words)]

        assert wait_until(lambda: bool(found()), PATIENCE), [mail.parsed["Subject"] for mail in self.post.taken]
        return found()[-1]

    def link(self, customer: str, *words: str) -> str:
        found = re.search(rf"{self.address}/c/\S+", self.letter(customer, *words))
        assert found, "the letter carries the customer's link"
        return found[0]

    def hours_pass(self, case: int, hours: int) -> None:
        """What is due in so many hours is due now; the clocks of the product do the rest."""
        length = timedelta(hours=hours)
        with psycopg.connect(Cluster(self.instance.state).url(APP), connect_timeout=10) as connection:
            connection.execute(
                "UPDATE cases_case SET ack_due_at = ack_due_at - %(h)s, resolve_due_at = resolve_due_at - %(h)s,"
                " next_due_at = next_due_at - %(h)s WHERE id = %(case)s", {"h": length, "case": case},
            )  # fmt: skip
            connection.execute(
                "UPDATE cases_clock SET due_at = due_at - %(h)s, started_at = started_at - %(h)s"
                " WHERE case_id = %(case)s AND fired_at IS NULL AND cancelled_at IS NULL", {"h": length, "case": case},
            )  # fmt: skip

    def routes(self) -> list[str]:
        """What the router holds in its own table."""
        return [seen.net for seen in self.bed.bird().held()]

    def sees(self, address: str) -> tuple[bool, bool]:
        """Whether packets of the customer's machine reach the world, and packets of the world the machine."""
        out = self.net.ask(self.net.customer, WORLD, 25, address) == f"{WORLD} 25"
        return out, self.net.into(443, address)

    def at_the_desk(self, name: str) -> "Person":
        page = self.browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{self.address}/login/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.address}/")
        return Person(page, self.address)

    def in_the_portal(self, link: str) -> Page:
        page = self.browser.new_context(viewport={"width": 900, "height": 1000}, locale="en").new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(link)
        return page


@dataclass
class Person:
    """Somebody of the staff, at a case page."""

    page: Page
    address: str

    def open(self, case: int) -> Page:
        self.page.goto(f"{self.address}/cases/{case}/")
        return self.page

    def step(self, case: int, code: str, title: str = "", **filled: str) -> Page:
        """Open a step of the case page as it is offered (``title`` where there are several), fill it in, and send it."""
        page = self.open(case)
        fold = page.locator("details.drop", has=page.locator(f'form[action="/cases/{case}/{code}/"]')).filter(has_text=title).first
        fold.evaluate("one => { for (let next = one; next; next = next.parentElement.closest('details')) next.open = true }")
        form = fold.locator("form")
        for name, value in filled.items():
            field = form.locator(f'[name="{name}"]')
            field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)
        with page.expect_navigation() as sent:
            form.locator("button:not([type=button])").last.click()
        assert sent.value.ok, page.inner_text("main")
        return page

    def waits_for(self, case: int, words: str) -> Page:
        """The case page, once it says so."""

        def said() -> bool:
            return words in self.open(case).inner_text("body")

        assert wait_until(said, PATIENCE), self.page.inner_text("main")[:3000]
        return self.page


@contextmanager
def beside(net: Net, address: str) -> Iterator[None]:
    """A way from the provider's own network to the customer's machine that does not pass the gateway: what retests use."""
    name = f"ts{uuid.uuid4().hex[:6]}d"
    run("ip", "link", "add", name, "type", "veth", "peer", "name", "desk", "netns", net.customer)
    try:
        run("ip", "address", "add", f"{DESK}/32", "dev", name)
        run("ip", "link", "set", name, "up")
        run("ip", "-n", net.customer, "link", "set", "desk", "up")
        run("ip", "-n", net.customer, "route", "add", f"{DESK}/32", "dev", "desk")
        run("ip", "route", "add", f"{address}/32", "dev", name, "src", DESK)
        yield
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True, check=False)


@contextmanager
def customers_machines(site: Path) -> Iterator[Net]:
    """Customers' machines behind the gateway; Carol's serves a page at port 80, both answer at 443."""
    with namespaces("customer", "gateway", "world") as names:
        net = Net(names)
        server: subprocess.Popen[bytes] | None = None
        try:
            net.build()
            for address in (CAROL, ERIK):
                run("ip", "-n", net.customer, "address", "add", f"{address}/24", "dev", "ca")
                net.listen(net.customer, f"{address},443")
            words = [sys.executable, "-m", "http.server", "80", "--bind", CAROL, "--directory", str(site)]
            quiet = subprocess.DEVNULL
            server = subprocess.Popen(["ip", "netns", "exec", net.customer, *words], stdout=quiet, stderr=quiet)
            with beside(net, CAROL):
                yield net
        finally:
            if server is not None:
                server.kill()
                server.wait()
            net.close()


@pytest.fixture(scope="module")
def world(open_place: Path, chromium: Browser) -> Iterator[World]:  # noqa: F811
    need("nft", "ip", *routing.PROGRAMS)
    site = open_place / "site"
    (site / "login").mkdir(parents=True)
    (site / "login" / "index.html").write_text("<form>Your bank's password, please</form>")
    post = Mailhost()
    with ExitStack() as stack:
        smarthost = stack.enter_context(Running(post))
        net = stack.enter_context(customers_machines(site))
        bed = stack.enter_context(RoutingBed())
        environment = {
            "TIPSTAFF_SENDING": "on", "TIPSTAFF_SMARTHOST": f"127.0.0.1:{smarthost.port}", "TIPSTAFF_SMARTHOST_TLS": "off",
            "TIPSTAFF_SECOND_FACTOR_ROLES": "", "TIPSTAFF_OPERATOR_NAME": "Northgate Networks",
        }  # fmt: skip
        instance = Instance(open_place / "browser-story", environment=environment).start()
        stack.callback(instance.kill_everything)
        instance.ready(PATIENCE * 2)
        stack.callback(instance.stop)
        furnish(instance, {"routers": bed.settings, "gateway": {"command": f"ip netns exec {net.gateway} nft", "garden4": GARDEN}})
        made = World(instance, post, net, bed, site, chromium)
        furnished = now()
        looked = "SELECT count(*) FROM kernel_heartbeat WHERE name = 'worker' AND at > %s"
        assert wait_until(lambda: made.ask(looked, furnished) > [(0,)], PATIENCE), "the worker looks at the new inventory"
        yield made


def furnish(instance: Instance, given: dict[str, dict[str, str]]) -> None:
    environment = os.environ | {"TIPSTAFF_STATE": str(instance.state), "DJANGO_ALLOW_ASYNC_UNSAFE": ""}
    done = subprocess.run(
        [sys.executable, "-m", "tests.stories.furnishing"], input=json.dumps(given), text=True, capture_output=True, cwd=ROOT,
        env=environment, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_from_the_report_to_the_restored_service(world: World) -> None:
    """Report in → notice → the customer acknowledges → silence → disconnection → contact → retest → restored."""
    assert world.sees(CAROL) == (True, True)
    world.report("Phishing page on your network", f"the page http://{CAROL}/login/ steals passwords of our bank's customers.\n"
                 f"It answered from {CAROL} at {now():%Y-%m-%d %H:%M:%S} UTC. Please take this phishing page down.")  # fmt: skip
    case, alice, bob = world.case("carol"), world.at_the_desk("alice"), world.at_the_desk("bob")
    alice.step(case, "classify", category="phishing")
    expect(alice.page.locator("main")).to_contain_text("Ticketed")

    carol = world.in_the_portal(world.link("carol", f"#{case}-", "phishing"))
    carol.get_by_role("button", name="Acknowledge").click()
    expect(carol.get_by_role("status")).to_contain_text("not an admission")
    alice.waits_for(case, "Acknowledged")

    world.hours_pass(case, 30)  # and nothing more is heard
    alice.waits_for(case, "Disconnection pending")
    world.letter("carol", "final warning")
    for kind in ("block", "walled_garden"):
        reason = "The page still collects passwords, and nobody mends it."
        alice.step(case, "do/restrict", kind=kind, scope="machine", target=CAROL, reason=reason)
        bob.step(case, "do/approve", title=f"Approve {kind} of {CAROL}", typed=CAROL)
    assert world.routes() == [] and world.sees(CAROL) == (True, True), "nothing is done while the final warning runs"

    world.hours_pass(case, 30)
    alice.waits_for(case, "Disconnected")
    assert wait_until(lambda: f"{CAROL}/32" in world.routes(), PATIENCE), world.routes()
    assert wait_until(lambda: world.sees(CAROL) == (False, False), PATIENCE), "packets are blocked at the gateway"
    world.letter("carol", "reasons for our decision")

    (world.site / "login" / "index.html").unlink()
    (world.site / "login").rmdir()
    carol = world.in_the_portal(world.link("carol", "reasons for our decision"))
    carol.get_by_role("link", name="It is fixed").click()
    carol.get_by_role("textbox").first.fill("The page is gone, and the account that put it there is closed.")
    carol.locator("button.go").click()
    expect(carol.get_by_role("status")).to_be_visible()
    alice.waits_for(case, "gone: the server answers 404")
    alice.step(case, "do/restore", reason="The retest finds the page gone.")
    assert wait_until(lambda: world.routes() == [] and world.sees(CAROL) == (True, True), PATIENCE), world.routes()
    alice.waits_for(case, "Reconnected")
    world.letter("carol", "restored: ")


def test_from_the_report_to_the_appeal_that_succeeds(world: World) -> None:
    """Report in → block at once → appeal → overturned by somebody else → lifted, and the minutes are credited."""
    world.report("Attack from your network", f"the machine {ERIK} tries passwords at our SSH server, many thousand times today:\n"
                 f"{now():%Y-%m-%dT%H:%M:%SZ} gate sshd[811]: Failed password for root from {ERIK} port 40100 ssh2")  # fmt: skip
    case, bob, bea = world.case("erik"), world.at_the_desk("bob"), world.at_the_desk("bea")
    bob.step(case, "classify", category="intrusion")
    world.letter("erik", f"#{case}-")
    bob.step(case, "do/emergency", kind="block", scope="machine", target=ERIK, reason="It goes on at this moment.", hours="4")
    assert wait_until(lambda: f"{ERIK}/32" in world.routes(), PATIENCE), world.routes()

    erik = world.in_the_portal(world.link("erik", "blocked at once"))
    erik.get_by_role("link", name="Appeal").first.click()
    erik.get_by_role("textbox").first.fill("The log shows our own test host, with your permit. Please look again.")
    erik.locator("button.go").click()
    expect(erik.get_by_role("status")).to_be_visible()
    page = bob.waits_for(case, "no part in the decision")
    assert page.locator('form[action$="/do/appeal/"]').count() == 0, "Bob blocked it: he does not decide"
    bea.step(case, "do/appeal", decision="overturned", reason="The permit covers it.")
    assert wait_until(lambda: world.routes() == [], PATIENCE), world.routes()
    world.letter("erik", "your appeal", "is decided", "your appeal succeeds")

    def credited() -> list[dict[str, str]]:
        first, last = now() - timedelta(days=2), now() + timedelta(days=2)
        said = tipstaff(world.instance, "enforce", "sla", "--since", f"{first:%Y-%m-%d}", "--until", f"{last:%Y-%m-%d}")
        rows = list(csv.DictReader(io.StringIO(said)))
        return [row for row in rows if row["case"] == str(case) and row["creditable_seconds"] not in {"", "0"}]

    assert wait_until(lambda: bool(credited()), PATIENCE), "the export gives the minutes back"


def tipstaff(instance: Instance, *words: str) -> str:
    command = [sys.executable, "-m", "tipstaff.project.cli", "--state", str(instance.state), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
