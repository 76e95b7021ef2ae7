"""The public policy, the figures, security.txt."""

import csv
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import cache
from django.test import Client
from hypothesis import given as gives
from hypothesis import strategies as st

from tests.pipeline.given import BEFORE, deliver, event, report
from tipstaff.cases.models import Case
from tipstaff.faces.public.figures import COLUMNS, HIDDEN, SMALL, summed, suppressed
from tipstaff.faces.public.templatetags.public import clause_text
from tipstaff.faces.public.views import policy
from tipstaff.kernel.clock import now as clock_now
from tipstaff.policy import loading, services
from tipstaff.policy.diff import SECTIONS, Change
from tipstaff.policy.models import StoredEdition

pytestmark = pytest.mark.django_db


@pytest.fixture
def newer(provider) -> StoredEdition:
    """A second edition whose first clause has one word more."""
    full = loading.load_packaged("default")
    number, first = next(iter(full.clauses.items()))
    edition = replace(
        full, version="2", clauses={**full.clauses, number: replace(first, text=first.text + " Zweitens gilt das Obige.")}
    )
    edition = loading.from_content(loading.canonical(edition))
    now = clock_now()
    stored = services.draft(
        edition=edition, effective_from=now + timedelta(hours=1), by="system:test", now=now, intake_address="abuse@example.net"
    )
    cache.clear()
    return services.publish(stored=stored.pk, by="system:second", now=now)


def name_of() -> str:
    return StoredEdition.objects.order_by("effective_from").first().name


def test_nothing_is_published_without_an_edition(client):
    page = client.get("/policy/")
    assert page.status_code == 404 and "not published yet" in page.content.decode()
    assert client.get("/policy/versions/").status_code == 404


def test_a_draft_is_not_shown(client):
    services.draft(edition=loading.load_packaged("default"), effective_from=BEFORE, by="system:test", now=BEFORE)
    stored = StoredEdition.objects.get()
    assert client.get("/policy/").status_code == 404
    assert client.get(f"/policy/{stored.name}/").status_code == 404


def test_the_edition_in_force_is_shown_whole(client, provider):
    page = client.get("/policy/").content.decode()
    edition = loading.load_packaged("default")
    for clause in edition.clauses.values():
        assert f'id="clause-{clause.number}"' in page
    assert "abuse@example.net" in page
    assert edition.content_hash in page


def test_every_clause_has_a_permanent_address(client, provider):
    answer = client.get(f"/policy/{name_of()}/3.1/")
    assert answer.url == f"/policy/{name_of()}/#clause-3.1"
    assert client.get(f"/policy/{name_of()}/99.9/").status_code == 404
    assert client.get("/policy/nothing/0/").status_code == 404
    for odd in ("%00/%00/", "%00/%00/changes/", "%00/%00/3.1/"):
        assert client.get(f"/policy/{odd}").status_code == 404


def test_editions_and_their_differences_word_by_word(client, newer):
    listed = client.get("/policy/versions/").content.decode()
    assert listed.index(f"/policy/{newer.name}/") < listed.index(f"/policy/{name_of()}/")
    changed = client.get(f"/policy/{newer.name}/changes/").content.decode()
    assert "<ins>" in changed and "Zweitens gilt das Obige." in changed
    assert changed.count("<ins>") == 2, "one in the explanation, one change"
    assert "first edition" in client.get(f"/policy/{name_of()}/changes/").content.decode()
    assert "not the one in force now" in client.get(f"/policy/{newer.name}/").content.decode()


def test_what_changed_is_headed_in_the_readers_language(newer):
    text = Client(headers={"accept-language": "de"}).get(f"/policy/{newer.name}/changes/").content.decode()
    assert ">Klausel 1.1</a>, der Wortlaut</h2>" in text and "Clause" not in text


