"""The portal on loopback, with customers who have cases, and a real browser."""

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.core.cache import cache

from tests.faces.portal import given
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.faces.portal import signing_in
from tipstaff.kernel.clock import now as clock_now


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A spool, a store and counts of the test's own."""
    settings.STATE, settings.SPOOL, settings.EVIDENCE_STORE = tmp_path, tmp_path / "spool", ""
    cache.clear()


@pytest.fixture
def now() -> datetime:
    """The present moment: pages read the real clock."""
    return clock_now()


@pytest.fixture
def world(db, now) -> given.World:
    return given.world(now)


@pytest.fixture
def opened(chromium, live_server) -> Iterator[Callable]:
    """Pages of somebody who is signed in (or nobody): opened(world, 'carol', width=390, dark=True)."""
    contexts = []

    def page_for(made, name: str | None, *, width: int = 1440, dark: bool = False, script: bool = True, locale: str = "en"):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", base_url=live_server.url,
            java_script_enabled=script, locale=locale,
        )  # fmt: skip
        contexts.append(context)
        if name:
            value = made.signed_in(name).cookies[signing_in.cookie_name()].value
            context.add_cookies([{"name": signing_in.cookie_name(), "value": value, "url": live_server.url}])
        return context.new_page()

    yield page_for
    for context in contexts:
        context.close()


@pytest.fixture
def mailed(db) -> Callable:
    """The mails that the portal itself promised, the oldest first."""

    def read():
        return list(OutboxMessage.objects.filter(created_by="system:portal").order_by("pk"))

    return read
