"""Every service that changes a case or an edition of the policy asks who it is, whichever face calls it."""

import inspect
import pkgutil
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

import tipstaff.cases
import tipstaff.policy
from tests.cases.resolving import NOW, Desk
from tipstaff.accounts import roles
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import (
    appeals,
    cooperation,
    forwarding,
    messages,
    rearranging,
    refusals,
    resolution,
    restriction,
    services,
    setting_apart,
    statements,
    stating,
    termination,
)
from tipstaff.cases.models import Case, CaseChange, Cooperation, JournalEntry, Notice
from tipstaff.kernel.errors import Refused
from tipstaff.policy import loading
from tipstaff.policy import services as editions
from tipstaff.policy.models import StoredEdition
from tipstaff.reports.models import Event

pytestmark = pytest.mark.django_db
WHY, TEXT = {"reason": "because"}, {"text": "said on the telephone"}
CASE: Any = object()  # stands for the number of Carol's case in the words below
EVENTS: Any = object()
DRAFT: Any = object()
BLOCK = {"kind": "block", "scope": "machine", "target": "192.0.2.7"}
PLAN = {"cause": "a plugin", "fix": "removed"}

#: Service → what it is called with beside ``by`` and ``now``.
SERVICES: dict[Callable[..., Any], dict[str, Any]] = {
    services.note: {"case": CASE, **TEXT},
    services.set_facts: {"case": CASE, "facts": {}},
    stating.state: {"case": CASE, "points": {"flow_proof": "seen"}},
    services.classify: {"case": CASE, "category": "spam"},
    services.close: {"case": CASE, "outcome": "CLOSED_FALSE", **WHY},
    services.reopen: {"case": CASE},
    services.open_by_hand: {"customer": 1, "category": "spam", "headline": "x", "description": "x"},
    services.relate: {"case": CASE, "other": CASE},
    rearranging.merge: {"cases": [0], "into": CASE},
    rearranging.split: {"case": CASE, "event_keys": EVENTS, **WHY},
    rearranging.move: {"to": CASE, "event_keys": EVENTS, **WHY},
    rearranging.undo: {"change": 0},
    messages.write: {"case": CASE, "audience": "customer", **TEXT},
    messages.take_back: {"messages": []},
    statements.acknowledge: {"case": CASE},
    statements.plan: {"case": CASE, **PLAN},
    statements.claim_fix: {"case": CASE, **TEXT},
    statements.dispute: {"case": CASE, **TEXT},
    statements.ask_extension: {"case": CASE, "until": NOW + timedelta(days=9), **WHY},
    statements.comment: {"case": CASE, **TEXT},
    appeals.file: {"case": CASE, "grounds": "it was not us"},
    forwarding.forward_to_client: {"case": CASE, "name": "Cleo", "email": "cleo@example.net"},
    cooperation.ask: {"case": CASE, "due_at": NOW + timedelta(days=2), **TEXT},
    resolution.rule: {"case": CASE, "kind": "fix", **WHY},
    resolution.accept_fix: {"case": CASE, **WHY},
    resolution.not_adequate: {"case": CASE, **WHY},
    resolution.leave_intact: {"case": CASE, **WHY},
    setting_apart.seal: {"case": CASE, **WHY},
    restriction.emergency: {"case": CASE, **BLOCK, **WHY},
    restriction.propose: {"case": CASE, **BLOCK, **WHY},
    restriction.restore: {"case": CASE, **WHY},
    termination.propose: {"case": CASE, **WHY},
    termination.immediate: {"case": CASE, **WHY},
    refusals.add: {"identities": ["Mallory"], "reason_code": "fraud", "note": "false card"},
    editions.draft: {"edition": loading.load_packaged("default"), "effective_from": NOW},
    editions.publish: {"stored": DRAFT},
    editions.withdraw: {"stored": DRAFT, **WHY},
}
#: Whatever works cases may do these; what takes more is asked for in the tests of those services.
ENOUGH = {**dict.fromkeys(SERVICES, roles.WORKERS), **dict.fromkeys((editions.draft, editions.publish, editions.withdraw),
                                                                    roles.ACTS["publish policy"])}  # fmt: skip
