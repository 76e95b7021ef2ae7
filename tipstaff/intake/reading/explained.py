# ruff: noqa: E501 - patterns read better whole
"""Whether the whole letter agrees with whom it accuses: each place where an address stands must be explained.

An accusation that one sentence bears out may be unsaid by another: the same address suffers elsewhere, lies in a network that the
writer calls his own, or another address stands there as well and nothing tells its part. Such a letter is left to a person.
"""

import ipaddress
from itertools import pairwise

from tipstaff.intake.reading.accusation import is_private
from tipstaff.intake.reading.complaint_events import Reading
from tipstaff.intake.reading.excused import excused
from tipstaff.intake.reading.grounds import ANSWERS, DOER, LABEL, Sentences, sentences_of
from tipstaff.intake.reading.indicators import find_addresses, find_networks
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.owners import YOUR_LIST, is_item
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.received import within
from tipstaff.intake.reading.remarks import last_is_own
from tipstaff.intake.reading.roles import LIKELY, SAYS, Role
from tipstaff.intake.reading.sections import Zone

_BEFORE, _BEHIND = 90, 70  # characters around an address that may tell its part
_OWN = (
    r"we|we're|us|our|ours|my|mine|myself|i|i'm|me|at home|wir|uns|unser\pL{0,2}|mein\pL{0,2}|ich|mir|nous|notre|nos|nôtre|mon|ma|mes|je|j'ai|moi|nuestr[ao]s?|mis?|tenemos|tengo|yo|nostr[aeio]|mi[oa]|miei|noi|io|abbiamo|ho|"
    r"wij|ons|onze|mijn|ik|nasz\pL{0,3}|nam|nas|mój|moj\pL{1,3}|mnie|noss[ao]s?|meus?|minhas?|nós|eu|наш\pL{0,3}|мы|нам|нас|мой|моя|мо[её]\pL{0,2}|мне|меня|я"
)
_PARTS = (
    r"target\pL*|ziel\pL*|dst|dest\pL*|victim\pL*|opfer|victimes?|sensor\pL*|honeypot|dns|resolver\pL*|résolveur|cdn|edge|proxy|gateway|gw|wan|lan|nat|vpn|router|routeros|firewall|mx\d?|relay|mailserver|"
    r"tracker|tracker_ip|exporter|monitor\pL*|probe|test\pL*|scrubbing|shortener|pop|c2|callback|autho?ritative|edge|aaaa|verifier|visor|scanner|helo|pleskin?|prestashop|"
    r"anbieter|hébergeur|fournisseur|proveedor|fornitore|aanbieder|dostawc\pL+|provedor|провайдер\pL*|legitimate|normally|usual\pL*|normalerweise|habituel\pL*|habitual\pL*|abitual\pL*|gewoonlijk|zwykle|zazwyczaj|обычно|"
    r"compare|for comparison|zum vergleich|par comparaison|comparación|confronto|ter vergelijking|porównan\pL+|comparação|сравнени\pL+|name ?servers?|nameservers?|ns\d?|serveurs? de noms|"
    r"attacked|scanned|gescannt\pL*|angegriffen\pL*|attaquée?s?|visée?s?|scannée?s?|atacad[ao]s?|escanead[ao]s?|colpit[aoie]|attaccat[aoie]|scansionat[aoie]|aangevallen|gescand|atakowan\pL*|skanowan\pL*|атакован\pL*|пострадал\pL*|portal\pL*|reporter|desk|"
    r"separately|getrennt|séparément|por separado|separatamente|apart|osobno|отдельно"
)
#: What tells the part of an address that is not accused: the writer's own side, or what kind of machine it is.
_EXPLAINS = pattern(
    rf"(?i)\b(?:{_OWN}|{_PARTS})\b|我[们方司]?|本[社行站机方]|弊[社店]|当[社店方]|自[社家]|服务器|伺服|主机是|目[标的]|受害|宛先|受信|サーバ|代理|網関|网关|解析|测试|検証|別の"
)
_STOP = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。!?]|[.!?:;]\n")
#: Where a sentence turns: what is said before tells nothing of the address behind.
_TURNS = pattern(
    r"(?i)\s(?:but|whereas|aber|doch|mais|tandis que|alors que|pero|mientras que|ma|però|mentre|maar|terwijl|ale|natomiast|mas|enquanto|но|тогда как)\s|但|しかし"
)
_OWN_NET = pattern(
    r"(?i)(?:\b(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|nos|mon|nuestr[ao]s?|mis?|nostr[aeio]|mi[oa]|onze|ons|mijn|nasz\pL{0,3}|mój|moj\pL{1,3}|noss[ao]s?|meus?|minhas?|наш\pL{0,3}|мо[йяюеи])\b|我[们司方]?的?|本[社行校]|弊社|当社|自社)[^.!?\n]{0,40}$"
)
#: What a customer answers who has done something about a complaint.
_REMEDIED = pattern(
    r"(?i)\b(?:cleaned (?:it|up|the|that|our)|reinstalled|re-installed|patched|(?:we|i) (?:have |had |'ve )?(?:\pL+ )?(?:found and|removed|fixed|closed|disabled|shut down|taken (?:it )?down|updated|changed (?:the|all) passwords?)|(?:should|will|won't|can) (?:not )?happen again|bereinigt|neu (?:installiert|aufgesetzt)|behoben|kommt nicht (?:wieder|mehr) vor|"
    r"nettoyé\pL*|réinstallé\pL*|corrigé\pL*|ne se reproduira|limpiad[oa]|reinstalad[oa]|hemos (?:eliminado|corregido|cerrado|actualizado)|no volverá a|ripulit[oa]|reinstallat[oa]|abbiamo (?:rimosso|corretto|chiuso|aggiornato)|opgeschoond|opnieuw geïnstalleerd|hebben (?:het |de )?(?:\pL+ )?(?:verwijderd|opgelost|gesloten)|"
    r"wyczyszczon\pL+|usunęliśmy|przeinstalowa\pL+|naprawili\pL+|limpámos|limpamos|reinstalámos|removemos|corrigimos|очистили|переустанов\pL+|устранили|удалили|исправили)\b|已(?:经)?(?:清理|删除|修复|重装)|駆除しました|削除しました|再インストール|修正しました|対応済"
)
#: ``the rest is not yours``.
_REST = pattern(
    r"(?i)\b(?:the rest|(?:all |the )?others?|everything else|the remaining(?: ones)?)\s(?:\pL+\s)?(?:is|are|was|were|belongs?)\s(?:not|elsewhere|with other|at other|to other)|\bder rest (?:ist|gehört|liegt)|\bdie (?:anderen|übrigen|restlichen) (?:\pL+ )?(?:sind|gehören|liegen)|"
    r"\ble reste (?:n'est|n'appartient|est|appartient)|\bles autres (?:ne sont|sont|n'appartiennent|appartiennent)|\b(?:el resto|los demás|las demás|los otros|las otras) (?:no|es|son|pertenece\pL*)|\b(?:il resto|gli altri|le altre) (?:non|è|sono|appart\pL+)|"
    r"\b(?:de rest|de andere\pL*|de overige\pL*) (?:is|zijn|hoort|horen)|\b(?:reszta|pozostałe) (?:nie|jest|są|należ\pL+)|\b(?:o resto|os outros|os demais|as outras) (?:não|é|são|pertence\pL*)|остальн\pL+ (?:не|—|принадлеж\pL+)|其[余他](?:的)?(?:都)?(?:不|属于|是)|(?:その他|残り)は"
)
#: ``one of the two is wrong``: the writer says that what he shows does not agree.
_AT_ODDS = pattern(
    r"(?i)\b(?:typo|mistyped|misread|misspelt|mixed (?:them |it |the two )?up|erratum|correction|corrected|i meant|we meant|tippfehler|vertippt|verschrieben|verwechselt|korrektur|richtigstellung|faute de frappe|erreur de frappe|rectificati\pL+|corrigé|errata|error tipográfico|me equivoqué|corrección|rectifico|refuso|errata corrige|mi sono sbagliat[oa]|correzione|typefout|tikfout|vergist|correctie|literówk\pL+|pomyłk\pL+|pomylił\pL*|sprostowanie|korekta|gralha|engano|enganei\pL*|correção|опечатк\pL+|ошиб(?:ся|лась|ка моя)|поправк\pL+|исправлени\pL+|"
    r"contradict\pL*|(?:does not|doesn't|do not|don't) (?:add up|match up|agree with each other|fit together)|at odds|one of (?:the|our|my|these|them)(?: two)?\s?(?:\pL+ )?(?:is|must be) (?:wrong|mistaken)|"
    r"widersprech\pL*|widerspruch\pL*|passt nicht zusammen|contredi\pL*|contradi\pL*|contraddi\pL*|tegenstrijdig\pL*|tegenspre\pL*|klopt dus niet|sprzeczn\pL*|противореч\pL*|не сходится)\b|互相矛盾|更正|写错|打错|看错|訂正|間違え|誤記|矛盾して|不确定|我不肯定|矛盾"
)


