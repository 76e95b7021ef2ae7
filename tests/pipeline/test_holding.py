"""Holds as people place and release them: who may, on what, and that each kind of scope is honoured by what erases."""

import re
import time
from datetime import timedelta
from pathlib import Path
from threading import Thread

import orjson
import psycopg
import pytest
from click.testing import CliRunner
from django.db import connection, transaction

import tipstaff
from tests.pipeline.given import CAROL, DAVE, EMMA, NOW, colleagues, deliver, event, provider, report
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.audit.models import Entry
from tipstaff.cases import knowing
from tipstaff.cases.models import Case
from tipstaff.cases.states import Event as CaseEvent
from tipstaff.evidence import scopes, services
from tipstaff.evidence.models import Blob, Hold
from tipstaff.faces.cli.evidence import evidence
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.pipeline import holding, sweeping
from tipstaff.pipeline import holds as reach
from tipstaff.reports.models import Report
from tipstaff.sensors.traffic import queries as flows

LATER = NOW + timedelta(days=1000)
SHA = "ab" * 32


class TestScopes:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [("all", "all"), (" Flows ", "flows"), ("case:007", "case:7"), ("Customer: 12", "customer:12"), ("report:9", "report:9"),
         (f"BLOB:{SHA.upper()}", f"blob:{SHA}")],
    )  # fmt: skip
    def test_one_form_whatever_people_write(self, text, meant):
        assert str(scopes.parse(text)) == meant and scopes.parse(meant) == scopes.parse(text)

    @pytest.mark.parametrize(
        ("text", "what"),
        [("", "nothing that a hold"), ("cases:7", "nothing that a hold"), ("7", "nothing that a hold"), ("all:7", "stands alone"),
         ("case", "no number of a case"), ("case:-1", "no number"), ("case:٣", "no number"), (f"case:{'9' * 19}", "no number"),
         ("customer:carol", "no number of a customer"), ("blob:ab", "no SHA-256"), (f"blob:{'x' * 64}", "no SHA-256")],
    )  # fmt: skip
    def test_anything_else_says_what_is_wrong_and_what_to_write(self, text, what):
        with pytest.raises(InputError, match=what) as refused:
            scopes.parse(text)
        assert refused.value.problems[0].where == "scope" and refused.value.problems[0].advice

    def test_every_scope_that_something_asks_for_can_be_placed(self):
        """Words before a colon, next to the holds' column, in every module that reads holds."""
        asked = set()
        for file in Path(tipstaff.__file__).parent.rglob("*.py"):
            text = file.read_text()
            if "evidence_hold" in text or "Hold.objects" in text:
                asked |= set(re.findall(r"scope = '(\w+):?'", text)) | set(re.findall(r"""['"](\w+):['"] \|\|""", text))
                asked |= set(re.findall(r'startswith="(\w+):"', text)) | set(re.findall(r'"(\w+)" in scopes', text))
        assert asked == set(scopes.KINDS)


@pytest.fixture
def desk(db):
    provider()
    deliver(report(event(CAROL)))
    return colleagues(alice="analyst", bob="lead", colin="counsel", cora="counsel", adam="admin", otto="auditor")


def place(scope="all", by="bob", reason="court order 7/26"):
    return holding.place(scope=scope, reason=reason, by=by, now=NOW)


def release(number, by="colin", reason="lifted by the court"):
    return holding.release(number=number, reason=reason, by=by, now=LATER)


def things():
    return {
        "all": "all",
        "flows": "flows",
        "case": f"case:{Case.objects.get().pk}",
        "customer": f"customer:{Case.objects.get().customer_id}",
        "report": f"report:{Report.objects.get().pk}",
        "blob": f"blob:{bytes(Blob.objects.get().sha256).hex()}",
    }


@pytest.mark.parametrize("kind", scopes.KINDS)
def test_each_kind_is_honoured_until_it_is_released(desk, kind):
    placed = place(things()[kind])
    Blob.objects.update(retain_until=NOW)
    kept = flows.held()
    assert (kept["all"] or bool(kept["customers"])) == (kind in {"all", "flows", "customer"})
    assert services.expire(held=reach.blobs, now=LATER) == (1 if kind == "flows" else 0)
    release(placed.hold.pk)
    assert flows.held() == {"all": False, "customers": []} and not reach.in_force().cases
    services.expire(held=reach.blobs, now=LATER)
    assert not Blob.objects.filter(wrapped_key__isnull=False).exists()


@pytest.mark.parametrize("kind", scopes.KINDS)
def test_each_kind_keeps_what_would_be_erased_at_once(desk, kind):
    placed = place(things()[kind])
    blob = Blob.objects.get()
    gone = services.erase_unseen(blob=blob, held=reach.blobs, reason="test", by="system:test", now=NOW)
    assert gone == (kind == "flows") == (Blob.objects.get().wrapped_key is None)
    release(placed.hold.pk)
    if kind != "flows":
        assert services.erase_unseen(blob=blob, held=reach.blobs, reason="test", by="system:test", now=NOW)


