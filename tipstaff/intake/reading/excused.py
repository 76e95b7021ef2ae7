# ruff: noqa: E501 - patterns read better whole
"""What a letter says for an address that it seems to accuse: a word that excuses it leaves the letter to a person.

``exculpation`` takes an address out where a sentence clears it in so many words. Here a single word is enough, because it decides
nothing: it only keeps a sentence that says more than its cue from accusing unseen. Pure.
"""

from collections.abc import Iterable

from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import Role
from tipstaff.intake.reading.sections import Zone

_BEFORE, _BEHIND = 110, 130  # characters around an address that may excuse it
_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[.!?:;]\n|[.!?]\s*$|\n[ \t>*•-]{0,6}\p{L}[\p{L} .]{1,30}\s?[:=]")
_NOT = pattern(r"(?i)\b(?:not|isn't|wasn't|nicht|pas|no|non|niet|nie|não|не)\b")  # ``that was not me``
#: Before an address, these begin what is said of it: ``, which``; ``(``.
_CLAUSE = pattern(r"[:;]\s|[。；：]")
#: A second sentence that goes on about the same.
_IT = pattern(
    r"(?i)^[.!?。]?\s{0,3}(?:that(?: one|'s)?|this(?: one)?|it|it's|he|she|they|these|those|diese[rs]?|das|es|er|sie|celle-ci|celui-ci|elle|il|ce|c'est|ésta|éste|esa|ese|eso|es|questo|questa|quello|è|deze|dat|die|dit|ten|ta|to|tamten|esse|essa|isso|este|esta|é|этот|эта|это|он|она|它|这|これ|それ)\b"
)
_PLACE = r"(?:provider|isp|operator|network|host\pL*|company|carrier|organi[sz]ation|anbieter|betreiber|netz\pL*|firma|unternehmen|hébergeur|fournisseur|opérateur|réseau|société|proveedor|operador|red|empresa|fornitore|operatore|rete|azienda|aanbieder|netwerk|bedrijf|dostaw\pL+|operator\pL*|sie[cć]\pL*|firm\pL*|provedor|fornecedor|rede|провайдер\pL*|оператор\pL*|сет\pL+|хостинг\pL*|компани\pL+)"
_ANOTHER = r"(?:another|an other|a different|some other|somebody else's|someone else's|einem? anderen?|eines anderen|d'un autre|un autre|une autre|otr[oa]|un altr[oa]|un'altra|een ander\pL?|inn\pL+|outr[oa]|друг\pL+)"
#: Behind an address: it is the writer's, another's, past or harmless.
_FOR = pattern(
    rf"(?i)\b(?:(?:belongs?|belonging|registered|assigned|allocated|gehör\pL+|appart\pL+|pertenec\pL+|appart\pL+|behoort|hoort|należ\pL+|pertenc\pL+|принадлеж\pL+)\s(?:\pL+\s){{0,2}}{_ANOTHER}|{_ANOTHER}\s(?:\pL+\s)?{_PLACE})\b|\b(?:belongs? to (?:us|me|our|my)|gehör\pL+ (?:zu )?(?:uns|mir)|(?:nous|m')\s?appart\pL+|(?:nos|me) pertenec\pL+|(?:ci appartiene|appartiene a (?:noi|me))|is van (?:ons|mij)|należ\pL+ do (?:nas|mnie)|pertence(?:-nos| a nós)|known to us|we trust|trusted|until (?:last|\d))\b|принадлеж\pL+ нам"
    r"|\b(?:that|this|it|which|who|they|these|those)(?:'s| is| was| are| were)\s(?:only |just |also |simply |actually |really |of course )?(?:us|me|ours|mine|myself|our|my|his own|her own|their own)\b|\b(?:his|her|their) own (?:\pL+ )?(?:connection|address|line|pc|computer|phone|laptop|home|ip)\b"
    r"|\b(?:is|are|was|were) (?:only |just |also )?(?:our|ours|my|mine|us)\b|\b(?:ist|sind|war|waren) (?:nur |auch |bloß )?(?:unser\pL{0,2}|mein\pL{0,2})\b|\b(?:est|sont|était) (?:celle de )?(?:notre|nos|mon|mes)\b|\b(?:es|son) (?:el |la |los |las )?(?:nuestr[ao]s?|mis?)\b|\b(?:è|sono) (?:il |la |i |le )?(?:nostr[aeio]|mi[aeo]|miei)\b|\b(?:is|zijn) (?:van )?(?:onze|ons|mijn)\b|\b(?:jest|są|to) nasz\pL?\b|\b(?:é|são) (?:o |a |os |as )?(?:noss[ao]s?|meus?|minhas?)\b"
    r"|\b(?:(?:can|may|should) be (?:ignored|disregarded)|please (?:ignore|disregard)|ignorier\pL*|nicht (?:zu )?beachten|ignorez|à ignorer|ignoren?|ignorar|ignorate|ignorare|negeren|z?ignorować|игнорир\pL+|turned out to be|stellte sich (?:\pL+ )?als|s'est avérée?|resultó ser|si è rivelat[oa]|bleek|okazał\pL? się|оказал\pL+)\b|忽略|無視"
    r"|\b(?:das|dies|die|der) (?:sind|bin|ist|war|waren) (?:aber |auch |nur )?(?:wir|ich|unser\pL{0,2}|mein\pL{0,2}|sein eigener|ihr eigener)\b|\bc'(?:est|était) (?:nous|moi|notre|mon|ma|sa propre|son propre|la sienne)\b|\b(?:es|somos|soy|era) (?:nuestr[ao]|mí[ao]|mi|yo|nosotros)\b|\b(?:siamo|sono|è|era) (?:noi|io|(?:il |la )?nostr[ao]|(?:il |la )?mi[ao])\b"
    r"|\bdat (?:zijn|ben|is|was) (?:wij|ik|onze|ons|mijn)\b|\bto (?:jest |był\pL? )?(?:ja|nasz\pL?|mój|moja)\b|\b(?:somos|sou|é|era) (?:nós|eu|(?:o |a )?noss[oa]|(?:o )?meu|(?:a )?minha)\b|(?:^|[\s,(–—-])это (?:мы|я|наш\pL{0,2}|мой|моя|мо[её])(?:[^\pL]|$)|是我们?(?:自己)?的?|是本[社行站校]|は(?:弊社|当社|自社|当方)の"
    r"|\b(?:is|are|was|has|have|ist|sind|hat|est|sont|es|son|è|sono|jest|é|são) (?:now |also |auch |anche |también |aussi )?(?:no longer|not any ?more|plus |nicht mehr|już nie)\b|\bn'(?:est|a|ont) plus\b|\bne sont plus\b|\bya no (?:es|está|son|tiene)\b|\bnon (?:è|sono|ha|c'entra) più\b|\b(?:niet|geen) (?:meer|langer)\b|\bjuż nie\b|\bjá não\b|\b(?:больше|уже) не\b|不再|もう(?:関係|問題)"
    r"|\b(?:harmless|(?:is|are|ist|sind|est|sont|es|son|è|sono|zijn|jest|é|são) (?:\pL+ )?(?:legit|legitimate|legitim|légitimes?|legítim[oa]s?|legittim[oaie]|legitiem)|innocuous|well-behaved|by mistake|mistakenly|in error|false alarm|(?:has|have) been (?:\pL+ )?(?:quiet|silent|solved|resolved|dealt with|taken care of|fixed|cleaned|shut down|disconnected)|(?:is|are|was|were) (?:\pL+ )?(?:solved|resolved|dealt with|fixed|cleaned up?)|(?:is|are) allowed to|may do (?:that|so)|only (?:received|relays?|forwards?|passes)"
    r"|harmlos\pL*|erledigt|behoben|darf das|dürfen das|irrtümlich|versehentlich|inoffensi\pL+|réglée?s?|résolue?s?|à tort|inofensiv\pL+|resuelt\pL+|solucionad\pL+|por error|innocu\pL+|risolt\pL+|per errore|onschadelijk|opgelost|per abuis|nieszkodliw\pL+|załatwion\pL+|rozwiązan\pL+|omyłkowo|resolvid\pL+|por engano|безобидн\pL+|решен\pL?|улажен\pL*|по ошибке|ошибочно)\b|无害|误报|已(?:经)?解决|合法|無害|解決済|誤って|正当な"
)
#: In front of an address, in its clause: what came from there was no abuse, or somebody only thought so.
_WAS = pattern(
    r"(?i)\b(?:its|our|my|their|whose|seine|unsere|meine|deren|ses|nos|leurs|sus|nuestr[ao]s|mis|i suoi|le sue|i nostri|le nostre|zijn|onze|jego|nasze|seus|suas|nossos|nossas|его|наши)\s(?:\pL+\s){0,2}(?:mails?|e-mails?|answers?|replies|responses|notifications?|tests?|probes?|backups?|monitoring|checks?|crawlers?|antworten|nachrichten|prüfungen|sicherungen|réponses|courriels|sauvegardes|respuestas|correos|copias|risposte|copie|antwoorden|berichten|odpowiedzi|wiadomości|respostas|mensagens|ответы|письма|сообщения|проверки)\s(?:\pL+\s){0,3}(?:from|von|aus|de|depuis|desde|da|dal|vanaf|van|z|ze|от|с|из)\b[^.!?\n]{0,40}$"
    r"|\b(?:first|initially|at first|originally|zuerst|zunächst|anfangs|d'abord|au début|al principio|primero|all'inizio|dapprima|eerst|aanvankelijk|najpierw|początkowo|no início|primeiro|сначала|поначалу)\s(?:\pL+\s){0,3}(?:suspect\pL*|thought|believed|assumed|blamed|verdächtig\pL*|verdacht\pL*|vermut\pL+|soupçonn\pL*|cru|pensé|sospech\pL*|creíamos|pensamos|sospett\pL*|credev\pL+|pensav\pL+|dachten|vermoed\pL+|podejrzew\pL+|myśl\pL+|suspeit\pL*|pensámos|подозрева\pL+|думал\pL*)\b[^.!?\n]{0,60}$"
    r"|\b(?:confuse|mix|mistake|compare|verwechsel\pL*|vergleich\pL*|confond\pL*|compar\pL+|confund\pL+|verwar\pL*|vergelijk\pL*|myl\pL+|porówn\pL+|пута\pL+|сравн\pL+)\s(?:\pL+\s){0,2}(?:with|for|up with|mit|avec|con|met|z|com|с)\b[^.!?\n]{0,30}$"
    r"|\b(?:you (?:may|might|will|can|could) (?:\pL+ )?(?:see|find|notice|spot)|(?:sehen|finden) sie|vous (?:pouvez|pourriez|allez) voir|(?:pueden|puede) ver|potete vedere|(?:ziet u|zien jullie)|podem ver|вы (?:можете|могли) видеть)\s(?:us|me|uns|mich|nos|ci|ons|nas|нас|it|them)\b[^.!?\n]{0,50}$"
    r"|\b(?:gateway|name ?servers?|looking glass|default route|passerelle|nameservers?|serveurs de noms|шлюз|brama|puerta de enlace)\s?[:=(]?\s?$"
    r"|\b(?:reproduced?|tested|verified|checked|confirmed|nachgestellt|geprüft|getestet|vérifiée?|testée?|comprobado|verificado|probado|verificato|provato|gecontroleerd|sprawdzon\pL+|testado|проверил\pL?)\s(?:\pL+\s){0,3}(?:from|von|depuis|desde|da|dal|vanaf|z|с)\s(?:\pL+\s){0,4}$"
    r"|(?:起初|最初|一开始)[^。，\n]{0,8}(?:怀疑|以为)[^。\n]{0,8}$|(?:最初|当初)は$|(?:网关|网段网关|域名服务器|ネームサーバー?|ゲートウェイ)[^。，、\n]{0,4}$"
)


