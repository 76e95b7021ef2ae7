"""The link by which a reporter follows a report: how far it says, and what it never says."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core import signing

from tests.faces.public.test_report import sent, work
from tests.pipeline import given
from tipstaff.accounts.models import Customer
from tipstaff.audit.models import Entry
from tipstaff.cases import services
from tipstaff.cases.models import Case
from tipstaff.faces.public import limits, standing
from tipstaff.faces.public.tokens import submission_of, token_of
from tipstaff.intake.models import Submission
from tipstaff.kernel.clock import now as clock_now
from tipstaff.pipeline.answers import CONFIRM_SALT
from tipstaff.policy import loading
from tipstaff.policy import services as editions
from tipstaff.policy.switches import ReporterNotice
from tipstaff.reports.models import Reporter

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people(db):
    """Alice and Bob work here."""
    return given.colleagues()


@pytest.fixture
def token(client, provider) -> str:
    return sent(client).url.rstrip("/").rpartition("/")[2]


def steps(client, token) -> list[str]:
    number = submission_of(token)
    return [f"{step.name} {step.state}" for step in standing.standing_of(number, clock_now()).steps]


def promises(level: ReporterNotice, *, brand: str = "") -> None:
    """A later version of the default policy, which promises reporters this much, is in force for the brand."""
    packaged = loading.load_packaged("default")
    changed = replace(packaged, version="later", switches=replace(packaged.switches, reporter_notice=level))
    edition = loading.from_content(loading.canonical(changed))
    since = given.BEFORE + timedelta(days=1)
    to = "abuse@example.net"
    stored = editions.draft(
        edition=edition, effective_from=since, by="system:test", now=given.BEFORE, brand=brand, intake_address=to
    )
    editions.publish(stored=stored.pk, by="system:second", now=given.BEFORE)


def reported(client, settings) -> str:
    """The token of a report whose case's customer was told."""
    token = sent(client).url.rstrip("/").rpartition("/")[2]
    work(settings)
    case = Case.objects.get()
    services.classify(case=case.pk, category=case.category, by="alice", now=clock_now())
    return token


def test_the_way_of_a_report(client, token, settings):
    assert steps(client, token)[0] == "Received done"
    assert "arrived safely" in client.get(f"/status/{token}").content.decode()
    work(settings)
    assert steps(client, token)[:3] == ["Received done", "Checked done", "Customer told now"]
    case = Case.objects.get()
    services.classify(case=case.pk, category=case.category, by="alice", now=clock_now())
    assert steps(client, token)[2:] == ["Customer told done", "Resolved now"]
    services.close(case=case.pk, outcome="RESOLVED", reason="Carol removed the kit, invoice 77", by="bob", now=clock_now())
    page = client.get(f"/status/{token}").content.decode()
    assert "The cause was removed." in page
    for secret in ("Carol", "invoice", "alice", "bob", "192.0.2.7", f"#{case.pk}"):
        assert secret not in page.split("<main")[1], "nothing that identifies the customer or the desk"


def test_no_step_is_dated_before_the_report_came():
    received = clock_now()
    steps = standing._steps(2, received, told=received - timedelta(hours=7))
    assert [(step.name, step.state, step.at) for step in steps[:3]] == [
        ("Received", "done", received), ("Checked", "done", None), ("Customer told", "done", None)
    ]  # fmt: skip
    assert standing._steps(2, received, told=received + timedelta(hours=1))[2].at == received + timedelta(hours=1)


def test_a_matter_that_was_no_breach_skips_the_customer(client, token, settings):
    work(settings)
    services.close(case=Case.objects.get().pk, outcome="CLOSED_COMPLIANT", reason="no", by="bob", now=clock_now())
    assert steps(client, token) == ["Received done", "Checked done", "Resolved done"]


def test_a_merged_case_answers_with_the_one_it_went_into(client, token, settings):
    work(settings)
    case = Case.objects.get()
    other = Case.objects.get(pk=case.pk)
    other.pk, other.group_key, other.ticketed_at = None, uuid4(), clock_now()
    other.save()
    Case.objects.filter(pk=case.pk).update(merged_into=other, accepting=False)
    assert "Customer told done" in steps(client, token)


@pytest.mark.parametrize(
    ("level", "reached"),
    [
        (ReporterNotice.LEGAL_ONLY, "Received done"),
        (ReporterNotice.RECEIPT, "Checked done"),
        (ReporterNotice.OUTCOME, "Customer told done"),
    ],
)
def test_the_policy_decides_how_much_is_told(client, provider, settings, level, reached):
    promises(level)
    token = reported(client, settings)
    done = [step for step in steps(client, token) if step.endswith("done")]
    assert done[-1] == reached
    if level is not ReporterNotice.OUTCOME:
        assert "receipt, not an outcome" in client.get(f"/status/{token}").content.decode()


@pytest.mark.parametrize(
    ("own", "brands", "reached"),
    [
        (ReporterNotice.OUTCOME, ReporterNotice.RECEIPT, "Checked done"),
        (ReporterNotice.OUTCOME, ReporterNotice.LEGAL_ONLY, "Received done"),
        (ReporterNotice.LEGAL_ONLY, ReporterNotice.OUTCOME, "Customer told done"),
    ],
)
def test_the_policy_of_the_cases_brand_decides_as_it_does_for_letters(client, provider, settings, own, brands, reached):
    promises(own)
    promises(brands, brand="north")
    Customer.objects.filter(services__external_id="carol-1").update(brand="north")
    token = reported(client, settings)
    assert Case.objects.get().edition.brand == "north"
    assert [step for step in steps(client, token) if step.endswith("done")][-1] == reached


