"""IODEF documents made to hurt, and what ports, kinds and times in them are read as."""

from datetime import UTC, datetime

import pytest

from tests.growth import ends
from tests.intake.samples import OWN
from tipstaff.intake.message import Hints, Message
from tipstaff.intake.parsers import iodef
from tipstaff.intake.reading.open import open_message
from tipstaff.kernel.errors import ParseError

PLAIN = (OWN / "parsers" / "iodef" / "second_version.xml").read_text("utf-8")
SOURCE = '<System category="source"><Node><Address category="ipv4-addr">{}</Address></Node>{}</System>'
MOST = iodef.MAX_XML - 1_000


def opened(text: str) -> Message:
    return open_message(text.encode(), Hints(filename="incident.xml"))[0]


def incident(content: str, description: str = "Port scan") -> Message:
    head = '<IODEF-Document version="2.00" xmlns="urn:ietf:params:xml:ns:iodef-2.0"><Incident purpose="reporting">'
    return opened(f"{head}<Description>{description}</Description>{content}</Incident></IODEF-Document>")


def only(message: Message):
    (draft,) = iodef.parse(message)
    return draft


@pytest.mark.parametrize("tag", ["EventData", "Incident", "System", "x"])
def test_endless_nesting_is_refused_at_once(tag) -> None:
    levels = MOST // (2 * len(tag) + 5)
    message = incident(f"<{tag}>" * levels + f"</{tag}>" * levels)
    assert iodef.claims(message)
    with ends(20), pytest.raises(ParseError, match="nests deeper than 50 levels"):
        iodef.parse(message)


@pytest.mark.parametrize(
    ("one", "around"),
    [
        ("<EventData/>", "{}"),
        ('<EventData><System category="source"/></EventData>', "{}"),
        (SOURCE.format("192.0.2.1", ""), "<EventData>{}</EventData>"),
        ('<System category="source"/><x/><x/><x/><x/><x/><x/>', "<EventData>{}</EventData>"),
        ('<EventData><System category="source"/></EventData><System category="source"/>', "<EventData>{}</EventData>"),
        ("<Address>192.0.2.1</Address>", '<EventData><System category="source">{}</System></EventData>'),
    ],
)
def test_width_costs_no_more_than_its_length(one, around) -> None:
    message = incident(around.format(one * (MOST // len(one))))
    with ends(60):
        draft = only(message)
    assert len(draft.events) <= iodef.MAX_EVENTS


def test_events_and_incidents_beyond_the_caps_are_told() -> None:
    many = "".join(SOURCE.format(f"10.0.{n >> 8}.{n & 255}", "") for n in range(iodef.MAX_EVENTS + 5))
    draft = only(incident(f"<EventData>{many}</EventData>"))
    assert len(draft.events) == iodef.MAX_EVENTS and "the rest was left out" in draft.warnings[-1]
    draft = only(incident("<EventData/>" * (iodef.MAX_EVENTS + 1)))
    assert "EventData elements; the rest was left out" in draft.warnings[-1]
    drafts = iodef.parse(incident("</Incident><Incident>" * 1_500))
    assert len(drafts) == iodef.MAX_INCIDENTS and "incidents; the rest was left out" in drafts[-1].warnings[-1]


def test_each_system_has_the_time_of_the_nearest_event_around_it() -> None:
    inner = f"<EventData><DetectTime>2026-02-02T00:00:00Z</DetectTime>{SOURCE.format('192.0.2.2', '')}</EventData>"
    outer = f"<DetectTime>2026-02-01T00:00:00Z</DetectTime>{SOURCE.format('192.0.2.1', '')}{inner}{SOURCE.format('192.0.2.3', '')}"
    bare = f"<EventData>{SOURCE.format('192.0.2.4', '')}</EventData>"
    draft = only(incident(f"<StartTime>2026-02-03T00:00:00Z</StartTime><EventData>{outer}</EventData>{bare}"))
    found = {event.ip: event.occurred_at for event in draft.events}
    assert found == {f"192.0.2.{n}": datetime(2026, 2, day, tzinfo=UTC) for n, day in ((1, 1), (2, 2), (3, 1), (4, 3))}
    assert len(draft.events) == 4


@pytest.mark.parametrize(
    ("written", "port"),
    [("51532", 51532), ("00080", 80), ("65535", 65535), ("0", None), ("65536", None), ("000001999999", None), ("٨٠", None)],
)
def test_a_port_is_one_of_those_there_are(written, port) -> None:
    service = f'<Service ip-protocol="6"><Port>{written}</Port></Service>'
    (event,) = only(incident(f"<EventData>{SOURCE.format('192.0.2.1', service)}</EventData>")).events
    assert event.port == port


@pytest.mark.parametrize(
    ("description", "assessment", "category"),
    [
        ("Registo dos acessos ao servidor", "", None),
        ("Um DoS contra a nossa rede", "", "ddos_origin"),
        ("dos attack from your network", "", "ddos_origin"),
        ("see below", '<Impact type="dos"/>', "ddos_origin"),
    ],
)
def test_denial_of_service_is_told_from_a_portuguese_word(description, assessment, category) -> None:
    content = f"<Assessment>{assessment}</Assessment><EventData>{SOURCE.format('192.0.2.1', '')}</EventData>"
    assert only(incident(content, description)).category == category


def test_the_plain_document_is_read() -> None:
    assert [event.ip for event in only(opened(PLAIN)).events] == ["2001:db8:9::44"]
