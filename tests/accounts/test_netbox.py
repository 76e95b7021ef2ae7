"""NetBox over real HTTP on the loopback: answers in the shape of NetBox 4's serializers, in pages."""

import json
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.accounts.given import NOW, day, source
from tipstaff.accounts.importing import netbox, netbox_client
from tipstaff.accounts.importing.netbox import Settings, facts
from tipstaff.accounts.importing.netbox_client import NetBox
from tipstaff.accounts.models import Assignment, Customer, ServiceName
from tipstaff.accounts.services import load
from tipstaff.kernel.errors import InputError

ANSWERS = Path(__file__).parent.parent / "corpus" / "netbox"
TOKEN = "0123456789abcdef0123456789abcdef01234567"


def recorded():
    return {name: json.loads((ANSWERS / f"{name.replace('/', '-')}.json").read_text()) for name in netbox.ENDPOINTS}


def of_netbox_itself():
    """What NetBox 4.7.3 answered to this very client, filled with a small inventory of documentation addresses."""
    return json.loads((ANSWERS / "recorded-4.7.3.json").read_text())


class Server(BaseHTTPRequestHandler):
    """Answers like NetBox: pages with count, next and previous; 403 without the token."""

    def do_GET(self):
        state = self.server.state
        split = urlsplit(self.path)
        endpoint = split.path.removeprefix("/api/").strip("/")
        state.asked.append((endpoint, self.headers["Authorization"]))
        state.meanwhile(len(state.asked))
        if state.failures:
            status, body, *headers = state.failures.pop(0)
            return self.say(status, body, **(headers[0] if headers else {}))
        if self.headers["Authorization"] not in {f"Token {TOKEN}", f"Bearer nbt_key.{TOKEN}"}:
            return self.say(403, {"detail": "Invalid token"})
        if endpoint not in state.records:
            return self.say(404, {"detail": "Not found."})
        query = {name: int(values[0]) for name, values in parse_qs(split.query).items()}
        offset, limit = query.get("offset", 0), min(query["limit"], state.page)
        rows = state.records[endpoint]
        # A NetBox behind a proxy that does not pass the host on names itself wrongly.
        following = f"http://inner.invalid/api/{endpoint}/?limit={limit}&offset={offset + limit}"
        page = {
            "count": len(rows), "next": following if offset + limit < len(rows) else None, "previous": None,
            "results": rows[offset : offset + limit],
        }  # fmt: skip
        return self.say(200, page)

    def say(self, status, body, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


class State:
    def __init__(self):
        self.records, self.asked, self.failures, self.page = recorded(), [], [], 2
        self.meanwhile = lambda asked: None


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    running.state = State()
    running.state.url = f"http://127.0.0.1:{running.server_address[1]}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield running.state
    running.shutdown()
    running.server_close()


def reading(**more):
    return facts(recorded(), Settings(**more), NOW)


class TestClient:
    def test_every_page_of_every_endpoint_is_read(self, server):
        with NetBox(server.url, TOKEN) as client:
            assert client.everything() == recorded()
        assert Counter(endpoint for endpoint, _ in server.asked)["ipam/ip-addresses"] == 5

    def test_the_address_may_end_in_a_slash_or_in_api(self, server):
        for url in (server.url + "/", server.url + "/api", server.url + "/api/"):
            with NetBox(url, TOKEN) as client:
                assert len(list(client.records("tenancy/tenants"))) == 4

    def test_tokens_of_both_kinds(self, server):
        with NetBox(server.url, f"nbt_key.{TOKEN}") as client:
            assert list(client.records("tenancy/tenants"))
        assert server.asked[0][1].startswith("Bearer nbt_")

    def test_a_wrong_token_is_said_once(self, server):
        with NetBox(server.url, "wrong") as client, pytest.raises(InputError, match=r"403.*may not view"):
            client.everything()
        assert len(server.asked) == 1

    def test_passing_trouble_is_waited_out(self, server):
        server.failures = [(503, {}), (429, {}), (502, b"<html>")]
        with NetBox(server.url, TOKEN, wait=0) as client:
            assert len(list(client.records("tenancy/tenants"))) == 4

    def test_it_waits_as_long_as_it_is_asked_to_but_not_for_ever(self, server, monkeypatch):
        waited = []
        monkeypatch.setattr(netbox_client.time, "sleep", waited.append)
        server.failures = [
            (429, {}, {"Retry-After": "17"}),
            (429, {}, {"Retry-After": "99999"}),
            (503, {}, {"Retry-After": "soon"}),
        ]
        with NetBox(server.url, TOKEN) as client:
            assert len(list(client.records("tenancy/tenants"))) == 4
        assert waited == [17, 60, 3]

    @pytest.mark.parametrize(
        "detail", ["Invalid v1 token", "Token expired", "Token disabled", "Source IP 192.0.2.1 is not permitted"]
    )
    def test_a_token_that_is_refused_is_said(self, server, detail):
        server.failures = [(403, {"detail": detail})]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="403"):
            client.everything()

    def test_a_record_removed_between_two_pages_loses_no_other(self, server):
        """Pages are counted from the beginning: what moves up over their edge would be missed, and would seem to have ended."""
        rows = server.records["tenancy/tenants"]
        server.meanwhile = lambda asked: rows.pop(0) if asked == 2 else None
        with NetBox(server.url, TOKEN) as client:
            assert list(client.records("tenancy/tenants")) == rows
        assert len(rows) == 3

    def test_a_record_that_comes_twice_is_asked_for_again_and_then_refused(self, server):
        server.records["tenancy/tenants"] += server.records["tenancy/tenants"][:1]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="come twice"):
            list(client.records("tenancy/tenants"))

    def test_a_record_made_while_another_is_removed_leaves_the_count_as_it_was_and_is_noticed(self, server):
        """Between two pages one goes and one comes: the count stays, no record comes twice, and one would be missed."""
        rows = server.records["tenancy/tenants"]
        made = rows[0] | {"id": 99, "name": "New", "slug": "new", "created": "2999-01-01T00:00:00.000000Z"}

        def meanwhile(asked):
            if asked == 2:
                rows.pop(0)
                rows.append(made)
            if asked == 3:
                made["created"] = "2026-01-01T00:00:00.000000Z"  # by the second reading it is of the past

        server.meanwhile = meanwhile
        with NetBox(server.url, TOKEN) as client:
            assert [record["id"] for record in client.records("tenancy/tenants")] == [record["id"] for record in rows]
        assert len(server.asked) == 4

    def test_a_record_that_says_the_day_alone_is_taken_as_it_comes(self, server):
        server.records["tenancy/tenants"][0]["created"] = "2999-01-01"
        with NetBox(server.url, TOKEN) as client:
            assert len(list(client.records("tenancy/tenants"))) == 4
        assert len(server.asked) == 2

    def test_lasting_trouble_is_said(self, server):
        server.failures = [(503, {})] * 9
        with NetBox(server.url, TOKEN, wait=0) as client, pytest.raises(InputError, match="503"):
            client.everything()
        assert len(server.asked) == netbox_client.TRIES

    @pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"[]", b'{"results": 1}'])
    def test_what_is_no_netbox_is_said(self, server, answer):
        server.failures = [(200, answer)]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="does not answer like NetBox"):
            client.everything()

    def test_pages_in_a_circle_end(self, server):
        server.failures = [(200, {"results": [], "next": f"{server.url}/api/x/?limit=500"})]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="circle"):
            list(client.records("tenancy/tenants"))

    @pytest.mark.parametrize("page", ["http://x:port/?a=1", "?a=\n", "x" * 70_000])
    def test_a_next_page_that_nobody_can_ask_for_is_named(self, server, page):
        server.failures = [(200, {"results": [], "next": page})]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="names no page"):
            list(client.records("tenancy/tenants"))

    def test_a_count_that_is_none_is_not_compared(self, server):
        server.failures = [(200, {"results": [], "next": None, "count": [7]})]
        with NetBox(server.url, TOKEN) as client:
            assert list(client.records("tenancy/tenants")) == []

    def test_a_redirect_is_not_followed_with_the_token(self, server):
        server.failures = [(301, {})]
        with NetBox(server.url, TOKEN) as client, pytest.raises(InputError, match="points to"):
            client.everything()

    def test_nobody_there(self):
        with NetBox("http://127.0.0.1:9", TOKEN, wait=0) as client, pytest.raises(InputError, match="cannot be reached"):
            client.everything()

    @pytest.mark.parametrize("url", ["netbox.example.net", "ftp://netbox.example.net", "https://"])
    def test_no_web_address(self, url):
        with pytest.raises(InputError, match="no web address"):
            NetBox(url, TOKEN)


