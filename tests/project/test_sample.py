"""The sample: loads quickly, tells its story, touches nothing else, and goes without a trace but for the record."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection, transaction

from tipstaff.accounts.models import Customer, InventorySource, Service, StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import appeals, queries
from tipstaff.cases.models import Case
from tipstaff.correspondence import local
from tipstaff.correspondence.models import Attempt, OutboxMessage
from tipstaff.enforcement import switches, worker
from tipstaff.enforcement.models import Credit, Order, OrderEntry
from tipstaff.evidence.models import Blob
from tipstaff.evidence.services import place_hold, release_hold
from tipstaff.faces.desk.models import SavedView
from tipstaff.intake.models import Source, Submission
from tipstaff.kernel import clock
from tipstaff.kernel.errors import Refused
from tipstaff.policy import queries as policy
from tipstaff.project import connections, sample
from tipstaff.project.samples import mails, people, resolving
from tipstaff.reports.models import Event, Report, Reporter, Rule, Tally

NOW = datetime(2026, 6, 15, 12, 34, tzinfo=UTC)
DOCUMENTATION = [ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker, tmp_path_factory):
    """The sample, loaded once for all tests here and rolled back at the end: what it said."""
    from django.conf import settings

    before, together = (settings.STATE, settings.EVIDENCE_STORE), worker.SIDE_BY_SIDE
    worker.SIDE_BY_SIDE = 1  # all in this one transaction: a thread's connection would not see the orders
    settings.STATE, settings.EVIDENCE_STORE = tmp_path_factory.mktemp("sample"), ""
    with django_db_blocker.unblock():
        cache.clear()
        with transaction.atomic():
            yield sample.load(now=NOW)
            transaction.set_rollback(True)
    settings.STATE, settings.EVIDENCE_STORE = before
    worker.SIDE_BY_SIDE = together
    cache.clear()


@pytest.fixture
def told(loaded, django_db_blocker):
    """What the sample said. What the test changes is undone."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield loaded
        transaction.set_rollback(True)


def overdue():
    return Case.objects.filter(closed_at__isnull=True, next_due_at__lt=NOW)


def test_the_schedule_is_the_same_each_time_and_of_about_two_hundred_messages():
    first = mails.schedule(NOW)
    assert first == mails.schedule(NOW)
    assert 190 <= len(first) <= 230
    assert all(NOW - timedelta(days=31) < one.at <= NOW for one in first)
    assert [one.at for one in first] == sorted(one.at for one in first)


@pytest.mark.parametrize("hour", [0, 4, 5, 23])
def test_the_schedule_holds_at_any_hour(hour):
    now = NOW.replace(hour=hour, minute=10)
    assert all(now - timedelta(days=32) < one.at <= now for one in mails.schedule(now))


def test_every_message_says_that_it_is_a_sample_and_names_nobody_real():
    for one in mails.schedule(NOW):
        text = one.content.decode()
        assert "SAMPLE" in text or "sample" in one.filename, text[:300]
        for domain in re.findall(r"@([a-z0-9.-]+)", text):
            assert domain.endswith(".example"), domain
        for found in re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", text):
            assert any(ip_address(found) in net for net in DOCUMENTATION), found


def test_the_story_is_told(told):
    (late,) = overdue()
    assert (late.customer.name, late.category, late.headline, late.state) == (
        "Larkfield Web GmbH",
        "phishing",
        mails.OVERDUE,
        "TICKETED",
    )
    assert late.owner.username == "alice"
    assert f"/cases/{late.pk}/" in told
    assert queries.counts(now=NOW)["oldest"] == (late.next_due_at, late.pk), "Home opens the very case that is told"
    assert "contract" in late.needs_person and "nobody knows" not in late.needs_person, "the customer was reached: silence counts"
    notice = OutboxMessage.objects.get(reference=f"case:{late.pk}", kind="opened", recipient="abuse@larkfield-web.example")
    assert notice.state == "sent" and notice.sent_at - late.opened_at < timedelta(hours=1)
    halden = Case.objects.filter(customer__name="Halden Mail AS", category="spam").order_by("opened_at")
    assert [case.state for case in halden] == ["RESOLVED", "RESOLVED", "RESOLVED", "DISCONNECTED"]
    child = Case.objects.get(customer__name="Tern Games", category="malware")
    assert child.parent.customer.name == "Ostrava Data s.r.o."
    assert child.resolve_due_at < child.parent.resolve_due_at


