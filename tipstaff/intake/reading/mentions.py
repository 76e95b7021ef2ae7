# ruff: noqa: E501 - patterns and lists of words read better whole
"""Every place where an address stands in a letter, and what stands around it: the cue that speaks for its role."""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from tipstaff.intake.reading.indicators import Found, find_addresses
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit, ending_within, starting_within
from tipstaff.intake.reading.roles import DIRECTED, LIKELY, POSSESSIVE, READ_ZONES, ROLES, SAYS, Role
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.tables import PLAIN_PORTS, SOURCE_PORTS, cell_of, port_in_row, port_number

REACH = 90  # characters that a cue before an address reaches
REACH_AFTER = 45  # and one behind it
MAX_MENTIONS = 3_000
MAX_ITEMS = 8  # of a list, between an address and the words above the list

_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[;]\s|[.!?]\n")
LIST_GAP = pattern(
    r"(?i)^[\s,;/&|()•*·–\-\[\]'\"`]*(?::\d{1,5})?[\s,;/&|()•*·–\-\[\]'\"`]*(?:(?:for|für|pour|voor|para|per|dla|para o|для)\s(?:the\s)?ipv[46]\s)?(?:and|und|et|y|e|en|i|и|и также|oraz|as well as|sowie|ainsi que|和|与|及|と|、|or)?[\s,;/&|()•*·–\-\[\]'\"、,:]*$"
)
_RANGE = pattern(r"(?i)^\s{0,2}(?:-|–|—|bis|~|～|\.\.\.?)\s{0,2}$")
#: What stands before the number of a version, or of a program: it is no address.
_VERSION = pattern(
    r"(?i)(?:\b(?:versi(?:on|ón|one|e|ja|ão)|ver\.|build|release|rev(?:ision)?\.?|firmware|patch ?level|kernel|asterisk|freepbx|mailgate|tomcat|postfix|exim|sendmail|wazuh|ossec|"
    r"suricata|snort|openssl|chrome|firefox|outlook|thunderbird|wordpress|nginx|apache|iis|ossim|splunk|fortios|pfsense|opnsense|routeros|acrobat|clamav|amavis|rspamd|spamassassin)(?: agent| server)?|\bv\.?|版本|バージョン|версия)\s?[:=#/]?\s?$"
)
_PORT = pattern(r"^\s?:\s?(\d{1,5})(?:[^\d:.]|[:.](?:\D|$)|$)")
BULLET = pattern(r"^[\s>*•·\-–|#\d.)(\[\"'`]{0,12}$")
_POINTS = pattern(
    r"(?i)following|these|below|seen in our|abaixo|ci-dessous|unten|abajo|qui sotto|hieronder|poniż|ниже|folgend|suivant|siguient|seguent|volgende|następuj|poniższ|seguintes|следующ|以下|下列|下記"
)


