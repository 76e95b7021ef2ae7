# ruff: noqa: E501 - patterns and lists of words read better whole
"""Whether an accusation stands: positive evidence for each address, and whether the letter complains more than it is ordinary mail.

An address is accused only on a ground of its own: a log line, a labelled field, a column, headers of the offending mail, or a
sentence that accuses. Whatever else is named stays a candidate for a person.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from tipstaff.intake.reading.complaint_events import FROM_LINES, Reading
from tipstaff.intake.reading.letter_facts import Facts
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit
from tipstaff.intake.reading.roles import DIRECTED, LIKELY, SAYS, Role
from tipstaff.intake.reading.sections import Zone
from tipstaff.intake.reading.settled import says_of_others
from tipstaff.intake.reading.struck import is_from_customer, may_be_own, strikes_reader

_SENTENCE = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[.!?:;]\n")
LABEL = pattern(
    r"^[\s>*|#•·\-–\d.)(]{0,10}[^\n.!?:=:]{1,60}?\s?(?:\([^)]{0,40}\))?[*\"]{0,2}\s?(?:[:=:|\t]|\s{2})[\s:=:|*\"'`\[(<.]{0,30}$"
)
_YOURS = pattern(
    r"(?i)\b(?:you|your|yours|ihnen|vous|ustedes|usted|voi|u|pan|vocês|vós|вам|вас|ihr|ihre[mnrs]?|votre|vos|su|sus|vostr[aeio]|uw|jullie|państwa|wasz\w{0,4}|seu|sua|seus|suas|ваш\w{0,3})\b|贵|您|你们|貴社|貴殿|御社"
)
#: Words of complaints that offers and questions use as well.
_WEAK = pattern(
    r"^(?:your \pL+|your customer is|votre \pL+|su \pL+|ihr kunde|vostro \pL+|uw \pL+|ваш \pL+|we (?:have )?(?:noticed|detected|observed)|has detected|please check|please update|please make|please respond|take a look|notice of|be informed that|dear abuse|abuse (?:team|desk|department)|hinweis auf|wir haben festgestellt|nous avons (?:détecté|constaté)|"
    r"hemos detectado|se ha detectado|notificación de|rogamos|solicitamos|les pido|abbiamo rilevato|vi preghiamo|si prega di|chiedo di|preghiamo)"
)
_CASE = pattern(
    r"(?i)[\[(#]\s?(?:case|ticket|incident|request|ref|id|#)?[^\])]{0,20}\d{3,}|\b(?:case|ticket|incident)\s?(?:no\.?|number|#)?\s?\d{3,}"
)
_OURS = pattern(
    r"(?i)\b(?:our|my|we|unser\pL{0,2}|mein\pL{0,2}|wir|notre|nos|mon|nous|nuestr[ao]s?|mi|nostr[aeio]|mi[oa]|onze|mijn|wij|nasz\pL{0,3}|mój|noss[ao]s?|meu|minha|наш\pL{0,3}|мой|мы)\s(?:own\s)?(?:checks?|tests?|scan\pL*|quer\pL+|monitor\pL*|"
    r"prüfung\pL*|messung\pL*|überprüfung\pL*|vérification\pL*|comprobaci\pL+|verific\pL+|controle\pL*|провер\pL+|desk|resolver\pL*|sensor\pL*|address|adresse|dirección|indirizzo|adres|endereço|адрес|old|previous|mx|mail|provider|provedor|isp)"
)
_OWNED = pattern(
    r"(?i)\b(?:your|ihr(?:e[mnrs]?)?|votre|vos|su|sus|vostr[aeio]|uw|jullie|wasz\pL{0,3}|państwa|seu|sua|seus|suas|ваш\pL{0,3})\s(?:ip|network|netz\pL{0,6}|server|host|customer|kunde\pL{0,2}|range|réseau|serveur|client\pL?|red|servidor|cliente|"
    r"rete|netwerk|klant|sieci|serwer\pL?|klient\pL?|rede|сет\pL{1,3}|сервер\pL?|клиент\pL?)\b|贵司|贵公司|貴社|御社"
)
_NOT = pattern(r"(?i)(?:\b(?:not|n't|never|nicht|nie|pas|no|non|niet|não|не|has yet to)\s(?:\pL{1,8}\s)?|没有?|未|ない)$")
#: Cues that name who did it, whoever writes.
DOER = pattern(
    r"(?i)attack|source|offend|abus|malicio|infect|from|scan|spam|does it|angreif|quell|täter|attaqu|atacant|origen|attaccant|sorgente|aanval|bron|atakuj|źród|атак|источник|攻击|来源|攻撃|送信元"
)
#: What a sentence goes on with that tells what the address did to the writer.
_TO_US = pattern(
    r"(?i)\b(?:us|our|my|me|uns|unser\pL{0,2}|mein\pL{0,2}|nous|notre|nos|mon|mes|nuestr[ao]s?|mi|nos|nostr[aeio]|onze|ons|mijn|nasz\pL{0,3}|nas|mój|noss[ao]s?|meu|minha|наш\pL{0,3}|нас|мо[йяею])\b|我[们司方]|弊社|当社"
)
ANSWERS = pattern(r"(?i)^\s*(?:re|aw|antw|sv|vs|odp|ref|回复|答复|返信)\s?(?:\[\d+\])?\s?[::]")
MIN_WEIGHT = 1.5  # of a keyword that charges a sentence
_BLANK = pattern(r"\n\n")
_NEVER = frozenset(("receipt", "solved", "an answer to a case"))  # topics of mail that a person must see whatever it shows
_RENEWABLE = frozenset(("an answer to a case",))
#: Behind an address: who holds it, as a register says.
_OWNER = pattern(
    r"(?i)^[\s,)]{0,3}(?:\(?\s?)?(?:[\pL']{1,10}\s){0,3}(?:whois|ripe|arin|apnic|lacnic|afrinic|rdap|registr\pL+|register)\b[^.!?\n]{0,40}\b(?:you|yours?|ihnen|ihr\pL*|euch|vous|vo(?:s|tre)|ustedes|su|vuestr\pL+|voi|vostr\pL+|u|uw|jullie|was|państw\pL*|vocês|vosso|вам|вас|ваш\pL*)\b"
)
_SOLVED, _MAILING_WORDS = "ordinary_solved", "ordinary_mailing"
COURTESY = 60  # characters that may follow thanks in the last sentence of a letter
_THANKS = pattern(
    r"(?i)(?:many |kind |best )?(?:thank|danke|dank|vielen dank|herzlichen dank|merci|gracias|grazie|bedankt|dzięk|obrigad|спасибо|благодар|谢|感谢|ありがと)"
)
#: What has come to an end: then thanks are thanks.
_OVER = pattern(
    r"(?i)\b(?:over|ended|stopped|quiet|silent|gone|solved|resolved|fixed|ceased|subsided|no longer|not any ?more|beendet|aufgehört|vorbei|ruhig|gelöst|erledigt|behoben|weg|cessé\pL*|terminé\pL*|arrêté\pL*|réglé\pL*|résolu\pL*|fini|plus|cesado|terminad[oa]|parado|resuelto|solucionado|cessat[oia]|finit[oia]|risolt[oia]|smess[oi]|fermat[oi]|"
    r"gestopt|voorbij|opgelost|rustig|weg|ustał\pL*|skończył\pL*|rozwiązan\pL*|cessou|cessaram|parou|pararam|acabou|resolvid[oa])\b|прекратил\pL*|закончил\pL*|решен\pL*|стих\pL*|停止了|结束|解决|収ま|止まり|解決"
)
_MAILING = "a mailing's headers"  # which senders of automatic complaints use as well
ORDINARY = "ordinary_"  # kinds of phrases that each stand for a topic of ordinary mail
ENOUGH = 4.0  # points of complaint below which nobody is accused
EVIDENT = 3.0  # the same where a log line, a field or a column names who did it, and nothing in the letter is ordinary mail
LEAD = 4.0  # and so much it must outweigh what is ordinary in the letter


@dataclass
class Bearing:
    """How much a letter complains and how much it is ordinary mail, in points, with the topics found."""

    complaint: float = 0.0
    ordinary: float = 0.0
    topics: list[str] = field(default_factory=list)
    shown: bool = False  # it shows evidence: log lines, headers, a defanged link
    evident: bool = False  # it shows who did what
    demands: bool = False  # it reports or asks for something, in the words of complaints
    renewed: bool = False  # an answer that says that it goes on, or began anew, and shows it

    @property
    def stands(self) -> bool:
        """Whether it complains enough, and clearly more than it is something else; where nothing else, evidence needs few words."""
        plain = self.evident and not self.ordinary
        return (
            self.complaint >= (EVIDENT if plain else ENOUGH)
            and not (_NEVER - _RENEWABLE if self.renewed else _NEVER).intersection(self.topics)
            and (self.ordinary < 2 or self.shown or self.demands)
            and (not self.ordinary or self.renewed or self.complaint >= self.ordinary + LEAD)
        )


def bearing_of(reading: Reading) -> Bearing:
    """Weighs the letter as a whole."""
    facts, accusation = reading.facts, reading.accusation
    bearing = Bearing()
    bearing.topics, bearing.ordinary = _ordinary(reading, reading.spam_source is not None or facts.pasted_hop is not None)
    attacks = [entry for _, entry in accusation.logs if entry.attack and not entry.good]
    bearing.shown = bool(attacks or reading.spam_source or any(link.defanged for link in reading.links))
    told = [entry for _, entry in accusation.logs if not entry.good] if reading.category_from == FROM_LINES else []
    dated = any(entry.moment is not None for entry in attacks or told)
    headed = reading.points >= ENOUGH and any(entry.kind == "table" and not entry.good for _, entry in accusation.logs)
    bearing.evident = bool(reading.category) and (dated or ((reading.proved or headed) and accusation.strength >= SAYS))
    demands = facts.kinds("complaint")
    bearing.demands = any(not _WEAK.match(phrase) for phrase in demands)
    accused = bool(accusation.accused) and accusation.strength >= SAYS
    if _MAILING in bearing.topics and (bearing.evident or (accusation.logs and accused and (bearing.demands or reading.category))):
        bearing.topics.remove(_MAILING)
        bearing.ordinary -= _mailing_points(facts)
    bearing.renewed = bool(facts.kinds("renewal")) and bool(reading.category) and (dated or (bearing.shown and bearing.demands))
    points = reading.points
    shown_rows = [entry for _, entry in accusation.logs if not entry.good and entry.src in accusation.accused and points >= ENOUGH]
    bearing.complaint = (
        min(4.0, 2.0 * len(demands))
        + (0.0 if points < 2 else 1.0 if points < 4 else 2.0 if points < 8 else 3.0)
        + (
            4.0
            if len(attacks) > 1
            else 3.0
            if attacks or told
            else 1.5
            if any(entry.dst for _, entry in accusation.logs)
            else 2.0
            if len(shown_rows) > 1
            else 0.5
            if accusation.logs
            else 0.0
        )
        + (3.0 if reading.spam_source else 0.0)
        + (2.0 if any(link.defanged for link in reading.links) else 0.0)
        + (1.5 if _YOURS.search(facts.own_words) and accusation.strength >= SAYS else 0.0)
        + (2.0 if reading.proved else 0.0)
        + (1.0 if any(link.verdict == "accused" for link in reading.links) else 0.0)
        + (1.0 if facts.kinds("victim_before") else 0.0)
        + (1.0 if accused and facts.kinds("renewal") else 0.0)
        + (1.0 if facts.vocabulary.keyword_index.find(facts.subject) else 0.0)
        + (1.0 if "abuse" in facts.subject.lower() else 0.0)
    )
    return bearing


def _ordinary(reading: Reading, shows_mail: bool) -> tuple[list[str], float]:
    """Topics of ordinary mail and their points. ``shows_mail``: the subject may be the offending mail's, and counts for nothing."""
    facts = reading.facts
    message = facts.sender or facts.message
    points: dict[str, float] = {}
    zones = (Zone.BODY, Zone.CLOSING, Zone.SMALL_PRINT)
    body: dict[str, set[str]] = {}
    for hit in facts.hits:
        if (
            hit.value.kind.startswith(ORDINARY)
            and facts.line_at(hit.start).zone in zones
            and not _NOT.search(facts.text[max(0, hit.start - 12) : hit.start])
            and not (hit.value.kind == _SOLVED and _says_nothing(reading, hit))
            and not (hit.value.kind == _MAILING_WORDS and reading.category == "spam" and _is_spam(facts, facts.text, hit))
        ):
            body.setdefault(hit.value.kind, set()).add(hit.phrase)
    for kind, phrases in body.items():
        points[kind] = 2.0 if len(phrases) == 1 else 3.0
    for hit in facts.vocabulary.cue_index.find("" if shows_mail else facts.subject):
        if hit.value.kind.startswith(ORDINARY) and not (
            hit.value.kind == _MAILING_WORDS and reading.category == "spam" and _is_spam(facts, facts.subject, hit)
        ):
            points[hit.value.kind] = max(points.get(hit.value.kind, 0.0), 1.0) + 1.5
    plain = set() if shows_mail else facts.kinds("ordinary")
    if plain:
        points["ordinary"] = min(2.0, 1.0 * len(plain))
    if facts.kinds("mailing") and not tells_of_spam(reading):
        points["ordinary_mailing"] = points.get("ordinary_mailing", 0.0) + 2.0
    if seems_resolved(reading):
        points["ordinary_solved"] = max(points.get("ordinary_solved", 0.0), 2.0)
    if mailing := _mailing_points(facts):
        points[_MAILING] = mailing
    if ANSWERS.match(message.header("subject")):
        known = _CASE.search(message.header("subject")) or message.header("in-reply-to")
        points["an answer to a case" if known else "an answer"] = 3.0 if known else 1.0
    names = sorted(points, key=lambda name: -points[name])
    return [name.removeprefix(ORDINARY) for name in names], sum(points.values())