def test_letters_went_to_the_local_outbox_and_nowhere_else(told, loaded):
    assert set(OutboxMessage.objects.values_list("state", flat=True)) == {"sent"}
    assert set(Attempt.objects.values_list("server", "answer")) == {(local.NAME, local.KEPT)}
    files = list(resolving.outbox_directory().iterdir())
    assert len(files) == OutboxMessage.objects.count() and all(path.suffix == ".eml" for path in files)


def test_customers_answered_were_blocked_appealed_and_one_was_right(told):
    cast = resolving.cast()
    assert set(cast) == {"acknowledged", "disconnected", "appeal", "credit"}
    assert all(f"#{case.pk} " in told for case in cast.values()), told
    assert (
        cast["acknowledged"].statements.filter(kind="plan").exists() and cast["acknowledged"].customer.name == "Larkfield Web GmbH"
    )
    order = Order.objects.get(case=cast["disconnected"])
    assert (order.state, order.endpoint.connector, order.target) == ("verified", "journal", f"{mails.SPAMMER}/32 tcp/25")
    assert "simulation" in " ".join(order.plan)
    waiting = cast["appeal"].appeals.get(decided_at=None)
    assert "bob" not in appeals.involved(cast["appeal"].pk) and waiting.grounds, "Bob had no part, so he can decide"
    assert cast["credit"].appeals.get().decision == "overturned" and cast["credit"].state == "CLOSED_FALSE"
    assert Credit.objects.get().interruption.case == cast["credit"] and Credit.objects.get().seconds > 3600


def test_the_customers_link_opens_the_case_that_is_told(told, client):
    (late,) = overdue()
    link = re.search(r"http://[^/]+(/c/\S+)", told)[1]
    with clock.frozen(NOW):
        page = client.get(link, follow=True)
    assert page.status_code == 200 and f"#{late.pk}" in page.content.decode()


def test_it_is_not_loaded_where_mail_leaves(told, settings):
    settings.SENDING = True
    with pytest.raises(Refused, match="TIPSTAFF_SENDING"):
        sample.load(now=NOW)


def test_what_a_machine_could_not_decide_waits_with_its_reason(told):
    states = dict(Submission.objects.values_list("state").order_by("state").distinct().values_list("state", "state"))
    assert {"parsed", "set_aside", "needs_person", "sealed"} <= set(states)
    reasons = " ".join(Submission.objects.filter(state="needs_person").values_list("reason", flat=True))
    for word in ("ambiguous", "not assigned then", "no address", "invalid XARF"):
        assert word in reasons
    assert not Submission.objects.filter(state__in=["received", "failed"]).exists()
    sealed = Submission.objects.get(state="sealed")
    assert (sealed.subject, sealed.sender, sealed.trace) == ("", "", [])
    assert Source.objects.get(name=mails.CERT).silent_since is not None
    assert Case.objects.filter(customer__name="Fjordnett Access", provisional=True, state="TRIAGE").exists()
    assert Case.objects.get(customer__name="St. Brannoc Hospital").state == "TRIAGE"


def test_whose_it_was_then_decides(told):
    holders = Event.objects.filter(ip=mails.MOVED).order_by("received_at").values_list("customer_id", flat=True)
    names = dict(Customer.objects.values_list("pk", "name"))
    assert [names[holder] for holder in holders] == ["Larkfield Web GmbH", "Meridian Cloud"]


def test_dates_are_plausible(told):
    cases = list(Case.objects.all())
    assert min(case.opened_at for case in cases) < NOW - timedelta(days=25)
    ended = [(case.pk, case.state, case.category, case.opened_at, case.closed_at) for case in cases if case.closed_at]
    assert [row for row in ended if not row[3] < row[4] <= NOW] == []
    assert 10 <= sum(case.closed_at is None for case in cases) <= 40
    assert all(entry.at <= NOW for case in cases for entry in case.journal.all())
    assert not Event.objects.filter(received_at__gt=NOW).exists()


def test_two_people_published_the_policy_and_it_has_two_editions(told):
    page = policy.page("", NOW)
    assert page.edition.version == "sample-2"
    assert len(page.versions) == 2
    assert any(change.section == "clauses" for change in page.changes)
    assert page.stored.drafted_by != page.stored.published_by