#: "on your network (", "your customer at": the reader's side right before an address; and the writer's own side.
_LINK = r"(?:[\s,:(\[\"'–-]+[\pL-]{1,24}){0,3}[\s,:=(\[\"'–-]*$"
_THEIRS = pattern(
    r"(?i)(?:\b(?:your|ihr|ihre[mnrs]?|votre|vos|su|sus|vostr[aeio]|uw|jullie|państwa|waszej|waszym|waszego|seu|sua|seus|suas|vosso|vossa|ваш\pL{0,3})|贵[司方公]?|貴社|御社)"
    + _LINK
)
_YOUR_LIST = pattern(
    r"(?i)\b(?:your|yours|ihr|ihre[mnrs]?|votre|vos|su|sus|vostr[aeio]|uw|jullie|państwa|wasz\pL{0,3}|seu|sua|seus|suas|vosso|vossas?|ваш\pL{0,3})\b|贵|貴社|御社"
)
_CONNECTED = r"(?:\s[\pL-]{1,24}){0,3}?(?:\s(?:at|on|ip|address|is|ist|lautet|est|es|è|jest|é|—|–|-|mit|auf|unter|mit der ip|à|sur|en|con|su|all'|op|met|na|pod|em|no|на|по|с адресом)\s|\s?[(（=]\s?(?:\pL{2,16}\s){0,3})(?:ip[\s:-]*|адрес[\s:]*)?[\s(]*$"
_MINE = pattern(
    r"(?i)(?:\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|nos|mon|ma|nuestr[ao]s?|mi|nostr[aeio]|mi[oa]|onze|ons|mijn|nasz\pL{0,3}|mój|moj\pL{1,3}|noss[ao]s?|meu|minha|наш\pL{0,3}|мо[йяеюи]\pL{0,2})\s[\pL-]{2,24}|我[方司们]\S{0,6}|本[社公]\S{0,4}|弊社\S{0,12}|当[社方]\S{0,12})"
    + _CONNECTED
)
_MINE_NEXT = pattern(
    r"(?i)(?:\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|mon|nuestr[ao]|mi|nostr[ao]|onze|ons|mijn|nasz\pL{0,3}|mój|noss[ao]|meu|наш\pL{0,3}|мой)(?:\s[\pL-]{2,24}){1,2})\s$"
)
#: "a complaint against your customer": what is against them here does not strike them.
_COMPLAINING = pattern(
    r"(?i)(?:complain\pL*|compl[aá]i?nts?|reports?|claims?|notices?|actions?|measures?|steps?|evidence|proceedings|case|abuse|"
    r"beschwerde\pL*|anzeige\pL*|ma(?:ß|ss)nahmen|plainte|queja|denuncia|reclamo|segnalazione|klacht|skarg\pL*|жалоб\pL*)\W{1,3}$"
)
_OTHERWISE = POSSESSIVE | {"us", "received", "receiving"}
#: ``(another provider's network, reported there)`` right behind an address.
_ELSEWHERE = pattern(
    r"(?i)^(?::\d{1,5})?\s?[(（][^)）]{0,24}(?:not yours?|other (?:isp|provider|operator|network|hoster)|another (?:isp|provider|operator|network|host)|elsewhere|anderen? (?:anbieter|provider|betreiber|netz)\pL*|autre (?:opérateur|hébergeur|fournisseur|réseau)|"
    r"otro (?:proveedor|operador)|altro (?:fornitore|operatore|provider)|andere (?:provider|aanbieder|hoster)|in(?:ny|nego) (?:operator|dostaw)\pL*|outro (?:provedor|operador|fornecedor)|друго\pL{1,3} (?:провайдер|оператор|сет)\pL*|其他(?:运营商|服务商)|他社)"
)
_LOGGED_ON = pattern(
    r"(?i)\b(?:logs?|journaux|journal|protokoll\pL*|auszug|registros?|logi|logboek|estratto|extracto|wycinek)\b[^.\n]{0,40}[(（]\s?(?:serveur|server|host|servidor|serwer|machine|maschine|rechner)\s?$"
)
_MY_SITE = pattern(
    r"(?i)\b(?:my|our|mein\pL{0,2}|unser\pL{0,2}|mon|notre|mi|nuestr[ao]|mio|nostr[ao]|mijn|onze|mój|nasz\pL{0,2}|meu|noss[ao])(?:\s[\pL-]{1,20}){1,3}\s?[(（][^)）\n]{0,70}$"
)
_DOING = pattern(
    r"(?i)\b(?:logs?|protokoll\pL*|journa\pL*|registros?|logi\pL*|logboek\pL*|журнал\pL*|лог\pL*|日志|ログ|blocked|detected|shows?|attackers?|spammers?|offenders?|angreifer|attaquant|atacante|banned|recorded|observed|noticed|received?|reports?|reported|saw|see|got|found|registered|caught|dropped|denied|rejected|hat|haben|wurde|zeigt|zeigen|montrent?|muestran?|mostrano?|tonen|toont|from|by|von|durch|par|por|da|dal|door|van|przez|de|depuis|desde|от|с)\b"
)


@dataclass(slots=True)
class Mention:
    """One place where an address stands; ``cue`` is the phrase that spoke for the role."""

    found: Found
    line: Line
    role: Role | None = None
    strength: int = 0
    cue: str = ""
    port: int | None = None
    inherited: bool = False
    service_port: int | None = None  # from a column that says only "port"
    points: bool = False  # the cue gives a direction, or labels the address; a bare "the address" does not
    said_at: int | None = None  # where the cue begins; None: no cue, or the heading of a table
    in_table: bool = False  # under a heading that names its role

    @property
    def ip(self) -> str:
        return self.found.value


