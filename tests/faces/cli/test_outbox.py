"""`tipstaff outbox` and `tipstaff wording` as an operator uses them."""

import json

import pytest
from click.testing import CliRunner

from tests.correspondence.given import promised
from tipstaff.audit.models import Entry
from tipstaff.correspondence.models import OutboxMessage, Wording
from tipstaff.faces.cli.held import held
from tipstaff.faces.cli.outbox import outbox, wording
from tipstaff.kernel.errors import InputError, NotFound, Refused

pytestmark = pytest.mark.django_db


def run(group, *arguments):
    result = CliRunner().invoke(group, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_listing_pages_and_names_no_reporter():
    rows = [promised(), promised("dave@example.org", state="failed", error="550 5.1.1 no such user"),
            promised("rita@example.org", audience="reporter", body="Dear Rita")]  # fmt: skip
    told = run(outbox, "list").stdout
    assert "carol@example.com" in told and "550 5.1.1" in told and "rita@" not in told and "a reporter" in told
    first = json.loads(run(outbox, "list", "--limit", "2", "--json").stdout)
    assert [row["number"] for row in first["messages"]] == [rows[2].pk, rows[1].pk]
    rest = json.loads(run(outbox, "list", "--after", str(first["next"]), "--json").stdout)
    assert [row["number"] for row in rest["messages"]] == [rows[0].pk] and rest["next"] is None
    assert json.loads(run(outbox, "list", "--state", "failed", "--json").stdout)["messages"][0]["to"] == "dave@example.org"
    assert "Dear Rita" not in run(outbox, "show", str(rows[2].pk)).stdout
    assert "it goes on." in run(outbox, "show", str(rows[0].pk)).stdout


@pytest.mark.parametrize("path", ["c", "my/sign-in", "my/confirm", "confirm", "status"])
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_the_links_by_which_people_act_are_not_printed(path, how):
    secret = "Zm9vYmFyYmF6cXV4LWZvb2Jhci1iYXo_secret"
    row = promised(body=f"Dear Carol,\nopen http://127.0.0.1:8700/{path}/{secret}/ now.", subject="a link")
    told = run(outbox, "show", str(row.pk), *how).stdout
    assert f"http://127.0.0.1:8700/{path}/..." in told and secret not in told and "Dear Carol" in told


@pytest.mark.parametrize("name", ["system:mailer", "contact:7", "token:feed", "cli:somebody-else"])
def test_nobody_acts_in_the_name_of_a_program_or_a_contact(name):
    row = promised()
    for group, words in ((outbox, ["withdraw", str(row.pk)]), (held, ["release", "7", "c2"])):
        told = run(group, *words, "--by", name)
        assert told.exit_code == 2 and "name a member of staff" in told.output
    row.refresh_from_db()
    assert row.state == "waiting" and not Entry.objects.exists()


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("retry", "failed", "waiting"),
        ("hold", "waiting", "held"),
        ("release", "held", "waiting"),
        ("withdraw", "waiting", "withdrawn"),
    ],
)
def test_the_verbs_change_one_or_many_and_are_on_the_record(verb, before, after):
    row = promised(state=before)
    run(outbox, verb, str(row.pk), "--reason", "by phone", "--by", "alice")
    row.refresh_from_db()
    assert row.state == after and Entry.objects.get(subject=f"message:{row.pk}").reason == "by phone"
    other = promised(state=before)
    partly = run(outbox, verb, str(promised(state="sent").pk), str(other.pk))
    assert partly.exit_code == 4 and "was sent already" in partly.stderr
    with pytest.raises(Refused):
        run(outbox, verb, str(promised(state="sent").pk))
    with pytest.raises(NotFound):
        run(outbox, verb, "999999")


def test_words_are_shown_changed_and_reset(tmp_path):
    assert "closed" in run(wording, "list").stdout
    file = tmp_path / "closed.txt"
    file.write_text(run(wording, "show", "closed").stdout.replace("this case is closed", "this matter is closed"))
    assert "nothing was changed" in run(wording, "keep", "closed", str(file), "--dry-run").stdout and not Wording.objects.exists()
    run(wording, "keep", "closed", str(file), "--by", "bob")
    assert (
        "this matter is closed" in run(wording, "show", "closed").stdout
        and "closed                   en*" in run(wording, "list").stdout
    )
    run(wording, "reset", "closed")
    assert "this case is closed" in run(wording, "show", "closed").stdout
    file.write_text("Subject\n\nDear {{ contakt }}")
    with pytest.raises(InputError, match=r"closed\.txt: closed \(en\), body, line 1: 'contakt'.*did you mean 'contact'"):
        run(wording, "keep", "closed", str(file))
    assert not OutboxMessage.objects.exists()
