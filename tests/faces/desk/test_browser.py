"""The desk in a real browser: accessible in light and dark, wide and narrow, full and empty; and worked by keys alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.correspondence.given import promised
from tests.faces.desk import factory
from tipstaff.cases.models import Case
from tipstaff.intake.models import Source
from tipstaff.kernel.clock import now as clock_now

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
EMPTY = [
    "/",
    "/queue/",
    "/intake/",
    "/customers/",
    "/rules/",
    "/rules/risks/",
    "/settings/",
    "/settings/keywords/",
    "/settings/profiles/",
    "/settings/editions/",
    "/settings/wording/",
    "/settings/macros/",
    "/outbox/",
    "/jobs/",
    "/addresses/",
    "/search/?q=nothing",
    "/search/",
]
ERRORS = ["/cases/999999/", "/queue/?due=never", "/sealed/", "/addresses/nonsense/"]


def screens(made: factory.Sample) -> list[str]:
    open_case, triage, closed = made.cases[6].pk, made.cases[8].pk, made.cases[-1].pk
    rule = factory.Rule.objects.order_by("position")[0].pk
    return [
        "/",
        "/queue/",
        "/queue/?status=all&clause=4.*",
        f"/cases/{open_case}/",
        f"/cases/{open_case}/?view=raw",
        f"/cases/{open_case}/?view=customer&show=evidence",
        f"/cases/{triage}/",
        f"/cases/{closed}/",
        "/intake/",
        "/intake/?view=all",
        "/customers/",
        f"/customers/{made.carol.pk}/",
        "/rules/",
        f"/rules/{rule}/",
        "/rules/new/",
        "/rules/risks/",
        "/settings/",
        f"/settings/sources/{Source.objects.order_by('pk')[0].pk}/",
        "/settings/staff/",
        "/settings/editions/",
        "/settings/keywords/",
        "/settings/profiles/",
        "/settings/wording/",
        "/settings/wording/opened/en/",
        "/settings/macros/",
        "/outbox/",
        f"/outbox/{promised(state='failed', at=made.now, error='550 5.1.1 no such user').pk}/",
        f"/outbox/{promised('rita@example.org', at=made.now, audience='reporter').pk}/",
        "/search/?q=203.0.113.",
        "/search/?q=rita",
        "/addresses/",
        "/addresses/203.0.113.0/24/",
        "/cases/new/",
        "/jobs/",
        "/me/",
        "/me/security/",
    ]


def check(page, address: str) -> list[str]:
    """What is wrong with a page: axe's findings, sideways scroll, messages of the console."""
    from axe_playwright_python.sync_playwright import Axe

    page.goto(address)
    wrong = [
        f"{address}: {finding['id']}: {node['html'][:140]}"
        for finding in Axe().run(page, options=RULES).response["violations"]
        for node in finding["nodes"][:3]
    ]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        wrong.append(f"{address}: scrolls sideways")
    wrong += [f"{address}: {text}" for text in page.problems if "Failed to load resource" not in text]
    page.problems.clear()
    return wrong


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_screen_is_accessible(opened, width: int, dark: bool) -> None:
    made = factory.sample(clock_now(), filler=8)
    alice, sam = opened("alice", width=width, dark=dark), opened("sam", width=width, dark=dark)
    wrong = [text for screen in [*screens(made), *ERRORS] for text in check(alice, screen)]
    wrong += check(sam, "/sealed/") + check(opened(None, width=width, dark=dark), "/login/")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_empty_screen_is_accessible(opened, width: int, dark: bool) -> None:
    factory.staff(clock_now())
    alice = opened("alice", width=width, dark=dark)
    wrong = [text for screen in EMPTY for text in check(alice, screen)]
    assert not wrong, "\n".join(wrong)


def test_folds_dialogs_and_toasts_are_accessible(opened) -> None:
    made = factory.sample(clock_now(), filler=2)
    page = opened("alice")
    from axe_playwright_python.sync_playwright import Axe

    def clean() -> None:
        found = Axe().run(page, options=RULES).response["violations"]
        assert not found, [(finding["id"], finding["nodes"][0]["html"][:200]) for finding in found]

    page.goto(f"/cases/{made.cases[8].pk}/")
    for key in ("c", "w"):
        page.keyboard.press(key)
        page.wait_for_selector(f'[data-fold="{key}"][open]')
        clean()
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    clean()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.wait_for_selector("#palette[open]")
    clean()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.wait_for_selector("#toasts form.toast")
    clean()


def test_rows_of_the_queue_are_32_pixels_high(opened) -> None:
    factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/queue/")
    heights = page.eval_on_selector_all("tr[data-row]", "rows => rows.map(row => row.getBoundingClientRect().height)")
    assert set(heights) == {32}


@pytest.mark.parametrize("width", [360, 768, 1024, 1920])
def test_nothing_scrolls_sideways_between_the_usual_widths(opened, width: int) -> None:
    made = factory.sample(clock_now(), filler=2)
    page = opened("alice", width=width)
    for screen in screens(made):
        page.goto(screen)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), screen