def mentions_of(letter: str, lines: list[Line]) -> list[Mention]:
    found, at = [], 0
    for hit in find_addresses(letter):
        if not is_possible(hit.value):
            continue
        while at < len(lines) - 1 and lines[at].end < hit.start:
            at += 1
        line = lines[at]
        if line.zone in READ_ZONES and not _inside_url(letter, hit) and not _is_version(letter, hit):
            port = _PORT.match(letter[hit.end : hit.end + 8].replace("]", "", 1))
            found.append(Mention(hit, line, port=port_number(port.group(1)) if port else None))
            if len(found) >= MAX_MENTIONS:
                break
            if len(found) >= MAX_MENTIONS:
                break
    found = _without_ranges(letter, found)
    own_words = [mention for mention in found if mention.line.zone is not Zone.QUOTED]
    if all(mention.line.zone is Zone.CLOSING and not _is_item(mention.line.text) for mention in own_words):
        return found
    return own_words


def _is_version(letter: str, hit: Found) -> bool:
    """``Asterisk 18.20.1.2``, ``version 10.4.2.1``, ``10.4.2.1 build 88``."""
    if ":" in hit.value or not _VERSION.search(letter[max(0, hit.start - 24) : hit.start]):
        return letter[hit.end : hit.end + 7].lower() == " build "
    return True


def _without_ranges(letter: str, found: list[Mention]) -> list[Mention]:
    """``192.0.2.1 - 192.0.2.9`` is a range, not two addresses."""
    bounds: set[int] = set()
    for mention, following in pairwise(found):
        if _RANGE.match(letter[mention.found.end : following.found.start]):
            bounds |= {mention.found.start, following.found.start}
    return [mention for mention in found if mention.found.start not in bounds]


def _inside_url(letter: str, hit: Found) -> bool:
    """Whether the address stands in a link's query or path (a look-up page), not as its host."""
    start = max(letter.rfind(" ", 0, hit.start), letter.rfind("\n", 0, hit.start), letter.rfind("<", 0, hit.start)) + 1
    before = letter[start : hit.start]
    behind = before.rpartition("//")[2] if "//" in before else before
    return ("://" in before or before[:4].lower() == "hxxp") and behind.isascii() and ")" not in behind


def is_possible(ip: str) -> bool:
    """Whether a host on a network can have the address at all: not loopback, multicast, unspecified or broadcast."""
    address = ipaddress.ip_address(ip)
    return not (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or ip.startswith(("0.", "255."))
    )


def weigh(mention: Mention, letter, lines, before, after, columns, near: list[Mention], previous: Mention | None) -> None:
    start, end = mention.found.start, mention.found.end
    cell = cell_of(mention.line, start - mention.line.start, end - mention.line.start, columns)
    if cell is not None:
        mention.port = mention.port or port_in_row(mention.line, columns[mention.line.number], SOURCE_PORTS)
        mention.service_port = port_in_row(mention.line, columns[mention.line.number], PLAIN_PORTS)
        if cell[2] is not None:
            mention.role, mention.strength, mention.cue, mention.points = cell[2], max(cell[3], LIKELY), cell[4], True
            mention.in_table = True
        return
    others = [other for other in near if other is not mention]
    left = _before(mention, letter, lines, before, after, others)
    right = _after(mention, letter, after, others)
    best = _struck(letter, before, left, right) or _better(left, right)
    if best is not None:
        hit, strength, _ = best
        mention.role, mention.strength, mention.cue, mention.said_at = ROLES[hit.value.kind], strength, hit.phrase, hit.start
        mention.points = strength >= SAYS or hit.phrase in DIRECTED or letter[hit.end : start].strip()[:1] in (":", "=", ":")
    strong_left = left is not None and left[1] >= LIKELY
    _by_owner(mention, letter, left)
    if (
        previous is not None
        and not strong_left
        and LIST_GAP.match(letter[previous.found.end : start])
        and end - previous.found.end < 120
        and previous.role is not None
        and (best is None or best[1] < SAYS or (best is right and best[2] > 20))
    ):
        mention.role, mention.strength, mention.cue, mention.inherited = previous.role, previous.strength, previous.cue, True
        mention.points, mention.said_at, mention.in_table = previous.points, previous.said_at, previous.in_table


