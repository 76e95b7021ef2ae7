# ruff: noqa: E501 - patterns and lists of words read better whole
"""What links prove: the addresses that serve them, by a table, a DNS record or a sentence, and links that a list or the reader's hosting accuses."""

from bisect import bisect_right

from tipstaff.intake.reading.complaint_events import Reading
from tipstaff.intake.reading.links import AT_ADDRESS, HOSTED, Link, site_of
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.owners import NOT_THEIRS, YOUR_LIST
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import LIKELY, SAYS, Role

MAX_SERVING = 20  # addresses that one letter's links are said to have
#: Kinds of abuse that a host answers for by what it serves.
CONTENT = frozenset(
    [
        "phishing",
        "malware",
        "fraud_site",
        "trademark",
        "copyright",
        "spyware",
        "harassment_hate",
        "defamation_privacy",
        "gambling",
        "c2",
        "spam_support",
        "trade_secret_leak",
        "terror",
        "obscene",
        "ncii_violence",
        "compromised",
    ]
)
_ADDRESS_OF = pattern(
    r"(?i)(?:\b(?:ips?|ip[ -]?(?:address|adresse|adres|addr)|hosted|served (?:from|by)|resol\pL+|résou\pL*|résolu\pL*|auflös\pL*|aufgelöst|aponta\pL* para|apunta\pL* a|punta\pL* a|pointe\pL* (?:vers|sur)|points? to|pointing to|zeigt auf|"
    r"wskazuje na|wijst naar|gehost\pL*|hébergé\pL*|alojad\pL+|ospitat\pL+|hostowan\pL+|hospedad\pL+|размещ\pL+|указывает на|dig|nslookup|whois|(?:according to|volgens|laut|selon|según|secondo|według|segundo)(?: the| de| dem| le| el| il| o)? dns|dns (?:lookup|query|record|shows|says|answers?|gives)|(?-i:A|AAAA)(?: record)?)\b|IP地址|IPアドレス|IP|解析|指向|名前解決)[^.!?\n]{0,40}$"
)
_PAST = pattern(
    r"(?i)\b(?:was|were|used to|previously|formerly|earlier|before|until|old|war|waren|früher|zuvor|vorher|bisher|était|auparavant|avant|estaba|antes|anterior\pL*|era|prima|precedente\pL*|eerder|voorheen|vroeger|"
    r"był\pL*|wcześniej|poprzedni\pL*|estava|раньше|ранее|прежн\pL*)\b|之前|以前|原先|もともと"
)
_OURS = pattern(
    r"(?i)\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|nos|mon|nuestr[ao]s?|mi|nostr[aeio]|mi[oa]|onze|ons|mijn|nasz\pL{0,3}|mój|moj\pL{1,3}|noss[ao]s?|meu|minha|наш\pL{0,3}|мо[йяеи])\b|我[们司方的]|弊社|当社|本[社行]"
)
_ANOTHERS = pattern(
    r"(?i)\bnot (?:yours?|you)\b|unrelated|other (?:isp|provider|operator|network|hoster)|elsewhere|different (?:isp|operator|provider)|our|unser|notre|nuestr|nostr|onze|nasz|noss|наш|nicht (?:ihr|bei ihnen)|anderer|autre|otro|altro|andere|inny|outro|друго|302|307|301"
)
#: What says of a page, in so many words, that the reader hosts it.
_HOSTED = pattern(
    r"(?i)\b(?:hosted (?:by|with|at|on) you\pL*|(?:that|which|you) (?:you )?(?:are )?host(?:ing)?\b|your (?:customer|client|user|hosting|server|network|webspace)|customers? of yours|client of yours|(?:bei|von) ihnen (?:gehostet|betrieben|liegt)|ihr(?:e[mnrs]?)? kunde\pL*|gehostet\pL* (?:bei|von) (?:ihnen|euch)|"
    r"(?:von ihnen|bei ihnen) gehostet\pL*|ihrem (?:server|webspace|netz)|(?:que |dont )?vous hébergez|vous êtes l'hébergeur|you are the host\pL*|sie sind der (?:hoster|provider)|ustedes son el proveedor|siete l'hosting|sie hosten|ustedes alojan|jullie hosten|hostujecie|вы размещаете|hébergée?s? (?:chez|par) vous|chez vous|votre client|vos serveurs|alojad[ao]s? (?:en sus?|por ustedes)|en sus servidores|su cliente|ospitat[oaie] (?:da voi|sui vostri|presso di voi)|vostro cliente|"
    r"(?:bij|door) (?:u|jullie) gehost\pL*|gehost (?:bij|door) (?:u|jullie)|(?:uw|jullie) (?:klant|server|netwerk)|u (?:was|państwa) (?:na serwerze|hostowan\pL*)|(?:hostowan\pL*|działa\pL*) (?:u|na) (?:was|państwa|waszym)|wasz(?:ego|ym)? klient\pL*|na waszym serwerze|"
    r"(?:alojad[oa]|hospedad[oa])s? (?:na vossa|nos vossos|em vossa|por vocês|na sua|nos seus|convosco)|vosso cliente|seu cliente|на вашем (?:хостинге|сервере)|у вас|вашего клиента|ваш клиент)\b|托管在贵|贵[司公]|您的客户|貴社(?:の|で|が|に)|御社(?:の|で|が|に)"
)
_YOU_HOST = pattern(
    r"(?i)\b(?:you (?:are )?host(?:ing)?|hosted (?:by|with) you|sie hosten|hosten sie|(?:bei|von) ihnen gehostet\pL*|vous hébergez|hébergée?s? (?:par|chez) vous|ustedes alojan|alojad[ao]s? (?:por|con) ustedes|ospitate|ospitat[oaie] da voi|jullie hosten|u host|gehost (?:bij|door) (?:u|jullie)|"
    r"hostujecie|hostowan\pL* u (?:was|państwa)|(?:vocês|vós) (?:hospedam|alojam|hospedais)|(?:hospedad|alojad)[oa]s? (?:por vocês|convosco)|вы размещаете|размещ[её]н\pL* у вас)\b|贵司托管|您托管|托管在贵|貴社でホスティング"
)
_YOUR_CUSTOMER = pattern(
    r"(?i)(?:\b(?:your (?:customer|client|user)|(?:customer|client) of yours|ihr(?:e[mnrs]?)? kunde\pL*|votre client\pL?|(?:su|vuestro) cliente|vostro cliente|(?:uw|jullie) klant|wasz\pL* klient\pL*|państwa klient\pL*|(?:seu|vosso) cliente|ваш\pL* клиент\pL*)\s?[,:(\"'„«]{0,2}\s?|(?:您的|贵司)客户|貴社のお?客様?)$"
)
_CUSTOMER_BEHIND = pattern(
    r"(?i)^[\s,(–-]{1,4}(?:(?:who is |which is )?(?:one of your (?:customers|clients|users)|your (?:customer|client)|a (?:customer|client) of yours)|einem? ihrer kunden|ihr(?:em)? kunden?|(?:l')?un de vos clients|votre client|uno de (?:sus|vuestros) clientes|su cliente|"
    r"un vostro cliente|uno dei vostri clienti|(?:een )?van uw klanten|een van uw klanten|uw klant|jeden z waszych klientów|wasz klient|um dos (?:vossos|seus) clientes|vosso cliente|seu cliente|ваш клиент|один из ваших клиентов)|^[,，(（、]{0,1}(?:贵司|贵公司)(?:的)?客户|^[（、]{0,1}貴社のお?客様"
)
_HEADED = pattern(r"(?i)\b(?:urls?|links?|uri|enlaces?|liens?|ссылк\pL*|адрес\pL*|adresy?|domains?)\b|网址|链接|リンク")


