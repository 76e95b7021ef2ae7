"""Shadowserver: which report a file is, what it accuses, and the captured feeds beside the checkout."""

import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from tests.intake.samples import CAPTURED, OWN
from tests.unskipped import NOT_OURS
from tipstaff.intake.drafts import Confidence, Disposition, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import shadowserver
from tipstaff.intake.reading.feeds.shadowserver_types import known_type, looks_like_shadowserver, report_type, type_in_name
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import ParseError

SCHEMA = tomllib.loads(resources.files("tipstaff.intake").joinpath("schemas/shadowserver.toml").read_text("utf-8"))
BASE = ("timestamp", "ip", "asn", "geo", "port")


def drafts(raw: bytes, name: str | None) -> list[ReportDraft]:
    return [draft for message in open_message(raw, Hints(filename=name)) for draft in shadowserver.parse(message)]


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("2026-02-03-scan_ntp-example-asn.csv", "scan_ntp"),
        ("2026-02-03-scan_ics-example-asn-delayed.csv", "scan_ics"),
        ("2026-02-03-dns_openresolver-123-example-asn.csv.zip", "dns_openresolver"),
        ("scan6_http.csv", "scan6_http"),
        ("event4_sinkhole_http.json", "event4_sinkhole_http"),
        ("some/folder/2026-02-03-DEVICE_ID-x.CSV.GZ", "device_id"),
        ("report.pdf", None),
        (None, None),
    ],
)
def test_the_file_name_states_the_type(name: str | None, stated: str | None) -> None:
    assert type_in_name(name) == stated


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("scan_ntp", "scan_ntp"), ("scan6_ntp", "scan_ntp"), ("event6_sinkhole_http", "event4_sinkhole_http"),
        ("device_id6", "device_id"),
        ("compromised_website6", "compromised_website"), ("population6_bgp", "population_bgp"), ("dns_openresolver", "scan_dns"),
        ("sinkhole6_http_drone", "sinkhole_http_drone"), ("scan_shiny", None), ("export", None),
    ],
)  # fmt: skip
def test_names_of_the_same_report(name: str, known: str | None) -> None:
    assert known_type(name) == known


def test_the_schema_is_whole() -> None:
    types, shapes = SCHEMA["types"], SCHEMA["shapes"]
    assert len(types) > 110
    assert {spec["shape"] for spec in types.values()} | {rule["shape"] for rule in SCHEMA["prefixes"]} == set(shapes)
    assert set(SCHEMA["aliases"].values()) <= set(types)
    assert not set(SCHEMA["aliases"]) & set(types)
    codes = {spec["category"] for spec in types.values()}
    assert codes <= set(SCHEMA["xarf"]), "every category has its place in XARF"


@pytest.mark.parametrize("name", [name for name, spec in SCHEMA["types"].items() if spec.get("signature")])
def test_columns_tell_the_type_where_no_file_name_does(name: str) -> None:
    spec = SCHEMA["types"][name]
    shape = SCHEMA["shapes"][spec["shape"]]
    header = tuple(dict.fromkeys(("timestamp", shape.get("ip", "timestamp"), *spec["signature"])))
    assert report_type("export.csv", header).name == name


def test_an_unlisted_type_is_read_by_its_prefix_and_its_columns() -> None:
    shiny = report_type("2026-02-03-scan_shiny-x.csv", BASE)
    assert (shiny.name, shiny.category, shiny.known) == ("scan_shiny", "vulnerable", False)
    assert shiny.layout is not None and (shiny.layout.ip, shiny.layout.port) == ("ip", "port")
    other = report_type("export.csv", ("timestamp", "src_ip", "src_asn", "src_geo", "src_port", "dst_ip"))
    assert (other.name, other.category) == ("unknown", None)
    assert other.layout is not None and other.layout.ip == "src_ip" and other.layout.others == {"sensor_ip": "dst_ip"}


def test_the_tag_tells_scans_with_plain_columns() -> None:
    header = ("timestamp", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "banner")
    assert report_type(None, header, ("telnet-alt", "telnet")).name == "scan_telnet"
    assert report_type(None, header, ("telnet", "vnc")).name == "unknown"


