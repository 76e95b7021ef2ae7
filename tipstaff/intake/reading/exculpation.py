# ruff: noqa: E501 - patterns read better whole
"""Addresses that a letter takes out of its accusation: bystanders, the writer's own, what was looked into and found good."""

from tipstaff.intake.reading.mentions import LIST_GAP, Mention
from tipstaff.intake.reading.patterns import Match, pattern
from tipstaff.intake.reading.remarks import OWN_REMARK
from tipstaff.intake.reading.roles import SAYS, Role

CLEARED = "expressly not accused"
_BEHIND = 150  # characters behind an address in which it is taken out
_BEFORE = 60

_NOT = (
    r"(?:not|isn't|wasn't|aren't|weren't|never|nicht|kein\pL{0,2}|n'est pas|ne sont pas|pas|no|non|niet|geen|nie|não|не|hat nichts)"
)
_GUILT = (
    r"(?:the |an? |der |die |das |le |la |el |il |l'|de |het |o |a |part of |being |itself |at all |really |selbst |lui-même |in any way )*"
    r"(?:attacker|source|culprit|offender|spammer|perpetrator|accused|involved|guilty|to blame|at fault|responsible|malicious|the problem|complained|meant|angreifer|täter|quelle|verursacher|schuld|beteiligt|verantwortlich|gemeint|"
    r"attaquant|coupable|en cause|impliqu\pL+|responsable|concern\pL+|atacante|culpable|implicad\pL|involucrad\pL|colpevol\pL|coinvolt\pL|responsabil\pL|dader|schuldig|betrokken|verantwoordelijk|sprawc\pL+|win\pL+|zamieszan\pL+|culpad[oa]|envolvid\pL|responsáve\pL+|"
    r"виноват\pL*|причаст\pL+|атакующ\pL+|источник\pL*)"
)
_CLEARS = pattern(
    rf"(?i)\b{_NOT}\s{_GUILT}\b|\bне\s?причаст\pL+|"
    r"\b(?:innocent|bystander|uninvolved|(?:has|have|had) nothing to do|nothing wrong|leave (?:it|that one|this one|them|him|her) (?:be|alone|out|up|running)|(?:disregard|ignore|forget(?: about)?|skip) (?:it|that one|this one|them|that address|the (?:former|latter))|no (?:complaint|quarrel|problem) (?:about|with)|(?:please )?(?:do not|don't|no need to) (?:block|touch|suspend|disable|punish|cut|act on|take down|shut)|"
    r"(?:is|are|was|it's|looks?) (?:itself |themselves |also |only |merely |just |itself also )?(?:a victim|victims|harmless|clean|legitimate|innocent|fine|ok|okay|a false positive)|merely does|only relay\pL*|(?:he|she|it|they) (?:is|are|was|were) (?:not|innocent)\b|we do not (?:accuse|mean|complain)|not (?:accusing|complaining)|"
    r"unschuldig\pL*|unbeteiligt\pL*|(?:hat|haben) (?:damit )?nichts (?:damit )?zu tun|bitte nicht (?:sperren|blockieren|anfassen|abschalten)|in ruhe lassen|(?:ist|sind) (?:selbst |auch |nur )?(?:opfer|harmlos|sauber|in ordnung|legitim)|"
    r"innocente?s?|n'(?:a|ont|y est|y sont) (?:rien à voir|pour rien)|ne (?:pas|bloquez pas|le bloquez pas) (?:bloquer|toucher|suspendre)?|est (?:elle-même |lui-même |aussi )?(?:une )?victime|est légitime|"
    r"inocentes?|no tienen? nada que ver|no (?:la |lo |las |los )?bloqueen?|es (?:también |solo |sólo )?(?:una )?víctima|es legítim[oa]|no tiene la culpa|"
    r"innocent[ei]|non (?:c'entra|c'entrano|ha niente a che|ha nulla a che)|non (?:va |vanno |lo |la )?blocca\pL*|è (?:anch'ess[oa] |solo )?(?:una )?vittima|è legittim[oa]|"
    r"onschuldig\pL*|heeft er niets mee|heeft (?:hier )?niets mee te maken|niet blokkeren|is (?:zelf |ook )?(?:een )?slachtoffer|is legitiem|"
    r"niewinn\pL+|nie ma (?:z tym )?nic wspólnego|nie (?:blokuj\pL*|blokować)|jest (?:też |sam\pL? )?ofiarą|"
    r"inocente|não tem nada a ver|não (?:o |a )?bloque\pL+|é (?:também )?(?:uma )?vítima|é legítim[oa]|"
    r"невинов\pL+|невинн\pL+|не имеет (?:к этому )?отношения|не при ч[её]м|не (?:надо |нужно )?блокир\pL+|не трога\pL+)\b|"
    r"无辜|无关|不是(?:攻击|来源|元凶)|请(?:不要|勿)(?:封|阻)|没有问题|無関係|関係ありません|無実|遮断しないで|ブロックしないで|問題ありません|"
    r"(?i:\b(?:(?:does|do) not|doesn't|don't) belong to you|\b(?:is|are) (?:not|no longer) (?:yours|one of yours|in your (?:network|range))|\bgehör(?:t|en) (?:aber )?nicht (?:zu )?ihnen|\bn'(?:est|appartient|appartiennent) pas (?:à|chez) vous|\bno (?:es|son) suy[ao]s?|\bno les pertenece|\bnon (?:è|sono) vostr[aeio]|\bnon appartiene a voi|\b(?:hoort|horen) niet bij (?:u|jullie)|\bis niet van (?:u|jullie)|"
    r"\bnie (?:jest|są) (?:wasz\pL?|państwa)|\bnie należy do (?:was|państwa)|\bnão (?:é|são) voss[ao]s?|\bnão (?:lhes |vos )?pertence|принадлежит не вам|не принадлежит вам|(?:не ваш\pL?)(?:[^\pL]|$))|不(?:是|属于)(?:你们|您|贵)|(?:貴社|御社)のものではあり|"
    r"(?i:\b(?:genuine|real|legitimate|honest|ordinary) (?:guests?|customers?|users?|visitors?|members?|clients?)\b|\b(?:echte|ehrliche|reguläre|normale)\pL? (?:gäste|kunden|nutzer|besucher|mitglieder)|\b(?:vrais|véritables) (?:clients|visiteurs|utilisateurs|membres)|\b(?:clientes|usuarios|visitantes) (?:reales|verdaderos|legítimos|de verdad)|\b(?:clienti|utenti|visitatori|ospiti) (?:ver[io]|reali|legittimi)|\bver[io] (?:clienti|utenti|ospiti)|"
    r"\bechte (?:klanten|gebruikers|bezoekers|gasten)|\bprawdziw\pL+ (?:klien\pL+|goś\pL+|użytkown\pL+)|\b(?:clientes|utilizadores|visitantes) (?:reais|verdadeiros|legítimos)|настоящи\pL+ (?:клиент\pL*|гост\pL*|посетител\pL*|пользовател\pL*))|(?:正常|真正的?|真实)(?:用户|客户|访客)|(?:本物|正規|正当)の(?:客|利用者|ユーザ)|"
    rf"{OWN_REMARK}"
)
#: ``A, which is another provider``: said of the address itself.
_OF_ANOTHER = (
    r"(?i)^[\s)\]\"',;(–-]{0,4}(?:(?:which|that|this|it|and that|and) (?:is|belongs to|sits (?:at|with)|is (?:run|operated|hosted) by|is (?:at|with|in))|(?:das|der|die|dies) (?:ist|gehört zu|gehört|liegt bei|steht bei)|qui (?:est|appartient à|relève d[e']|se trouve chez)|"
    r"que (?:es(?:tá en)?|pertenece a|é|pertence a|está n?[ao]?)|che (?:è|appartiene a|sta presso|si trova presso)|(?:dat|die|dit) (?:is|hoort bij|staat bij|valt onder)|(?:który|która|które|to) (?:jest|należy do)|(?:это|котор\pL+|он|она) (?:принадлежит |относится к )?)\s?"
    r"(?:at |with |of |einem |eines |bei |chez |de |van |od |w |u )?(?:(?:some|an)?other|a different|somebody else's|someone else's|(?:ein(?:em|es|e)? )?ander\pL+|(?:un |d')?(?:e )?autre|otr[oa]|(?:un )?altr[oa]|un'altra|een ander\pL?|inn\pL+|(?:um |uma )?outr[oa]|друг\pL+)\s"
    r"(?:\pL+ )?(?:provider|isp|operator|network|host\pL*|company|carrier|anbieter|betreiber|netz\pL*|firma|hébergeur|fournisseur|opérateur|réseau|proveedor|operador|red|fornitore|operatore|rete|aanbieder|netwerk|dostaw\pL+|sie[cć]\pL*|provedor|fornecedor|rede|провайдер\pL*|оператор\pL*|сет\pL+|хостинг\pL*)"
)
#: ``the sinkhole has the address A``: what listens is the writer's, and whoever comes to it is accused.
_LISTENING = r"(?i)\b(?:sinkholes?|honey-?pots?|honey-?nets?|spam-?traps?|spamfallen?|darknet|network telescope|sensor(?:s|en|es|i)?|trampa|piège|trappola|pułapk\pL+|armadilha)\b[^.!?\n]{0,30}?(?:\s(?:has|have|is|at|on|listens|uses|hat|ist|lautet|unter|mit|a|est|à|sur|tiene|es|en|ha|è|con|su|heeft|op|met|ma|jest|pod|tem|é|em|no)\s|[:=(]\s?)(?:(?:the|die|der|l'|la|el|il|het|o|a|an|on|ip|address|adresse|dirección|indirizzo|adres|endereço|server)[\s:-]*){0,4}$"
_INTO = pattern(
    r"(?i)\b(?:innocent (?:\pL+ ){0,2}|bystanders? |unbeteiligte\pL* |unschuldige\pL* |victimes? (?:innocentes? )?|(?:tiers )?innocents? |inocentes? |innocenti |onschuldige |niewinn\pL+ |невинн\pL+ |apart from |aside from |with the exception of |nothing to do with |not about |not (?:from|by|via) |"
    r"es geht nicht um |nicht (?:um|von|durch) |mit ausnahme (?:von|der) |abgesehen von |pas (?:de|par|depuis) |à l'exception de |no (?:de|desde|por) |excepto |salvo |a excepción de |non (?:da|dal|dall') ?|tranne |ad eccezione di |"
    r"niet (?:van|door|vanaf) |behalve |met uitzondering van |nie (?:z|od) |oprócz |z wyjątkiem |não (?:de|do|da|por) |exceto |à exceção de |не (?:с|от|из) |кроме |за исключением )(?:(?:such as|like|wie|comme|como|come|zoals|jak|takich jak|как|at|the|ip|address|server|adresse|dirección|indirizzo|adres|endereço|адрес\pL*|der|die|dem|l'|la|el|il|het|o|a)[\s:]+){0,4}[(\[\"']?$"
    r"|(?:不是|并非|除了|除)\pL{0,4}$"
)
_STOP = pattern(r";\s|[.!?]\s+[\p{Lu}\d\[(]|[。!?]|\n\s*\n|[.!?:;]\n|[.!?]\s*$|\n[ \t>*•-]{0,6}\p{L}[\p{L} .]{1,30}\s?:\s")
_IT = pattern(
    r"(?i)^[.!?。]?\s{0,3}(?:that one|this one|it|he|she|they|diese[rs]?|jene[rs]?|die|der|es|er|sie|celle-ci|celui-ci|elle|il|ésta|éste|esa|ese|questo|questa|quello|die|deze|ten|ta|tamten|esse|essa|este|esta|этот|эта|он|она|它|これ|それ)\b"
)


