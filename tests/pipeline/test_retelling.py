"""What a broken wording kept from being told is told once it is mended: once, and with the case's word on it."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, NOW, deliver, event, provider, report
from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases.models import Case, JournalEntry, Notice
from tipstaff.correspondence import wordings
from tipstaff.correspondence.catalogue import Source
from tipstaff.correspondence.models import OutboxMessage, Wording
from tipstaff.pipeline import telling
from tipstaff.pipeline.retelling import Retelling

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=2)


@pytest.fixture
def case():
    """Ticketed while the operator's words for it were broken: nobody was told."""
    provider()
    Contact.objects.create(customer=Customer.objects.get(name="Carol"), name="Carol Meyer", email="abuse@carol.example")
    Wording.objects.create(kind="opened", language="en", subject="x", body="{% if y %}", at=NOW - timedelta(days=1), by="bob")
    deliver(report(event(CAROL)))
    telling.tell(now=NOW)
    found = Case.objects.get()
    assert not OutboxMessage.objects.exists() and telling.WORDING in found.needs_person
    return found


def mend(at=LATER):
    wordings.keep(kind="opened", language="en", source=Source("Ours: {{ where }}", "{{ contact }}, look."), by="bob", now=at)


def test_a_mended_wording_tells_it_once(case):
    one = Retelling()
    assert one.step(NOW) == 0, "nothing has changed since it was refused"
    mend()
    assert one.step(LATER) == 1 and one.step(LATER) == 0 and Retelling().step(LATER) == 0
    row = OutboxMessage.objects.get()
    assert row.subject.endswith(f"Ours: {CAROL}") and row.recipient == "abuse@carol.example"
    notice = Notice.objects.get(kind="opened")
    assert (notice.rendered_at, notice.refused) == (LATER, "")
    case.refresh_from_db()
    assert case.needs_person == "", "nobody need see to it any more"
    assert "its wording was mended" in JournalEntry.objects.filter(case=case, kind="mail").latest("pk").text


def test_going_back_to_the_packaged_words_mends_it_too(case):
    assert wordings.go_back(kind="opened", language="en", by="bob", now=LATER)
    assert Retelling().step(LATER) == 1
    assert "please acknowledge" in OutboxMessage.objects.get().subject


def test_what_still_cannot_be_used_stays_refused_and_is_said_once(case):
    before = JournalEntry.objects.filter(case=case).count()
    wordings.keep(kind="reminder", language="en", source=Source("A word", "Remember."), by="bob", now=LATER)
    assert Retelling().step(LATER) == 0
    assert Notice.objects.get(kind="opened").refused.startswith(telling.WORDING)
    assert JournalEntry.objects.filter(case=case).count() == before


def test_a_case_that_has_ended_meanwhile_is_not_announced(case):
    Case.objects.filter(pk=case.pk).update(closed_at=LATER, state="CLOSED_FALSE")
    mend()
    assert Retelling().step(LATER) == 0 and not OutboxMessage.objects.exists()
