"""XARF of every version: what is read, what is refused and why, what is only doubted, and how fast."""

import base64
import copy
import hashlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import calls
from tests.intake.samples import OWN, captured
from tests.unskipped import NOT_OURS
from tipstaff.intake.drafts import Disposition
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import xarf
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.taxonomy import category_of_xarf, known_types, of_legacy_xarf, of_x_arf, rsit_of, xarf_of

LOGIN = json.loads((OWN / "parsers" / "xarf" / "login_attack.json").read_text("utf-8"))
FLAT = json.loads((OWN / "parsers" / "xarf" / "v3_flat.json").read_text("utf-8"))
V4 = captured("xarf/samples/v4/*.json")
V3 = captured("xarf/samples/v3/*.json")


def changed(document=LOGIN, **fields):
    """A copy with fields set; None takes a field away."""
    document = copy.deepcopy(document) | {key: value for key, value in fields.items() if value is not None}
    for key in [key for key, value in fields.items() if value is None]:
        document.pop(key, None)
    return document


def evidence(content: bytes, **fields):
    item = {
        "content_type": "text/plain",
        "payload": base64.b64encode(content).decode(),
        "hash": "sha256:" + hashlib.sha256(content).hexdigest(),
    }
    return [item | {"size": len(content)} | fields]


def test_a_valid_document_has_no_problem():
    assert xarf.validate(LOGIN) == []
    assert xarf.examine(LOGIN).doubts == ()


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"sender": None}, "sender"),
        ({"reporter": {"org": "x", "domain": "example.org"}}, "reporter.contact"),
        ({"reporter": LOGIN["reporter"] | {"contact": "nobody"}}, "reporter.contact"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "2025-03-10T08:15:30"}, "timestamp"),
        ({"timestamp": "2025-02-30T08:15:30Z"}, "timestamp"),
        ({"first_seen": "10.03.2025"}, "first_seen"),
        ({"report_id": "4711"}, "report_id"),
        ({"source_identifier": "192.0.2.256"}, "source_identifier"),
        ({"source_identifier": "192.0.2.4.5"}, "source_identifier"),
        ({"source_identifier": "192.0.2.xxx"}, "source_identifier"),
        ({"source_identifier": "2001:db8::12345"}, "source_identifier"),
        ({"source_identifier": "  "}, "source_identifier"),
        ({"source_port": None}, "source_port"),
        ({"source_port": 70000}, "source_port"),
        ({"destination_ip": "203.0.113.999"}, "destination_ip"),
        ({"protocol": None}, "protocol"),
        ({"xarf_version": "5.0.0"}, "xarf_version"),
        ({"category": "weather"}, "category"),
        ({"type": "rain"}, "type"),
        ({"category": 7}, "category"),
        ({"tags": ["No Namespace"]}, "tags[0]"),
        ({"confidence": 2}, "confidence"),
        ({"evidence": evidence(b"x", payload="%%%")}, "evidence[0].payload"),
        ({"evidence": [{"payload": "eA=="}]}, "evidence[0].content_type"),
        ({"evidence": evidence(b"x", hash="crc32:00")}, "evidence[0].hash"),
    ],
)
def test_an_invalid_field_is_named_with_what_to_do(fields, where):
    problems = xarf.validate(changed(**fields))
    assert where in [problem.where for problem in problems]
    assert all(problem.what for problem in problems)
    if where not in ("tags[0]", "confidence", "source_port", "xarf_version", "evidence[0].hash"):
        assert next(problem for problem in problems if problem.where == where).advice


def test_evidence_that_differs_from_its_hash_or_size_is_doubted_and_not_refused():
    findings = xarf.examine(changed(evidence=evidence(b"log", hash="sha256:" + "0" * 64, size=9)))
    assert findings.problems == ()
    assert [doubt.where for doubt in findings.doubts] == ["evidence[0].size", "evidence[0].hash"]
    draft = xarf.draft_of(changed(), findings.doubts)
    assert len(draft.warnings) == 2


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_every_hash_algorithm_is_checked(algorithm):
    right = f"{algorithm}:{hashlib.new(algorithm, b'log').hexdigest().upper()}"
    assert xarf.examine(changed(evidence=evidence(b"log", hash=right))).doubts == ()
    wrong = xarf.examine(changed(evidence=evidence(b"other", hash=right))).doubts
    assert [doubt.where for doubt in wrong] == ["evidence[0].hash"]


def test_too_large_evidence_is_refused_even_without_a_size():
    item = {"content_type": "text/plain", "payload": base64.b64encode(b"x" * 5_242_881).decode()}
    assert "evidence[0].payload" in [problem.where for problem in xarf.validate(changed(evidence=[item]))]


