"""Who is accused in a letter, and who is only named: the victim, the reporter's own machines, resolvers, footers.

Every address that stands in the letter is a mention. What stands around it in the same sentence, line, table column or list speaks for a
role; logs speak by their own grammar (``loglines``). Where the text does not decide, nobody is accused and the candidates are kept.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from tipstaff.intake.reading.indicators import Found, find_addresses
from tipstaff.intake.reading.loglines import LogLine, read_log_line
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit, ending_within, starting_within
from tipstaff.intake.reading.sections import Line, Zone

MAX_MENTIONS = 3_000   # addresses of one letter that are weighed
REACH = 90          # characters that a cue before an address reaches
REACH_AFTER = 45    # and one behind it
MAX_MENTIONS = 3_000
HINT, LIKELY, SAYS = 1, 2, 3


class Role(StrEnum):
    """What an address is to the letter."""

    ACCUSED = "accused"
    VICTIM = "victim"
    OTHER = "other"
    NEUTRAL = "neutral"


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
    service_port: int | None = None   # from a column that says only "port"
    points: bool = False   # the cue gives a direction, or labels the address; a bare "the address" does not

    @property
    def ip(self) -> str:
        return self.found.value


@dataclass
class Accusation:
    """The outcome: ``accused`` in reading order; ``why`` says where nobody could be singled out."""

    accused: list[str] = field(default_factory=list)
    victims: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    strength: int = 0
    why: str = ""
    mentions: list[Mention] = field(default_factory=list)
    logs: list[tuple[Line, LogLine]] = field(default_factory=list)


_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[;]\s|[.!?]\n")
_LIST_GAP = pattern(r"(?i)^[\s,;/&|()•*·–\-\[\]'\"`]*(?::\d{1,5})?[\s,;/&|()•*·–\-\[\]'\"`]*(?:and|und|et|y|e|en|i|и|и также|oraz|as well as|sowie|ainsi que|和|与|及|と|、|or)?[\s,;/&|()•*·–\-\[\]'\"、,:]*$")
_PORT = pattern(r"^:(\d{1,5})(?:[^\d:.]|[:.](?:\D|$)|$)")
_BULLET = pattern(r"^[\s>*•·\-–|#\d.)(\[\"'`]{0,12}$")
_POINTS = pattern(r"(?i)following|these|listed below|folgend|suivant|siguient|seguent|volgende|następuj|poniższ|seguintes|следующ|以下|下列|下記")
_DIRECTED = frozenset("from by von vom durch seitens depuis par desde por da dal dalla van door uit z przez de do por pelo с со от 由".split())
_POSSESSIVE = frozenset(
    "our my your yours unser unsere unserem unseren unserer unseres mein meine meinem meinen meiner ihr ihre ihrem ihren ihrer ihres notre nos votre vos mon ma mes nuestro nuestra nuestros nuestras vuestro vuestra "
    "nostro nostra nostri nostre vostro vostra vostri vostre mio mia onze ons mijn uw jullie nasz nasza nasze naszego naszej naszym państwa wasz wasza wasze waszego waszej waszym nosso nossa nossos nossas "
    "vosso vossa meu minha seu sua наш наша наше нашего нашей нашем наши ваш ваша ваше вашего вашей вашем ваши вашу нашу мой моя моего моей".split()
)
_KINDS = {
    "accused_before": Role.ACCUSED, "accused_after": Role.ACCUSED, "victim_before": Role.VICTIM, "victim_after": Role.VICTIM,
    "other_before": Role.OTHER, "other_after": Role.OTHER, "neutral": Role.NEUTRAL,
}
_READ = frozenset((Zone.BODY, Zone.CLOSING, Zone.LOG, Zone.QUOTED))


def accuse(letter: str, lines: list[Line], hits: list[Hit], *, zone: str | None, reference, own: tuple[str, ...] = ()) -> Accusation:
    """Reads a letter (with its lines and the cues found in it) into an Accusation. ``own``: our networks, where known."""
    outcome = Accusation()
    outcome.logs = _logs(lines, zone, reference)
    cues = _longest([hit for hit in hits if hit.value.kind in _KINDS])
    outcome.mentions = _mentions(letter, lines)
    before = sorted((hit for hit in cues if hit.value.kind.endswith("_before") or hit.value.kind == "neutral"), key=lambda hit: hit.end)
    after = sorted((hit for hit in cues if hit.value.kind.endswith("_after")), key=lambda hit: hit.start)
    columns = _columns(lines, cues)
    previous: Mention | None = None
    for index, mention in enumerate(outcome.mentions):
        _weigh(mention, letter, lines, before, after, columns, outcome.mentions[max(0, index - 3):index + 4], previous)
        previous = mention
    _enumerate_backwards(letter, outcome.mentions)
    _decide(outcome, own)
    return outcome


def _enumerate_backwards(letter: str, mentions: list[Mention]) -> None:
    """``A and B are attacking us``: what is said behind the last one holds for those before it."""
    for mention, following in zip(reversed(mentions[:-1]), reversed(mentions[1:]), strict=True):
        gap = letter[mention.found.end:following.found.start]
        if mention.role is None and following.role is not None and "\n" not in gap and _LIST_GAP.match(gap):
            mention.role, mention.strength, mention.cue = following.role, following.strength, following.cue
            mention.points, mention.inherited = following.points, True


def _logs(lines: list[Line], zone: str | None, reference) -> list[tuple[Line, LogLine]]:
    found = []
    for line in lines:
        if line.zone in (Zone.HEADERS, Zone.FORWARD, Zone.WHOIS, Zone.TRACE) or len(line.text) < 12:
            continue
        entry = read_log_line(line.text.lstrip("> "), zone=zone, reference=reference)
        if entry is not None:
            line.zone = Zone.LOG
            found.append((line, entry))
            if len(found) >= 5_000:
                break
    return found


def _mentions(letter: str, lines: list[Line]) -> list[Mention]:
    found, at = [], 0
    for hit in find_addresses(letter):
        if not is_possible(hit.value):
            continue
        while at < len(lines) - 1 and lines[at].end < hit.start:
            at += 1
        line = lines[at]
        if line.zone in _READ and not _inside_url(letter, hit):
            port = _PORT.match(letter[hit.end:hit.end + 8].replace("]", "", 1))
            found.append(Mention(hit, line, port=_port(port.group(1)) if port else None))
            if len(found) >= MAX_MENTIONS:
                break
            if len(found) >= MAX_MENTIONS:
                break
    own_words = [mention for mention in found if mention.line.zone is not Zone.QUOTED]
    return own_words or found


def _inside_url(letter: str, hit: Found) -> bool:
    """Whether the address stands in a link's query or path (a look-up page), not as its host."""
    start = max(letter.rfind(" ", 0, hit.start), letter.rfind("\n", 0, hit.start), letter.rfind("<", 0, hit.start)) + 1
    return "://" in letter[start:hit.start] or letter[start:start + 4].lower() == "hxxp"