#: What these call to be sure of the role; asked before anything is written.
ASKING = (
    "people.require", "speaker(", "access.author(", "_may_review(", "_person(", "roles(by)", "rule(", "_ruled(", "_say(", "_row(",
    "_ask(", "row.reviewer", "by != row.by", "own closing", "require_named(",
)  # fmt: skip
#: Parts of services: what they are given was decided by a person whose role was asked, by the clock, or by enforcement.
INNER = {
    "advancing.advance", "advancing.advance_many", "corroborated.weigh", "disclosing.excerpt", "effects.lift", "journal.journal",
    "letters.announce", "letters.nobody_reached", "measures.catch_up", "measures.failed", "measures.in_force", "measures.lifted",
    "measures.lifted_many", "measures.ordered", "measures.refused", "measures.settle", "refusals.enter", "resolution.second",
    "retests.record", "statements.seen", "stating.owe",
    "timing.go_on",
    "timing.stand_still", "writing.write_journal", "writing.write_proofs",
    "wrong.propose_retractions", "wrong.put_right", "wrong.withdrawn",
}  # fmt: skip


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    StaffMember.objects.create(username="gone", roles=["lead", "counsel", "admin"], is_active=False)
    for role in roles.STAFF:
        StaffMember.objects.create(username=f"x{role}", roles=[role])
    return made


def name(service: Callable[..., Any]) -> str:
    return f"{service.__module__.rpartition('.')[2]}.{service.__name__}"


@pytest.mark.parametrize("service", SERVICES, ids=name)
def test_a_service_refuses_whoever_lacks_the_role_and_changes_nothing(service, desk: Desk) -> None:
    draft = editions.draft(edition=loading.load_packaged("managed-services"), effective_from=NOW, by="bob", now=NOW)
    given = ((CASE, desk.number), (EVENTS, list(Event.objects.values_list("key", flat=True))), (DRAFT, draft.pk))
    words = {key: next((own for mark, own in given if mark is value), value) for key, value in SERVICES[service].items()}
    before = state_of_things()
    lacking = [f"x{role}" for role in roles.STAFF if role not in ENOUGH[service]]
    for by in (*lacking, "gone", "nobody", "", "token:noc"):
        with pytest.raises(Refused):
            service(by=by, now=NOW, **words)
    assert len(lacking) >= 4 and state_of_things() == before


@pytest.mark.parametrize("service", [services.take, services.release], ids=name)
def test_nobody_who_works_no_cases_owns_one(service, desk: Desk) -> None:
    for by in ("gone", "xauditor", "xnetwork", "xbilling", "xliaison"):
        with pytest.raises(Refused):
            service(case_ids=[desk.number], by=StaffMember.objects.get(username=by), now=NOW)
    assert desk.case.owner is None


def state_of_things() -> list[Any]:
    kinds = (Case, JournalEntry, Notice, CaseChange, Cooperation, StoredEdition, Entry)
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


def writers(package: ModuleType) -> dict[str, Callable[..., Any]]:
    """Every function of the package that says who and when, by module and name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if "migrations" in module.name:
            continue
        for one, function in inspect.getmembers(import_module(module.name), inspect.isfunction):
            if (
                function.__module__ == module.name
                and one[0] != "_"
                and {"by", "now"} <= set(inspect.signature(function).parameters)
            ):
                found[name(function)] = function
    return found


def test_every_service_that_takes_a_person_asks_the_role() -> None:
    """A new one is not forgotten: it stands in the table, says in its own words whom it asks, or is a part of one that did."""
    found = writers(tipstaff.cases) | writers(tipstaff.policy)
    called = {name(service) for service in SERVICES}
    silent = {one for one, function in found.items() if not any(word in inspect.getsource(function) for word in ASKING)}
    assert silent == INNER & set(found) == INNER and called <= set(found)


def test_a_person_may_what_the_role_allows(desk: Desk) -> None:
    assert services.note(case=desk.number, **TEXT, by="alice", now=NOW).actor == "alice"
    assert statements.comment(case=desk.number, **TEXT, by=desk.carol, now=NOW).contact_id == desk.contact.pk
    assert statements.comment(case=desk.number, **TEXT, by="amy", now=NOW, via="desk").author == "amy"
    assert services.close(case=desk.number, outcome="CLOSED_FALSE", **WHY, by="colin", now=NOW).outcome == "CLOSED_FALSE"


def test_a_contact_says_what_a_customer_says_and_does_nothing_of_the_desks(desk: Desk) -> None:
    for service in (services.close, services.note, services.classify, rearranging.split, messages.write, cooperation.ask):
        words = {key: value for key, value in SERVICES[service].items() if value is not CASE and value is not EVENTS}
        with pytest.raises(Refused):
            service(
                case=desk.number, **words, **({"event_keys": []} if service is rearranging.split else {}), by=desk.carol, now=NOW
            )
    assert desk.case.closed_at is None
