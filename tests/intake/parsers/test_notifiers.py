"""The notifiers' formats in variants that no fixture shows: other languages, several events, damaged parts, forgeries."""

import base64
import io
import zipfile
from datetime import UTC, datetime

import pytest

from tests.growth import BELOW_QUADRATIC, calls, ends, growth
from tests.intake.samples import OWN, captured
from tests.unskipped import NOT_OURS
from tipstaff.intake.drafts import Confidence, Disposition
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.parsers import (
    abuse_ch,
    abuseipdb,
    acns,
    blocklist_de,
    cleanmx,
    cloudflare,
    cyscon,
    google_safe_browsing,
    netcraft,
    project_honeypot,
    spamcop,
    spamhaus,
    webiron,
    x_arf,
    xarf,
)
from tipstaff.intake.reading.open import open_message
from tipstaff.intake.reading.plain_yaml import read_mappings
from tipstaff.kernel.errors import ParseError

MINE = (
    xarf, x_arf, acns, blocklist_de, netcraft, cyscon, webiron, cleanmx, google_safe_browsing, project_honeypot, spamcop, spamhaus,
    abuseipdb, abuse_ch, cloudflare,
)  # fmt: skip
HEAD = "From: {sender}\nTo: abuse@example.com\nSubject: {subject}\nDate: Mon, 10 Mar 2025 12:00:00 +0000\n"
HEAD += "Message-ID: <1@example.net>\nMIME-Version: 1.0\n"


def opened(raw: bytes | str, filename: str | None = None) -> Message:
    return open_message(raw if isinstance(raw, bytes) else raw.encode(), Hints(filename=filename))[0]


def letter(sender: str, subject: str, text: str) -> Message:
    return opened(HEAD.format(sender=sender, subject=subject) + f"Content-Type: text/plain; charset=utf-8\n\n{text}")


def parts(sender: str, subject: str, *bodies: tuple[str, str]) -> Message:
    text = "".join(f"--b\nContent-Type: {kind}\n\n{body}\n" for kind, body in bodies)
    return opened(HEAD.format(sender=sender, subject=subject) + f'Content-Type: multipart/mixed; boundary="b"\n\n{text}--b--\n')


def fixture(parser: str, name: str) -> str:
    return (OWN / "parsers" / parser / name).read_text("utf-8")


def only(drafts):
    (draft,) = drafts
    return draft


def facts(draft):
    return [(event.ip, event.port, event.url, event.occurred_at) for event in draft.events]


REPORT = """Reported-From: desk@watch.example.net
Category: abuse
Report-Type: {kind}
User-Agent: watch
Report-ID: {number}
Date: {date}
Source-Type: ip-address
Source: {source}
"""


def report(kind="login-attack", number="1", date="Mon, 10 Mar 2025 10:00:00 +0100", source="192.0.2.1", **more) -> str:
    return REPORT.format(kind=kind, number=number, date=date, source=source) + "".join(
        f"{key.replace('_', '-')}: {value}\n" for key, value in more.items()
    )


def from_report(text: str):
    return only(
        x_arf.parse(parts("desk@watch.example.net", "x", ("text/plain", "Olá,\n\nsegue o relatório.\n"), ("text/plain", text)))
    )


# ---- X-ARF


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", None)),
        ("'192.0.2.1'", ("192.0.2.1", None)),
        ("192.0.2.1:40123", ("192.0.2.1", 40123)),
        ("[2001:db8::1]:40123", ("2001:db8::1", 40123)),
        ("2001:0DB8:0:0:0:0:0:1", ("2001:db8::1", None)),
        ("::ffff:192.0.2.1", ("192.0.2.1", None)),
    ],
)
def test_a_source_is_read_however_it_is_written(source, expected):
    (event,) = from_report(report(source=source)).events
    assert (event.ip, event.port) == expected