def take_link_addresses(reading: Reading) -> None:
    """The addresses that the accused links are said to have; where somebody is accused already, only more of the same."""
    _take_lists(reading)
    _take_told(reading)
    accusation = reading.accusation
    imitated = _of_other_links(reading)
    if imitated & set(accusation.accused) and accusation.strength < SAYS:
        accusation.accused = [ip for ip in accusation.accused if ip not in imitated]
    if accusation.logs and accusation.accused:
        return
    chosen = _behind_links(reading) or _in_rows(reading) or _resolved(reading)
    found = {one.ip for one in chosen}
    doubted = {
        one.ip
        for one in accusation.mentions
        if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= SAYS and one not in chosen
    }
    if not found or found & doubted or len(found) > MAX_SERVING or not set(accusation.accused) <= found:
        return
    for one in chosen:
        one.role, one.strength, one.points = Role.ACCUSED, max(one.strength, LIKELY), True
    reading.serving = found
    order = dict.fromkeys([*accusation.accused, *(one.ip for one in accusation.mentions if one.ip in found)])
    accusation.accused, accusation.strength, accusation.why = list(order), max(accusation.strength, LIKELY), ""
    accusation.victims = [ip for ip in accusation.victims if ip not in found]


def _of_other_links(reading: Reading) -> set[str]:
    """Addresses in brackets behind a link that is not accused: ``imitates https://bank.example/ (ADDRESS)``."""
    text, ends = reading.facts.text, {link.found.end for link in reading.links if link.verdict == "other"}
    found = set()
    for one in reading.accusation.mentions:
        gap = text[max(0, one.found.start - 8) : one.found.start].rstrip("IP: ")
        if (
            ends
            and gap[-1:] in ("(", "[", "（")
            and one.found.start - len("IP: ") - 2 <= max((end for end in ends if end <= one.found.start), default=-99)
        ):
            found.add(one.ip)
    return found


