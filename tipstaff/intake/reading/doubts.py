# ruff: noqa: E501 - patterns read better whole
"""What is left to a person: letters that say one thing and its contrary, and letters that no sign of ordinary mail sets aside."""

from itertools import pairwise

from tipstaff.intake.reading.accusation import is_private
from tipstaff.intake.reading.complaint_events import Reading
from tipstaff.intake.reading.grounds import bearing_of
from tipstaff.intake.reading.indicators import find_networks
from tipstaff.intake.reading.letter_facts import Facts
from tipstaff.intake.reading.mailboxes import sender_of
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.received import within
from tipstaff.intake.reading.sections import Zone

#: ``from A to us, or the other way round?``
_REVERSED = pattern(
    r"(?i)\b(?:or|and perhaps) (?:(?:is|was) it |maybe |perhaps |rather )*(?:the other way (?:a?round|about)|vice[ -]versa|the reverse|the opposite|(?:to|from|towards?)(?: (?:it|us|there))?\s?\?)|\b(?:oder|bzw\.) (?:auch |doch |ist es |war es |vielleicht )*(?:umgekehrt|andersherum|andersrum)|"
    r"\bou (?:bien |peut-être |est-ce )*(?:l'inverse|le contraire|inversement|vice[ -]versa)|\bo (?:tal vez |quizás? |es |fue )*(?:al revés|viceversa|lo contrario|a la inversa)|\bo (?:forse |magari |è )*(?:viceversa|il contrario|al contrario|l'inverso)|"
    r"\bof (?:misschien |juist |is het )*(?:andersom|omgekeerd)|\b(?:lub|albo|czy|a może) (?:może |jest |raczej )*(?:odwrotnie|na odwrót)|\bou (?:talvez |será |é )*(?:o contrário|ao contrário|vice-versa|o inverso)|\bили (?:может |быть |же )*наоборот|(?:还是|或者|或)(?:是)?(?:反过来|相反|反之)|(?:または|あるいは|それとも)(?:その)?逆"
)
#: ``we cannot tell which of the two``: which address is meant, not whose customer it is.
_WHICH = pattern(
    r"(?i)\b(?:not (?:quite |really |at all )?(?:sure|certain|clear)|unsure|unclear|no idea|(?:don't|do not|doesn't|does not|can't|cannot|can not|could not|couldn't) (?:really )?(?:know|tell|say|remember)) (?:any ?more )?which (?:one|ip|address|of (?:them|the two|these|those|both)|is (?:ours|whose|which))|"
    r"\b(?:nicht (?:ganz )?(?:sicher|klar)|unklar|wei(?:ß|ss) nicht|wissen nicht|keine ahnung)(?: mehr)?,? welche[rs]?\s(?:(?:ip|adresse)\b|von|der beiden|die (?:richtige|unsere)|es|davon)|\b(?:ne (?:sais|savons) (?:pas|plus)|pas (?:sûrs?|certains?)(?: de savoir)?|aucune idée) (?:de )?(?:laquelle|lequel|quelle (?:ip|adresse))|"
    r"\bno (?:sé|sabemos|estoy segur[oa](?: de)?|estamos seguros(?: de)?) (?:cuál|qué (?:ip|dirección))|\bnon (?:so|sappiamo|sono sicur[oa](?: di)?) (?:quale|quali)\b|\b(?:weet|weten) niet (?:meer )?(?:welke?|welk) (?:van|ip|adres|het)|\bnie (?:wiem|wiemy|jestem pew\pL+) (?:już )?(?:,\s?)?któr\pL+|"
    r"\bnão (?:sei|sabemos|tenho certeza(?: de)?) qual|не (?:знаю|знаем|уверен\pL*)(?: точно)?,? (?:какой|который|какая)|不(?:确定|清楚|知道)(?:是)?哪|どちら(?:か|が|の)[^。\n]{0,20}(?:分か|わか|不明)"
)
#: ``no, it was ADDRESS``: what is said before is taken back.
_CORRECTS = pattern(
    r"(?i)(?:\b(?:no|nein|ach nein|halt|moment|non|nee|nie|não|sorry|pardon|perdón|scusate|scusi|przepraszam|desculpe|entschuldigung|correction|korrektur|rectification|corrección|correzione|correctie|korekta|correção|нет|простите|поправка)\s?[,:;.!–—-]+\s?(?:sorry,? )?(?:i |we |ich |wir |je |nous )?(?:actually |rather |eigentlich |plutôt )?"
    r"(?:it was|it is|it's|mean|meant|es war|das war|meinte?|c'était|c'est|era|fue|è|het was|to był\pL?|foi|это был\pL*)|不对[，,]?\s?(?:应该)?是|いや[、,]|訂正[:：])\s?(?:\pL{1,12}\s){0,4}[\[(\"']?$"
)
_OR = pattern(
    r"(?i)^[\s,)\]\"']{0,3}(?:or|oder|ou|o|of|lub|albo|bądź|или|或者?|还是|または|あるいは|か)(?:\s(?:maybe|perhaps|possibly|else|vielleicht|peut-être|tal vez|quizás?|forse|misschien|może|talvez|может быть))?\s?[(\[\"']{0,2}$"
)