@pytest.mark.parametrize("source", ["192.0.2.xxx", "192.0.2", "192.0.2.1.7", "192.0.2.*", "unknown"])
def test_a_source_that_is_no_address_goes_to_a_person(source):
    draft = from_report(report(source=source))
    assert draft.disposition is Disposition.NEEDS_A_PERSON
    assert draft.events[0].ip is None and source in draft.needs[0]


@pytest.mark.parametrize("date", ["", "soon", "31 Feb 2025 10:00:00 +0000", "2025-03-10 10:00:00", "2025-03-10"])
def test_no_time_is_invented_from_the_letter(date):
    draft = from_report(report(date=date))
    assert draft.events[0].occurred_at is None
    assert any("Date" in warning for warning in draft.warnings)
    assert draft.reported_at == datetime(2025, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "more", "port"),
    [
        ("login-attack", {"Port": 22}, None),
        ("login-attack", {"Port": 22, "Source_Port": 40123}, 40123),
        ("login-attack", {"Destination_Port": 22}, None),
        ("port-scan", {"Port": "22, 23"}, None),
        ("phishing", {"Port": 8443, "Download_Link": "https://h.example.org/x"}, 8443),
        ("malware", {"Download_Port": 81, "Download_Link": "http://h.example.org/x"}, 81),
    ],
)
def test_the_attacked_port_is_not_the_accused_one(kind, more, port):
    assert from_report(report(kind=kind, **more)).events[0].port == port


def test_the_attacked_url_is_not_accused():
    draft = from_report(report(kind="web-attack", URL="https://victim.example.org/login", URI="/login"))
    assert draft.events[0].url is None and draft.events[0].domain is None


def test_reports_by_two_reporters_are_two_drafts():
    second = report(number="2", source="192.0.2.2").replace("desk@watch", "other@watch")
    drafts = x_arf.parse(parts("desk@watch.example.net", "x", ("text/plain", f"---\n{report()}---\n{second}")))
    assert [draft.reporter.email for draft in drafts] == ["desk@watch.example.net", "other@watch.example.net"]


def test_the_same_report_twice_is_one_event():
    draft = only(
        x_arf.parse(parts("desk@watch.example.net", "x", ("text/plain", report()), ("application/octet-stream", report())))
    )
    assert len(draft.events) == 1


def test_reports_in_an_archive_are_found():
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.whatever", report(number=str(number), source=f"192.0.2.{number + 1}"))
    body = base64.encodebytes(stored.getvalue()).decode()
    raw = (
        HEAD.format(sender="desk@watch.example.net", subject="x") + 'X-XARF: BULK\nContent-Type: multipart/mixed; boundary="b"\n\n'
    )
    raw += f'--b\nContent-Type: application/zip; name="r.zip"\nContent-Transfer-Encoding: base64\n\n{body}\n--b--\n'
    draft = only(x_arf.parse(opened(raw)))
    assert sorted(event.ip for event in draft.events) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_a_quoted_report_is_not_read_again():
    quoted = "\n".join(f"> {line}" for line in report().splitlines())
    assert x_arf.claims(letter("desk@example.com", "Re: x", f"We wrote:\n{quoted}\n")) is Confidence.NONE


def test_prose_after_the_report_does_not_run_into_its_values():
    text = "Hola,\n\nestos son los datos.\n\n" + report() + "\n  IP: 203.0.113.1\n  Nota: x\n\nSaludos\n"
    (event,) = only(x_arf.parse(letter("desk@watch.example.net", "x", text))).events
    assert (event.ip, event.occurred_at) == ("192.0.2.1", datetime(2025, 3, 10, 9, tzinfo=UTC))


def test_a_contradiction_between_letter_and_report_is_told():
    message = parts("desk@watch.example.net", "x", ("text/plain", "Source IP: 192.0.2.99\n"), ("text/plain", report()))
    assert any("192.0.2.99" in warning for warning in only(x_arf.parse(message)).warnings)


