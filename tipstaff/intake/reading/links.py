# ruff: noqa: SIM905 - patterns and lists of words read better whole
"""Which links of a letter are accused, and which are the reporter's own, the imitated brand's, a policy or a picture."""

import itertools
from dataclasses import dataclass

from tipstaff.intake.reading.indicators import (
    Found,
    find_addresses,
    find_domains,
    find_mailboxes,
    find_urls,
    host_of,
    registered_domain,
)
from tipstaff.intake.reading.owners import NOT_THEIRS
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.phrases import Hit, ending_within, starting_within
from tipstaff.intake.reading.sections import Line, Zone

REACH = 110
MAX_LINKS = 500
#: Kinds of abuse that happen at an address, not at a link: there a plain link is a place that was attacked or read about.
AT_ADDRESS = frozenset(
    (
        "intrusion scan ddos_origin scraping open_relay vulnerable spam spam_support header_forgery compromised c2 "
        "blocklisted ip_misuse network_harm"
    ).split()
)
FREEMAIL = frozenset(
    (
        "gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com yahoo.co.uk yahoo.fr yahoo.de "
        "icloud.com me.com aol.com gmx.de gmx.net gmx.at web.de t-online.de freenet.de posteo.de mailbox.org proton.me "
        "protonmail.com pm.me tutanota.com orange.fr wanadoo.fr free.fr laposte.net sfr.fr libero.it virgilio.it "
        "tiscali.it alice.it wp.pl onet.pl o2.pl interia.pl ziggo.nl kpnmail.nl planet.nl xs4all.nl mail.ru yandex.ru "
        "yandex.com rambler.ru bk.ru qq.com 163.com 126.com sina.com foxmail.com docomo.ne.jp yahoo.co.jp uol.com.br "
        "bol.com.br terra.com.br sapo.pt telefonica.net zoho.com fastmail.com hey.com"
    ).split()
)
_PICTURE = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".css", ".webp")
#: Well-known places that reports point to as evidence or advice.
_REFERENCES = frozenset(
    (
        "virustotal.com urlscan.io abuseipdb.com spamhaus.org wikipedia.org cisa.gov nist.gov mitre.org first.org "
        "icann.org ripe.net arin.net apnic.net lacnic.net afrinic.net iana.org ietf.org rfc-editor.org shodan.io "
        "censys.io talosintelligence.com openpgp.org gnupg.org w3.org schema.org youtube.com twitter.com x.com "
        "facebook.com linkedin.com instagram.com github.com shadowserver.org blocklist.de antiphishing.org google.com "
        "microsoft.com apple.com mozilla.org copyright.gov wipo.int uspto.gov euipo.europa.eu fail2ban.org imgur.com "
        "prnt.sc archive.org web.archive.org bsi.bund.de team-cymru.com openresolver.com"
    ).split()
)
_DEFANGED = pattern(r"(?i)^h(?:xx|\*\*|tx|xt|__)p|\[\.|\.\]|\(\.\)|\[:|\[dot\]|\(dot\)|\{\.\}|^fxp")
#: Words that say so only right before the link.
_LOOSE = frozenset(
    [
        "against",
        "targeting",
        "attack on",
        "attacks on",
        "contra",
        "contre",
        "contro",
        "gegen",
        "brand",
        "see",
        "info",
        "reference",
        "contact",
        "web",
        "www",
        "original",
        "image",
        "ticket",
        "feedback",
        "survey",
        "evidence",
        "at",
        "page",
        "malware",
    ]
)
#: What a false site does to a true one; the name of the true one follows at once, the link below is the false one's.
_IMITATES = pattern(r"imit|imper|identit|posing as|pretending|usurp|spoof|mimick|nachahm|nachgeahmt|suplant|spaccia|podszy|fingi")
_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[.!?]\n")


@dataclass(slots=True)
class Link:
    """A URL or a bare domain in the letter; ``verdict`` is 'accused', 'other' or 'unknown', ``why`` the cue that decided."""

    value: str
    host: str
    found: Found
    line: Line
    is_domain: bool
    defanged: bool
    verdict: str = "unknown"
    why: str = ""


