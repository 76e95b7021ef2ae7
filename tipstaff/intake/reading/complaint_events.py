# ruff: noqa: E501 - patterns and lists of words read better whole
"""The events of a letter: address or link, time, port on the accused side, count, and where each of them stands."""

from dataclasses import dataclass, field

from tipstaff.intake.drafts import EventDraft
from tipstaff.intake.reading.accusation import Accusation
from tipstaff.intake.reading.indicators import Found, find_mailboxes, normal_ip
from tipstaff.intake.reading.letter_facts import Facts
from tipstaff.intake.reading.links import AT_ADDRESS, HOSTED, Link
from tipstaff.intake.reading.loglines import LogLine
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.prose_times import Said, find_today
from tipstaff.intake.reading.received import Hop, source_hop
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.times import Moment, read_time

MAX_OCCURRENCES = 200
FROM_LINES = "words of the log lines"  # where a category came from
#: Kinds where the port beside the accused address is its own service, not the one it attacked.
_OWN_SERVICE = frozenset(
    ["c2", "phishing", "malware", "open_relay", "vulnerable", "copyright", "trademark", "fraud_site", "csam", "spyware"]
)
_SOURCE_PORT = pattern(
    r"(?i)(?:source[ _-]?ports?|src[ _-]?ports?|sport|spt|quell-?ports?|port source|puerto (?:de )?origen|porta (?:di )?origine|porta sorgente|bronpoort|port źródłowy|porta de origem|"
    r"исходный порт|порт источника|源端口|送信元ポート|from port|originating port)\s?(?:is|:|=|\|)?\s*(\d{1,5})\b"
)
_SERVICE_PORT = pattern(
    r"(?im)^[\s*>|-]{0,6}(?:port|infringer(?:'s)? port|ip port|puerto|porta|poort|порт|端口|ポート)(?: number)?\s?[:=|]\s*(\d{1,5})\b"
)
_FIRST = pattern(
    r"(?i)(?:^|[^\pL])(?:first|start\pL{0,3}|began|begins?|beginning|erst\pL{1,2}|beginn\pL{0,2}|premi\pL{2,3}|début|primer\pL{0,2}|inicio|prim\pL{1,2}|inizio|eerste|begin|pierwsz\pL|początek|primeir\pL|início|"
    r"перв\pL{2}|начало|开始|首次|最初|開始)[^\n\d]{0,40}$"
)
_BARE = pattern(r"(?:^|[\s(\[])(\d{1,2}:\d{2}:\d{2})(?:$|[\s,;.)\]])")
_ROLE_BOXES = (
    "abuse",
    "postmaster",
    "noc",
    "security",
    "hostmaster",
    "info",
    "support",
    "legal",
    "cert",
    "csirt",
    "soc",
    "notices",
    "copyright",
    "dmca",
    "no-reply",
    "noreply",
)
_ACCOUNT = pattern(
    r"(?i)(?:using the address|the address|mailbox|mail account|email account|e-mail account|account|mail address|email address|e-mail address|e-mail-adresse|mailadresse|postfach|konto|adresse|boîte|cuenta|buzón|casella|account|skrzynk\w|conta|ящик|аккаунт|邮箱|账号|メールアドレス|アカウント|scammer|sender|absender)[\s:\"'<(]{0,5}$"
)


@dataclass
class Reading:
    """A letter understood."""

    facts: Facts
    accusation: Accusation
    links: list[Link]
    category: str | None
    category_from: str | None
    points: float
    spam_source: str | None = None  # from pasted or attached headers
    serving: set[str] = field(default_factory=set)  # addresses that the accused links are said to have
    sentences: object = None  # of ``grounds``, once they were asked
    proved: bool = False  # a field, a column or a sentence of the letter accuses
    needs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def events_of(reading: Reading) -> list[EventDraft]:
    accusation = reading.accusation
    links = _accused_links(reading)
    events: list[EventDraft] = []
    mentions: dict[str, list[Mention]] = {}
    for mention in accusation.mentions:
        mentions.setdefault(mention.ip, []).append(mention)
    for ip in accusation.accused:
        events += _rows_of_a_notice(reading, ip) or [_ip_event(reading, ip, mentions.get(ip, []))]
    if links:
        single = events[0] if len(events) == 1 else None
        rows = [] if single else events
        for link in links:
            event = _link_event(reading, link, single)
            rows.append(event)
        events = rows
    if not events:
        events = _mailbox_events(reading)
    _victims(events, accusation)
    return events