def _behind_links(reading: Reading) -> list[Mention]:
    """``LINK on ADDRESS``, ``LINK -> ADDRESS (yours)``, and what is listed on with it: ``LINK (IPv4 A, IPv6 B)``."""
    text = reading.facts.text
    ends = sorted(link.found.end for link in _charged_links(reading))
    found: list[Mention] = []
    for mention in reading.accusation.mentions if ends else ():
        start = mention.found.start
        if text[start : mention.found.end] != mention.found.as_written:
            continue
        if mention.role in (Role.VICTIM, Role.OTHER) and mention.strength >= SAYS:
            continue
        at = bisect_right(ends, start) - 1
        near = at >= 0 and start - ends[at] <= 24 and _leads_to(text[ends[at] : start])
        joined = bool(found) and _JOINED.match(text[found[-1].found.end : start]) is not None
        if not (near or joined) or "\n" in (
            text[found[-1].found.end : start] if joined and not near else text[ends[at] : start].strip("\n")
        ):
            continue
        if not _ANOTHERS.search(text[mention.found.end : mention.found.end + 60].partition("\n")[0]) and not NOT_THEIRS.search(
            text[mention.found.end : mention.found.end + 60].partition("\n")[0]
        ):
            found.append(mention)
    # one link on several machines of one kind is a chain or a choice: a person says whose it is
    return (
        found
        if len({one.ip for one in found}) <= 1 or len({":" in one.ip for one in found}) == len({one.ip for one in found})
        else []
    )


def _leads_to(gap: str) -> bool:
    """Whether what stands between a link and an address below it names the address; on the same line anything may stand."""
    return not gap.startswith("\n") or _NAMES_BELOW.match(gap) is not None


_NAMES_BELOW = pattern(r"^\s*(?:[\p{L}\p{N} .\-]{0,20}[:=：]\s*|[(\[→>\-]{0,3}\s?(?i:ips?|ipv[46]|host|server|address)?\s?)[(\[]?$")
_JOINED = pattern(r"(?i)^[\s,;/&|]*(?:and|und|et|y|e|en|i|и|和|及|と|、)?\s?(?:ipv[46])?[\s:=]*$")


def _in_rows(reading: Reading) -> list[Mention]:
    """Rows that each name an accused link and one address: a table of links and of where they are."""
    if reading.category not in CONTENT:
        return []
    linked = {link.line.number: link for link in _charged_links(reading) if not link.is_domain}
    rows: dict[int, list[Mention]] = {}
    for mention in reading.accusation.mentions:
        if (
            mention.line.number in linked
            and reading.facts.text[mention.found.start : mention.found.end] == mention.found.as_written
        ):
            rows.setdefault(mention.line.number, []).append(mention)
    chosen: list[Mention] = []
    for number, mentions in rows.items():
        line = linked[number].line.text
        link = linked[number].found
        beside = [one for one in mentions if not link.start <= one.found.start < link.end]
        if (
            len({one.ip for one in mentions}) != 1
            or _LEADS_ON.search(line.replace(link.as_written, " "))
            or NOT_THEIRS.search(line)
            or _OURS.search(line)
        ):
            return []
        if not all(_is_cell(reading.facts.text, one) for one in beside):
            return []
        chosen += mentions
    return chosen if len(linked) > 1 or any(len(one) > 1 for one in rows.values()) else []


