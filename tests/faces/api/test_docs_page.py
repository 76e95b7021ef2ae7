"""The documentation page in a real browser: accessible, within its width, nothing refused by the policy of the pages."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.mark.parametrize(("width", "dark"), [(1440, False), (360, True), (1440, True), (360, False)])
def test_the_page_is_accessible_and_whole(chromium: Any, live_server: Any, width: int, dark: bool) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{live_server.url}/api/docs")
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == [] and all(url.startswith(live_server.url) for url in asked)
    expect(page.get_by_role("heading", name="Reason codes")).to_be_visible()
    context.close()