def seems_resolved(reading: Reading, kind: str = "resolved") -> bool:
    """Whether a phrase of the kind is said of more than an address that the letter takes out of its accusation."""
    facts = reading.facts
    said = facts.kinds(kind)
    if not said:
        return False
    inside = [hit for hit in facts.hits if hit.value.kind == kind and hit.phrase in said]
    in_subject = any(hit.value.kind == kind for hit in facts.subject_hits)
    return in_subject or not inside or not all(says_of_others(facts.text, reading.accusation.mentions, hit.start) for hit in inside)


def tells_of_spam(reading: Reading) -> bool:
    """Whether it says who sent it spam: then ``unsubscribe`` is what the writer could not do."""
    return reading.category == "spam" and reading.proved and reading.accusation.strength >= SAYS


def _is_spam(facts: Facts, text: str, hit: Hit) -> bool:
    """Whether the next word calls the mailing what it is: ``the mailing of spam``."""
    found = facts.vocabulary.keyword_index.find(text)
    return any(one.value.category == "spam" and hit.start - 12 <= one.start <= hit.end + 12 for one in found)


def _says_nothing(reading: Reading, hit: Hit) -> bool:
    """Whether thanks are for an earlier matter, or the courtesy with which a complaint of something that goes on ends."""
    facts, mentions = reading.facts, reading.accusation.mentions
    if says_of_others(facts.text, mentions, hit.start):
        return True
    last = max((one.found.end for one in mentions), default=0)
    ends = hit.start > last and len(facts.text[hit.end :].partition("\n\n")[0].strip()) < COURTESY
    return ends and _THANKS.match(hit.phrase) is not None and not _OVER.search(facts.own_words)


