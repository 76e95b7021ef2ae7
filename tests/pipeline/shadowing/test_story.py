"""A day in shadow mode: complaints come in, the other desk's decisions follow as a spreadsheet, and the report compares them."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.arf import complaint
from tests.pipeline.given import CAROL, DAVE, NOW, deliver, event, provider, report, submission
from tipstaff.accounts.models import Customer
from tipstaff.cases.models import Case, Ruling
from tipstaff.faces.cli.shadow import shadow
from tipstaff.intake.models import Submission
from tipstaff.kernel.errors import InputError, NotFound
from tipstaff.pipeline import batch, context
from tipstaff.pipeline.models import OtherDecision, ShadowReport
from tipstaff.pipeline.reading import Reader, Taken
from tipstaff.pipeline.shadowing import reports
from tipstaff.project import clocks

pytestmark = pytest.mark.django_db
DAY = NOW.date()


def run(*words):
    return CliRunner().invoke(shadow, list(words))


@pytest.fixture
def day(settings, monkeypatch):
    """Carol's phishing and Dave's scan were reported; the clock says the day after."""
    settings.SHADOW, settings.PUBLIC_URL = True, "https://shadow.example.net"
    provider()
    deliver(report(event(CAROL), external_id="R-77"))
    deliver(report(event(DAVE), category="scan"))
    monkeypatch.setattr("tipstaff.faces.cli.shadow.clock.now", lambda: NOW + timedelta(days=1))
    return {case.customer.external_id: case for case in Case.objects.select_related("customer")}


def written(directory: Path, *rows: str) -> str:
    path = directory / "old.csv"
    path.write_text("reference,external_id,message_id,address,received_at,customer,category,decision\n" + "\n".join(rows) + "\n")
    return str(path)


def test_decisions_are_taken_in_compared_and_kept(day, tmp_path):
    carol, dave = (Customer.objects.get(external_id=name) for name in sorted(day)[:2])
    file = written(
        tmp_path,
        f"A-1,R-77,,,{NOW.isoformat()},{carol.external_id},phishing,notified",
        f"A-2,,,{DAVE},{NOW.isoformat()},{carol.external_id},spam,suspended",
        f"A-3,,nobody@knows.example,,{NOW.isoformat()},{carol.external_id},spam,rejected",
    )
    tried = run("import", file, "--dry-run", "--json")
    assert json.loads(tried.stdout)["new"] == 3 and not OtherDecision.objects.exists() and not ShadowReport.objects.exists()
    told = json.loads(run("import", file, "--json").stdout)
    assert told["reports_written"] == 1 and told["days"] == [str(DAY)] and OtherDecision.objects.count() == 3
    kept = json.loads(run("report", "--day", str(DAY), "--json").stdout)
    rows = {row["reference"]: row for row in kept["rows"]}
    assert rows["A-1"]["how"] == "reporter's number" and rows["A-1"]["case"] == day[carol.external_id].pk
    assert rows["A-1"]["url"] == f"https://shadow.example.net/cases/{day[carol.external_id].pk}/"
    assert rows["A-1"]["differs"] == [] and rows["A-1"]["sort"] == "same"
    assert {"customer", "category"} <= set(rows["A-2"]["differs"]) and rows["A-2"]["case"] == day[dave.external_id].pk
    assert rows["A-3"]["sort"] == "only_other" and "nothing like it" in rows["A-3"]["note"]
    assert kept["counts"]["only_ours"] == 0 and kept["agreement"]["customer"] == {"agreed": 1, "compared": 2, "rate": 0.5}
    said = run("report").stdout
    assert "A-2: differ" in said and "customer  agrees in 1 of 2 (50.0%)" in said
    run("import", file)
    assert OtherDecision.objects.count() == 3 and ShadowReport.objects.filter(day=DAY).count() == 2, "both reports are kept"


def test_a_mail_of_the_copy_is_recognised_by_its_message_id(day, tmp_path):
    content = complaint(5, DAVE, NOW).encode()
    row, reader = submission(content, source="copy", kind="smtp"), Reader()
    reader.renew(NOW)
    parsed = reader.read(Taken(row.pk, "copy", "smtp", "", NOW, {}, content))
    batch.commit([parsed], context.load(NOW), NOW)
    assert Submission.objects.get(pk=row.pk).trace[0]["message_id"] == "5@example.org"
    run("import", written(tmp_path, f"A-1,,<5@example.org>,,{NOW.isoformat()},,spam,told"))
    (told,) = reports.latest(DAY).content["rows"]
    assert told["how"] == "Message-ID" and told["case"] == Case.objects.get(category="spam").pk


def test_of_a_file_with_a_bad_row_nothing_is_taken_in(day, tmp_path):
    file = written(tmp_path, f"A-1,R-77,,,{NOW.isoformat()},c,phishing,told", "A-2,,,not an address,yesterday,c,spam,told")
    refused = run("import", file)
    assert isinstance(refused.exception, InputError) and len(refused.exception.problems) == 2
    assert all("line 3" in one.where for one in refused.exception.problems) and not OtherDecision.objects.exists()
    told = run("import", file, "--json")
    assert told.exit_code == 1 and len(json.loads(told.stdout)["problems"]) == 2
    assert isinstance(run("import", file, "--category", "spam=nonsense").exception, InputError)


def test_without_decisions_every_case_is_only_ours_and_restricted_ones_are_not_shown(day):
    assert reports.make(DAY, now=NOW)["counts"]["only_ours"] == 2
    Case.objects.filter(category="scan").update(state="RESTRICTED_CASE")
    kept = reports.make(DAY, now=NOW)
    assert [one["category"] for one in kept["only_ours"]] == ["phishing"]


def test_a_case_that_was_dealt_with_after_it_had_been_set_apart_is_shown_in_no_row(day, tmp_path):
    case = Case.objects.get(category="scan")
    run("import", written(tmp_path, f"A-1,,,{DAVE},{NOW.isoformat()},{case.customer.external_id},scan,notified"))
    assert reports.make(DAY, now=NOW)["rows"][0]["case"] == case.pk
    Ruling.objects.create(case=case, kind="sealed", decision="sealed", reason="x", role="lead", by="colin", at=NOW)
    Case.objects.filter(pk=case.pk).update(state="RESOLVED")
    sealed = reports.make(DAY, now=NOW)
    assert sealed["rows"][0]["case"] is None
    OtherDecision.objects.all().delete()
    assert [one["category"] for one in reports.make(DAY, now=NOW)["only_ours"]] == ["phishing"]


def test_the_clocks_write_yesterdays_report_once_and_only_in_shadow_mode(day, settings):
    settings.SHADOW = False
    assert clocks._shadow(NOW + timedelta(days=1)) == 0 and not ShadowReport.objects.exists()
    settings.SHADOW = True
    assert [clocks._shadow(NOW + timedelta(days=1, seconds=second)) for second in range(3)] == [1, 0, 0]
    assert reports.latest().day == DAY and reports.latest(DAY).content["counts"]["only_ours"] == 2
    with pytest.raises(NotFound):
        reports.latest(date(2020, 1, 1))
    assert isinstance(run("report", "--day", "someday").exception, InputError)