def is_possible(ip: str) -> bool:
    """Whether a host on a network can have the address at all: not loopback, multicast, unspecified or broadcast."""
    address = ipaddress.ip_address(ip)
    return not (address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local or ip.startswith(("0.", "255.")))


def _port(text: str) -> int | None:
    return int(text) if 0 < int(text) < 65_536 else None


def _longest(hits: list[Hit]) -> list[Hit]:
    """Without the cues that lie inside a longer one (``to`` inside ``resolves to``)."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if not any(other.end >= hit.end and (other.end - other.start) > (hit.end - hit.start) for other in kept[-6:]):
            kept.append(hit)
    return kept


def _columns(lines: list[Line], cues: list[Hit]) -> dict[int, list[tuple[int, int, Role, int, str]]]:
    """For each line of a table: the cells of its heading as (start, end, role, strength, words), by column of characters or by index."""
    tables: dict[int, list] = {}
    heading: list | None = None
    style = ""
    for line in lines:
        if not line.text.strip() or line.zone not in _READ:
            if line.text.strip():
                heading = None
            elif heading is not None and tables and line.number - 1 in tables:
                heading = None
            continue
        if any(c.isdigit() for c in line.text) and heading is not None and find_addresses(line.text[:400]):
            if style != "columns" and line.text.count(style) < 1:
                heading = None
                continue
            tables[line.number] = heading
            continue
        roles = _heading(line, cues)
        if roles is not None:
            heading, style = roles
        elif line.text.strip(" |+-=\t"):
            heading = None
    return tables


def _heading(line: Line, cues: list[Hit]):
    text = line.text
    if len(text) > 300 or text.rstrip().endswith((".", ":", "!", "?")) or find_addresses(text):
        return None
    style = next((mark for mark in ("|", "\t", ";", ",") if text.count(mark) >= 1), "columns")
    inside = [hit for hit in cues if line.start <= hit.start and hit.end <= line.end and hit.value.kind.endswith("_before")]
    cells = _cells(text, style) if style != "columns" else _named_cells(text, [(hit.start - line.start, hit.end - line.start) for hit in inside])
    if len(cells) < 2 or (style == "columns" and not _is_heading(text, cells, inside, line.start)):
        return None
    named = []
    for number, (start, end) in enumerate(cells):
        words = text[start:end].strip()
        own = [hit for hit in inside if line.start + start <= hit.start and hit.end <= line.start + end]
        best = max(own, key=lambda hit: (hit.end - hit.start, hit.value.strength), default=None)
        covers = best is not None and (best.end - best.start) >= 0.5 * len(words)
        named.append((number if style != "columns" else start, number if style != "columns" else end,
                      _KINDS[best.value.kind] if covers and best else None, best.value.strength if covers and best else 0, words, style))
    return (named, style) if any(cell[2] for cell in named) else None


_COLUMN_NAMES = frozenset(
    "date time timestamp utc gmt cet proto protocol port ports sport dport spt dpt srcport dstport flags bytes packets pkts count attempts hits events ip ips source destination src dst addr addr:port "
    "address asn as country cc host hostname name type service first last seen duration flows tos id no nr # reason user zeit uhrzeit zeitstempel datum anzahl quell-ip ziel-ip quellport zielport protokoll port "
    "heure horodatage date/heure nombre fecha hora puerto puertos data ora porta porte tijd datum tijdstip poort aantal czas data port liczba дата время порт количество 时间 日期 端口 次数 日時 時刻 ポート 件数".split()
)


def _is_heading(text: str, cells: list[tuple[int, int]], inside: list[Hit], start: int) -> bool:
    """Whether a line of words is the heading of a table and no sentence that was wrapped."""
    covered = {(hit.start - start, hit.end - start) for hit in inside}
    known = sum((cell in covered) or text[cell[0]:cell[1]].lower().strip("()[]:.,") in _COLUMN_NAMES for cell in cells)
    return known >= 0.75 * len(cells)


def _named_cells(text: str, names: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The words of a heading whose columns are set by blanks; words that make up a known name belong together."""
    cells: list[tuple[int, int]] = []
    for start, end in _spaced_cells(text):
        whole = next(((first, last) for first, last in names if first <= start and end <= last), (start, end))
        if not cells or whole != cells[-1]:
            cells.append(whole)
    return cells


