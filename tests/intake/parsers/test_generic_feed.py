"""Feeds of any origin: well-known headers, and mappings that an operator states."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tipstaff.intake.drafts import Confidence, Disposition, EventDraft, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.parsers import generic_feed
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.feeds.mapping import guess_mapping, known_categories, mark_of, read_mapping, zone_in_letter
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import InputError, ParseError

MAPPING = """
format = "example-list"
reporter = "Example CERT"
[columns]
ip = "Bad Host"
port = "Port"
time = ["Day", "Clock"]
category = "Kind"
identity = ["Malware"]
[time]
zone = "Europe/Amsterdam"
formats = ["%d/%m/%Y %H:%M:%S"]
[categories]
"Bot Net" = "compromised"
"knocking" = "intrusion"
[others]
victim_ip = "Target"
"""
ROWS = b"Day;Clock;Bad Host;Port;Kind;Malware;Target\n"
ROWS += b"03/07/2026;12:00:00;192.0.2.1;80;bot net;x;198.51.100.1\n"
ROWS += b"04/01/2026;12:00:00;192.0.2.2;;KNOCKING;;\n"


def test_the_line_that_tells_excel_the_delimiter_is_no_header() -> None:
    draft = parsed(b"\xef\xbb\xbfsep=;\r\ntimestamp;ip\r\n2026-11-22T08:00:00Z;192.0.2.7\r\n")
    assert [(event.ip, event.row) for event in draft.events] == [("192.0.2.7", 1)]


def parsed(raw: bytes, name: str = "list.csv", zone: str | None = None) -> ReportDraft:
    (draft,) = generic_feed.parse(open_message(raw, Hints(filename=name, zone=zone))[0])
    return draft


def test_a_mapping_says_it_all() -> None:
    (draft,) = generic_feed.parse_mapped(open_message(ROWS, Hints(filename="x.csv"))[0], read_mapping(MAPPING))
    assert (draft.format, draft.reporter.organisation) == ("example-list", "Example CERT")
    first, second = draft.events
    assert (first.ip, first.port, first.category, first.identity) == ("192.0.2.1", 80, "compromised", ("x",))
    assert first.occurred_at is not None and first.occurred_at.isoformat() == "2026-07-03T10:00:00+00:00"
    assert second.occurred_at is not None and second.occurred_at.isoformat() == "2026-01-04T11:00:00+00:00"
    assert second.category == "intrusion" and first.details["victim_ip"] == "198.51.100.1"


def test_a_mapping_that_does_not_fit_names_the_columns() -> None:
    with pytest.raises(ParseError, match="a, b"):
        generic_feed.parse_mapped(open_message(b"a,b\n1,2\n3,4\n", Hints(filename="x.csv"))[0], read_mapping(MAPPING))


def read(raw: bytes, mapping: str | None = MAPPING, name: str = "x.csv") -> ReportDraft:
    (draft,) = read_submission(raw, Hints(filename=name, mapping=mapping))
    return draft


def test_reading_uses_the_mapping_of_the_source_and_says_which() -> None:
    draft = read(ROWS)
    assert (draft.disposition, draft.format, draft.mapping) == (Disposition.REPORT, "example-list", mark_of(MAPPING))
    assert [event.ip for event in draft.events] == ["192.0.2.1", "192.0.2.2"] and read(ROWS) == draft
    assert mark_of(MAPPING) != mark_of(MAPPING + "# changed") and not read(ROWS, mapping=None).events
    row = {"Day": "03/07/2026", "Clock": "12:00:00", "Bad Host": "192.0.2.1", "Kind": "knocking"}
    (event,) = read(orjson.dumps([row]), name="x.json").events
    assert event.ip == "192.0.2.1" and event.occurred_at == draft.events[0].occurred_at


def test_what_the_mapping_says_stands_before_well_known_columns() -> None:
    raw = b"src_ip,ip,time\n192.0.2.1,198.51.100.1,2026-07-03T10:00:00Z\n"
    assert not read(raw, mapping=None).events or read(raw, mapping=None).events[0].ip is None
    draft = read(raw, mapping="category = 'scan'\n[columns]\nip = 'ip'\ntime = 'time'\n")
    assert [event.ip for event in draft.events] == ["198.51.100.1"] and draft.category == "scan"


def test_a_large_table_is_read_by_the_mapping_too() -> None:
    draft = read(ROWS + b"05/01/2026;12:00:00;192.0.2.3;;knocking;;\n" * 600)
    assert draft.table is not None and len(draft.table) == 602 and draft.events == []
    assert draft.table["ip"].to_list()[-1] == "192.0.2.3" and draft.table["category"].to_list()[-1] == "intrusion"
    assert draft.table["occurred_at"].to_list()[-1].isoformat() == "2026-01-05T11:00:00+00:00" and draft.mapping == mark_of(MAPPING)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"ip,timestamp\n192.0.2.1,2026-07-01T12:00:00Z\n", "its columns are: ip, timestamp"),
        (b"Bad Host;Day\n192.0.2.1;03/07/2026\n", "reads the time from clock"),
        (b"link,b\nhttp://192.0.2.3/x,2\n", "its columns are: link, b"),
        (b"the page is gone: 192.0.2.1 scanned our ports at 2026-07-01 12:00:00 UTC", "there is no table in it"),
    ],
)
def test_nothing_is_guessed_where_the_mapping_does_not_fit(raw: bytes, told: str) -> None:
    draft = read(raw)
    assert draft.disposition is Disposition.NEEDS_A_PERSON and not draft.events and draft.table is None
    assert told in draft.needs[0] and "correct the mapping" in draft.needs[0]


def test_columns_beside_the_point_may_be_absent_and_are_told() -> None:
    draft = read(b"Day;Clock;Bad Host\n03/07/2026;12:00:00;192.0.2.1\n")
    assert [event.ip for event in draft.events] == ["192.0.2.1"]
    assert any("not there: kind, malware, port, target" in warning for warning in draft.warnings)


@pytest.mark.parametrize(
    ("column", "accused"), [("url", "http://host.example/x"), ("domain", "host.example"), ("mailbox", "m@host.example")]
)
def test_one_of_several_columns_of_the_accused_may_be_absent_but_the_address(column: str, accused: str) -> None:
    stated = "category = 'phishing'\n[columns]\nurl = 'u_url'\ndomain = 'u_domain'\nmailbox = 'u_mailbox'\nidentity = ['gone']\n"
    draft = read(f"u_{column},b\n{accused},2\n".encode(), stated)
    assert [getattr(event, column) for event in draft.events] == [accused] and draft.disposition is Disposition.REPORT
    refused = read(f"u_{column},b\n{accused},2\n".encode(), stated + "ip = 'addr'\n")
    assert not refused.events and "reads the address from addr" in refused.needs[0]


MAIL = b"From: r@example.org\nSubject: port scan\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n%b\n"
ATTACHED = b"--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=list.csv\n\n%b\n--b--\n"


def test_a_mailbox_with_a_mapping_reads_attached_tables_by_it_and_letters_as_ever() -> None:
    letter = MAIL % b"192.0.2.9 scanned our ports at 2026-07-01 12:00:00 UTC."
    assert [event.ip for event in read(letter + ATTACHED % ROWS, name="1.eml").events] == ["192.0.2.1", "192.0.2.2"]
    assert [event.ip for event in read(letter + b"--b--\n", name="1.eml").events] == ["192.0.2.9"]
    strange = read(letter + ATTACHED % b"ip,time\n192.0.2.1,2026-07-01T12:00:00Z\n", name="1.eml")
    assert strange.disposition is Disposition.NEEDS_A_PERSON and not strange.events and "no table fits" in strange.needs[0]


def test_a_stored_mapping_that_is_wrong_by_now_is_told() -> None:
    draft = read(ROWS, mapping="[columns]\nhost = 'Bad Host'\n")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and "columns.host: is not known" in draft.needs[0] and not draft.events


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[columns\n", "is no TOML"),
        ("a = " + "[" * 19_000, "is no TOML"),
        ("[columns]\nport = 'p'\n", "names no column with an address"),
        ("[columns]\nip = 'a'\nsource = 'b'\n", "columns.source: is not known"),
        ("colums = 1\n[columns]\nip = 'a'\n", "colums: is not known"),
        ("[columns]\nip = 'a'\n[time]\nzone = 'Mars/Olympus'\n", "is no time zone"),
        ("[columns]\nip = 7\n", "columns.ip: is not the name of a column"),
        ("[columns]\nip = 'a'\ntime = 5\n", "columns.time: is neither"),
        ("categories = 1\n[columns]\nip = 'a'\n", "categories: is not a table"),
        ("[columns]\nip = 'a'\nsource = 'b'\n", "line 3, columns.source"),
        ("format = 1\n[columns]\nip = 'a'\n", "line 1, format: is not a text"),
        ("category = 'botnet'\n[columns]\nip = 'a'\n", "line 1, category: 'botnet' is no category"),
        ("[columns]\nip = 'a'\n[categories]\nx = 'csam'\n", "line 4, categories.x: 'csam' is no category that a mapping can give"),
        ("[columns]\nip = 'a'\n[time]\nzones = 'UTC'\n", "line 4, time.zones: is not known"),
        ("[columns]\nip = 'a'\n[time]\nzone = '+ab:cd'\n", "line 4, time.zone: '+ab:cd' is no time zone"),
        ("[columns]\nip = 'a'\n[time]\nformats = ['%H:%M']\n", "line 4, time.formats: '%H:%M' reads no year"),
        ("# " + "x" * 20_000, "more than 20000 characters"),
    ],
)
def test_wrong_mappings_are_told_by_key(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        read_mapping(text, "source 4")
    assert told in str(error.value) and "source 4" in str(error.value)


@pytest.mark.parametrize(
    ("header", "ip", "port", "time"),
    [
        (("ip", "timestamp"), "ip", None, ("timestamp",)),
        (("src_ip", "src_port", "dst_ip", "dst_port", "time"), "src_ip", "src_port", ("time",)),
        (("src_ip", "port", "dst_ip", "time"), "src_ip", None, ("time",)),
        (("ip", "port", "last_seen"), "ip", "port", ("last_seen",)),
        (("ip", "port", "dst_port", "date"), "ip", "port", ("date",)),
        (("timestamp_utc", "client_ip"), "client_ip", None, ("timestamp_utc",)),
        (("date", "time", "tz", "ip_address"), "ip_address", None, ("date", "time", "tz")),
        (("source.ip", "time.source", "time.observation", "source.port"), "source.ip", "source.port", ("time.source",)),
        (("url", "dateadded"), None, None, ("dateadded",)),
    ],
)
def test_guesses(header: tuple[str, ...], ip: str | None, port: str | None, time: tuple[str, ...]) -> None:
    mapping = guess_mapping(header)
    assert mapping is not None
    assert (mapping.layout.ip, mapping.layout.port, mapping.layout.time) == (ip, port, time)


@pytest.mark.parametrize("header", [("dst_ip", "time"), ("destination.ip",), ("customer", "amount"), ("victim", "reporter_ip"), ()])
def test_no_guess_where_nothing_names_the_accused(header: tuple[str, ...]) -> None:
    assert guess_mapping(header) is None


def test_the_port_in_a_list_of_attackers_is_the_victims() -> None:
    raw = b"ip,port,timestamp,category\n192.0.2.1,22,2026-01-02T03:04:05Z,ssh\n192.0.2.2,11211,2026-01-02T03:04:05Z,open service\n"
    first, second = parsed(raw).events
    assert first.port is None and first.details["victim_port"] == "22"
    assert second.port == 11211
    table = parsed(raw + b"192.0.2.3,23,2026-01-02T03:04:05Z,ssh\n192.0.2.4,53,2026-01-02T03:04:05Z,open resolver\n" * 300).table
    assert table is not None and table["port"].to_list()[:4] == [None, 11211, None, 53]


def test_the_known_reporters_zone_is_used() -> None:
    raw = b"ip,timestamp\n192.0.2.1,2026-07-01 12:00:00\n192.0.2.1,2026-07-01T12:00:00Z\n"
    assert [event.occurred_at and event.occurred_at.hour for event in parsed(raw).events] == [None, 12]
    assert [event.occurred_at and event.occurred_at.hour for event in parsed(raw, zone="Europe/Amsterdam").events] == [10, 12]


def test_other_taxonomies_mean_ours() -> None:
    kinds = known_categories()
    assert (kinds["infected-system"], kinds["brute-force"], kinds["c2-server"], kinds["ddos-amplifier"]) == (
        "compromised", "intrusion", "c2", "open_relay")  # fmt: skip


def test_claims() -> None:
    def claim(raw: bytes) -> Confidence:
        return generic_feed.claims(open_message(raw, Hints(filename="x.csv"))[0])

    assert claim(b"ip,timestamp\n192.0.2.1,2026-01-02T03:04:05Z\n") is Confidence.LIKELY
    assert claim(b"ip,note\n192.0.2.1,x\n") is Confidence.POSSIBLE
    assert claim(b"name,amount\nx,1\ny,2\n") is Confidence.NONE


def test_rows_that_name_nobody_go_to_a_person() -> None:
    draft = parsed(b"ip,timestamp\n192.0.2.0/24,2026-01-02T03:04:05Z\nn/a,2026-01-02T03:04:05Z\n")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and not draft.events
    assert any("row 1" in line and "network" in line for line in draft.warnings)
    assert any("row 2" in line for line in draft.warnings)


def test_who_of_two_is_the_controller_a_person_says_or_a_mapping() -> None:
    """``src_ip`` of a row about a controller is its bot: to accuse that one of being the controller would be wrong."""
    rows = b"time,src_ip,dst_ip,category\n2026-11-01T00:00:00Z,192.0.2.7,198.51.100.9,%s\n"
    draft = parsed(rows % b"c2")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and "controller" in draft.needs[0]
    assert parsed(rows % b"scanner").disposition is Disposition.REPORT
    assert parsed(b"time,ip,category\n2026-11-01T00:00:00Z,192.0.2.7,c2\n").disposition is Disposition.REPORT


@pytest.mark.parametrize(
    ("letter", "zone"),
    [
        ("All timestamps are in UTC.", "UTC"),
        ("timestamp:  Time of the event (UTC)", "UTC"),
        ("Alle Zeiten in UTC", "UTC"),
        ("Times are given in GMT+2.", "+02:00"),
        ("Timestamps (UTC -0330)", "-03:30"),
        ("Times of logs: UTC. Times of mail: UTC+1.", None),
        ("The attack was seen by our sensors.", None),
        ("UTC University asks you to act.", None),
    ],
)
def test_the_zone_that_a_letter_states(letter: str, zone: str | None) -> None:
    assert zone_in_letter(letter) == zone


def test_a_letter_gives_its_table_the_zone() -> None:
    raw = (
        b"From: rita@example.org\nTo: abuse@example.net\nSubject: hosts\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nAll times are UTC.\n--b\n'
        b'Content-Type: text/csv; name="hosts.csv"\nContent-Disposition: attachment; filename="hosts.csv"\n\n'
        b"ip,timestamp,category\n192.0.2.1,2026-07-01 12:00:00,infected-system\n--b--\n"
    )
    (event,) = parsed(raw).events
    assert event.occurred_at is not None and event.occurred_at.isoformat() == "2026-07-01T12:00:00+00:00"


def test_a_url_names_the_address_where_nothing_else_does() -> None:
    raw = b"url,ip,dateadded\nhttp://192.0.2.1:8080/x,,1767323045\nhttps://u:p@[2001:db8::1]/x,,1767323045\n"
    raw += b"http://www.example.com/y,198.51.100.1,1767323045\nhttp://www.example.org/,,1767323045\n"
    events = parsed(raw).events
    assert [event.ip for event in events] == ["192.0.2.1", "2001:db8::1", "198.51.100.1", None]
    assert [event.domain for event in events] == [None, None, "www.example.com", "www.example.org"]
    assert [event.found_in.get("ip", "")[-3:] for event in events] == ["url", "url", " ip", ""]


json_value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["ip", "source", "time", "port", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["ip", "source.ip", "port", "timestamp", "category", "source"]), json_value, max_size=5),
        max_size=5,
    )
)
def test_any_json_is_read_or_refused(documents: list[dict[str, object]]) -> None:
    for message in open_message(orjson.dumps(documents, option=orjson.OPT_NON_STR_KEYS), Hints(filename="x.json")):
        try:
            if generic_feed.claims(message) > Confidence.NONE:
                generic_feed.parse(message)
        except ParseError as error:
            assert error.problem.what


def test_deep_json_is_told() -> None:
    raw = b'[{"ip":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}]"
    message = open_message(raw, Hints(filename="x.json"))[0]
    assert generic_feed.claims(message) is Confidence.NONE
    with pytest.raises(ParseError):
        generic_feed.parse(message)


LETTER = (
    "From: Rita <rita@example.org>\r\nTo: abuse@example.net\r\nSubject: attacks from your network\r\n"
    "Date: Mon, 15 Jun 2026 12:00:00 +0000\r\nMessage-ID: <x@example.org>\r\n\r\n"
    "Dear team,\r\n\r\nthese hosts of yours attacked ours by ssh (all times UTC):\r\n\r\n{}\r\n\r\n{}Regards\r\nRita\r\n"
)
PARTNER = 'category = "intrusion"\n[columns]\nip = "Sent By"\ntime = ["Seen"]\n[time]\nzone = "UTC"\n[others]\nvictim_ip = "Whom"\n'
WRITTEN = "Sent By;Seen;Whom\r\n192.0.2.7;2026-06-14 10:00:00;203.0.113.9\r\n192.0.2.8;2026-06-14 10:05:00;203.0.113.9"


def of_letter(table: str, more: str = "", mapping: str | None = None) -> ReportDraft:
    (draft,) = read_submission(LETTER.format(table, more).encode(), Hints(mapping=mapping))
    return draft


def test_a_table_written_into_a_letter_is_read_by_the_mapping_of_the_source() -> None:
    draft = of_letter(WRITTEN, mapping=PARTNER)
    assert (draft.disposition, draft.mapping) == (Disposition.REPORT, mark_of(PARTNER))
    assert [event.ip for event in draft.events] == ["192.0.2.7", "192.0.2.8"]
    first = draft.events[0]
    assert first.occurred_at is not None and first.occurred_at.isoformat() == "2026-06-14T10:00:00+00:00"
    assert first.details["victim_ip"] == "203.0.113.9" and first.found_in["ip"] == "letter, line 5 row 1 column sent_by"


def test_without_the_mapping_a_person_says_which_column_is_accused() -> None:
    draft = of_letter(WRITTEN)
    assert draft.disposition is Disposition.NEEDS_A_PERSON and not draft.events


def test_a_letter_that_takes_rows_out_of_its_table_is_not_read_by_the_mapping() -> None:
    draft = of_letter(WRITTEN, "The first line is our own test, please ignore it.\r\n\r\n", PARTNER)
    assert draft.mapping is None and "192.0.2.7" not in [event.ip for event in draft.events]


def test_a_table_of_a_letter_that_the_mapping_does_not_name_stays_prose() -> None:
    for table in (WRITTEN.replace("Seen", "When"), WRITTEN.replace("Sent By", "Host")):
        assert of_letter(table, mapping=PARTNER).mapping is None


def test_an_attached_and_a_written_table_are_both_read_by_the_mapping() -> None:
    rows = "Sent By;Seen;Whom\r\n198.51.100.7;2026-06-14 10:00:00;203.0.113.9\r\n"
    head, _, body = LETTER.format(WRITTEN, "").partition("\r\n\r\n")
    table = f"--b\r\nContent-Type: text/csv; name=l.csv\r\nContent-Disposition: attachment; filename=l.csv\r\n\r\n{rows}"
    parts = f"--b\r\nContent-Type: text/plain\r\n\r\n{body}\r\n{table}\r\n--b--\r\n"
    mail = f"{head}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}"
    drafts = read_submission(mail.encode(), Hints(mapping=PARTNER))
    assert [[event.ip for event in draft.events] for draft in drafts] == [["198.51.100.7"], ["192.0.2.7", "192.0.2.8"]]


@pytest.mark.parametrize("head", ["time;host a;host b", "when;left;right"])
def test_of_two_columns_that_prose_would_both_accuse_a_person_says_which(head: str) -> None:
    rows = "2026-06-14 10:00:00;192.0.2.7;203.0.113.9\r\n2026-06-14 10:05:00;192.0.2.8;203.0.113.9"
    draft = of_letter(f"{head}\r\n{rows}")
    assert draft.disposition is Disposition.NEEDS_A_PERSON and not draft.events
    assert any("203.0.113.9" in text for text in draft.needs)


def test_a_host_has_an_address_of_each_family() -> None:
    draft = ReportDraft("free-text", events=[EventDraft(ip="192.0.2.7"), EventDraft(ip="2001:db8::7")])
    table = "when;host 4;host 6\r\n2026-06-14 10:00:00;192.0.2.7;2001:db8::7"
    generic_feed.ask_which_column(open_message(LETTER.format(table, "").encode(), Hints())[0], draft)
    assert draft.disposition is Disposition.REPORT and len(draft.events) == 2
    other = ReportDraft("free-text", events=[EventDraft(ip="192.0.2.7"), EventDraft(ip="192.0.2.8")])
    table = "when;host a;host b\r\n2026-06-14 10:00:00;192.0.2.7;192.0.2.8"
    generic_feed.ask_which_column(open_message(LETTER.format(table, "").encode(), Hints())[0], other)
    assert other.disposition is Disposition.NEEDS_A_PERSON and not other.events
    assert other.needs == [
        "a table in the letter has addresses under host_a and host_b and does not say which are accused; "
        "candidates: 192.0.2.7, 192.0.2.8"
    ]
