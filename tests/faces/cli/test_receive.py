"""``tipstaff receive``, ``case``, ``evidence``, ``source`` and ``token`` as an operator calls them."""

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.arf import complaint
from tests.intake.sources.test_files import POSTMARK
from tests.intake.sources.test_pulls import Site, site  # noqa: F401 - a fixture
from tests.pipeline import given
from tipstaff.accounts.models import Customer, StaffMember
from tipstaff.audit.models import Entry
from tipstaff.evidence.models import Blob, Opening
from tipstaff.faces.api.commands import token
from tipstaff.faces.cli.case import case
from tipstaff.faces.cli.evidence import evidence
from tipstaff.faces.cli.receive import receive
from tipstaff.faces.cli.source import source
from tipstaff.intake.models import Source, Submission
from tipstaff.intake.reading.feeds.mapping import mark_of
from tipstaff.intake.services import decide
from tipstaff.intake.spool import Spool
from tipstaff.kernel.errors import InputError, NotFound, Refused
from tipstaff.pipeline.worker import Worker
from tipstaff.reports.models import Event

pytestmark = pytest.mark.django_db
AT = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def place(settings: Any, tmp_path: Path) -> None:
    settings.SPOOL, settings.STATE = tmp_path / "spool", tmp_path


def arf(number: int) -> str:
    return complaint(number, f"192.0.2.{number}", AT)


def run(command: Any, *words: Any, **more: Any) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], **more)


def lines(result: Result) -> list[dict[str, Any]]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_received_files_are_told_what_became_of_them(tmp_path: Path) -> None:
    given.provider()
    mail, mbox = tmp_path / "one.eml", tmp_path / "more.mbox"
    mail.write_text(arf(7))
    mbox.write_text("".join(POSTMARK + arf(number) + "\n" for number in (7, 8)))
    first, second, third = lines(run(receive, mail, mbox, "--wait", "--json"))
    assert (first["file"], first["state"], first["disposition"]) == (str(mail), "parsed", "report")
    assert first["reports"][0]["format"] == "arf" and first["reports"][0]["reporter"] == "rita@example.org"
    assert [one["events"] + one["duplicates"] for one in (first, second, third)] == [1, 1, 1]
    assert sum(one["events"] for one in (first, second, third)) == 2
    assert all(bool(one["cases"]) == bool(one["events"]) for one in (first, second, third))
    again = lines(run(receive, mail, mbox, "--wait", "--json"))
    assert [one["id"] for one in again] == [first["id"], second["id"], third["id"]]
    assert Submission.objects.count() == 3

    listed = json.loads(run(case, "list", "--json").stdout)["cases"]
    assert {one["number"] for one in listed} == {*first["cases"], *second["cases"], *third["cases"]}
    shown = json.loads(run(case, "show", listed[0]["number"], "--json").stdout)
    assert shown["journal"] and shown["reports_linked"]
    assert f"#{listed[0]['number']}" in run(case, "list").stdout + run(case, "show", listed[0]["number"]).stdout
    assert isinstance(run(case, "show", 999_999).exception, NotFound)
    assert isinstance(run(case, "list", "--after", "rubbish").exception, InputError)


def test_without_waiting_it_is_accepted_only(tmp_path: Path) -> None:
    mail = tmp_path / "one.eml"
    mail.write_text(arf(7))
    (line,) = lines(run(receive, mail, "--json"))
    assert line["state"] == "accepted" and not Submission.objects.exists()
    assert len(list((tmp_path / "spool").glob("*.msg"))) == 1


def test_standard_input(tmp_path: Path) -> None:
    (line,) = lines(run(receive, "-", "--wait", "--json", input=arf(9)))
    assert line["disposition"] == "report" and line["file"] == "-"


def test_a_file_that_is_missing_is_named_and_the_others_received(tmp_path: Path) -> None:
    mail = tmp_path / "one.eml"
    mail.write_text(arf(7))
    result = run(receive, mail, tmp_path / "gone.eml", "--json")
    assert result.exit_code == 4
    assert lines(result)[1]["error"]["where"] == str(tmp_path / "gone.eml")
    assert run(receive, tmp_path / "gone.eml").exit_code == 1


def test_evidence_is_verified_and_a_changed_byte_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_text(arf(7))
    run(receive, tmp_path / "one.eml", "--wait")
    good = run(evidence, "verify", "--json")
    assert (good.exit_code, json.loads(good.stdout)["faults"]) == (0, [])
    blob = Blob.objects.get()
    pack = next((tmp_path / "evidence").rglob("*.pack"))
    content = bytearray(pack.read_bytes())
    content[blob.offset + 20] ^= 1
    pack.write_bytes(content)
    bad = run(evidence, "verify", "--json")
    assert bad.exit_code == 1 and json.loads(bad.stdout)["faults"][0]["sha256"] == bytes(blob.sha256).hex()