def unexplained(reading: Reading) -> str:
    """Why the letter as a whole does not bear out its accusation; '' where every address in it is explained."""
    accusation = reading.accusation
    accused = set(accusation.accused)
    if not accused:
        return ""
    prose = [one for one in accusation.mentions if one.line.zone is not Zone.LOG]
    for one in prose:
        if one.ip in accused and one.role in (Role.VICTIM, Role.OTHER) and one.strength >= SAYS and one.ip != reading.spam_source:
            return f"it accuses {one.ip} and speaks of it as of another's ({one.cue})"
    if ip := _in_own_network(reading, accused):
        return f"{ip} lies in a network that the writer calls his own"
    if (hop := reading.facts.pasted_hop) and hop[0].from_ip and not _is_known(reading, hop[0].from_ip, accused):
        return f"it accuses {', '.join(dict.fromkeys(accusation.accused))} and shows headers of a mail from {hop[0].from_ip}"
    if words := _the_wrong_way_round(reading, accused) or _words_against_headers(reading):
        return words
    if words := _only_some(reading, accused):
        return words
    if not accusation.logs and ANSWERS.search(reading.facts.subject) and (done := _REMEDIED.search(reading.facts.own_words)):
        return f"it answers and says: {done.group().strip()}"
    if ip := _uncharged(reading, accused):
        return f"it accuses {ip} beside others, and nothing where it stands speaks of abuse"
    ip, words = excused(reading.facts.text, accusation.mentions, accused)
    if ip:
        return f"it accuses {ip} and says of it: {words}"
    others = _others(reading, accused)
    if others and _AT_ODDS.search(reading.facts.own_words):
        return "it says that what it shows does not agree"
    ends = {
        id(one): before.found.end
        for before, one in pairwise(accusation.mentions)
        if before.ip != one.ip
        and _TURNS.search(reading.facts.text[before.found.end : min(one.found.start, before.found.end + _BEFORE)])
    }
    for ip, mentions in others.items():
        if not any(_is_told(reading.facts.text, one, reading.facts.reporter_domains, ends.get(id(one), 0)) for one in mentions):
            return f"it accuses {', '.join(accusation.accused[:3])} and does not say what {ip} is"
    return ""