#: ``A belongs to another provider``, ``A, which are addresses of a CDN``: what is said behind an address, in its own sentence.
_IS_ANOTHERS = (
    r"(?i)^[\s)\]\"']{0,3}(?:belongs? to|(?:is|are) (?:run|operated|hosted|owned) by|(?:is|are|sits?) (?:at|with)|gehör(?:t|en)(?: zu)?|lieg(?:t|en) bei|steh(?:t|en) bei|appartien(?:t|nent) à|relèvent? d['e]|pertenecen? a|appart(?:iene|engono) a(?:d)?|hoor(?:t|en) bij|valt onder|należ(?:y|ą) do|pertencem? a|принадлеж(?:ит|ат))\s"
    r"(?:some |(?:an)?other|a different|(?:einem |einer )?ander\pL+|un(?:e)? autre|otr[oa]|un altr[oa]|un'altra|een ander\pL?|inne\pL+|outr[oa]|друг\pL+)(?:\s\pL+)?\s(?:provider|isp|operator|network|host\pL*|company|carrier|anbieter\pL*|betreiber\pL*|netz\pL*|firma|hébergeur|fournisseur|opérateur|réseau|proveedor|operador|red|fornitore|operatore|rete|aanbieder|netwerk|dostaw\pL+|operator\pL*|sie[cć]\pL*|provedor|fornecedor|rede|провайдер\pL*|оператор\pL*|сет\pL+)"
    r"|^[^.!?\n]{0,40}?\b(?:is|are|ist|sind|est|sont|es|son|è|sono|zijn|jest|są|é|são|это|—)\s(?:(?:an?|the|our|just|only|all|public|die|das|der|ein\pL{0,2}|unser\pL{0,2}|nur|le|la|les|des|du|un|une|notre|nos|el|los|del|nuestr[ao]s?|il|lo|gli|dell[ao']|nostr[ao]|het|een|onze|van|adres\pL*|nasz\pL*|o|os|do|da|noss[ao]s?|address(?:es)?|ips?|of|adressen?|adresses?|direcci\pL+|indirizz[oi]|endereços?|de|di|z|наш\pL*|адрес\pL*)\s){0,6}"
    r"(?:cdn|waf|reverse[ -]?proxy|load[ -]?balancer|scrubbing|cdns|content delivery)\b"
)