def contradiction(reading: Reading) -> str:
    """Why the writer himself does not know which address did it; '' where nothing says so."""
    words = f"{reading.facts.subject}\n{reading.facts.own_words}"
    named = [one for one in reading.accusation.mentions if one.line.zone is not Zone.LOG and not is_private(one.ip)]
    if not named:
        return ""
    if _REVERSED.search(words):
        return "it says that it may have been the other way round"
    if len({one.ip for one in named}) > 1 and _WHICH.search(words):
        return "the writer does not know which of the addresses it was"
    text = reading.facts.text
    for one, other in pairwise(named):
        if one.ip == other.ip or other.found.start < one.found.end:
            continue
        gap = text[one.found.end : other.found.start]
        if _CORRECTS.search(gap[-90:]):
            return f"it names {one.ip} and then says that it was {other.ip}"
        if {one.ip, other.ip} & set(reading.accusation.accused) and _OR.match(gap):
            return f"it says that it was {one.ip} or {other.ip}"
    return ""


_ASKS = pattern(r"\?(?:[\s)\"'!?.]|$)|[？]")
#: A request in the form of a question: ``could you have it removed?``
_POLITE = pattern(
    r"(?i)(?:\b(?:remove\pL?|tak\pL{1,3} (?:\pL+ ){0,2}down|clos\pL{1,3}|delet\pL+|block\pL*|stop\pL*|shut|suspend\pL*|disabl\pL+|entfern\pL+|lösch\pL+|sperr\pL+|abschalt\pL*|abstell\pL*|stoppen|unterbind\pL*|retirer|supprimer|fermer|bloquer|arrêter|cesser|retirar\pL*|eliminar\pL*|cerrar\pL*|bloquear\pL*|borrar\pL*|parar|quitar\pL*|"
    r"rimuover\pL*|eliminar\pL*|chiuder\pL*|bloccar\pL*|fermar\pL*|toglier\pL*|verwijder\pL*|sluiten|blokkeren|ingrijpen|usunąć|zamknąć|zablokować|wyłączyć|remover\pL*|fechar|apagar|удалить|закрыть|заблокировать|убрать|остановить)\b|删除|关闭|封禁|停止|削除|遮断)[^.!?\n]{0,60}[?？]"
)


def asks_something(words: str) -> bool:
    """Whether a question stands in the letter that is no request to act."""
    return bool(_ASKS.search(_POLITE.sub(".", words)))


# ---- what is set aside

#: Mailboxes that machines and departments send ordinary mail from.
_DEPARTMENTS = pattern(
    r"(?i)^(?:no-?reply|do-?not-?reply|sales|verkauf|vertrieb|ventes?|ventas|vendite|verkoop|marketing|events?|eventos|orders?|billing|invoices?|rechnung\w*|accounting|newsletters?|news|jobs?|careers?|rh|hr|webinars?|promo\w*|partner\w*|statuspage|status|nagios|zabbix|icinga|monitor\w*|grafana|cron\w*|root|mailer-daemon|dmarc\w*|registrar|ripe-dbm|hostmaster|alerts?)$"
)
ORDINARY_MAIL = "ordinary mail: "  # begins the reasons that name what ordinary mail says
CLEAR = 4.0  # points of keywords that one word of ordinary mail does not outweigh
#: Topics that a request for help of somebody attacked brings as well: alone they set nothing aside.
_EVERYBODYS = frozenset(("support", "ordinary", "an answer"))
#: Requests and news of ordinary business. Only letters without any word of harm are asked for these.
_BUSINESS = pattern(
    r"(?i)\b(?:ptr|rdns|reverse[ -]dns|dns (?:change|record|zone|delegation)|resolves to|(?:a|aaaa|mx|txt) record of|résili\pL+|dar(?:se)? de baja|kündig\pL+|opzegg\pL+|disdett\pL+|disdire|wypowied\pL+|cancel (?:my|our|the) (?:contract|server|plan|subscription)|contrat\pL{0,3}|contract|vertrag\pL*|contrato|contratto|umowa|umowy|tarif\pL*|quota|wykupić|comprar|umzug|migrat\pL+|"
    r"invit\pL+|einlad\pL+|convid\pL+|convite|uitnodig\pL+|zaprasza\pL+|zaproszen\pL+|partenariat|partnership|blocs? ipv4|new ipv4|additional ipv4|allocation|(?:ssl|tls) certificate|auth ?code|domain transfer|rma|replacement|firewall rule|open port|to the pool|our new|prefix limit|bgp session|maintenance|wartung\pL*|collecte|inscription|ip transit|minutes next week|take over|bug bounty|bounty|is our own|"
    r"as (?:asked|requested) by|as you (?:asked|requested)|wie (?:gewünscht|besprochen)|comme convenu|come richiesto|zoals gevraagd|you asked|dmarc aggregate|delisted|notify you of changes)\b|приглаш\pL+|поздравл\pL+|договор|сменить|案内|ご招待|祝|合同|邀请|^(?:re: )?test\b"
)