def _the_wrong_way_round(reading: Reading, accused: set[str]) -> str:
    """Where the log's attacks go to whom the letter accuses, or come from whom it calls attacked, and never the other way."""
    attacks = [entry for _, entry in reading.accusation.logs if not entry.good and entry.src]
    if any(entry.src in accused for entry in attacks):
        return ""
    for entry in attacks:
        if entry.dst in accused:
            return f"it accuses {entry.dst}, which its log shows as the target"
        if entry.src in reading.accusation.victims:
            return f"its log shows attacks from {entry.src}, which it calls attacked"
    return ""


def _words_against_headers(reading: Reading) -> str:
    """Where the headers alone accuse, and what is said below them speaks of another address that stands in them as well."""
    source, lines = reading.spam_source, reading.facts.lines
    if not source:
        return ""
    shown = "\n".join(line.text for line in lines if line.zone is Zone.HEADERS)
    told = set(reading.accusation.victims) | {one.ip for one in reading.accusation.mentions if one.role is Role.OTHER}
    for line in lines:
        if line.zone in (Zone.BODY, Zone.CLOSING, Zone.SAMPLE) and "." in line.text:
            for found in find_addresses(line.text):
                if found.value not in told and found.value != source and found.as_written in shown and not is_private(found.value):
                    return f"its headers show {source}, and it speaks of {found.value}"
    return ""


def _uncharged(reading: Reading, accused: set[str]) -> str:
    """An accused address of several whose part is open, that only stands in sentences without a word of abuse or a demand."""
    accusation, text = reading.accusation, reading.facts.text
    prose = [
        one
        for one in accusation.mentions
        if one.line.zone in (Zone.BODY, Zone.CLOSING) and text[one.found.start : one.found.end] == one.found.as_written
    ]
    open_ones = {one.ip for one in prose if one.role not in (Role.VICTIM, Role.OTHER) and not is_private(one.ip)}
    shown = reading.serving | {entry.src for _, entry in accusation.logs}
    asked = (accused & {one.ip for one in prose}) - shown
    if len(open_ones) < 2 or not asked:
        return ""
    sentences = sentences_of(reading)
    for ip in accusation.accused:
        if ip in asked and not any(one.ip == ip and _stands_charged(text, one, sentences) for one in prose):
            return ip
    return ""


