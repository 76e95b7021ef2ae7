"""Whatever a machine sends: an answer that says what is wrong, never a failure of ours, and nothing half-kept."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as configured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faces.api.test_api import Machine, at_noon, report, spooled, work  # noqa: F401 - a fixture
from tipstaff.faces.api.models import Receipt
from tipstaff.intake.models import Submission

pytestmark = pytest.mark.django_db
FIELDS = sorted(report())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def rita() -> Machine:
    return Machine()


def refused_whole(answer: Any) -> None:
    """A problem with fields and advice, and nothing on the disk."""
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code and body["detail"]
    assert all(one["field"] and one["problem"] for one in body.get("errors", []))


@MANY
@given(changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=3))
def test_mutated_reports(rita: Machine, changes: dict[str, Any]) -> None:
    before = len(spooled())
    answer = rita.send(report() | changes)
    if answer.status_code == 202:
        assert len(spooled()) == before + 1
    else:
        assert answer.status_code == 422, answer.content
        refused_whole(answer)
        assert len(spooled()) == before == Receipt.objects.count()


STRANGE = ("url", "infringing_url", "domain", "source_ip", "compromised_account", "c2_server", "legacy_version", "port", "protocol")


@pytest.mark.parametrize("name", STRANGE)
def test_fields_that_a_type_does_not_know_may_hold_anything(rita: Machine, name: str) -> None:
    for value in (True, 7, 1.5, [], ["x"], {}, {"a": None}, "\0", "x" * 3000):
        answer = rita.send(report(**{name: value}))
        assert answer.status_code in (202, 422), (value, answer.content)


@MANY
@given(body=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(rita: Machine, body: bytes) -> None:
    for method, path in (("POST", "/api/v1/reports"), ("PUT", "/api/v1/inventory"), ("POST", "/api/v1/inventory/changes")):
        answer = rita.ask(method, path, body)
        assert answer.status_code in (200, 400, 422), (path, answer.status_code, answer.content)
        if answer.status_code != 200:
            refused_whole(answer)


@MANY
@given(
    section=st.sampled_from(["customers", "contacts", "services", "names", "assignments", "own_prefixes"]),
    row=st.dictionaries(
        st.sampled_from(
            ["external_id", "name", "customer", "service", "kind", "value", "prefix", "ports", "start", "end", "shared", "parent"]
        ),
        VALUES | st.sampled_from(["192.0.2.0/24", "2026-01-01T00:00:00Z", "carol", "host", [1, 2]]),
        max_size=6,
    ),
)
def test_any_inventory(rita: Machine, section: str, row: dict[str, Any]) -> None:
    answer = rita.ask("PUT", f"/api/v1/inventory/{section}", {"items": [row]})
    assert answer.status_code in (200, 422), answer.content
    if answer.status_code == 422:
        refused_whole(answer)


@MANY
@given(
    query=st.dictionaries(
        st.sampled_from(["address", "at", "until", "port", "host", "mailbox", "as_known_at"]), st.text(max_size=30)
    )
)
def test_any_question(rita: Machine, query: dict[str, str]) -> None:
    answer = rita.ask("GET", "/api/v1/who?" + urlencode(query))
    assert answer.status_code in (200, 422), answer.content


@MANY
@given(key=st.text(max_size=300), cursor=st.text(max_size=40))
def test_any_key_and_cursor(rita: Machine, key: str, cursor: str) -> None:
    try:
        answer = rita.send(report(), idempotency_key=key.encode("utf-8").decode("latin-1"))
    except ValueError:
        return  # a header cannot hold it
    assert answer.status_code in (202, 422), answer.content
    assert rita.ask("GET", f"/api/v1/reports?cursor={quote(cursor)}").status_code in (200, 422)


def test_a_body_over_the_limit(rita: Machine, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000
    answer = rita.send(report(description="x" * 20_000))
    assert (answer.status_code, answer.json()["type"]) == (413, "/api/docs#too-large")
    assert configured.SPOOL and spooled() == []


def test_an_older_xarf_with_two_sources_is_taken_and_waits_for_a_person(rita: Machine) -> None:
    stated = {"SourceIp": "192.0.2.7", "Source": {"IP": "192.0.2.8"}, "ReportType": "Spam", "Date": "2026-11-02T10:15:00Z"}
    reporter = {"ReporterOrg": "Example Sensors", "ReporterOrgEmail": "rita@example.org"}
    assert rita.send({"Version": "3", "ReporterInfo": reporter, "Report": stated}).status_code == 202
    work()
    row = Submission.objects.get()
    assert row.state == "needs_person" and "192.0.2.7" in row.reason and "192.0.2.8" in row.reason
    assert [event["ip"] for event in row.trace[0]["events"]] == ["192.0.2.7", "192.0.2.8"]