def _cells(text: str, style: str) -> list[tuple[int, int]]:
    cells, start = [], 0
    for piece in text.split(style):
        cells.append((start, start + len(piece)))
        start += len(piece) + 1
    return cells


def _spaced_cells(text: str) -> list[tuple[int, int]]:
    """The words of a line as (start, end)."""
    cells, start = [], None
    for at, c in enumerate(text + " "):
        if start is None and not c.isspace():
            start = at
        elif start is not None and c.isspace():
            cells.append((start, at))
            start = None
    return cells


def _weigh(mention: Mention, letter, lines, before, after, columns, near: list[Mention], previous: Mention | None) -> None:
    start, end = mention.found.start, mention.found.end
    cell = _cell(mention, columns)
    if cell is not None:
        mention.port = mention.port or _port_in_row(mention, columns[mention.line.number], _SOURCE_PORTS)
        mention.service_port = _port_in_row(mention, columns[mention.line.number], _PLAIN_PORTS)
        if cell[2] is not None:
            mention.role, mention.strength, mention.cue, mention.points = cell[2], max(cell[3], LIKELY), cell[4], True
        return
    others = [other for other in near if other is not mention]
    left = _before(mention, letter, lines, before, after, others)
    right = _after(mention, letter, after, others)
    best = _better(left, right)
    if best is not None:
        hit, strength, _ = best
        mention.role, mention.strength, mention.cue = _KINDS[hit.value.kind], strength, hit.phrase
        mention.points = strength >= SAYS or hit.phrase in _DIRECTED or letter[hit.end:start].strip()[:1] in (":", "=", ":")
    strong_left = left is not None and left[1] >= LIKELY
    if previous is not None and not strong_left and _LIST_GAP.match(letter[previous.found.end:start]) and end - previous.found.end < 120:
        if previous.role is not None and (best is None or best[1] < SAYS or best is right and best[2] > 20):
            mention.role, mention.strength, mention.cue, mention.inherited = previous.role, previous.strength, previous.cue, True
            mention.points = previous.points