def test_sources_are_added_tried_and_listed(tmp_path: Path, site: Site) -> None:  # noqa: F811
    allowed = ("--set", f"url={site.address}", "--set", "allow_http=true", "--set", "allow_private=true")
    assert run(source, "add", "feed", "--kind", "pull", *allowed, "--expect-every", "24h").exit_code == 0
    made = Source.objects.get(name="feed")
    assert made.settings["allow_http"] is True and made.expected_every == timedelta(hours=24)
    assert "bytes, called today.csv" in run(source, "test", "feed").stdout
    assert Source.objects.get(name="feed").cursor == {} and not (tmp_path / "spool").exists()
    (tmp_path / "drop").mkdir()
    assert run(source, "add", "drop", "--kind", "files", "--set", f"folder={tmp_path / 'drop'}").exit_code == 0
    assert "0 files" in run(source, "test", "drop").stdout
    assert {one["name"] for one in json.loads(run(source, "list", "--json").stdout)} == {"feed", "drop"}
    assert run(source, "switch", "drop", "off").exit_code == 0 and not Source.objects.get(name="drop").enabled
    assert isinstance(run(source, "test", "nothing").exception, NotFound)
    Source.objects.create(name="smtp", kind="smtp", created_at=made.created_at)
    assert run(source, "set", "smtp", "--set", 'trusted_authserv=["mx.example.net"]', "--expect-every", "2h").exit_code == 0
    assert Source.objects.get(name="smtp").settings == {"trusted_authserv": ["mx.example.net"]}
    wrong = run(source, "set", "smtp", "--set", "trusted_authserv=mx.example.net", "--set", "url=x").exception
    assert isinstance(wrong, InputError) and len(wrong.problems) == 2
    assert isinstance(run(source, "set", "nothing").exception, NotFound)
    assert isinstance(run(source, "switch", "smtp", "off").exception, Refused)


@pytest.mark.parametrize(
    ("kind", "pairs", "told"),
    [
        ("imap", ["host=imap.example.net", "user=desk"], "needs a password or OAuth2"),
        ("imap", ["host=imap.example.net", "user=desk", "password=hunter2"], "cannot name a credential"),
        ("imap", ["user=desk", "password=TIPSTAFF_SECRET_X"], "host: is missing"),
        ("pull", ["url=http://feed.example.org/"], "no https address"),
        ("pull", ["url=https://rita:pw@feed.example.org/"], "holds a password"),
        ("pull", ["url=https://feed.example.org/", "every=5"], "every"),
        ("pull", ["url=https://feed.example.org/", "colour=red"], "is no setting"),
        ("pull", ["url=https://feed.example.org/", 'secret_headers={"X":"PATH"}'], "cannot name a credential"),
        ("files", ["folder=relative"], "no absolute path"),
        ("files", ["folder"], "KEY=VALUE"),
    ],
)
def test_settings_that_are_wrong_are_named(kind: str, pairs: list[str], told: str) -> None:
    words = [word for pair in pairs for word in ("--set", pair)]
    result = run(source, "add", "new", "--kind", kind, *words)
    assert isinstance(result.exception, InputError) and told in str(result.exception)
    assert not Source.objects.exists()


def test_tokens_are_made_listed_and_revoked() -> None:
    made = json.loads(run(token, "create", "feeder", "--scope", "reports:write", "--days", "30", "--json").stdout)
    assert made["token"].startswith("tipstaff_") and made["state"] == "valid"
    shown = run(token, "list", "--json").stdout
    assert made["token"] not in shown and json.loads(shown)[0]["scopes"] == ["reports:write"]
    assert run(token, "revoke", "feeder").exit_code == 0
    assert json.loads(run(token, "list", "--json").stdout)[0]["state"] == "revoked"
    assert isinstance(run(token, "revoke", "nobody").exception, NotFound)
    assert isinstance(run(token, "create", "Bad Name", "--scope", "reports:write").exception, InputError)


def test_a_mapping_is_tried_on_what_came_last_before_it_is_kept(tmp_path: Path) -> None:
    given.provider()
    StaffMember.objects.create(username="alice", roles=["analyst"])
    StaffMember.objects.create(username="nils", roles=["network"])
    stated, table = tmp_path / "m.toml", tmp_path / "today.csv"
    stated.write_text('category = "phishing"\n[columns]\nip = "Wer"\ntime = "Wann"\n')
    table.write_text(f"Wer,Wann,Was\n{given.CAROL},2026-06-15T10:00:00Z,x\nnobody,2026-06-15T10:00:00Z,x\n")
    Source.objects.create(name="partner", kind="files", settings={}, created_at=AT)
    assert "nothing that partner received" in str(run(source, "try", "partner", "--by", "alice").exception)
    assert run(receive, table, "--source", "partner", "--wait").exit_code == 0
    for by in ("", "nobody", "nils"):
        assert isinstance(run(source, "try", "partner", "--by", by).exception, Refused), by
    assert not Opening.objects.filter(view="trial of a mapping").exists()
    told = run(source, "try", "partner", "--mapping", stated, "--by", "alice").stdout
    for words in ("today.csv", ": 1 event", "wann                         when it happened", "(a detail of the event)",
                  f"row 1, 2026-06-15 10:00:00 UTC: the accused address {given.CAROL}", "does not fit: "):  # fmt: skip
        assert words in told, words
    assert Opening.objects.get(view="trial of a mapping").actor == "alice"
    assert Entry.objects.get(action="shell.act").detail["acted_as"] == "alice"
    assert Source.objects.get(name="partner").settings == {}, "nothing is kept"
    begun = json.loads(run(source, "try", "partner", "--on", table, "--json").stdout)["begin"]
    assert begun.startswith("# columns: wer, wann, was") and tomllib.loads(begun)
    stated.write_text('[columns]\nip = "ip"\n')
    assert run(source, "try", "partner", "--mapping", stated, "--on", table).exit_code == 1
    assert isinstance(run(source, "try", "nobody's", "--on", table).exception, NotFound)


