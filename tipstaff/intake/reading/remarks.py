# ruff: noqa: E501 - patterns read better whole
"""What a row says of itself: that it was the writer's own doing, or that it was let in where others were turned away."""

from collections.abc import Iterable
from dataclasses import replace

from tipstaff.intake.reading.loglines import LogLine
from tipstaff.intake.reading.patterns import pattern
from tipstaff.intake.reading.sections import Line

_ME = r"(?:me|myself|mine|ich|ich selbst|moi(?:-même)?|yo(?: mism[oa])?|io(?: stess[oa])?|ik(?:zelf)?|ik zelf|ja|ja sam\pL?|eu(?: mesm[oa])?|я(?: сам\pL?)?|bin ich|war ich|bin das|c'est moi|soy yo|era yo|fui yo|sono io|ero io|ben ik(?:zelf| zelf)?|was ik(?:zelf)?|to ja|sou eu|fui eu|era eu|это я|ok:? me)"
_MINE = r"(?:my|our|mein\pL{0,2}|unser\pL{0,2}|mon|ma|notre|mi|nuestr[ao]|(?:la |il )?mi[oa]|(?:la |il )?nostr[oa]|mijn|onze|ons|mój|moja|moje|nasz\pL?|(?:o |a )?meu|(?:a )?minha|(?:o |a )?noss[oa]|мой|моя|мо[её]|наш\pL?)"
#: ``<-- me, at home``; ``(das war ich)``; ``own test``; ``the owner``.
OWN_REMARK = (
    rf"(?:<[-–—=]+|←|⇐|[(（|#\t]|//|--|\s[–—-])\s?(?:(?:that's|that is|that was|this is|this was|it's|it was|this one is|only|das|dies|ça|este|esto|questo|dit|dat|esse|isto|это)\s)?{_ME}(?:\s?[,;)）|!.]|\s(?:at|from|zu|von|daheim|à|depuis|en|desde|a|da|in|dal|thuis|op|w|z|em|из|дома|в)\s|\s?$)"
    rf"|(?:<[-–—=]+|←|[(（|\t])\s?{_MINE}\s[\pL-]{{2,16}}(?:\s[\pL-]{{2,16}})?\s?[)）]"
    r"|(?:^|[^\pL])(?:(?:my|our) own (?:test|login|log-?in|check|visit|ip|address|connection|access|phone|laptop)|(?:own|internal|legitimate) (?:test|login|user|access|check)|(?:login|log-?in|sign-?in|access) (?:by|of) (?:the )?owner|self-?test|by (?:me|us|the owner)|"
    r"eigene[rns]? (?:test|anmeldung|zugriff|login|prüfung|aufruf)|selbsttest|(?:durch|von) (?:der |dem |die )?inhaber(?:in)?|durch uns|durch mich|(?:test|essai|connexion|accès) (?:interne|à nous|du propriétaire|de la propriétaire|personnel)|(?:notre|mon|propre) (?:propre )?(?:test|essai|connexion)|"
    r"(?:prueba|acceso|inicio de sesión) (?:propi[ao]|intern[ao]|nuestr[ao]|mí[ao]|del? dueñ[oa]|del propietario)|(?:prova|test|accesso) (?:nostr[ao]|mi[ao]|intern[ao]|propri[ao]|del titolare|della titolare|del proprietario)|eigen (?:test|login|toegang|inlog)|(?:door|van) (?:de )?eigenaar|(?:door )?onszelf|"
    r"(?:własny|nasz|mój) (?:test|dostęp)|własne logowanie|(?:przez )?właściciel\pL*|(?:teste|acesso|login) (?:próprio|nosso|meu|interno|d[oa] propriet[aá]ri[oa]|d[oa] don[oa])|(?:собственн\pL+|наш|свой|мой) (?:тест|вход|доступ)|(?:вход )?владел\pL+|сам проверял)(?:$|[^\pL])"
    r"|(?:自己|本人|我们自己|我自己|站长|管理员本人|店主)(?:的)?(?:测试|登录|访问|操作)?(?:$|[)）,，。\s])|(?:自分|本人|当社|弊社|自社|オーナー|管理者)(?:の|による)?(?:テスト|ログイン|アクセス|確認)"
)
_OWN = pattern(f"(?i){OWN_REMARK}")
_PASSED = pattern(
    r"(?i)(?:^|[\s|;,\t(])(?:ok|okay|passed|clean|harmless|success(?:ful)?|accepted|granted|akzeptiert|angenommen|gewährt|acceptée?|accordée?|aceptad[oa]|concedid[oa]|accettat[oa]|concess[oa]|geaccepteerd|toegelaten|zaakceptowan[oey]|przyjęt[oey]|aceite|принят[оы]?|接受|通过|許可|erfolgreich|sauber|réussie?|propre|sain|correct[oa]?|exitos[oa]|limpi[oa]|riuscit[oa]|pulit[oa]|gelukt|geslaagd|schoon|goed|udan[ea]|czyst[yae]|poprawn[ea]|sucesso|limp[oa]|успешно|чист[оый]{1,2}|норма|成功|正常|干净|正常)(?:$|[\s|;,.\t)(])"
)
_TURNED = pattern(
    r"(?i)(?:^|[^\pL])(?:block\pL*|bann\pL*|lock\pL*|den(?:y|ied)|drop\pL*|reject\pL*|fail\pL*|refus\pL*|wrong|infected|dirty|gesperrt|blockiert|abgelehnt|abgewiesen|fehlgeschlagen|falsch|infiziert|bloqu\pL*|échou\pL*|échec|infecté\pL*|bloque\pL*|rechazad[oa]|fallid[oa]|infectad[oa]|bloccat[oa]|rifiutat[oa]|fallit[oa]|infett[oa]|"
    r"geblokkeerd|geweigerd|mislukt|besmet|zablokowan\pL*|odrzucon\pL*|nieudan\pL*|zainfekowan\pL*|recusad[oa]|falh\pL*|заблокирован\pL*|отклон\pL*|отказ\pL*|неудач\pL*|заражен\pL*|封禁|拒绝|失败|拒否|失敗|遮断)"
)
_LAST = pattern(
    r"(?i)\b(?:last|final|bottom) (?:one |line |entry |row |login )?(?:is|was|are) (?:\pL+ )?(?:me\b|mine|my |our |myself|us\b)|\bletzte[rns]? (?:zeile |eintrag |anmeldung )?(?:bin|war|ist|sind) (?:\pL+ )?(?:ich|von mir|meine?|unsere?|wir)|\bderni(?:er|ère) (?:ligne |entrée |connexion )?(?:est|c'est|était) (?:\pL+ )?(?:moi|la mienne|le mien|nous)|"
    r"\búltim[ao] (?:línea |entrada |acceso |linha |acesso )?(?:soy|es|era|fui|sou|é) (?:yo|mí[ao]|eu|minha|meu|nuestr)|\bultim[ao] (?:riga |accesso )?(?:sono|è|ero) (?:io|mi[ao]|nostr)|\blaatste (?:regel |inlog |login )?(?:ben|is|was) (?:\pL+ )?(?:ik|van mij|mijn|onze)|\bostatni\pL? (?:wiersz |linia |wpis |logowanie )?(?:to|jest) (?:ja|mój|moje|nasz)|"
    r"\bпоследн\pL+ (?:строка |запись |вход )?[—–-]?\s?(?:это )?(?:я|мой|моя|наш)|最后(?:一[行条个])?\pL{0,4}是(?:我|本)|最後の(?:行|ログイン)?は(?:私|当社|弊社|自分)"
)


def last_is_own(words: str) -> bool:
    """Whether the letter says that the last of what it lists is the writer's: ``the last line is me``."""
    return _LAST.search(words) is not None


def without_excused(rows: list[tuple[Line, LogLine]]) -> list[tuple[Line, LogLine]]:
    """The rows, those marked as good that are the writer's own doing or, among others that were turned away, were let in."""
    if not rows:
        return rows
    told = [_told(line.text) if entry.kind in ("table", "row", "listing") else "" for line, entry in rows]
    mixed = "turned away" in told
    return [
        (line, replace(entry, good=True) if said == "own" or (said == "passed" and mixed) else entry)
        for (line, entry), said in zip(rows, told, strict=True)
    ]


def excuses_any(rows: Iterable[str]) -> bool:
    """Whether one of the rows of a table is the writer's own doing, or was let in where others were not."""
    told = {_told(row) for row in rows}
    return "own" in told or ("passed" in told and "turned away" in told)


def _told(row: str) -> str:
    row = row[:300]
    if _OWN.search(row):
        return "own"
    return "passed" if _PASSED.search(row) else "turned away" if _TURNED.search(row) else ""