def must_be_seen(reading: Reading, reason: str) -> str:
    """Why a letter that complains of nothing in known words is for a person; '' where it may be set aside.

    A letter is set aside on signs of ordinary mail, never for want of signs of a complaint: it names an address or a link, or speaks
    of abuse, and nothing shows that it is a bill, an offer, a notice of a machine or an answer. ``reason``: why it would be set aside.
    """
    own = reading.facts.message.hints.own_networks
    named = {one.ip for one in reading.accusation.mentions} | {entry.src for _, entry in reading.accusation.logs}
    if ours := sorted(ip for ip in named if within(ip, own)):
        return f"it names {', '.join(ours[:3])}, which is ours"
    if reason.startswith("a newsletter"):
        return ""
    links = sorted({link.value for link in reading.links if link.verdict != "other"})
    if _is_ordinary(reading):
        return ""
    outside = sorted(ip for ip in named if not is_private(ip)) if not own else []
    outside += [one.value for one in find_networks(reading.facts.own_words)] if "/" in reading.facts.own_words else []
    if reason.startswith(ORDINARY_MAIL):
        doubtful = bool(outside or links) and bool(reading.category) and reading.points >= CLEAR and ", " not in reason
        return "it speaks of abuse and names something" if doubtful else ""
    if outside or links:
        return f"it names {', '.join([*outside, *links][:3])} and does not look like ordinary mail"
    if reading.category and reading.points >= 2:
        return "it speaks of abuse and names nothing"
    if _CRIME.search(reading.facts.own_words) and _HOSTED.search(reading.facts.own_words):
        return "it speaks of a crime and of what is hosted, and names nothing"
    return "it speaks of something suspicious and names nothing" if _SUSPECTS.search(reading.facts.own_words) else ""


_SUSPECTS = pattern(
    r"(?i)\b(?:suspicious|suspect|verdächtig\pL*|suspecte?s?|sospechos[ao]s?|sospett[aoie]|verdachte?|podejrzan\pL+|suspeit[ao]s?|подозрительн\pL*)\b\s?(?:\pL+\s){0,2}(?:connection|access|login|activity|traffic|verbindung\pL*|zugriff\pL*|aktivität\pL*|connexions?|accès|activité|conexi(?:ón|ones)|acceso|actividad|connession[ei]|access[oi]|attività|verbinding\pL*|toegang|activiteit|połączeni\pL+|ruch|ligaç\pL+|acesso|atividade|подключени\pL*|активност\pL*)|"
    r"\b(?:verdächtig\pL*|unbekannt\pL*) (?:verbindung|zugriff|anmeldung)\pL*|\b(?:connexion|connessione|conexión|conexão|accès|accesso|acceso|acesso|activité|attività|actividad|atividade|połączenie) (?:suspecte?|sospett[ao]|sospechos[ao]|suspeit[ao]|podejrzan[ae])|可疑|不審な"
)


#: Crimes and the police: who speaks of them and of hosting is heard.
_CRIME = pattern(
    r"(?i)\b(?:criminals?|crimes?|fraudsters?|scammers?|police|verbrecher\pL*|kriminell\pL*|betrüger\pL*|polizei|criminels?|escrocs?|delincuentes?|estafador\pL*|policía|criminali|truffator[ei]|polizia|criminelen|oplichters?|politie|"
    r"przestępc\pL+|oszust\pL*|policj\pL+|criminosos?|burlões|polícia)\b|преступник\pL*|мошенник\pL*|полици\pL+|犯罪|骗子|警察|詐欺"
)


_HOSTED = pattern(
    r"(?i)\b(?:host\pL*|servers?|isp|provider\pL*|hosteur|héberg\pL*|fournisseur|serveur\pL*|alojan?|alojad\pL*|servidor\pL*|proveedor\pL*|fornitor\pL*|ospita\pL*|aanbieder\pL*|serwer\pL*|dostawc\pL*|provedor\pL*|hosped\pL*)\b|хост\pL*|сервер\pL*|провайдер\pL*|服务器|主机|サーバ|プロバイダ"
)


def _is_ordinary(reading: Reading) -> bool:
    facts = reading.facts
    message = facts.sender or facts.message
    if message.header("auto-submitted").strip().lower() not in ("", "no"):
        return True
    if _DEPARTMENTS.match((sender_of(message).email or "").partition("@")[0].partition("+")[0]):
        return True
    bearing = bearing_of(reading)
    topics = set(bearing.topics) - _EVERYBODYS
    if topics or (bearing.ordinary >= 2 and bearing.ordinary >= bearing.complaint):
        return True
    return _BUSINESS.search(_words(facts)) is not None


def _words(facts: Facts) -> str:
    return f"{facts.subject}\n{facts.own_words}"
