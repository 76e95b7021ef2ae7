# ruff: noqa: E501 - patterns read better whole
"""Whom a letter can only mean, once everybody is taken away whose part it tells: the writer's own, the victims, the bystanders.

Where no sentence accuses by itself, the one address that is left (or the one list of them) is accused if the letter complains of an
act and something ties the address to it: a direction, the reader's ownership, or the other side being known. Whatever speaks against
it leaves the letter to a person.
"""

from bisect import bisect_right
from itertools import pairwise

from tipstaff.intake.reading.accusation import is_private
from tipstaff.intake.reading.complaint_events import Reading
from tipstaff.intake.reading.indicators import find_addresses
from tipstaff.intake.reading.link_grounds import CONTENT
from tipstaff.intake.reading.mentions import LIST_GAP, Mention
from tipstaff.intake.reading.owners import FROM_YOU, YOUR_LIST, is_item
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import DIRECTED, LIKELY, SAYS, Role
from tipstaff.intake.reading.sections import Zone
from tipstaff.intake.reading.struck import is_from_customer, may_be_own, strikes_reader

CLEAR = 4.0  # points of words of abuse that name the act
MAX_LEFT = 40  # addresses of one list
_REACH = 260  # characters before an address that its sentence may have
_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[.!?]\n")
_OURS = pattern(
    r"(?i)\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|nos|mon|mes|nuestr[ao]s?|mis?|nostr[aeio]|mi[oa]|miei|onze|ons|mijn|nasz\pL{0,3}|mój|moj\pL{1,3}|noss[ao]s?|meus?|minhas?|наш\pL{0,3}|мо[йяюеи]|моего|моей)\b|我[们司方]?的?|弊社|当社|本[社行]|自社"
)
#: What the writer does not know: who it was. Then the address that he names is somebody's who suffers.
_UNKNOWN = pattern(
    r"(?i)\b(?:by whom|(?:do not|don't|does not|doesn't|did not|didn't|cannot|can't|could not|couldn't) (?:\pL+ )?(?:know|tell|see|find out|say|show) (?:\pL+ )?(?:who|where|from where|which|how)|no idea who|unknown (?:source|origin)|nobody knows|(?:weiß|wissen|wusste|wussten) nicht,? (?:wer|woher|von wem)|von wem|keine ahnung,? (?:wer|woher)|"
    r"(?:ne sais|ne savons) pas (?:qui|d'où)|par qui|no (?:sé|sabemos) (?:quién|de dónde)|por quién|non (?:so|sappiamo) (?:chi|da dove)|da chi|weet(?:en)? niet (?:wie|waar)|door wie|nie (?:wiem|wiemy),? (?:kto|skąd)|przez kogo|não (?:sei|sabemos) (?:quem|de onde)|por quem|не (?:знаю|знаем),? (?:кто|откуда)|кем именно)\b|不知道(?:是)?谁|誰が|誰か分か"
)


def settle(reading: Reading) -> None:
    """Accuses what is left where nobody is accused yet; ``keep_proved`` has run."""
    accusation = reading.accusation
    _set_own_apart(reading)
    _take_labelled(reading)
    if accusation.accused or accusation.why.startswith(_FINAL) or not _complains(reading):
        return
    left = _left(reading)
    if not left or len({one.ip for one in left}) > MAX_LEFT or not _is_one_group(reading, left):
        return
    if not any(ties(reading, left) for ties in (_is_yours, _is_directed, _is_other_side, _serves, _is_logged, _is_actors)):
        return
    accusation.accused = list(dict.fromkeys(one.ip for one in left))
    accusation.strength, accusation.why = max(accusation.strength, LIKELY), ""
    accusation.victims = [ip for ip in accusation.victims if ip not in accusation.accused]
    reading.proved = True
    for one in left:
        one.role, one.strength, one.points = Role.ACCUSED, max(one.strength, LIKELY), True


_FINAL = (
    "the letter names the same address",
    "the letter accuses one address and",
    "the letter names one address and",
    "it speaks of a controller",
    "it says that an address of yours",
    "the letter accuses an address outside",
)


def _complains(reading: Reading) -> bool:
    """Whether an act is named in plain words, nobody asks for help, and the writer does not say that he knows not who it was."""
    words = reading.facts.own_words
    return (
        reading.category is not None
        and reading.points >= CLEAR
        and not strikes_reader(reading.accusation.mentions)
        and not is_from_customer(words)
        and not may_be_own(words)
        and _UNKNOWN.search(words) is None
    )


