"""`tipstaff who`, `import` and `export` as an operator types them."""

import json
import threading
from datetime import timedelta
from http.server import ThreadingHTTPServer

import pytest
from click.testing import CliRunner

from tests.accounts.test_netbox import TOKEN, Server, State
from tipstaff.accounts.models import Assignment, Customer, InventorySource
from tipstaff.attribution import snapshot
from tipstaff.audit.models import Entry
from tipstaff.faces.cli.inventory import export, import_
from tipstaff.faces.cli.who import split_address, who
from tipstaff.kernel import clock
from tipstaff.kernel.errors import InputError

LIST = """prefix;customer;company;email;from;to;ports
192.0.2.0/24;K-1;Carol Web;abuse@carol.example;2026-01-01;2026-03-01;
192.0.2.0/24;K-2;Dave Hosting;abuse@dave.example;2026-03-01;;
198.51.100.1;K-1;;;2026-01-01;;1024-2047
198.51.100.1;K-2;;;2026-01-01;;2048-4095
"""


@pytest.fixture(autouse=True)
def fresh(request):
    snapshot.kept.forget()
    yield
    snapshot.kept.forget()


def run(command, *arguments, **more):
    result = CliRunner().invoke(command, [str(one) for one in arguments], **more)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read_json(command, *arguments):
    return json.loads(run(command, *arguments, "--json").stdout)


@pytest.fixture
def listed(tmp_path, db):
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    return path


@pytest.fixture
def imported(listed):
    run(import_, "csv", listed)


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("192.0.2.1", ("192.0.2.1", None, None)), ("192.0.2.1:80", ("192.0.2.1", 80, None)),
            ("2001:db8::1", ("2001:db8::1", None, None)), ("[2001:db8::1]:443", ("2001:db8::1", 443, None)),
            ("[2001:db8::1]", ("2001:db8::1", None, None)), ("www.example.com", (None, None, "www.example.com")),
            ("www.example.com:8080", (None, 8080, "www.example.com")),
        ],
    )  # fmt: skip
    def test_address_port_and_name(self, text, expected):
        assert split_address(text) == expected

    @pytest.mark.parametrize("text", ["[2001:db8::1", "[2001:db8::1]443"])
    def test_brackets_that_do_not_close(self, text):
        with pytest.raises(InputError, match="brackets"):
            split_address(text)

    @pytest.mark.parametrize("text", ["192.0.2.1:x", "192.0.2.1:70000", "192.0.2.1:"])
    def test_no_port(self, text):
        with pytest.raises(InputError, match="no port"):
            split_address(text)


@pytest.mark.usefixtures("imported")
class TestWho:
    def test_the_holder_in_words(self):
        lines = run(who, "192.0.2.7", "--at", "2026-02-01T10:00:00Z").stdout.splitlines()
        assert lines[0] == "192.0.2.7 at 2026-02-01 10:00:00 UTC: held"
        assert lines[1] == "  customer   Carol Web (K-1)"
        assert lines[4] == "  assigned   192.0.2.0/24 2026-01-01 00:00:00 UTC to 2026-03-01 00:00:00 UTC, csv"
        assert lines[5].startswith("  after      Dave Hosting, Dave Hosting, 192.0.2.0/24 2026-03-01")

    def test_an_interval_that_ends_before_it_begins_is_refused(self):
        with pytest.raises(InputError, match="is before"):
            run(who, "192.0.2.7", "--at", "2026-02-01", "--until", "2026-01-01")

    def test_json(self):
        found = read_json(who, "198.51.100.1:2048", "--at", "2026-02-01")
        assert (found["answer"], found["customer"]["name"], found["port"]) == ("held", "Dave Hosting", 2048)
        assert found["decided_by"] == "the share of ports" and found["assignment"]["ports"] == [2048, 4095]

    def test_without_a_port_the_candidates(self):
        found = run(who, "198.51.100.1", "--at", "2026-02-01").stdout
        assert "ambiguous" in found and found.count("  candidate  ") == 2

    def test_an_interval(self):
        assert read_json(who, "192.0.2.7", "--at", "2026-02-01", "--until", "2026-04-01")["answer"] == "ambiguous"

    def test_not_ours_is_honest_about_what_is_unknown(self):
        assert "abuse contact: unknown" in run(who, "203.0.113.1", "--at", "2026-02-01").stdout

    def test_as_known_at(self):
        assert read_json(who, "192.0.2.7", "--at", "2026-02-01", "--as-known-at", "2020-01-01")["answer"] == "not ours"

    @pytest.mark.parametrize("arguments", [["192.0.2.7", "--at", "yesterday"], ["192.0.2.777", "--at", "2026-01-01"]])
    def test_what_cannot_be_read(self, arguments):
        with pytest.raises(InputError):
            run(who, *arguments)


@pytest.mark.usefixtures("imported")
class TestSources:
    def test_a_source_is_late_after_what_was_said_and_fine_again_without(self):
        InventorySource.objects.filter(name="csv").update(last_word_at=clock.now() - timedelta(hours=30))
        row = read_json(import_, "sources")[0]
        assert (row["source"], row["late"], row["late_after_hours"]) == ("csv", False, None) and row["lag_s"] >= 30 * 3600
        assert "late after 26 h" in run(import_, "late-after", "csv", "26").stdout
        assert run(import_, "sources").stdout.rstrip().endswith("late")
        run(import_, "late-after", "csv")
        assert run(import_, "sources").stdout.rstrip().endswith("fine")
        assert Entry.objects.filter(action="inventory.expect").count() == 2

    def test_no_such_source_names_those_that_are(self):
        with pytest.raises(InputError, match="one of: csv"):
            run(import_, "late-after", "netbox", "26")