#: Before words that clear: they are said of the others, or of whom it strikes: ``the rest is``, ``unusable for``.
_OF_OTHERS = pattern(
    r"(?i)\b(?:the rest|others?|everything else|the remaining(?: ones)?|der rest|die (?:anderen|übrigen|restlichen)|le reste|les autres|el resto|los demás|los otros|las otras|las demás|il resto|gli altri|le altre|de rest|de andere\pL*|de overige\pL*|reszta|pozostałe|o resto|os outros|os demais|as outras|остальн\pL+|for|against|harms?|affects?|für|gegen|pour|contre|para|contra|per|contro|voor|tegen|dla|для)\s(?:\pL+\s){0,2}$|其[余他](?:的)?(?:都)?$|(?:その他|残り)は$"
)


#: ``so that real customers get no answer``: these are somebody else than the address.
_HONEST = pattern(
    r"(?i)(?:guest|customer|user|visitor|member|client|gäste|kunden|nutzer|besucher|mitglieder|usuario|cliente|visitante|utent|ospit|klant|gebruiker|bezoeker|gast|klien|goś|użytkown|утилизат|посетител|пользовател|用户|客户|访客|客|ユーザ)[\pL]*$"
)
_MEANWHILE = pattern(
    r"(?i)\b(?:so|so that|that|and|while|because|damit|sodass|dass|und|während|weil|et|que|pendant que|alors que|y|mientras|così che|mentre|perché|e|zodat|terwijl|en|żeby|tak że|podczas gdy|enquanto|чтобы|так что|и|пока|the|our|unsere|die|nos|les|nuestros|los|i nostri|onze|de|nasi|os|nossos|наши)\s$"
)