def test_a_hold_on_another_keeps_nothing_of_this_one(desk):
    dave = Customer.objects.get(name="Dave")
    place(f"customer:{dave.pk}")
    assert services.erase_unseen(blob=Blob.objects.get(), held=reach.blobs, reason="test", by="system:test", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_a_hold_placed_between_two_batches_of_an_expiry_stops_the_second(desk, monkeypatch):
    deliver(report(event(DAVE)), report(event(EMMA)))
    Blob.objects.update(retain_until=NOW)
    total = Blob.objects.count()
    monkeypatch.setattr(sweeping, "ERASED_AT_ONCE", 1)
    erase, batches = services._erase, []

    def erase_and_place(blobs, **more):
        batches.append(len(blobs))
        done = erase(blobs, **more)
        if len(batches) == 1:  # after this transaction, as another would
            transaction.on_commit(lambda: services.place_hold(scope="all", reason="court order", by="bob", now=LATER))
        return done

    monkeypatch.setattr(services, "_erase", erase_and_place)
    sweeping.expire(now=LATER)
    assert batches == [1] and Blob.objects.filter(wrapped_key__isnull=False).count() == total - 1 >= 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["all", "case", "customer", "report", "blob"])
def test_a_hold_that_is_being_placed_is_waited_for_and_heard(desk, kind, database_url):
    """The other transaction inserts its hold first and commits while the expiry waits."""
    Blob.objects.update(retain_until=NOW)
    scope = things()[kind]
    with psycopg.connect(database_url) as other:
        other.execute(
            "INSERT INTO evidence_hold (scope, reason, placed_by, placed_at) VALUES (%s, 'order', 'bob', %s)", [scope, NOW]
        )
        waiting = Thread(target=in_a_thread, args=(lambda: services.expire(held=reach.blobs, now=LATER),))
        waiting.start()
        wait_for(lambda: waits_for_a_lock("evidence_hold"))
        other.commit()
    waiting.join(60)
    assert not waiting.is_alive() and Blob.objects.get().wrapped_key is not None


@pytest.mark.django_db(transaction=True)
def test_whoever_places_a_hold_while_something_is_erased_waits_until_it_is_known_what(desk, database_url):
    blob = Blob.objects.get()
    placed = []
    with transaction.atomic():
        services.erase_unseen(blob=blob, held=reach.blobs, reason="test", by="system:test", now=NOW)
        waiting = Thread(target=in_a_thread, args=(lambda: placed.append(services.place_hold(
            scope="all", reason="order", by="bob", now=NOW)),))  # fmt: skip
        waiting.start()
        wait_for(lambda: waits_for_a_lock("evidence_hold"))
        assert not placed
    waiting.join(60)
    assert len(placed) == 1 and Blob.objects.get().wrapped_key is None


def waits_for_a_lock(table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass", [table])
        return cursor.fetchone()[0]


def wait_for(happened):
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.01)


def in_a_thread(act):
    try:
        act()
    finally:
        connection.close()


def test_a_resellers_clients_flows_are_held_with_it(desk):
    rory, emma = Customer.objects.get(name="Rory"), Customer.objects.get(name="Emma")
    place(f"customer:{rory.pk}")
    assert flows.held()["customers"] == sorted([rory.pk, emma.pk])


def content_is_held(case):
    return case.pk in knowing.load([case], [CaseEvent.DATA_WINDOW_OVER]).rows["held"]


@pytest.mark.parametrize(
    ("name", "held"),
    [("all", True), ("own", True), ("merged", True), ("customer", True), ("reseller", True), ("dave", False), ("flows", False)],
)
def test_the_content_of_whoever_was_terminated_is_held_as_far_as_the_hold_reaches(desk, name, held):
    deliver(report(event(EMMA)), report(event(EMMA, at=NOW - timedelta(hours=7)), category="malware"), report(event(DAVE)))
    emma = Case.objects.get(customer__name="Emma", category="phishing")
    other = Case.objects.get(customer__name="Emma", category="malware")
    Case.objects.filter(pk=other.pk).update(merged_into=emma)
    assert not content_is_held(emma)
    rory, dave = Customer.objects.get(name="Rory"), Customer.objects.get(name="Dave")
    names = {"own": f"case:{emma.pk}", "merged": f"case:{other.pk}", "customer": f"customer:{emma.customer_id}",
             "reseller": f"customer:{rory.pk}", "dave": f"customer:{dave.pk}"}  # fmt: skip
    number = place(names.get(name, name)).hold.pk
    assert content_is_held(emma) == held
    release(number)
    assert not content_is_held(emma)


