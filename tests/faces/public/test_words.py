"""Five languages: every sentence of the public pages has its translation, with the same places; the reader gets the right one."""

import ast
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.faces import sentences
from tests.faces.sentences import constants
from tipstaff.faces.public import figures, kinds, page, standing, words
from tipstaff.faces.public.views import policy, report, status
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy.edition import Severity

PUBLIC = Path(words.__file__).parent
OTHERS = [code for code in words.LANGUAGES if code != "en"]
TAG = re.compile(r'\{%\s*say\s+"([^"]+)"')


def spoken(path: Path) -> set[str]:
    """Sentences that a module hands to a page: refusals, problems, steps, whatever ``Sentence`` is made of."""
    found: set[str] = set()
    for node in sentences.nodes(path):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            taken = {"refusal": node.args[2:4], "of": node.args[:1], "Standing": node.args[1:2], "joined": node.args[:1]}.get(
                name, []
            )
            for one in taken:
                found |= constants(one) | {text for part in getattr(one, "elts", ()) for text in constants(part)}
        elif isinstance(node, ast.Assign | ast.Return) and isinstance(node.value, ast.AST):
            found |= problems(node)
    return found


def problems(node: ast.Assign | ast.Return) -> set[str]:
    """What is said of a field: ``found["at"] = "…"``, ``return {"at": "…"}``, ``return "", "…"``."""
    value = node.value
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Subscript) for one in node.targets):
        return {text for text in constants(value) if " " in text and text.endswith((".", "?"))}
    if isinstance(value, ast.IfExp):
        value = value.body
    held = value.values if isinstance(value, ast.Dict) else value.elts if isinstance(value, ast.Tuple) else []
    return {text for one in held for text in constants(one) if " " in text and text.endswith((".", "?"))}


def written() -> set[str]:
    """Every sentence that can reach a page: in templates, and in what the modules say."""
    found = sentences.in_templates(PUBLIC, TAG, but=("sample.html",))
    for path in PUBLIC.rglob("*.py"):
        found |= spoken(path)
    found |= {kind.title for kind in kinds.KINDS} | {kind.note for kind in kinds.KINDS}
    found |= {text for field in kinds.FIELDS.values() for text in (field.label, field.hint)}
    found |= set(standing.OUTCOMES.values()) | set(page.TITLES.values()) | set(figures.COLUMNS) | {"Month", "Kind", "Not now"}
    found |= {"Where", "When", "What", "Details", "Text", "Received", "Checked", "Customer told", "Resolved", "It was decided."}
    found |= set(policy.HEADINGS.values()) | set(policy.FIELDS.values())
    found |= {standing.WHY, standing.SEALED, report.WAIT, status.GONE} | {str(one) for one in Severity}
    return found - {""}


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated_and_nothing_else_is(code):
    assert sentences.missing(written(), words.catalogue(code)) == ([], [])


@pytest.mark.parametrize("code", OTHERS)
def test_places_are_the_same_and_nothing_was_left_in_english(code):
    known = words.catalogue(code)
    assert (sentences.misplaced(known), sentences.left(known, short=14)) == ([], [])


def test_there_are_many_sentences():
    assert len(written()) > 150


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "form", "policy", "figures_"),
    [
        ("de", "Missbrauch aus unserem Netz melden", "Alle Ausgaben", "Was gemeldet wurde"),
        ("fr", "Signaler un abus depuis notre réseau", "toutes les éditions", "Ce qui a été signalé"),
        ("es", "Avisar de un abuso desde nuestra red", "todas las ediciones", "Qué se avisó"),
        ("nl", "Misbruik vanuit ons netwerk melden", "alle edities", "Wat er gemeld is"),
        ("en", "Report abuse from our network", "all editions", "What was reported"),
    ],
)
def test_pages_are_read_in_the_browsers_language(provider, code, form, policy, figures_):
    client = Client(headers={"accept-language": code})
    for address, wanted in (("/report/", form), ("/policy/", policy), ("/transparency/", figures_)):
        answer = client.get(address, follow=True)
        text = answer.content.decode()
        assert wanted.lower() in text.lower() and f'<html lang="{code}">' in text and answer["Content-Language"] == code, address
    assert '<article lang="en">' in client.get("/policy/", follow=True).content.decode(), "the policy's own text stays what it is"


@pytest.mark.django_db
def test_a_chosen_language_is_kept_and_problems_are_said_in_it(provider):
    client = Client(headers={"accept-language": "fr"})
    assert "Signaler un abus" in client.get("/report/").content.decode()
    assert 'lang="nl"' in client.get("/report/?language=nl").content.decode()
    answer = client.post(
        "/report/", {"step": "preview", "kind": "scan", "places": "<b>x", "at": "soon", "zone": "UTC", "tell": "yes"}
    )
    text = answer.content.decode()
    assert answer.status_code == 422 and "Nog niet verstuurd." in text and "&lt;b&gt;x" in text and "<b>x" not in text
    assert "Schrijf het als 2026-06-14 10:02:11." in text
    missing = client.get("/status/nothing")
    assert missing.status_code == 404 and "Deze link leidt naar geen melding." in missing.content.decode()


@pytest.mark.django_db
def test_where_a_report_stands_is_said_in_the_readers_language(provider, monkeypatch):

    steps = standing._steps(3, clock_now(), told=clock_now(), ended=clock_now() + timedelta(hours=1))
    reason = words.Sentence.joined(["The cause was removed.", "It is no longer seen."])
    monkeypatch.setattr(status, "submission_of", lambda token: 1)
    monkeypatch.setattr(status, "standing_of", lambda number, now: standing.Standing(steps, reason, True))
    text = Client(headers={"accept-language": "de"}).get("/status/x").content.decode()
    assert "Die Ursache wurde beseitigt. Es ist nicht mehr zu sehen." in text and "Kunde benachrichtigt" in text