def _rows_of_a_notice(reading: Reading, ip: str) -> list[EventDraft]:
    """Peer-to-peer notices list the same address with several ports and times: each row is an act of its own, maybe another subscriber's."""
    if reading.category != "copyright" or any(entry.src == ip and entry.kind != "listing" for _, entry in reading.accusation.logs):
        return []
    facts = reading.facts
    rows = [mention for mention in reading.accusation.mentions if mention.ip == ip and mention.found.start < len(facts.text)]
    timed = [(mention, pair[0]) for mention in rows if (pair := _time_on_line(reading, mention.line)) is not None and pair[0].exact]
    if len({said.moment.at for _, said in timed}) < 2:
        return []
    events = []
    for mention, said in timed:
        where = facts.where(mention.found.start)
        event = EventDraft(ip=ip, port=mention.port or mention.service_port, found_in={"ip": where}, row=mention.line.number)
        _set_time(event, said.moment, where)
        events.append(event)
    return events


def _accused_links(reading: Reading) -> list[Link]:
    chosen = [link for link in reading.links if link.verdict == "accused"]
    if reading.category in AT_ADDRESS:
        chosen = [link for link in chosen if link.defanged or link.why == HOSTED]
    elif not chosen:
        unknown = [link for link in reading.links if link.verdict == "unknown" and not link.is_domain]
        chosen = unknown if len({link.host for link in unknown}) == 1 and reading.category else []
    urls = {link.host for link in chosen if not link.is_domain}
    kept: dict[str, Link] = {}
    for link in chosen:
        if link.is_domain and (link.host in urls or normal_ip(link.host)):
            continue
        if link.is_domain and not link.defanged and urls:
            continue
        kept.setdefault(link.value, link)
    return list(kept.values())


def _link_event(reading: Reading, link: Link, beside: EventDraft | None) -> EventDraft:
    event = EventDraft(url=None if link.is_domain else link.value)
    host = link.host
    if normal_ip(host):
        event.ip = normal_ip(host) if reading.accusation.accused in ([], [normal_ip(host)]) else None
    else:
        event.domain = host
    where = reading.facts.where(link.found.start)
    event.found_in["domain" if link.is_domain else "url"] = where
    if event.ip:
        event.found_in["ip"] = where
    if beside is not None:
        event.ip, event.port, event.protocol = beside.ip, beside.port, beside.protocol
        event.found_in = {**beside.found_in, **event.found_in, "ip": beside.found_in.get("ip", where)}
        event.details |= beside.details
        event.occurred_at, event.time_as_written, event.earliest, event.latest = (
            beside.occurred_at,
            beside.time_as_written,
            beside.earliest,
            beside.latest,
        )
        if (same := _time_on_line(reading, link.line)) is not None:
            _set_time(event, same[0].moment, reading.facts.where(same[0].start))
    else:
        _time_for(reading, event, [link.line], link.found.start)
    return event


def _ip_event(reading: Reading, ip: str, mentions: list[Mention]) -> EventDraft:
    event = EventDraft(ip=ip)
    rows = [(line, entry) for line, entry in reading.accusation.logs if entry.src == ip and not entry.good]
    if rows:
        fill_from_rows(reading, event, rows)
    elif mentions:
        _from_mentions(reading, event, mentions)
        if event.occurred_at is None:
            _time_of_hop(reading, event)
    elif reading.spam_source == ip:
        _from_hop(reading, event)
    return event


