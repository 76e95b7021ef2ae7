# ruff: noqa: E501 - patterns read better whole
"""Addresses of an earlier matter: ``thanks for your quick work on A; now B is at it``. Who was dealt with is not accused again."""

from tipstaff.intake.reading.exculpation import CLEARED
from tipstaff.intake.reading.mentions import Mention
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.roles import SAYS, Role
from tipstaff.intake.reading.sections import Zone

SETTLED = "an earlier matter, dealt with"
_BEFORE, _BEHIND = 200, 140  # characters around an address in which its clause is looked for
_THANKING = r"(?i)\b(?:thanks|thank you|thank|danke|dank|merci|gracias|grazie|ringrazi\pL+|bedankt|dzięk\pL+|obrigad[oa]|agrade\pL+|спасибо|благодар\pL+)\b|谢|ありがと"
#: Thanks for what is still asked for.
_AHEAD = pattern(
    r"(?i)\b(?:in advance|beforehand|for (?:looking|checking|investigating|taking|your (?:help|attention|cooperation|assistance|time))|if you|im voraus|vorab|d'avance|par avance|merci de|de antemano|por adelantado|in anticipo|anticipatamente|alvast|bij voorbaat|z góry|antecipad\pL+|desde já|заранее)\b|提前|预先"
)
_THEN = pattern(
    r"(?i)\b(?:last (?:week|month|year|time|spring|summer|autumn|fall|winter)|(?:days|weeks|months) ago|letzte[nrs]? (?:woche|monat|jahr|mal)|vor \S+ (?:tagen|wochen|monaten)|(?:semaine|mois|année|fois) (?:dernière?|passée?)|il y a \S+ (?:jours|semaines|mois)|(?:semana|mes|año|vez) pasad[oa]|hace \S+ (?:días|semanas|meses)|(?:settimana|mese|anno|volta) scors[oa]|\S+ (?:giorni|settimane|mesi) fa|vorige (?:week|maand|keer)|(?:dagen|weken|maanden) geleden|"
    r"w (?:zeszłym|ubiegłym) (?:tygodniu|miesiącu|roku)|\S+ (?:dni|tygodni\pL*|miesi\pL+) temu|(?:semana|mês|ano|vez) passad[oa]|há \S+ (?:dias|semanas|meses))\b|(?:на прошлой неделе|в прошлом (?:месяце|году)|в прошлый раз|назад)|上(?:周|个?月|次)|先(?:週|月)|前回"
)
_YOU_ACTED = (
    r"(?i)\byou (?:have |had |already |kindly |then |\pL+ly )*(?:fixed|solved|blocked|stopped|took|taken|shut|switched|disabled|dealt|handled|removed|cleaned|sorted|suspended|resolved)\b|\b(?:haben sie|sie haben|habt ihr|ihr habt|hatten sie)\b[^.!?\n]{0,60}\b(?:gesperrt|abgeschaltet|gelöst|erledigt|behoben|bereinigt|stillgelegt)|"
    r"\bvous (?:l')?(?:avez|aviez) (?:\pL+ )?(?:réglé|bloqué|coupé|résolu|traité|suspendu|fermé)\pL*|\b(?:resolvieron|solucionaron|bloquearon|cortaron|arreglaron|resolvisteis|cerraron)\b|\b(?:avete|avevate) (?:\pL+ )?(?:risolto|bloccato|spento|chiuso|sistemato)|"
    r"\b(?:hebben jullie|heeft u|jullie hebben|u heeft|hadden jullie)\b[^.!?\n]{0,60}\b(?:afgesloten|opgelost|geblokkeerd|uitgezet|aangepakt)|\b(?:zablokowali|wyłączyli|rozwiązali|usunęli)\pL*|\b(?:resolveram|bloquearam|desligaram|trataram|resolveu|bloqueou)\b|\bвы (?:\pL+ )?(?:отключили|заблокировали|решили|устранили|закрыли)|(?:处理|封禁|关闭|解决)了|(?:対応|停止|解決)して(?:いただ|くださ|もら)"
)
#: Somebody else dealt with it: ``but that provider has acted at once``.
_THEY_ACTED = (
    r"(?i)\b(?:that|this|its|whose|their|dieser|der|deren|dessen|ce|cet|son|dont le|ese|este|su|cuyo|quel|il suo|il cui|die|dat|wiens|ten|tamten|jego|esse|o seu|cujo|тот|этот|его|их)\s(?:provider|hoster\pL*|hosting[\pL-]*|isp|operator|anbieter|betreiber|hébergeur|fournisseur|opérateur|proveedor|operador|fornitore|operatore|aanbieder|dostawca|provedor|fornecedor|провайдер|оператор|хостер)\s(?:\pL+\s){0,4}?"
    r"(?:acted|reacted|intervened|removed|took|taken|shut|solved|fixed|blocked|reagiert|eingegriffen|gesperrt|entfernt|réagi|intervenu|fermé|bloqué|coupé|reaccion\pL+|actu\pL+|intervino|cerró|bloqueó|reagito|intervenut\pL|rimosso|bloccato|ingegrepen|gereageerd|verwijderd|afgesloten|zareagował\pL*|zablokował\pL*|usunął|reagiu|agiu|removeu|bloqueou|отреагировал\pL*|заблокировал\pL*|удалил\pL*)"
)
#: What turns it round: ``has not reacted``, ``has blocked nothing``, ``took part in``, ``should have acted``, ``actualmente``.
_DID_NOT = pattern(
    r"(?i)\b(?:not|never|nothing|nobody|no one|none|neither|nor|hardly|barely|without|refus\pL+|fail\pL*|cannot|be|been|being|should|must|would|could|might|nicht|nichts|nie|niemals|niemand\pL*|kein\pL{0,2}|kaum|ohne|weiger\pL+|pas|jamais|rien|personne|aucun\pL?|sans|ni|no|nunca|jamás|nada|nadie|sin|tampoco|actual\pL*|non|mai|niente|nulla|nessun\pL?|senza|neanche|niet|nooit|niets|niemand|geen|zonder|evenmin|nigdy|nic|nikt|nikogo|bez|"
    r"não|nem|jamais|ninguém|nenhum\pL?|sem|не|ни|никогда|ничего|никто|никого|нет|без)\b"
)
_TOOK_OTHER = pattern(r"(?i)\b(?:took|taken)\s(?:\pL+\s){0,2}?(?:part|place|over|advantage|aim|control|turns|root|notice of us)\b")
_NEXT_WORDS = pattern(r"^\s\pL+(?:\s\pL+)?(?:\s\pL+)?")
_THANKS, _ACTED, _OTHERS_ACTED = pattern(_THANKING), pattern(_YOU_ACTED), pattern(_THEY_ACTED)
_DEALT = pattern(f"{_THANKING}|{_YOU_ACTED}|{_THEY_ACTED}")  # one look at the letter
#: Where a sentence turns to what is new.
_TURN = pattern(
    r"(?i)[.!?]\s+[\p{Lu}\d\[(]|[。！？]|\n\s*\n|[;；]\s|[.!?:]\n|[,–—-]\s?(?:but|now|however|yet|and now|aber|jetzt|nun|doch|mais|maintenant|pero|ahora|ma|ora|però|maar|nu|ale|teraz|mas|agora|но|теперь|а теперь)\b|[,，、]\s?(?:但|现在|しかし|今)"
)