SPOILT = [
    ("tenancy/tenants", {"id": None}, r"tenancy/tenants, record 1, id: 'None'"), ("tenancy/tenants", {"name": ["x"]}, "name"),
    ("tenancy/tenants", {"group": 7}, "group"), ("tenancy/tenants", {"slug": {}}, "slug"),
    ("tenancy/tenants", {"custom_fields": {"customer_id": ["a"]}}, "custom field customer_id: holds a list"),
    ("tenancy/tenant-groups", {"parent": {"name": "x"}}, "parent"), ("tenancy/contacts", {"email": 5}, "email"),
    ("tenancy/contact-assignments", {"contact": None}, "contact"), ("tenancy/contact-assignments", {"object_id": "1"}, "object_id"),
    ("ipam/aggregates", {"prefix": None}, "prefix"), ("ipam/prefixes", {"tenant": {"id": 1}}, "tenant"),
    ("ipam/prefixes", {"status": ["active"]}, "status"), ("ipam/ip-ranges", {"start_address": 1}, "start_address"),
    ("ipam/ip-addresses", {"vrf": "public"}, "vrf"),
]  # fmt: skip


class TestShapes:
    @pytest.mark.parametrize(("endpoint", "changed", "told"), SPOILT)
    def test_what_is_no_record_of_netbox_refuses_the_reading_and_names_the_field(self, endpoint, changed, told):
        answers = recorded()
        answers[endpoint][0] = answers[endpoint][0] | changed
        with pytest.raises(InputError, match=told):
            facts(answers, Settings(), NOW)

    @pytest.mark.parametrize("record", [None, True, 7, "x", []])
    def test_what_is_no_object_is_named(self, record):
        with pytest.raises(InputError, match=r"ipam/prefixes, record 1: is no object.*nothing was changed"):
            facts(recorded() | {"ipam/prefixes": [record]}, Settings(), NOW)

    def test_many_mistakes_are_told_in_few_lines(self):
        with pytest.raises(InputError) as refused:
            facts(recorded() | {"ipam/prefixes": [None] * 5000}, Settings(), NOW)
        assert len(refused.value.problems) == 20


