"""Passkeys and codes in a real browser, with Chromium's own virtual authenticator."""

import re

import pytest
from playwright.sync_api import expect

from tests.faces.desk import factory
from tests.faces.desk.test_browser import RULES
from tipstaff.accounts import passkeys, second_factor, totp
from tipstaff.accounts.models import Passkey, StaffMember
from tipstaff.accounts.passkeys import Site
from tipstaff.audit.models import Entry
from tipstaff.kernel.clock import now as clock_now

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def people(transactional_db) -> None:
    factory.staff(clock_now())


def authenticator(page, **more):
    """Chromium's virtual authenticator: a device with a finger that is always right, unless said otherwise."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    given = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
        "isUserVerified": True, "automaticPresenceSimulation": True,
    } | more  # fmt: skip
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": given})
    return session, made["authenticatorId"]


def clean(page) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=RULES).response["violations"]
    assert not found, [(one["id"], one["nodes"][0]["html"][:200]) for one in found]
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def signs_in(page, name: str = "alice") -> None:
    page.goto("/login/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(factory.PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def adds(page, name: str = "laptop") -> None:
    page.goto("/me/security/")
    page.get_by_label("Name of the new one").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("cell", name=name, exact=True)).to_be_visible()


def out(page) -> None:
    page.goto("/me/security/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_a_passkey_is_added_signs_in_alone_and_is_removed(opened) -> None:
    page = opened(None)
    authenticator(page)
    signs_in(page)
    adds(page)
    kept = Passkey.objects.get()
    assert (kept.staff.username, kept.name, kept.transports) == ("alice", "laptop", ["internal"])
    out(page)
    page.goto("/login/?next=/intake/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Intake")).to_be_visible()
    assert Entry.objects.filter(action="login").latest("pk").detail == {"method": "passkey"}
    page.goto("/me/security/")
    page.get_by_role("button", name="Remove laptop").click()
    expect(page.get_by_text("The passkey is removed.")).to_be_visible()
    assert not Passkey.objects.exists()
    out(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="not known here")).to_be_visible()
    assert not [text for text in page.problems if "401" not in text]


def test_after_the_password_a_plain_security_stick_is_the_second_step(opened) -> None:
    page = opened(None)
    authenticator(page, transport="usb", hasResidentKey=False, hasUserVerification=False, isUserVerified=False)
    signs_in(page)
    adds(page)
    out(page)
    signs_in(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    clean(page)
    page.goto("/queue/")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()  # the password alone opens nothing
    page.goto("/login/second/")
    page.get_by_role("button", name="Use your passkey").click()
    expect(page.get_by_role("link", name="Queue")).to_be_visible()
    assert Entry.objects.filter(action="login").latest("pk").detail == {"method": "password and passkey"}


def test_a_passkey_that_does_not_verify_its_holder_is_not_enough_alone(opened) -> None:
    page = opened(None)
    session, device = authenticator(page)
    signs_in(page)
    adds(page)
    out(page)
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("No passkey was used|not known"))).to_be_visible()
    page.goto("/queue/")
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def test_the_same_passkey_is_not_added_twice(opened) -> None:
    page = opened(None)
    authenticator(page)
    signs_in(page)
    adds(page)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_role("alert").filter(has_text=re.compile("passkey|registered|used", re.I))).to_be_visible()
    assert Passkey.objects.count() == 1


def test_an_answer_to_another_question_origin_or_count_is_refused(opened) -> None:
    """The real answer of a real authenticator, replayed, moved to another site, and from a copied device."""
    page = opened(None)
    authenticator(page)
    signs_in(page)
    adds(page)
    alice = StaffMember.objects.get(username="alice")
    site = Site("localhost", page.url.split("/me/")[0])
    _, challenge = passkeys.question(site=site)
    answer = page.evaluate(
        """async (challenge) => {
            const shown = await navigator.credentials.get({ publicKey: { challenge: Uint8Array.from(challenge), rpId: "localhost",
                userVerification: "required" } });
            const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\\+/g, "-").replace(/\\//g, "_")
                .replace(/=+$/, "");
            return { id: shown.id, rawId: text(shown.rawId), type: shown.type, clientExtensionResults: {}, response: {
                clientDataJSON: text(shown.response.clientDataJSON), authenticatorData: text(shown.response.authenticatorData),
                signature: text(shown.response.signature), userHandle: null } };
        }""",
        list(challenge),
    )
    now = clock_now()
    asked = {"answer": answer, "challenge": challenge, "site": site, "now": now}
    assert passkeys.show(**asked | {"challenge": b"another" * 8}) is None
    assert passkeys.show(**asked | {"site": Site("localhost", "https://localhost.evil.example")}) is None
    assert passkeys.show(**asked | {"site": Site("evil.example", site.origin)}) is None
    assert passkeys.show(**asked, staff=StaffMember.objects.get(username="bob")) is None
    assert passkeys.show(**asked | {"answer": answer | {"response": {}}}) is None
    assert passkeys.show(**asked | {"answer": {"id": 7}}) is None
    right = passkeys.show(**asked)
    assert right is not None and (right.staff, right.verified) == (alice, True)
    Passkey.objects.update(sign_count=10_000)  # the device's twin was here meanwhile
    assert passkeys.show(**asked) is None
    Passkey.objects.update(sign_count=0)
    StaffMember.objects.filter(pk=alice.pk).update(is_active=False)
    assert passkeys.show(**asked) is None


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_setting_up_an_app_from_beginning_to_end(opened, width: int, dark: bool) -> None:
    page = opened(None, width=width, dark=dark)
    signs_in(page)
    page.goto("/me/security/")
    page.get_by_role("button", name="Set up an app").click()
    expect(page.get_by_role("img", name="QR code for your authenticator app")).to_be_visible()
    clean(page)
    secret = second_factor.pending_secret(StaffMember.objects.get(username="alice"))
    assert totp.as_text(secret) == page.locator(".secret").inner_text()
    page.get_by_label("Code it shows now").fill("000000")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_text("is not the one your app shows now")).to_be_visible()
    page.goto("/me/security/")
    page.get_by_label("Code it shows now").fill(totp.code_of(secret, totp.step_at(clock_now()) - 1))
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    expect(page.locator(".codes li")).to_have_count(10)
    clean(page)
    page.goto("/me/security/")
    expect(page.locator(".codes li")).to_have_count(0)
    out(page)
    signs_in(page)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    clean(page)
    page.get_by_label("Code of your authenticator app").fill(totp.code_of(secret, totp.step_at(clock_now())))
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("link", name="Queue")).to_be_visible()
    assert not [text for text in page.problems if "Failed to load resource" not in text]


def test_without_script_passkeys_are_not_offered_and_the_rest_works(opened) -> None:
    page = opened(None, script=False)
    signs_in(page)
    page.goto("/me/security/")
    expect(page.get_by_text("This browser offers no passkeys")).to_be_visible()
    expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()
    page.get_by_role("button", name="Set up an app").click()
    expect(page.get_by_label("Code it shows now")).to_be_visible()
