# ruff: noqa: E501 - patterns read better whole
"""Machines before the writer's server (CDN, reverse proxy), and for whom they asked: X-Forwarded-For, which any client can write."""

from dataclasses import replace

from tipstaff.intake.reading.loglines import LogLine
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import SAYS, Role
from tipstaff.intake.reading.sections import Line, Zone

UNSURE = "the letter speaks of a proxy or CDN and does not say that the address of its log is one"
_BEFORE, _BEHIND = 60, 60  # characters around an address in which it is named a front

_FRONT = pattern(
    r"(?i)\b(?:cdn|waf|reverse[ -]?proxy|load[ -]?balancer|x-forwarded-for|x-real-ip|connecting-ip|real client|true client)\b"
)
_KIND = r"(?:cdn|(?:reverse[ -]?)?prox(?:y|ies)|load[ -]?balancers?)"
_IS = r"(?:is|are|ist|sind|est|sont|es|son|è|sono|zijn|jest|są|é|são|это|—)"
#: ``our reverse proxy (A)``, ``our WAF is A``. A firewall right before an address may as well have stopped it.
_NAMED_BEFORE = pattern(
    rf"(?i)\b(?:{_KIND}\s?(?:\s{_IS}|\sat|\son|\shas|,)?|waf\s(?:{_IS}|at|on|has))(?:\s(?:the|ip|address))*\s?[(\[]?$"
)
#: ``A is our CDN``, ``A, while the real client is``; not ``A is our CDN's log``.
_NAMED_BEHIND = pattern(
    rf"(?i)^[\s,)\]]{{0,3}}(?:(?:which|that|die|das|qui|que|che|dat)\s)?(?:{_IS}\s(?:(?:only|just|the|our|a|an|ip|address|of|unser\pL{{0,2}}|ein\pL{{0,2}}|der|die|das|notre|un|une|le|nuestr[ao]|el|il|nostr[ao]|onze|een|nasz\pL?|noss[ao]|наш\pL?)\s){{0,5}}|\(?(?:our|the|unser\pL{{0,2}}|notre)\s)(?:{_KIND}|waf)(?:\s(?:and|so|but|und|et|y|e|en|i|и)\s|\s?[.,;:)\n]|\s?$)"
    r"|^(?:\s\([^()\n]{1,30}\))?,?\s(?:while|whereas|but|and)\s(?:the\s)?(?:real|true|actual)\s(?:client|visitor)\b"
)


def without_fronts(
    lines: list[Line], logs: list[tuple[Line, LogLine]], mentions: list[Mention], weight: dict[str, dict[Role, int]], letter: str
) -> tuple[list[tuple[Line, LogLine]], bool]:
    """The rows with whom a front asked for in its place; and whether one may be a front that no word of the letter names so.

    Only the writer's own words say so: what stands in a row of the log was written by whoever sent the request.
    """
    if not any(entry.behind for _, entry in logs):
        return logs, False
    told = any(_FRONT.search(line.text) for line in lines if line.zone is not Zone.LOG)
    against = {ip: roles.get(Role.ACCUSED, 0) for ip, roles in weight.items()}
    others = {ip for ip, roles in weight.items() if roles.get(Role.OTHER, 0) > roles.get(Role.ACCUSED, 0)}
    direct = {entry.src for _, entry in logs if not entry.behind}
    under = _under_rows(lines)
    named = {one.ip for one in mentions if one.line.number not in under and _is_named(letter, one)}
    found, unsure = [], False
    for line, entry in logs:
        if not entry.behind or not (told or entry.src in others | named) or entry.src in direct - others - named:
            found.append((line, entry))
            continue
        said = weight.get(entry.behind, {})
        agrees = said.get(Role.ACCUSED, 0) >= SAYS and not said.get(Role.VICTIM) and not said.get(Role.OTHER)
        charged = against.get(entry.src, 0)
        if (entry.src in named and charged < SAYS and not _is_list(line)) or (agrees and not charged):
            entry = replace(entry, src=entry.behind, sport=None)
        elif entry.src in named or not charged:
            unsure = True
        found.append((line, entry))
    return found, unsure


def _is_named(letter: str, one: Mention) -> bool:
    start, end = one.found.start, one.found.end
    return (
        _NAMED_BEFORE.search(letter[max(one.line.start, start - _BEFORE) : start]) is not None
        or _NAMED_BEHIND.search(letter[end : end + _BEHIND]) is not None
    )


def _under_rows(lines: list[Line]) -> set[int]:
    """Numbers of the lines with a row of a log above them in their paragraph: each may be the rest of one, wrapped."""
    found: set[int] = set()
    under = False
    for line in lines:
        under = line.zone is Zone.LOG or (under and bool(line.text.strip("> \t")))
        if under:
            found.add(line.number)
    return found


_LIST = pattern(r'"[^",]*,[^"]*"\s*$')


def _is_list(line: Line) -> bool:
    """Whether the row names several for whom was asked: the first of them is what the client itself said."""
    return _LIST.search(line.text) is not None
