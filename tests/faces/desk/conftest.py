"""A desk with work on it, served on loopback, and a real browser."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.core.cache import cache
from django.test import Client

from tests.faces.desk import factory
from tipstaff.faces.desk import lifetimes
from tipstaff.kernel.clock import now as clock_now


@pytest.fixture(autouse=True)
def evidence(settings, tmp_path):
    """A store and a key of the test's own."""
    settings.STATE = tmp_path
    settings.EVIDENCE_STORE = ""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; nothing here tests hashing
    cache.clear()


@pytest.fixture
def now() -> datetime:
    """The present moment: live pages read the real clock."""
    return clock_now()


@pytest.fixture
def desk(db, now) -> factory.Sample:
    return factory.sample(now, filler=8)


@pytest.fixture
def signed_in(db) -> Callable[[str], Client]:
    """A client that is signed in under that name."""

    def client_for(name: str) -> Client:
        client = Client()
        client.force_login(factory.StaffMember.objects.get(username=name))
        session = client.session  # the sign-in page begins its lifetimes
        session[lifetimes.BEGAN] = session[lifetimes.SEEN] = int(clock_now().timestamp())
        session.save()
        return client

    return client_for


@pytest.fixture
def alice(desk, signed_in) -> Client:
    return signed_in("alice")


@pytest.fixture
def of_role(desk, signed_in) -> Callable[[str], Client]:
    """A client of somebody new with that role alone."""

    def client(role: str) -> Client:
        factory.StaffMember.objects.create(username=f"x-{role}", roles=[role])
        return signed_in(f"x-{role}")

    return client


@pytest.fixture
def opened(chromium, live_server) -> Iterator[Callable]:
    """Pages signed in as somebody: opened('alice', width=390, dark=True)."""
    contexts = []

    def page_for(name: str | None, *, width: int = 1440, dark: bool = False, script: bool = True):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", base_url=live_server.url,
            java_script_enabled=script,
        )  # fmt: skip
        contexts.append(context)
        if name:
            client = Client()
            client.force_login(factory.StaffMember.objects.get(username=name))
            context.add_cookies(
                [{"name": key, "value": morsel.value, "url": live_server.url} for key, morsel in client.cookies.items()]
            )
        page = context.new_page()
        page.problems = []
        page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        return page

    yield page_for
    for context in contexts:
        context.close()