def excused(text: str, mentions: Iterable[Mention], accused: set[str]) -> tuple[str, str]:
    """The first accused address that the words around it excuse, and those words; ('', '') where none does.

    Lines of logs and tables are not asked: what stands there is said of the row. Nor is a sentence that names no address at all.
    """
    known = [one for one in mentions if one.line.zone in (Zone.BODY, Zone.CLOSING)]
    for place, one in enumerate(known):
        if one.ip not in accused or one.in_table or one.role in (Role.VICTIM, Role.OTHER):
            continue
        start, end = one.found.start, one.found.end
        if text[start:end] != one.found.as_written:  # from the subject
            continue
        floor = known[place - 1].found.end if place else 0
        roof = known[place + 1].found.start if place + 1 < len(known) else len(text)
        if words := _before(text, max(floor, start - _BEFORE), start) or _behind(text, end, min(roof, end + _BEHIND)):
            return one.ip, words
    return "", ""


def _before(text: str, floor: int, start: int) -> str:
    lead = text[floor:start]
    lead = lead[max((stop.end() - 1 for stop in _STOP.finditer(lead.rstrip(" \n"))), default=0) :]
    lead = lead[max((stop.end() for stop in _CLAUSE.finditer(lead[:-2])), default=0) :]
    match = _WAS.search(lead)
    return match.group().strip() if match else ""


def _behind(text: str, end: int, roof: int) -> str:
    window = text[end:roof]
    stop = _STOP.search(window)
    said = window if stop is None else window[: stop.start() + 1]
    if stop is not None and _IT.match(rest := window[stop.start() :]):
        second = _STOP.search(rest[2:])
        said = window[: stop.start() + 2 + second.start()] if second else window
    match = _FOR.search(said)
    if match is None or _NOT.search(text[end + match.start() : end + match.end() + 20]):
        return ""
    return match.group().strip()