def _set_own_apart(reading: Reading) -> None:
    """``our site www.own.example has the address A``: an address named with a name of the writer's own is the writer's."""
    accusation, text = reading.accusation, reading.facts.text
    ends = sorted(link.found.end for link in reading.links if link.why == "the reporter's own")
    for one in accusation.mentions if ends else ():
        at = bisect_right(ends, one.found.start) - 1
        if at < 0 or one.found.start - ends[at] > 60 or one.role is Role.VICTIM:
            continue
        gap = text[ends[at] : one.found.start]
        if _STOP.search(gap) or "\n" in gap or not _ITS.search(gap):
            continue
        one.role, one.strength, one.cue = Role.VICTIM, SAYS, "the writer's own name"
        if accusation.strength < SAYS and one.ip in accusation.accused:
            accusation.accused = [ip for ip in accusation.accused if ip != one.ip]
            accusation.victims.append(one.ip)


#: Between a name and its address: ``own.example (A)``, ``own.example and its address is A``, ``own.example = A``.
_ITS = pattern(
    r"(?i)^[\"'»“”]?\s?(?:[(\[（=/]\s?|,?\s?(?:and |und |et |y |e |en |i |и )?(?:its|the|seine|deren|die|son|l'|su|la|il suo|l'|het|zijn|jego|o seu|его)?\s?(?:ip|ip-|public )?[\s-]?(?:address|adresse|dirección|indirizzo|adres|endereço|адрес)\s?(?:is|ist|lautet|est|es|è|to|é|:|—|-)?\s?)(?:ip[\s:]*)?[(\[]?$"
)


def _left(reading: Reading) -> list[Mention]:
    """What nobody's part is told of, in prose: not the attacked side, not somebody else's, not private."""
    mentions = [one for one in reading.accusation.mentions if one.line.zone in (Zone.BODY, Zone.CLOSING)]
    told = {one.ip for one in reading.accusation.mentions if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= LIKELY}
    told |= {entry.dst for _, entry in reading.accusation.logs if entry.dst}
    return [one for one in mentions if one.ip not in told and not is_private(one.ip)]


def _is_one_group(reading: Reading, left: list[Mention]) -> bool:
    """One address, or addresses that stand in one list: on lines of their own one below the other, or joined by commas and ``and``."""
    if len({one.ip for one in left}) == 1:
        return True
    text, lines = reading.facts.text, reading.facts.lines
    for one, other in pairwise(left):
        gap = text[one.found.end : other.found.start]
        if one.ip == other.ip or LIST_GAP.match(gap):
            continue
        between = lines[one.line.number - 1 : other.line.number]
        if len(between) < 2 or not all(is_item(line.text[:200]) or not line.text.strip() for line in between):
            return False
    return True


def _sentence(reading: Reading, one: Mention) -> str:
    """What stands before an address in its sentence, or above the list that it is an item of."""
    text = reading.facts.text
    lead = text[max(0, one.found.start - _REACH) : one.found.start]
    stop = 0
    for match in _STOP.finditer(lead.rstrip(" \n\t*•-–·>\"'([") if is_item(one.line.text[:200]) else lead):
        stop = match.start() + 1
    return lead[stop:]


def _paragraph(reading: Reading, one: Mention) -> str:
    """What stands above a list as far as its paragraph goes: whose its items are is often said in the sentence before the last."""
    text = reading.facts.text
    lead = text[max(0, one.found.start - 2 * _REACH) : one.found.start].rstrip(" \n\t*•-–·>\"'([")
    return lead[lead.rfind("\n\n") + 1 :]


def _is_yours(reading: Reading, left: list[Mention]) -> bool:
    """Whether the sentence before the address speaks of the reader's network as where it comes from."""
    one = left[0]
    listed = len(left) > 1 and is_item(one.line.text[:200])
    lead = _paragraph(reading, one) if listed and not find_addresses(_paragraph(reading, one)) else _sentence(reading, one)
    yours = FROM_YOU.search(lead) or YOUR_LIST.search(lead)
    behind = reading.facts.text[one.found.end : one.found.end + 60].partition("\n")[0]
    own = _OURS.search(lead[-40:]) is not None
    return not own and (yours is not None or YOUR_LIST.search(behind) is not None)


def _is_directed(reading: Reading, left: list[Mention]) -> bool:
    """Whether every address stands behind ``from`` or ``by`` where the letter says what was done."""
    if not all(one.role is Role.ACCUSED and one.strength >= LIKELY and one.cue in DIRECTED for one in left):
        return False
    return _OURS.search(_sentence(reading, left[0])[-30:]) is None


def _is_actors(reading: Reading, left: list[Mention]) -> bool:
    """Whether the sentence calls the one address that of who did it: ``the sender's number was ADDRESS``."""
    if len({one.ip for one in left}) != 1:
        return False
    lead = _sentence(reading, left[0])
    return _ACTOR.search(lead) is not None and _OURS.search(lead[-40:]) is None


