"""Who is accused in a letter, and who is only named: the victim, the reporter's own machines, resolvers, footers.

Every address in the letter is a mention (``mentions``): what stands around it speaks for a role. Logs speak by their own grammar
(``loglines``). Where the text does not decide, nobody is accused and the candidates are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tipstaff.intake.reading.exculpation import weigh_cleared
from tipstaff.intake.reading.fronts import UNSURE, without_fronts
from tipstaff.intake.reading.indicators import find_addresses
from tipstaff.intake.reading.loglines import LogLine, read_log_line, time_of
from tipstaff.intake.reading.mentions import LIST_GAP, Mention, is_possible, mentions_of, weigh
from tipstaff.intake.reading.owners import by_ordinal
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit
from tipstaff.intake.reading.received import within
from tipstaff.intake.reading.remarks import without_excused
from tipstaff.intake.reading.roles import HINT, LIKELY, ROLES, SAYS, Role, longest
from tipstaff.intake.reading.rows import rows_of
from tipstaff.intake.reading.sections import Line, Zone
from tipstaff.intake.reading.settled import weigh_settled
from tipstaff.intake.reading.struck import weigh_actives, weigh_passives, weigh_past
from tipstaff.intake.reading.tables import columns_of

_POLISH = "łżęąśź"  # letters of no other language that is read
MIN_POLISH = 4
MIN_ALIKE = 3  # lines that look alike


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


def accuse(
    letter: str, lines: list[Line], hits: list[Hit], *, zone: str | None, reference, own: tuple[str, ...] = ()
) -> Accusation:
    """Reads a letter (with its lines and the cues found in it) into an Accusation. ``own``: our networks, where known."""
    outcome = Accusation()
    outcome.logs = without_excused(_logs(lines, zone, reference))
    cues = longest([hit for hit in hits if hit.value.kind in ROLES])
    if sum(letter.count(c) for c in _POLISH) >= MIN_POLISH:
        cues = [hit for hit in cues if hit.phrase != "to"]  # there it is ``this``
    outcome.mentions = mentions_of(letter, lines)
    before = sorted(
        (hit for hit in cues if hit.value.kind.endswith("_before") or hit.value.kind == "neutral"), key=lambda hit: hit.end
    )
    after = sorted((hit for hit in cues if hit.value.kind.endswith("_after")), key=lambda hit: hit.start)
    columns = columns_of(lines, cues)
    previous: Mention | None = None
    for index, mention in enumerate(outcome.mentions):
        weigh(mention, letter, lines, before, after, columns, outcome.mentions[max(0, index - 3) : index + 4], previous)
        previous = mention
    _enumerate_backwards(letter, outcome.mentions)
    weigh_passives(letter, outcome.mentions)
    weigh_actives(letter, outcome.mentions)
    weigh_past(letter, outcome.mentions)
    by_ordinal(letter, outcome.mentions)
    weigh_cleared(letter, outcome.mentions)
    weigh_settled(letter, outcome.mentions)
    _decide(letter, lines, outcome, own)
    return outcome


def _logs(lines: list[Line], zone: str | None, reference) -> list[tuple[Line, LogLine]]:
    found = []
    for line in lines:
        if not line.may_log or line.zone in (Zone.HEADERS, Zone.FORWARD, Zone.WHOIS, Zone.TRACE):
            continue
        entry = read_log_line(line.text.lstrip("> "), zone=zone, reference=reference)
        if entry is not None:
            line.zone = Zone.LOG
            found.append((line, entry))
            if len(found) >= 5_000:
                break
    for line, entry in rows_of(lines, zone, reference):
        line.zone = Zone.LOG
        found.append((line, entry))
    for line, entry in _alike(lines, zone, reference):
        line.zone = Zone.LOG
        found.append((line, entry))
    found.sort(key=lambda pair: pair[0].number)
    return found


def _alike(lines: list[Line], zone: str | None, reference) -> Iterator[tuple[Line, LogLine]]:
    """Lines that no program's grammar explains, one after the other, each with a time in front and one address: who came when.

    Only where they name several addresses: the one address that stands in every line may be the reporter's own machine.
    """
    if sum([line.may_log for line in lines]) < MIN_ALIKE:
        return
    run: list[tuple[Line, LogLine]] = []
    for line in [*lines, None]:
        entry = _timed(line, zone, reference) if line is not None and line.may_log and line.zone is Zone.BODY else None
        if line is not None and entry is not None:
            run.append((line, entry))
            continue
        if len({entry.src for _, entry in run}) > 1 and len(run) >= MIN_ALIKE:
            yield from run
        if line is None or line.text.strip():
            run = []


def _timed(line: Line, zone: str | None, reference) -> LogLine | None:
    if ":" not in line.text[:40]:
        return None
    text = line.text.lstrip("> ")
    if len(text) > 400 or (not text[:1].isdigit() and text[:1] != "[" and not text[:3].isalpha()):
        return None
    addresses = find_addresses(text)
    if len(addresses) != 1 or not is_possible(addresses[0].value) or not _CLOCK.search(text[: addresses[0].start]):
        return None
    moment = time_of(text, zone, reference)
    return LogLine(addresses[0].value, None, None, None, moment, "row") if moment is not None else None


_CLOCK = pattern(r"\d{1,2}:\d{2}(?::\d{2})?")


def _decide(letter: str, lines: list[Line], outcome: Accusation, own: tuple[str, ...]) -> None:
    weight: dict[str, dict[Role, int]] = {}
    for mention in outcome.mentions:
        if mention.line.zone is Zone.LOG:
            continue
        roles = weight.setdefault(mention.ip, {})
        if mention.role is not None:
            roles[mention.role] = max(roles.get(mention.role, 0), mention.strength)
    outcome.logs, unsure = without_fronts(lines, outcome.logs, outcome.mentions, weight, letter)
    sources, targets = _log_sides(outcome.logs)
    says = {ip for ip, roles in weight.items() if _leads(roles, Role.ACCUSED) >= SAYS and ip not in targets - sources}
    torn = {ip for ip, roles in weight.items() if roles.get(Role.ACCUSED, 0) >= SAYS and ip not in says}
    named = {
        ip for ip, roles in weight.items() if max(roles.get(Role.VICTIM, 0), roles.get(Role.OTHER, 0)) > roles.get(Role.ACCUSED, 0)
    }
    outcome.victims = sorted((named | targets) - sources - says) + sorted(named & sources - says)
    from_logs = {ip for ip in sources if ip not in named or _is_hardly_struck(weight[ip])}  # a bare ``to`` is outweighed by the log
    unresolved = {
        ip
        for ip, roles in weight.items()
        if ip not in named and not roles.get(Role.ACCUSED) and Role.NEUTRAL not in roles and ip not in targets
    }
    neutral = {ip for ip, roles in weight.items() if Role.NEUTRAL in roles and not roles.get(Role.ACCUSED)}
    likely = {ip for ip, roles in weight.items() if ip not in named and roles.get(Role.ACCUSED) and ip not in targets - sources}
    pointed = {mention.ip for mention in outcome.mentions if mention.points}
    accused, outcome.strength, outcome.why = _choose(says, torn, from_logs, likely, weight, unresolved, neutral, pointed)
    if unsure:
        accused, outcome.strength, outcome.why = set(), 0, UNSURE
    if accused and all(map(is_private, accused)):
        outcome.why = "only addresses of private networks are named"
    accused = {ip for ip in accused if not is_private(ip)}  # nobody outside can be reached at a private address
    accused, outcome.why = _ours(accused, says | from_logs | likely | unresolved | torn, set(weight), own, outcome.why)
    order = [mention.ip for mention in outcome.mentions] + [entry.src for _, entry in outcome.logs]
    outcome.accused = [ip for ip in dict.fromkeys(order) if ip in accused]
    outcome.candidates = [ip for ip in dict.fromkeys(order) if ip not in outcome.victims]


def _is_hardly_struck(roles: dict[Role, int]) -> bool:
    return roles.get(Role.OTHER, 0) == 0 and roles.get(Role.VICTIM, 0) < SAYS


def is_private(ip: str) -> bool:
    return ip.startswith(("10.", "192.168.", "fc", "fd", "100.64.")) or (ip.startswith("172.") and 16 <= int(ip.split(".")[1]) < 32)


def _leads(roles: dict[Role, int], role: Role) -> int:
    against = max(roles.get(Role.VICTIM, 0), roles.get(Role.OTHER, 0))
    return roles.get(role, 0) if roles.get(role, 0) > against else 0


def _log_sides(logs: list[tuple[Line, LogLine]]) -> tuple[set[str], set[str]]:
    """Addresses that came, and addresses that they came to. Where a flow log shows both ways, who came first came."""
    attackers = {entry.src for _, entry in logs if entry.attack and not entry.good}
    senders = {entry.src for _, entry in logs if entry.kind == "mail" and not entry.good}
    if not attackers and len(senders) > 1:  # a mail log names everybody who came, honest or not
        logs = [pair for pair in logs if pair[1].kind != "mail"]
    sources: dict[str, None] = {}
    targets: dict[str, None] = {}
    for _, entry in logs:
        if entry.good or not is_possible(entry.src):
            continue
        if attackers and entry.src not in attackers:  # beside lines that show an attack, others show something else
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


def _ours(accused: set[str], possible: set[str], named: set[str], own: tuple[str, ...], why: str) -> tuple[set[str], str]:
    """Our own networks, where known, tell the accused from others: a complaint to us is about one of ours."""
    if not own:
        return accused, why
    inside = {ip for ip in accused if within(ip, own)}
    if inside:
        return inside, why
    if not accused:
        inside = {ip for ip in possible if within(ip, own)}
        if len(inside) == 1:
            return inside, ""
    elif any(within(ip, own) for ip in named):
        return set(), "the letter accuses an address outside our networks and names one inside"
    return accused, why


def _enumerate_backwards(letter: str, mentions: list[Mention]) -> None:
    """``A and B are attacking us``: what is said behind the last one holds for those before it."""
    for mention, following in zip(reversed(mentions[:-1]), reversed(mentions[1:]), strict=True):
        gap = letter[mention.found.end : following.found.start]
        if mention.role is None and following.role is not None and "\n" not in gap and LIST_GAP.match(gap):
            mention.role, mention.strength, mention.cue = following.role, following.strength, following.cue
            mention.points, mention.inherited, mention.said_at = following.points, True, following.said_at