def test_base64_with_line_breaks_is_read():
    payload = base64.encodebytes(b"x" * 200).decode()
    assert xarf.validate(changed(evidence=[{"content_type": "text/plain", "payload": payload}])) == []


def test_the_victims_address_and_port_stay_details():
    (event,) = xarf.draft_of(LOGIN).events
    assert (event.ip, event.port) == ("192.0.2.10", 40112)
    assert (event.details["destination_ip"], event.details["destination_port"]) == ("203.0.113.5", 22)
    assert event.earliest == datetime(2025, 3, 10, 7, tzinfo=UTC)


def test_a_leap_second_and_a_zone_are_read():
    draft = xarf.draft_of(changed(timestamp="2025-03-10T08:15:30-11:30"))
    assert draft.events[0].occurred_at == datetime(2025, 3, 10, 19, 45, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("192.0.2.9", ("192.0.2.9", None, None)),
        ("::ffff:192.0.2.9", ("192.0.2.9", None, None)),
        ("host.example.org.", (None, "host.example.org", None)),
        ("http://192.0.2.9/x", ("192.0.2.9", None, "http://192.0.2.9/x")),
        ("http://h.example.org/x", (None, "h.example.org", "http://h.example.org/x")),
        ("spammer@mail.example.org", (None, "mail.example.org", None)),
    ],
)
def test_any_kind_of_source_is_read(source, expected):
    document = changed(source_identifier=source, category="messaging", type="bulk_messaging", protocol="other", recipient_count=5)
    (event,) = xarf.draft_of(document).events
    assert (event.ip, event.domain, event.url) == expected


def test_a_span_that_ends_before_it_begins_bounds_nothing():
    (event,) = xarf.draft_of(changed(first_seen="2025-03-10T09:00:00Z", last_seen="2025-03-09T09:00:00Z")).events
    assert (event.earliest, event.latest) == (None, None) and event.occurred_at


def test_csam_is_sealed():
    assert xarf.draft_of(changed(category="content", type="csam", url="https://example.org/x")).sealed


def test_an_invalid_document_beside_valid_ones_goes_to_a_person_alone():
    content = b"\n".join(json.dumps(one).encode() for one in (LOGIN, changed(timestamp="?")))
    first, second = xarf.parse(open_message(content, Hints(filename="two.jsonl"))[0])
    assert first.disposition is Disposition.REPORT and first.events
    assert second.disposition is Disposition.NEEDS_A_PERSON and not second.events
    assert "document 2: timestamp" in second.needs[0]


# ---- versions 1 to 3


@pytest.mark.parametrize("version", ["1", "2", "3", "3.0", "3.0.0", 3])
def test_every_old_version_is_read(version):
    document = FLAT | {"Version": version}
    assert xarf.validate(document) == []
    draft = xarf.draft_of(document)
    assert (draft.category, draft.events[0].ip, draft.events[0].port) == ("intrusion", "192.0.2.44", 55012)
    assert draft.events[0].details["DestinationIp"] == "203.0.113.9"


OLD_TYPES = {
    "Spam": "spam", "LoginAttack": "intrusion", "Login-Attack": "intrusion", "PortScan": "scan",
    "Port-Scan": "scan", "DDoS": "ddos_origin", "DOS": "ddos_origin", "Phishing": "phishing",
    "Malware": "malware", "Botnet": "c2", "Copyright": "copyright", "Trademark": "trademark",
    "ChildAbuse": "csam", "OpenService": "vulnerable", "Exploit": "intrusion", "WebCrawler": "scraping",
    "Harassment": "harassment_hate", "PotentiallyCompromisedAccount": "compromised",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "category"), OLD_TYPES.items())
def test_every_old_type_converts(kind, category):
    assert of_legacy_xarf(kind)[0] == category


def test_a_subtype_can_say_more_than_the_type():
    assert of_legacy_xarf("Malware", "RPZ-Rewrite")[0] == "compromised"
    assert of_legacy_xarf("Spam", "Trap")[0] == "spam"


def test_an_unknown_old_type_goes_to_a_person():
    document = copy.deepcopy(FLAT)
    document["Report"]["ReportType"] = "Cattle-Rustling"
    draft = xarf.draft_of(document)
    assert draft.disposition is Disposition.NEEDS_A_PERSON and draft.category is None
    assert "Cattle-Rustling" in draft.needs[0]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("Report", "Date"), "2024-11-01T12:30:00", "Report.Date"),
        (("Report", "Date"), None, "Report.Date"),
        (("Report", "SourceIp"), "192.0.2.400", "Report.SourceIp"),
        (("Report", "SourceIp"), None, "Report.SourceIp"),
        (("Report", "SourcePort"), 0, "Report.SourcePort"),
        (("Report", "ReportType"), None, "Report.ReportType"),
        (("ReporterInfo",), {}, "ReporterInfo"),
        (("Version",), "9", "Version"),
    ],
)
def test_an_invalid_old_field_is_named(path, value, where):
    document = copy.deepcopy(FLAT)
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert where in [problem.where for problem in xarf.validate(document)]


