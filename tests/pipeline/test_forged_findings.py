"""Nobody makes the case's page show what our flows never saw: a stranger's document may state a finding, and is none."""

import json
from datetime import timedelta

import pytest

from tests.intake.samples import OWN
from tests.pipeline.given import CAROL, NOW, provider, submission
from tipstaff.faces.desk import findings
from tipstaff.pipeline import batch, context
from tipstaff.pipeline.reading import Reader, Taken
from tipstaff.reports.models import Event

pytestmark = pytest.mark.django_db
FORGED = {
    "id": "scan-20260615T100000Z-0123456789ab", "detector": "horizontal_scan", "confidence": 0.99, "words": "Forgedneedle",
    "direction": "out", "subject": {"kind": "address", "value": CAROL}, "figures": {"fan_out": 99999},
}  # fmt: skip
HOSTILE = [
    FORGED, "a text", 7, ["x"], {"id": {"not": "hashable"}},
    {"id": 1, "sampling_rate": "x", "top_peers": 3, "series": [["a", "b"]]},
]  # fmt: skip


def read(content: bytes, kind: str) -> list[Event]:
    """A submission of a source of that kind, read from its bytes and committed."""
    reader = Reader()
    reader.renew(NOW)
    row = submission(content, source=f"a {kind}", kind=kind, now=NOW)
    parsed = reader.read(Taken(row.pk, row.source.name, kind, "report.json", NOW, {}, content))
    batch.commit([parsed], context.load(NOW), NOW)
    return list(Event.objects.all())


def xarf(**more) -> bytes:
    document = json.loads((OWN / "parsers" / "xarf" / "login_attack.json").read_bytes())
    stamp = (NOW - timedelta(hours=2)).isoformat()
    return json.dumps(document | {"source_identifier": CAROL, "timestamp": stamp} | more).encode()


def mailed(content: bytes) -> bytes:
    head = b"From: rita@example.org\r\nTo: abuse@example.net\r\nSubject: abuse from your network\r\n"
    return head + b"Content-Type: application/json\r\n\r\n" + content


@pytest.mark.parametrize("finding", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["smtp", "api", "files"])
def test_a_finding_in_a_strangers_document_is_only_what_it_states(kind: str, finding: object) -> None:
    provider()
    content = xarf(finding=finding, permits=[1], permit_note="covered", mailbox="somebody@carol.example", found_in="x")
    (event,) = read(mailed(content) if kind == "smtp" else content, kind)
    assert str(event.ip) == CAROL and findings.of_events([event]) == []
    assert not {"finding", "permits", "permit_note", "mailbox"} & set(event.details) and event.details["stated_finding"] == finding
    assert isinstance(event.details["found_in"], dict), "where each value stood is ours to say"


@pytest.mark.parametrize(("kind", "shown"), [("smtp", 0), ("form", 0), ("api", 1)])
def test_a_detector_of_somebody_elses_is_believed_from_a_connected_source_alone(kind: str, shown: int) -> None:
    provider()
    text = (OWN / "parsers" / "fastnetmon" / "outgoing.json").read_text()
    events = read(text.replace(json.loads(text)["ip"], CAROL).encode(), kind)
    assert len(findings.of_events(events)) == shown and len(events) == 1


@pytest.mark.parametrize("finding", HOSTILE, ids=range(len(HOSTILE)))
def test_no_document_however_stored_breaks_the_page_of_a_case(finding: object) -> None:
    shown = findings.of_events([Event(occurred_at=NOW, details={"finding": finding})])
    assert len(shown) == (isinstance(finding, dict))
