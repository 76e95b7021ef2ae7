# ruff: noqa: E501 - patterns and lists of words read better whole
"""Every place where an address stands in a letter, and what stands around it: the cue that speaks for its role."""

import ipaddress
from dataclasses import dataclass
from itertools import pairwise

from tipstaff.intake.reading.indicators import Found, find_addresses
from tipstaff.intake.reading.owners import BULLET, POINTS, REACH, YOUR_LIST, by_owner, is_item
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit, ending_within, starting_within
from tipstaff.intake.reading.roles import DIRECTED, LIKELY, POSSESSIVE, READ_ZONES, ROLES, SAYS, Role
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.tables import PLAIN_PORTS, SOURCE_PORTS, cell_of, port_in_row, port_number

REACH_AFTER = 45  # and one behind it
MAX_MENTIONS = 3_000

_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[;]\s|[.!?]\n")
LIST_GAP = pattern(
    r"(?i)^[\s,;/&|()•*·–\-\[\]'\"`]*(?::\d{1,5})?[\s,;/&|()•*·–\-\[\]'\"`]*(?:(?:for|für|pour|voor|para|per|dla|para o|для)\s(?:the\s)?ipv[46]\s)?(?:and|und|et|y|e|en|i|и|и также|oraz|as well as|sowie|ainsi que|和|与|及|と|、|or)?[\s,;/&|()•*·–\-\[\]'\"、,:]*$"
)
_RANGE = pattern(
    r"(?i)^[ \t]{0,2}(?:-|–|—|bis|through|thru|t/m|tot en met|t\.e\.m\.|~|～|\.\.\.?)[ \t]{0,2}$"
)  # on one line: a dash that begins a line is a bullet
#: What stands before the number of a version, or of a program: it is no address.
_VERSION = pattern(
    r"(?i)(?:\b(?:versi(?:on|ón|one|e|ja|ão)|ver\.|build|release|rev(?:ision)?\.?|firmware|patch ?level|kernel|asterisk|freepbx|mailgate|tomcat|postfix|exim|sendmail|wazuh|ossec|"
    r"suricata|snort|openssl|chrome|firefox|outlook|thunderbird|wordpress|wp|prestashop|joomla|typo3|routeros|drupal|nginx|apache|iis|ossim|splunk|fortios|pfsense|opnsense|routeros|acrobat|clamav|amavis|rspamd|spamassassin)(?: agent| server)?|\bv\.?|版本|バージョン|версия)\s?[:=#/]?\s?$"
)
_TELLS = pattern(
    r"log|journa|regist|protokoll|dziennik|логах|журнал|日志|ログ"
)  # "the log shows": whose log it is says nothing of the address
_PORT = pattern(r"^\s?:\s?(\d{1,5})(?:[^\d:.]|[:.](?:\D|$)|$)")
#: "a complaint against your customer": what is against them here does not strike them.
_COMPLAINING = pattern(
    r"(?i)(?:complain\pL*|compl[aá]i?nts?|reports?|claims?|notices?|actions?|measures?|steps?|evidence|proceedings|case|abuse|"
    r"beschwerde\pL*|anzeige\pL*|ma(?:ß|ss)nahmen|plainte|queja|denuncia|reclamo|segnalazione|klacht|skarg\pL*|жалоб\pL*)\W{1,3}$"
)
_OF_HEADERS = pattern(r"(?i)^\W{0,2}received[\s:-]{1,2}(?:header|line|chain|field)")  # ``(per Received header)`` strikes nobody
_LOOK = pattern(
    r"(?i)\b(?:see|per|cf\.?|siehe|laut|voir|ver|vedi|vedere|zie|zob\.?|patrz|veja|см\.?)[\s:\"']{1,3}$"
)  # ``from A, see Received``
_OTHERWISE = POSSESSIVE | {"us", "received", "receiving"}
_FIELDS = pattern(r"[ \t,;|]{1,3}\"")
MOST_WORDS = 6  # of a name in brackets: ``(our mail server in Paris)``; what goes on says something else


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
    found = _without_ranges(letter, found)
    own_words = [mention for mention in found if mention.line.zone is not Zone.QUOTED]
    if all(mention.line.zone is Zone.CLOSING and not is_item(mention.line.text) for mention in own_words):
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
    if _is_field(letter, start, end):
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
    by_owner(mention, letter)
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


