# ruff: noqa: E501 - patterns read better whole
"""From a letter to a report: is it a complaint, whom does it accuse, of what, when; or why a person must say."""

from collections import Counter

from tipstaff.intake.classification import by_keywords, keyword_scores, strongest
from tipstaff.intake.drafts import Disposition, EventDraft, ReportDraft
from tipstaff.intake.message import Message
from tipstaff.intake.reading.accusation import accuse, is_private
from tipstaff.intake.reading.complaint_events import FROM_LINES, Reading, events_of
from tipstaff.intake.reading.doubts import ORDINARY_MAIL, asks_something, contradiction, must_be_seen
from tipstaff.intake.reading.elimination import settle
from tipstaff.intake.reading.explained import unexplained
from tipstaff.intake.reading.grounds import ENOUGH, Bearing, bearing_of, keep_proved, seems_resolved, speaks_of_yours
from tipstaff.intake.reading.indicators import find_networks, normal_ip
from tipstaff.intake.reading.letter_facts import Facts, facts_of
from tipstaff.intake.reading.link_grounds import take_link_addresses
from tipstaff.intake.reading.links import HOSTED, PICTURE, judge_links
from tipstaff.intake.reading.loglines import LogLine, may_be_log_line, read_log_line
from tipstaff.intake.reading.mailboxes import sender_of
from tipstaff.intake.reading.mentions import MAX_MENTIONS
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.received import UNPROVED, is_unproved, source_hop
from tipstaff.intake.reading.roles import LIKELY, SAYS, Role
from tipstaff.intake.reading.sections import Line, folded, sections

MAX_DESCRIPTION = 2_000
MAX_TOLD = 20  # log lines that are asked what happened
#: Notices of a state, in which nobody is attacked.
_NO_VICTIM = frozenset(("vulnerable", "open_relay", "blocklisted"))
#: Kinds in which a machine that is called is the bad one, and words for calling it where the caller is not the reader's.
_CALLED = frozenset(("c2", "malware", "spyware", "compromised", "trade_secret_leak"))
_CALLS = pattern(r"(?i)verbind|connect|connex|conexi|conex|connession|połącz|соедин|traffic to|packets to|requests to")
_OUTWARD = pattern(
    r"(?i)\b(?:outbound|outgoing|exfiltrat\pL*|beacon\pL*|calls? home|phon(?:es?|ing) home|callbacks?|data (?:went|was sent|is sent)|sent (?:the |our )?(?:data|files|passwords|credentials) to|ausgehend\pL*|abgeflossen|"
    r"uitgaande?|naar buiten|sortante?s?|exfiltr\pL*|salientes?|in uscita|uscente|wychodząc\pL*|de saída|исходящ\pL*)\b[^.!?\n]{0,90}$|(?:外联|外连|回连|外部への?通信|外向き)[^。\n]{0,60}$"
)
#: Who speaks of a site means the one that the forwarded mail leads to.
_SITE = pattern(
    r"(?i)\b(?:sites?|websites?|pages?|links?|urls?|domains?|(?:web)?seiten?|pagina'?s?|páginas?|enlaces?|liens?|sit[oi]|stron[aęy]|witryn\pL*|ligaç\pL*|сайт\pL*|страниц\pL*|ссылк\pL*)\b|网站|网页|链接|サイト|ページ|リンク"
)
_WRITERS = pattern(r"(?i)\b(?:our|my|unser|mein|notre|mon|nuestr|mi|nostr|mio|onze|ons|mijn|nasz|mój|noss|meu)|наш|мой|我|弊社|当")
_MASKED = pattern(
    r"(?i)\b\d{1,3}\.\d{1,3}\.\d{1,3}\.(?:x{1,3}|\*{1,3}|\?{1,3})|\b\d{1,3}\.\d{1,3}\.(?:x{1,3}|\*{1,3})\.(?:x{1,3}|\*{1,3})"
)
_MASKS = (".x", ".X", ".*", ".?")  # one of them stands in whatever _MASKED finds
_NUMBERS = pattern(r"\b\d{1,3}(?:\.\d{1,3}){3,4}\b")


def read_complaint(message: Message, form: str, *, category: tuple[str, str] | None = None) -> ReportDraft:
    """The one report of a letter in ``message``; disposition, events and reasons as the text allows.

    ``category`` (code, where it came from): what the caller knows already.
    """
    facts = _facts(message)
    reading = read_letter(facts)
    if category is not None:
        reading.category, reading.category_from = category
        reading.points = max(reading.points, 10.0)
    draft = ReportDraft(format=form, reporter=sender_of(facts.sender or facts.message), subject=facts.subject or None)
    draft.description = facts.text.strip()[:MAX_DESCRIPTION] or None
    draft.category, draft.category_from = reading.category, reading.category_from
    draft.reported_at = facts.reference
    draft.events = events_of(reading)
    draft.disposition, reasons = _unseen_only_if_ordinary(reading, *_disposition(reading, draft.events))
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
    return message.once(_has_log)


def _has_log(message: Message) -> bool:
    texts = [message.letter]
    texts += [
        part.text[:50_000]
        for part in message.parts
        if message.kind == "mail" and (part.filename or "").lower().endswith((".log", ".txt"))
    ]
    for text in texts:
        for line in text[:60_000].split("\n")[:1_500]:
            if (
                len(line) > 25
                and may_be_log_line(line)
                and any(c.isdigit() for c in line[:200])
                and (entry := read_log_line(line.lstrip("> "))) is not None
                and (entry.moment or entry.sport or entry.attack)
            ):
                return True
    return False


def _facts(message: Message) -> Facts:
    """The letter itself, or the complaint that somebody forwarded without saying anything of their own."""
    facts = facts_of(message)
    for inner in message.embedded[:1]:
        text = inner.letter
        scores, _ = keyword_scores(
            facts.subject.removeprefix("Fwd:").removeprefix("FW:") if inner.header("Subject") not in facts.subject else "",
            facts.own_words,
            facts.vocabulary.keyword_index,
        )
        if text.strip() and not scores and not facts.kinds("complaint") and len(facts.own_words) < 600:
            return facts_of(message, text=text, sender=inner)
        if text.strip() and len(facts.own_words) < 600 and facts.kinds("passed_on"):
            carried = facts_of(message, text=text, sender=inner)
            if _accuses_by_itself(carried):
                return carried
    return facts


def _accuses_by_itself(facts: Facts) -> bool:
    """Whether the attached mail is a complaint: it shows log lines, or complains and accuses in so many words."""
    reading = read_letter(facts)
    shown = any(entry.attack for _, entry in reading.accusation.logs)
    said = bool(reading.accusation.accused) and reading.accusation.strength >= SAYS and bool(facts.kinds("complaint"))
    return bool(reading.category) and (shown or said)


def read_letter(facts: Facts) -> Reading:
    """Whom a letter accuses and of what."""
    accusation = accuse(
        facts.text, facts.lines, facts.hits, zone=facts.zone, reference=facts.reference, own=facts.message.hints.own_networks
    )
    words = facts.own_words
    scores, best = keyword_scores(facts.subject, words, facts.vocabulary.keyword_index)
    category, category_from = strongest(scores, best)
    if category is None and accusation.logs:
        category, category_from = _from_log(accusation.logs, facts)
    links = judge_links(
        facts.text,
        facts.lines,
        facts.hits,
        reporter_domains=facts.reporter_domains,
        subject=facts.subject,
        accused=accusation.accused,
        sample=facts.forwards_sample and category in ("phishing", "fraud_site") and bool(_SITE.search(words)),
    )
    if category in ("copyright", "trademark") and not any(link.verdict == "accused" and not link.is_domain for link in links):
        for link in links:  # what is copied is often a picture
            if link.why == PICTURE:
                link.verdict = "accused"
    reading = Reading(facts, accusation, links, category, category_from, max(scores.values(), default=0.0))
    if len(accusation.mentions) >= MAX_MENTIONS:
        reading.warnings.append(f"the letter names more than {MAX_MENTIONS} addresses; the rest was not weighed")
    _from_subject(reading)
    _from_headers(reading)
    _nobody_attacked(reading)
    _reached_out(reading)
    take_link_addresses(reading)
    keep_proved(reading)
    settle(reading)
    if reading.category is None and reading.accusation.accused and facts.forwards_sample:
        reading.category, reading.category_from = "spam", "a mail that is forwarded"
        reading.points = max(reading.points, 2.0)
    return reading


def _from_log(logs: list[tuple[Line, LogLine]], facts: Facts) -> tuple[str | None, str | None]:
    counts = Counter(entry.attack for _, entry in logs if entry.attack and not entry.good)
    if counts:
        return counts.most_common(1)[0][0], "log lines"
    if any(entry.dport and entry.kind in ("table", "pair") for _, entry in logs):
        return "scan", "rows that name the port that was tried"
    words = "\n".join(line.text for line, entry in logs[:MAX_TOLD] if not entry.good)
    category, _ = by_keywords("", words, facts.vocabulary.keyword_index)
    return (category, FROM_LINES) if category in ("intrusion", "scan", "ddos_origin", "scraping") else (None, None)


def _from_subject(reading: Reading) -> None:
    """An address in the subject is the accused one, unless its own words say otherwise."""
    facts, accusation = reading.facts, reading.accusation
    hits = facts.vocabulary.cue_index.find(folded(facts.subject), folded=True)
    said = accuse(
        facts.subject, sections(facts.subject, hits), hits, zone=None, reference=None, own=facts.message.hints.own_networks
    )
    named = [ip for ip in said.accused if ip not in accusation.victims]
    if not named:
        accusation.victims += [ip for ip in said.victims if ip not in accusation.victims and ip not in accusation.accused]
        return
    doubted = {one.ip for one in accusation.mentions if one.role in (Role.VICTIM, Role.OTHER)}
    weak = accusation.strength < SAYS and reading.category in _NO_VICTIM and not doubted & set(named)
    agrees = not accusation.accused or weak or set(named) & set(accusation.accused)
    if agrees and (not accusation.accused or weak or accusation.strength < SAYS):
        accusation.accused, accusation.strength, accusation.why = named, max(said.strength, 2), ""
        accusation.mentions += said.mentions


def _nobody_attacked(reading: Reading) -> None:
    """A notice of a service that stands open, or of a listing, knows no attacked side: ``the service on``, ``added to``."""
    accusation = reading.accusation
    if accusation.accused or accusation.logs or reading.category not in _NO_VICTIM:
        return
    ours = {one.ip for one in accusation.mentions if one.role is Role.OTHER}
    named = [one for one in accusation.mentions if one.ip not in ours]
    if len({one.ip for one in named}) == 1 and all(one.role is Role.VICTIM and not _WRITERS.search(one.cue) for one in named):
        accusation.accused, accusation.strength, accusation.why = [named[0].ip], LIKELY, ""
        accusation.victims = [ip for ip in accusation.victims if ip != named[0].ip]
        for one in named:
            one.role, one.strength = Role.ACCUSED, LIKELY


def _reached_out(reading: Reading) -> None:
    """``Our infected PC sends data to ADDRESS``: what malware calls is accused, though nothing came from there."""
    accusation = reading.accusation
    if accusation.accused or accusation.logs or reading.category not in _CALLED:
        return
    own = {
        one.ip
        for one in accusation.mentions
        if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= SAYS and not _CALLS.search(one.cue)
    }
    left = [one for one in accusation.mentions if one.ip not in own and not is_private(one.ip)]
    left = [one for one in left if _OUTWARD.search(reading.facts.text[max(0, one.found.start - 130) : one.found.start])]
    if len({one.ip for one in left}) == 1 and all(one.role in (Role.VICTIM, Role.NEUTRAL, None) for one in left):
        accusation.accused, accusation.strength, accusation.why = [left[0].ip], LIKELY, ""
        accusation.victims = [ip for ip in accusation.victims if ip != left[0].ip]
        for one in left:
            one.role, one.strength, one.points = Role.ACCUSED, LIKELY, True


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
    said = {mention.ip for mention in accusation.mentions if mention.role is Role.ACCUSED} - set(accusation.victims)
    if hop is not None and said and hop.from_ip not in said:
        accusation.why = accusation.why or "the letter names one address and the headers of the mail another"
        return
    if hop is not None and hop.from_ip and normal_ip(hop.from_ip) and hop.from_ip not in accusation.victims:
        accusation.accused, accusation.strength, accusation.why = [hop.from_ip], SAYS, ""
        reading.spam_source = hop.from_ip
        reading.warnings.append(f"the source was taken from {hop.where} of the headers in the {where}")
        if facts.pasted_hop is None and is_unproved(hop, facts.message.embedded[0]):
            reading.warnings.append(UNPROVED)
        reading.warnings += [
            f"{facts.where(line.start)} begins another mail, handed over by {further.from_ip}: it is not among the events"
            for further, line in facts.further_sources
        ]
        if reading.category is None or reading.category in ("intrusion",):
            reading.category, reading.category_from = "spam", "headers of the offending mail"


# ---- what it is


def _unseen_only_if_ordinary(reading: Reading, disposition: Disposition, reasons: list[str]) -> tuple[Disposition, list[str]]:
    """A letter that names something is set aside only for what it is, not for what it does not say."""
    if disposition is Disposition.NOT_A_REPORT and (seen := must_be_seen(reading, reasons[0])):
        return Disposition.NEEDS_A_PERSON, [f"{reasons[0]}, but {seen}"]
    return disposition, reasons


def _disposition(reading: Reading, events: list[EventDraft]) -> tuple[Disposition, list[str]]:
    facts = reading.facts
    if facts.kinds("counter_notice") and not reading.accusation.logs:
        return Disposition.COUNTER_NOTICE, ["it answers a copyright notice"]
    if seems_resolved(reading, "retraction"):
        return Disposition.RETRACTION, ["it takes an earlier complaint back"]
    complaint, ordinary = facts.kinds("complaint"), facts.kinds("ordinary")
    if "abuse" in facts.subject.lower():
        complaint.add("abuse")
    solid = (
        bool(reading.accusation.logs)
        or any(link.defanged or link.why == HOSTED for link in reading.links)
        or (bool(reading.accusation.accused) and reading.accusation.strength >= SAYS)
    )
    mailing = facts.kinds("mailing")
    listed = bool(facts.message.header("list-unsubscribe") or facts.message.header("list-id"))
    complains = complaint or (reading.category and reading.accusation.candidates and not listed and speaks_of_yours(facts))
    if (listed and not solid) or (mailing and not complains):
        if listed and (complaint or reading.category) and reading.accusation.candidates and not mailing:
            return Disposition.NEEDS_A_PERSON, ["it came through a mailing list"]
        return Disposition.NOT_A_REPORT, ["a newsletter or mailing list"]
    shown = reading.category and (
        reading.accusation.logs
        or reading.spam_source
        or (len(ordinary) == 1 and solid and reading.points >= 4)
        or (len(ordinary) == 1 and bool(reading.accusation.accused) and reading.points >= 8)
    )
    if (ordinary and not complaint and not shown) or (len(ordinary) >= 2 and not solid):
        if reading.category and reading.accusation.accused and len(ordinary) == 1:
            return Disposition.NEEDS_A_PERSON, ["it may be ordinary mail: " + ", ".join(sorted(ordinary))]
        return Disposition.NOT_A_REPORT, [ORDINARY_MAIL + ", ".join(sorted(ordinary)[:3])]
    if reading.category is None and not reading.accusation.logs and not complaint:
        if reading.points == 0 and not any(link.defanged for link in reading.links):
            if speaks_of_yours(facts) and (reading.accusation.candidates or not ordinary):
                return Disposition.NEEDS_A_PERSON, ["it speaks of something of ours and does not say what is wrong"]
            return Disposition.NOT_A_REPORT, ["nothing in it complains of anything"]
        return Disposition.NEEDS_A_PERSON, ["the text does not say what is complained of"]
    bearing = bearing_of(reading)
    if not bearing.stands and not (facts.message.kind == "text" and bearing.shown):  # a log on its own
        return _does_not_stand(bearing, bool(_candidates(reading)))
    if seems_resolved(reading):
        return Disposition.NEEDS_A_PERSON, ["it seems to say that something was solved"]
    if facts.kinds("customer_attacked") and not reading.accusation.accused:
        return Disposition.NEEDS_A_PERSON, ["somebody reports that they are attacked themselves"]
    return _weighed(reading, events, bool(complaint))