def judge_links(
    letter: str,
    lines: list[Line],
    hits: list[Hit],
    *,
    reporter_domains: frozenset[str],
    subject: str = "",
    accused: list[str] | None = None,
    sample: bool = False,
) -> list[Link]:
    """Every link in the letter with a verdict; links in pasted headers, logs and signatures are left out unless they are defanged.

    A link that the subject names too, or that an accused address stands right behind, is accused whatever else is linked.
    ``sample``: where the letter itself links nothing, the one site of the forwarded mail is meant.
    """
    before = sorted((hit for hit in hits if hit.value.kind in ("url_accused_before", "url_other_before")), key=lambda hit: hit.end)
    after = [hit for hit in hits if hit.value.kind == "url_other_after"]
    links = _links(letter, lines)
    if sample and not links:
        return _of_sample(letter, lines, reporter_domains)
    for index, link in enumerate(links):
        _judge(link, letter, links[max(0, index - 2) : index + 3], before, after, reporter_domains)
    _inherit(letter, links)
    singled = [
        link
        for link in links
        if link.why not in _NEVER and not _IMITATES.search(link.why) and _is_singled_out(link, letter, subject, accused or [])
    ]
    for link in links if singled else ():
        known = link in singled or link.host in {one.host for one in singled} or (link.defanged and link.verdict == "accused")
        link.verdict, link.why = ("accused", "named in the subject or with the accused address") if known else ("other", link.why)
    if any(link.defanged and link.verdict != "other" for link in links):  # a reporter who defangs what is bad leaves what is good
        for link in links:
            if not link.defanged:
                link.verdict, link.why = "other", link.why or "not defanged, unlike others"
    return links


HOSTED = "it says that the reader hosts it"


def _of_sample(letter: str, lines: list[Line], reporter_domains: frozenset[str]) -> list[Link]:
    """The links of the offending mail: accused where they all lead to one site."""
    links = [link for link in _links(letter, lines, sample=True) if not link.is_domain]
    sites = {site_of(link.host) for link in links}
    if len(sites) == 1 and not sites & (reporter_domains | _REFERENCES):
        for link in links:
            link.verdict, link.why = "accused", "the one site that the forwarded mail leads to"
    return links


PICTURE = "a picture"  # a link that shows what a mail or page looks like
_NEVER = frozenset(("the reporter's own", "a well-known reference"))


def _is_singled_out(link: Link, letter: str, subject: str, accused: list[str]) -> bool:
    if link.value in {found.value for found in find_urls(subject)} or (
        link.is_domain and link.value in {found.value for found in find_domains(subject)}
    ):
        return link.verdict != "other"
    behind = letter[link.found.end : link.found.end + 60].split("\n")[0].lstrip(" \t:-,")
    return (
        behind[:1] in ("[", "(")
        and not NOT_THEIRS.search(behind)
        and any(found.start < 8 and found.value in accused for found in find_addresses(behind))
    )


def site_of(host: str) -> str:
    """The name under the public suffix; the last two labels where the suffix is not a public one."""
    return registered_domain(host) or ".".join(host.split(".")[-2:])


def _links(letter: str, lines: list[Line], *, sample: bool = False) -> list[Link]:
    links, at = [], 0
    mailboxes = {(box.start, box.end) for box in find_mailboxes(letter)}
    for found, is_domain in sorted(
        [(f, False) for f in find_urls(letter)] + [(f, True) for f in find_domains(letter)], key=lambda pair: pair[0].start
    ):
        while at < len(lines) - 1 and lines[at].end < found.start:
            at += 1
        defanged = bool(_DEFANGED.search(found.as_written))
        if not (_is_read(lines[at], defanged) or (sample and lines[at].zone is Zone.SAMPLE)) or any(
            start <= found.start < end for start, end in mailboxes
        ):
            continue
        host = found.value if is_domain else (host_of(found.value) or "")
        if is_domain and ((not defanged and found.value in _REFERENCES) or _is_name_of_address(letter, found)):
            continue
        links.append(Link(found.value, host, found, lines[at], is_domain, defanged))
        if len(links) >= MAX_LINKS:
            break
    return links


def _is_read(line: Line, defanged: bool) -> bool:
    if line.zone in (Zone.BODY, Zone.QUOTED):
        return True
    return defanged and line.zone in (Zone.CLOSING, Zone.SAMPLE, Zone.LOG)


def _is_name_of_address(letter: str, found: Found) -> bool:
    """``host.example.net [192.0.2.1]``: the name of an address in the letter, not a site."""
    return letter[found.end : found.end + 2] in (" [", "[1", "[2") and bool(find_addresses(letter[found.end : found.end + 45]))


