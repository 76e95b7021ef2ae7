"""`tipstaff staff`: the first account of a new instance, and every later one."""

import json

import pytest
from click.testing import CliRunner, Result

from tipstaff.accounts import second_factor, totp
from tipstaff.accounts.models import StaffMember
from tipstaff.audit.models import Entry
from tipstaff.faces.cli.staff import staff
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError, NotFound

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> Result:
    return CliRunner().invoke(staff, list(arguments))


def signs_in(client, username: str, password: str) -> bool:
    return client.post("/login/", {"username": username, "password": password}).status_code == 302


def test_an_empty_instance_says_how_to_make_the_first_account() -> None:
    assert "tipstaff staff add USERNAME --role lead" in run("list").stdout


def test_who_is_added_signs_in_with_the_password_that_was_printed(client) -> None:
    password = run("add", "alice", "--role", "lead", "--role", "analyst", "--timezone", "Europe/Berlin").stdout.strip()
    assert len(password) >= 16
    assert signs_in(client, "alice", password)
    assert client.get("/queue/").status_code == 200
    row = json.loads(run("list", "--json").stdout)[0]
    assert (row["username"], row["roles"], row["active"], row["timezone"]) == ("alice", ["analyst", "lead"], True, "Europe/Berlin")
    entry = Entry.objects.get(action="staff.add")
    assert entry.actor.startswith("cli:") and password not in json.dumps(entry.detail)


def test_every_wrong_field_is_named() -> None:
    error = run("add", "Alice Adams", "--timezone", "Mars/Base").exception
    assert isinstance(error, InputError)
    assert sorted(problem.where for problem in error.problems) == ["--role", "--timezone", "USERNAME"]
    run("add", "alice", "--role", "lead")
    assert "there is a 'alice' already" in str(run("add", "alice", "--role", "lead").exception)
    assert StaffMember.objects.count() == 1


def test_who_is_switched_off_is_out_at_once(client) -> None:
    password = run("add", "alice", "--role", "lead").stdout.strip()
    assert signs_in(client, "alice", password)
    assert "off" in run("change", "alice", "--off", "--reason", "left").stdout
    assert client.get("/queue/").status_code == 302  # to the login
    assert not signs_in(client, "alice", password)
    assert Entry.objects.get(action="staff.change").detail["before"] == {"roles": ["lead"], "active": True}


def test_a_new_password_ends_the_old_one_and_its_sessions(client) -> None:
    old = run("add", "alice", "--role", "lead").stdout.strip()
    assert signs_in(client, "alice", old)
    new = run("password", "alice").stdout.strip()
    assert client.get("/queue/").status_code == 302
    assert not signs_in(client, "alice", old) and signs_in(client, "alice", new)


def test_roles_are_replaced_and_somebody_unknown_is_said_to_be() -> None:
    run("add", "bob", "--role", "analyst")
    assert run("change", "bob", "--role", "counsel", "--role", "liaison").stdout == "bob: counsel, liaison; active\n"
    assert run("change", "bob").exit_code == 2
    assert isinstance(run("change", "mallory", "--off").exception, NotFound)
    assert isinstance(run("password", "mallory").exception, NotFound)


def test_who_lost_the_second_factor_signs_in_by_password_again(client) -> None:
    password = run("add", "alice", "--role", "lead").stdout.strip()
    staff = StaffMember.objects.get()
    at = clock.now()
    secret = second_factor.begin(staff=staff, now=at)
    second_factor.confirm(staff=staff, code=totp.code_of(secret, totp.step_at(at)), now=at)
    assert client.post("/login/", {"username": "alice", "password": password})["Location"] == "/login/second/"
    assert "no second factor any more" in run("lost", "alice").stdout
    assert client.post("/login/", {"username": "alice", "password": password})["Location"] == "/"
    assert Entry.objects.get(action="second_factor.reset").actor.startswith("cli:")
    assert isinstance(run("lost", "mallory").exception, NotFound)


def test_an_account_is_linked_to_one_person_of_the_provider() -> None:
    for name in ("alice", "bob"):
        run("add", name, "--role", "lead")
    assert run("link", "alice", "https://idp.example|u-1").stdout == "alice: linked\n"
    assert StaffMember.objects.get(username="alice").single_sign_on == "https://idp.example|u-1"
    assert isinstance(run("link", "bob", "https://idp.example|u-1").exception, InputError)
    assert run("link", "alice", "").stdout == "alice: no longer linked\n"
    assert run("link", "bob", "https://idp.example|u-1").exit_code == 0