def test_the_passwords_told_are_those_that_work(told, client):
    for name in ("alice", "bob"):
        password = re.search(rf"{name}\s+password (\S+)", told)[1]
        assert client.login(username=name, password=password)
    assert not StaffMember.objects.get(username="erin").has_usable_password()


def test_it_goes_into_an_empty_instance_only(told):
    with pytest.raises(Refused):
        sample.load(now=NOW)


@pytest.fixture
def owner_erases(told, monkeypatch):
    """In the product the owner deletes what is append-only, on a connection of its own; here all is one transaction."""
    tables, known = "enforcement_orderentry, enforcement_credit, accounts_contractterms", connection.settings_dict
    place = {"host": str(known["HOST"]), "port": int(known["PORT"]) if known["PORT"] else None}
    address = connections.url(user=connections.OWNER, database=str(known["NAME"]), password=str(known["PASSWORD"]), **place)
    with psycopg.connect(address, autocommit=True) as owner:
        owner.execute(f"GRANT DELETE ON {tables} TO {connections.APP}")
        monkeypatch.setattr(sample, "as_owner", connection.cursor)
        yield told
        owner.execute(f"REVOKE DELETE ON {tables} FROM {connections.APP}")


def test_what_a_hold_reaches_of_the_sample_is_not_erased(told):
    case = Case.objects.filter(customer__external_id__startswith=people.PREFIX).order_by("pk")[0]
    for scope in (f"case:{case.pk}", f"customer:{case.customer_id}"):
        hold = place_hold(scope=scope, reason="court order", by="bob", now=NOW)
        with pytest.raises(Refused, match="a hold reaches a part of the sample"):
            sample.erase(now=NOW, by="bob")
        release_hold(hold=hold, by="cora", reason="over", now=NOW)
    assert sample.is_loaded() and Case.objects.filter(pk=case.pk).exists()


def test_erasing_leaves_what_is_ours_and_the_record(told, owner_erases):
    own = Customer.objects.create(name="Own customer", external_id="C-1", created_at=NOW)
    Service.objects.create(customer=own, name="own", external_id="S-1")
    Rule.objects.create(position=9, name="own rule", action="digest", by="carol", at=NOW)
    said = sample.erase(now=NOW, by="bob")
    assert "customers" in said
    assert list(Customer.objects.values_list("name", flat=True)) == ["Own customer"]
    assert list(Rule.objects.values_list("name", flat=True)) == ["own rule"]
    for model in (
        Case,
        Order,
        OrderEntry,
        Credit,
        Report,
        Event,
        Submission,
        Source,
        OutboxMessage,
        Reporter,
        Tally,
        SavedView,
        InventorySource,
    ):
        assert not model.objects.exists(), model.__name__
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()
    assert list(StaffMember.objects.values_list("username", flat=True)) == ["bob"]
    assert Entry.objects.filter(action="sample.erase", actor="bob").exists()
    assert not sample.is_loaded() and not resolving.outbox_directory().exists() and not resolving.gateway_file().exists()
    assert not switches.current().live, "orders act on nothing again"


def test_one_click_erases_it_and_only_a_leads(told, client, owner_erases):
    client.force_login(StaffMember.objects.get(username="alice"))
    assert "A lead or an admin can" in client.get("/sample/").content.decode()
    assert client.post("/sample/").status_code == 403 and sample.is_loaded()
    client.force_login(StaffMember.objects.get(username="bob"))
    assert "Erased:" in client.post("/sample/").content.decode()
    assert not sample.is_loaded()
    assert "There is none here" in client.get("/sample/").content.decode(), "Bob is still signed in"
    client.logout()
    assert client.get("/sample/").url.startswith("/login/")


def test_after_erasing_the_operator_publishes_a_policy_of_their_own(told, owner_erases):
    from tipstaff.policy import loading, services

    sample.erase(now=NOW, by="bob")
    for name in ("carol", "dave"):
        StaffMember.objects.create(username=name, roles=["lead"])
    stored = services.draft(edition=loading.load_packaged("default"), effective_from=NOW + timedelta(hours=1), by="carol", now=NOW,
                            intake_address="abuse@own.example")  # fmt: skip
    services.publish(stored=stored.pk, by="dave", now=NOW)
    assert policy.page("", NOW + timedelta(days=1)).stored.intake_address == "abuse@own.example"
    assert people.INTAKE_ADDRESS != "abuse@own.example"
