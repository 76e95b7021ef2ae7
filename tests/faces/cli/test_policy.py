"""``tipstaff policy``: what needs no database works without one; the rest goes through two people."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cases.resolving import HOUR, Desk
from tests.policy.packs import CODES, change, copy_of
from tipstaff.accounts.models import StaffMember
from tipstaff.faces.cli.policy import policy
from tipstaff.kernel.errors import InputError, NotFound, Refused


def run(*arguments: str) -> Result:
    return CliRunner().invoke(policy, list(arguments))


@pytest.fixture
def staff(db: None) -> None:
    StaffMember.objects.create_user("alice", password="x", roles=["lead"])
    StaffMember.objects.create_user("bob", password="x", roles=["lead"])
    StaffMember.objects.create_user("carol", password="x", roles=["analyst"])


def test_a_pack_shows_all_its_categories() -> None:
    shown = run("show", "default").stdout
    assert all(f"\n{code} " in shown for code in CODES)
    assert json.loads(run("show", "default", "--json").stdout)["categories"]["phishing"]["resolve"] == "4 h"


def test_one_clause_is_shown_by_any_of_its_names() -> None:
    assert run("show", "default", "--clause", "dmca").stdout == run("show", "default", "--clause", "Copyright").stdout
    assert "In plain words:" in run("show", "default", "--clause", "1.1").stdout


def test_a_sound_pack_passes_and_a_broken_one_prints_all_its_errors(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    assert "38 categories" in run("check", str(pack)).stdout
    change(pack, "child_share = 75", "child_share = 0")
    change(pack, 'mode = "mandatory"', 'mode = "maybe"')
    error = run("check", str(pack)).exception
    assert isinstance(error, InputError) and len(error.problems) == 2
    assert all(problem.where.startswith(f"{pack}/edition.toml: ") for problem in error.problems)


def test_the_command_needs_no_database_and_ends_with_1_on_a_broken_pack(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, "child_share = 75", "child_share = 0")
    change(pack, 'version = "1"', "version = 1")
    ended = tipstaff("policy", "check", str(pack), state=tmp_path / "state")
    assert ended.returncode == 1 and ended.stdout == ""
    assert [line.split(": ")[2] for line in ended.stderr.splitlines()] == ["version", "timers.child_share"]
    assert tipstaff("policy", "diff", "default", "managed-services", state=tmp_path / "state").returncode == 0
    assert tipstaff("policy", "show", "nothing", state=tmp_path / "state").returncode == 3


def test_a_difference_marks_the_words(tmp_path: Path) -> None:
    pack = copy_of("default", tmp_path)
    change(pack, "You normally have 24 hours", "You normally have 48 hours", next(
        f"clauses/{file.name}" for file in (pack / "clauses").iterdir() if "You normally have 24" in file.read_text("utf-8")
    ))  # fmt: skip
    assert "You normally have [-24-] {+48+} hours" in run("diff", "default", str(pack)).stdout
    assert run("diff", "default", "default").stdout == "no difference\n"
    assert json.loads(run("diff", "default", str(pack), "--json").stdout)[0]["path"].endswith(".plain")


def test_an_edition_goes_from_pack_to_page_through_two_people(staff: None) -> None:
    assert "no edition is stored" in run("list").stdout
    assert run("load", "default", "--by", "alice", "--intake-address", "abuse@example.net").exit_code == 0
    assert isinstance(run("publish", "default/1", "--by", "alice").exception, Refused)
    assert isinstance(run("page").exception, NotFound)
    assert "published default/1" in run("publish", "default/1", "--by", "bob").stdout
    listed = json.loads(run("list", "--json").stdout)["editions"]
    assert [(row["edition"], row["state"], row["in_force"]) for row in listed] == [("default/1", "published", True)]
    page = run("page").stdout
    assert page.startswith("Reports of abuse: abuse@example.net") and '<a id="clause-1.1"></a>' in page
    assert run("diff", "default/1", "default").stdout == "no difference\n"


def test_only_staff_with_a_role_for_it_may_draft(staff: None) -> None:
    assert "it takes one of the roles" in str(run("load", "default", "--by", "carol").exception)
    assert "no active member of staff 'mallory'" in str(run("load", "default", "--by", "mallory").exception)


def test_a_dry_run_stores_nothing(staff: None) -> None:
    assert "would draft default/1" in run("load", "default", "--by", "alice", "--dry-run").stdout
    assert "no edition is stored" in run("list").stdout


def test_a_later_edition_may_be_withdrawn(staff: None) -> None:
    day = ("--effective-from", "2999-01-01", "--intake-address", "abuse@example.net")
    run("load", "default", "--by", "alice", *day)
    run("publish", "default/1", "--by", "bob")
    assert "withdrew default/1" in run("withdraw", "default/1", "--by", "bob", "--reason", "unclear").stdout


def test_a_preview_of_a_pack_says_that_it_is_one() -> None:
    assert run("page", "dedicated-hosting").stdout.startswith("*Preview: not published")


def tipstaff(*arguments: str, state: Path) -> subprocess.CompletedProcess[str]:
    """The real command, on an instance that has no database."""
    command = [sys.executable, "-m", "tipstaff.project.cli", *arguments]
    environment = {**os.environ, "TIPSTAFF_STATE": str(state)}
    environment.pop("DATABASE_URL", None)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


@pytest.mark.django_db
def test_a_draft_is_tried_on_past_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk("managed-services").wait(60 * HOUR)
    monkeypatch.setattr("tipstaff.faces.cli.policy.clock.now", lambda: desk.now)
    shown = run("backtest", "dedicated-hosting", "--since", "2026-06-01")
    assert shown.exit_code == 0 and "1  a restriction would have been asked for" in shown.stdout
    assert f"/cases/{desk.number}/" in shown.stdout and "open: it would wait for a person" in shown.stdout
    told = json.loads(run("backtest", "dedicated-hosting", "--since", "2026-06-01", "--json").stdout)
    assert told["cases"] == 1 and told["differences"][0]["case"] == desk.number
    assert told["differences"][0]["then"]["state"] == "TICKETED"
    assert "the same" in run("backtest", "managed-services", "--since", "2026-06-01").stdout
    assert isinstance(run("backtest", "managed-services", "--since", "2027-06-01").exception, InputError)
    assert isinstance(run("backtest", "no/such", "--since", "2026-06-01").exception, NotFound)
