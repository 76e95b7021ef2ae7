"""The whole life of a case in browsers, with real mail, a real router and a real gateway; each story under both policies.

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
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.correspondence.mailhost import Mailhost, Running
from tests.enforcement.servers import need
from tests.enforcement.test_nftables import GARDEN, WORLD, Net
from tests.project.conftest import open_place  # noqa: F401 - a fixture
from tests.project.instances import ROOT, Instance
from tests.stories.furnishing import CUSTOMERS, INTAKE, MAY, PASSWORD, WILL, mailbox
from tests.stories.machines import customers_machines
from tipstaff.kernel.clock import now
from tipstaff.project.bench import routing
from tipstaff.project.bench.routing import RoutingBed
from tipstaff.project.connections import APP
from tipstaff.project.postgres import Cluster
from tipstaff.project.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PATIENCE = 90  # seconds for what takes one or two; a busy machine is slow
#: Who lives through which story under which policy.
PHISHED, ATTACKED = {WILL: "carol", MAY: "mona"}, {WILL: "nils", MAY: "erik"}
ADDRESS = {name: address for name, (_, _, address) in CUSTOMERS.items()}
both = pytest.mark.parametrize("pack", (WILL, MAY))
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
    site: Path  # what the customers' web servers serve, a directory for each
    browser: Browser
    staff: dict[str, "Person"] = field(default_factory=dict)

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

        found: list[str] = []

        def came() -> bool:
            found[:] = self.letters(customer, *words)
            return bool(found)

        assert wait_until(came, PATIENCE), [mail.parsed["Subject"] for mail in self.post.taken]
        return found[-1]

    def letters(self, customer: str, *words: str) -> list[str]:
        """The texts of what the mail server has for the customer so far and that says all this."""
        mine = [mail.parsed for mail in list(self.post.taken) if mailbox(customer) in mail.rcpt_to]
        texts = [f"{mail['Subject']}\n{mail.get_body(('plain',)).get_content()}" for mail in mine]  # type: ignore[union-attr]
        return [text for text in texts if all(word.lower() in text.lower() for word in words)]

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
        """Somebody of the staff, who signs in once for all stories."""
        if name in self.staff:
            return self.staff[name]
        page = self.browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{self.address}/login/")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{self.address}/")
        self.staff[name] = Person(page, self.address)
        return self.staff[name]

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
        for field in form.locator('[name^="fact_"], [name^="point_"]').all():  # what the policy asks for before the decision
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(index=1)
            else:
                field.fill("As the report and the page show it.")
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


@pytest.fixture(scope="module")
def world(open_place: Path, chromium: Browser) -> Iterator[World]:  # noqa: F811
    need("nft", "ip", *routing.PROGRAMS)
    site = open_place / "site"
    sites = {ADDRESS[customer]: site / customer for customer in PHISHED.values()}
    for directory in sites.values():
        (directory / "login").mkdir(parents=True)
        (directory / "login" / "index.html").write_text("<form>Your bank's password, please</form>")
    post = Mailhost()
    with ExitStack() as stack:
        smarthost = stack.enter_context(Running(post))
        net = stack.enter_context(customers_machines(ADDRESS.values(), sites))
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


@both
def test_from_the_report_to_the_restored_service(world: World, pack: str) -> None:
    """Report in → notice → the customer acknowledges → silence → disconnection → contact → retest → restored."""
    who, ip = PHISHED[pack], ADDRESS[PHISHED[pack]]
    assert world.sees(ip) == (True, True)
    world.report("Phishing page on your network", f"the page http://{ip}/login/ steals passwords of our bank's customers.\n"
                 f"It answered from {ip} at {now():%Y-%m-%d %H:%M:%S} UTC. Please take this phishing page down.")  # fmt: skip
    case, alice, bob = world.case(who), world.at_the_desk("alice"), world.at_the_desk("bob")
    alice.step(case, "classify", category="phishing")
    expect(alice.page.locator("main")).to_contain_text("Ticketed")

    portal = world.in_the_portal(world.link(who, f"#{case}-", "phishing"))
    portal.get_by_role("button", name="Acknowledge").click()
    expect(portal.get_by_role("status")).to_contain_text("not an admission")
    alice.waits_for(case, "Acknowledged")

    world.hours_pass(case, 30)  # and nothing more is heard
    asked = "SELECT requested_by FROM cases_approval WHERE case_id = %s"
    if pack == WILL:  # the provider will disconnect: the clock itself warns, and asks a person to agree
        alice.waits_for(case, "Disconnection pending")
        world.letter(who, "final warning")
        assert world.ask(asked, case) == [("system:clock",)]
    else:  # the provider may: nothing comes of silence by itself
        alice.waits_for(case, "the policy leaves the next step to a person")
        assert world.ask(asked, case) == [] and world.letters(who, "final warning") == []
        assert "Disconnection pending" not in alice.open(case).inner_text("body")
    for kind in ("block", "walled_garden"):
        reason = "The page still collects passwords, and nobody mends it."
        alice.step(case, "do/restrict", kind=kind, scope="machine", target=ip, reason=reason)
        bob.step(case, "do/approve", title=f"Approve {kind} of {ip}", typed=ip)
    alice.waits_for(case, "Disconnection pending")
    world.letter(who, "final warning")  # under either policy before anything is cut
    assert world.routes() == [] and world.sees(ip) == (True, True), "nothing is done while the final warning runs"

    world.hours_pass(case, 30)
    alice.waits_for(case, "Disconnected")
    assert wait_until(lambda: f"{ip}/32" in world.routes(), PATIENCE), world.routes()
    assert wait_until(lambda: world.sees(ip) == (False, False), PATIENCE), "packets are blocked at the gateway"
    world.letter(who, "reasons for our decision")

    (world.site / who / "login" / "index.html").unlink()
    (world.site / who / "login").rmdir()
    portal = world.in_the_portal(world.link(who, "reasons for our decision"))
    portal.get_by_role("link", name="It is fixed").click()
    portal.get_by_role("textbox").first.fill("The page is gone, and the account that put it there is closed.")
    portal.locator("button.go").click()
    expect(portal.get_by_role("status")).to_be_visible()
    alice.waits_for(case, "gone: the server answers 404")
    alice.step(case, "do/restore", reason="The retest finds the page gone.")
    assert wait_until(lambda: world.routes() == [] and world.sees(ip) == (True, True), PATIENCE), world.routes()
    alice.waits_for(case, "Reconnected")
    world.letter(who, "restored: ")


@both
def test_from_the_report_to_the_appeal_that_succeeds(world: World, pack: str) -> None:
    """Report in → blocked, as each policy allows → appeal → overturned by somebody else → lifted, and the minutes are credited."""
    who, ip = ATTACKED[pack], ADDRESS[ATTACKED[pack]]
    world.report("Attack from your network", f"the machine {ip} tries passwords at our SSH server, many thousand times today:\n"
                 f"{now():%Y-%m-%dT%H:%M:%SZ} gate sshd[811]: Failed password for root from {ip} port 40100 ssh2")  # fmt: skip
    case, bob, bea = world.case(who), world.at_the_desk("bob"), world.at_the_desk("bea")
    bob.step(case, "classify", category="intrusion")
    world.letter(who, f"#{case}-")
    told = blocked_at_once(world, bob, case, who) if pack == MAY else blocked_by_the_ladder(world, bob, case, who)
    assert wait_until(lambda: f"{ip}/32" in world.routes(), PATIENCE), world.routes()
    standing = "upheld" if pack == MAY else "counted"  # only the one policy excludes the minutes of a breach
    assert wait_until(lambda: [row["standing"] for row in interrupted(bob, case)] == [standing], PATIENCE), interrupted(bob, case)
    assert pack == WILL or interrupted(bob, case)[0]["creditable_seconds"] == "0"

    portal = world.in_the_portal(world.link(who, told))
    portal.get_by_role("link", name="Appeal").first.click()
    portal.get_by_role("textbox").first.fill("The log shows our own test host, with your permit. Please look again.")
    portal.locator("button.go").click()
    expect(portal.get_by_role("status")).to_be_visible()
    page = bob.waits_for(case, "no part in the decision")
    assert page.locator('form[action$="/do/appeal/"]').count() == 0, "Bob blocked it: he does not decide"
    bea.step(case, "do/appeal", decision="overturned", reason="The permit covers it.")
    assert wait_until(lambda: world.routes() == [], PATIENCE), world.routes()
    world.letter(who, "your appeal", "is decided", "your appeal succeeds")

    def credited() -> list[dict[str, str]]:
        first, last = now() - timedelta(days=2), now() + timedelta(days=2)
        said = tipstaff(world.instance, "enforce", "sla", "--since", f"{first:%Y-%m-%d}", "--until", f"{last:%Y-%m-%d}")
        rows = [row for row in csv.DictReader(io.StringIO(said)) if row["case"] == str(case) and row["standing"] == "overturned"]
        return [row for row in rows if row["creditable_seconds"] == row["seconds"] != "0" and row["excluded_seconds"] == "0"]

    assert wait_until(lambda: bool(credited()), PATIENCE), "the export gives the minutes back"


def blocked_at_once(world: World, bob: Person, case: int, who: str) -> str:
    """A lead may, in any category. Words of the letter that tells the customer."""
    bob.step(
        case, "do/emergency", kind="block", scope="machine", target=ADDRESS[who], reason="It goes on at this moment.", hours="4"
    )
    return "blocked at once"


def blocked_by_the_ladder(world: World, bob: Person, case: int, who: str) -> str:
    """The policy lists the category for no immediate action: the customer's time runs out, then the final warning's."""
    page = bob.open(case)
    expect(page.locator(f'form[action="/cases/{case}/classify/"]').first).to_be_attached()
    expect(page.locator('form[action$="/do/emergency/"]')).to_have_count(0)
    world.hours_pass(case, 30)
    bob.waits_for(case, "Disconnection pending")
    bob.step(case, "do/approve", title=f"Approve block of {ADDRESS[who]}", typed=ADDRESS[who])
    assert world.routes() == [], "nothing is done while the final warning runs"
    world.hours_pass(case, 30)
    bob.waits_for(case, "Disconnected")
    return "reasons for our decision"


def interrupted(bob: Person, case: int) -> list[dict[str, str]]:
    """The case's lines of the export for agreements on availability, as the desk hands it out."""
    taken = bob.page.request.get(f"{bob.address}/enforcement/interruptions.csv")
    assert taken.ok, taken.text()
    return [row for row in csv.DictReader(io.StringIO(taken.text())) if row["case"] == str(case)]


def tipstaff(instance: Instance, *words: str) -> str:
    command = [sys.executable, "-m", "tipstaff.project.cli", "--state", str(instance.state), *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout
