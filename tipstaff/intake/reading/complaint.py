"""From a letter to a report: is it a complaint, whom does it accuse, of what, when; or why a person must say."""

from collections import Counter
from dataclasses import dataclass, field

from tipstaff.intake.drafts import Disposition, EventDraft, ReportDraft, Reporter
from tipstaff.intake.classification import by_keywords, keyword_scores
from tipstaff.intake.message import Message
from tipstaff.intake.reading.accusation import SAYS, Accusation, Mention, accuse
from tipstaff.intake.reading.indicators import find_mailboxes, find_networks, host_of, normal_ip
from tipstaff.intake.reading.letter_facts import Facts, facts_of
from tipstaff.intake.reading.letters import letter_of
from tipstaff.intake.reading.links import AT_ADDRESS, FREEMAIL, Link, judge_links
from tipstaff.intake.reading.loglines import LogLine
from tipstaff.intake.reading.mailboxes import sender_of
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.prose_times import Said
from tipstaff.intake.reading.received import source_hop
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.times import Moment

MAX_DESCRIPTION = 2_000
MAX_OCCURRENCES = 200
#: Kinds where the port beside the accused address is its own service, not the one it attacked.
_OWN_SERVICE = frozenset("c2 phishing malware open_relay vulnerable copyright trademark fraud_site csam spyware".split())
_MASKED = pattern(r"(?i)\b\d{1,3}\.\d{1,3}\.\d{1,3}\.(?:x{1,3}|\*{1,3}|\?{1,3})|\b\d{1,3}\.\d{1,3}\.(?:x{1,3}|\*{1,3})\.(?:x{1,3}|\*{1,3})")
_NUMBERS = pattern(r"\b\d{1,3}(?:\.\d{1,3}){3,4}\b")
_SOURCE_PORT = pattern(
    r"(?i)(?:source[ _-]?ports?|src[ _-]?ports?|sport|spt|quell-?ports?|port source|puerto (?:de )?origen|porta (?:di )?origine|porta sorgente|bronpoort|port źródłowy|porta de origem|"
    r"исходный порт|порт источника|源端口|送信元ポート|from port|originating port)\s?(?:is|:|=|\|)?\s*(\d{1,5})\b"
)
_SERVICE_PORT = pattern(r"(?im)^[\s*>|-]{0,6}(?:port|infringer(?:'s)? port|ip port|puerto|porta|poort|порт|端口|ポート)(?: number)?\s?[:=|]\s*(\d{1,5})\b")
_ROLE_BOXES = ("abuse", "postmaster", "noc", "security", "hostmaster", "info", "support", "legal", "cert", "csirt", "soc", "notices", "copyright", "dmca", "no-reply", "noreply")
_ACCOUNT = pattern(r"(?i)(?:using the address|the address|mailbox|mail account|email account|e-mail account|account|mail address|email address|e-mail address|e-mail-adresse|mailadresse|postfach|konto|adresse|boîte|cuenta|buzón|casella|account|skrzynk\w|conta|ящик|аккаунт|邮箱|账号|メールアドレス|アカウント|scammer|sender|absender)[\s:\"'<(]{0,5}$")


@dataclass
class Reading:
    """A letter understood."""

    facts: Facts
    accusation: Accusation
    links: list[Link]
    category: str | None
    category_from: str | None
    points: float
    spam_source: str | None = None     # from pasted or attached headers
    needs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_complaint(message: Message, form: str) -> ReportDraft:
    """The one report of a letter in ``message``; disposition, events and reasons as the text allows."""
    facts = _facts(message)
    reading = _read(facts)
    draft = ReportDraft(format=form, reporter=_reporter(facts), subject=facts.subject or None)
    draft.description = facts.text.strip()[:MAX_DESCRIPTION] or None
    draft.category, draft.category_from = reading.category, reading.category_from
    draft.reported_at = facts.reference
    draft.events = _events(reading)
    draft.disposition, reasons = _disposition(reading, draft.events)
    if draft.disposition is not Disposition.REPORT:
        candidates = _candidates(reading)
        draft.events = []
        draft.needs += [reason + (f"; candidates: {', '.join(candidates[:20])}" if candidates else "") for reason in reasons]
        if draft.disposition is not Disposition.NEEDS_A_PERSON:
            draft.warnings += draft.needs
            draft.needs = []
    draft.warnings += reading.warnings
    return draft


def has_log(message: Message) -> bool:
    """Whether the message shows log lines that name a source: then ``log_excerpt`` reads it, else ``free_text``."""
    from tipstaff.intake.reading.loglines import read_log_line

    texts = [letter_of(message) if message.kind == "mail" else message.letter]
    texts += [part.text[:50_000] for part in message.parts if message.kind == "mail" and (part.filename or "").lower().endswith((".log", ".txt"))]
    for text in texts:
        for line in text[:60_000].split("\n")[:1_500]:
            if len(line) > 25 and any(c.isdigit() for c in line[:200]) and (entry := read_log_line(line.lstrip("> "))) is not None and (entry.moment or entry.sport or entry.attack):
                return True
    return False


def _facts(message: Message) -> Facts:
    """The letter itself, or the complaint that somebody forwarded without saying anything of their own."""
    facts = facts_of(message)
    for inner in message.embedded[:1]:
        text = letter_of(inner)
        scores, _ = keyword_scores(facts.subject.removeprefix("Fwd:").removeprefix("FW:") if not inner.header("Subject") in facts.subject else "", facts.own_words, facts.vocabulary.keyword_index)
        if text.strip() and not scores and not facts.kinds("complaint") and len(facts.own_words) < 600:
            return facts_of(message, text=text, sender=inner)
    return facts


def _read(facts: Facts) -> Reading:
    accusation = accuse(facts.text, facts.lines, facts.hits, zone=facts.zone, reference=facts.reference, own=facts.message.hints.own_networks)
    words = facts.own_words
    category, category_from = by_keywords(facts.subject, words, facts.vocabulary.keyword_index)
    scores, _ = keyword_scores(facts.subject, words, facts.vocabulary.keyword_index)
    if category is None and accusation.logs:
        category, category_from = _from_log(accusation.logs)
    links = judge_links(facts.text, facts.lines, facts.hits, reporter_domains=facts.reporter_domains)
    reading = Reading(facts, accusation, links, category, category_from, max(scores.values(), default=0.0))
    _from_subject(reading)
    _from_headers(reading)
    return reading


def _from_log(logs: list[tuple[Line, LogLine]]) -> tuple[str | None, str | None]:
    counts = Counter(entry.attack for _, entry in logs if entry.attack and not entry.good)
    return (counts.most_common(1)[0][0], "log lines") if counts else (None, None)


def _from_subject(reading: Reading) -> None:
    """An address in the subject is the accused one, unless its own words say otherwise."""
    from tipstaff.intake.reading.sections import folded, sections

    facts, accusation = reading.facts, reading.accusation
    hits = facts.vocabulary.cue_index.find(folded(facts.subject), folded=True)
    said = accuse(facts.subject, sections(facts.subject, hits), hits, zone=None, reference=None, own=facts.message.hints.own_networks)
    named = [ip for ip in said.accused if ip not in accusation.victims]
    if not named:
        accusation.victims += [ip for ip in said.victims if ip not in accusation.victims and ip not in accusation.accused]
        return
    if not accusation.accused or accusation.strength < SAYS:
        if set(named) & set(accusation.accused) or not accusation.accused:
            accusation.accused, accusation.strength, accusation.why = named, max(said.strength, 2), ""
            accusation.mentions += said.mentions


def _from_headers(reading: Reading) -> None:
    """The source of an offending mail: what the letter says of it counts more than its headers."""
    facts, accusation = reading.facts, reading.accusation
    if accusation.accused and accusation.strength >= 2:
        return
    hop = facts.pasted_hop[0] if facts.pasted_hop else None
    where = facts.where(facts.pasted_hop[1].start) if facts.pasted_hop else ""
    if hop is None and facts.message.embedded and facts.sender is None:
        hop = source_hop(facts.message.embedded[0], facts.message.hints.own_networks)
        where = "attached mail"
    if hop is not None and hop.from_ip and normal_ip(hop.from_ip) and hop.from_ip not in accusation.victims:
        accusation.accused, accusation.strength, accusation.why = [hop.from_ip], SAYS, ""
        reading.spam_source = hop.from_ip
        reading.warnings.append(f"the source was taken from {hop.where} of the headers in the {where}")
        if reading.category is None or reading.category in ("intrusion",):
            reading.category, reading.category_from = "spam", "headers of the offending mail"


# ---- events

def _events(reading: Reading) -> list[EventDraft]:
    facts, accusation = reading.facts, reading.accusation
    links = _accused_links(reading)
    events: list[EventDraft] = []
    for ip in accusation.accused:
        events.append(_ip_event(reading, ip))
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
    if len(accusation.logs) == 0 and facts.times == []:
        pass
    return events


def _accused_links(reading: Reading) -> list[Link]:
    chosen = [link for link in reading.links if link.verdict == "accused"]
    if reading.category in AT_ADDRESS:
        chosen = [link for link in chosen if link.defanged]
    elif not chosen:
        unknown = [link for link in reading.links if link.verdict == "unknown" and not link.is_domain]
        chosen = unknown if len({link.value for link in unknown}) == 1 and reading.category else []
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
        event.occurred_at, event.time_as_written, event.earliest, event.latest = beside.occurred_at, beside.time_as_written, beside.earliest, beside.latest
        if (same := _time_on_line(reading, link.line)) is not None:
            _set_time(event, same[0].moment, reading.facts.where(same[0].start))
    else:
        _time_for(reading, event, [link.line], link.found.start)
    return event


def _ip_event(reading: Reading, ip: str) -> EventDraft:
    event = EventDraft(ip=ip)
    rows = [(line, entry) for line, entry in reading.accusation.logs if entry.src == ip and not entry.good]
    mentions = [mention for mention in reading.accusation.mentions if mention.ip == ip]
    if rows:
        _from_rows(reading, event, rows)
    elif mentions:
        _from_mentions(reading, event, mentions)
    elif reading.spam_source == ip:
        _from_hop(reading, event)
    return event


def _from_rows(reading: Reading, event: EventDraft, rows: list[tuple[Line, LogLine]]) -> None:
    facts = reading.facts
    line, first = rows[0]
    event.port, event.protocol, event.count = first.sport, first.protocol, len(rows)
    event.found_in["ip"] = facts.where(line.start)
    if first.sport:
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
            {"time": entry.moment.as_written if entry.moment else None, "at": entry.moment.at.isoformat() if entry.moment and entry.moment.at else None, "port": entry.sport}
            for _, entry in rows[:MAX_OCCURRENCES]
        ]


def _from_mentions(reading: Reading, event: EventDraft, mentions: list[Mention]) -> None:
    facts = reading.facts
    speaking = max(mentions, key=lambda mention: (mention.strength, -mention.found.start))
    in_letter = [mention for mention in mentions if mention.found.start < len(facts.text) and facts.text[mention.found.start:mention.found.end] == mention.found.as_written]
    event.found_in["ip"] = facts.where(speaking.found.start) if speaking in in_letter else "Subject"
    port = next((mention.port for mention in mentions if mention.port), None)
    if port and (reading.category in _OWN_SERVICE or reading.category == "ddos_origin" or port >= 1024):
        event.port = port
    if event.port is None and len(reading.accusation.accused) == 1:
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


def _from_hop(reading: Reading, event: EventDraft) -> None:
    facts = reading.facts
    pasted = facts.pasted_hop
    hop = pasted[0] if pasted else source_hop(facts.message.embedded[0], facts.message.hints.own_networks)
    where = f"{facts.where(pasted[1].start)}, {hop.where}" if pasted else f"attached mail, {hop.where}"
    event.found_in["ip"] = where
    if hop.at is not None:
        event.occurred_at, event.time_as_written = hop.at, hop.time_as_written
        event.found_in["occurred_at"] = where


def _time_on_line(reading: Reading, line: Line) -> tuple[Said, Line] | None:
    return next((pair for pair in reading.facts.times if pair[1].number == line.number), None)


def _time_for(reading: Reading, event: EventDraft, lines: list[Line], position: int) -> None:
    """The time on the same line, else the only one of the letter, else the nearest in the same paragraph; none is invented."""
    facts = reading.facts
    chosen = next((pair for line in lines if (pair := _time_on_line(reading, line)) is not None), None)
    if chosen is None and facts.times:
        moments = {pair[0].moment.at or pair[0].moment.as_written for pair in facts.times if pair[1].zone is not Zone.LOG}
        loose = [pair for pair in facts.times if pair[1].zone is not Zone.LOG]
        if len(moments) == 1:
            chosen = loose[0]
        elif loose:
            near = [pair for pair in loose if _same_paragraph(facts, pair[0].start, position)]
            exact = [pair for pair in near if pair[0].exact]
            chosen = (exact or near or [None])[0]
            if chosen is None:
                reading.warnings.append("several times are named and none stands with the address")
    if chosen is not None:
        _set_time(event, chosen[0].moment, facts.where(chosen[0].start))


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
    boxes = {}
    for box in find_mailboxes(facts.text):
        local, _, domain = box.value.rpartition("@")
        line = facts.line_at(box.start)
        mine = domain in facts.reporter_domains or any(domain.endswith("." + name) and name not in FREEMAIL and name == domain for name in facts.reporter_domains)
        lead = facts.text[max(line.start, box.start - 60):box.start]
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


