"""Spreadsheets: columns guessed, every bad row listed, nothing half-imported, and back again."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.accounts.given import NOW, day, delivered, held, named, parties, source
from tipstaff.accounts import exporting
from tipstaff.accounts.importing import cells
from tipstaff.accounts.importing.columns import meanings
from tipstaff.accounts.importing.csv_import import Options, read
from tipstaff.accounts.inventory import ContactFact, CustomerFact, Inventory, OwnPrefixFact, ServiceFact
from tipstaff.accounts.models import Assignment, Customer
from tipstaff.accounts.services import load
from tipstaff.kernel.errors import InputError


def reading(*texts, encoding="utf-8", since=NOW, dates=None, zone=UTC):
    files = [(f"file{number}.csv", text.encode(encoding)) for number, text in enumerate(texts, 1)]
    return read(files, Options(since, zone, dates))


def assignments(*texts, **more):
    found = reading(*texts, **more)
    assert found.inventory.problems == []
    return [(str(a.prefix), a.service, a.start, a.end) for a in found.inventory.assignments]


def problems(*texts, **more):
    return [(p.where, p.what) for p in reading(*texts, **more).inventory.problems]


class TestColumns:
    @pytest.mark.parametrize(
        ("heading", "expected"),
        [
            ("prefix,customer,start,end", ["prefix", "customer", "start", "end"]),
            ("Netz;Kundennummer;Firma;Gültig ab;Gültig bis", ["prefix", "customer", "customer_name", "start", "end"]),
            ("Réseau;N° client;Début;Fin;Courriel", ["prefix", None, "start", "end", "email"]),
            ("Red|Cliente|Desde|Hasta", ["prefix", "customer", "start", "end"]),
            ("Subnetwerk,Klantnummer,Vanaf,Tot", ["prefix", "customer", "start", "end"]),
            ("Podsieć,Klient,Od,Do", ["prefix", "customer", "start", "end"]),
            ("Rede,Cliente,Início,Até", ["prefix", "customer", "start", "end"]),
            ("Сеть,Клиент,Начало,Конец", ["prefix", "customer", "start", "end"]),
            ("网段,客户,开始日期,结束日期", ["prefix", "customer", "start", "end"]),
            ("ネットワーク,顧客,開始日,終了日", ["prefix", "customer", "start", "end"]),
            ("IP Address,Tenant,VALID-FROM,Valid_To", ["prefix", "customer", "start", "end"]),
            ("Start IP,End IP,Account Number", ["prefix", "prefix_end", "customer"]),
        ],
    )  # fmt: skip
    def test_headings_in_many_languages(self, heading, expected):
        sign = next(sign for sign in ";|," if sign in heading)
        assert meanings(heading.split(sign)) == expected

    def test_a_bare_name_is_that_of_what_the_file_is_about(self):
        assert meanings(["id", "name", "reseller"]) == ["customer", "customer_name", "reseller"]
        assert meanings(["customer", "name", "email", "role"]) == ["customer", "contact_name", "email", "contact_role"]
        assert meanings(["id", "customer", "name", "service type"]) == ["service", "customer", "service_name", "service_kind"]
        assert meanings(["prefix", "name"]) == ["prefix", "customer_name"]

    def test_no_meaning_twice_and_unknown_ones_are_said(self):
        found = reading("prefix,customer,network,colour\n192.0.2.0/24,carol,x,red\n")
        assert found.columns["file1.csv"] == {"prefix": "prefix", "customer": "customer", "network": None, "colour": None}


class TestReading:
    def test_one_line_can_say_it_all(self):
        text = """Netz;Kundennummer;Kunde Name;Firma;Wiederverkäufer;E-Mail;Vertrag;Ab;Bis
