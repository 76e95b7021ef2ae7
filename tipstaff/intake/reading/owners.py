# ruff: noqa: E501 - patterns and lists of words read better whole
"""Whose an address is, where a possessive, a heading or a bracket says so: the reader's, the writer's own, another provider's."""

from functools import lru_cache
from typing import TYPE_CHECKING

from tipstaff.intake.reading.indicators import find_addresses
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import SAYS, Role

if TYPE_CHECKING:
    from tipstaff.intake.reading.mentions import Mention

REACH = 90  # characters that a cue before an address reaches
STRUCK = "the reader's own, which suffers"
MAX_ITEMS = 8  # of a list, between an address and the words above the list

BULLET = pattern(r"^[\s>*•·\-–|#\d.)(\[\"'`]{0,12}$")
POINTS = pattern(
    r"(?i)following|these|below|seen in our|abaixo|ci-dessous|unten|abajo|qui sotto|hieronder|poniż|ниже|folgend|suivant|siguient|seguent|volgende|następuj|poniższ|seguintes|следующ|以下|下列|下記"
)


#: "on your network (", "your customer at": the reader's side right before an address; and the writer's own side.
_NOT_A_MACHINE = pattern(
    r"(?i)\b(?:reference|referenz|référence|referencia|riferimento|referentie|referência|information|informationen|información|informazione|informatie|informacji|informação|сведени\pL*|информаци\pL*|convenience|records?|reports?|attention|review|"
    r"investigation|support|help|hilfe|assistance|ticket|case|complaint|answer|reply|response|action|request|anfrage|antwort|kenntnis|kenntnisnahme|unterlagen|akten|connaissance|dossiers?|conocimiento|conoscenza|kennisgeving|wiadomości|conhecimento|e-?mails?|messages?|letter|notice)\b"
)
_LINK = r"(?:[\s,:(\[\"'–-]+[\pL-]{1,24}){0,3}[\s,:=(\[\"'–-]*$"
_THEIRS = pattern(
    r"(?i)(?:\b(?:your|ihr|ihre[mnrs]?|euer|eure[mnrs]?|dein|deine[mnrs]?|votre|vos|su|sus|vuestr[ao]s?|vostr[aeio]|uw|jullie|państwa|waszej|waszym|waszego|wasz|twój|twojego|seu|sua|seus|suas|vosso|vossa|teu|tua|ваш\pL{0,3}|тво\pL{1,3})|贵[司方公]?|你们的?|您的|貴社|御社)"
    + _LINK
)
YOUR_LIST = pattern(
    r"(?i)\b(?:your|yours|ihr|ihre[mnrs]?|euer|eure[mnrs]?|dein|deine[mnrs]?|votre|vos|su|sus|vuestr[ao]s?|vostr[aeio]|uw|jullie|państwa|wasz\pL{0,3}|twój|twoj\pL{1,3}|seu|sua|seus|suas|vosso|vossas?|teu|tua|ваш\pL{0,3}|тво\pL{1,3})\b|贵|您的|你们|貴社|御社"
)
#: The reader as the place that something comes from: ``packets came from you:``.
FROM_YOU = pattern(
    r"(?i)\b(?:from|at|with|among) (?:you|yours)\b|\bvon (?:euch|ihnen|dir)\b|\bbei (?:euch|ihnen|dir)\b|\b(?:de )?chez vous\b|\bde (?:ustedes|vosotros|vocês|vós)\b|\b(?:da|presso di) voi\b|\b(?:van|bij) (?:jullie|u)\b|\b(?:od|u) (?:was|państwa)\b|\bconvosco\b|\b(?:от|у) вас\b|来自(?:您|你们|贵)|貴社から|御社から"
)
#: "our own addresses for your reference: ".
_OWN_LIST = pattern(
    r"(?i)\b(?:our|my|unsere?r?|meine?r?|nos|notre|mes|nuestr[ao]s?|mis?|nostr[aeio]|miei|onze|mijn|nasz\pL{0,2}|moje|noss[ao]s?|meus?|minhas?|наш\pL{0,2}|мои)\s(?:own |eigenen? |propres? |propi[ao]s? |eigen |własne |própri[ao]s? |собственные )?"
    r"(?:public |external |internal |öffentlichen? )?(?:ip[ -]?)?(?:address(?:es)?|adressen?|adresses?|direcci(?:ón|ones)|indirizz[oi]|adres(?:sen|y)?|endereços?|адрес\pL{0,2}|ips?|hosts?|servers?|serveurs?|servidores|servery|серверы?|machines?|systems?|networks?|range)\b[^.!?\n:=]{0,50}[:=]\s*$"
)
#: What strikes the reader's own: ``DDoS on your customer``, ``vise votre client``.
_STRIKES = pattern(
    r"(?i)(?:attack\pL*|angriff\pL*|attaque\pL*|ataque\pL*|attacc\pL*|aanval\pL*|atak\pL*|атак\pL*|ddos\S*|dos|flood\pL*|флуд\pL*)[^.!?\n]{0,40}?\s(?:on|against|at|to|towards?|auf|gegen|contre|sur|vers|contra|hacia|sobre|a|contro|verso|su|tegen|op|naar|przeciw\pL*|na|на|против|к)\s(?:your|ihr\pL*|vo(?:s|tre)|sus?|"
    r"(?:i |il |la |le )?vostr\pL|uw|jullie|wasz\pL*|państwa|(?:o |a |os |as )?(?:vossos?|vossas?|seus?|suas?)|ваш\pL*)\b[^.!?\n]{0,30}$"
    r"|\b(?:vise(?:nt)?|visant|cibl(?:e|ent|ant)|target(?:s|ed|ing)?|aimed at|hitting|dirigid[oa]s? (?:a|contra)|dirett[oa] (?:a|al|contro)|prende di mira|colpisce|gericht op|richt zich (?:op|gegen)|wymierzon\pL* w|направлен\pL* (?:на|против))\s(?:\pL{3,14}\s)?(?:your|ihr\pL*|vo(?:s|tre)|sus?|(?:i |il |la |le )?vostr\pL|uw|jullie|"
    r"wasz\pL*|państwa|(?:o |a |os |as )?(?:vossos?|vossas?|seus?|suas?)|ваш\pL*)\b[^.!?\n]{0,30}$"
)
_CONNECTED = r"(?:\s[\pL-]{1,24}){0,3}?(?:\s(?:at|on|ip|address|is|ist|lautet|est|es|è|jest|é|—|–|-|mit|auf|unter|mit der ip|à|sur|en|con|su|all'|op|met|na|pod|em|no|на|по|с адресом)\s|\s?[(（=]\s?(?:\pL{2,16}\s){0,3})(?:ip[\s:-]*|адрес[\s:]*)?[\s(]*$"
_MINE = pattern(
    r"(?i)(?:\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|nos|mon|ma|nuestr[ao]s?|mi|nostr[aeio]|mi[oa]|onze|ons|mijn|nasz\pL{0,3}|mój|moj\pL{1,3}|noss[ao]s?|meu|minha|наш\pL{0,3}|мо[йяеюи]\pL{0,2})\s[\pL-]{2,24}|我[方司们]\S{0,6}|本[社公]\S{0,4}|弊社\S{0,12}|当[社方]\S{0,12})"
    + _CONNECTED
)
_MINE_NEXT = pattern(
    r"(?i)(?:\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|mon|nuestr[ao]|mi|nostr[ao]|onze|ons|mijn|nasz\pL{0,3}|mój|noss[ao]|meu|наш\pL{0,3}|мой)(?:\s[\pL-]{2,24}){1,2})\s$"
)
#: What a list of the reader's addresses is called where its heading ends as a sentence does.
_SOURCES = pattern(
    r"(?i)\b(?:sources?|origins?|quell\pL*|absender|verursacher|origines?|or[ií]gen(?:es)?|origini|sorgenti|bron(?:nen)?|źródł\pL*|origens?|fontes?|источник\pL*)\b|来源|源地址|発信元|送信元|攻撃元"
)
#: What strikes the reader's own: ``attacks on your addresses:``.
_UPON = pattern(
    r"(?i)\b(?:on|against|to|at|auf|gegen|an|contre|sur|vers|contra|hacia|contro|verso|su|tegen|op|naar|przeciw\pL*|na|contra|sobre|на|против|к)\s(?:your|ihr\pL*|vo(?:s|tre)|sus?|vostr\pL|uw|jullie|wasz\pL*|państwa|vossos?|vossas?|seus?|suas?|ваш\pL*)\b|对贵|貴社(?:\pL{0,6})(?:へ|に対)"
)
#: ``(another provider's network, reported there)`` right behind an address.
_ELSEWHERE = pattern(
    r"(?i)^(?::\d{1,5})?(?:\s?[(（][^)）]{0,24}|\s?[,–-]\s?(?:but |aber |mais |pero |ma |maar |ale |mas |но )?)(?:not yours?|other (?:isp|provider|operator|network|hoster)|another (?:isp|provider|operator|network|host)|elsewhere|anderen? (?:anbieter|provider|betreiber|netz)\pL*|autre (?:opérateur|hébergeur|fournisseur|réseau)|"
    r"otro (?:proveedor|operador)|altro (?:fornitore|operatore|provider)|andere (?:provider|aanbieder|hoster)|in(?:ny|nego) (?:operator|dostaw)\pL*|outro (?:provedor|operador|fornecedor)|друго\pL{1,3} (?:провайдер|оператор|сет)\pL*|其他(?:运营商|服务商)|他社)"
)
#: The same wherever it stands beside an address.
NOT_THEIRS = pattern(
    r"(?i)\bnot (?:yours?|you)\b|\b(?:other|another|different) (?:isp|provider|operator|network|hoster)|elsewhere|nicht (?:ihre?|bei ihnen)|anderen? (?:anbieter|provider|betreiber|netz)|autre (?:opérateur|hébergeur|fournisseur|réseau)|"
    r"otro (?:proveedor|operador)|altro (?:fornitore|operatore|provider)|andere (?:provider|aanbieder|hoster)|in(?:ny|nego) (?:operator|dostaw)|outro (?:provedor|operador|fornecedor)|друго\pL{1,3} (?:провайдер|оператор|сет)|offline|already (?:down|gone|removed|cleaned)|bereits bereinigt|其他(?:运营商|服务商)|他社"
)
_LOGGED_ON = pattern(
    r"(?i)\b(?:logs?|journaux|journal|protokoll\pL*|auszug|registros?|logi|logboek|estratto|extracto|wycinek)\b[^.\n]{0,40}[(（]\s?(?:serveur|server|host|servidor|serwer|machine|maschine|rechner)\s?$"
    # ``we always connect from A``: the writer's own
    r"|\b(?:(?:we|i) (?:\pL+ ){0,2}(?:connect|log ?(?:in|on)|logged (?:in|on)|sign in|come|work|dial in)|(?:wir|ich) (?:\pL+ ){0,2}(?:verbinde\pL?|kommen?|arbeiten?|logge\pL? (?:mich|uns))|(?:verbinde mich|verbinden uns|logge mich|loggen uns|melde mich|melden uns)|(?:nous (?:nous )?connect(?:ons|ions)|je me connecte|nous venons|nous travaillons)|(?:nos|me) conect(?:amos|o|ábamos)|"
    r"(?:ci|mi) (?:colleghiamo|connettiamo|collego|connetto)|accediamo|accedo|(?:wij|ik|we) (?:\pL+ ){0,2}(?:verbinden|verbind|loggen|log|inloggen|werken)|(?:łączymy|loguję|łączę|logujemy) się|(?:ligamo-nos|ligo-me|conecto-me|conectamo-nos|nos ligamos|acedo|acedemos|acesso|acessamos)|(?:мы|я) (?:\pL+ ){0,2}(?:подключа\pL+|захо\pL+|вхо\pL+|соединя\pL+))"
    r"(?:\s\pL+){0,4}?\s(?:from|via|over|von|über|aus|depuis|de|par|desde|por|da|dal|dall'|dalla|tramite|vanaf|van|via|z|ze|przez|a partir d[eo]|do|com|с|со|из|через)(?:\s(?:the |der |die |l'|la |el |il |het |o )?(?:ip|address|adresse|dirección|indirizzo|adres|adresu|endereço|адреса))?\s?$"
)
_MY_SITE = pattern(
    r"(?i)\b(?:my|our|mein\pL{0,2}|unser\pL{0,2}|mon|notre|mi|nuestr[ao]|mio|nostr[ao]|mijn|onze|mój|nasz\pL{0,2}|meu|noss[ao])(?:\s[\pL-]{1,20}){1,3}\s?[(（][^)）\n]{0,70}$"
)
_DOING = pattern(
    r"(?i)\b(?:gave|given|provided|dio|dieron|dado|facilit\pL*|proporcion\pL*|entreg\pL*|indic[óoa]\pL*|dato|fornit\pL*|donné|communiqué|fourni|gegeben|genannt|mitgeteilt|gaf|gegeven|dał\pL*|poda\pL*|deu|deram|forneceu|says?|said|tells?|told|thinks?|believes?|claims?|writes?|sagt|sagte|meint|schreibt|dit|pense|indique|dice|cree|pensa|zegt|denkt|mówi|twierdzi|diz|acha|говорит|сказал\pL?|пишет|someone|somebody|jemand\pL*|quelqu'un|alguien|qualcuno|iemand|ktoś|alguém|кто-то|"
    r"logs?|protokoll\pL*|journa\pL*|registros?|logi\pL*|logboek\pL*|журнал\pL*|лог\pL*|日志|ログ|blocked|detected|shows?|attackers?|spammers?|offenders?|angreifer|attaquant|atacante|banned|recorded|observed|noticed|received?|reports?|reported|saw|see|got|found|registered|caught|dropped|denied|rejected|through|via|über|tramite|attraverso|poprzez|através|через|a partir d\pL{1,4}|à partir d\pL{1,4}|a partire d\pL{1,4}|vanuit|hat|haben|wurde|zeigt|zeigen|montrent?|muestran?|mostrano?|tonen|toont|from|by|von|durch|par|por|da|dal|door|van|przez|de|depuis|desde|от|с)\b"
)
#: ``according to our provider (ADDRESS)``: who says it, not whose it is.
_ACCORDING = pattern(
    r"(?i)(?:\b(?:according to|as per|per|laut|gemäß|zufolge|nach angaben|d'après|selon|según|de acuerdo con|secondo|stando a|volgens|według|zdaniem|segundo|de acordo com|conforme|согласно|по словам|по данным)|据|根据|によると)\s?(?:the |der |die |le |la |l'|el |il |de |o |a )?$"
)