#: ``A is simply our name server``: said of the address; what follows tells whether it is a thing of the writer's.
_IS_THE_WRITERS = (
    r"(?i)^[\s,)\]\"'–-]{0,4}(?:\([^)\n]{0,30}\)\s?)?(?:\pL{2,8}\s)?(?:is|was|'s|ist|war|est|était|es|era|è|jest|był\pL?|é|это)\s(?:only |just |simply |merely |of course |actually |also |nur |einfach |bloß |auch |lediglich |natürlich |simplement |juste |seulement |aussi |simplemente |sólo |solo |también |semplicemente |soltanto |anche |gewoon |alleen |ook |slechts |po prostu |tylko |też |apenas |simplesmente |só |também |просто |лишь |только )*"
    r"(?:our|my|unser\pL{0,2}|mein\pL{0,2}|notre|mon|nuestr[ao]|mi|(?:il |la )?nostr[ao]|(?:il |la )?mi[ao]|onze|ons|mijn|nasz\pL?|mój|moja|(?:o |a )?noss[ao]|(?:o )?meu|(?:a )?minha|наш\pL?|мой|моя)(?:\sown|\seigene\pL?|\spropre|\spropi[ao]|\seigen|\swłasn\pL|\sprópri[ao])?\s(?P<thing>[^.!?;,\n]{2,40})"
)
_NO_THING = pattern(
    r"(?i)attack|offend|spam|abus|problem|culprit|trouble|main |worst|biggest|nightmare|concern|angreif|täter|plage|haupt|attaqu|problème|pire|atacante|problema|peor|attaccant|peggior|aanvaller|probleem|napastnik|problem|agresor|pior|проблем|обидчик|source|quell|origin|suspect|verdächt"
)
#: ``he works from home, A``: nobody says that of an attacker.
_AT_HOME = r"(?i)\b(?:from|at|his|her|their|my|our) home(?: address| connection| line| ip)?[\s,(:]{1,3}(?:ip |address )?[(\[]?$|\b(?:von zu hause|zu hause|daheim|depuis (?:chez|son domicile|sa maison)(?: lui| elle| moi| nous)?|à la maison|desde (?:su |mi )?casa|en casa|da casa|vanuit huis|van thuis(?: uit)?|thuis|z domu|w domu|de casa|em casa|из дома|дома)[\s,(:]{1,3}(?:ip |adresse |dirección |indirizzo |adres |endereço )?[(\[]?$"