192.0.2.0/24;K-17;;Larkfield Web;K-9;abuse@larkfield.example;V-1;01.02.2026;
;K-9;;Rory Resale;;;;;
"""
        found = reading(text).inventory
        assert found.problems == []
        assert found.customers == [
            CustomerFact("K-17", "Larkfield Web", "K-9", where="file1.csv line 2"),
            CustomerFact("K-9", "Rory Resale", "", where="file1.csv line 3"),
        ]
        assert found.contacts == [
            ContactFact("K-17", "abuse:abuse@larkfield.example", "abuse", email="abuse@larkfield.example", where="file1.csv line 2")
        ]
        assert found.services == [ServiceFact("V-1", "K-17", where="file1.csv line 2")]
        assert [(a.service, a.start, a.end) for a in found.assignments] == [("V-1", day("2026-02-01"), None)]

    def test_a_customer_without_services_gets_one(self):
        assert assignments("prefix,customer\n192.0.2.0/24,carol\n198.51.100.0/24,carol\n") == [
            ("192.0.2.0/24", "carol/1", NOW, None), ("198.51.100.0/24", "carol/1", NOW, None),
        ]  # fmt: skip

    def test_several_files_are_read_together(self):
        found = reading(
            "customer,customer name\ncarol,Carol Ltd\n",
            "service,customer,service type\nweb-1,carol,virtual\n",
            "prefix,service,start\n192.0.2.0/24,web-1,2026-01-01\n",
            "service,domain,start\nweb-1,Example.COM.,2026-01-01\n",
        ).inventory
        assert found.problems == [] and len(found) == 4
        assert (found.names[0].kind, found.names[0].value) == ("domain", "example.com")
        assert found.services[0].kind == "virtual"

    def test_a_list_of_prefixes_alone_is_our_own_space(self):
        found = reading("prefix,note\n192.0.2.0/24,documentation\n2001:db8::/32,\n").inventory
        assert [(str(own.prefix), own.note) for own in found.own_prefixes] == [
            ("192.0.2.0/24", "documentation"), ("2001:db8::/32", ""),
        ]  # fmt: skip

    def test_ranges_masks_and_single_addresses(self):
        text = "network,mask,customer\n192.0.2.0 - 192.0.2.5,,a\n198.51.100.0,255.255.255.0,b\n203.0.113.7,,c\n198.51.100.0/25,,d\n"
        assert [row[0] for row in assignments(text)] == [
            "192.0.2.0/30", "192.0.2.4/31", "198.51.100.0/24", "203.0.113.7/32", "198.51.100.0/25",
        ]  # fmt: skip
        assert assignments("start ip,end ip,customer\n192.0.2.8,192.0.2.15,a\n")[0][0] == "192.0.2.8/29"
        assert assignments("prefix,customer\n192.0.2.0 255.255.255.0,a\n")[0][0] == "192.0.2.0/24"

    def test_port_shares_and_shared_addresses(self):
        text = "prefix,customer,ports,shared\n192.0.2.1,a,1024-2047,\n192.0.2.2,b,,ja\n192.0.2.3,c,80,no\n"
        found = reading(text).inventory.assignments
        assert [(a.port_from, a.port_to, a.shared) for a in found] == [(1024, 2048, False), (0, 65536, True), (80, 81, False)]
        assert reading("prefix,customer,port from,port to\n192.0.2.1,a,0,1023\n").inventory.assignments[0].port_to == 1024

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
    def test_encodings(self, encoding):
        found = reading("prefix;company\n192.0.2.0/24;Müller Söhne\n", encoding=encoding).inventory
        assert found.customers[0].name == "Müller Söhne"

    @pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
    def test_delimiters_and_quotes(self, sign):
        text = (
            sign.join(["prefix", '"customer, or; client|name"', "customer"])
            + "\n"
            + sign.join(["192.0.2.0/24", f'"a{sign}b"', "a"])
        )
        assert assignments(text + "\n")[0][:2] == ("192.0.2.0/24", "a/1")

    def test_empty_and_comment_lines_are_passed_over_and_lines_still_counted(self):
        text = '# exported\nprefix,customer,note\n\n192.0.2.0/24,a,"two\nlines"\n,,\nbad,a,\n'
        assert problems(text) == [
            ("file1.csv line 7, column 'prefix'", "'bad' is no prefix: 'bad' does not appear to be an IPv4 or IPv6 network")
        ]

    def test_rows_without_a_beginning_hold_since_the_moment_named_and_are_counted(self):
        found = reading("prefix,customer\n192.0.2.0/24,a\n", since=day("2025-01-01"))
        assert found.inventory.assignments[0].start == day("2025-01-01") and found.without_start == 1
        assert assignments("prefix,customer,start\n192.0.2.0/24,a,always\n")[0][2] is None


class TestMoments:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-03-31", "2026-03-31T00:00+00:00"), ("2026-03-31 14:05", "2026-03-31T14:05+00:00"),
            ("2026-03-31T14:05:06.7Z", "2026-03-31T14:05:06.7+00:00"), ("2026-03-31T14:05+02:00", "2026-03-31T12:05+00:00"),
            ("31.03.2026", "2026-03-31T00:00+00:00"), ("3.4.2026 10:00", "2026-04-03T10:00+00:00"),
            ("31/03/2026", "2026-03-31T00:00+00:00"), ("03/31/2026", "2026-03-31T00:00+00:00"),
            ("2026/03/31", "2026-03-31T00:00+00:00"), ("2026-03-31 14:05:06 UTC", "2026-03-31T14:05:06+00:00"),
        ],
    )  # fmt: skip
    def test_forms(self, text, expected):
        assert cells.moment(text, None) == datetime.fromisoformat(expected)

    def test_a_local_date_is_read_in_the_zone_named(self):
        row = assignments("prefix,customer,start\n192.0.2.0/24,a,2026-07-01\n", zone=ZoneInfo("Europe/Berlin"))[0]
        assert row[2] == datetime(2026, 6, 30, 22, tzinfo=UTC)

    @pytest.mark.parametrize("text", ["", "-", "open", "9999-12-31", "2999-12-31", "unbefristet"])
    def test_open_ends(self, text):
        assert cells.moment(text, None) is None

    def test_the_column_gives_away_the_order_of_its_dates(self):
        text = "prefix,customer,start\n192.0.2.0/25,a,03/04/2026\n192.0.2.128/25,a,25/04/2026\n"
        assert assignments(text)[0][2] == day("2026-04-03")

    def test_a_date_that_reads_two_ways_is_listed_unless_the_order_is_named(self):
        text = "prefix,customer,start\n192.0.2.0/24,a,03/04/2026\n"
        assert problems(text) == [("file1.csv line 2, column 'start'", "'03/04/2026' can be read in two ways")]
        assert assignments(text, dates="mdy")[0][2] == day("2026-03-04")
        assert assignments(text, dates="dmy")[0][2] == day("2026-04-03")


class TestBadInput:
    def test_every_bad_row_with_line_column_reason_and_advice(self):
        text = """prefix,customer,start,end,ports,shared,email
