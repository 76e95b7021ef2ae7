# ruff: noqa: E501 - patterns and lists of words read better whole
"""Who suffers and who does it, where a sentence names both: ``A is being attacked by B``; and what was true only before."""

from itertools import pairwise

from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.owners import STRUCK, YOUR_LIST
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import SAYS, Role

_W = r"(?:[\pL'-]+\s){0,5}"
_DONE = (
    r"(?:attack|flood|scann|hit\b|target|hammer|ddos|brute|prob|hack|spamm|angegriffen|attackiert|gescannt|überflutet|beschossen|attaqu|scann|visée?|inond|atacad|escanead|inundad|attaccat|scansionat|colpit|"
    r"aangevallen|gescand|bestookt|overspoeld|atakowan|skanowan|zalewan|varrid)[\pL-]*"
)
_IS = r"(?:is|are|was|were|been|being|gets?|got|est|sont|été|était|étaient|está|están|estaba|fue|fueron|sido|siendo|è|sono|viene|vengono|stat[oaie]|jest|są|był[aoy]?|został[aoy]?|zostały|foi|foram|é|são|estão|ser|sendo)"
#: Between the one that suffers and the one that does it.
_PASSIVE = pattern(
    rf"(?i)^[\s)\]]{{0,3}}(?:\([^)\n]{{0,60}}\)\s?)?,?\s?{_W}{_IS}\s{_W}{_DONE}\s{_W}(?:by|from|von|durch|par|depuis|de|por|desde|pelo|pela|da|dal|dall'indirizzo|dalla|do|door|vanaf|van|przez|z|od)\s(?:[\pL'-]+\s){{0,4}}[(\[]?$"
    rf"|^[\s)]{{0,2}}{_W}(?:атаку|атаков|скан|взлам|подверга)\pL*\s{_W}(?:с|со|от|из)\s(?:[\pL'-]+\s){{0,4}}[(\[]?$"
    r"|^[\s)\]]{0,3}(?:wird|wurde|werden|wurden|wordt|werd|worden)\s(?:[\pL'-]+\s){0,5}(?:von|durch|door|vanaf|van)\s(?:[\pL'-]+\s){0,4}[(\[]?$"
    r"|^[)）\s]{0,2}(?:[，,]\s?)?(?:正在|正|一直|持续|自[^，。\n]{1,16}[起来]?)?(?:被|遭到|遭受|受到)(?:来自)?[^，。\n]{0,8}$"
    r"|^[)）\s]{0,2}(?:が|は)[、\s]?$"
)
_SUFFERS = pattern(r"^[^。\n]{0,24}(?:を受け|されて|攻撃され)")  # behind the second, in Japanese
#: ``A attacks your customer B``: the active voice goes on with whom it strikes.
_ACTIVE = pattern(
    r"(?i)^[\s)\]]{0,3}(?:[\pL']{1,12}\s){0,3}(?:attack(?:s|ed|ing)|flood(?:s|ed|ing)|scan(?:s|ned|ning)|hammer(?:s|ed|ing)|target(?:s|ed|ing)|ddos(?:es|ed|ing)|hit(?:s|ting)?|prob(?:es|ed|ing)|greift|griff|attackiert\pL?|scannt\pL?|überflutet|attaque\pL{0,2}|attaquait|scanne|inonde|ataca|atacando|atacó|escanea\pL*|inunda\pL*|"
    r"attacca|attaccando|attaccato|scansiona\pL*|valt|viel|scant|bestookt|atakuje|atakował\pL?|skanuje|zalewa|atacou|atacava|escaneando|varrendo|атакует|атаковал\pL?|сканирует|флудит)(?:\s[\pL\d'-]{1,16}){0,5}[\s(\[]{1,2}$"
    r"|^[)）\s]{0,2}(?:正在?|一直在?|持续|在|不断|不停地?){0,3}(?:对|向)?(?:攻击|扫描|轰击)了?(?:我们的?)?\s?$"
)
#: Between two addresses of which the second one does it, or each does its own.
_NOT_STRUCK = pattern(
    r"(?i)[\s](?:and|und|et|y|e|en|i|и|from|by|through|via|using|von|durch|aus|über|depuis|par|de|desde|por|da|dal|tramite|van|vanaf|door|z|ze|przez|do|com|с|со|из|через|or|oder|ou|o|lub|или|so|while|während|but|aber)(?:\s[\pL'-]{1,16}){0,3}[\s(\[]{1,2}$"
)
_BEFORE = pattern(
    r"(?i)\b(?:previously|formerly|vorher|zuvor|früher|auparavant|précédemment|anteriormente|precedentemente|in precedenza|voorheen|eerder|wcześniej|poprzednio|ранее|раньше)\b|之前|以前は"
)
_CLAUSE = pattern(r"[,;.:!?，。；、]\s?")
_HELP = pattern(
    r"(?i)\b(?:help (?:us|me)?|please help|protect\pL*|mitigat\pL*|scrub\pL*|null-?rout\pL*|hilfe|helfen|hilf|schutz\pL*|ddos-schutz|aide[rz]?|aidez|protection|protég\pL*|ayuda\pL*|ayúd\pL*|protección|protejan|aiut\pL*|protezione|proteggete|bescherm\pL*|"
    r"pomoc\pL*|pomóż\pL*|ochron\pL*|ajud\pL*|proteção|protejam|помогите|помощ\pL*|защит\pL*|i am your customer|we are your customer|for us until)\b|帮助|帮忙|防护|清洗|助けて|保護して"
)
_SELF = pattern(
    r"(?i)\b(?:my|our|mein\pL{0,2}|unser\pL{0,2}|mon|notre|nos|mi|nuestr[ao]s?|(?:il )?mi[oa]|(?:il |la )?nostr[ao]|mijn|onze|mój|nasz\pL{0,2}|(?:o )?meu|(?:o )?nosso|мой|наш\pL{0,2})\s(?:[\pL-]+\s){0,3}(?:is|are|was|has been|gets|wird|werden|steht|est|sont|subit|está|sufre|recibe|è|viene|subisce|wordt|ligt|jest|foi|"
    r"атаку\pL*|под)(?:[\s.,:;]|$)|\b(?:we|i) (?:are|am|'re|'m) (?:being|under)|\bwe are seeing\b|\battack since\b|我们的服务器|我的服务器|弊社サーバ"
)


def weigh_passives(letter: str, mentions: list[Mention]) -> None:
    """``A is being attacked by B``: whatever else is said around them, A suffers and B does it. Whose A is, its cue keeps."""
    for one, other in pairwise(mentions):
        gap = letter[one.found.end : other.found.start]
        if len(gap) > 140 or "\n\n" in gap or not _PASSIVE.match(gap):
            continue
        if gap.strip(" )）、")[:1] in ("が", "は") and not _SUFFERS.match(letter[other.found.end : other.found.end + 40]):
            continue
        theirs = YOUR_LIST.search(one.cue) or YOUR_LIST.search(letter[max(0, one.found.start - 40) : one.found.start])
        one.role, one.strength, one.points, one.cue = Role.VICTIM, SAYS, True, STRUCK if theirs else "suffers"
        if (
            other.role is None
            or (other.role is Role.ACCUSED and other.strength < SAYS)
            or (other.role is Role.VICTIM and other.strength < SAYS)
        ):
            other.role, other.strength, other.points, other.said_at = Role.ACCUSED, SAYS, True, one.found.end
            other.cue = "does it"


def weigh_actives(letter: str, mentions: list[Mention]) -> None:
    """``A is attacking B``: B suffers, whatever else is said of it; what it is accused of elsewhere the letter contradicts."""
    for one, other in pairwise(mentions):
        gap = letter[one.found.end : other.found.start]
        if one.in_table or one.ip == other.ip or not 3 <= len(gap) <= 90 or "\n" in gap:
            continue
        if not _ACTIVE.match(gap) or _NOT_STRUCK.search(gap):
            continue
        if other.role is not Role.VICTIM or other.strength < SAYS:
            other.role, other.strength, other.cue, other.points = Role.VICTIM, SAYS, "suffers", True
        if one.role is None or one.strength < SAYS:
            one.role, one.strength, one.points, one.said_at, one.cue = Role.ACCUSED, SAYS, True, one.found.end, "does it"


def weigh_past(letter: str, mentions: list[Mention]) -> None:
    """``previously hosted on A``: not accused today."""
    for one in mentions:
        lead = letter[max(one.line.start, one.found.start - 70) : one.found.start]
        if one.role is Role.ACCUSED and _BEFORE.search(lead):
            clause = lead[max((match.end() for match in _CLAUSE.finditer(lead)), default=0) :]
            if _BEFORE.search(clause):
                one.role, one.strength, one.cue = Role.OTHER, SAYS, "before"


def strikes_reader(mentions: list[Mention]) -> bool:
    """Whether an address is named as the reader's that suffers."""
    return any(one.cue == STRUCK and one.role is Role.VICTIM for one in mentions)


