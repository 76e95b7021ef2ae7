"""The HTTP API as machines see it: reports in, what became of them, the inventory, tokens, health."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from tests.pipeline import given
from tipstaff.accounts.models import Assignment, Customer
from tipstaff.audit.models import Entry
from tipstaff.faces.api import services
from tipstaff.faces.api.models import ApiToken, Receipt
from tipstaff.intake.models import Submission
from tipstaff.intake.spool import Spool
from tipstaff.kernel import clock
from tipstaff.pipeline.worker import Worker

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SCOPES = tuple(services.SCOPES)


@pytest.fixture(autouse=True)
def at_noon(tmp_path: Path, settings: Any):
    settings.SPOOL = tmp_path / "spool"
    with clock.frozen(NOW):
        yield


class Machine:
    """A client with a token."""

    def __init__(self, name: str = "rita", scopes: tuple[str, ...] = SCOPES) -> None:
        self.row, self.text = services.create_token(name=name, scopes=scopes, lasts=30 * DAY, by="test", now=NOW)
        self.client = Client(REMOTE_ADDR="203.0.113.9")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        known = {"authorization": f"Bearer {self.text}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        kind = "application/octet-stream" if method == "GET" else "application/json"
        return self.client.generic(method, path, content, kind, headers=known)

    def send(self, document: Any, **headers: str) -> Any:
        return self.ask("POST", "/api/v1/reports", document, **headers)


@pytest.fixture
def rita() -> Machine:
    return Machine()


def report(**changes: Any) -> dict[str, Any]:
    party = {"org": "Example Sensors", "contact": "rita@example.org", "domain": "example.org"}
    known = {
        "xarf_version": "4.2.0", "report_id": str(uuid.uuid4()), "timestamp": "2026-11-02T10:15:00Z",
        "reporter": party, "sender": party,
        "source_identifier": "192.0.2.7", "source_port": 40022, "category": "connection", "type": "login_attack",
        "first_seen": "2026-11-02T10:15:00Z", "protocol": "tcp", "destination_ip": "198.51.100.9", "destination_port": 22,
        "evidence_source": "honeypot",
    }  # fmt: skip
    return {name: value for name, value in (known | changes).items() if value is not None}


def spooled() -> list[Any]:
    spool = Spool(configured.SPOOL)
    return list(spool.read(spool.waiting()))


def work() -> None:
    Worker(Spool(configured.SPOOL)).step()


def test_a_report_is_on_the_disk_before_the_202_and_can_be_followed(rita: Machine) -> None:
    document = report()
    answer = rita.send(document)
    assert answer.status_code == 202, answer.content
    (item,) = spooled()
    assert json.loads(item.content) == document
    assert (item.source, item.kind, item.envelope) == ("api:rita", "api", {"token": "rita"})
    assert answer["Location"] == f"/api/v1/reports/{item.id}" == answer.json()["links"]["self"]
    before = rita.ask("GET", answer["Location"]).json()
    assert (before["status"], before["reason"], before["report_id"]) == ("QUEUED", "waiting", document["report_id"])
    work()
    after = rita.ask("GET", answer["Location"]).json()
    assert after["status"] in ("COMPLETED", "PROCESSING")
    assert Submission.objects.get(pk=item.id).source.name == "api:rita"


def test_a_customers_address_completes_as_accepted_and_again_as_duplicate(rita: Machine) -> None:
    assert put_inventory(rita).status_code == 200
    given.policy()
    document = report()
    first = rita.send(document)
    work()
    again = rita.send(document)
    work()
    standing = [rita.ask("GET", one["Location"]).json() for one in (first, again)]
    assert [(one["status"], one["reason"]) for one in standing] == [("COMPLETED", "accepted"), ("COMPLETED", "duplicate")]
    assert "carol" not in json.dumps(standing).lower()


def test_xarf_3_is_taken(rita: Machine) -> None:
    old = {
        "Version": "3",
        "ReporterInfo": {"ReporterOrg": "Example Sensors", "ReporterOrgEmail": "rita@example.org"},
        "Report": {
            "ReportClass": "Activity",
            "ReportType": "Login-Attack",
            "Date": "2026-11-02T10:15:00Z",
            "SourceIp": "192.0.2.7",
        },
    }
    assert rita.send(old).status_code == 202


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"source_identifier": "192.0.2.xxx"}, "source_identifier"),
        ({"type": "no_such_type"}, "type"),
        ({"reporter": {"org": "x"}}, "reporter.contact"),
    ],
)
def test_what_is_wrong_is_named_with_what_to_do_and_nothing_is_kept(rita: Machine, changes: dict[str, Any], field: str) -> None:
    answer = rita.send(report(**changes))
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == "/api/docs#invalid" and body["status"] == 422
    assert field in [one["field"] for one in body["errors"]], body
    assert spooled() == [] and not Receipt.objects.exists()


@pytest.mark.parametrize("body", [b"", b"not json", b'{"a":', b"\xff\xfe"])
def test_a_body_that_is_not_json(rita: Machine, body: bytes) -> None:
    answer = rita.send(body)
    assert (answer.status_code, answer.json()["type"]) == (400, "/api/docs#not-json")


def test_several_reports_in_one_request_are_refused(rita: Machine) -> None:
    answer = rita.send([report(), report()])
    assert answer.status_code == 422 and "one report for each request" in answer.json()["errors"][0]["advice"]


def test_the_same_key_is_the_same_report(rita: Machine) -> None:
    document = report()
    first = rita.send(document, idempotency_key="k-1")
    again = rita.send(document, idempotency_key="k-1")
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotent-Replayed" not in first and again["Idempotent-Replayed"] == "true"
    assert len(spooled()) == 1
    work()
    assert rita.send(document, idempotency_key="k-1").json()["id"] == first.json()["id"]
    work()
    assert Submission.objects.count() == 1
    other = rita.send(report(), idempotency_key="k-1")
    assert (other.status_code, other.json()["type"]) == (422, "/api/docs#key-reused")
    assert Machine("dave").send(document, idempotency_key="k-1").json()["id"] != first.json()["id"]


def test_a_report_that_died_between_receipt_and_disk_is_kept_when_sent_again(
    rita: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = report()
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "put", lambda self, items: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        refused = rita.send(document, idempotency_key="k-2")
    assert (refused.status_code, refused["Retry-After"]) == (503, "30")
    assert "No space left" in refused.json()["detail"]
    assert rita.send(document, idempotency_key="k-2").status_code == 202
    assert len(spooled()) == 1


def csam(**changes: Any) -> dict[str, Any]:
    known = {
        "source_identifier": "192.0.2.7", "category": "content", "type": "csam", "url": "https://bad.example.com/x",
        "first_seen": None, "protocol": None, "destination_ip": None, "destination_port": None, "classification": "A1",
        "detection_method": "manual_review",
    }  # fmt: skip
    return report(**(known | changes))


def evidence(content_type: str, content: bytes) -> list[dict[str, Any]]:
    return [{"content_type": content_type, "payload": base64.b64encode(content).decode(), "description": "a harmless placeholder"}]


@pytest.mark.parametrize(
    ("media_type", "content"),
    [
        ("image/png", b"\x89PNG placeholder"),
        ("video/mp4", b"placeholder"),
        ("text/plain", b"\x89PNG\r\n\x00\xff"),
        ("message/rfc822", b"x"),
    ],
)
def test_media_of_sealed_categories_are_refused(rita: Machine, media_type: str, content: bytes) -> None:
    for kind in ("csam", "csem"):
        answer = rita.send(csam(type=kind, evidence=evidence(media_type, content), exploitation_type="grooming"))
        assert (answer.status_code, answer.json()["type"]) == (422, "/api/docs#media-refused"), answer.content
        assert answer.json()["errors"][0]["field"] == "evidence[0].payload"
    assert spooled() == []


def test_a_sealed_report_without_media_is_taken_and_says_nothing_later(rita: Machine) -> None:
    answer = rita.send(csam(evidence=evidence("text/plain", b"sha256 of the file: abc")))
    assert answer.status_code == 202, answer.content
    work()
    body = rita.ask("GET", answer["Location"]).json()
    assert (body["status"], body["reason"], body["events"]) == ("COMPLETED", "received", 0)


def test_images_of_other_categories_are_taken(rita: Machine) -> None:
    assert rita.send(report(evidence=evidence("image/png", b"\x89PNG placeholder"))).status_code == 202


def test_a_report_is_seen_by_its_own_token_only(rita: Machine) -> None:
    where = rita.send(report())["Location"]
    dave = Machine("dave")
    assert dave.ask("GET", where).status_code == 404
    assert dave.ask("GET", "/api/v1/reports").json()["reports"] == []
    assert rita.ask("GET", where).status_code == 200


def test_pages_hold_every_report_once(rita: Machine) -> None:
    sent = []
    for minute in range(7):
        with clock.frozen(NOW + timedelta(minutes=minute // 2)):  # some in the same moment
            sent.append(rita.send(report()).json()["id"])
    seen, cursor = [], ""
    while True:
        page = rita.ask("GET", f"/api/v1/reports?limit=3&cursor={cursor}").json()
        seen += [one["id"] for one in page["reports"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(sent) and len(seen) == 7
    assert rita.ask("GET", "/api/v1/reports?cursor=rubbish").json()["errors"][0]["field"] == "cursor"
    assert rita.ask("GET", "/api/v1/reports?limit=0").status_code == 422


def test_an_etag_spares_the_body(rita: Machine) -> None:
    where = rita.send(report())["Location"]
    tag = rita.ask("GET", where)["ETag"]
    same = rita.ask("GET", where, if_none_match=tag)
    assert (same.status_code, same.content) == (304, b"")
    work()
    assert rita.ask("GET", where, if_none_match=tag).status_code == 200


def test_tokens_are_refused_when_missing_wrong_revoked_expired_or_too_narrow(rita: Machine) -> None:
    anonymous = Client().post("/api/v1/reports", b"{}", content_type="application/json")
    assert anonymous.status_code == 401 and anonymous["WWW-Authenticate"].startswith("Bearer")
    narrow = Machine("narrow", ("who:read",))
    answer = narrow.send(report())
    assert answer.status_code == 403 and "reports:write" in answer.json()["detail"]
    tried = Entry.objects.get(action="refused.role")
    assert tried.actor.startswith("token:") and tried.subject == "api:/api/v1/reports" and "reports:write" in tried.reason
    with clock.frozen(NOW + 31 * DAY):
        assert "expired" in rita.ask("GET", "/api/v1/reports").json()["detail"]
    services.revoke_token(name="rita", by="test", now=NOW)
    assert "revoked" in rita.ask("GET", "/api/v1/reports").json()["detail"]
    rita.text += "x"
    assert "not known" in rita.ask("GET", "/api/v1/reports").json()["detail"]
    assert spooled() == []


def test_a_token_is_not_stored(rita: Machine) -> None:
    row = ApiToken.objects.values().get(name="rita")
    assert rita.text not in str(row) and bytes(row["digest"]) == services.digest_of(rita.text)


def put_inventory(machine: Machine, **more: Any) -> Any:
    body = {
        "customers": [{"external_id": "carol", "name": "Carol Hosting"}],
        "services": [{"external_id": "carol-1", "customer": "carol", "kind": "dedicated"}],
        "assignments": [{"prefix": "192.0.2.0/28", "service": "carol-1", "start": "2026-01-01T00:00:00Z"}],
        "own_prefixes": [{"prefix": "192.0.2.0/24"}],
    }
    return machine.ask("PUT", "/api/v1/inventory" + more.pop("query", ""), body | more)


def test_an_inventory_is_upserted_by_external_id(rita: Machine) -> None:
    first, again = put_inventory(rita), put_inventory(rita)
    assert first.status_code == 200, first.content
    assert first.json()["customers"] == {"created": 1, "changed": 0} and first.json()["assignments"] == 1
    assert again.json()["customers"] == {"created": 0, "changed": 0} and again.json()["assignments"] == 0
    renamed = rita.ask("PUT", "/api/v1/inventory/customers", {"items": [{"external_id": "carol", "name": "Carol AG"}]})
    assert renamed.json()["customers"] == {"created": 0, "changed": 1}
    assert Customer.objects.get(external_id="carol").name == "Carol AG"


def test_a_dry_run_changes_nothing(rita: Machine) -> None:
    assert put_inventory(rita, query="?dry_run=true").json()["assignments"] == 1
    assert not Customer.objects.exists() and not Assignment.objects.exists()


def test_every_wrong_field_of_an_inventory_is_named_and_nothing_is_stored(rita: Machine) -> None:
    answer = put_inventory(
        rita,
        customers=[{"external_id": "carol"}, {"name": "nobody"}, {"external_id": "x", "colour": "red"}, "text"],
        assignments=[
            {"prefix": "192.0.2.1/28", "service": "carol-1"},
            {"prefix": "192.0.2.0/28", "service": "s", "start": "monday"},
        ],
    )
    assert answer.status_code == 422
    fields = [one["field"] for one in answer.json()["errors"]]
    assert fields == [
        "customers[1].external_id", "customers[2].colour", "customers[3]", "assignments[0].prefix", "assignments[1].start",
    ]  # fmt: skip
    assert all(one["advice"] for one in answer.json()["errors"])
    assert not Customer.objects.exists()
    unknown = put_inventory(rita, services=[{"external_id": "s", "customer": "nobody"}], assignments=[])
    assert unknown.status_code == 422 and "services[0]" in unknown.json()["errors"][0]["field"]
    assert rita.ask("PUT", "/api/v1/inventory", {"prefixes": []}).json()["errors"][0]["field"] == "prefixes"


def test_change_events_take_effect_when_they_say(rita: Machine) -> None:
    put_inventory(rita)
    dave = {"customers": [{"external_id": "dave"}], "services": [{"external_id": "dave-1", "customer": "dave"}]}
    assert rita.ask("PUT", "/api/v1/inventory", dave).status_code == 200
    move = {"kind": "assign", "prefix": "192.0.2.0/28", "service": "dave-1", "at": "2026-10-01T00:00:00Z"}
    for _ in range(2):
        answer = rita.ask("POST", "/api/v1/inventory/changes", {"changes": [move]})
        assert answer.status_code == 200, answer.content
    for at, expected in (("2026-09-30T23:59:59Z", "carol"), ("2026-10-01T00:00:00Z", "dave")):
        found = rita.ask("GET", f"/api/v1/who?address=192.0.2.3&at={at}").json()
        assert (found["answer"], found["customer"]["external_id"]) == ("held", expected)
    bad = rita.ask("POST", "/api/v1/inventory/changes", {"changes": [{"kind": "give", "prefix": "192.0.2.0/28", "at": "now"}]})
    assert {one["field"] for one in bad.json()["errors"]} == {"changes[0].at", "changes[0].kind"}


def test_who_names_what_is_wrong(rita: Machine) -> None:
    assert rita.ask("GET", "/api/v1/who?address=192.0.2.3").json()["errors"][0]["field"] == "at"
    assert rita.ask("GET", "/api/v1/who?at=2026-10-01T00:00:00Z").json()["errors"][0]["field"] == "address"
    wrong = rita.ask("GET", "/api/v1/who?address=192.0.2.300&at=2026-10-01T00:00:00Z")
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["field"] == "address"


def test_customers_are_paged_with_an_etag(rita: Machine) -> None:
    names = [f"c{number:02}" for number in range(5)]
    rita.ask("PUT", "/api/v1/inventory/customers", {"items": [{"external_id": name} for name in names]})
    first = rita.ask("GET", "/api/v1/inventory/customers?limit=3")
    second = rita.ask("GET", f"/api/v1/inventory/customers?limit=3&cursor={first.json()['next']}")
    assert [one["external_id"] for page in (first, second) for one in page.json()["items"]] == names
    assert rita.ask("GET", "/api/v1/inventory/customers?limit=3", if_none_match=first["ETag"]).status_code == 304


def test_health(client: Client, settings: Any, tmp_path: Path) -> None:
    assert client.get("/healthz").content == b"ok\n"
    assert client.get("/readyz").json() == {"ready": True, "parts": {"database": "ok", "spool": "ok"}}
    (tmp_path / "file").write_text("")
    settings.SPOOL = tmp_path / "file" / "spool"
    answer = client.get("/readyz")
    assert answer.status_code == 503 and "cannot be written" in answer.json()["parts"]["spool"]


def test_metrics(rita: Machine, client: Client) -> None:
    from django.core.cache import cache

    cache.clear()
    rita.send(report())
    text = client.get("/metrics").content.decode()
    assert "tipstaff_spool_submissions 1\n" in text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert names >= {
        "tipstaff_submissions",
        "tipstaff_person_share",
        "tipstaff_wrong_address_corrections",
        "tipstaff_sources_silent",
    }
    assert rita.client.get("/metrics").status_code == 401
    assert rita.ask("GET", "/metrics").status_code == 200
    assert client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 401


def test_the_documentation_is_whole_and_needs_nothing_from_elsewhere(client: Client) -> None:
    schema = client.get("/api/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    page = client.get("/api/docs").content.decode()
    for path, operations in schema["paths"].items():
        assert path in page
        assert all(one["summary"] in page.replace("&#x27;", "'") for one in operations.values())
    assert "<script" not in page and "style=" not in page and "//cdn" not in page
    assert all(f'id="{kind}"' in page for kind in ("media-refused", "key-reused"))
