"""Stored editions: two people, an intake address, a day to come; and a database that keeps what was published."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, transaction

from tests.policy.packs import PACKS
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.kernel.errors import InputError, NotFound, Refused, TipstaffError
from tipstaff.policy import loading, queries, services
from tipstaff.policy.edition import Edition
from tipstaff.policy.models import StoredEdition

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADDRESS = "abuse@example.net"


@pytest.fixture(autouse=True)
def people() -> None:
    """Alice is counsel, Bob a lead, Carol an admin: each may draft and publish; Amy, an analyst, and Gone may not."""
    for name, role in (("alice", "counsel"), ("bob", "lead"), ("carol", "admin"), ("amy", "analyst"), ("gone", "lead")):
        StaffMember.objects.create(username=name, roles=[role], is_active=name != "gone")


def edition(version: str = "1", pack: str = "default", **aliases: str) -> Edition:
    content = loading.canonical(loading.load_packaged(pack)) | {"version": version}
    content["aliases"].update(aliases)
    return loading.from_content(content)


def drafted(version: str = "1", *, at: datetime = NOW, brand: str = "", address: str = ADDRESS) -> StoredEdition:
    return services.draft(edition=edition(version), effective_from=at, brand=brand, intake_address=address, by="alice", now=NOW)


def published(version: str = "1", *, at: datetime = NOW, brand: str = "", now: datetime = NOW) -> StoredEdition:
    return services.publish(stored=drafted(version, at=at, brand=brand).pk, by="bob", now=now)


@pytest.mark.parametrize("pack", PACKS)
def test_every_pack_comes_back_from_the_database_as_it_went_in(pack: str) -> None:
    stored = services.draft(edition=edition(pack=pack), effective_from=NOW, by="alice", now=NOW)
    again = StoredEdition.objects.get(pk=stored.pk)
    assert queries.compiled(again) == loading.load_packaged(pack)
    assert again.content_hash == loading.load_packaged(pack).content_hash


def test_nobody_publishes_their_own_draft() -> None:
    stored = drafted()
    for name in ("alice", " Alice "):
        with pytest.raises(Refused, match="a second person must publish it"):
            services.publish(stored=stored.pk, by=name, now=NOW)
    assert services.publish(stored=stored.pk, by="bob", now=NOW).state == "published"


def test_the_database_too_insists_on_two_people() -> None:
    stored = drafted()
    with pytest.raises(IntegrityError, match="edition_two_people"), transaction.atomic():
        StoredEdition.objects.filter(pk=stored.pk).update(state="published", published_by="alice", published_at=NOW)


def test_without_an_address_for_reports_nothing_is_published() -> None:
    stored = drafted(address="")
    with pytest.raises(Refused, match="intake address"):
        services.publish(stored=stored.pk, by="bob", now=NOW)
    with pytest.raises(IntegrityError, match="edition_published_whole"), transaction.atomic():
        StoredEdition.objects.filter(pk=stored.pk).update(state="published", published_by="bob", published_at=NOW)
    with pytest.raises(InputError, match="not a mail address"):
        drafted(address="abuse at example")


def test_only_the_first_edition_may_name_an_earlier_day() -> None:
    published("1", at=NOW - 400 * DAY)
    with pytest.raises(Refused, match="in the past"):
        published("2", at=NOW - DAY)
    with pytest.raises(Refused, match="another edition takes effect"):
        published("3", at=NOW - 400 * DAY, now=NOW - 500 * DAY)


CHANGES: list[dict[str, object]] = [
    {"content": {}}, {"content_hash": "0"}, {"effective_from": NOW + DAY}, {"intake_address": "x@example.org"},
    {"state": "draft"}, {"published_by": "dave"}, {"version": "9"}, {"drafted_by": "carol"}, {"brand": "b"},
    {"state": "withdrawn", "withdrawn_by": "bob", "withdrawn_at": NOW},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=[",".join(change) for change in CHANGES])
def test_the_database_refuses_to_change_what_is_published(change: dict[str, object]) -> None:
    stored = published()
    with pytest.raises(DatabaseError, match="it cannot be changed"), transaction.atomic():
        StoredEdition.objects.filter(pk=stored.pk).update(**change)


def test_the_database_refuses_to_delete_what_is_published() -> None:
    stored = published()
    with pytest.raises(DatabaseError, match="it cannot be deleted"), transaction.atomic():
        stored.delete()
    draft = drafted("2")
    draft.delete()


def test_publishing_cannot_slip_in_another_content() -> None:
    stored = drafted()
    with pytest.raises(DatabaseError, match="cannot be changed"), transaction.atomic():
        StoredEdition.objects.filter(pk=stored.pk).update(state="published", published_by="bob", published_at=NOW, content={})


def test_not_even_the_owner_of_the_tables_changes_a_published_edition(owner: psycopg.Connection) -> None:
    stored = published()
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="cannot be changed"):
        owner.execute("UPDATE policy_storededition SET content_hash = '' WHERE id = %s", [stored.pk])


def test_a_draft_may_be_replaced_a_published_version_not() -> None:
    first = drafted()
    second = services.draft(edition=edition(weather="1.1"), effective_from=NOW, intake_address=ADDRESS, by="carol", now=NOW)
    assert second.pk == first.pk and second.content_hash != first.content_hash and second.drafted_by == "carol"
    services.publish(stored=second.pk, by="bob", now=NOW)
    with pytest.raises(Refused, match="give the new text another version"):
        drafted()


def test_what_is_not_in_force_yet_may_be_withdrawn_and_never_was_in_force() -> None:
    published("1")
    later = published("2", at=NOW + 5 * DAY)
    with pytest.raises(Refused, match="needs a reason"):
        services.withdraw(stored=later.pk, by="bob", now=NOW, reason=" ")
    services.withdraw(stored=later.pk, by="bob", now=NOW, reason="clause 3 is unclear")
    found = queries.stored_in_force("", NOW + 9 * DAY)
    assert found is not None and found.version == "1"


def test_what_is_in_force_is_not_withdrawn() -> None:
    stored = published("1")
    with pytest.raises(Refused, match="publish a newer one instead"):
        services.withdraw(stored=stored.pk, by="bob", now=NOW, reason="doubts")


def test_the_edition_in_force_is_the_latest_that_had_taken_effect() -> None:
    published("1", at=NOW - 100 * DAY, now=NOW - 100 * DAY)
    published("2", at=NOW + DAY)
    drafted("3", at=NOW)
    assert queries.edition_in_force("", NOW - 101 * DAY) is None
    for moment, version in ((NOW - 100 * DAY, "1"), (NOW, "1"), (NOW + DAY, "2"), (NOW + 99 * DAY, "2")):
        found = queries.edition_in_force("", moment)
        assert found is not None and (found[0].version, found[1].version) == (version, version)


def test_a_brand_has_its_own_policy_or_the_providers() -> None:
    published("1", at=NOW - DAY)
    assert (found := queries.stored_in_force("north", NOW)) and found.brand == ""
    published("1", at=NOW, brand="north")
    assert (found := queries.stored_in_force("north", NOW)) and found.brand == "north"
    assert queries.stored_in_force("north", NOW - DAY) is None
    assert (found := queries.stored_in_force("", NOW)) and found.brand == ""


def test_all_published_editions_come_with_their_values_newest_first() -> None:
    published("1", at=NOW - DAY)
    published("2", at=NOW + DAY)
    drafted("3", at=NOW + 2 * DAY)
    assert [(row.version, values.version) for row, values in queries.published()] == [("2", "2"), ("1", "1")]
    assert queries.published("north") == []


def test_content_that_does_not_have_its_hash_is_not_used() -> None:
    stored = drafted()
    stored.content_hash = "0" * 64
    with pytest.raises(TipstaffError, match="does not have the hash"):
        queries.compiled(stored)


def test_an_edition_is_compiled_once() -> None:
    stored = drafted()
    assert queries.compiled(stored) is queries.compiled(StoredEdition.objects.get(pk=stored.pk))


def test_the_public_page_has_sections_versions_and_differences() -> None:
    with pytest.raises(NotFound, match="no policy is published"):
        queries.page("", NOW)
    published("1", at=NOW - DAY)
    second = services.draft(
        edition=edition("2", weather="1.1"), effective_from=NOW + DAY, intake_address=ADDRESS, by="alice", now=NOW
    )
    with pytest.raises(NotFound, match="no published edition"):
        queries.page("", NOW, "default/2")
    services.publish(stored=second.pk, by="bob", now=NOW)
    page = queries.page("", NOW)
    assert page.in_force and page.stored.version == "1" and page.changes == ()
    assert [row.version for row in page.versions] == ["2", "1"]
    newer = queries.page("", NOW, "default/2")
    assert not newer.in_force
    assert [str(change) for change in newer.changes] == ["aliases, weather: none → 1.1", "version: 1 → 2"]
    assert newer.sections[0].clauses[0].anchor == "clause-1.1"
    assert "weather" in newer.sections[0].clauses[0].names


def test_each_act_is_on_the_record() -> None:
    later = published("1", at=NOW + DAY)
    services.withdraw(stored=later.pk, by="bob", now=NOW, reason="unclear")
    rows = list(Entry.objects.filter(subject="edition:default/1").order_by("id").values_list("actor", "action", "reason"))
    assert rows == [("alice", "policy.draft", ""), ("bob", "policy.publish", ""), ("bob", "policy.withdraw", "unclear")]
    assert Entry.objects.filter(detail__content_hash=later.content_hash).count() == 3
