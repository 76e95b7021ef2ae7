"""The sealed queue's decisions: handled, or sealed by mistake as two people say. Nothing is ever shown."""

from uuid import UUID

import pytest

from tests.faces.desk import factory
from tipstaff.audit.models import Entry
from tipstaff.cases import setting_apart
from tipstaff.cases.models import Case
from tipstaff.evidence.models import Blob, Opening
from tipstaff.intake.clearance import is_cleared
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.sealing import packaged_words
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline.reading import Reader

MISTAKE = {"said": "The hotline says that the number is not theirs."}


@pytest.fixture
def sam(desk, signed_in):
    return signed_in("sam")


@pytest.fixture
def sofia(desk, signed_in):
    return signed_in("sofia")


def address(desk, action: str) -> str:
    return f"/sealed/{desk.sealed.pk}/{action}/"


def test_handled_needs_the_authoritys_number_and_stays_sealed(desk, sam) -> None:
    assert sam.post(address(desk, "handled"), {"said": " "}).status_code == 422
    assert sam.post(address(desk, "handled"), {"said": "BKA 2026/1234"}).status_code == 302
    desk.sealed.refresh_from_db()
    assert (desk.sealed.state, desk.sealed.decided_by, desk.sealed.due_at) == ("sealed", "sam", None)
    assert Entry.objects.get(action="sealed.handled").detail["reference"] == "BKA 2026/1234"
    assert "BKA 2026/1234" in sam.get("/sealed/").content.decode()
    assert sam.post(address(desk, "mistake"), MISTAKE).status_code == 409


def test_one_person_alone_never_takes_a_seal_off(desk, sam) -> None:
    assert sam.post(address(desk, "confirm")).status_code == 409
    sam.post(address(desk, "mistake"), MISTAKE)
    assert sam.post(address(desk, "confirm")).status_code == 409
    assert sam.post(address(desk, "mistake"), MISTAKE).status_code == 409
    desk.sealed.refresh_from_db()
    assert desk.sealed.state == "sealed" and not is_cleared(desk.sealed.envelope)
    assert "Another person confirms this" in sam.get("/sealed/").content.decode()


def test_two_people_take_it_off_with_every_copy_and_all_is_recorded(desk, sam, sofia) -> None:
    copy = factory.submission(
        desk, b"From: x@trap.example\n\nharmless placeholder", subject="", sender="", state="sealed", at=desk.now
    )
    sam.post(address(desk, "mistake"), MISTAKE)
    text = sofia.get("/sealed/").content.decode()
    assert "Sam says it was sealed by mistake" in text and "harmless placeholder" not in text
    assert sofia.post(address(desk, "confirm")).status_code == 302
    for row in (desk.sealed, copy):
        row.refresh_from_db()
        assert row.state == "received" and is_cleared(row.envelope)
    blob = Blob.objects.get(pk=desk.sealed.blob_id)
    assert blob.evidence_class == "mail" and blob.retain_until
    entry = Entry.objects.get(action="sealed.clear")
    assert (entry.actor, entry.detail["proposed_by"]) == ("sofia", "sam") and len(entry.detail["submissions"]) == 2
    assert Entry.objects.filter(action="evidence.unseal").exists() and Entry.objects.filter(action="sealed.propose").exists()
    assert not Opening.objects.filter(blob=blob).exists()


def test_the_second_person_may_keep_it_sealed(desk, sam, sofia) -> None:
    sam.post(address(desk, "mistake"), MISTAKE)
    sofia.post(address(desk, "keep"))
    assert sofia.post(address(desk, "confirm")).status_code == 409
    desk.sealed.refresh_from_db()
    assert desk.sealed.state == "sealed"
    assert Entry.objects.get(action="sealed.keep").actor == "sofia"


def test_what_was_reduced_to_digests_cannot_be_read_again(desk, sam) -> None:
    Blob.objects.filter(pk=desk.sealed.blob_id).update(media_type="application/json")
    assert sam.post(address(desk, "mistake"), MISTAKE).status_code == 409


@pytest.mark.parametrize("action", ["handled", "mistake", "confirm", "keep"])
@pytest.mark.parametrize("name", ["alice", "bob", "amir"])
def test_nobody_else_decides(desk, signed_in, name: str, action: str) -> None:
    assert signed_in(name).post(address(desk, action), MISTAKE).status_code == 403


def test_only_two_different_people_count() -> None:
    assert not is_cleared({"clearance": {"proposed_by": "sam"}})
    assert not is_cleared({"clearance": {"proposed_by": "sam", "confirmed_by": "sam"}})
    assert not is_cleared({"clearance": "sam, sofia"}) and not is_cleared({})
    assert is_cleared({"clearance": {"proposed_by": "sam", "confirmed_by": "sofia"}})


def _mail() -> bytes:
    """A mail that a structure's type seals, whatever the word of the package for it is."""
    word = min(packaged_words().types)
    return f'From: rita@example.org\nSubject: report\nContent-Type: application/json\n\n{{"type": "{word}"}}'.encode()


def test_reading_honours_the_clearance_and_nothing_else(desk) -> None:
    assert all(draft.sealed for draft in read_submission(_mail()))
    again = read_submission(_mail(), Hints(seal_cleared=True))
    assert again and not any(draft.sealed or draft.category == "csam" for draft in again)
    desk.sealed.envelope = {"clearance": {"proposed_by": "sam", "confirmed_by": "sofia"}}
    reader = Reader()
    assert reader.hints(_InHand(desk.sealed)).seal_cleared
    desk.sealed.envelope = {"mail_from": "sam@example.org"}
    assert not reader.hints(_InHand(desk.sealed)).seal_cleared


class _InHand:
    def __init__(self, row) -> None:
        self.id: UUID = row.pk
        self.source, self.kind, self.filename = row.source.name, row.source.kind, row.filename
        self.received_at, self.envelope, self.content = row.received_at, row.envelope, b""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_forms_open_within_the_window(opened) -> None:
    factory.sample(clock_now(), filler=0)
    page = opened("sofia")
    page.goto("/sealed/")
    for fold in page.locator("td summary").all():
        fold.click()
        box = page.locator("details[open] .pop").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 1440


def test_a_second_person_agrees_that_a_case_stays_apart(desk, sam, sofia) -> None:
    case = Case.objects.filter(state="TRIAGE").first()
    setting_apart.seal(case=case.pk, reason="a threat to a life", by="alice", now=desk.now)
    ruling = case.rulings.get(kind="sealed")
    assert "Agree…" in sam.get("/sealed/").content.decode()
    assert sam.post(f"/sealed/apart/{ruling.pk}/", {"said": "A-17"}).status_code == 302
    assert sofia.post(f"/sealed/apart/{ruling.pk}/").status_code == 409
    text = sofia.get("/sealed/").content.decode()
    assert "Agree…" not in text and text.count("Sam, ") == 1