def test_the_letter_is_looked_through_once_for_all_reported_urls():
    shown = "".join(f"hxxp://h{n}[.]example[.]org/x [192.0.2.{n}]\n" for n in range(1, 251))

    def message(events):
        given = [
            report("phishing", str(n), source=f"http://h{n}.example.org/x").replace("ip-address", "uri") for n in range(1, events)
        ]
        return parts("desk@watch.example.net", "x", ("text/plain", shown), *(("text/plain", one) for one in given))

    draft = only(x_arf.parse(message(4)))
    assert [(event.ip, event.found_in["ip"]) for event in draft.events] == [
        (f"192.0.2.{n}", "letter, behind the URL") for n in range(1, 4)
    ]
    few, many = message(5), message(25)
    assert calls(lambda: x_arf.parse(many)) - calls(lambda: x_arf.parse(few)) < 20 * 1_000


def test_occurrences_are_counted_within_reason():
    assert from_report(report(Occurrences=40)).events[0].count == 40
    assert from_report(report(Occurrences="99999999999999999999")).events[0].count == 1
    assert from_report(report(Occurrences="-3")).events[0].count == 1


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!python/unicode", "!!binary", "!custom"])
def test_tags_are_plain_text(tag):
    (fields,) = read_mappings(f"Source: {tag} '192.0.2.1'\nReport-Type: x\n")
    assert fields.get("source") == "192.0.2.1"