def by_owner(mention: "Mention", letter: str) -> None:
    """Whose the address is, where a possessive right before it says so: that counts more than what stands behind."""
    start = mention.found.start
    lead = letter[max(0, start - 70) : start]
    behind = letter[mention.found.end : mention.found.end + 80].partition("\n")[0]
    if _ELSEWHERE.match(behind):
        mention.role, mention.strength, mention.cue, mention.points = Role.OTHER, SAYS, "somebody else's", True
        return
    site = _MY_SITE.search(letter[max(0, start - 120) : start])
    if site is not None and _ACCORDING.search(letter[max(0, start - 140) : max(0, start - 120) + site.start()]):
        site = None
    if site is not None or _LOGGED_ON.search(lead):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, "the writer's own machine", True
        return
    if _OWN_LIST.search(letter[max(mention.line.start, start - 110) : start]):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, "the writer's own addresses", True
        return
    mine, theirs = _MINE.search(lead) or _MINE_NEXT.search(lead), _THEIRS.search(lead)
    if theirs and (theirs.group().strip() == "su" or _NOT_A_MACHINE.search(theirs.group())):  # Italian ``su A``: on A
        theirs = None
    yours = theirs or YOUR_LIST.search(mention.cue)
    if yours and mention.role in (None, Role.ACCUSED) and _STRIKES.search(letter[max(0, start - 130) : start]):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, STRUCK, True
        return
    if (
        mine
        and not _DOING.search(mine.group())
        and not _ACCORDING.search(lead[: mine.start()])
        and not (theirs and theirs.start() > mine.start())
    ):
        mention.role, mention.strength, mention.cue, mention.points = Role.VICTIM, SAYS, mine.group().strip(), True
    elif theirs and (mention.role is None or (mention.role is Role.ACCUSED and mention.strength < SAYS)):
        mention.role, mention.strength, mention.points = Role.ACCUSED, SAYS, True
        mention.cue, mention.said_at = theirs.group().strip(), max(0, start - 70) + theirs.start()
    elif (
        mention.role in (None, Role.VICTIM)
        and BULLET.match(letter[mention.line.start : start])
        and (said := _handed_over(letter, mention)) is not None
    ):
        mention.role, mention.strength, mention.points, mention.said_at = Role.ACCUSED, SAYS, True, said
        mention.cue = "a list of yours"


def _handed_over(letter: str, mention: "Mention") -> int | None:
    """Where the line, or its last clause, begins that introduces a list as the reader's: ``Your contributors (top 2):``."""
    floor = max(0, mention.line.start - 6 * REACH)
    above = letter[floor : mention.line.start].rstrip()
    line = above.rpartition("\n")[2]
    for _ in range(MAX_ITEMS):  # the items before this one
        if not (line.strip() and is_item(line[:200])):
            break
        above = above[: len(above) - len(line)].rstrip()
        line = above.rpartition("\n")[2]
    if mention.role is not None:  # another clause spoke of a victim: only what stands right above the list may say otherwise
        line = line[max(line.rfind(mark) for mark in (", ", "; ", ". ", "、", "，")) + 1 :]
    else:
        line = line[max(line[:-1].rfind(mark) for mark in (". ", "! ", "? ", "。")) + 1 :]
    said = floor + len(above) - len(line) if above else mention.line.start - 1
    if mention.role is not None and (mention.said_at is None or mention.said_at >= said or _UPON.search(line)):
        return None
    points = bool(YOUR_LIST.search(line) or FROM_YOU.search(line)) or (mention.role is None and bool(POINTS.search(line)))
    headed = line.endswith((":", "：")) or (bool(_SOURCES.search(line)) and bool(YOUR_LIST.search(line)))
    return said if headed and points and not find_addresses(line) else None


