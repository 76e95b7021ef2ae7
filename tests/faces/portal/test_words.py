"""Five languages: every sentence of the portal has its translation, with the same places, and the reader gets the right one."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.test import Client, RequestFactory

from tests.faces import sentences
from tests.faces.sentences import constants
from tipstaff.faces.portal import answers, hearing, page, standing, timeline, words
from tipstaff.faces.portal.views import cases, contacts

PORTAL = Path(words.__file__).parent
OTHERS = [code for code in words.LANGUAGES if code != "en"]
TAG = re.compile(r'\{%\s*(?:say|step)\s+"([^"]+)"')


def written() -> set[str]:
    """Every sentence that can reach a page or a mail: in templates, in calls of ``say``, and in the tables of words."""
    found = sentences.in_templates(PORTAL, TAG)
    for path in PORTAL.rglob("*.py"):
        for node in sentences.nodes(path):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = {"say": 1, "said": 1, "refusal": 2}.get(name)
                if place is not None and len(node.args) > place:
                    found |= {text for text in constants(node.args[place]) if " " in text or text}
    found |= {text for pair in standing.HEADS.values() for text in pair} | {row[0] for row in standing.STATES.values()}
    found |= set(timeline.SAID.values()) | set(page.TITLES.values()) | set(contacts.ROLES.values()) | set(contacts.DONE.values())
    found |= (
        set(answers.DONE.values())
        | set(answers.SAID_OF.values())
        | {*cases.NAMES, *cases.CLIENTS_NAMES, "Fixed", "us", "you", "client", "paused", "past due"}
    )
    found |= set(answers.SAID_OF.values())
    for form in answers.FORMS.values():
        found |= {form.title, form.lead, form.button} | {text for field in form.fields for text in (field.label, field.hint)}
    found |= set(hearing.UNTOLD.values()) | yielded(PORTAL / "standing.py") | entries(PORTAL / "timeline.py")
    return found - {""}


def yielded(path: Path) -> set[str]:
    """Sentences that functions of a module yield or return."""
    found = set()
    for node in sentences.nodes(path):
        value = node.value if isinstance(node, ast.Yield | ast.Return) else None
        value = value.elts[0] if isinstance(value, ast.Tuple) else value
        found |= constants(value) if value is not None else set()
    return found


def entries(path: Path) -> set[str]:
    """What an Entry says, and the labels of its parts."""
    found = set()
    for node in sentences.nodes(path):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Entry":
            found |= constants(node.args[2])
        if isinstance(node, ast.Dict) and all(isinstance(value, ast.Constant) for value in node.values):
            found |= {value.value for value in node.values}
    return found | {"gave more time", "could not give more time", "How it got there", "What was changed", "What keeps it out"}


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated_and_nothing_else_is(code):
    assert sentences.missing(written(), words.catalogue(code)) == ([], [])


@pytest.mark.parametrize("code", OTHERS)
def test_places_are_the_same_and_nothing_was_left_in_english(code):
    known = words.catalogue(code)
    assert (sentences.misplaced(known), sentences.left(known, short=12)) == ([], [])
    for english, other in known.items():
        if english in {"We", "You"}:  # 'We wrote to you' has an order of words that 'Wir: Ihnen geschrieben' need not have
            continue
        assert english.rstrip().endswith((".", "?", ":", "…")) == other.rstrip().endswith((".", "?", ":", "…")), english


def test_there_are_many_sentences():
    assert len(written()) > 150


@pytest.mark.parametrize(
    ("header", "cookie", "query", "contact", "wanted"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "", "", "", "de"),
        ("pt-BR,fr;q=0.8,en;q=0.7", "", "", "", "fr"),
        ("pt-BR", "", "", "", "en"),
        ("de", "", "", "nl", "nl"),
        ("de", "es", "", "nl", "es"),
        ("de", "es", "fr", "nl", "fr"),
        ("", "xx", "<script>", "", "en"),
        (";" * 5000, "", "", "", "en"),
    ],
)
def test_the_language_is_the_one_chosen_then_the_contacts_then_the_browsers(header, cookie, query, contact, wanted):
    request = RequestFactory().get("/my/", {"language": query} if query else {}, headers={"accept-language": header})
    request.COOKIES[words.COOKIE] = cookie
    assert words.chosen(request, contact) == wanted


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("en", "Monday 15 June, 14:20 CEST"),
        ("de", "Montag, 15. Juni, 14:20 CEST"),
        ("fr", "lundi 15 juin, 14:20 CEST"),
        ("es", "lunes 15 de junio, 14:20 CEST"),
        ("nl", "maandag 15 juni, 14:20 CEST"),
    ],
)
def test_moments_are_said_in_the_readers_language_and_zone(code, wanted):
    at = datetime(2026, 6, 15, 12, 20, tzinfo=UTC)
    assert words.moment(at, at - timedelta(hours=5), ZoneInfo("Europe/Berlin"), code) == wanted
    assert words.stamp(at) == "2026-06-15 12:20 UTC"
    assert "2026," in words.moment(at, at + timedelta(days=300), ZoneInfo("Europe/Berlin"), code)


@pytest.mark.parametrize(
    ("zone", "name"),
    [("America/Sao_Paulo", "UTC-03"), ("Asia/Kolkata", "IST"), ("Asia/Kathmandu", "UTC+05:45"), ("Mars/Olympus", "UTC")],
)
def test_zones_without_letters_are_offsets_and_unknown_ones_utc(zone, name):
    assert words.zone_name(datetime(2026, 6, 15, 12, tzinfo=UTC), words.zone_of(zone)) == name


def test_a_value_in_a_sentence_is_never_markup():
    assert (
        words.said("de", "This signs you in as {email}.", email="<b>x</b>") == "Damit melden Sie sich als &lt;b&gt;x&lt;/b&gt; an."
    )
    assert "{0.__class__}" in words.say("en", "{n} days", n="{0.__class__}")


@pytest.mark.django_db
@pytest.mark.parametrize(("code", "wanted"), [("de", "Was uns gemeldet wurde"), ("fr", "La suite"), ("es", "De qué nos avisaron"),
                                              ("nl", "Hoe het verdergaat")])  # fmt: skip
def test_a_case_is_read_in_the_browsers_language_and_says_so(world, code, wanted):
    answer = Client(headers={"accept-language": code}).get(world.link("carol"))
    text = answer.content.decode()
    assert wanted in text and f'<html lang="{code}">' in text and answer["Content-Language"] == code
    assert 'title="' in text and " UTC" in text, "UTC hovers over each moment"