@pytest.mark.usefixtures("imported")
class TestCorrecting:
    asked = ("192.0.2.7", "--at", "2026-02-01T10:00:00Z")

    def test_a_corrected_end_is_known_now_and_not_before(self):
        before = clock.now()
        number = read_json(who, *self.asked)["assignment"]["assignment"]
        found = read_json(import_, "correct", number, "--until", "2026-01-20T00:00:00Z", "--reason", "the contract says so")
        assert ["192.0.2.0/24", "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"] in found["spans"]
        assert read_json(who, *self.asked)["answer"] == "not assigned then"
        assert read_json(who, *self.asked, "--as-known-at", before.isoformat())["answer"] == "held"

    @pytest.mark.parametrize(("given", "words"), [((), "nothing to correct"), (("--service", "987654"), "does not exist")])
    def test_what_cannot_be_corrected_changes_nothing(self, given, words):
        number = read_json(who, *self.asked)["assignment"]["assignment"]
        with pytest.raises(InputError, match=words):
            run(import_, "correct", number, *given, "--reason", "x")
        assert read_json(who, *self.asked)["assignment"]["assignment"] == number


class TestCsv:
    def test_dry_run_shows_the_guess_and_changes_nothing(self, listed):
        found = run(import_, "csv", listed, "--dry-run").stdout
        assert "list.csv: prefix = prefix, customer = customer, company = customer_name" in found
        assert "assignments: 4 would be recorded" in found
        assert not Customer.objects.exists() and not InventorySource.objects.exists()

    def test_import_and_again(self, listed):
        first = read_json(import_, "csv", listed)
        assert (first["customers"], first["assignments"], first["without_start"]) == ({"created": 2, "changed": 0}, 4, 0)
        assert ["192.0.2.0/24", "2026-03-01T00:00:00Z", None] in first["spans"]
        assert read_json(import_, "csv", listed)["assignments"] == 0

    def test_bad_rows_are_listed_and_nothing_is_imported(self, listed):
        listed.write_text(LIST + "192.0.2.1/24;K-3;;;;;\n198.51.100.7;K-1;;x;;;\n")
        result = run(import_, "csv", listed, "--json")
        found = json.loads(result.stdout)["problems"]
        assert result.exit_code == 1
        assert [problem["where"] for problem in found] == ["list.csv line 6, column 'prefix'", "list.csv line 7, column 'email'"]
        assert not Customer.objects.exists()
        with pytest.raises(InputError):
            run(import_, "csv", listed)

    def test_complete_and_since(self, listed, tmp_path):
        run(import_, "csv", listed)
        rest = tmp_path / "rest.csv"
        rest.write_text("prefix,customer\n198.51.100.1,K-1\n")
        run(import_, "csv", rest, "--complete", "--since", "2026-06-01", "--as-of", "2026-06-01")
        still = Assignment.objects.filter(superseded_at=None, period__endswith=None)
        assert [str(row.prefix) for row in still] == ["198.51.100.1/32"]

    def test_an_unknown_zone(self, listed):
        with pytest.raises(InputError, match="no time zone"):
            run(import_, "csv", listed, "--zone", "Nowhere/None")

    def test_export_and_back(self, imported, tmp_path):
        assert "assignments.csv" in run(export, tmp_path / "out").stdout
        files = sorted((tmp_path / "out").iterdir())
        assert read_json(import_, "csv", *files)["spans"] == []
        assert read_json(export, tmp_path / "out")["customers.csv"] == 2


@pytest.mark.django_db
class TestNetbox:
    @pytest.fixture
    def server(self):
        running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
        running.state = State()
        running.state.page = 100
        running.state.url = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield running.state
        running.shutdown()
        running.server_close()

    def test_what_was_left_out_is_listed_and_the_rest_is_in(self, server):
        result = run(import_, "netbox", server.url, "--own-tenant", "example-networks", env={"TIPSTAFF_NETBOX_TOKEN": TOKEN})
        assert result.exit_code == 4 and result.stderr.count("left out:") == 2
        assert Assignment.objects.count() == 11
        assert InventorySource.objects.get().settings == {"url": server.url}

    def test_a_failure_is_noted_at_the_source(self, server):
        server.failures = [(403, {})]
        with pytest.raises(InputError, match="403"):
            run(import_, "netbox", server.url, env={"TIPSTAFF_NETBOX_TOKEN": TOKEN})
        assert "403" in InventorySource.objects.get().last_error

    def test_the_token_comes_from_the_environment_only(self, server):
        for arguments in (["--token", TOKEN], []):
            with pytest.raises(InputError, match="TIPSTAFF_NETBOX_TOKEN"):
                run(import_, "netbox", server.url, *arguments)
        assert server.asked == []

    def test_custom_fields_can_be_named(self, server):
        more = ["--custom-field", "service=line", "--groups-are-folders", "--json"]
        result = run(import_, "netbox", server.url, *more, "--dry-run", env={"TIPSTAFF_NETBOX_TOKEN": TOKEN})
        assert json.loads(result.stdout)["services"]["created"] == 4
        with pytest.raises(InputError, match="MEANING=FIELD"):
            run(import_, "netbox", server.url, "--custom-field", "colour=x", env={"TIPSTAFF_NETBOX_TOKEN": TOKEN})


@pytest.mark.django_db
@pytest.mark.parametrize(
    "content", [b"prefix,abuse_contact\n9.0.0.0/8,\xff\xfe\n", b"prefix,abuse_contact\n9.0.0.0/8,\0\n" + b'"' * 200_000]
)
def test_a_list_of_abuse_contacts_that_is_no_csv_is_named(tmp_path, content):
    path = tmp_path / "contacts.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"contacts\.csv"):
        run(import_, "abuse-contacts", path)