@lru_cache(maxsize=8_192)
def is_item(text: str) -> bool:
    """Whether a line begins with an address, as the items of a list do."""
    found = find_addresses(text)
    return bool(found) and BULLET.match(text[: found[0].start]) is not None


_TH = r"(?:ip |ip-)?(?:address|adresse|number|nummer|numéro|dirección|número|indirizzo|numero|adres|endereço|адрес|номер|one|host|server|ip)?"
_IS = r"(?:,? (?:listed|named|above|below|oben|unten))? ?(?:is|are|ist|est|es|è|jest|to|is van|é|[—–-])? ?"
#: ``the second address is mine``, ``the first number is yours``.
_ORDINAL = pattern(
    rf"(?i)\b(?:(?P<one>first|erste\pL?|premi(?:er|ère)|primer[ao]?|primo|prima|eerste|pierwsz\pL+|primeir[oa]|первый|первая)|(?P<two>second|other|zweite\pL?|andere\pL?|deuxième|seconde?|autre|segund[oa]|otr[oa]|second[oa]|altr[oa]|tweede|drug\pL+|outr[oa]|второй|вторая|другой)) {_TH}{_IS}"
    r"(?:(?P<mine>mine|ours|our own|my own|meine?|unsere?|von (?:mir|uns)|(?:la |le )?mienne?|(?:la |le )?nôtre|(?:la |el )?mí[ao]|(?:la |el )?nuestr[ao]|(?:il |la )?mi[ao]|(?:il |la )?nostr[ao]|van (?:mij|ons)|mój|moja|moje|nasz[ae]?|(?:o |a )?meu|(?:a )?minha|(?:o |a )?noss[oa]|мой|моя|наш\pL?)|"
    r"(?P<yours>yours?|ihre?|euer|eure|bei (?:ihnen|euch)|(?:la |le )?vôtre|de ustedes|vuestr[ao]|su[yo][ao]|(?:il |la )?vostr[ao]|van (?:jullie|u)|wasz[ae]?|państwa|(?:o |a )?voss[oa]|(?:de )?vocês|ваш\pL?))(?:$|[^\pL])"
    r"|第(?P<zh>[一二])个(?:地址|ip)?是(?:(?P<zmine>我|本)|(?P<zyours>你|贵|您))"
)


def by_ordinal(letter: str, mentions: list["Mention"]) -> None:
    """``the second address is mine``: said of the addresses in the order in which prose names them; only where there are two."""
    order = list(dict.fromkeys(one.ip for one in mentions))
    if len(order) != 2:
        return
    for match in _ORDINAL.finditer(letter):
        groups = match.groupdict()
        ip = order[0] if groups["one"] or groups["zh"] == "一" else order[1]
        mine = bool(groups["mine"] or groups["zmine"])
        for one in mentions:
            if one.ip != ip or one.found.start > match.start() or one.strength >= SAYS:
                continue
            one.role, one.strength, one.points = Role.VICTIM if mine else Role.ACCUSED, SAYS, True
            one.cue, one.said_at = match.group().strip(), match.start() if not mine else one.said_at