def fill_from_rows(reading: Reading, event: EventDraft, rows: list[tuple[Line, LogLine]]) -> None:
    facts = reading.facts
    line, first = rows[0]
    listed = first.kind == "listing" and reading.category not in _OWN_SERVICE and (first.sport or 0) < 1024  # the attacked port
    event.port, event.protocol, event.count = None if listed else first.sport, first.protocol, len(rows)
    event.found_in["ip"] = facts.where(line.start)
    if event.port:
        event.found_in["port"] = facts.where(line.start)
    if first.moment is not None:
        _set_time(event, first.moment, facts.where(line.start))
    else:
        _time_for(reading, event, [line], line.start)
    targets = list(dict.fromkeys(entry.dst for _, entry in rows if entry.dst))
    if targets:
        event.details["victim_ips"] = targets[:50]
    ports = sorted({entry.dport for _, entry in rows if entry.dport})
    if ports:
        event.details["victim_ports"] = ports[:50]
    if len(rows) > 1:
        event.details["occurrences"] = [
            {
                "time": entry.moment.as_written if entry.moment else None,
                "at": entry.moment.at.isoformat() if entry.moment and entry.moment.at else None,
                "port": entry.sport,
            }
            for _, entry in rows[:MAX_OCCURRENCES]
        ]


def _from_mentions(reading: Reading, event: EventDraft, mentions: list[Mention]) -> None:
    facts = reading.facts
    speaking = max(mentions, key=lambda mention: (mention.strength, -mention.found.start))
    in_letter = [
        mention
        for mention in mentions
        if mention.found.start < len(facts.text) and facts.text[mention.found.start : mention.found.end] == mention.found.as_written
    ]
    event.found_in["ip"] = facts.where(speaking.found.start) if speaking in in_letter else "Subject"
    port = next((mention.port for mention in mentions if mention.port), None)
    if port and (reading.category in _OWN_SERVICE or reading.category == "ddos_origin" or port >= 1024):
        event.port = port
    if event.port is None and reading.category in _OWN_SERVICE:
        event.port = next((mention.service_port for mention in mentions if mention.service_port), None)
    if event.port is None and (len(reading.accusation.accused) == 1 or reading.category == "ddos_origin"):
        event.port = _labelled_port(reading)
    if event.port:
        event.found_in["port"] = event.found_in["ip"]
    _time_for(reading, event, [mention.line for mention in in_letter], speaking.found.start if speaking in in_letter else 0)


def _labelled_port(reading: Reading) -> int | None:
    words = "\n".join(line.text for line in reading.facts.lines if line.zone in (Zone.BODY, Zone.CLOSING, Zone.LOG))
    found = {int(match.group(1)) for match in _SOURCE_PORT.finditer(words)}
    if not found and reading.category in _OWN_SERVICE:
        found = {int(match.group(1)) for match in _SERVICE_PORT.finditer(words)}
    found = {port for port in found if 0 < port < 65_536}
    return found.pop() if len(found) == 1 else None


def _hop(reading: Reading) -> tuple[Hop, str] | None:
    """Who handed the offending mail over, by the headers in the letter or in the attached mail, and where that stands."""
    facts = reading.facts
    pasted = facts.pasted_hop
    if pasted is not None:
        return pasted[0], f"{facts.where(pasted[1].start)}, {pasted[0].where}"
    attached = facts.message.embedded if facts.sender is None else []
    hop = source_hop(attached[0], facts.message.hints.own_networks) if attached else None
    return (hop, f"attached mail, {hop.where}") if hop is not None else None


def _time_of_hop(reading: Reading, event: EventDraft) -> None:
    """The letter names who sent the mail, and its headers when."""
    found = _hop(reading)
    if found is not None and found[0].from_ip == event.ip and found[0].at is not None:
        event.occurred_at, event.time_as_written, event.earliest, event.latest = found[0].at, found[0].time_as_written, None, None
        event.found_in["occurred_at"] = found[1]


def _from_hop(reading: Reading, event: EventDraft) -> None:
    found = _hop(reading)
    if found is None:
        return
    hop, where = found
    event.found_in["ip"] = where
    if hop.at is not None:
        event.occurred_at, event.time_as_written = hop.at, hop.time_as_written
        event.found_in["occurred_at"] = where


def _time_on_line(reading: Reading, line: Line) -> tuple[Said, Line] | None:
    return next((pair for pair in reading.facts.times if pair[1].number == line.number), None)