#: ``we use A as a resolver``.
_IN_USE = r"(?i)(?:\b(?:(?:we|i) (?:\pL+ly |also |only )?(?:use|run|operate)|(?:wir|ich) (?:nutzen|nutze|benutzen|benutze|verwenden|verwende|betreiben|betreibe)|(?:nous|j')\s?utilis\pL+|usamos|utilizamos|uso|utilizo|usiamo|utilizziamo|(?:wij|we|ik) gebruiken?|używamy|używam|korzystamy z|utilizamos|мы используем|используем|у нас)|我们(?:使用|用的是?)|(?:弊社|当社)(?:は|では))\s?(?:the |die |den |der |l'|la |el |il |de |o |a )?(?:ip |address |adresse |dirección |indirizzo |adres |endereço |адрес )?$"

#: One look each for what is said before an address and behind it.
_OWN_LEAD = pattern(f"{_LISTENING}|{_AT_HOME}|{_IN_USE}")
_TOLD = pattern(f"{_OF_ANOTHER}|{_IS_ANOTHERS}|{_IS_THE_WRITERS}")

#: Behind ``is the WAF`` and ``are our CDN``: what was written there is shown, and nothing said of the address.
_WRITTEN = pattern(
    r"(?i)\b(?:log|alert|alarm|rule|event|entry|entries|record|report|output|excerpt|extract|trace|protokoll|meldung|regel|ereignis|eintr[aä]g|auszug|journa|alerte|règle|évén|entrée|registr|regla|evento|entrada|alerta|avvis|allarm|regol|voc[ei]\b|melding|gebeurtenis|dziennik|wpis|reguł|zdarzen|regra|лог|журнал|запис|правил|событи)\pL*"
)
_REST = pattern(r"^[\s-][^.!?,;:()\n]{0,30}")
_MOST_WORDS = 4  # ``just our own WAF``
#: ``A is our``, ``A, which is our``: said of the address itself, whatever follows.
_OF_ITSELF = pattern(
    r"(?i)^[\s)\]\"',(–-]{0,4}(?:(?:which|who|die|das|der|dat|qui|que|che|który|która|które|котор\pL+)\s)?(?:is|are|was|were|'s|ist|sind|war|est|sont|était|es|son|era|è|sono|zijn|jest|są|był\pL?|é|são|это|—)\s"
)