class TestMapping:
    def test_tenants_are_customers_and_their_groups_resellers(self):
        found = {
            fact.external_id: (fact.name, fact.parent, fact.customer_class)
            for fact in reading(own_tenants=frozenset({"example-networks"})).customers
        }
        assert found == {
            "netbox:group:1": ("Rory Resale", "", "reseller"), "netbox:group:2": ("Rory Resale West", "netbox:group:1", "reseller"),
            "K-17": ("Carol Web", "", None), "netbox:tenant:6": ("Dave Hosting", "", None),
            "netbox:tenant:7": ("Emma Blog", "netbox:group:2", None), "netbox:tenant:8": ("Example Networks", "", "provider"),
        }  # fmt: skip

    def test_groups_may_be_mere_folders(self):
        found = reading(groups_are_resellers=False)
        assert [fact.parent for fact in found.customers] == ["", "", "", ""]
        assert [contact.customer for contact in found.contacts] == ["K-17"]

    def test_contacts_of_customers_only_and_active_ones(self):
        found = [(fact.customer, fact.role, fact.email, fact.phone) for fact in reading().contacts]
        assert found == [
            ("K-17", "abuse", "abuse@carol.example", "+1 555 0100"),
            ("netbox:group:1", "technical", "noc@rory.example", ""),
        ]

    def test_aggregates_and_containers_are_our_own_space(self):
        assert [str(fact.prefix) for fact in reading().own_prefixes] == ["192.0.2.0/24", "2001:db8::/32", "198.51.100.0/23"]

    def test_prefixes_ranges_and_addresses_with_a_tenant(self):
        found = [(str(fact.prefix), fact.service, fact.port_from, fact.port_to, fact.shared) for fact in reading().assignments]
        dave, emma = "netbox:tenant:6/1", "netbox:tenant:7/1"
        assert found == [
            ("192.0.2.0/25", "K-17/1", 0, 65536, False), ("192.0.2.128/25", "netbox:tenant:8/1", 0, 65536, False),
            ("192.0.2.192/26", "srv-6", 0, 65536, False), ("2001:db8:7::/48", emma, 0, 65536, False),
            ("198.51.100.10/31", dave, 0, 65536, False), ("198.51.100.12/31", dave, 0, 65536, False),
            ("192.0.2.130/32", dave, 0, 65536, False), ("192.0.2.131/32", emma, 1024, 2048, False),
            ("192.0.2.131/32", dave, 2048, 4096, False), ("192.0.2.132/32", dave, 0, 65536, True),
            ("192.0.2.132/32", emma, 0, 65536, True), ("192.0.2.6/32", dave, 0, 65536, False),
        ]  # fmt: skip

    def test_custom_fields_give_period_and_service(self):
        fact = next(fact for fact in reading().assignments if fact.service == "srv-6")
        assert (fact.start, fact.end) == (day("2026-01-15"), day("2027-01-15"))

    def test_without_a_date_it_holds_since_the_moment_named(self):
        assert reading().assignments[0].start == NOW
        assert reading(since=day("2025-01-01")).assignments[0].start == day("2025-01-01")

    def test_dns_names_are_host_names(self):
        assert [(fact.kind, fact.value, fact.service) for fact in reading().names] == [("host", "www.carol.example", "K-17/1")]

    def test_another_routing_table(self):
        assert [str(fact.prefix) for fact in reading(vrf="mgmt").assignments] == ["10.0.0.0/8"]

    def test_what_cannot_be_read_names_its_page(self):
        assert [(problem.where, problem.what) for problem in reading().problems] == [
            ("http://netbox.example.net/ipam/ip-addresses/10/", "'lots' is no range of ports")
        ]

    def test_a_tenant_that_the_token_may_not_see(self):
        answers = recorded() | {"tenancy/tenants": []}
        found = facts(answers, Settings(), NOW)
        assert found.assignments == [] and "is not among the tenants" in found.problems[0].what