def _is_cell(text: str, mention: Mention) -> bool:
    """Whether the address stands by itself between blanks, tabs or bars."""
    before = text[max(0, mention.found.start - 2) : mention.found.start]
    behind = text[mention.found.end : mention.found.end + 2]
    return before[-1:] in " \t|;,(\n" and (behind[:1] in " \t|;,)\n" or not behind)


def _resolved(reading: Reading) -> list[Mention]:
    """In a letter about one site: the addresses that it is said to have or to resolve to now."""
    links = _charged_links(reading)
    sites = {site_of(link.host) for link in links}
    if reading.category not in CONTENT or len(sites) != 1:
        return []
    text = reading.facts.text
    others = sorted(link.found.end for link in reading.links if link.verdict == "other" or site_of(link.host) not in sites)
    chosen = []
    for one in reading.accusation.mentions:
        if text[one.found.start : one.found.end] != one.found.as_written:
            continue
        if one.role in (Role.VICTIM, Role.OTHER) and one.strength >= SAYS:
            continue
        low = max(one.line.start, one.found.start - 100)
        at = bisect_right(others, one.found.start) - 1
        lead = text[max(low, others[at]) if at >= 0 else low : one.found.start].rpartition("\n")[2]
        sentence = max(lead.rfind(". "), lead.rfind("; ")) + 1
        behind = text[one.found.end : one.found.end + 60].partition("\n")[0]
        if at >= 0 and others[at] > low and not lead[sentence:].strip(" ,)("):
            continue
        if (
            _ADDRESS_OF.search(lead)
            and not _OURS.search(lead)
            and not _PAST.search(lead[sentence:])
            and not NOT_THEIRS.search(behind)
        ):
            chosen.append(one)
    return chosen


def _charged_links(reading: Reading) -> list[Link]:
    """The accused links, else those that nothing speaks for or against."""
    accused = [link for link in reading.links if link.verdict == "accused"]
    return accused or [link for link in reading.links if link.verdict == "unknown" and not link.is_domain]


# ---- links that nothing at the link itself accuses


def _take_told(reading: Reading) -> None:
    """``LINK sells counterfeit tickets``: the one site that is linked, where its own sentence goes on with what it does."""
    left = [link for link in reading.links if link.verdict == "unknown"]
    if reading.category not in CONTENT or any(link.verdict == "accused" for link in reading.links):
        return
    if len({site_of(link.host) for link in left}) != 1 or any(_OURS.search(_lead(reading.facts.text, link)) for link in left):
        return
    text = reading.facts.text
    for link in left:
        if not link.is_domain and _DOES.match(text[link.found.end : link.found.end + 50]):
            link.verdict, link.why = "accused", "its sentence says what it does"


_DOES = pattern(
    r"(?i)^\s?(?:(?:sells|copies|imitates|mimics|impersonates|harvests|steals|collects stolen|is (?:a |an )?(?:fake|fraudulent|phishing|scam|bogus|counterfeit)|distributes|spreads|verkauft|kopiert|ahmt|stiehlt|verbreitet|ist eine? (?:gefälschte\pL*|betrügerische\pL*|phishing\S*)|"
    r"vend|copie|imite|usurpe|vole|est un faux|vende|copia|imita|suplanta|roba|ruba|falsifica|è un falso|verkoopt|kopieert|imiteert|steelt|is een (?:nep|valse)|sprzedaje|kopiuje|podszywa|wyłudza|kradnie|продаёт|продает|копирует|подделывает|крадёт|крадет|выдаёт себя|выдает себя)(?:[^\pL]|$)"
    r"|(?:是|为)?(?:假冒|冒充|仿冒|钓鱼)|は[^。\n]{0,24}(?:フィッシング|偽サイト|偽の|詐欺|装っ))"
)