def _by_owner(mention: Mention, letter: str, left) -> None:
    """Whose the address is, where a possessive right before it says so: that counts more than what stands behind."""
    start = mention.found.start
    lead = letter[max(0, start - 70) : start]
    behind = letter[mention.found.end : mention.found.end + 80].partition("\n")[0]
    if _ELSEWHERE.match(behind):
        mention.role, mention.strength, mention.cue, mention.points = Role.OTHER, SAYS, "somebody else's", True
        return
    if _LOGGED_ON.search(lead) or _MY_SITE.search(letter[max(0, start - 120) : start]):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, "the writer's own machine", True
        return
    mine, theirs = _MINE.search(lead) or _MINE_NEXT.search(lead), _THEIRS.search(lead)
    if mine and not _DOING.search(mine.group()) and not (theirs and theirs.start() > mine.start()):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, mine.group().strip(), True
    elif theirs and (mention.role is None or (mention.role is Role.ACCUSED and mention.strength < SAYS)):
        mention.role, mention.strength, mention.points = Role.ACCUSED, SAYS, True
        mention.cue, mention.said_at = theirs.group().strip(), max(0, start - 70) + theirs.start()
    elif (
        mention.role is None
        and BULLET.match(letter[mention.line.start : start])
        and (said := _handed_over(letter, mention)) is not None
    ):
        mention.role, mention.strength, mention.points, mention.said_at = Role.ACCUSED, SAYS, True, said
        mention.cue = "a list of yours"


def _handed_over(letter: str, mention: Mention) -> int | None:
    """Where the line begins that introduces a list as the reader's: ``Your contributors (top 2):``."""
    above = letter[max(0, mention.line.start - 6 * REACH) : mention.line.start].rstrip()
    line = above.rpartition("\n")[2]
    for _ in range(MAX_ITEMS):  # the items before this one
        if not (line.strip() and _is_item(line[:200])):
            break
        above = above[: len(above) - len(line)].rstrip()
        line = above.rpartition("\n")[2]
    if not line.endswith((":", ":")) or not (_YOUR_LIST.search(line) or _POINTS.search(line)) or find_addresses(line):
        return None
    return mention.line.start - 1 if len(above) == 0 else max(0, mention.line.start - 6 * REACH) + len(above) - len(line)


def _before(mention: Mention, letter: str, lines: list[Line], before: list[Hit], after: list[Hit], others: list[Mention]):
    """The nearest cue in front: (hit, strength, distance)."""
    start, line = mention.found.start, mention.line
    lead = letter[line.start : start]
    floor = max(0, start - REACH)
    if BULLET.match(lead):  # an item of a list, or a line that goes on: what stands above speaks
        floor = _lead_in(lines, line, floor)
        stop = line.start
    else:
        stop = start
        if (":" in lead or lead.strip()[:1] == "[") and len(lead) < 45:  # a labelled line speaks for itself
            floor = line.start
    if stop == line.start and floor < stop:
        pointing = [hit for hit in ending_within(before, floor, stop) if hit.value.strength >= SAYS and _POINTS.search(hit.phrase)]
        if pointing:
            return _from_lead_in(before, after, pointing[-1].start, stop)
    floor = _last_stop(letter, floor, stop, bool(BULLET.match(lead)))
    if stop == line.start and floor < stop:
        return _from_lead_in(before, after, floor, stop)
    fence = max((other.found.end for other in others if other.found.end <= start), default=0)
    inside = [hit for hit in ending_within(before, max(floor, fence), start) if hit.start >= floor and _reaches(hit, start)]
    best = max(inside, key=lambda hit: (hit.end, hit.end - hit.start), default=None)
    if best is None:
        return None
    if _is_plain_noun(best):  # "target IP", "unserem Server": the word before the noun says whose it is
        close = [
            hit
            for hit in inside
            if best.start - (30 if hit.phrase in POSSESSIVE else 14) <= hit.end <= best.start and not _is_plain_noun(hit)
        ]
        best = max(close, key=lambda hit: (hit.end, hit.end - hit.start), default=best)
    distance = start - best.end
    strength = best.value.strength - (1 if distance > 45 else 0)
    return (best, strength, distance) if strength > 0 else None


def _reaches(hit: Hit, start: int) -> bool:
    """Whether a cue stands near enough: a preposition right before, a hint in the same phrase, a plain statement in the same sentence."""
    distance = start - hit.end
    if hit.value.strength >= SAYS:
        return True
    if hit.phrase in POSSESSIVE:
        return distance <= 45
    return distance <= (
        12 if len(hit.phrase) <= 4 and hit.phrase.isalpha() and hit.phrase < "\u0e00" and hit.phrase not in POSSESSIVE else 25
    )


def _is_plain_noun(hit: Hit) -> bool:
    """``IP``, ``host``, ``Adresse``: names the thing without saying whose it is."""
    return (
        hit.value.strength < SAYS
        and hit.phrase not in DIRECTED
        and hit.phrase not in POSSESSIVE
        and ROLES[hit.value.kind] is Role.ACCUSED
    )


