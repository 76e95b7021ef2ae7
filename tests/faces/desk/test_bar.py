"""The bar at the top, for every role on windows from a phone to a wide desk: nothing in it overlaps, nothing is cut."""

import pytest

from tests.faces.desk import factory
from tipstaff.accounts import roles
from tipstaff.kernel.clock import now as clock_now

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
WIDTHS = (1920, 1440, 1366, 1280, 1265, 1264, 1200, 1150, 1121, 1100, 1024, 768, 390, 360)
OPERATORS = ("Northgate Networks (sample)", "A Provider of Hosting and Access with a Long Name plc", "Tiny")
#: What is wrong in the bar: parts that lie over each other, that leave it, or whose words are cut.
LOOK = """() => {
  const wrong = [], rect = (name) => document.querySelector(".bar" + name).getBoundingClientRect();
  const bar = rect(""), brand = rect(" .brand"), name = rect(" .brand small");
  const parts = [" .brand .own", " .nav", " .find input", " #theme-toggle", " .me"].map((name) => [name, rect(name)]);
  const small = document.querySelector(".brand small");
  if (name.height && Math.min(name.bottom, brand.bottom) > Math.max(name.top, brand.top)) {
    parts.push(["the provider's name", name]);
    if (name.right > brand.right + .5 || small.scrollWidth > small.clientWidth + 1) wrong.push("the provider's name is cut");
  }
  const apart = (a, b) => a.right < b.left + .5 || b.right < a.left + .5 || a.bottom < b.top + .5 || b.bottom < a.top + .5;
  parts.forEach(([one, a], n) => {
    if (a.left < bar.left - .5 || a.right > bar.right + .5) wrong.push(one + " leaves the bar");
    parts.slice(n + 1).forEach(([two, b]) => { if (!apart(a, b)) wrong.push(one + " lies over " + two); });
  });
  const nav = document.querySelector(".nav"), places = [...nav.children].map((one) => one.getBoundingClientRect());
  places.forEach((one, n) => { if (n && one.left < places[n - 1].right - .5) wrong.push("places overlap"); });
  if (innerWidth > 1120 && nav.scrollWidth > nav.clientWidth + 1) wrong.push("places are cut");
  if (document.documentElement.scrollWidth > innerWidth) wrong.push("the page scrolls sideways");
  return wrong;
}"""


@pytest.mark.parametrize("named", ["full", "none"])
def test_nothing_in_the_bar_overlaps_or_is_cut(opened, settings, monkeypatch, named) -> None:
    """``full``: everybody with a long first name, and counts of five figures."""
    factory.staff(clock_now())
    if named == "full":
        monkeypatch.setattr("tipstaff.cases.queries.open_count", lambda **_: 12345)
        monkeypatch.setattr("tipstaff.intake.queries.waiting_count", lambda **_: 4321)
        monkeypatch.setattr("tipstaff.faces.desk.page.outbox.needing_a_person", lambda: 321)
    people = [[role] for role in roles.STAFF] + [["lead", "counsel", "admin"]]
    wrong = []
    for number, held in enumerate(people):
        member = factory.StaffMember.objects.create(
            username=f"x{number}", first_name="Maximiliane" if named == "full" else "Al", roles=held
        )
        page = opened(member.username)
        for operator in OPERATORS:
            settings.OPERATOR_NAME = operator
            page.goto("/me/")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 700})
                wrong += [f"{'+'.join(held)}, {operator}, {width}: {text}" for text in page.evaluate(LOOK)]
    assert not wrong, "\n".join(wrong)


def test_the_present_place_is_in_sight_on_a_phone(opened) -> None:
    factory.sample(clock_now(), filler=0)
    page = opened("bob", width=390)
    for screen, line in (("/settings/", ".nav"), ("/settings/macros/", ".views")):
        page.goto(screen)
        left, right = page.eval_on_selector(
            f"{line} [aria-current]", "one => { const at = one.getBoundingClientRect(); return [at.left, at.right]; }"
        )
        assert left >= 0 and right <= 390, screen