@pytest.mark.parametrize("scope", ["case:999999", "customer:999999", "report:999999", f"blob:{SHA}"])
def test_a_hold_on_what_is_not_there_is_refused(desk, scope):
    with pytest.raises(InputError, match=r"there is no|no piece of evidence"):
        place(scope)
    assert not Hold.objects.exists()


def test_a_hold_on_what_is_erased_is_refused(desk):
    name = things()["blob"]
    services.erase_unseen(blob=Blob.objects.get(), held=reach.blobs, reason="test", by="bob", now=NOW)
    with pytest.raises(InputError, match="is erased"):
        place(name)


def test_two_reasons_are_two_holds_and_both_must_be_released(desk):
    first, second = place(), place(by="adam", reason="a request to preserve")
    assert (first.others, second.others) == ([], [first.hold.pk])
    Blob.objects.update(retain_until=NOW)
    assert release(first.hold.pk).others == [second.hold.pk] and services.expire(now=LATER) == 0
    assert release(second.hold.pk).others == [] and services.expire(now=LATER) == 1


@pytest.mark.parametrize("by", ["alice", "otto", "nobody", "", "contact:7", "cli:root"])
def test_who_may_not_place_one(desk, by):
    with pytest.raises(Refused, match="to place a hold takes"):
        place(by=by)


def test_a_program_places_and_never_releases(desk):
    number = place(by="system:apart").hold.pk
    for by in ("system:apart", "system:other", "alice", "bob", "adam", "otto"):
        with pytest.raises(Refused, match="to release a hold takes"):
            release(number, by=by)
    assert release(number).hold.released_at == LATER


def test_nobody_releases_what_he_placed_himself_nor_twice(desk):
    number = place(by="colin").hold.pk
    with pytest.raises(Refused, match="somebody else"):
        release(number)
    release(number, by="cora")
    with pytest.raises(Refused, match="already"):
        release(number)
    with pytest.raises(NotFound):
        release(number + 1)
    assert list(Entry.objects.filter(action__startswith="evidence.").order_by("pk").values_list("action", "actor", "subject")) == [
        ("evidence.hold", "colin", "all"), ("evidence.release", "cora", "all")]  # fmt: skip


def test_both_take_a_reason(desk):
    with pytest.raises(InputError, match="reason"):
        place(reason=" ")
    number = place().hold.pk
    with pytest.raises(InputError, match="reason"):
        release(number, reason="")
    assert Hold.objects.get().released_at is None


def test_a_case_that_was_set_apart_is_told_of_to_its_two_roles_only(desk):
    case = Case.objects.get()
    number = place(f"case:{case.pk}").hold.pk
    Case.objects.update(state="RESTRICTED_CASE")
    with pytest.raises(InputError, match="there is no case"):
        place(f"case:{case.pk}", by="bob")
    assert [one.pk for one in holding.holds(person=desk["colin"])] == [number]
    assert not holding.holds(person=desk["bob"]) and not holding.holds()
    assert release(number).hold.scope == f"case:{case.pk}"


def run(*arguments):
    result = CliRunner().invoke(evidence, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_line_places_lists_and_releases_on_the_record(desk):
    scope = things()["case"]
    told = run("hold", scope, "--reason", "court order 7/26", "--by", "bob").stdout
    number = Hold.objects.get().pk
    assert f"hold {number} on {scope} keeps a case" in told
    assert f"hold {number} stands on {scope} already" in run("hold", scope, "--reason", "police", "--by", "adam").stdout
    assert "court order 7/26" in run("holds").stdout and "since" in run("holds", "--by", "otto").stdout
    with pytest.raises(Refused, match="counsel"):
        run("release", str(number), "--reason", "over", "--by", "bob")
    ended = run("release", str(number), "--reason", "over", "--by", "colin").stdout
    assert f"hold {number} on {scope} is released" in ended and "still" in ended
    assert [row["reason"] for row in orjson.loads(run("holds", "--json").stdout)["holds"]] == ["police"]
    every = orjson.loads(run("holds", "--all", "--json").stdout)["holds"]
    assert {row["number"]: row["released_at"] is None for row in every}[number] is False and len(every) == 2
    acts = list(Entry.objects.filter(action="shell.act", subject=f"hold:{number}"))
    assert [entry.detail["acted_as"] for entry in acts] == ["colin"] and StaffMember.objects.filter(username="colin").exists()


@pytest.mark.parametrize("name", ["system:retention", "contact:7", "cli:root"])
def test_the_command_line_takes_a_person(db, name):
    told = run("hold", "all", "--reason", "court order", "--by", name)
    assert told.exit_code == 2 and "name a member of staff" in told.output and not Hold.objects.exists()