def test_only_its_own_columns_are_claimed() -> None:
    assert looks_like_shadowserver(BASE)
    assert not looks_like_shadowserver(("timestamp", "ip", "port"))
    message = open_message(b"timestamp,ip,reason\n2026-02-03 04:05:06,192.0.2.1,x\n", Hints(filename="list.csv"))[0]
    assert shadowserver.claims(message) is Confidence.NONE
    with pytest.raises(ParseError, match="no table"):
        shadowserver.parse(message)


def test_a_listing_recurs_and_an_incident_does_not() -> None:
    row = b"timestamp,ip,port,asn,geo\n2026-02-03 04:05:06,192.0.2.1,1,2,NL\n"
    assert drafts(row, "2026-02-03-scan_ntp-x.csv")[0].feed == "shadowserver/scan_ntp"
    assert drafts(row, "2026-02-03-compromised_iot-x.csv")[0].feed is None


def test_a_webshell_among_vulnerable_servers_is_a_compromise() -> None:
    rows = b"timestamp,ip,port,tag,asn,geo,version,servername,url\n"
    rows += b"2026-02-03 04:05:06,192.0.2.1,443,exchange;cve-2026-1,2,NL,1,a,\n"
    rows += b"2026-02-03 04:05:07,192.0.2.2,443,exchange;webshell,2,NL,1,b,\n"
    (draft,) = drafts(rows, "2026-02-03-scan_exchange-x.csv")
    assert [event.category or draft.category for event in draft.events] == ["vulnerable", "compromised"]


def test_rows_that_accuse_nobody_go_to_a_person() -> None:
    (draft,) = drafts(b"timestamp,ip,port,asn,geo\n2026-02-03 04:05:06,192.0.2.0/24,1,2,NL\n", "2026-02-03-scan_ntp-x.csv")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and draft.needs and "row 1" in draft.warnings[0]


def test_victims_and_sensors_are_never_accused() -> None:
    accused = {"192.0.2.", "198.51.100.", "203.0.113.8", "203.0.113.53", "2001:db8:"}
    for path in sorted((OWN / "parsers" / "shadowserver").iterdir()):
        if path.suffix == ".json" and path.name.endswith(".expected.json"):
            continue
        for draft in drafts(path.read_bytes(), path.name):
            for event in draft.events:
                assert event.ip is None or event.ip.startswith(tuple(accused)), path.name


EXPECTED = CAPTURED / "feeds" / "shadowserver.expected.json"


@pytest.mark.skipif(not EXPECTED.exists(), reason=f"{NOT_OURS}the captured feeds are not beside this checkout")
def test_captured_feeds_agree_with_another_parser() -> None:
    """Address, port, time and URL of each event that the other parser makes and that names an address."""
    for test in json.loads(EXPECTED.read_text("utf-8")):
        raw = (EXPECTED.parent / "shadowserver" / test["csv"]).read_bytes()
        for name in (test["file_name"], "export.csv"):
            (draft,) = drafts(raw, name)
            found = {(e.ip, e.port, e.occurred_at.isoformat() if e.occurred_at else None, e.url) for e in draft.events}
            for event in test["events"]:
                wanted = tuple(event.get(key) for key in ("source.ip", "source.port", "time.source", "source.url"))
                assert wanted[0] is None or wanted in found, f"{test['csv']} as {name}"


@pytest.mark.skipif(not EXPECTED.exists(), reason=f"{NOT_OURS}the captured feeds are not beside this checkout")
def test_captured_feeds_are_told_by_their_columns_alone() -> None:
    files = sorted(Path(EXPECTED.parent / "shadowserver").glob("*.csv"))
    wrong = [file.name for file in files if drafts(file.read_bytes(), "export.csv")[0].report_type != file.stem]
    # Two reports with the very same columns as their twins; which twin it is changes nothing.
    assert len(wrong) <= 3, wrong
    for file in files:
        if file.name in wrong:
            assert drafts(file.read_bytes(), "export.csv")[0].category == drafts(file.read_bytes(), file.name)[0].category
