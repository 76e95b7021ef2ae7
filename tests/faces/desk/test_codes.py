"""People read words: no page of the desk shows a code of the machinery where it is not the thing itself."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from tests.faces.desk.test_browser import screens
from tipstaff.cases import services
from tipstaff.cases.models import Case, JournalEntry
from tipstaff.intake.models import Submission
from tipstaff.kernel.clock import now as clock_now

pytestmark = pytest.mark.django_db
CODE = re.compile(r"\b(?:[a-z]+_[a-z_]+|(?!TIPSTAFF_)[A-Z]{2,}_[A-Z_]+)\b")
#: Where a code is the thing itself: evidence as it came, addresses, commands, and what operators type.
ITSELF = frozenset({"pre", "code", "script", "style", "textarea"})
AS_IS = frozenset({"mono", "addr", "hash", "raw"})
VOID = frozenset({"input", "meta", "link", "br", "use", "hr", "img", "path", "rect", "circle"})


class Words(HTMLParser):
    """The text that a page shows, without what stands there as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[bool] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            own = tag in ITSELF or bool(AS_IS & set((dict(attrs).get("class") or "").split()))
            self.open.append(own or bool(self.open and self.open[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self.open:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1]):
            self.found.append(data)


def shown(page: bytes) -> Iterator[str]:
    words = Words()
    words.feed(page.decode().partition("<main")[2])
    return (text for text in words.found if text.strip())


def test_no_screen_shows_a_code(desk, signed_in) -> None:
    for case in Case.objects.filter(closed_at=None)[:20]:
        facts = {"actor": "downstream_client", "harmed_party": "third_party"}
        services.set_facts(case=case.pk, facts=facts, by="alice", now=clock_now())
    Submission.objects.filter(pk=desk.waiting[0].pk).update(state="set_aside", reason="not a report")
    bob, wrong = signed_in("bob"), []
    for screen in [*screens(desk), "/intake/?view=aside", "/enforcement/?show=all", "/settings/on-call/"]:
        if screen.startswith("/settings/wording/"):
            continue  # the parts of a letter are named as they are written into it
        page = bob.get(screen)
        assert page.status_code == 200, screen
        wrong += [f"{screen}: {text.strip()[:100]}" for text in shown(page.content) if CODE.search(text)]
    assert not wrong, "\n".join(wrong)


def test_facts_are_words_and_their_codes_are_the_values(desk, alice) -> None:
    case = next(case for case in desk.cases if case.closed_at is None and case.state != "TRIAGE")
    services.set_facts(case=case.pk, facts={"actor": "end_user", "statute": "section_7"}, by="alice", now=clock_now())
    page = alice.get(f"/cases/{case.pk}/").content.decode()
    assert '<option value="end_user" selected>end user</option>' in page
    assert "<dd>end user</dd>" in page and "<dd>section_7</dd>" in page, "what people wrote stays as they wrote it"
    assert "Who acted: end user" in JournalEntry.objects.filter(case=case, kind="fact").latest("pk").text