def _mailing_points(facts: Facts) -> float:
    message = facts.sender or facts.message
    if any(message.header(name) for name in ("list-unsubscribe", "list-id", "list-post", "feedback-id", "x-campaign-id")):
        return 2.0
    return 1.0 if message.header("precedence").strip().lower() in ("bulk", "list", "junk") else 0.0


def speaks_of_yours(facts: Facts) -> bool:
    """Whether the writer speaks of the reader's own addresses: such mail is not set aside unseen."""
    return bool(_OWNED.search(facts.own_words) or _OWNED.search(facts.subject))


def keep_proved(reading: Reading) -> None:
    """Leaves accused only the addresses that have a ground of their own."""
    accusation = reading.accusation
    if not accusation.accused or accusation.accused == [reading.spam_source]:
        return
    if reading.facts.kinds("controller") and any(entry.dst for _, entry in accusation.logs):
        accusation.why = "it speaks of a controller: whether the source or the target of its rows is accused is not clear"
        accusation.accused = []
        return
    sentences = sentences_of(reading)
    if strikes_reader(accusation.mentions) and not any(
        one.ip in accusation.accused and (_YOURS.search(one.cue) or one.line.zone is Zone.LOG) for one in accusation.mentions
    ):
        accusation.accused, accusation.why = [], "it says that an address of yours is attacked"
        return
    proved = {entry.src for _, entry in accusation.logs if not entry.good} | reading.serving
    reading.proved = reading.proved or bool(reading.serving)
    customer = is_from_customer(reading.facts.own_words)
    doubt = customer or may_be_own(reading.facts.own_words)
    for mention in accusation.mentions:
        if mention.ip in proved or mention.ip not in accusation.accused or (doubt and _is_bare(mention, customer=customer)):
            continue
        if _is_proved(mention, reading, sentences):
            proved.add(mention.ip)
            reading.proved = True
    left = [ip for ip in accusation.accused if ip in proved]
    if not left:
        accusation.why = accusation.why or "an address is named, but nothing shows that it is the accused one"
    elif len(left) < len(accusation.accused):
        reading.warnings.append("named without being accused: " + ", ".join(ip for ip in accusation.accused if ip not in left))
    accusation.accused = left


