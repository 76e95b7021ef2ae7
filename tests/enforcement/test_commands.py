"""`tipstaff enforce` and `tipstaff connector`: all of it from a shell, for when the web is down."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.enforcement import given
from tipstaff.audit.models import Entry
from tipstaff.enforcement.models import Endpoint, WorkOrder
from tipstaff.faces.cli.connector import connector
from tipstaff.faces.cli.enforce import enforce
from tipstaff.kernel.errors import InputError, NotFound, Refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]


def run(*words: str, group=enforce) -> Result:
    return CliRunner().invoke(group, list(words))


def said(*words: str, group=enforce) -> str:
    result = run(*words, group=group)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_from_a_connector_to_a_block_and_back(carol, tmp_path: Path) -> None:
    path = f"path={tmp_path / 'journal'}"
    assert "dry run" in said("add", "paper", "journal", path, "--by", "bob", group=connector)
    assert "answers; 0 things" in said("test", "paper", group=connector)
    said("live", "--by", "bob", "--reason", "ready")
    said("live", "paper", "--by", "bob", "--reason", "ready")
    given.measure(given.case(carol), confirmed_by=None, confirmed_at=None)
    given.work()
    number = str(given.only().pk)
    assert number in said("list", "proposed")
    assert "approved" in said("approve", number, "--by", "bob")
    given.work()
    shown = said("show", number)
    for word in ("verified", "203.0.113.7/32", "alice", "bob", "simulation", "case", "4.2"):
        assert word in shown, word
    assert json.loads(said("list", "active", "--json"))[0]["state"] == "verified"
    assert json.loads(said("show", number, "--json"))["entries"][-1]["kind"] == "verified"
    assert "will be lifted" in said("lift", number, "--by", "bob", "--reason", "fixed")
    given.work()
    assert "reverted" in said("list", "ended")
    assert said("sla", "--since", "2020-01-01", "--until", "2090-01-01").count("\n") == 2
    assert "retired" in said("retire", "paper", "--by", "bob", "--reason", "old", group=connector)


def test_the_switches(carol, tmp_path: Path) -> None:
    given.journal(tmp_path)
    given.measure(given.case(carol))
    given.work()
    said("stop", "--by", "bob", "--reason", "maintenance")
    assert "STOPPED: maintenance" in run("list").stderr
    assert run("lift-all", "--by", "bob", "--reason", "all wrong").exit_code == 1, "it asks first"
    assert "1 orders" in said("lift-all", "--by", "bob", "--reason", "all wrong", "--yes")
    given.work()
    assert given.only().state == "reverted"
    said("resume", "--by", "bob", "--reason", "done")
    assert Entry.objects.filter(action__startswith="enforcement.").count() == 4


def test_the_never_touch_list(carol) -> None:
    assert "our resolver" in said("protect", "203.0.113.53", "--why", "our resolver", "--by", "bob")
    rows = json.loads(said("protect", "--json"))
    assert {"203.0.113.53/32"} <= {row["what"] for row in rows}
    assert any(row["by"] == "known" and "this desk" in row["why"] for row in rows)
    number = str(next(row["number"] for row in rows if row["what"] == "203.0.113.53/32"))
    said("protect", "--remove", number, "--by", "bob", "--why", "it moved")
    assert "203.0.113.53" not in said("protect")
    assert isinstance(run("protect", "0.0.0.0/0", "--why", "x", "--by", "bob").exception, InputError)
    assert run("protect", "203.0.113.53").exit_code == 2


def test_limits(carol) -> None:
    assert "500" in said("limits")
    assert "7" in said("limits", "cap_hour=7", "--by", "bob", "--reason", "careful")
    assert isinstance(run("limits", "cap_hour=-1", "--by", "bob").exception, InputError)
    assert isinstance(run("limits", "ceiling4=0", "--by", "bob").exception, InputError)


def test_work_orders(carol) -> None:
    said("live", "--by", "bob", "--reason", "ready")
    given.measure(given.case(carol))
    given.work()
    assert "203.0.113.7" in said("work")
    refused = run("done", str(WorkOrder.objects.get().pk), "--by", "nora")
    assert isinstance(refused.exception, Refused) and "carry out an order" in str(refused.exception)
    given.staff(nora="network")
    said("done", str(WorkOrder.objects.get().pk), "--by", "nora", "--note", "port down")
    given.soon(given.only())
    given.work()
    assert given.only().state == "verified"


def test_what_is_wrong_is_said_with_what_to_do(carol, tmp_path: Path) -> None:
    assert isinstance(run("show", "99").exception, NotFound)
    assert isinstance(run("live", "nowhere", "--by", "b", "--reason", "r").exception, NotFound)
    for words, field in (
        (("add", "x", "telepathy", "--by", "bob"), "connector"),
        (("add", "x", "journal", "--by", "bob"), "path"),
        (("add", "x", "journal", "path=/tmp/x", "colour=blue", "--by", "bob"), "colour"),
        (("add", "a b", "journal", "path=/tmp/x", "--by", "bob"), "name"),
        (("add", "x", "journal", "path", "--by", "bob"), "path"),
    ):
        error = run(*words, group=connector).exception
        assert isinstance(error, InputError) and field in str(error), error


def test_settings_do_not_change_under_what_stands(carol, tmp_path: Path) -> None:
    given.journal(tmp_path)
    given.measure(given.case(carol))
    given.work()
    for words in (("change", "paper", "path=/tmp/other"), ("retire", "paper", "--reason", "x")):
        assert isinstance(run(*words, "--by", "bob", group=connector).exception, Refused)
    assert "verified" in said("list")
    assert Endpoint.objects.get(name="paper").settings["path"].startswith(str(tmp_path))


def test_kinds_lists_every_connector_with_its_form() -> None:
    text = said("kinds", group=connector)
    for name in ("nftables", "bgp", "dns", "http", "person", "journal"):
        assert f"{name}: " in text
    assert "TIPSTAFF_SECRET_" in text