_AT = r"[\s\d.:a-f(),]{1,46}"  # an address, or nothing but a blank
_BOX = r"(?:server|site|website|web ?page|vps|v-server|root-?server|shop|store|blog|account|package|hosting|host|machine|webserver|webseite|homepage|seite|serveur|site web|boutique|hébergement|servidor|sitio|web|página|tienda|sito|negozio|serwer|strona|sklep|loja|сервер|сайт|магазин)"
#: Whose machine stands with the reader: ``my server A with you``, ``my site on your server A``, ``I rent A from you``.
_WITH_YOU = pattern(
    rf"(?i)\b(?:my|our|mein\pL{{0,2}}|unser\pL{{0,2}}|mon|notre|mi|nuestr[ao]|mio|nostr[ao]|mijn|onze|ons|mój|moja|nasz\pL?|meu|minha|noss[ao]|мой|наш)\s(?:[\pL-]{{1,16}}\s)?{_BOX}{_AT}(?:(?:is |are |hosted |located |running )*(?:(?:with|at|by) you\b|(?:on|in|under) your\s)|bei (?:ihnen|euch|dir)\b|auf ihre[mnr] |auf eure[mnr] |chez vous|(?:sur|dans) (?:votre|vos) |"
    rf"con (?:ustedes|vosotros)|en (?:su|sus|vuestr[ao]s?) |(?:presso di|da|con) voi\b|(?:sul|sulla|nel|nella|sui) vostr|bij (?:jullie|u)\b|op (?:jullie|uw) |u (?:was|państwa)\b|na (?:waszym|państwa) |convosco|com vocês|no voss|na voss|no seu |у вас|на ваш)"
    r"|\b(?:i|we) (?:\pL+ ){0,2}(?:rent(?:ed)?|leas\pL+|hir\pL+|bought|buy)\b[^.!?\n]{0,50}\bfrom you\b|\b(?:we|i) rent from you|\bbei (?:ihnen|euch|dir) (?:\pL+ ){0,2}(?:gemietet\pL*|gebucht\pL*|gehostet\pL*)|\b(?:miete|mieten|hoste|hosten)\b[^.!?\n]{0,30}\bbei (?:ihnen|euch|dir)\b|\b(?:je loue|nous louons|j'ai loué|loué)\b[^.!?\n]{0,40}\b(?:chez|à) vous\b|"
    r"\b(?:alquil\pL+|contrat(?:o|é|amos|ado))\b[^.!?\n]{0,30}\b(?:con ustedes|con vosotros|a ustedes)|\b(?:noleggi\pL+|affitt\pL+)\b[^.!?\n]{0,30}\b(?:da|presso di) voi\b|\b(?:ik huur|wij huren|we huren|huur ik|huren wij|huren we)\b[^.!?\n]{0,20}\b(?:bij|van) (?:jullie|u)\b|\b(?:wynajm\pL+|dzierżaw\pL+)\b[^.!?\n]{0,30}\bu (?:was|państwa)|"
    r"\b(?:alug\pL+|arrend\pL+)\b[^.!?\n]{0,30}\b(?:convosco|com vocês|a vocês)|арендую[^.!?\n]{0,20}у вас|у вас[^.!?\n]{0,12}арендую|(?:在|向)(?:贵[司方]|贵公司|你们)[^。\n]{0,6}(?:租|托管|购买)|(?:御社|貴社)(?:で|から)[^。\n]{0,6}(?:借り|契約|レンタル)"
)
_I_AM_YOURS = pattern(
    r"(?i)\b(?:(?:i am|i'm|we are|we're) (?:a |your )?(?:long-time )?customers?(?: of yours)?|ich bin (?:ihr )?kunde|wir sind (?:ihr )?kunde|je suis (?:votre )?client|nous sommes clients?|soy cliente|somos clientes?|sono (?:un )?vostro cliente|siamo (?:vostri )?clienti|ik ben klant|wij zijn klant|"
    r"jestem (?:waszym |państwa )?klientem|sou (?:vosso )?cliente|somos (?:vossos )?clientes|я ваш клиент|мы ваш\pL* клиент\pL*)\b|我是贵|我们是贵|貴社を利用|御社を利用"
)


def is_from_customer(words: str) -> bool:
    """Whether the writer says to be the reader's customer: then ``your customer`` is the writer."""
    return _I_AM_YOURS.search(words) is not None or _WITH_YOU.search(words) is not None


def may_be_own(words: str) -> bool:
    """Whether the writer asks for help against an attack on what is his own: then a bare address may be his."""
    return bool(_HELP.search(words)) and bool(_SELF.search(words))