def test_of_two_brands_only_what_the_telling_one_decided_is_told(client, provider, settings):
    promises(ReporterNotice.OUTCOME)
    promises(ReporterNotice.LEGAL_ONLY, brand="north")
    Customer.objects.filter(services__external_id="carol-1").update(brand="north")
    token = sent(client, places=f"{given.CAROL}\n{given.DAVE}").url.rstrip("/").rpartition("/")[2]
    work(settings)
    carols, daves = Case.objects.get(brand="north"), Case.objects.get(brand="")
    services.classify(case=carols.pk, category=carols.category, by="alice", now=clock_now())
    assert steps(client, token)[2] == "Customer told now", "what became of Carol's is not told"
    services.close(case=daves.pk, outcome="CLOSED_COMPLIANT", reason="no", by="bob", now=clock_now())
    assert steps(client, token) == ["Received done", "Checked done", "Resolved done"]


def test_the_law_has_whoever_claims_a_copyright_know_the_outcome(client, provider, settings):
    promises(ReporterNotice.LEGAL_ONLY)
    answer = sent(
        client, kind="copyright", places="http://192.0.2.7/a", work="A book", good_faith="yes", perjury="yes", signature="Rita R."
    )
    work(settings)
    assert "Checked done" in steps(client, answer.url.rstrip("/").rpartition("/")[2])


@pytest.mark.parametrize(
    ("laws", "reached"), [({"dsa"}, "Customer told done"), ({"dmca"}, "Received done"), ({"none"}, "Received done")]
)
def test_the_page_tells_what_the_letters_tell_where_a_law_goes_over_the_switch(client, provider, settings, laws, reached):
    promises(ReporterNotice.LEGAL_ONLY)
    token = reported(client, settings)
    settings.REPORTER_DUTIES = frozenset(laws)
    assert [step for step in steps(client, token) if step.endswith("done")][-1] == reached


def test_a_token_cannot_be_made_or_changed(client, token):
    real = submission_of(token)
    forged = signing.dumps(real.hex, salt=CONFIRM_SALT)
    for wrong in (forged, token[:-1] + ("a" if token[-1] != "a" else "b"), real.hex, "x", "x" * 5000, token_of(uuid4())):
        page = client.get(f"/status/{wrong}")
        assert page.status_code == 404, wrong
        assert "leads to no report" in page.content.decode() or len(wrong) > 1000


def test_a_mail_has_no_status_here(client, provider):
    received = given.submission(kind="smtp", source="mailbox")
    assert client.get(f"/status/{token_of(received.pk)}").status_code == 404


def test_looking_too_often_waits(client, token, monkeypatch):
    monkeypatch.setitem(limits.LIMITS, "status", 1)
    assert client.get(f"/status/{token}").status_code == 200
    assert client.get(f"/status/{token}").status_code == 429


def test_the_page_is_not_indexed_and_its_link_not_told_on(client, token):
    answer = client.get(f"/status/{token}")
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_pasted_link_leads_to_its_page(client, token):
    assert client.post("/status/", {"token": f"https://abuse.example/status/{token}"}).url == f"/status/{token}"
    assert client.get("/status/").status_code == 200


def test_what_was_set_aside_says_so(client, token, settings):
    work(settings)
    Submission.objects.update(state="set_aside")
    assert "became no case" in client.get(f"/status/{token}").content.decode()
    Submission.objects.update(state="needs_person")
    assert steps(client, token)[1] == "Checked now"


@pytest.fixture
def rita(db) -> Reporter:
    now = clock_now()
    return Reporter.objects.create(key="rita@example.org", email="rita@example.org", first_seen=now, last_seen=now)


def test_confirming_takes_a_press_of_the_button(client, rita):
    link = f"/confirm/{signing.dumps(rita.pk, salt=CONFIRM_SALT)}"
    assert client.get(link).status_code == 200
    rita.refresh_from_db()
    assert rita.confirmed_at is None, "mail scanners open links"
    assert "Confirmed" in client.post(link).content.decode()
    rita.refresh_from_db()
    first = rita.confirmed_at
    assert first is not None and first <= clock_now()
    assert rita.trust == 0, "an address that is theirs is no reason to believe them"
    client.post(link)
    rita.refresh_from_db()
    assert rita.confirmed_at == first
    assert Entry.objects.filter(action="reporter.confirm", subject=f"reporter:{rita.pk}").count() == 1


def test_old_and_broken_confirmations_say_what_to_do(client, rita, monkeypatch):
    link = f"/confirm/{signing.dumps(rita.pk, salt=CONFIRM_SALT)}"
    assert client.get(link[:-2]).status_code == 404
    rita.delete()
    assert client.get(link).status_code == 410
    monkeypatch.setattr("tipstaff.faces.public.views.confirm.AGE", -1)
    assert client.get(link).status_code == 410


def test_the_age_of_a_link_is_a_year_and_more(token, monkeypatch):
    assert timedelta(seconds=400 * 24 * 3600) > timedelta(days=365)
    monkeypatch.setattr("tipstaff.faces.public.tokens.AGE", -1)
    assert submission_of(token) is None