def _stands_charged(text: str, one: Mention, sentences: Sentences) -> bool:
    """Whether an address stands under a heading, behind a label, in a list, or in a sentence that speaks of abuse."""
    start = one.found.start
    if one.in_table or one.inherited or is_item(one.line.text[:200]) or LABEL.match(text[one.line.start : start]):
        return True
    low, high = sentences.bounds(start, one.found.end)
    yours = one.role is Role.ACCUSED and YOUR_LIST.search(text[low:high]) is not None
    does = one.role is Role.ACCUSED and one.strength >= SAYS and DOER.search(one.cue) is not None
    return yours or does or sentences.charged(low, high) or sentences.demands(low, high)


def _only_some(reading: Reading, accused: set[str]) -> str:
    """``yours is A only, the rest is not yours``: where one address of a list is singled out, the others are not meant."""
    if len(accused) < 2 or not _REST.search(reading.facts.own_words):
        return ""
    prose = [one for one in reading.accusation.mentions if one.line.zone in (Zone.BODY, Zone.CLOSING)]
    singled = {one.ip for one in prose if not is_item(one.line.text[:200])}
    listed = {one.ip for one in prose if is_item(one.line.text[:200])} | {entry.src for _, entry in reading.accusation.logs}
    return "it says that not all that it lists is meant" if singled & listed and accused & (listed - singled) else ""


def _in_own_network(reading: Reading, accused: set[str]) -> str:
    text = reading.facts.text
    for network in find_networks(text) if "/" in text else ():
        if not _OWN_NET.search(text[max(0, network.start - 60) : network.start]):
            continue
        span = ipaddress.ip_network(network.value, strict=False)
        for ip in accused:
            if ipaddress.ip_address(ip) in span:
                return ip
    return ""


def _is_known(reading: Reading, ip: str, accused: set[str]) -> bool:
    """Whether who handed the mail over is accused, told to be somebody else, or handed on what an accused one sent."""
    accusation = reading.accusation
    if ip in accused or ip in accusation.victims or any(one.ip == ip and one.role is Role.OTHER for one in accusation.mentions):
        return True
    return any(line.zone is Zone.HEADERS and any(one in line.text for one in accused) for line in reading.facts.lines)


def _others(reading: Reading, accused: set[str]) -> dict[str, list[Mention]]:
    """Public addresses whose part nothing has told so far, with the places where they stand."""
    accusation = reading.accusation
    told = accused | set(accusation.victims) | {entry.dst for _, entry in accusation.logs}
    told |= {entry.src for _, entry in accusation.logs if entry.good}
    told |= {one.ip for one in accusation.mentions if one.role in (Role.VICTIM, Role.OTHER, Role.NEUTRAL)}
    explaining = {line.number for line, entry in accusation.logs if entry.src in accused}
    ours = reading.facts.message.hints.own_networks  # who is outside them is not ours to accuse, whatever his part
    others: dict[str, list[Mention]] = {}
    for one in accusation.mentions:
        if (
            one.ip not in told
            and not is_private(one.ip)
            and one.line.number not in explaining
            and (not ours or within(one.ip, ours))
        ):
            others.setdefault(one.ip, []).append(one)
    if others and accusation.mentions and accusation.mentions[-1].ip in others and last_is_own(reading.facts.text):
        del others[accusation.mentions[-1].ip]
    return others


def _is_told(text: str, one: Mention, domains: frozenset[str], floor: int) -> bool:
    """Whether the words around an address tell what it is to the writer. ``floor``: where another address ends before it."""
    start, end = one.found.start, one.found.end
    if text[start:end] != one.found.as_written or one.line.zone in (Zone.CLOSING, Zone.SIGNATURE):
        return True
    if any(name in one.line.text for name in domains):
        return True
    low = max(floor, start - _BEFORE)
    lead = text[low:start].rpartition("\n\n")[2]
    lead = lead[max((stop.end() - 1 for stop in _STOP.finditer(lead)), default=0) :]  # only its own sentence tells
    if one.role is Role.ACCUSED and YOUR_LIST.search(one.cue):
        return False
    if one.role is Role.ACCUSED and one.strength < LIKELY:
        return True  # ``on A``, ``server A``: where it happened
    behind = text[end : end + _BEHIND].partition("\n\n")[0]
    stop = _STOP.search(behind)
    return _EXPLAINS.search(f"{lead} {behind[: stop.start() + 1] if stop else behind}") is not None