@pytest.mark.parametrize(
    "hostile",
    ["[" * 100_000, "{a: " * 30_000, "- " * 60_000, "? " * 60_000, "a: &a [*a]\n" * 9_000, "&a " * 40_000, "|\n" * 50_000],
)
def test_hostile_yaml_costs_little(hostile):
    head = "Reported-From: a\nSource: b\nReport-Type: c\nX: "
    with ends():
        assert growth(read_mappings, head + hostile[: len(hostile) // 4], head + hostile) < BELOW_QUADRATIC


# ---- senders


def test_a_sender_is_told_by_content_and_not_by_its_address():
    forged = letter(
        "Abuse-Team <autogenerated@blocklist.de>", "abuse report about 192.0.2.1", "Your host 192.0.2.1 is bad. blocklist.de\n"
    )
    assert blocklist_de.claims(forged) is Confidence.NONE
    assert netcraft.claims(letter("x <takedown-response+1@netcraft.com>", "Hello", "Please call us. Netcraft\n")) is Confidence.NONE
    assert (
        cleanmx.claims(letter("abuse@clean-mx.de", "[clean-mx-viruses-1234]", "New layout without a table.\n")) is Confidence.NONE
    )


def test_blocklist_without_its_letter_is_still_read():
    message = parts("x@example.org", "other", ("text/plain", report(number="5@blocklist.de", Service="sip")))
    draft = only(blocklist_de.parse(message))
    assert draft.events[0].ip == "192.0.2.1" and draft.external_id == "5@blocklist.de"


@pytest.mark.parametrize(
    "sentence",
    [
        "Diese Seite liegt auf dem Rechner mit der IP-Adresse 192.0.2.9.",
        "El sitio está alojado en la dirección 192.0.2.9.",
        "Le site est hébergé à l'adresse 192.0.2.9",
        "Il sito si trova all'indirizzo 192.0.2.9.",
        "Сайт находится по адресу 192.0.2.9.",
    ],
)
def test_netcraft_letters_name_the_address_in_any_language(sentence):
    text = f"Hello,\n\nhttp://www.example.net/p.php\n\n{sentence}\n\n1  gw.example.com (198.51.100.1)  1 ms\n"
    text += "2  192.0.2.8 (192.0.2.8)\n\nNetcraft\n"
    draft = only(
        netcraft.parse(
            letter(
                "Netcraft <takedown-response+1@netcraft.com>", "Issue 12345: phishing attack at http://www.example.net/p.php", text
            )
        )
    )
    assert facts(draft) == [("192.0.2.9", None, "http://www.example.net/p.php", None)]
    assert (draft.category, draft.external_id) == ("phishing", "12345")


def test_netcraft_accuses_every_address_behind_a_url():
    text = "Hello,\n\nhttp://www.example.net/p.php [192.0.2.9, 2001:db8::9]\n\nNetcraft\n"
    draft = only(netcraft.parse(letter("Netcraft <t+1@netcraft.com>", "Issue 12345: phishing attack", text)))
    assert [event.ip for event in draft.events] == ["192.0.2.9", "2001:db8::9"]


def test_cyscon_reads_several_reports_and_falls_back_to_the_letter():
    text = fixture("cyscon", "malware.eml")
    second = text.replace("last_seen: 2025-03-10 04:00:00 +0100\n", "last_seen: 2025-03-10 04:00:00 +0100\nextra: 1\n")
    assert only(cyscon.parse(opened(second))).events[0].details["extra"] == "1"
    broken = text.replace("signature:", "sig:").replace("first_seen", "fs").replace("last_s", "ls")
    draft = only(cyscon.parse(opened(broken)))
    assert facts(draft) == [("192.0.2.160", None, "http://files.example.org/x.js", datetime(2025, 3, 10, 3, tzinfo=UTC))]


def test_webiron_in_html_only_is_read_once():
    lines = "Offending IP:  192.0.2.7<br />- Issue: bad client<br />- Time: 2025-03-10 09:00:00-07:00<br />- Port: 80<br />"
    message = parts("x@abuse-reporting.webiron.com", "192.0.2.7", ("text/html", f"<p>From webiron.com</p><div>{lines}</div>"))
    draft = only(webiron.parse(message))
    assert facts(draft) == [("192.0.2.7", None, None, datetime(2025, 3, 10, 16, tzinfo=UTC))]


def test_webiron_without_an_address_goes_to_a_person():
    draft = only(
        webiron.parse(letter("x@webiron.com", "x", "webiron\nOffending IP: hidden\n - Issue: x\n - Time: 2025-03-10 09:00:00Z\n"))
    )
    assert draft.needs and draft.events[0].ip is None


def test_cleanmx_columns_are_found_by_name():
    text = "clean-mx\n|ip |Url |date |id|\n|192.0.2.3 |http://a.example.org/x |2025-03-10 01:02:03 UTC |7|\n"
    text += "|192.0.2.x |http://b.example.org/ |? |8|\n"
    draft = only(cleanmx.parse(letter("abuse@clean-mx.de", "", text)))
    assert facts(draft)[0] == ("192.0.2.3", None, "http://a.example.org/x", datetime(2025, 3, 10, 1, 2, 3, tzinfo=UTC))
    assert draft.events[1].ip is None and len(draft.warnings) == 2


def test_safe_browsing_refuses_entities_and_survives_damage():
    whole = fixture("google_safe_browsing", "three_rows.eml")
    cut = whole.replace("</list>", "", 1)
    with pytest.raises(ParseError):
        google_safe_browsing.parse(opened(cut))
    assert google_safe_browsing.claims(opened(whole.partition("</notification_message>")[0])) is Confidence.NONE
    with pytest.raises(ParseError):
        google_safe_browsing.parse(opened(whole.replace("blog.example.org", "&xxe;")))


def test_safe_browsing_keeps_the_day_as_a_span():
    draft = only(google_safe_browsing.parse(opened(fixture("google_safe_browsing", "three_rows.eml"))))
    event = draft.events[0]
    assert event.occurred_at is None and event.earliest < datetime(2025, 3, 10, tzinfo=UTC) < event.latest


def test_honeypot_periods_are_spans_and_unknown_headings_are_other():
    text = (
        "Project Honey Pot\nReport Date Range: 03/01/2025 - 03/09/2025\nIPs Engaged In Juggling On Your Network:\n\n192.0.2.4\n\n"
    )
    draft = only(project_honeypot.parse(letter("x@projecthoneypot.org", "x", text.replace("\n", "\r\n"))))
    (event,) = draft.events
    assert (event.category or draft.category) in ("other", None) and event.ip == "192.0.2.4"
    assert event.earliest == datetime(2025, 2, 28, 10, tzinfo=UTC) and event.latest > datetime(2025, 3, 10, tzinfo=UTC)


@pytest.mark.parametrize("period", ["03/09/2025 - 03/01/2025", "03/01/4025 - 03/09/2025", "13/45/2025 - 03/09/2025"])
def test_an_impossible_honeypot_period_bounds_nothing(period):
    text = f"Project Honey Pot\nReport Date Range: {period}\nIPs Engaged In Harvesting On Your Network:\n\n192.0.2.4\n"
    (event,) = only(project_honeypot.parse(letter("x@projecthoneypot.org", "x", text))).events
    assert (event.ip, event.earliest, event.latest, event.occurred_at) == ("192.0.2.4", None, None, None)


def test_spamcop_reads_several_sites_and_ignores_the_spam_itself():
    text = fixture("spamcop", "sites.eml").replace(
        "[ Offending message ]",
        "Spamvertised web site: http://b.example.net/\n"
        "http://b.example.net/ is 2001:db8::5; Mon, 10 Mar 2025 10:00:00 +0100\n\n[ Offending message ]",
        1,
    )
    draft = only(spamcop.parse(opened(text)))
    assert [event.ip for event in draft.events] == ["192.0.2.221", "2001:db8::5"]


def test_spamhaus_networks_and_addresses_are_told_apart():
    text = fixture("spamhaus", "sbl.eml").replace("192.0.2.230/32", "192.0.2.230/32, 198.51.100.0/24")
    draft = only(spamhaus.parse(opened(text)))
    assert [event.ip for event in draft.events] == ["192.0.2.230"] and "198.51.100.0/24" in draft.needs[0]


@pytest.mark.parametrize("parser", [spamhaus, cloudflare])
def test_formats_without_a_capture_are_experimental(parser):
    assert parser.experimental
    folder = OWN / "parsers" / parser.name
    for path in folder.glob("*.eml"):
        assert all(draft.experimental for draft in parser.parse(opened(path.read_bytes())))


def test_notices_without_a_capture_are_experimental_beside_documented_feeds():
    assert only(abuse_ch.parse(opened(fixture("abuse_ch", "botnet_notice.eml")))).experimental
    assert not only(abuse_ch.parse(opened(fixture("abuse_ch", "feodo.csv"), "feodo.csv"))).experimental
    assert only(abuseipdb.parse(opened(fixture("abuseipdb", "notification.eml")))).experimental
    assert not only(abuseipdb.parse(opened(fixture("abuseipdb", "bulk.csv"), "bulk.csv"))).experimental


def test_feeds_without_a_readable_row_are_a_parse_error():
    with pytest.raises(ParseError):
        abuse_ch.parse(opened("# Dateadded (UTC),URL,URL_status,Threat,Host,IPaddress,ASnumber,Country\n", "u.csv"))


# ---- ACNS


def notice(ip="192.0.2.20", port="51413", stamp="2025-03-09T22:01:02Z", case="C-1", more="", prefix=""):
    p = f"{prefix}:" if prefix else ""
    space = f'xmlns:{prefix}="http://www.acns.net/ACNS"' if prefix else 'xmlns="http://www.acns.net/ACNS"'
    return (
        f"<{p}Infringement {space}><{p}Case><{p}ID>{case}</{p}ID></{p}Case><{p}Complainant><{p}Entity>Example Pictures</{p}Entity>"
        f"<{p}Email>claims@rights.example.org</{p}Email></{p}Complainant><{p}Source><{p}TimeStamp>{stamp}</{p}TimeStamp>"
        f"<{p}IP_Address>{ip}</{p}IP_Address><{p}Port>{port}</{p}Port></{p}Source>{more}</{p}Infringement>"
    )


@pytest.mark.parametrize("prefix", ["", "acns", "n1"])
def test_any_namespace_prefix_is_read(prefix):
    draft = only(acns.parse(opened(notice(prefix=prefix))))
    assert facts(draft) == [("192.0.2.20", 51413, None, datetime(2025, 3, 9, 22, 1, 2, tzinfo=UTC))]


def test_one_number_with_two_addresses_is_two_notices():
    drafts = acns.parse(letter("x@rights.example.org", "x", notice() + "\n" + notice(ip="192.0.2.21") + "\n" + notice()))
    assert [draft.events[0].ip for draft in drafts] == ["192.0.2.20", "192.0.2.21"]


@pytest.mark.parametrize("ip", ["92.222.64.5.4", "192.0.2.256", "192.0.2", "192.0.2.x", "host"])
def test_an_impossible_address_is_flagged_and_never_repaired(ip):
    draft = only(acns.parse(opened(notice(ip=ip))))
    assert draft.disposition is Disposition.NEEDS_A_PERSON
    assert draft.events[0].ip is None and ip in draft.needs[0]


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "", "99999999999"])
def test_an_impossible_port_is_left_out(port):
    assert only(acns.parse(opened(notice(port=port)))).events[0].port is None