def _is_bare(mention: Mention, *, customer: bool) -> bool:
    """Whether what stands there only names the address: ``IP: ADDRESS``, ``host ADDRESS``. ``customer``: the writer is the reader's."""
    if mention.in_table:
        return False
    return (
        mention.role is not Role.ACCUSED
        or (mention.strength < SAYS and mention.cue not in DIRECTED)
        or (customer and mention.cue not in DIRECTED and DOER.search(mention.cue) is None)
    )


class Sentences:
    """The letter's sentences, and where words of abuse or a demand stand."""

    def __init__(self, reading: Reading) -> None:
        facts = reading.facts
        self.text = facts.text
        self._stops = [match.start() + 1 for match in _SENTENCE.finditer(facts.text)]
        self._blanks = [match.start() for match in _BLANK.finditer(facts.text)]
        self._charges = [hit.start for hit in facts.vocabulary.keyword_index.find(facts.text) if hit.value.weight >= MIN_WEIGHT]
        self.left_over = _left_over(reading)
        self.link_ends = sorted(link.found.end for link in reading.links if link.verdict == "accused")
        self._charges += [link.found.start for link in reading.links if link.verdict == "accused"]
        self._charges.sort()
        self._demands = [hit.start for hit in facts.hits if hit.value.kind == "complaint"]
        self.subject_demands = any(hit.value.kind == "complaint" for hit in facts.vocabulary.cue_index.find(facts.subject))
        self.subject_charged = not ANSWERS.match(facts.subject) and (
            self.subject_demands
            or any(hit.value.weight >= MIN_WEIGHT for hit in facts.vocabulary.keyword_index.find(facts.subject))
        )

    def bounds(self, start: int, end: int) -> tuple[int, int]:
        """The sentence, or sentences, that hold ``start`` to ``end``."""
        first = bisect_right(self._stops, start)
        last = bisect_left(self._stops, end)
        return (
            self._stops[first - 1] if first else 0,
            self._stops[last] if last < len(self._stops) else len(self.text),
        )

    def paragraph(self, start: int, end: int) -> tuple[int, int]:
        """From the blank line before to the blank line behind."""
        first, last = bisect_right(self._blanks, start), bisect_left(self._blanks, end)
        return (
            self._blanks[first - 1] if first else 0,
            self._blanks[last] if last < len(self._blanks) else len(self.text),
        )

    def charged(self, low: int, high: int) -> bool:
        """Whether abuse is spoken of between the two."""
        return bisect_left(self._charges, low) < bisect_left(self._charges, high)

    def demands(self, low: int, high: int) -> bool:
        return bisect_left(self._demands, low) < bisect_left(self._demands, high)

    @property
    def any_demand(self) -> bool:
        return bool(self._demands) or self.subject_demands

    @property
    def any_charge(self) -> bool:
        return bool(self._charges) or self.subject_charged


