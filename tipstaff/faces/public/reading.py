"""What somebody pasted, read at once: the addresses in it, whose network they are in, what kind it looks like."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from tipstaff.attribution.matching import State
from tipstaff.attribution.queries import own_prefixes, who
from tipstaff.intake.drafts import EventDraft, ReportDraft
from tipstaff.intake.message import Hints
from tipstaff.intake.read import read_submission
from tipstaff.intake.reading.indicators import find_addresses, find_urls, host_of, normal_domain, normal_ip, normal_url
from tipstaff.intake.reading.open import looks_like_mail
from tipstaff.kernel.text import whole

LONGEST = 200_000  # characters of a paste that are read
MOST = 12  # places that are asked about
COMPLAINS = b"\n\nThis is a complaint about abuse from your network.\n"
OURS, NOT_OURS, UNKNOWN = "ours", "not-ours", "unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """One address or URL of a report and whose network it is in. Never whose customer."""

    text: str
    answer: str  # ours, not-ours, unknown
    ip: str | None = None
    port: int | None = None
    url: str | None = None
    domain: str | None = None
    contact: str = ""  # where it belongs, if it is not ours and we know

    def as_row(self) -> dict[str, object]:
        values = {"ip": self.ip, "port": self.port, "url": self.url, "domain": self.domain}
        return {key: value for key, value in values.items() if value is not None}


@dataclass
class Reading:
    """What the paste says by itself."""

    places: list[Place] = field(default_factory=list)
    category: str | None = None
    category_from: str = ""
    occurred_at: datetime | None = None
    time_from: str = ""
    name: str = ""
    email: str = ""
    lines: int = 0
    sealed: bool = False

    @property
    def ours(self) -> list[Place]:
        return [place for place in self.places if place.answer == OURS]


def read_paste(text: str, now: datetime) -> Reading:
    """Read a URL, an address, log lines, a mail source or a XARF document. Never raises on content."""
    networks = tuple(str(prefix) for prefix in own_prefixes())
    hints = Hints(source="Web form", received_at=now, own_networks=networks)
    drafts = read_submission(_as_complaint(text[:LONGEST]), hints)
    if any(draft.sealed for draft in drafts):
        return Reading(category="csam", category_from="words in it", sealed=True, places=_places(text, [], now))
    events = [event for draft in drafts for event in draft.events]
    first = next((draft for draft in drafts if draft.events), drafts[0])
    dated = next((event for event in events if event.occurred_at), None)
    places = _places(text, events, now)
    if dated is None and len(text.split()) == 1 and places and places[0].url:
        dated = EventDraft(occurred_at=now, found_in={"occurred_at": "the clock: you see it now"})
    return Reading(
        places=places,
        category=first.category,
        category_from=_plain(first.category_from or ""),
        occurred_at=dated.occurred_at if dated else None,
        time_from=_place_of_time(dated),
        name=first.reporter.name or "",
        email=first.reporter.email or "",
        lines=_lines(drafts),
    )


def _as_complaint(text: str) -> bytes:
    """What is pasted here complains by being here; bare log lines do not say so. Mails and documents stay as they are."""
    raw = text.encode()
    whole = looks_like_mail(raw) or raw.lstrip()[:1] in (b"{", b"[", b"<")
    return raw if whole else raw + COMPLAINS


def _place_of_time(event: EventDraft | None) -> str:
    return event.found_in.get("occurred_at", "what you pasted").removeprefix("letter ") if event else ""


def _plain(source: str) -> str:
    return source.replace("keyword ", "the word ") if source.startswith("keyword") else source


def _lines(drafts: list[ReportDraft]) -> int:
    return sum(max(1, event.count) for draft in drafts for event in draft.events)


def _places(text: str, events: list[EventDraft], now: datetime) -> list[Place]:
    """Each place once, in the order of the report; where nothing was accused, whatever address or URL stands in the text."""
    found: dict[str, Place] = {}
    for event in events[:200]:
        at = event.occurred_at or event.latest or now
        place = look_up(event.ip, event.port, event.url, event.domain, at)
        if place is not None:
            found.setdefault(place.text, place)
    if not found:
        for one in (*find_urls(text[:LONGEST])[:MOST], *find_addresses(text[:LONGEST])[:MOST]):
            for place in read_places(one.value, now)[0]:
                found.setdefault(place.text, place)
    return list(found.values())[:MOST]


def read_places(text: str, at: datetime) -> tuple[list[Place], list[str]]:
    """The lines of the field: places that can be read, and lines that cannot."""
    places: list[Place] = []
    wrong: list[str] = []
    for line in text.replace(",", " ").split()[:MOST]:
        ip, port = _ip_and_port(line)
        url = normal_url(line) if "://" in line else None
        domain = None if ip or url else normal_domain(line.partition("/")[0])
        place = look_up(ip, port, url, domain, at)
        if place is None:
            wrong.append(line[:100])
        else:
            places.append(place)
    return places, wrong


def _ip_and_port(text: str) -> tuple[str | None, int | None]:
    found = normal_ip(text)
    if found:
        return found, None
    host, colon, port = text.rpartition(":")
    number = whole(port, 5)
    if colon and number is not None and number <= 65535:
        return normal_ip(host.strip("[]")), number
    return None, None


def look_up(ip: str | None, port: int | None, url: str | None, domain: str | None, at: datetime) -> Place | None:
    """Whose network it was in at that moment; None where there is nothing to ask about."""
    host = host_of(url) if url else domain
    if ip is None and host:
        ip = normal_ip(host)
    text = url or (f"[{ip}]:{port}" if ip and port and ":" in ip else f"{ip}:{port}" if ip and port else ip) or domain
    if text is None:
        return None
    name = host if host and not normal_ip(host) else None
    answer = who(ip=ip, at=at.astimezone(UTC), port=port, host=name)
    states = {State.NOT_OURS: NOT_OURS, State.NOTHING: UNKNOWN}
    standing = states.get(answer.state, OURS)
    return Place(text, standing, ip, port, url, domain or name, answer.abuse_contact if standing == NOT_OURS else "")


PRIVATE = tuple(ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))


def is_public(text: str) -> bool:
    """Whether an address can be reached from elsewhere. Documentation addresses count, so that the sample can be tried."""
    found = ip_address(text)
    private = any(found.version == net.version and found in net for net in PRIVATE)
    return not (private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified)