def _from_lead_in(before: list[Hit], after: list[Hit], floor: int, stop: int):
    """What the sentence above a list says of its items: words that point to the list first, then the last strong cue."""
    inside = [hit for hit in ending_within(before, floor, stop) if hit.start >= floor and hit.value.strength >= SAYS]
    pointing = [hit for hit in inside if _POINTS.search(hit.phrase)]
    if pointing:
        hit = pointing[-1]
        suffered = next((one for one in starting_within(after, hit.end, stop) if one.value.kind == "victim_after"), None)
        return (suffered or hit, SAYS, stop - hit.end)
    if not inside:
        return None
    best = max(inside, key=lambda hit: (hit.end, hit.end - hit.start))
    return best, best.value.strength, stop - best.end


def _last_stop(letter: str, floor: int, stop: int, item: bool) -> int:
    last = floor
    for match in _STOP.finditer(letter[floor:stop]):
        if item and match.group().startswith("\n"):
            continue
        last = floor + match.start() + 1
    return last


@lru_cache(maxsize=8_192)
def _is_item(text: str) -> bool:
    """Whether a line begins with an address, as the items of a list do."""
    found = find_addresses(text)
    return bool(found) and BULLET.match(text[: found[0].start]) is not None


def _lead_in(lines: list[Line], line: Line, floor: int) -> int:
    """Where the sentence begins that a list or a wrapped line belongs to: the last line above that is no item, one blank line allowed."""
    for number in range(line.number - 2, max(-1, line.number - 300), -1):
        above = lines[number]
        if above.zone not in READ_ZONES:
            break
        if not above.text.strip():
            continue
        if _is_item(above.text[:200]):
            continue
        return max(_paragraph_start(lines, above), above.end - 3 * REACH)
    return line.start


def _paragraph_start(lines: list[Line], line: Line) -> int:
    """Where the paragraph of a line begins."""
    number = line.number - 1
    while number > 0 and lines[number - 1].text.strip() and lines[number - 1].zone in READ_ZONES and line.number - number < 6:
        number -= 1
    return lines[number].start


def _after(mention: Mention, letter: str, after: list[Hit], others: list[Mention]):
    """The nearest cue behind: (hit, strength, distance)."""
    end = mention.found.end
    fence = min((other.found.start for other in others if other.found.start >= end), default=len(letter))
    window = letter[end : end + REACH_AFTER]
    stop = _STOP.search(window)
    limit = min(fence, end + (stop.start() + 1 if stop else len(window)))
    best = None
    for hit in starting_within(after, end, limit):
        if best is None or (hit.start, -(hit.end - hit.start)) < (best.start, -(best.end - best.start)):
            best = hit
    return (best, best.value.strength, best.start - end) if best is not None else None


def _struck(letter: str, before: list[Hit], left, right):
    """What befalls the reader's own: ``an attack on your customer A``, ``your customer A is being attacked``. Else None.

    ``your`` says whose A is, not what it did; a word of suffering on the other side of it says that.
    """
    if left is None or ROLES[left[0].value.kind] is not Role.ACCUSED or not _YOUR_LIST.search(left[0].phrase):
        return None
    if right is not None and right[1] >= SAYS and right[2] <= 12 and ROLES[right[0].value.kind] is Role.VICTIM:
        words = right[0].phrase.replace("(", " ").split()
        return None if _OTHERWISE.intersection(words) else right  # None: "(our ticket 7)"
    start = left[0].start
    for hit in ending_within(before, max(0, start - 3), start + 1):
        strikes = hit.value.kind == "victim_before" and hit.value.strength >= SAYS and hit.end <= start
        if strikes and not _COMPLAINING.search(letter[max(0, hit.start - 20) : hit.start]):
            return (hit, SAYS, left[2])
    return None


def _better(left, right):
    if left is None or right is None:
        return left or right
    if ROLES[left[0].value.kind] is ROLES[right[0].value.kind]:
        return max(left, right, key=lambda one: one[1])
    if left[1] >= SAYS and left[2] <= 3:
        return left
    if left[1] == LIKELY and left[2] <= 1 and ROLES[left[0].value.kind] is not Role.ACCUSED and right[2] > 3:
        return left
    if right[1] >= SAYS and (right[2] <= 3 or left[1] < SAYS):
        return right
    return left