def _cell(mention: Mention, columns):
    heading = columns.get(mention.line.number)
    if heading is None:
        return None
    start, end = mention.found.start - mention.line.start, mention.found.end - mention.line.start
    if heading[0][5] != "columns":
        index = mention.line.text[:start].count(heading[0][5])
        return next((cell for cell in heading if cell[0] == index), None)
    over = [(min(end, cell[1]) - max(start, cell[0]), cell) for cell in heading]
    best = max(over, key=lambda pair: pair[0])
    return best[1] if best[0] > -3 else None


_SOURCE_PORTS = frozenset(
    "sport|src port|srcport|src_port|source port|source_port|sourceport|spt|quellport|quell-port|port source|puerto origen|puerto de origen|porta origine|porta sorgente|bronpoort|port źródłowy|porta de origem|"
    "порт источника|源端口|送信元ポート".split("|")
)
_PLAIN_PORTS = frozenset("port|ports|ip port|infringer port|puerto|porta|poort|порт|端口|ポート".split("|"))


def _port_in_row(mention: Mention, heading, names: frozenset[str]) -> int | None:
    """The number in the table's column of that name, on the mention's own row."""
    column = next((cell for cell in heading if cell[4].lower().strip() in names), None)
    if column is None:
        return None
    text, style = mention.line.text, column[5]
    if style != "columns":
        pieces = text.split(style)
        value = pieces[column[0]].strip(" \"'") if column[0] < len(pieces) else ""
    else:
        value = next((text[start:end] for start, end in _spaced_cells(text) if start < column[1] and end > column[0] and text[start:end].isdigit()), "")
    return _port(value) if value.isdigit() and len(value) < 6 else None


def _before(mention: Mention, letter: str, lines: list[Line], before: list[Hit], after: list[Hit], others: list[Mention]):
    """The nearest cue in front: (hit, strength, distance)."""
    start, line = mention.found.start, mention.line
    lead = letter[line.start:start]
    floor = max(0, start - REACH)
    if _BULLET.match(lead):   # an item of a list, or a line that goes on: what stands above speaks
        floor = _lead_in(lines, line, floor)
        stop = line.start
    else:
        stop = start
        if ":" in lead and len(lead) < 45:   # a labelled line speaks for itself
            floor = line.start
    floor = _last_stop(letter, floor, stop, bool(_BULLET.match(lead)))
    if stop == line.start and floor < stop:
        return _from_lead_in(before, after, floor, stop)
    fence = max((other.found.end for other in others if other.found.end <= start), default=0)
    inside = [hit for hit in ending_within(before, max(floor, fence), start) if hit.start >= floor and _reaches(hit, start)]
    best = max(inside, key=lambda hit: (hit.end, hit.end - hit.start), default=None)
    if best is None:
        return None
    if _is_plain_noun(best):   # "target IP", "unserem Server": the word before the noun says whose it is
        close = [hit for hit in inside if best.start - 14 <= hit.end <= best.start and not _is_plain_noun(hit)]
        best = max(close, key=lambda hit: (hit.end, hit.end - hit.start), default=best)
    distance = start - best.end
    strength = best.value.strength - (1 if distance > 45 else 0)
    return (best, strength, distance) if strength > 0 else None