@pytest.mark.django_db
class TestIntoTheDatabase:
    def load(self, now=NOW, change=lambda answers: None, **more):
        answers = recorded()
        change(answers)
        settings = Settings(own_tenants=frozenset({"example-networks"}), **more)
        found = facts(answers, settings, now)
        return load(inventory=found, source=source("netbox", "netbox"), by="bob", now=now, complete=True, tolerant=True)

    def test_all_that_nests_rightly_is_taken_in_and_the_rest_listed(self):
        result = self.load()
        assert Assignment.objects.count() == 11 and ServiceName.objects.count() == 1
        assert [problem.where for problem in result.left_out] == [
            "http://netbox.example.net/ipam/ip-addresses/10/", "http://netbox.example.net/ipam/ip-addresses/9/",
        ]  # fmt: skip
        assert "'netbox:tenant:6/1' lies inside 192.0.2.0/25 of 'K-17/1'" in result.left_out[1].what
        assert Customer.objects.get(name="Emma Blog").parent.parent.name == "Rory Resale"

    def test_the_next_reading_changes_nothing(self):
        self.load()
        assert not self.load(now=day("2026-06-02"))

    def test_another_tenant_ends_one_period_and_starts_another(self):
        self.load()

        def moved(answers):
            prefix = next(record for record in answers["ipam/prefixes"] if record["id"] == 11)
            prefix["tenant"] = next(record for record in answers["tenancy/tenants"] if record["id"] == 6)
            answers["ipam/ip-addresses"] = []

        later = day("2026-06-02")
        result = self.load(later, moved)
        rows = Assignment.objects.filter(prefix="192.0.2.0/25", superseded_at=None).order_by("period")
        assert [(row.service.customer.name, row.period.lower, row.period.upper) for row in rows] == [
            ("Carol Web", NOW, later), ("Dave Hosting", later, None),
        ]  # fmt: skip
        assert result.spans

    def test_what_is_gone_from_netbox_has_ended(self):
        self.load()
        later = day("2026-06-02")
        self.load(later, lambda answers: answers.update({"ipam/ip-ranges": []}))
        row = Assignment.objects.get(prefix="198.51.100.10/31", superseded_at=None)
        assert row.period.upper == later

    def test_an_end_that_is_entered_later_ends_what_was_known(self):
        self.load()

        def ending(answers):
            record = next(record for record in answers["ipam/prefixes"] if record["id"] == 11)
            record["custom_fields"]["assigned_to"] = "2026-07-01"

        self.load(day("2026-06-02"), ending)
        row = Assignment.objects.get(prefix="192.0.2.0/25", superseded_at=None)
        assert (row.period.lower, row.period.upper) == (NOW, day("2026-07-01"))