def _time_for(reading: Reading, event: EventDraft, lines: list[Line], position: int) -> None:
    """The time on the same line, else the only one of the letter, else the nearest in the same paragraph; none is invented."""
    facts = reading.facts
    if _clock_beside(reading, event, lines):
        return
    chosen = next((pair for line in lines if (pair := _time_on_line(reading, line)) is not None), None)
    if chosen is None and facts.times:
        moments = {pair[0].moment.at or pair[0].moment.as_written for pair in facts.times if pair[1].zone is not Zone.LOG}
        loose = [pair for pair in facts.times if pair[1].zone is not Zone.LOG]
        if len(moments) == 1:
            chosen = loose[0]
        elif loose:
            near = [pair for pair in loose if _same_paragraph(facts, pair[0].start, position)]
            exact = [pair for pair in near if pair[0].exact]
            chosen = next(iter(exact or near), None) or _only_first(facts, loose)
            if chosen is None:
                reading.warnings.append("several times are named and none stands with the address")
    if chosen is None or not chosen[0].exact:
        today = find_today(facts.text, zone=facts.zone, reference=facts.reference)
        if today is not None and facts.line_at(today.start).zone in (Zone.BODY, Zone.CLOSING):
            chosen = today, facts.line_at(today.start)
    if chosen is not None:
        _set_time(event, chosen[0].moment, facts.where(chosen[0].start))


def _clock_beside(reading: Reading, event: EventDraft, lines: list[Line]) -> bool:
    """A clock on the address's own line, and one date in the whole letter: ``all of 3 May 2026: 203.0.113.7 at 14:02:11``."""
    facts = reading.facts
    if any(_time_on_line(reading, line) for line in lines):
        return False
    days = {pair[0].moment.as_written for pair in facts.times}
    clocks = [(line, found) for line in lines if (found := _BARE.findall(line.text[:400]))]
    if len(days) != 1 or not clocks or len(clocks[0][1]) != 1 or facts.times[0][0].moment.note[:20] != "only the day is stat":
        return False
    line, (clock,) = clocks[0]
    moment = read_time(f"{days.pop()} {clock} {facts.zone or ''}".strip(), reference=facts.reference)
    if moment is None:
        return False
    _set_time(event, moment, facts.where(line.start))
    return True


def _only_first(facts: Facts, times: list[tuple[Said, Line]]) -> tuple[Said, Line] | None:
    """The one time that is labelled as the first: ``Beginn: … Ende: …``."""
    first = [pair for pair in times if _FIRST.search(facts.text[pair[1].start : pair[0].start])]
    return first[0] if len({pair[0].moment.at or pair[0].moment.as_written for pair in first}) == 1 else None


def _same_paragraph(facts: Facts, one: int, other: int) -> bool:
    low, high = sorted((one, other))
    return "\n\n" not in facts.text[low:high]


def _set_time(event: EventDraft, moment: Moment, where: str) -> None:
    event.occurred_at, event.time_as_written = moment.at, moment.as_written
    if moment.at is None:
        event.earliest, event.latest = moment.earliest, moment.latest
    if moment.note:
        event.details["time_note"] = moment.note
    event.found_in["occurred_at"] = where


def _mailbox_events(reading: Reading) -> list[EventDraft]:
    """The one mail account that a letter accuses, where it names no address and no link."""
    facts = reading.facts
    boxes: dict[str, Found] = {}
    for box in find_mailboxes(facts.text):
        local, _, domain = box.value.rpartition("@")
        line = facts.line_at(box.start)
        mine = domain in facts.reporter_domains
        lead = facts.text[max(line.start, box.start - 60) : box.start]
        if line.zone is Zone.BODY and not mine and local.lower() not in _ROLE_BOXES and _ACCOUNT.search(lead):
            boxes.setdefault(box.value, box)
    if len(boxes) != 1 or not reading.category:
        return []
    value, box = next(iter(boxes.items()))
    event = EventDraft(mailbox=value, found_in={"mailbox": facts.where(box.start)})
    _time_for(reading, event, [facts.line_at(box.start)], box.start)
    return [event]


def _victims(events: list[EventDraft], accusation: Accusation) -> None:
    if accusation.victims:
        for event in events:
            event.details.setdefault("victim_ips", [ip for ip in accusation.victims if ip != event.ip][:50])