def _told(letter: str, start: int, end: int) -> Match | None:
    """What is told of the address that ends at ``start``: a match of ``_TOLD``, or None where a log is shown."""
    told = _TOLD.match(letter[start:end])
    itself = _OF_ITSELF.match(told.group()) if told else None
    if told is None or (itself and (told["thing"] or len(told.group()[itself.end() :].split()) <= _MOST_WORDS)):
        return told
    rest = _REST.match(letter[start + told.end() : start + told.end() + 40])
    shown = (told["thing"] or "") + (rest.group() if rest else "")
    return None if _WRITTEN.search(shown) else told


def weigh_cleared(letter: str, mentions: list[Mention]) -> None:
    """``A, which merely relays, so please leave it be``: A is not accused, whatever else is said of it there."""
    for place, one in enumerate(mentions):
        if one.in_table or one.role is Role.VICTIM:
            continue
        following = mentions[place + 1].found.start if place + 1 < len(mentions) else len(letter)
        lead = letter[max(one.line.start, one.found.start - _BEFORE) : one.found.start]
        taken = _INTO.search(letter[max(one.found.end, following - _BEFORE) : following])
        if taken is not None:  # what leads to the next address speaks of that one
            following = max(one.found.end, following - _BEFORE) + taken.start()
        told = _told(letter, one.found.end, min(following, one.found.end + _BEHIND))
        thing = told["thing"] if told else None
        if _OWN_LEAD.search(lead) or (thing and not _NO_THING.search(thing)):
            one.role, one.strength, one.cue, one.points = Role.VICTIM, SAYS, "the writer's own", True
        elif (told and thing is None) or _INTO.search(lead) or _clears(_said_of(letter, one.found.end, following)):
            one.role, one.strength, one.cue, one.points = Role.OTHER, SAYS, CLEARED, True
            if place and _PLURAL.search(letter[one.found.end : one.found.end + 40]):
                _clear_those_before(letter, mentions[: place + 1])


#: ``A and B, which are``: said of all of them.
_PLURAL = pattern(
    r"(?i)^[\s,)]{0,3}(?:(?:which|they|both|these|die|beide|qui|que|che|które|котор\pL+)\s)?(?:both |all |beide |sont |tous )?(?:are|were|belong|sind|waren|gehören|sont|étaient|appartiennent|son|eran|pertenecen|sono|erano|appartengono|zijn|waren|horen|są|były|należą|são|eram|pertencem|принадлежат)\b"
)


def _clear_those_before(letter: str, mentions: list[Mention]) -> None:
    for one, following in zip(reversed(mentions[:-1]), reversed(mentions[1:]), strict=True):
        gap = letter[one.found.end : following.found.start]
        if one.role is Role.VICTIM or "\n" in gap or not LIST_GAP.match(gap):
            return
        one.role, one.strength, one.cue, one.points = Role.OTHER, SAYS, CLEARED, True


def _clears(said: str) -> bool:
    """Whether what is said of an address clears it, and not the rest of a list, or names somebody who suffers by it."""
    match = _CLEARS.search(said)
    if match is None or _OF_OTHERS.search(said[max(0, match.start() - 40) : match.start()]):
        return False
    return not (_HONEST.search(match.group()) and _MEANWHILE.search(said[max(0, match.start() - 24) : match.start()]))


def _said_of(letter: str, end: int, following: int) -> str:
    """What is said behind an address: the rest of its sentence, and the next one where it goes on about the same."""
    window = letter[end : min(following, end + _BEHIND)]
    stop = _STOP.search(window)
    if stop is None:
        return window
    rest = window[stop.start() :]
    if not _IT.match(rest):
        return window[: stop.start()]
    second = _STOP.search(rest[2:])
    return window[: stop.start() + 2 + second.start()] if second else window