def _is_field(letter: str, start: int, end: int) -> bool:
    """``"SMTPD" "2026-11-20 08:41:33" "ADDRESS" "RECEIVED: …"``: a field of a log among others, of which no sentence speaks."""
    return letter[start - 1 : start] == letter[end : end + 1] == '"' and _FIELDS.match(letter[end + 1 : end + 5]) is not None


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
        pointing = [hit for hit in ending_within(before, floor, stop) if hit.value.strength >= SAYS and POINTS.search(hit.phrase)]
        if pointing:
            return _from_lead_in(before, after, pointing[-1].start, stop)
    floor = _last_stop(letter, floor, stop, bool(BULLET.match(lead)))
    if stop == line.start and floor < stop:
        return _from_lead_in(before, after, floor, stop)
    fence = max((other.found.end for other in others if other.found.end <= start), default=0)
    inside = [hit for hit in ending_within(before, max(floor, fence), start) if hit.start >= floor and _reaches(hit, start, letter)]
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


def _reaches(hit: Hit, start: int, letter: str) -> bool:
    """Whether a cue stands near enough: a preposition right before, a hint in the same phrase, a plain statement in the same sentence."""
    distance = start - hit.end
    if hit.value.strength >= SAYS:
        return True
    if hit.phrase in POSSESSIVE:
        return distance <= 45
    if len(hit.phrase) > 4 or not hit.phrase.isalpha() or hit.phrase >= "\u0e00":
        return distance <= 25
    return distance <= 12 and ":" not in letter[hit.end : start].lstrip()[1:]  # ``added to the list: ADDRESS``


def _is_plain_noun(hit: Hit) -> bool:
    """``IP``, ``host``, ``Adresse``: names the thing without saying whose it is."""
    return (
        hit.value.strength < SAYS
        and hit.phrase not in DIRECTED
        and hit.phrase not in POSSESSIVE
        and not _TELLS.search(hit.phrase)
        and ROLES[hit.value.kind] is Role.ACCUSED
    )


def _from_lead_in(before: list[Hit], after: list[Hit], floor: int, stop: int):
    """What the sentence above a list says of its items: words that point to the list first, then the last strong cue."""
    inside = [hit for hit in ending_within(before, floor, stop) if hit.start >= floor and hit.value.strength >= SAYS]
    pointing = [hit for hit in inside if POINTS.search(hit.phrase)]
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


def _lead_in(lines: list[Line], line: Line, floor: int) -> int:
    """Where the sentence begins that a list or a wrapped line belongs to: the last line above that is no item, one blank line allowed."""
    for number in range(line.number - 2, max(-1, line.number - 300), -1):
        above = lines[number]
        if above.zone not in READ_ZONES:
            break
        if not above.text.strip():
            continue
        if is_item(above.text[:200]):
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
        if hit.phrase[0] == "(" and hit.value.kind == "victim_after" and _goes_on(letter, hit.start):
            continue
        if _OF_HEADERS.match(letter[hit.start : hit.end + 12]) or (
            hit.phrase == "received" and _LOOK.search(letter[max(0, hit.start - 16) : hit.start])
        ):
            continue
        if best is None or (hit.start, -(hit.end - hit.start)) < (best.start, -(best.end - best.start)):
            best = hit
    return (best, best.value.strength, best.start - end) if best is not None else None


def _goes_on(letter: str, start: int) -> bool:
    """Whether brackets hold more than a name: ``(my web designer says that it is a scraper)``."""
    return len(letter[start : start + 120].partition(")")[0].split()) > MOST_WORDS


def _struck(letter: str, before: list[Hit], left, right):
    """What befalls the reader's own: ``an attack on your customer A``, ``your customer A is being attacked``. Else None.

    ``your`` says whose A is, not what it did; a word of suffering on the other side of it says that.
    """
    if left is None or ROLES[left[0].value.kind] is not Role.ACCUSED or not YOUR_LIST.search(left[0].phrase):
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