def _judge(
    link: Link, letter: str, near: list[Link], before: list[Hit], after: list[Hit], reporter_domains: frozenset[str]
) -> None:
    cue = _cue_before(link, letter, near, before)
    behind = _cue_after(link, letter, near, after)
    domain = site_of(link.host)
    if behind is not None and (cue is None or behind.start - link.found.end <= 3):
        link.verdict, link.why = "other", behind.phrase
    elif cue is not None and cue.value.kind == "url_other_before" and not (link.defanged and _is_led_to(cue, link, letter)):
        link.verdict, link.why = "other", cue.phrase
    elif not link.defanged and (domain in reporter_domains or link.host in reporter_domains):
        link.verdict, link.why = "other", "the reporter's own"
    elif not link.defanged and (domain in _REFERENCES or link.host in _REFERENCES):
        link.verdict, link.why = "other", "a well-known reference"
    elif cue is not None and cue.value.kind != "url_other_before":
        link.verdict, link.why = "accused", cue.phrase
    elif link.defanged:
        link.verdict, link.why = "accused", "defanged"
    if link.verdict == "unknown" and link.value.lower().split("?")[0].endswith(_PICTURE):
        link.verdict, link.why = "other", PICTURE


_IS_GOOD = pattern(
    r"(?i)official|offici|offizi|oficj|legit|legít|genuin|\breal\b|origin|authentic|echte|prawdziw|"
    r"verdadeir|vrai|настоящ|офиц|оригин|our |my |unsere|notre|nuestr|nostr|onze|nasz|noss|наш|正|官|我|弊社|当社|公式|本物"
)


def _is_led_to(cue: Hit, link: Link, letter: str) -> bool:
    """``copies our client portal and asks for passwords: LINK``: a defanged link behind a colon is what did it.

    The name of what is imitated follows the word at once, and whoever shows what is true says so.
    """
    gap = letter[cue.end : link.found.start]
    words = gap.rstrip(" \t\n>*-")
    told = max(len(words.split()), sum(not char.isascii() for char in words) // 2)
    return words[-1:] in (":", "：") and told > 2 and not _IS_GOOD.search(cue.phrase)


def _cue_before(link: Link, letter: str, near: list[Link], before: list[Hit]) -> Hit | None:
    start = link.found.start
    floor = max(0, start - REACH, max((other.found.end for other in near if other.found.end <= start), default=0))
    last = floor
    for match in _STOP.finditer(letter[floor:start]):
        if not match.group().startswith("\n") or letter[floor : floor + match.start()].rstrip()[-1:] not in (":", ":"):
            last = floor + match.start() + 1
    best = None
    for hit in ending_within(before, floor, start):
        loose = hit.phrase in _LOOSE or _IMITATES.search(hit.phrase) is not None
        if loose and "\n" in letter[hit.end : start]:
            continue
        far = start - hit.end > (25 if loose else 60 if hit.value.kind == "url_other_before" else REACH)
        if (
            hit.end <= start
            and hit.start >= last
            and not far
            and (best is None or (hit.end, hit.end - hit.start) > (best.end, best.end - best.start))
        ):
            best = hit
    return _within_line(best, link, letter)


def _within_line(best: Hit | None, link: Link, letter: str) -> Hit | None:
    """A labelled line speaks for itself: what stands above it does not."""
    lead = letter[link.line.start : link.found.start]
    if best is not None and best.start < link.line.start and ":" in lead and len(lead.strip()) > 1 and len(lead) < 40:
        return None
    return best


def _cue_after(link: Link, letter: str, near: list[Link], after: list[Hit]) -> Hit | None:
    end = link.found.end
    fence = min((other.found.start for other in near if other.found.start >= end), default=len(letter))
    return next((hit for hit in starting_within(after, end, min(fence, end + 25)) if "\n\n" not in letter[end : hit.start]), None)


def _inherit(letter: str, links: list[Link]) -> None:
    """Links in a list share the verdict of the first."""
    for previous, link in itertools.pairwise(links):
        gap = letter[previous.found.end : link.found.start]
        if (
            link.verdict == "unknown"
            and len(gap) < 40
            and not any(c.isalpha() for c in gap.replace("and", "").replace("und", "").replace("et", ""))
        ):
            link.verdict, link.why = previous.verdict, previous.why