def _reaches(hit: Hit, start: int) -> bool:
    """Whether a cue stands near enough: a preposition right before, a hint in the same phrase, a plain statement in the same sentence."""
    distance = start - hit.end
    if hit.value.strength >= SAYS:
        return True
    return distance <= (12 if len(hit.phrase) <= 4 and hit.phrase.isalpha() and hit.phrase < "\u0e00" and hit.phrase not in _POSSESSIVE else 25)


def _is_plain_noun(hit: Hit) -> bool:
    """``IP``, ``host``, ``Adresse``: names the thing without saying whose it is."""
    return hit.value.strength < SAYS and hit.phrase not in _DIRECTED and hit.phrase not in _POSSESSIVE and _KINDS[hit.value.kind] is Role.ACCUSED


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
    return bool(found) and _BULLET.match(text[:found[0].start]) is not None


def _lead_in(lines: list[Line], line: Line, floor: int) -> int:
    """Where the sentence begins that a list or a wrapped line belongs to: the last line above that is no item, one blank line allowed."""
    for number in range(line.number - 2, max(-1, line.number - 300), -1):
        above = lines[number]
        if above.zone not in _READ:
            break
        if not above.text.strip():
            continue
        if _is_item(above.text[:200]):
            continue
        return max(above.start, above.end - 3 * REACH)
    return line.start


def _after(mention: Mention, letter: str, after: list[Hit], others: list[Mention]):
    """The nearest cue behind: (hit, strength, distance)."""
    end = mention.found.end
    fence = min((other.found.start for other in others if other.found.start >= end), default=len(letter))
    window = letter[end:end + REACH_AFTER]
    stop = _STOP.search(window)
    limit = min(fence, end + (stop.start() + 1 if stop else len(window)))
    best = None
    for hit in starting_within(after, end, limit):
        if best is None or (hit.start, -(hit.end - hit.start)) < (best.start, -(best.end - best.start)):
            best = hit
    return (best, best.value.strength, best.start - end) if best is not None else None


def _better(left, right):
    if left is None or right is None:
        return left or right
    if _KINDS[left[0].value.kind] is _KINDS[right[0].value.kind]:
        return max(left, right, key=lambda one: one[1])
    if left[1] >= SAYS and left[2] <= 3:
        return left
    if left[1] == LIKELY and left[2] <= 1 and _KINDS[left[0].value.kind] is not Role.ACCUSED and right[2] > 3:
        return left
    if right[1] >= SAYS and (right[2] <= 3 or left[1] < SAYS):
        return right
    return left


# ---- who is accused