def _take_lists(reading: Reading) -> None:
    """Accuses the links of a letter about content that are listed one to a line, and those of one site that the reader hosts."""
    rows = [link for link in reading.links if not link.is_domain]
    if any(link.defanged for link in reading.links):
        return
    if reading.category in CONTENT - AT_ADDRESS and len(rows) > 1 and (listed := _list(reading)):
        for link in listed:
            if link.verdict == "unknown":
                link.verdict, link.why = "accused", "one of a list"
    elif not reading.accusation.accused and not reading.accusation.logs:
        _take_hosted(reading)


def _list(reading: Reading) -> list[Link]:
    """The links that stand on lines one under the other below words that introduce them; those marked as gone are left out.

    None where a row speaks of another's network, or one link only leads to the next.
    """
    lines, known = reading.facts.lines, [link for link in reading.links if not link.is_domain]
    first = next(link for link in known if link.verdict != "other" or len(known) == 1) if _any_open(known) else None
    if first is None:
        return []
    rows: list[Link] = []
    for link in known:
        if link is first or (rows and not any(line.text.strip() for line in lines[rows[-1].line.number : link.line.number - 1])):
            rows.append(link)
    numbers = {link.line.number for link in rows}
    if len(rows) < 2 or len(numbers) != len(rows) or any(link.verdict == "unknown" and link not in rows for link in known):
        return []
    before = lines[first.line.number - 2] if first.line.number > 1 else None
    if before is not None and any(link.line.number == before.number for link in known):
        return []
    above = next((line.text for line in reversed(lines[: first.line.number - 1]) if line.text.strip()), "")
    if not (above.rstrip().endswith((":", "：")) or _HEADED.search(above) or rows[0].verdict == "accused"):
        return []
    said = [link.line.text.replace(link.found.as_written, " ") for link in rows]
    if any(link.verdict == "other" for link in rows) or any(NOT_THEIRS.search(text) or _LEADS_ON.search(text) for text in said):
        return []
    yours = [link for link, text in zip(rows, said, strict=True) if YOUR_LIST.search(text)]
    gone = [link for link, text in zip(rows, said, strict=True) if _GONE.search(text)]
    for link in gone if not yours else [link for link in rows if link not in yours]:
        link.verdict, link.why = "other", "marked as gone, or another's"
    return yours or [link for link in rows if link not in gone]


def _any_open(links: list[Link]) -> bool:
    return any(link.verdict != "other" for link in links) and any(link.verdict == "unknown" for link in links)


_LEADS_ON = pattern(
    r"\b30[12378]\b|(?i)\b(?:redirect\pL*|weiterleit\pL*|redirig\pL*|redirec\pL*|przekierow\pL*|doorverw\pL*|перенаправ\pL*)|跳转|転送"
)
_GONE = pattern(
    r"(?i)\b(?:offline|down|gone|dead|inactive|removed|cleaned|fixed|fyi|404|410|bereinigt|entfernt|nur zur info|hors ligne|supprimée?|retirée?|caíd[ao]|eliminad[ao]|rimoss[ao]|verwijderd|usunięt[ey]|nieaktywn[ey]|removid[ao]|удал[её]н\pL*|недоступ\pL*)\b|已删除|已下线|停止済|削除済"
)


def _take_hosted(reading: Reading) -> None:
    """``The shop foo.example that you host sells …``: the one site of the letter, where it says that the reader hosts it."""
    facts = reading.facts
    at_address = reading.category in AT_ADDRESS
    left = [link for link in reading.links if link.verdict == "unknown" or (at_address and link.verdict == "accused")]
    sites = {site_of(link.host) for link in left}
    if not reading.category or len(sites) != 1 or any(_OURS.search(_lead(facts.text, link)) for link in left):
        return
    customer = [
        link
        for link in left
        if _YOUR_CUSTOMER.search(_lead(facts.text, link))
        or _CUSTOMER_BEHIND.match(facts.text[link.found.end : link.found.end + 60])
    ]
    hosted = reading.category in CONTENT and _HOSTED.search(facts.own_words)
    if customer or hosted or (reading.category == "spam" and _YOU_HOST.search(facts.own_words)):
        for link in customer or left:
            link.verdict, link.why = "accused", HOSTED


def _lead(text: str, link: Link) -> str:
    return text[max(link.line.start, link.found.start - 40) : link.found.start]