def test_old_broken_samples_are_only_doubted():
    document = copy.deepcopy(FLAT)
    document["Report"]["Samples"][0] |= {"Base64Encoded": True, "Payload": "%"}
    findings = xarf.examine(document)
    assert findings.problems == () and [doubt.where for doubt in findings.doubts] == ["Report.Samples[0]"]


def test_other_old_fields_are_only_doubted():
    document = copy.deepcopy(FLAT)
    document["Report"] |= {"DestinationIp": ["203.0.113.9", "203.0.113.900"], "FirstSeen": "once"}
    document["ReporterInfo"]["ReporterContactEmail"] = "nobody"
    findings = xarf.examine(document)
    assert findings.problems == ()
    assert {doubt.where for doubt in findings.doubts} == {
        "Report.DestinationIp",
        "Report.FirstSeen",
        "ReporterInfo.ReporterContactEmail",
    }


@pytest.mark.parametrize("document", [None, [], "x", 5, {}, {"a": 1}, {"Report": {}}])
def test_what_is_no_xarf_is_said_to_be_none(document):
    assert [problem.where for problem in xarf.validate(document)] == ["document"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(LOGIN)), JSON)
def test_no_value_of_a_v4_field_breaks_the_examination(field, value):
    document = changed() | {field: value}
    problems = xarf.validate(document)
    assert problems or xarf.draft_of(document).events


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FLAT["Report"])), JSON, st.booleans())
def test_no_value_of_an_old_field_breaks_the_examination(field, value, whole):
    document = copy.deepcopy(FLAT)
    if whole:
        document["Report"] = value
    else:
        document["Report"][field] = value
    assert xarf.validate(document) or xarf.draft_of(document).events


# ---- the taxonomy


def test_every_type_has_a_category_and_every_category_an_answer():
    assert len(known_types()) == 32
    for name in known_types():
        category = category_of_xarf(*name.split("/"))
        assert category == "scraping" or rsit_of(category)
        assert category != "other"


def test_category_to_xarf_types_exist():
    for category in ("spam", "c2", "phishing", "copyright", "trademark", "blocklisted", "vulnerable", "threat_intel"):
        pair = xarf_of(category)
        assert f"{pair['category']}/{pair['type']}" in known_types()
    assert xarf_of("gambling") is None and xarf_of(None) is None


def test_x_arf_types_ignore_spelling():
    assert of_x_arf("Login_Attack") == of_x_arf("login-attack")
    assert of_x_arf("unheard-of") == (None, None)
    assert of_x_arf("unheard-of", "fraud")[0] == "fraud_site"


# ---- captured documents


@pytest.mark.skipif(not V4, reason=f"{NOT_OURS}captured inputs (../shared/corpus) are absent")
def test_all_captured_types_are_valid():
    seen = set()
    for path in V4:
        document = json.loads(path.read_text("utf-8"))
        assert xarf.validate(document) == [], path.name
        draft = xarf.draft_of(document)
        seen.add(f"{draft.xarf['category']}/{draft.xarf['type']}")
        assert draft.category and len(draft.events) == 1
    assert seen == known_types()


@pytest.mark.skipif(not V3, reason=f"{NOT_OURS}captured inputs (../shared/corpus) are absent")
def test_all_captured_old_documents_convert():
    for path in V3:
        document = json.loads(path.read_text("utf-8"))
        assert xarf.validate(document) == [], path.name
        assert xarf.draft_of(document).category


@pytest.mark.skipif(not V4, reason=f"{NOT_OURS}captured inputs (../shared/corpus) are absent")
def test_documents_are_read_and_examined_in_few_steps():
    """``bench xarf`` measures the seconds; here only that nothing slow has crept in, by the calls that a document takes."""
    contents = [path.read_bytes() for path in V4]
    assert all(xarf.read_document(content)[0] is not None for content in contents)
    made = calls(lambda: [xarf.read_document(content) for content in contents])
    assert made / len(contents) < 200  # measured 91


def test_json_that_is_none_is_told():
    draft, problems = xarf.read_document(b'{"xarf_version": ')
    assert draft is None and problems[0].where == "document"