def _decide(outcome: Accusation, own: tuple[str, ...]) -> None:
    weight: dict[str, dict[Role, int]] = {}
    for mention in outcome.mentions:
        if mention.line.zone is Zone.LOG:
            continue
        roles = weight.setdefault(mention.ip, {})
        if mention.role is not None:
            roles[mention.role] = max(roles.get(mention.role, 0), mention.strength)
    sources, targets = _log_sides(outcome.logs)
    says = {ip for ip, roles in weight.items() if _leads(roles, Role.ACCUSED) >= SAYS and ip not in targets - sources}
    torn = {ip for ip, roles in weight.items() if roles.get(Role.ACCUSED, 0) >= SAYS and ip not in says}
    named = {ip for ip, roles in weight.items() if max(roles.get(Role.VICTIM, 0), roles.get(Role.OTHER, 0)) > roles.get(Role.ACCUSED, 0)}
    outcome.victims = sorted((named | targets) - sources - says) + sorted(named & sources - says)
    from_logs = {ip for ip in sources if ip not in named}
    unresolved = {ip for ip, roles in weight.items() if ip not in named and not roles.get(Role.ACCUSED) and Role.NEUTRAL not in roles and ip not in targets}
    neutral = {ip for ip, roles in weight.items() if Role.NEUTRAL in roles and not roles.get(Role.ACCUSED)}
    likely = {ip for ip, roles in weight.items() if ip not in named and roles.get(Role.ACCUSED) and ip not in targets - sources}
    pointed = {mention.ip for mention in outcome.mentions if mention.points}
    accused, outcome.strength, outcome.why = _choose(says, torn, from_logs, likely, weight, unresolved, neutral, pointed)
    accused, outcome.why = _ours(accused, says | from_logs | likely | unresolved | torn, own, outcome.why)
    order = [mention.ip for mention in outcome.mentions] + [entry.src for _, entry in outcome.logs]
    outcome.accused = [ip for ip in dict.fromkeys(order) if ip in accused]
    outcome.candidates = [ip for ip in dict.fromkeys(order) if ip not in outcome.victims]


def _leads(roles: dict[Role, int], role: Role) -> int:
    against = max(roles.get(Role.VICTIM, 0), roles.get(Role.OTHER, 0))
    return roles.get(role, 0) if roles.get(role, 0) > against else 0


def _log_sides(logs: list[tuple[Line, LogLine]]) -> tuple[set[str], set[str]]:
    """Addresses that came, and addresses that they came to. Where a flow log shows both ways, who came first came."""
    sources: dict[str, None] = {}
    targets: dict[str, None] = {}
    for _, entry in logs:
        if entry.good or not is_possible(entry.src):
            continue
        if entry.src not in targets:
            sources.setdefault(entry.src)
        if entry.dst and entry.dst not in sources:
            targets.setdefault(entry.dst)
    return set(sources), set(targets)


_SEVERAL = "several addresses are named and the letter does not say which one is accused"


def _choose(says, torn, from_logs, likely, weight, unresolved, neutral, pointed) -> tuple[set[str], int, str]:
    if torn and not from_logs:
        return set(), 0, "the letter names the same address both as the source and as the target"
    if says and from_logs:
        both = says & from_logs
        if both:
            return (says if len(says) <= len(both) else both), SAYS, ""
        return set(), 0, "the letter accuses one address and its log shows another"
    if says:
        return says, SAYS, ""
    if from_logs:
        good = from_logs & likely
        return (good or from_logs), SAYS, ""
    sure = {ip for ip in likely if weight[ip][Role.ACCUSED] >= LIKELY}
    if sure:
        best = sure if len(sure) == 1 else sure & pointed
        doubtful = not best or (unresolved and not best <= pointed)
        return (set(), 0, _SEVERAL) if doubtful else (best, LIKELY, "")
    unresolved = unresolved | likely
    if len(unresolved) == 1:
        return unresolved, HINT, ""
    if not unresolved and len(neutral) == 1:
        return neutral, LIKELY, ""
    if unresolved:
        return set(), 0, _SEVERAL
    return set(), 0, ""


def _ours(accused: set[str], possible: set[str], own: tuple[str, ...], why: str) -> tuple[set[str], str]:
    """Our own networks, where known, tell the accused from others: a complaint to us is about one of ours."""
    if not own:
        return accused, why
    from tipstaff.intake.reading.received import within

    inside = {ip for ip in accused if within(ip, own)}
    if inside:
        return inside, why
    if not accused:
        inside = {ip for ip in possible if within(ip, own)}
        if len(inside) == 1:
            return inside, ""
    return accused, why