def _does_not_stand(bearing: Bearing, named: bool) -> tuple[Disposition, list[str]]:
    if not (named or bearing.demands or bearing.shown):
        return Disposition.NOT_A_REPORT, ["it names nothing and asks for nothing"]
    if bearing.ordinary >= 2 and bearing.complaint < ENOUGH and not bearing.shown:
        return Disposition.NOT_A_REPORT, [ORDINARY_MAIL + ", ".join(bearing.topics[:3])]
    if bearing.ordinary:
        return Disposition.NEEDS_A_PERSON, ["it may be ordinary mail: " + ", ".join(bearing.topics[:3])]
    return Disposition.NEEDS_A_PERSON, ["it hardly complains of anything"]


def _weighed(reading: Reading, events: list[EventDraft], complaint: bool) -> tuple[Disposition, list[str]]:
    if doubt := contradiction(reading) or unexplained(reading):
        return Disposition.NEEDS_A_PERSON, [doubt]
    if len(reading.accusation.accused) > 1 and reading.facts.kinds("exception"):
        return Disposition.NEEDS_A_PERSON, ["it excepts some of the addresses that it lists"]
    if _doubtful_number(reading):
        return Disposition.NEEDS_A_PERSON, ["the address is masked or impossible"]
    if reading.accusation.why and not any(event.url or event.domain for event in events):
        return Disposition.NEEDS_A_PERSON, [reading.accusation.why]
    if not events:
        return (
            (Disposition.NEEDS_A_PERSON, [_nothing(reading)])
            if reading.category or complaint
            else (Disposition.NOT_A_REPORT, ["it accuses no address"])
        )
    if reading.category is None and reading.accusation.strength < SAYS and not any(event.url for event in events):
        return Disposition.NEEDS_A_PERSON, ["an address is named, but not what is complained of"]
    if reading.category is None:
        return Disposition.NEEDS_A_PERSON, ["the kind of abuse is not clear from the text"]
    asks = asks_something(reading.facts.own_words)
    plain_link = any(event.url for event in events) and not any(
        link.defanged or link.why == HOSTED or link.why.startswith("named in")
        for link in reading.links
        if link.verdict == "accused"
    )
    pointed = any(mention.points for mention in reading.accusation.mentions if mention.ip in reading.accusation.accused)
    if (
        asks
        and not complaint
        and reading.accusation.strength < SAYS
        and not pointed
        and (plain_link or not any(event.url for event in events))
    ):
        return Disposition.NEEDS_A_PERSON, ["it asks something and names an address"]
    if (
        reading.accusation.strength <= 1
        and not complaint
        and not (reading.category in _NO_VICTIM and reading.proved)
        and (asks or reading.points < 8)
        and not any(event.url for event in events)
    ):
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
    if any(mark in words for mark in _MASKS) and _MASKED.search(words):
        return True
    odd = [
        match.group()
        for match in _NUMBERS.finditer(words)
        if normal_ip(match.group()) is None and any(int(part) > 255 for part in match.group().split("."))
    ]
    return bool(odd) and not reading.accusation.accused and not any(link.verdict == "accused" for link in reading.links)


def _candidates(reading: Reading) -> list[str]:
    return list(dict.fromkeys([*reading.accusation.candidates, *(link.value for link in reading.links if link.verdict != "other")]))
