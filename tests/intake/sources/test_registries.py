"""Questions to a registry on the loopback: asked once, kept, asked again later, never inside our own network."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.accounts.given import NOW
from tests.attribution.registries import Registry, answer, running
from tipstaff.attribution import elsewhere, queries
from tipstaff.attribution.models import ForeignNetwork, RegistryQuestion
from tipstaff.intake.sources.registries import Registries
from tipstaff.kernel.errors import InputError

pytestmark = pytest.mark.django_db
ASKED = "9.9.9.9"  # public, for the guard lets nothing else be asked; the registry is our own
MAIL = "abuse@elsewhere.example"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with running() as server:
        server.pages["/ipv6.json"] = (200, {"services": []})
        yield server


@pytest.fixture
def desk(settings, registry, monkeypatch) -> Registries:
    """The asking side, allowed to speak plain HTTP to the loopback."""
    settings.RDAP = True
    known = [(elsewhere.ip_network("9.0.0.0/8"), registry.address + "/")]
    monkeypatch.setattr("tipstaff.attribution.registry.servers", lambda file: known if file["services"] else [])
    registry.pages["/ipv4.json"] = (200, {"services": ["9/8"]})
    return Registries(bootstrap=registry.address, allow_private=True, timeout=2)


def question(**more) -> RegistryQuestion:
    return RegistryQuestion.objects.create(address=ASKED, asked_at=NOW, not_before=NOW, **more)


def test_an_answer_is_kept_and_told_from_then_on(desk, registry):
    registry.pages[f"/ip/{ASKED}"] = (200, answer("9.9.9.0", "9.9.9.255", MAIL))
    assert elsewhere.ask(address=ASKED, now=NOW) and not elsewhere.ask(address=ASKED, now=NOW)
    assert desk.answer_next(now=NOW) == f"{ASKED}: {MAIL}"
    assert desk.answer_next(now=NOW) is None
    assert queries.who(ip="9.9.9.77", at=NOW).abuse_contact == MAIL
    assert not elsewhere.ask(address="9.9.9.77", now=NOW + timedelta(days=29)), "known and fresh"
    assert elsewhere.ask(address="9.9.9.77", now=NOW + timedelta(days=31)), "old words are asked for again"


def test_registries_send_one_another_questions_on(desk, registry):
    registry.pages[f"/ip/{ASKED}"] = (302, "/other/ip")
    registry.pages["/other/ip"] = (200, answer("9.9.9.0", "9.9.9.255", MAIL))
    question()
    assert desk.answer_next(now=NOW) == f"{ASKED}: {MAIL}"


PAGES = [
    ((503, {}), True),
    ((429, {}), True),
    ((404, {}), False),
    ((200, b"<html>"), False),
    ((200, {"objectClassName": "domain"}), False),
    ((302, f"/ip/{ASKED}"), False),
]


@pytest.mark.parametrize(("page", "again"), PAGES)
def test_what_cannot_be_had_is_asked_again_only_where_that_may_help(desk, registry, page, again):
    registry.pages[f"/ip/{ASKED}"] = page
    waiting = question()
    said = desk.answer_next(now=NOW)
    waiting.refresh_from_db()
    assert waiting.error and waiting.error in said
    assert (elsewhere.due(now=NOW + timedelta(days=1)) is not None) is again
    assert elsewhere.due(now=NOW + timedelta(seconds=59)) is None, "never at once"
    assert elsewhere.clear(now=NOW + timedelta(days=2)) == (0 if again else 1)


def test_a_registry_inside_our_own_network_is_never_asked(settings, registry):
    settings.RDAP = True
    question()
    said = Registries(bootstrap=registry.address.replace("http", "https"), timeout=2).answer_next(now=NOW)
    assert "not a public address" in said and not registry.asked
    said = Registries(bootstrap=registry.address, timeout=2).answer_next(now=NOW + timedelta(days=1))
    assert "is not https" in said and not registry.asked


def test_nothing_is_asked_while_it_is_switched_off_or_about_addresses_of_nobody(settings):
    settings.RDAP = False
    assert not elsewhere.ask(address=ASKED, now=NOW)
    settings.RDAP = True
    assert not any(elsewhere.ask(address=one, now=NOW) for one in ("192.0.2.1", "10.0.0.1", "::1", "2001:db8::1"))


def test_a_crowd_of_questions_is_capped(settings, monkeypatch):
    settings.RDAP = True
    monkeypatch.setattr(elsewhere, "MOST_QUESTIONS", 1)
    assert elsewhere.ask(address=ASKED, now=NOW)
    assert not elsewhere.ask(address="8.8.4.4", now=NOW)


class TestTheOperatorsOwnList:
    def test_it_goes_before_what_registries_say_and_is_replaced_as_a_whole(self):
        ForeignNetwork.objects.create(
            prefix="9.9.9.0/24", abuse_contact="registry@elsewhere.example", source="https://r.example/", fetched_at=NOW
        )
        elsewhere.list_contacts(rows=[("9.0.0.0/8", MAIL, "Neighbour")], file="list.csv", by="alice", now=NOW)
        assert elsewhere.contact(ASKED) == MAIL
        elsewhere.list_contacts(rows=[], file="list.csv", by="alice", now=NOW)
        assert elsewhere.contact(ASKED) == "registry@elsewhere.example"

    def test_every_bad_row_is_named_and_nothing_is_kept(self):
        rows = [("9.0.0.0/8", MAIL, ""), ("9.0.0.1/8", MAIL, ""), ("8.0.0.0/8", "nobody", "")]
        with pytest.raises(InputError) as found:
            elsewhere.list_contacts(rows=rows, file="list.csv", by="alice", now=NOW)
        assert [problem.where for problem in found.value.problems] == [
            "list.csv, line 3, prefix",
            "list.csv, line 4, abuse_contact",
        ]
        assert not ForeignNetwork.objects.exists()