def weigh_settled(letter: str, mentions: list[Mention]) -> None:
    """Takes out what the letter speaks of only as dealt with, where it names another address that may be accused instead."""
    known = [one for one in mentions if one.line.zone in (Zone.BODY, Zone.CLOSING) and not one.in_table]
    if len({one.ip for one in known}) < 2 or not _DEALT.search(letter):
        return
    elsewhere = [one for one in known if _is_elsewhere(letter, one)]
    if _open_ones(known, elsewhere) - {one.ip for one in elsewhere}:
        _take_out(elsewhere)
    settled = [one for one in known if _is_settled(_clause(letter, one))]
    open_ones = _open_ones(known, settled)
    if open_ones - {one.ip for one in settled}:
        _take_out([one for one in settled if one.ip not in open_ones])


def _open_ones(known: list[Mention], settled: list[Mention]) -> set[str]:
    """Addresses that may be accused where they are not spoken of as settled."""
    places = {id(one) for one in settled}
    return {one.ip for one in known if id(one) not in places and one.role not in (Role.VICTIM, Role.OTHER)}


def _take_out(mentions: list[Mention]) -> None:
    for one in mentions:
        one.role, one.strength, one.cue, one.points = Role.OTHER, SAYS, SETTLED, True


def _is_settled(clause: str) -> bool:
    thanked = _THANKS.search(clause) is not None and not _AHEAD.search(clause)
    return thanked or (
        _ACTED.search(clause) is not None and (_THEN.search(clause) is not None or _THANKS.search(clause) is not None)
    )


def _is_elsewhere(letter: str, one: Mention) -> bool:
    behind = letter[one.found.end : one.found.end + _BEHIND]
    stop = _PERIOD.search(behind)
    behind = behind[: stop.start()] if stop else behind
    acted = _OTHERS_ACTED.search(behind)
    if acted is None:
        return False
    rest = _NEXT_WORDS.match(behind[acted.end() :])
    said = acted.group() + (rest.group() if rest else "")
    return not _DID_NOT.search(said) and not _TOOK_OTHER.search(said)


def _clause(letter: str, one: Mention) -> str:
    start, end = one.found.start, one.found.end
    lead = letter[max(0, start - _BEFORE) : start]
    lead = lead[max((turn.end() - 1 for turn in _TURN.finditer(lead)), default=0) :]
    behind = letter[end : end + _BEHIND]
    turn = _TURN.search(behind)
    return f"{lead}{one.found.as_written}{behind[: turn.start() + 1] if turn else behind}"


def says_of_others(letter: str, mentions: list[Mention], position: int) -> bool:
    """Whether what stands at ``position`` belongs to the sentence about an address that was taken out of the accusation."""
    for one in mentions:
        if one.cue not in (SETTLED, CLEARED) or not -_BEFORE <= position - one.found.start <= _BEFORE:
            continue
        gap = letter[min(position, one.found.end) : max(position, one.found.start)]
        if "\n\n" not in gap and not _PERIOD.search(gap):
            return True
    return False


_PERIOD = pattern(r"[.!?]\s+[\p{Lu}\d\[(]|[。！？]")
