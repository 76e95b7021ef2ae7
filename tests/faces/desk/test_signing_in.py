"""Signing in over the web: both steps, grace, throttling, sessions, single sign-on; what is and is not recorded."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from tests.accounts.provider import CLIENT, SECRET, IdentityProvider
from tests.faces.desk import factory
from tipstaff.accounts import second_factor, totp
from tipstaff.accounts.models import StaffMember, StaffSession
from tipstaff.audit.models import Entry
from tipstaff.kernel import clock
from tipstaff.kernel.clock import now as clock_now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people(db, now) -> None:
    factory.staff(now)


def person(name: str) -> StaffMember:
    return StaffMember.objects.get(username=name)


def signs_in(client: Client, name: str = "alice", password: str = factory.PASSWORD, **more):
    return client.post("/login/", {"username": name, "password": password} | more)


def with_codes(name: str, now) -> tuple[bytes, list[str]]:
    staff = person(name)
    secret = second_factor.begin(staff=staff, now=now)
    return secret, second_factor.confirm(staff=staff, code=totp.code_of(secret, totp.step_at(now)), now=now)


def recorded(action: str) -> list[Entry]:
    return list(Entry.objects.filter(action=action).order_by("pk"))


class TestTwoSteps:
    def test_with_a_second_factor_the_password_alone_opens_nothing(self, client, now) -> None:
        with_codes("alice", now - timedelta(minutes=5))
        answer = signs_in(client, next="/intake/")
        assert answer["Location"] == "/login/second/"
        assert client.get("/queue/").status_code == 302 and not recorded("login")
        assert client.get("/me/security/")["Location"].startswith("/login/")

    def test_then_the_code_opens_the_wanted_page_once(self, client, now) -> None:
        secret, _ = with_codes("alice", now - timedelta(minutes=5))
        code = totp.code_of(secret, totp.step_at(clock_now()))
        signs_in(client, next="/intake/")
        before = client.session.session_key
        assert client.post("/login/second/", {"code": code})["Location"] == "/intake/"
        assert client.session.session_key != before
        assert client.get("/queue/").status_code == 200
        assert recorded("login")[0].detail == {"method": "password and code"}
        other = Client()
        signs_in(other)
        assert other.post("/login/second/", {"code": code}).status_code == 401  # seen over a shoulder, and used already

    def test_a_recovery_code_opens_too_and_says_so_on_the_record(self, client, now) -> None:
        _, codes = with_codes("alice", now)
        signs_in(client)
        assert client.post("/login/second/", {"code": codes[0]}).status_code == 302
        assert [entry.actor for entry in recorded("second_factor.recovery_used")] == ["alice"]
        assert recorded("login")[0].detail == {"method": "password and recovery code"}

    def test_without_the_first_step_there_is_no_second(self, client, now) -> None:
        with_codes("alice", now)
        assert client.get("/login/second/")["Location"] == "/login/"
        assert client.post("/login/second/", {"code": "123456"})["Location"] == "/login/"

    def test_the_second_step_must_follow_soon_and_ends_with_a_new_password(self, client, now) -> None:
        secret, _ = with_codes("alice", now)
        signs_in(client)
        with clock.frozen(clock_now() + timedelta(minutes=11)):
            assert client.get("/login/second/")["Location"] == "/login/"
        signs_in(client)
        staff = person("alice")
        staff.set_password("another good password")
        staff.save()
        code = totp.code_of(secret, totp.step_at(clock_now() + timedelta(seconds=30)))
        assert client.post("/login/second/", {"code": code})["Location"] == "/login/"

    def test_guessing_codes_is_slowed(self, client, now) -> None:
        secret, _ = with_codes("alice", now - timedelta(minutes=5))
        signs_in(client)
        for number in range(5):
            assert client.post("/login/second/", {"code": f"00000{number}"}).status_code == 401
        code = totp.code_of(secret, totp.step_at(clock_now()))
        assert client.post("/login/second/", {"code": code}).status_code == 429

    @pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_no_foreign_page_opens_after_it(self, client, now, wanted) -> None:
        _, codes = with_codes("alice", now)
        signs_in(client, next=wanted)
        assert client.post("/login/second/", {"code": codes[0]})["Location"] == "/"

    @pytest.mark.parametrize(
        "wanted", ["1", "None", "<script>", "desk", "٣", "//evil.example", "https://evil.example/", "/\\evil.example"]
    )
    def test_whoever_is_in_already_goes_to_a_page_of_ours_whatever_the_link_says(self, client, now, wanted) -> None:
        signs_in(client)
        assert client.get("/login/", {"next": wanted})["Location"] == "/"
        assert client.get("/login/", {"next": "/queue/?due=past"})["Location"] == "/queue/?due=past"


class TestThrottling:
    def test_a_device_that_was_here_before_is_not_locked_out_by_strangers(self) -> None:
        alice, mallory = Client(REMOTE_ADDR="192.0.2.7"), Client(REMOTE_ADDR="192.0.2.7")
        assert signs_in(alice).status_code == 302
        alice.post("/logout/")
        for _ in range(6):
            answer = signs_in(mallory, password="wrong")
        assert answer.status_code == 429 and "Too many tries" in answer.content.decode()
        assert signs_in(mallory).status_code == 429
        assert signs_in(alice).status_code == 302

    def test_a_forged_or_anothers_device_counts_as_none(self, settings) -> None:
        alice, bob = Client(), Client()
        signs_in(bob, "bob")
        alice.cookies[settings.DEVICE_COOKIE_NAME] = bob.cookies[settings.DEVICE_COOKIE_NAME].value
        for _ in range(5):
            signs_in(alice, password="wrong")
        assert signs_in(alice).status_code == 429
        alice.cookies[settings.DEVICE_COOKIE_NAME] = "forged:1:x"
        assert signs_in(alice).status_code == 429

    def test_an_unknown_name_is_answered_as_a_wrong_password(self, client) -> None:
        first, second = signs_in(client, password="wrong"), signs_in(client, "nobody", "wrong")
        assert (first.status_code, second.status_code) == (401, 401)
        said = re.compile(r'role="alert">.*?</div>', re.DOTALL)
        assert said.findall(first.content.decode()) == said.findall(second.content.decode())

    def test_what_is_recorded_of_failures_names_nobody(self, client) -> None:
        signs_in(client, "rita@reports.example.org", "hunter2 hunter2")
        (entry,) = recorded("login.failed")
        text = f"{entry.actor} {entry.subject} {entry.reason} {entry.detail}"
        assert entry.actor == "visitor" and "rita" not in text and "hunter2" not in text and "127.0.0.1" not in text

    def test_hostile_names_are_only_wrong(self, client) -> None:
        for name in ("\x00", "a" * 100_000, "'; DROP TABLE", "ü" * 500, ""):
            assert signs_in(client, name, "x\x00y").status_code in {401, 429}


def test_no_secret_is_ever_logged(client, now, caplog, capfd) -> None:
    caplog.set_level("DEBUG")
    secret, codes = with_codes("alice", now - timedelta(minutes=5))
    code = totp.code_of(secret, totp.step_at(clock_now()))
    signs_in(client, password="a wrong password")
    signs_in(client)
    client.post("/login/second/", {"code": "000000"})
    client.post("/login/second/", {"code": code})
    client.post("/me/security/recovery/")
    said = caplog.text + "".join(capfd.readouterr()) + str(list(Entry.objects.values()))
    for hidden in (
        factory.PASSWORD,
        "a wrong password",
        code,
        secret.hex(),
        totp.as_text(secret),
        client.session.session_key,
        *codes,
    ):
        assert hidden not in said


class TestThePolicy:
    def test_within_the_grace_it_reminds_and_after_it_nothing_else_opens(self, client, settings, now) -> None:
        settings.SECOND_FACTOR_GRACE_DAYS = 14
        signs_in(client)
        assert "Set up a second factor" in client.get("/queue/").content.decode()
        client.post("/logout/")
        with clock.frozen(clock_now() + timedelta(days=15)) as later:
            assert signs_in(client)["Location"] == "/me/security/"
            for path in ("/queue/", "/", "/me/", "/customers/"):
                assert client.get(path)["Location"] == "/me/security/"
            assert "Set up a second factor to go on" in client.get("/me/security/").content.decode()
            client.post("/me/security/begin/")
            secret = second_factor.pending_secret(person("alice"))
            answer = client.post("/me/security/confirm/", {"code": totp.code_of(secret, totp.step_at(later))})
            assert "Your recovery codes" in answer.content.decode() and answer["Cache-Control"] == "no-store"
            assert client.get("/queue/").status_code == 200

    def test_only_the_roles_of_the_policy(self, client, settings) -> None:
        settings.SECOND_FACTOR_ROLES, settings.SECOND_FACTOR_GRACE_DAYS = ("lead",), 0
        assert signs_in(client)["Location"] == "/"
        assert signs_in(Client(), "bob")["Location"] == "/me/security/"


class TestSessions:
    def test_signing_in_makes_a_new_key_and_out_is_on_the_record(self, client) -> None:
        client.get("/login/")
        session = client.session
        session["mark"] = 1
        session.save()
        fixed = session.session_key
        signs_in(client)
        assert client.session.session_key != fixed
        assert StaffSession.objects.get().key == client.session.session_key
        client.post("/logout/")
        assert not StaffSession.objects.exists()
        assert [(entry.actor, entry.detail) for entry in recorded("logout")] == [("alice", {"why": "signed out"})]

    def test_an_idle_session_ends_and_a_used_one_lives_until_its_age(self, client, settings) -> None:
        start = clock_now()
        with clock.frozen(start):
            signs_in(client)
        for minutes in (100, 200, 300):
            with clock.frozen(start + timedelta(minutes=minutes)):
                assert client.get("/queue/").status_code == 200
        with clock.frozen(start + timedelta(minutes=421)):
            assert client.get("/queue/").status_code == 302
        assert recorded("logout")[0].detail == {"why": "idle"}
        with clock.frozen(start):
            signs_in(client)
        for minutes in range(100, 720, 100):
            with clock.frozen(start + timedelta(minutes=minutes)):
                assert client.get("/queue/").status_code == 200
        with clock.frozen(start + timedelta(hours=12)):
            assert client.get("/queue/").status_code == 302
        assert recorded("logout")[1].detail == {"why": "too old"}

    def test_one_sees_and_ends_ones_own_sessions_only(self) -> None:
        here, there, bob = Client(), Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/140.0"), Client()
        signs_in(here), signs_in(there), signs_in(bob, "bob")
        text = here.get("/me/security/").content.decode()
        assert "Firefox on Linux" in text and "this one" in text and text.count('name="session"') == 1
        others = StaffSession.objects.get(staff__username="bob")
        here.post("/me/security/end/", {"session": others.pk})
        assert bob.get("/queue/").status_code == 200
        theirs = StaffSession.objects.filter(staff__username="alice").exclude(key=here.session.session_key).get()
        here.post("/me/security/end/", {"session": theirs.pk})
        assert there.get("/queue/").status_code == 302 and here.get("/queue/").status_code == 200
        assert len(recorded("session.end")) == 1

    def test_a_new_password_ends_all_other_sessions(self) -> None:
        here, there = Client(), Client()
        signs_in(here), signs_in(there)
        wrong = here.post("/me/security/password/", {"old": "x", "new": "another good password", "again": "another good password"})
        assert wrong.status_code == 422 and there.get("/queue/").status_code == 200
        weak = here.post("/me/security/password/", {"old": factory.PASSWORD, "new": "short", "again": "short"})
        assert weak.status_code == 422
        given = {"old": factory.PASSWORD, "new": "another good password", "again": "another good password"}
        assert here.post("/me/security/password/", given).status_code == 302
        assert here.get("/queue/").status_code == 200 and there.get("/queue/").status_code == 302
        assert StaffSession.objects.get().key == here.session.session_key
        assert signs_in(Client(), password="another good password").status_code == 302

    def test_a_session_left_open_may_not_change_who_can_sign_in(self, client, now) -> None:
        start = clock_now()
        with clock.frozen(start):
            signs_in(client)
        with clock.frozen(start + timedelta(minutes=61)):
            for path in ("begin/", "recovery/", "remove-app/", "remove-passkey/", "passkeys/options/", "passkeys/"):
                assert client.post(f"/me/security/{path}").status_code == 409, path
            assert "sign out and in again" in client.get("/me/security/").content.decode()

    def test_removing_an_app_is_asked_of_nobody_else(self, client, now) -> None:
        with_codes("bob", now)
        signs_in(client)
        client.post("/me/security/remove-app/")
        assert second_factor.has_one(person("bob"))
        assert client.get("/me/security/begin/").status_code == 405
        assert client.post("/me/security/nonsense/").status_code == 404


class TestFirstPage:
    @pytest.mark.parametrize(("roles", "place"), [(["analyst"], "/"), (["liaison"], "/sealed/"), (["network"], "/")])
    def test_it_is_one_that_the_roles_open(self, client, roles, place) -> None:
        staff = person("alice")
        staff.roles = roles
        staff.save()
        assert signs_in(client)["Location"] == place
        assert client.get(place).status_code == 200


class TestSingleSignOn:
    @pytest.fixture
    def provider(self, settings) -> Iterator[IdentityProvider]:
        made = IdentityProvider().start()
        settings.SINGLE_SIGN_ON = {
            "issuer": made.issuer, "client_id": CLIENT, "client_secret": SECRET, "roles": "abuse=analyst,leads=lead",
            "claim": "groups", "second_factor": "provider",
        }  # fmt: skip
        yield made
        made.stop()

    def goes(self, client: Client, wanted: str = ""):
        there = client.get("/login/sso/", {"next": wanted} if wanted else {})["Location"]
        back = urlsplit(httpx.get(there).headers["Location"])
        return client.get(f"{back.path}?{back.query}")

    def test_a_newcomer_gets_an_account_with_the_roles_and_no_password(self, client, provider) -> None:
        assert "Single sign-on" in client.get("/login/").content.decode()
        assert self.goes(client, "/intake/")["Location"] == "/intake/"
        erin = person("erin")
        assert (erin.roles, erin.has_usable_password()) == (["analyst"], False)
        assert client.get("/queue/").status_code == 200
        assert recorded("login")[0].detail == {"method": "single sign-on"}
        assert "there is no password here" in client.get("/me/security/").content.decode()

    def test_roles_follow_the_provider_each_time(self, provider) -> None:
        self.goes(Client())
        provider.claims["groups"] = ["leads"]
        self.goes(Client())
        assert person("erin").roles == ["lead"]
        assert recorded("staff.change")[-1].detail["after"] == {"roles": ["lead"], "active": True}
        provider.claims["groups"] = []
        assert self.goes(Client()).status_code == 401

    def test_a_name_that_is_taken_is_not_taken_over(self, client, provider) -> None:
        provider.claims["preferred_username"] = "alice"
        answer = self.goes(client)
        assert answer.status_code == 401 and "is not linked" in answer.content.decode()
        staff = person("alice")
        staff.single_sign_on = f"{provider.issuer}|u-1"
        staff.save()
        assert self.goes(client).status_code == 302

    def test_who_is_switched_off_here_stays_out(self, client, provider) -> None:
        self.goes(Client())
        StaffMember.objects.filter(username="erin").update(is_active=False)
        assert self.goes(client).status_code == 401
        assert len(recorded("login.failed")) == 1

    def test_an_answer_counts_once_and_in_its_browser_only(self, client, provider) -> None:
        there = client.get("/login/sso/")["Location"]
        back = urlsplit(httpx.get(there).headers["Location"])
        path = f"{back.path}?{back.query}"
        assert Client().get(path).status_code == 401
        assert client.get(path).status_code == 302
        assert client.get(path).status_code == 401

    def test_our_own_second_factor_may_be_asked_for_too(self, client, provider, settings, now) -> None:
        self.goes(Client())
        settings.SINGLE_SIGN_ON = settings.SINGLE_SIGN_ON | {"second_factor": "own"}
        with_codes("erin", now)
        assert self.goes(client)["Location"] == "/login/second/"

    def test_where_passwords_are_off_none_is_taken(self, client, provider, settings) -> None:
        settings.PASSWORD_SIGN_IN = False
        assert 'name="password"' not in client.get("/login/").content.decode()
        assert signs_in(client).status_code == 200 and not recorded("login")
        assert client.post("/login/passkey/options/").status_code == 403

    def test_without_a_provider_there_is_no_way(self, client, settings) -> None:
        settings.SINGLE_SIGN_ON = {}
        assert client.get("/login/sso/")["Location"] == "/login/"
        assert client.get("/login/sso/back/?code=x&state=y").status_code == 401
        assert "/login/sso/" not in client.get("/login/").content.decode()