def test_a_change_of_any_section_has_words():
    changes = [
        Change("categories", "phishing", "resolve", "PT24H", "PT12H"), Change("switches", "", "reporter_notice", "receipt", "none"),
        Change("clauses", "9.9", "", None, {"title": "Novelty"}), Change("exceptions", "gone_one", "", {"title": "Past"}, None),
    ]  # fmt: skip
    kind, option, new, gone = [policy._shown(change, {"phishing": "Phishing"}) for change in changes]
    assert (kind.heading, kind.said) == ("Kind of conduct: Phishing", "the time to resolve")
    assert kind.pieces == (("removed", "PT24H"), ("added", "PT12H"))
    assert (option.heading, option.said, option.field) == ("Options", "", "reporter notice")
    assert new.came and new.field == "Novelty" and new.anchor == "clause-9.9"
    assert gone.went and gone.field == "Past" and not gone.anchor
    assert set(SECTIONS) - {"pack", "version"} == set(policy.HEADINGS), "each section of an edition has a heading"


def test_a_clause_is_text_and_lists_and_never_markup():
    shown = clause_text("First <b>line</b>\ngoes on:\n\n- one\n  more\n- two & three\n\nEnd.")
    assert shown == "<p>First &lt;b&gt;line&lt;/b&gt; goes on:</p><ul><li>one more</li><li>two &amp; three</li></ul><p>End.</p>"


def test_figures_and_their_csv(client, provider):
    for number in range(7):
        deliver(
            report(event(at=clock_now() - timedelta(hours=number + 1)), category="phishing", by=f"r{number}@example.org"),
            now=clock_now(),
        )
    Case.objects.update(opened_at=clock_now() - timedelta(minutes=1))
    cache.clear()
    page = client.get("/transparency/")
    assert page.status_code == 200
    assert "not shown" in page.content.decode(), "one case is a small count"
    rows = list(csv.reader(StringIO(client.get("/transparency/months.csv").content.decode())))
    assert rows[0] == ["Month", *COLUMNS]
    assert rows[1][0] == f"{clock_now() - timedelta(minutes=1):%Y-%m}" and rows[1][1] == ""
    assert client.get("/transparency/other.csv").status_code == 404


def test_figures_of_an_empty_desk(client):
    assert "Nothing was reported yet" in client.get("/transparency/").content.decode()


GRID = st.lists(st.tuples(*[st.integers(0, 40)] * len(COLUMNS)), min_size=1, max_size=8)


@gives(GRID)
def test_no_small_count_is_shown_nor_can_be_worked_out(grid):
    shown = [counts for _, counts in suppressed([(str(n), row) for n, row in enumerate(grid)])]
    for before, after in zip(grid, shown, strict=True):
        for count, seen in zip(before, after, strict=True):
            assert seen in {count, HIDDEN}
            assert not 0 < seen < SMALL
    lines = [*zip(grid, shown, strict=True), *zip(zip(*grid, strict=True), zip(*shown, strict=True), strict=True)]
    for before, after in lines:
        hidden = [count for count, seen in zip(before, after, strict=True) if seen == HIDDEN]
        assert len(hidden) != 1 or not any(seen > 0 for seen in after)


def test_a_sum_never_says_that_there_was_nothing_where_something_is_hidden():
    assert summed([HIDDEN, HIDDEN, 0]) == HIDDEN
    assert summed([0, 0]) == 0
    assert summed([HIDDEN, 7, 8]) == 15


def test_security_txt_only_where_a_contact_is_named(client, settings):
    settings.SECURITY_CONTACT = ""
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "security@example.net"
    text = client.get("/.well-known/security.txt").content.decode()
    assert text.startswith("Contact: mailto:security@example.net\nExpires: 2")
    assert f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt" in text
    settings.SECURITY_CONTACT = "https://example.net/security"
    assert client.get("/.well-known/security.txt").content.startswith(b"Contact: https://example.net/security\n")


@pytest.mark.parametrize("path", ["/report/", "/status/", "/policy/", "/policy/versions/", "/transparency/"])
def test_pages_take_few_questions_of_the_database(client, provider, path, django_assert_max_num_queries):
    client.get(path)
    with django_assert_max_num_queries(5):
        assert client.get(path).status_code == 200