@pytest.mark.parametrize("mapped", [True, False])
def test_what_was_received_cannot_steer_the_terminal_it_is_shown_on(tmp_path: Path, mapped: bool) -> None:
    given.provider()
    stated, table = tmp_path / "m.toml", tmp_path / "a\x1b]0;owned\x07.csv"
    stated.write_text('category = "phishing"\n[columns]\nip = "ip"\ntime = "time"\nurl = "link"\n')
    table.write_text(
        f"ip,time,link,evil\x1b[2J\x9b31m\n{given.CAROL},soon\x1b[8m,https://shop.example/\x1b[1A,x\nno\x1b[2Jbody,2026-06-15T10:00:00Z,x,x\n"
    )
    Source.objects.create(name="partner", kind="files", settings={}, created_at=AT)
    told = run(source, "try", "partner", *(("--mapping", stated) if mapped else ()), "--on", table).stdout
    assert "evil" in told and (given.CAROL in told or not mapped)
    assert all(line.isprintable() for line in told.split("\n")), told


def test_a_source_with_a_mapping_accuses_whom_its_columns_mean(tmp_path: Path) -> None:
    given.provider()
    stated, table, strange = tmp_path / "m.toml", tmp_path / "today.csv", tmp_path / "other.csv"
    stated.write_text('category = "phishing"\n[columns]\nip = "host"\nhost = "x"\n')
    wrong = run(source, "add", "partner", "--kind", "files", "--mapping", stated).exception
    assert isinstance(wrong, InputError) and "source partner: mapping, line 4, columns.host" in str(wrong)
    assert not Source.objects.filter(name="partner").exists()
    stated.write_text('category = "phishing"\n[columns]\nip = "Wer"\ntime = "Wann"\n[others]\nvictim_ip = "ip"\n')
    assert run(source, "add", "partner", "--kind", "files", "--mapping", stated).exit_code == 0
    table.write_text(f"ip,Wer,Wann\n{given.DAVE},{given.CAROL},2026-06-15T10:00:00Z\n")
    strange.write_text(f"ip,timestamp\n{given.DAVE},2026-06-15T10:00:00Z\n")
    read, refused = lines(run(receive, table, strange, "--source", "partner", "--wait", "--json"))
    assert (read["state"], read["events"]) == ("parsed", 1)
    event = Event.objects.get()
    assert (str(event.ip), Customer.objects.get(pk=event.customer_id).external_id) == (given.CAROL, "carol")
    assert Submission.objects.get(pk=read["id"]).trace[0]["mapping"] == mark_of(stated.read_text())
    assert refused["state"] == "needs_person" and refused["events"] == 0
    kept = Submission.objects.get(pk=refused["id"])
    assert "no table fits the mapping; its columns are: ip, timestamp" in kept.reason and kept.blob_id
    record = Entry.objects.get(action="source.add")
    assert (record.detail["mapping"], record.detail["mark"]) == (stated.read_text(), mark_of(stated.read_text()))
    better = tmp_path / "better.toml"
    better.write_text('category = "phishing"\n[columns]\nip = "ip"\ntime = "timestamp"\n')
    assert run(source, "set", "partner", "--mapping", better).exit_code == 0
    decide(submission=kept, state="received", reason="read again", by="alice", now=given.NOW)
    Worker(Spool(tmp_path / "spool")).step()
    kept.refresh_from_db()
    assert (kept.state, kept.trace[0]["mapping"]) == ("parsed", mark_of(better.read_text()))
    assert {str(one.ip): Customer.objects.get(pk=one.customer_id).external_id for one in Event.objects.all()} == {
        given.CAROL: "carol",
        given.DAVE: "dave",
    }
    bad = run(source, "set", "partner", "--set", "mapping=[columns]").exception
    assert isinstance(bad, InputError) and "names no column with an address" in str(bad)
    assert run(source, "set", "partner", "--set", "mapping=null").exit_code == 0
    assert Source.objects.get(name="partner").settings == {}