192.0.2.1/24,a,,,,,
192.0.2.0/24,,,,,,
198.51.100.0/24,a,yesterday,,,,
198.51.100.0/24,a,,,99999,,
198.51.100.0/24,a,,,,perhaps,
198.51.100.0/24,a,,,,,nobody
,a,,,,,
198.51.100.0/24,a,,,,,x,y,z
"""
        found = reading(text).inventory.problems
        assert [problem.where.removeprefix("file1.csv ") for problem in found] == [
            "line 2, column 'prefix'", "line 3, column 'customer'", "line 4, column 'start'", "line 5, column 'ports'",
            "line 6, column 'shared'", "line 7, column 'email'", "line 8, column 'prefix'", "line 9",
        ]  # fmt: skip
        assert found[0].advice == "did you mean 192.0.2.0/24?"
        assert all(problem.what and problem.advice for problem in found)

    def test_rows_that_contradict_each_other_about_a_customer(self):
        text = "prefix,customer,company\n192.0.2.0/25,a,One\n192.0.2.128/25,a,Two\n"
        assert problems(text) == [("file1.csv line 3", "name 'Two' of 'a' contradicts 'One' at file1.csv line 2")]

    @pytest.mark.parametrize("text", ["", "\n\n", "colour,size\nred,1\n"])
    def test_files_that_say_nothing(self, text):
        ((where, _),) = problems(text)
        assert where.startswith("file1.csv")

    def test_a_quote_that_never_ends(self):
        assert len(problems('prefix,customer\n"192.0.2.0/24,a\n' + "x" * 2_000_000)) == 1

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes_are_read_or_listed(self, content):
        for text in (content, b"prefix,customer,start,end,ports,shared\n" + content):
            found = read([("any.csv", text)], Options(NOW, UTC)).inventory
            assert all(problem.where.startswith("any.csv") and problem.what for problem in found.problems)


@pytest.mark.django_db
class TestIntoTheDatabase:
    def test_nothing_is_half_imported(self):
        found = reading("prefix,customer\n192.0.2.0/24,carol\n192.0.2.1/24,carol\n").inventory
        with pytest.raises(InputError):
            load(inventory=found, source=source(), by="bob", now=NOW)
        assert not Customer.objects.exists()

    def test_the_database_is_told_what_the_files_say(self):
        found = reading("prefix,customer,from,to\n192.0.2.0/24,carol,2026-01-01,2026-02-01\n").inventory
        load(inventory=found, source=source(), by="bob", now=NOW)
        row = Assignment.objects.get()
        assert (row.service.customer.external_id, row.period.lower, row.period.upper) == (
            "carol",
            day("2026-01-01"),
            day("2026-02-01"),
        )

    def test_the_same_list_again_the_next_day_changes_nothing(self):
        text = "prefix,customer\n192.0.2.0/24,carol\n"
        load(inventory=reading(text).inventory, source=source(), by="bob", now=NOW)
        assert not load(
            inventory=reading(text, since=day("2026-06-02")).inventory, source=source(), by="bob", now=day("2026-06-02")
        )

    def test_an_end_added_to_a_list_without_beginnings(self):
        load(inventory=reading("prefix,customer,to\n192.0.2.0/24,carol,\n").inventory, source=source(), by="bob", now=NOW)
        ended = reading("prefix,customer,to\n192.0.2.0/24,carol,2026-07-01\n", since=day("2026-06-20"))
        load(inventory=ended.inventory, source=source(), by="bob", now=day("2026-06-20"))
        row = Assignment.objects.get(superseded_at=None)
        assert (row.period.lower, row.period.upper) == (NOW, day("2026-07-01"))

    def rich(self):
        facts = parties()
        facts.customers[0] = CustomerFact("carol", 'Carol, "Ltd"\n& Söhne', None, "business", "hospital", "Brand", "de",
                                          "Europe/Berlin", {"ack_hours": 48}, day("2027-01-01"))  # fmt: skip
        facts.services[0] = ServiceFact("carol-1", "carol", "Web", "virtual", "provider", "conduit", "carrier", "B",
                                        day("2026-01-01"), day("2027-01-01"))  # fmt: skip
        facts.contacts = [ContactFact("carol", "c-1", "technical", "Carol", "abuse@carol.example", "+1 555 0100", "fr")]
        facts.own_prefixes = [OwnPrefixFact(held("192.0.2.0/24", "x").prefix, "ours")]
        delivered(
            held("192.0.2.0/24", "carol-1", "2026-01-01", "2026-02-01", external_id="t1"),
            held("192.0.2.0/24", "dave-1", "2026-02-01"),
            held("198.51.100.1/32", "carol-1", ports=(1024, 2048)), held("198.51.100.2/32", "dave-1", shared=True),
            held("198.51.100.2/32", "carol-1", shared=True), held("2001:db8::/48", "emma-1"),
            names=[named("domain", "example.com", "carol-1"), named("mailbox", "info@example.net", "dave-1", "2026-01-01")],
            inventory=facts,
        )  # fmt: skip

    def test_export_round_trips(self, tmp_path):
        self.rich()
        written = exporting.write(tmp_path / "first")
        assert written == {"customers.csv": 4, "contacts.csv": 1, "services.csv": 4, "assignments.csv": 6, "names.csv": 2,
                           "own-prefixes.csv": 1}  # fmt: skip
        files = [(path.name, path.read_bytes()) for path in sorted((tmp_path / "first").iterdir())]
        again = read(files, Options(day("2030-01-01"), UTC))
        assert again.inventory.problems == [] and again.without_start == 0
        assert not load(inventory=again.inventory, source=source(), by="bob", now=NOW), "into the same inventory: no change"
        self.empty()
        load(inventory=again.inventory, source=source("second"), by="bob", now=NOW)
        exporting.write(tmp_path / "second")
        for name, content in files:
            assert (tmp_path / "second" / name).read_bytes() == content

    def empty(self):
        from django.apps import apps

        for name in ("Assignment", "ServiceName", "Contact", "OwnPrefix", "Service"):
            apps.get_model("accounts", name).objects.all().delete()
        Customer.objects.update(parent=None)
        Customer.objects.all().delete()

    def test_what_was_entered_by_hand_can_be_exported_too(self, tmp_path):
        Customer.objects.create(name="By hand", created_at=NOW)
        exporting.write(tmp_path)
        assert "customer-" in (tmp_path / "customers.csv").read_text()


def test_an_inventory_counts_what_it_says():
    assert len(Inventory()) == 0
