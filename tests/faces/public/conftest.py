"""A small provider with a published policy, the public pages on loopback, and a real browser."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.core.cache import cache

from tests.pipeline import given

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A spool, a store and counts of the test's own."""
    settings.STATE, settings.SPOOL, settings.EVIDENCE_STORE = tmp_path, tmp_path / "spool", ""
    cache.clear()


@pytest.fixture
def provider(db) -> None:
    given.provider()


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """One browser for the whole run."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # playwright's loop runs in this thread
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium, live_server) -> Iterator[Callable]:
    """Pages without script, as the form must work: opened(width=390, dark=True)."""
    contexts = []

    def page_for(*, width: int = 1440, dark: bool = False, script: bool = False):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", base_url=live_server.url,
            java_script_enabled=script,
        )  # fmt: skip
        contexts.append(context)
        return context.new_page()

    yield page_for
    for context in contexts:
        context.close()
