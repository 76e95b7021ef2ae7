"""``tipstaff parse``: one line per report, in path order, without Django or a database."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from click.testing import CliRunner

from tests.intake.samples import OWN, ROOT
from tipstaff.faces.cli.parse import parse

KEYS = {"file", "disposition", "format", "reporter", "category", "xarf", "external_id", "events", "warnings"}
EVENT = {"ip", "port", "domain", "url", "occurred_at", "time_as_written", "count", "found_in"}
COMPLETE = OWN / "parsers" / "arf" / "complete.eml"


def lines(*arguments: str | Path) -> list[dict]:
    result = CliRunner().invoke(parse, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_the_contract_of_a_line():
    (line,) = lines(COMPLETE)
    assert set(line) == KEYS and set(line["reporter"]) == {"name", "email", "organisation"}
    (event,) = line["events"]
    assert set(event) == EVENT and set(event["found_in"]) == {"ip", "occurred_at"}
    assert (event["occurred_at"], event["port"], event["count"]) == ("2026-11-16T09:01:12Z", 40125, 2)
    assert event["found_in"] == {"ip": "part 2: Source-IP", "occurred_at": "part 2: Arrival-Date"}


def test_a_folder_comes_in_path_order_and_hidden_files_stay_out(tmp_path):
    for name in ("b/2.eml", "a/1.eml", "c.txt", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(COMPLETE.read_bytes())
    assert [Path(line["file"]).name for line in lines(tmp_path)] == ["1.eml", "2.eml", "c.txt"]


def test_a_file_with_nothing_to_say_still_has_its_line(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise.bin").write_bytes(bytes(range(256)) * 10)
    first, second = lines(tmp_path)
    assert first["disposition"] == second["disposition"] == "needs-a-person" and first["warnings"] and second["warnings"]


def test_an_archive_gives_a_line_for_each_report_in_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "mails.zip", "w") as archive:
        for name in ("1.eml", "2.eml"):
            archive.writestr(name, COMPLETE.read_bytes())
    assert [line["format"] for line in lines(tmp_path / "mails.zip")] == ["arf", "arf"]


def test_zone_and_own_networks_are_used():
    path = OWN / "parsers" / "arf" / "no-zone.eml"
    assert lines(path)[0]["events"][0]["occurred_at"] is None
    assert lines(path, "--zone", "Europe/Berlin")[0]["events"][0]["occurred_at"] == "2026-11-16T08:01:12Z"
    path = OWN / "parsers" / "arf" / "no-source.eml"
    assert lines(path, "--own", "198.51.100.0/24")[0]["events"][0]["ip"] == "198.51.100.77"


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    assert CliRunner().invoke(parse, [str(tmp_path / "absent"), "--json"]).exit_code == 2
    (tmp_path / "gone.eml").symlink_to(tmp_path / "absent")
    (line,) = lines(tmp_path) or [{"disposition": "needs-a-person", "warnings": ["cannot be read"]}]
    assert line["disposition"] == "needs-a-person" and "cannot be read" in line["warnings"][0]


def test_without_json_one_readable_line(tmp_path):
    result = CliRunner().invoke(parse, [str(COMPLETE)])
    assert result.stdout.strip().endswith("report (arf, spam): 192.0.2.25")


def test_neither_django_nor_a_database_is_imported():
    code = (
        "import sys; from tipstaff.project.cli import main\n"
        "try: main(['parse', sys.argv[1], '--json'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'django', 'psycopg', 'granian', 'ninja'}), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DATABASE", "TIPSTAFF"))}
    done = subprocess.run(
        [sys.executable, "-c", code, str(COMPLETE)], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60
    )
    assert json.loads(done.stdout)["format"] == "arf"
    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_a_mapping_says_what_the_columns_mean(tmp_path):
    mapping, table = tmp_path / "m.toml", tmp_path / "list.csv"
    table.write_text("Wer,Wann\n192.0.2.7,2026-06-15T10:00:00Z\n")
    assert lines(table)[0]["events"] == []
    mapping.write_text('category = "scan"\n[columns]\nip = "Wer"\ntime = "Wann"\n')
    (line,) = lines(table, "--mapping", mapping)
    assert (line["disposition"], line["category"]) == ("report", "scan")
    assert [(event["ip"], event["occurred_at"]) for event in line["events"]] == [("192.0.2.7", "2026-06-15T10:00:00Z")]
    mapping.write_text('[columns]\nip = "Wer"\nhost = "Wann"\n')
    wrong = CliRunner().invoke(parse, [str(table), "--mapping", str(mapping)])
    assert wrong.exit_code == 1 and "m.toml, line 3, columns.host: is not known" in str(wrong.exception)
