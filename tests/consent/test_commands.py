"""``tipstaff permit``: import asks, and grants nothing; list and revoke."""

import json

import pytest
from click.testing import CliRunner

from tipstaff.consent.models import Permit
from tipstaff.faces.cli.permits import permit
from tipstaff.kernel.clock import now
from tipstaff.kernel.errors import InputError

pytestmark = pytest.mark.django_db
ROW = {
    "kind": "research", "title": "Internet-wide scan", "hosts": ["192.0.2.0/28"], "from": "2026-12-01T08:00Z",
    "until": "2026-12-02T08:00+01:00", "signatory": "R. Search", "document": "paper.txt",
}  # fmt: skip


def run(*words: str):
    return CliRunner().invoke(permit, list(words), catch_exceptions=False)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "paper.txt").write_text("signed")

    def write(*rows):
        path = tmp_path / "permits.json"
        path.write_text(json.dumps(list(rows)))
        return str(path)

    return write


def test_what_is_imported_waits_for_a_second_person(file) -> None:
    assert "1 permits could be asked for" in run("import", file(ROW), "--dry-run").output and not Permit.objects.exists()
    run("import", file(ROW, ROW | {"title": "Another"}))
    assert list(Permit.objects.values_list("approved_at", flat=True)) == [None, None]
    rows = json.loads(run("list", "--json").output)
    assert {row["state"] for row in rows} == {"asked"} and rows[0]["until"] == "2026-12-02T07:00:00Z"
    assert "Internet-wide scan" in run("list").output


def test_everything_wrong_is_named_and_nothing_is_entered(file) -> None:
    with pytest.raises(InputError) as error:
        run("import", file(ROW, ROW | {"hosts": ["x"], "kind": "war"}))
    assert [problem.where for problem in error.value.problems] == ["permits.json [2] kind", "permits.json [2] hosts"]
    for wrong in (ROW | {"colour": "red"}, ROW | {"document": "missing"}, ROW | {"from": "soon"}, ROW | {"hosts": "x"}):
        with pytest.raises(InputError):
            run("import", file(wrong))
    assert not Permit.objects.exists()


def test_a_granted_one_is_revoked_with_a_reason(file) -> None:
    run("import", file(ROW))
    Permit.objects.update(approved_by="bob", approved_at=now())
    assert "is revoked" in run("revoke", str(Permit.objects.get().pk), "--reason", "called off").output
    assert Permit.objects.get().reason == "called off"