def sentences_of(reading: Reading) -> Sentences:
    """The letter's sentences; counted once."""
    if not isinstance(reading.sentences, Sentences):
        reading.sentences = Sentences(reading)
    return reading.sentences


def _left_over(reading: Reading) -> set[str]:
    """The address that is left when those that the letter calls somebody else's are taken away; empty where several are."""
    mentions = reading.accusation.mentions
    others = {one.ip for one in mentions if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= SAYS}
    left = {one.ip for one in mentions} - others
    return left if len(left) == 1 else set()


def _is_proved(mention: Mention, reading: Reading, sentences: Sentences) -> bool:
    """Whether what stands around this mention accuses the address, not only names it."""
    text, start, end = sentences.text, mention.found.start, mention.found.end
    if text[start:end] != mention.found.as_written:  # of the subject
        return sentences.subject_charged or (sentences.any_charge and len({one.ip for one in reading.accusation.mentions}) == 1)
    if mention.in_table:
        return mention.role is Role.ACCUSED and (sentences.any_charge or reading.category is not None)
    said_at = mention.said_at if mention.said_at is not None else start
    low, high = sentences.bounds(min(said_at, start), max(end, said_at))
    charged = sentences.charged(low, high)
    only = mention.ip in sentences.left_over
    if mention.role is None:  # the only address of a letter, in a sentence or under a subject that speaks of abuse
        alone = text[mention.line.start : mention.line.end].strip() == mention.found.as_written.strip()
        return only and (charged or (alone and sentences.subject_charged))
    if mention.role is not Role.ACCUSED:
        return mention.role is Role.NEUTRAL and only and charged
    if any(
        link.verdict == "accused" and 0 <= start - link.found.end <= 24 and "\n\n" not in text[link.found.end : start]
        for link in reading.links
    ):
        return True  # ``LINK on ADDRESS``
    if charged and (mention.strength >= LIKELY or mention.points or only):
        return True
    if mention.strength >= LIKELY and LABEL.match(text[mention.line.start : start]):
        return sentences.any_charge or mention.strength >= SAYS
    if not charged and not _YOURS.search(mention.cue) and not _OWNER.search(text[end:high]) and _OURS.search(text[low:start]):
        return False  # what the writer says of his own side accuses nobody by the next sentence
    if mention.strength >= SAYS or (mention.strength >= LIKELY and mention.points):
        if sentences.demands(low, high) or (bool(_YOURS.search(text[low:high])) and sentences.any_charge):
            return True
        paragraph = sentences.paragraph(low, high)
        if mention.strength >= SAYS and sentences.subject_charged:
            return True
        if sentences.charged(*paragraph) or (only and sentences.demands(*paragraph)):
            return True
    return _is_alone(mention, reading, sentences, low, high)


def _is_alone(mention: Mention, reading: Reading, sentences: Sentences, low: int, high: int) -> bool:
    """The one address that is left of a letter that complains of abuse and asks for something. ``low`` to ``high``: its sentence."""
    if sentences.left_over != {mention.ip}:
        return False
    if mention.strength >= LIKELY and mention.points and reading.facts.forwards_sample:
        return True  # ``this junk comes from ADDRESS``, and the mail below
    if reading.facts.kinds("renewal") and sentences.any_demand and sentences.any_charge:
        return True  # ``I wrote about ADDRESS. It is still …``
    if mention.strength < LIKELY or not sentences.any_charge or _TO_US.search(sentences.text[low : mention.found.start]):
        return False
    did = sentences.subject_charged and _TO_US.search(sentences.text[mention.found.end : high]) is not None
    return sentences.any_demand or did