# ---- what it is

def _disposition(reading: Reading, events: list[EventDraft]) -> tuple[Disposition, list[str]]:
    facts = reading.facts
    if facts.kinds("counter_notice") and not reading.accusation.logs:
        return Disposition.COUNTER_NOTICE, ["it answers a copyright notice"]
    if facts.kinds("retraction"):
        return Disposition.RETRACTION, ["it takes an earlier complaint back"]
    complaint, ordinary = facts.kinds("complaint"), facts.kinds("ordinary")
    solid = bool(reading.accusation.logs) or any(link.defanged for link in reading.links) or (bool(reading.accusation.accused) and reading.accusation.strength >= SAYS)
    if _is_bulk(facts.message) and ordinary and not (solid and complaint and not facts.message.header("list-unsubscribe")):
        return Disposition.NOT_A_REPORT, ["a newsletter or mailing"]
    if ordinary and not complaint and not (reading.accusation.logs and reading.category):
        return Disposition.NOT_A_REPORT, ["ordinary mail: " + ", ".join(sorted(ordinary)[:3])]
    if len(ordinary) >= 2 and not solid:
        return Disposition.NOT_A_REPORT, ["ordinary mail: " + ", ".join(sorted(ordinary)[:3])]
    if reading.category is None and not reading.accusation.logs and not complaint:
        if reading.points == 0:
            return Disposition.NOT_A_REPORT, ["nothing in it complains of anything"]
        return Disposition.NEEDS_A_PERSON, ["the text does not say what is complained of"]
    if facts.kinds("resolved"):
        return Disposition.NEEDS_A_PERSON, ["it seems to say that something was solved"]
    if facts.kinds("customer_attacked") and reading.accusation.strength < SAYS:
        return Disposition.NEEDS_A_PERSON, ["somebody reports that they are attacked themselves"]
    return _weighed(reading, events, bool(complaint))


def _weighed(reading: Reading, events: list[EventDraft], complaint: bool) -> tuple[Disposition, list[str]]:
    if _doubtful_number(reading):
        return Disposition.NEEDS_A_PERSON, ["the address is masked or impossible"]
    if reading.accusation.why and not any(event.url or event.domain for event in events):
        return Disposition.NEEDS_A_PERSON, [reading.accusation.why]
    if not events:
        return (Disposition.NEEDS_A_PERSON, [_nothing(reading)]) if reading.category or complaint else (Disposition.NOT_A_REPORT, ["it accuses no address"])
    if reading.category is None and reading.accusation.strength < SAYS and not any(event.url for event in events):
        return Disposition.NEEDS_A_PERSON, ["an address is named, but not what is complained of"]
    if reading.category is None:
        return Disposition.NEEDS_A_PERSON, ["the kind of abuse is not clear from the text"]
    if reading.accusation.strength <= 1 and not complaint and reading.points < 4 and not any(event.url for event in events):
        return Disposition.NEEDS_A_PERSON, ["an address is named in passing"]
    return Disposition.REPORT, []


def _nothing(reading: Reading) -> str:
    networks = find_networks(reading.facts.own_words)
    if networks:
        return f"only a network is named ({networks[0].value})"
    if reading.accusation.victims:
        return "only addresses of the attacked side are named"
    if reading.links:
        return "several links are named and the letter does not say which one is accused"
    return "no address, domain or URL is named"


def _doubtful_number(reading: Reading) -> bool:
    """A masked or impossible address in the writer's own words, where no whole one is accused."""
    words = f"{reading.facts.subject}\n{reading.facts.own_words}"
    if reading.accusation.accused and reading.accusation.strength >= SAYS:
        return False
    if _MASKED.search(words):
        return True
    odd = [match.group() for match in _NUMBERS.finditer(words) if normal_ip(match.group()) is None and any(int(part) > 255 for part in match.group().split("."))]
    return bool(odd) and not reading.accusation.accused and not any(link.verdict == "accused" for link in reading.links)


def _is_bulk(message: Message) -> bool:
    return bool(message.header("list-unsubscribe")) or message.header("precedence").strip().lower() in ("bulk", "list", "junk") or bool(message.header("list-id"))


def _candidates(reading: Reading) -> list[str]:
    return list(dict.fromkeys([*reading.accusation.candidates, *(link.value for link in reading.links if link.verdict != "other")]))


def _reporter(facts: Facts) -> Reporter:
    return sender_of(facts.sender or facts.message)


def unused(link: Link) -> str | None:
    """The host of a link, for the tests of this module."""
    return host_of(link.value)