_ACTOR = pattern(
    r"(?i)\b(?:sender|poster|visitor|caller|commenter|intruder|thief|culprit|perpetrator|hacker|attacker|scammer|fraudster|spammer|harasser|stalker|bot|robot|crawler|script kiddie|absender|besucher|anrufer|täter|angreifer|hacker|betrüger|eindringling|expéditeur|visiteur|auteur|pirate|escroc|harceleur|attaquant|"
    r"remitente|visitante|atacante|estafador|acosador|intruso|autor|mittente|visitatore|truffatore|aggressore|autore|afzender|bezoeker|dader|aanvaller|oplichter|indringer|nadawc\pL+|sprawc\pL+|napastnik\pL*|oszust\pL*|włamywacz\pL*|remetente|burlão|invasor|агрессор\pL*|отправител\pL+|злоумышленник\pL*|взломщик\pL*|мошенник\pL*|хакер\pL*|бот\pL?)(?:'?s)?\b[^.!?\n]{0,80}$"
    r"|(?:发件人|攻击者|黑客|骗子|访客|机器人|犯人|送信者|攻撃者|投稿者|ボット)[^。\n]{0,40}$"
)


def _serves(reading: Reading, left: list[Mention]) -> bool:
    """Whether the letter accuses links and calls the address a host's: ``Host = ADDRESS`` beside what it serves."""
    if reading.category not in CONTENT or not any(link.verdict == "accused" for link in reading.links):
        return False
    text = reading.facts.text
    return all(one.role in (None, Role.ACCUSED) and _LABELLED.search(text[one.line.start : one.found.start]) for one in left)


#: ``Host = ``, ``IP of the site: ``, ``site IP ``: names the machine that serves.
_LABELLED = pattern(
    r"(?i)(?:\b(?:hosts?|ips?|ip[ -]?(?:address|addr|adresse|adres)|servers?|address|adresse|adres|serveur|hébergement|servidor|dirección|indirizzo|serwer|endereço|сервер\pL?|адрес\pL?|хост|хостинг)\b|地址|服务器|アドレス|サーバ)"
    r"(?:\s(?:of|von|du|de la|del|della|van|сайта|strony|do|da|the|this|that|dieser|site|seite|page|domain|website|\d{1,3}(?:-\d{1,3})?)){0,4}\s?(?:\([^)\n]{0,20}\)\s?)?[:=：→>-]{0,3}\s{0,3}$"
)


def _take_labelled(reading: Reading) -> None:
    """``IP of 1-4: A   IP of 5: B``: where A is accused and B stands behind the same label, both are."""
    accusation, text = reading.accusation, reading.facts.text
    known = {
        (one.cue, one.line.number)
        for one in accusation.mentions
        if one.ip in accusation.accused and one.cue and _has_label(text, one)
    }
    told = {one.ip for one in accusation.mentions if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= LIKELY}
    for one in accusation.mentions if known else ():
        alike = (one.cue, one.line.number) in known and one.role is Role.ACCUSED and _has_label(text, one)
        if alike and one.ip not in told and one.ip not in accusation.accused and not is_private(one.ip):
            accusation.accused.append(one.ip)


def _has_label(text: str, one: Mention) -> bool:
    return text[max(0, one.found.start - 3) : one.found.start].rstrip()[-1:] in (":", "=", "：")


def _is_logged(reading: Reading, left: list[Mention]) -> bool:
    """Whether the one address stands in several lines of a log, each with its time in front, as a field of its own."""
    lines = {one.line.number: one for one in left}
    if len({one.ip for one in left}) != 1 or len(lines) < 2:
        return False
    text = reading.facts.text
    return all(
        one.line.may_log
        and _CLOCKED.search(text[one.line.start : one.found.start])
        and text[one.found.start - 1 : one.found.start] in _OPENS
        and text[one.found.end : one.found.end + 1] in _CLOSES
        and _OURS.search(one.line.text) is None
        for one in lines.values()
    )


_CLOCKED = pattern(r"\d{1,2}:\d{2}:\d{2}")
_OPENS = frozenset("\"'[(<")
_CLOSES = frozenset("\"'])>")


def _is_other_side(reading: Reading, left: list[Mention]) -> bool:
    """Whether the attacked side has an address of its own in the letter, and what is left stands as an address, not in passing."""
    suffers = any(one.role is Role.VICTIM and one.strength >= SAYS for one in reading.accusation.mentions)
    return (
        suffers
        and all(one.role in (None, Role.ACCUSED) for one in left)
        and _OURS.search(_sentence(reading, left[0])[-60:]) is None
    )
