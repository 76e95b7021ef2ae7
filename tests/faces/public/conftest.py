"""A small provider with a published policy, the public pages on loopback, and a real browser."""

from collections.abc import Callable, Iterator

import pytest
from django.core.cache import cache

from tests.pipeline import given


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    """A spool, a store and counts of the test's own."""
    settings.STATE, settings.SPOOL, settings.EVIDENCE_STORE = tmp_path, tmp_path / "spool", ""
    cache.clear()


@pytest.fixture
def provider(db) -> None:
    given.provider()


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