def of_version_3():
    """The same records as NetBox 3 answers: contents by ``content_type``, nested objects without a description, no ``display_url``,
    a site beside the prefix instead of a scope, no owner, and empty choices as null."""
    gone = {"display_url", "owner", "scope", "scope_type", "scope_id", "description"}

    def old(value, depth=0):
        if isinstance(value, list):
            return [old(one, depth + 1) for one in value]
        if not isinstance(value, dict):
            return value
        dropped = gone - {"description"} if depth < 1 else gone
        return {name: old(inner, depth + 1) for name, inner in value.items() if name not in dropped}

    answers = {endpoint: [old(record) for record in records] for endpoint, records in recorded().items()}
    for record in answers["tenancy/contact-assignments"]:
        record["content_type"] = record.pop("object_type")
        record["priority"] = record["priority"] or None
    for record in answers["ipam/prefixes"]:
        record["site"] = None
    return answers


class TestVersions:
    def test_netbox_3_says_the_same(self):
        new, old = facts(recorded(), Settings(), NOW), facts(of_version_3(), Settings(), NOW)
        for name in ("customers", "contacts", "services", "assignments", "names", "own_prefixes"):
            plain = [[replace(fact, where="") for fact in getattr(found, name)] for found in (new, old)]
            assert plain[0] == plain[1] and plain[0], name

    @pytest.mark.parametrize("wrap", [lambda text: text, lambda text: {"value": text, "label": text.title()}], ids=["4.6", "4.7"])
    def test_a_selection_is_its_value_in_every_version(self, wrap):
        answers = recorded()
        answers["tenancy/tenants"][0]["custom_fields"] = {"customer_id": wrap("k-99"), "language": wrap("de")}
        found = next(fact for fact in facts(answers, Settings(), NOW).customers if fact.external_id == "k-99")
        assert found.language == "de"

    @pytest.mark.parametrize("value", [[{"value": "a", "label": "A"}], {"value": ["a"], "label": "A"}, {"id": 1, "name": "x"}])
    def test_several_selections_and_objects_are_refused(self, value):
        answers = recorded()
        answers["tenancy/tenants"][0]["custom_fields"] = {"customer_id": value}
        with pytest.raises(InputError, match="custom field customer_id: holds a list"):
            facts(answers, Settings(), NOW)

    def test_a_vrf_that_is_not_there_or_there_twice_ends_nothing(self):
        with pytest.raises(InputError, match="VRF nowhere: no prefix"):
            facts(recorded(), Settings(vrf="nowhere"), NOW)
        answers = recorded()
        for number, record in enumerate(answers["ipam/prefixes"][:2], 71):
            record["vrf"] = {"id": number, "name": "public", "rd": None}
        with pytest.raises(InputError, match="2 VRFs are called so"):
            facts(answers, Settings(vrf="public"), NOW)
        answers["ipam/prefixes"][0]["vrf"]["id"] = ["71"]
        with pytest.raises(InputError, match="2 VRFs are called so"):
            facts(answers, Settings(vrf="public"), NOW)


