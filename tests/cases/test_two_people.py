"""What takes two people takes people: no program agrees, nobody agrees to his own, and no stranger takes an appeal back."""

import pytest

from tests.cases.resolving import HOUR, Desk
from tipstaff.accounts.models import Contact, Customer
from tipstaff.cases import appeals, restriction, termination
from tipstaff.cases.models import Appeal, Approval, Measure
from tipstaff.kernel.errors import Refused

pytestmark = pytest.mark.django_db
WILL = "dedicated-hosting"


def test_no_program_and_no_stranger_approves_a_restriction() -> None:
    desk = Desk(WILL).wait(25 * HOUR)
    row = Approval.objects.get(case=desk.number)
    for by in ("system:clock", "system", "nobody", desk.carol, ""):
        with pytest.raises(Refused):
            desk.do(restriction.approve, approval=row.pk, by=by)
    row.refresh_from_db()
    assert row.approved_by is None and not Measure.objects.exists()


def test_whoever_asked_does_not_approve_whatever_his_role() -> None:
    desk = Desk(WILL)
    desk.wait(25 * HOUR)
    Approval.objects.filter(case=desk.number).update(requested_by="bob")
    with pytest.raises(Refused, match="own action"):
        desk.do(restriction.approve, approval=Approval.objects.get(case=desk.number).pk, by="bob")


def test_no_program_confirms_an_emergency_or_a_termination() -> None:
    desk = Desk(WILL, category="ddos_origin", ticket=False)
    made = desk.on(restriction.emergency, kind="block", scope="machine", target="192.0.2.7", reason="it floods", by="bob")
    for by, words in (("system:clock", "a program agrees to nothing"), ("bob", "his own")):
        with pytest.raises(Refused, match=words):
            desk.do(restriction.confirm_emergency, measure=made.pk, reason="goes on", by=by)
    asked = desk.on(termination.immediate, reason="fraud", by="bob")
    for by, words in (("system:clock", "a program agrees to nothing"), ("bob", "own action")):
        with pytest.raises(Refused, match=words):
            desk.do(termination.confirm, approval=asked.pk, by=by)
    assert desk.state != "TERMINATED"


def test_an_appeal_is_withdrawn_by_whoever_brought_it_and_decided_by_no_program() -> None:
    desk = Desk(WILL).wait(25 * HOUR)
    row = desk.on(appeals.file, grounds="no", by=desk.carol)
    dave = Customer.objects.create(name="Dave's friend", created_at=desk.now)
    stranger = Contact.objects.create(customer=dave, role="abuse", name="Dave", email="d@dave.example")
    for by in ("bob", "alice", f"contact:{stranger.pk}", "system:clock"):
        with pytest.raises(Refused):
            desk.do(appeals.withdraw, appeal=row.pk, by=by)
    with pytest.raises(Refused):
        desk.do(appeals.decide, appeal=row.pk, decision="upheld", reason="so be it", by="system:clock")
    desk.do(appeals.withdraw, appeal=row.pk, by=desk.carol)
    assert Appeal.objects.get().decision == "withdrawn"