def test_pages_can_be_read_and_worked_without_script(opened) -> None:
    made = factory.sample(clock_now(), filler=0)
    page = opened("alice", script=False)
    page.goto("/queue/")
    assert page.locator("tr[data-row]").count() == 20
    free = next(case for case in made.cases if case.owner is None)
    page.goto(f"/cases/{free.pk}/")
    with page.expect_navigation():
        page.locator('button:has-text("Take")').click()
    free.refresh_from_db()
    assert free.owner.username == "alice"
    with page.expect_navigation():
        page.locator('a:has-text("as the customer sees it")').click()
    assert "removed: mail address" in page.locator("#evidence").inner_text()


def test_intake_is_cleared_by_keys_alone(opened) -> None:
    """Assign, set aside, not ours, assign by name: four submissions, no mouse."""
    made = factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/intake/")
    with page.expect_navigation():
        page.keyboard.press("1")
    with page.expect_navigation():
        page.keyboard.press("s")
    with page.expect_navigation():
        page.keyboard.press("o")
    page.keyboard.press("c")
    page.keyboard.type("C-1087")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "Nothing waits for a person" in page.inner_text("main")
    for row in made.waiting:
        row.refresh_from_db()
    assert [row.state for row in made.waiting] == ["parsed", "set_aside", "set_aside", "parsed"]
    assert [row.reason for row in made.waiting[1:3]] == ["not a report", "not ours"]
    assert not page.problems


def test_the_queue_is_worked_by_keys_alone(opened) -> None:
    """Walk, select, take, undo, open, classify and ticket, note, close, next."""
    factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("q")
    page.wait_for_url("**/queue/")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    assert "2 selected" in page.inner_text("#bulk")
    with page.expect_navigation():
        page.keyboard.press("t")
    first, second = Case.objects.filter(closed_at=None).order_by("next_due_at", "id")[:2]
    assert (first.owner.username, second.owner.username) == ("alice", "alice")
    with page.expect_navigation():
        page.keyboard.press("u")
    page.goto("/queue/?person=1")
    page.keyboard.press("j")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    number = int(re.search(r"/cases/(\d+)/", page.url).group(1))
    page.keyboard.press("m")
    page.keyboard.type("Looks clear.")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "Looks clear." in page.inner_text(".tl")
    page.keyboard.press("c")
    page.wait_for_selector('[data-fold="c"][open]')
    page.locator('[data-fold="c"] button.go').focus()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert Case.objects.get(pk=number).state == "TICKETED"
    page.keyboard.press("w")
    page.keyboard.type("Resolved")
    page.keyboard.press("Tab")
    page.keyboard.type("The page is gone.")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert Case.objects.get(pk=number).state == "RESOLVED"
    with page.expect_navigation():
        page.keyboard.press("]")
    assert f"/cases/{number}/" not in page.url
    assert not page.problems


def test_the_palette_goes_to_places_and_searches(opened) -> None:
    factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/queue/")
    page.keyboard.press("Control+k")
    page.keyboard.type("risks")
    page.keyboard.press("ArrowDown")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("/rules/risks/")
    page.keyboard.press("Control+k")
    page.keyboard.type("203.0.113.")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "/search/?q=203.0.113." in page.url
    page.keyboard.press("Control+k")
    page.keyboard.type("outb")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("/outbox/"), "the beginning of a place's name leads there"


def test_single_keys_can_be_turned_off_and_never_fire_while_typing(opened) -> None:
    made = factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/queue/")
    page.keyboard.press("/")
    page.keyboard.type("gqd?t")
    assert page.input_value("#q") == "gqd?t" and page.url.endswith("/queue/")
    made.staff["alice"].single_keys = False
    made.staff["alice"].save()
    page.goto("/queue/")
    page.keyboard.press("?")
    page.keyboard.press("d")
    assert not page.locator("#keys[open]").count() and page.get_attribute("html", "data-theme") is None
    page.keyboard.press("Control+k")
    assert page.locator("#palette[open]").count() == 1


def test_d_changes_between_light_and_dark_and_it_stays(opened) -> None:
    factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/queue/")
    with page.expect_response("**/me/theme/"):
        page.keyboard.press("d")
    page.goto("/intake/")
    assert page.get_attribute("html", "data-theme") == "dark"


def test_the_next_rows_come_in_place(opened, monkeypatch) -> None:
    monkeypatch.setattr("tipstaff.faces.desk.views.queue.ROWS", 8)
    factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto("/queue/")
    assert page.locator("tr[data-row]").count() == 8
    page.locator("#more a").click()
    page.locator("tr[data-row]").nth(15).wait_for()
    page.locator("#more a").click()
    page.locator("tr[data-row]").nth(19).wait_for()
    assert page.locator("#more").count() == 0 and not page.problems


def test_a_draft_survives_leaving_the_page(opened) -> None:
    made = factory.sample(clock_now(), filler=0)
    page = opened("alice")
    page.goto(f"/cases/{made.cases[6].pk}/")
    page.locator("#msg").fill("half a thought")
    page.locator('#kept:has-text("Draft kept")').wait_for()
    page.goto("/queue/")
    page.goto(f"/cases/{made.cases[6].pk}/")
    assert page.input_value("#msg") == "half a thought"


def test_the_toast_counts_down_and_goes(opened) -> None:
    made = factory.sample(clock_now(), filler=0)
    page = opened("alice")
    free = next(case for case in made.cases if case.owner is None)
    page.goto(f"/cases/{free.pk}/")
    page.keyboard.press("t")
    expect(page.locator("form.toast")).to_be_visible()
    expect(page.locator("form.toast")).to_have_count(0)