@pytest.mark.django_db
def test_a_list_that_shows_nobody_ends_nobody():
    """A token that may view tenants and no addresses answers 200 with empty lists."""
    netbox_source = source("netbox", "netbox")
    load(inventory=reading(), source=netbox_source, by="bob", now=NOW, complete=True, tolerant=True)
    held = Assignment.objects.filter(superseded_at=None).count()
    blind = recorded() | {"ipam/prefixes": [], "ipam/ip-ranges": [], "ipam/ip-addresses": []}
    with pytest.raises(InputError, match=r"netbox: shows nobody.*let the token's user view"):
        load(
            inventory=facts(blind, Settings(), NOW),
            source=netbox_source,
            by="bob",
            now=day("2026-07-01"),
            complete=True,
            tolerant=True,
        )
    assert held and Assignment.objects.filter(superseded_at=None).count() == held


class TestRecordedOfNetBox473:
    def test_parties_with_selections_nested_groups_and_contacts(self):
        found = facts(of_netbox_itself(), Settings(), NOW)
        assert [(fact.external_id, fact.name, fact.parent, fact.language) for fact in found.customers] == [
            ("netbox:group:1", "Rory Resale", "", None), ("netbox:group:2", "Rory North", "netbox:group:1", None),
            ("K-17", "Carol Web", "", "de"), ("netbox:tenant:2", "Emma Shop", "netbox:group:2", None),
            ("netbox:tenant:3", "Our Network", "", None),
        ]  # fmt: skip
        assert [(fact.customer, fact.role, fact.email, fact.language) for fact in found.contacts] == [
            ("K-17", "abuse", "abuse@carol.example", "de"), ("netbox:group:1", "technical", "noc@rory.example", None),
        ]  # fmt: skip
        assert not found.problems

    def test_holdings_with_dates_ports_ranges_and_the_global_table_alone(self):
        found = facts(of_netbox_itself(), Settings(), NOW)
        told = {
            (str(one.prefix), one.service, one.start_assumed, one.port_from, one.port_to, one.shared) for one in found.assignments
        }
        whole = (0, 65536, False)
        assert told == {
            ("192.0.2.0/28", "S-1", False, *whole), ("198.51.100.0/26", "netbox:tenant:2/1", True, *whole),
            ("198.51.100.192/26", "K-17/1", False, *whole), ("2001:db8:1::/48", "K-17/1", True, *whole),
            *[(part, "netbox:tenant:2/1", True, *whole) for part in (
                "192.0.2.20/30", "192.0.2.24/30", "192.0.2.28/31", "192.0.2.30/32")],
            ("192.0.2.40/32", "K-17/1", True, *whole), ("192.0.2.60/32", "K-17/1", True, 1024, 2048, True),
        }  # fmt: skip
        assert [(name.service, name.value) for name in found.names] == [("S-1", "www.carol.example")]
        inside = facts(of_netbox_itself(), Settings(vrf="inside"), NOW)
        assert [(str(one.prefix), one.service) for one in inside.assignments] == [("192.0.2.0/28", "netbox:tenant:2/1")]

    @pytest.mark.django_db
    def test_it_comes_through_in_pages_and_is_taken_in(self, server):
        server.records = of_netbox_itself()
        with NetBox(server.url, TOKEN) as client:
            answers = client.everything()
        assert answers == of_netbox_itself()
        result = load(inventory=facts(answers, Settings(), NOW), source=source("netbox", "netbox"), by="bob", now=NOW,
                      complete=True, tolerant=True)  # fmt: skip
        assert not result.left_out and Assignment.objects.filter(service__customer__external_id="K-17").count() == 5
        again = load(inventory=facts(answers, Settings(), NOW), source=source("netbox", "netbox"), by="bob", now=NOW,
                     complete=True, tolerant=True)  # fmt: skip
        assert not again and Customer.objects.get(external_id="K-17").language == "de"