def test_a_time_without_a_zone_stays_open():
    draft = only(acns.parse(opened(notice(stamp="2025-03-09T22:01:02"))))
    assert draft.events[0].occurred_at is None and draft.events[0].earliest and draft.warnings


def test_entities_are_refused():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + notice(case="&b;")
    with pytest.raises(ParseError):
        acns.parse(opened(bomb))


def test_damaged_xml_in_the_letter_leaves_the_attachment():
    damaged = notice().replace("</Case>", "")
    draft = only(acns.parse(parts("x@rights.example.org", "x", ("text/plain", damaged), ("application/xml", notice()))))
    assert draft.events[0].ip == "192.0.2.20"


def test_counter_notices_accuse_nobody():
    draft = only(acns.parse(opened(fixture("acns", "counter_notice.xml"))))
    assert draft.disposition is Disposition.COUNTER_NOTICE and draft.events == []


def test_many_small_notices_cost_little():
    one = '<Infringement xmlns="http://www.acns.net/ACNS"></Infringement>\n'
    few, many = (letter("x@rights.example.org", "x", one * count) for count in (4_000, 16_000))
    with ends():
        assert growth(acns.parse, few, many) < BELOW_QUADRATIC


# ---- captured mails

EXPECTED = {
    "blocklistde": blocklist_de, "netcraft": netcraft, "webiron": webiron, "google": google_safe_browsing,
    "projecthoneypot": project_honeypot,
    "cyscon": cyscon, "ip-echelon": acns, "copyrightcompliance": acns,
}  # fmt: skip
CAPTURED = [(parser, path) for folder, parser in EXPECTED.items() for path in captured(f"mail/notifiers/{folder}/*.eml")]


@pytest.mark.skipif(not CAPTURED, reason=f"{NOT_OURS}captured inputs (../shared/corpus) are absent")
@pytest.mark.parametrize(("parser", "path"), CAPTURED, ids=[path.name for _, path in CAPTURED])
def test_captured_mails_are_claimed_by_their_parser_alone(parser, path):
    message = opened(path.read_bytes())
    claims = {other: other.claims(message) for other in MINE}
    assert max(claims.values()) is claims[parser] is Confidence.CERTAIN
    assert [other for other, claim in claims.items() if claim is Confidence.CERTAIN] == [parser]
    assert any(event.ip for draft in parser.parse(message) for event in draft.events)


@pytest.mark.skipif(not captured("mail/not-reports/*.eml"), reason=f"{NOT_OURS}captured inputs (../shared/corpus) are absent")
def test_no_ordinary_mail_is_claimed():
    for path in captured("mail/not-reports/*.eml"):
        message = opened(path.read_bytes())
        assert [parser.name for parser in MINE if parser.claims(message)] == [], path.name
