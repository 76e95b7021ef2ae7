"""What people do to cases."""

from datetime import timedelta

import pytest

from tests.pipeline.given import CAROL, DAVE, NOW, colleagues, deliver, event, provider, report
from tipstaff.accounts import contracts
from tipstaff.accounts.models import Contact, Customer, StaffMember
from tipstaff.cases import advancing, letters, services
from tipstaff.cases.models import Case
from tipstaff.correspondence.models import OutboxMessage
from tipstaff.kernel.errors import InputError, NotFound, Refused

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def triage():
    provider()
    deliver(report(event(CAROL), category_from="keyword phishing (en)"), kind="smtp")
    return Case.objects.get()


@pytest.fixture(autouse=True)
def alice(db):
    """Alice works here, and Bob."""
    return colleagues()["alice"]


def test_classifying_starts_the_customers_clocks_and_tells_the_customer(triage):
    Contact.objects.create(customer=triage.customer, name="Carol", email="abuse@carol.example")
    case = services.classify(case=triage.pk, category="phishing", by="alice", now=LATER)
    assert (case.state, case.ticketed_at, case.waiting_on) == ("TICKETED", LATER, "customer")
    assert case.resolve_due_at == LATER + timedelta(hours=4)
    assert [(row.kind, row.audience) for row in case.notices.all()] == [("opened", "customer")]


def test_another_category_regroups_the_case(triage):
    case = services.classify(case=triage.pk, category="malware", by="alice", now=LATER, ticket=False, reason="it is a dropper")
    assert (case.category, case.state) == ("malware", "TRIAGE")
    deliver(report(event(CAROL, at=NOW), category="malware"), now=LATER)
    assert Case.objects.get().events == 2


def test_a_fact_that_the_policy_requires_before_a_ticket_blocks_it(triage):
    from tipstaff.policy import queries

    edition = queries.compiled(triage.edition)
    needy = next(code for code, kind in edition.categories.items()
                 if any(edition.facts[fact].before == "ticket" for fact in kind.required_facts))  # fmt: skip
    with pytest.raises(Refused, match="requires"):
        services.classify(case=triage.pk, category=needy, by="alice", now=LATER)
    assert Case.objects.get().category == "phishing"


def test_facts_take_only_the_values_of_the_edition(triage):
    with pytest.raises(InputError) as refusal:
        services.set_facts(case=triage.pk, facts={"fault": "whoever", "colour": "red"}, by="alice", now=LATER)
    assert {problem.where for problem in refusal.value.problems} == {"fault", "colour"}
    case = services.set_facts(case=triage.pk, facts={"fault": "compromised"}, by="alice", now=LATER)
    assert case.fault == "compromised" and case.journal.filter(kind="fact").count() == 1


def test_a_contract_lengthens_the_time(triage):
    Customer.objects.filter(pk=triage.customer_id).update(contract={"notice_hours": 96})
    case = services.classify(case=triage.pk, category="scan", by="alice", now=LATER)
    assert case.resolve_due_at == LATER + timedelta(hours=96)


@pytest.mark.parametrize(("since", "hours"), [(None, 24), (NOW, 96)])
def test_a_case_goes_by_the_contract_that_was_in_force_when_it_was_opened(triage, since, hours):
    terms = {"notice_hours": 96, "notice_roles": ["technical"]}
    contracts.change(customer=triage.customer_id, terms=terms, reason="a rider", by="bob", now=LATER, from_at=since)
    for role in ("abuse", "technical"):
        Contact.objects.create(customer=triage.customer, name=role, email=f"{role}@carol.example", role=role)
    case = services.classify(case=triage.pk, category="scan", by="alice", now=LATER)
    assert case.resolve_due_at == LATER + timedelta(hours=hours)
    assert [to.name for to in letters.customers(case, "reminder")] == (["abuse"] if since is None else ["technical"])
    deliver(report(event(DAVE)), now=LATER)
    later = Case.objects.exclude(pk=case.pk).get()
    contracts.change(customer=later.customer_id, terms=terms, reason="a rider", by="bob", now=LATER - timedelta(minutes=1))
    assert advancing.locked([case.pk, later.pk])[later.pk].customer.contract == terms, "agreed before that one was opened"


def test_taking_reports_an_error_for_each_case_that_cannot_be_taken(triage, alice):
    errors = services.take(case_ids=[triage.pk, 999], by=alice, now=LATER)
    triage.refresh_from_db()
    assert triage.owner == alice and list(errors) == [999]
    services.release(case_ids=[triage.pk], by=alice, now=LATER)
    triage.refresh_from_db()
    assert triage.owner is None


def test_closing_needs_a_reason_and_a_known_outcome(triage):
    with pytest.raises(InputError, match="reason"):
        services.close(case=triage.pk, outcome="RESOLVED", reason="", by="alice", now=LATER)
    with pytest.raises(InputError, match="outcome"):
        services.close(case=triage.pk, outcome="GONE", reason="x", by="alice", now=LATER)
    with pytest.raises(NotFound):
        services.close(case=999, outcome="RESOLVED", reason="x", by="alice", now=LATER)


def test_ones_own_closing_is_undone_within_seconds_only(triage):
    before = triage.next_due_at
    services.close(case=triage.pk, outcome="CLOSED_FALSE", reason="no such page", by="alice", now=LATER)
    with pytest.raises(Refused):
        services.reopen(case=triage.pk, by="bob", now=LATER)
    case = services.reopen(case=triage.pk, by="alice", now=LATER + timedelta(seconds=8))
    assert (case.state, case.closed_at, case.accepting, case.next_due_at) == ("TRIAGE", None, True, before)
    services.close(case=triage.pk, outcome="CLOSED_FALSE", reason="no such page", by="alice", now=LATER)
    with pytest.raises(Refused):
        services.reopen(case=triage.pk, by="alice", now=LATER + timedelta(minutes=5))


def test_a_case_by_hand_joins_the_open_one_of_its_kind(triage):
    same = services.open_by_hand(customer=triage.customer_id, service=triage.service_id, category="phishing", headline=CAROL,
                                 description="a call from the bank", by="alice", now=LATER)  # fmt: skip
    assert same.pk == triage.pk and same.journal.filter(kind="note").exists()
    other = services.open_by_hand(
        customer=triage.customer_id, category="spam", headline=CAROL, description="a call", by="alice", now=LATER
    )
    assert other.state == "TRIAGE" and other.opened_by == "alice" and other.desk_due_at > LATER


def test_a_note_is_internal_whatever_is_written(triage):
    entry = services.note(case=triage.pk, text=" ask Bob ", by="alice", now=LATER)
    assert entry.internal and entry.text == "ask Bob"
    assert not OutboxMessage.objects.exists()


def test_the_journal_of_owners_does_not_repeat_who_acted(triage, alice):
    bob = StaffMember.objects.get(username="bob")
    services.take(case_ids=[triage.pk], by=bob, now=LATER)
    services.take(case_ids=[triage.pk], by=alice, now=LATER)
    services.release(case_ids=[triage.pk], by=alice, now=LATER)
    lines = triage.journal.filter(kind="owner").order_by("id").values_list("actor", "text")
    assert list(lines) == [("bob", "took the case"), ("alice", "took the case from bob"), ("alice", "gave the case back")]
